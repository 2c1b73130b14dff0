package cache

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

// Pruned is what was removed.
type Pruned struct {
	Entries int
	Bytes   int64 // of all objects that were removed
	Kept    int64 // bytes that are left
}

// orphanAge is how old a block that no entry needs must be to be removed: a younger one may be of an entry that is
// being saved.
const orphanAge = 24 * time.Hour

// Prune removes entries of the cache's branch, the oldest first, until what is stored for its name is at most limit
// bytes; 0 means without limit. Entries for which drop is true are removed too; drop may be nil. Blocks that no entry
// of the branch needs any more go with them. Entries of other branches that need such a block become misses.
func (c *Cache) Prune(ctx context.Context, limit int64, drop func(Listed) bool) (Pruned, error) {
	if c.Branch == "" {
		return Pruned{}, ErrReadOnly
	}
	all, err := c.inventory(ctx)
	if err != nil {
		return Pruned{}, err
	}
	p := Pruned{Kept: all.bytes()}
	for i := len(all.entries) - 1; i >= 0; i-- { // the newest is first
		e := all.entries[i]
		dropped := drop != nil && drop(e.Listed)
		if !dropped && (limit <= 0 || p.Kept <= limit || i == 0) { // the newest stays, whatever its size
			continue
		}
		freed, err := all.remove(ctx, i)
		if err != nil {
			return p, err
		}
		p.Entries++
		p.Bytes, p.Kept = p.Bytes+freed, p.Kept-freed
	}
	freed, err := all.sweep(ctx, time.Now().Add(-orphanAge))
	p.Bytes, p.Kept = p.Bytes+freed, p.Kept-freed
	return p, err
}

// inventory is everything that is stored for a cache of a branch, on all platforms.
type inventory struct {
	cache   *Cache
	entries []stocked // the newest first
	blocks  map[string]artifacts.Entry
	needed  map[string]int // how many entries need a block
}

type stocked struct {
	Listed
	blocks []string // keys
}

func (c *Cache) inventory(ctx context.Context) (*inventory, error) {
	in := &inventory{cache: c, blocks: map[string]artifacts.Entry{}, needed: map[string]int{}}
	for o, err := range c.Store.List(ctx, keys.CacheBlocks(c.Branch, c.Name)) {
		if err != nil {
			return nil, err
		}
		in.blocks[o.Key] = o
	}
	listed, _, err := List(ctx, c.Store, keys.CacheEntries(c.Branch, c.Name, ""))
	if err != nil {
		return nil, err
	}
	for _, l := range listed {
		e, err := readEntry(ctx, c.Store, l.Key)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil && !isDamaged(err) {
			return nil, err
		}
		s := stocked{Listed: l}
		for _, sum := range e.Blocks {
			if id, err := hex.DecodeString(sum); err == nil && len(id) == 32 {
				key := keys.CacheBlock(c.Branch, c.Name, [32]byte(id))
				s.blocks = append(s.blocks, key)
				in.needed[key]++
			}
		}
		in.entries = append(in.entries, s)
	}
	return in, nil
}

func (in *inventory) bytes() int64 {
	total := int64(0)
	for _, b := range in.blocks {
		total += b.Size
	}
	for _, e := range in.entries {
		total += e.Size
	}
	return total
}

// remove removes an entry, its record first, and the blocks that only it needed.
func (in *inventory) remove(ctx context.Context, i int) (freed int64, err error) {
	e := in.entries[i]
	if err := in.cache.Store.Delete(ctx, e.Key); err != nil {
		return 0, err
	}
	in.entries = slices.Delete(in.entries, i, i+1)
	freed = e.Size
	var gone []string
	for _, key := range e.blocks {
		if in.needed[key]--; in.needed[key] == 0 {
			if b, ok := in.blocks[key]; ok {
				gone = append(gone, key)
				freed += b.Size
				delete(in.blocks, key)
			}
		}
	}
	return freed, in.cache.Store.Delete(ctx, gone...)
}

// sweep removes the blocks that no entry needs and that are older than a time.
func (in *inventory) sweep(ctx context.Context, before time.Time) (freed int64, err error) {
	var gone []string
	for key, b := range in.blocks {
		if in.needed[key] == 0 && b.Modified.Before(before) {
			gone = append(gone, key)
			freed += b.Size
		}
	}
	slices.SortFunc(gone, strings.Compare)
	return freed, in.cache.Store.Delete(ctx, gone...)
}

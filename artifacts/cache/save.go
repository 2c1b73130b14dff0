package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"math"
	"os"
	"slices"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

// SaveOptions say what is saved, and what is known of the run.
type SaveOptions struct {
	Key      Key
	Paths    []Path
	Declared []string // the paths as they are declared
	RunID    string
	Step     string
	SHA      string
	Seconds  float64 // see Entry
	// Inspect returns what of a file holds a secret, "" if nothing does. The file is at its beginning; it is nil where
	// there is a name only. Nil: nothing is looked for.
	Inspect func(ctx context.Context, name string, file *os.File) (where string, err error)
}

// Saved is what a save stored.
type Saved struct {
	Entry   Entry
	Existed bool // another run saved an entry with this key first, and nothing was stored
	Skipped int  // sockets, named pipes and devices, which no entry has
}

// Save saves the paths as an entry of the cache's branch. Blocks of the entry that the run began with are used again;
// base may be nil, and is of no use afterwards. The error is a *SecretError, fs.ErrNotExist if there is nothing at the paths, ErrReadOnly, the
// store's, the disk's or the context's. The entry is there only if there is none.
func (c *Cache) Save(ctx context.Context, base *Restored, o SaveOptions) (Saved, error) {
	if c.Branch == "" {
		return Saved{}, ErrReadOnly
	}
	at := keys.CacheEntry(c.Branch, c.Name, c.Platform, o.Key.String())
	replace := base != nil && base.Damaged
	if !replace {
		if e, err := readEntry(ctx, c.Store, at); err == nil && slices.Equal(e.Paths, o.Declared) {
			return Saved{Entry: e, Existed: true}, nil
		} else if err == nil || isDamaged(err) {
			replace = true
		} else if !errors.Is(err, fs.ErrNotExist) {
			return Saved{}, err
		}
	}
	if base == nil || base.tree == nil {
		base = &Restored{tree: &tree{}}
	}
	w, err := newWalk(ctx, base.tree, o.Paths)
	if err != nil {
		return Saved{}, err
	}
	defer w.close()
	s := &saver{cache: c, options: o, walk: w, base: base, now: time.Now()}
	t, err := s.store(ctx)
	if err != nil {
		return Saved{}, err
	}
	e, err := s.entry(ctx, t)
	if err != nil {
		return Saved{}, err
	}
	text, err := e.encode()
	if err != nil {
		return Saved{}, err
	}
	_, err = c.Store.Put(ctx, artifacts.Object{
		Key: at, Body: bytes.NewReader(text), Size: int64(len(text)), Type: "application/json", IfAbsent: !replace,
	})
	if errors.Is(err, fs.ErrExist) {
		e, err = readEntry(ctx, c.Store, at)
		return Saved{Entry: e, Existed: true}, err
	}
	return Saved{Entry: e, Skipped: w.skipped}, err
}

func isDamaged(err error) bool {
	var damaged *DamagedError
	return errors.As(err, &damaged)
}

// saver saves one entry.
type saver struct {
	cache   *Cache
	options SaveOptions
	walk    *walk
	base    *Restored
	now     time.Time

	known  pieces
	room   []piece // for the pieces of the next files
	packer *packer
}

// store stores the blocks that are new, and returns the tree.
func (s *saver) store(ctx context.Context) (*tree, error) {
	s.packer = newPacker(ctx, s.cache, s.now)
	s.reuse()
	var err error
	for i := range s.walk.nodes {
		if err = s.node(ctx, i); err != nil {
			break
		}
	}
	blocks, err := s.packer.finish(err)
	if err != nil {
		return nil, err
	}
	s.known, s.base.tree, s.base.stats = nil, nil, nil // the tree needs the memory now
	s.walk.base, s.walk.stats = nil, nil
	return s.compact(&tree{s.options.Declared, blocks, s.walk.nodes}), nil
}

// unusable is the block of a piece of the base that has to be stored again.
const unusable = math.MaxUint32

// reuse takes over the blocks of the base that are worth using again: those that are young, and whose files are still
// there for half of them. The pieces of the base are then those of the new tree: nothing else uses them any more.
func (s *saver) reuse() {
	base := s.base.tree
	live := make([]int64, len(base.blocks))
	for i, j := range s.walk.same {
		if j >= 0 && s.walk.nodes[i].kind == fileNode {
			for _, p := range base.nodes[j].pieces {
				live[p.block] += int64(p.length)
			}
		}
	}
	foreign := s.base.Branch != s.cache.Branch
	taken := make([]uint32, len(base.blocks))
	for i, b := range base.blocks {
		age := s.now.Sub(time.Unix(b.created, 0))
		reachable := b.main || !foreign || s.base.Branch == s.cache.Main
		taken[i] = unusable
		if reachable && age < blockAge && live[i]*2 >= b.raw {
			b.main = b.main || foreign
			taken[i] = uint32(s.packer.take(b))
		}
	}
	s.known = make(pieces, len(base.nodes))
	for i := range base.nodes {
		for j := range base.nodes[i].pieces {
			p := &base.nodes[i].pieces[j]
			if p.block = taken[p.block]; p.block != unusable {
				s.known.add(p)
			}
		}
	}
}

// pieces are those that are stored, by the first bytes of their checksums.
type pieces map[uint64]*piece

func (m pieces) add(p *piece) { m[binary.LittleEndian.Uint64(p.sum[:])] = p }

func (m pieces) find(sum [sha256.Size]byte) (piece, bool) {
	p, found := m[binary.LittleEndian.Uint64(sum[:])]
	if !found || p.sum != sum {
		return piece{}, false
	}
	return *p, true
}

// untouched returns the pieces of a file that is as it was restored, unless they have to be stored again.
func (s *saver) untouched(i int) (pieces []piece, ok bool) {
	j := s.walk.same[i]
	if j < 0 || len(s.base.stats) == 0 || s.walk.nodes[i].kind != fileNode || s.base.stats[j] != s.walk.stats[i] {
		return nil, false
	}
	b := &s.base.tree.nodes[j]
	if b.kind != fileNode {
		return nil, false
	}
	return b.pieces, !slices.ContainsFunc(b.pieces, func(p piece) bool { return p.block == unusable })
}

// node finds or stores the contents of a node.
func (s *saver) node(ctx context.Context, i int) error {
	n := &s.walk.nodes[i]
	if pieces, ok := s.untouched(i); ok {
		n.pieces = pieces
		return nil
	}
	if err := s.inspect(ctx, n, nil); err != nil {
		return err
	}
	if n.kind != fileNode || n.size == 0 {
		return nil
	}
	f, err := s.walk.open(i, s.options.Paths[n.root])
	if err != nil {
		return err
	}
	defer f.Close()
	if err := s.file(ctx, n, f); err != nil {
		return err
	}
	return s.walk.unchanged(i, f)
}

// inspect refuses what holds a secret: a name, the target of a link, or a file.
func (s *saver) inspect(ctx context.Context, n *node, f *os.File) error {
	if s.options.Inspect == nil {
		return nil
	}
	name := n.path
	if n.kind == linkNode {
		name += " " + n.target
	}
	where, err := s.options.Inspect(ctx, name, f)
	if err == nil && where != "" {
		err = &SecretError{n.path, where}
	}
	return err
}

// file cuts a file into pieces and stores those that are new.
func (s *saver) file(ctx context.Context, n *node, f *os.File) error {
	inspected := false
	var held []byte
	for left := n.size; left > 0 || len(held) > 0; {
		if want := min(int64(maxPiece-len(held)), left); want > 0 {
			more, err := s.packer.read(f, held, int(want))
			if err != nil {
				return err
			}
			held, left = more, left-want
		}
		length := len(held)
		if n.size > usualPiece {
			length = cut(held)
		}
		sum := sha256.Sum256(held[:length])
		p, found := s.known.find(sum)
		if !found {
			if !inspected {
				if err := s.inspectFile(ctx, n, f); err != nil {
					return err
				}
				inspected = true
			}
			var err error
			if p, err = s.packer.add(held[:length], sum); err != nil {
				return err
			}
		}
		if n.pieces == nil {
			n.pieces = takePieces(&s.room, 1)[:0]
		}
		n.pieces = append(n.pieces, p)
		if !found {
			s.known.add(&n.pieces[len(n.pieces)-1])
		}
		held = held[length:]
	}
	return nil
}

// inspectFile looks through a whole file and goes back to where it was.
func (s *saver) inspectFile(ctx context.Context, n *node, f *os.File) error {
	if s.options.Inspect == nil {
		return nil
	}
	at, err := f.Seek(0, 1)
	if err == nil {
		_, err = f.Seek(0, 0)
	}
	if err == nil {
		err = s.inspect(ctx, n, f)
	}
	if err == nil {
		_, err = f.Seek(at, 0)
	}
	return err
}

// compact leaves out the blocks that nothing uses.
func (s *saver) compact(t *tree) *tree {
	used := make([]bool, len(t.blocks))
	for i := range t.nodes {
		for _, p := range t.nodes[i].pieces {
			used[p.block] = true
		}
	}
	place := make([]uint32, len(t.blocks))
	var blocks []block
	for i, b := range t.blocks {
		if used[i] {
			place[i] = uint32(len(blocks))
			blocks = append(blocks, b)
		}
	}
	for i := range t.nodes {
		for j := range t.nodes[i].pieces {
			p := &t.nodes[i].pieces[j]
			p.block = place[p.block]
		}
	}
	t.blocks = blocks
	return t
}

// entry stores the tree and returns the record.
func (s *saver) entry(ctx context.Context, t *tree) (Entry, error) {
	c, o := s.cache, s.options
	raw := t.encode()
	sum, stored, err := s.packer.storeTree(ctx, raw)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{
		Version: entryVersion, Name: c.Name, Branch: c.Branch, Platform: c.Platform, Key: o.Key.String(),
		Created: s.now.UTC(), RunID: o.RunID, Step: o.Step, SHA: o.SHA, Paths: o.Declared, Seconds: o.Seconds,
		Stored: stored, Added: s.packer.added.Load(),
		Tree: TreeRef{hex.EncodeToString(sum[:]), stored, int64(len(raw))}, Blocks: []string{hex.EncodeToString(sum[:])},
	}
	for _, n := range t.nodes {
		if n.kind == fileNode {
			e.Files++
			e.Bytes += n.size
		}
	}
	for _, b := range t.blocks {
		e.Stored += b.stored
		if !b.main {
			e.Blocks = append(e.Blocks, hex.EncodeToString(b.sum[:]))
		}
	}
	return e, nil
}

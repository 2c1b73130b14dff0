package cache

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

// Restored is what a run began with.
type Restored struct {
	Hit      bool  // something was restored
	Exact    bool  // the entry has the key that was asked for
	Entry    Entry // zero without a hit
	Branch   string
	Loaded   int64   // bytes that were read from the store
	Problems []error // entries that were tried and could not be restored
	// Damaged means that the entry with the key is there and cannot be used: Save replaces it.
	Damaged bool

	tree  *tree
	stats []stat // of the nodes of tree as they were restored
	began time.Time
}

// Restore brings back the entry with the key, or the newest one if there is none. The paths are then as they were
// saved; what was there before is gone. Without a hit they are untouched. Errors of the store and of the disk count as
// misses, and are among the Problems; the error is the context's.
func (c *Cache) Restore(ctx context.Context, key Key, paths []Path, declared []string) (*Restored, error) {
	r := &Restored{began: time.Now()}
	var stop error
	err := c.candidates(ctx, key, func(branch, at string, exact bool) bool {
		err := c.restoreEntry(ctx, r, branch, at, paths, declared)
		if err == nil {
			r.Hit, r.Exact, r.Branch = true, exact, branch
			return false
		}
		if stop = artifacts.ContextError(ctx); stop != nil {
			return false
		}
		var damaged *DamagedError
		if errors.As(err, &damaged) && exact && branch == c.Branch {
			r.Damaged = true
		}
		if !errors.Is(err, errAbsent) {
			r.Problems = append(r.Problems, err)
		}
		return !isLocal(err) // a full disk does not get emptier
	})
	if stop != nil {
		return r, stop
	}
	if err != nil {
		if stop := artifacts.ContextError(ctx); stop != nil {
			return r, stop
		}
		r.Problems = append(r.Problems, err)
	}
	if r.Exact { // nothing will be saved
		r.tree, r.stats = nil, nil
	}
	return r, nil
}

// Fetch restores one entry that was listed. The error is that of what went wrong: a *DamagedError, the store's, the
// disk's or the context's. The paths are untouched then.
func (c *Cache) Fetch(ctx context.Context, l Listed, paths []Path, declared []string) error {
	return c.restoreEntry(ctx, &Restored{}, l.Branch, l.Key, paths, declared)
}

var errAbsent = errors.New("no entry of that name")

// restoreEntry restores one entry or nothing.
func (c *Cache) restoreEntry(
	ctx context.Context, r *Restored, branch, at string, paths []Path, declared []string,
) (err error) {
	e, err := readEntry(ctx, c.Store, at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errAbsent
	case err != nil:
		return err
	case !slices.Equal(e.Paths, declared):
		return errAbsent // it is of other folders, as the step was changed
	}
	t, err := c.loadTree(ctx, e, branch)
	if err != nil {
		return err
	}
	if len(t.roots) != len(paths) {
		return &DamagedError{at, "its tree has other folders than its record"}
	}
	w, err := newWriter(t, paths)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	loaded, err := c.fetchBlocks(ctx, t, branch, at, w)
	r.Loaded += loaded + e.Tree.Stored
	if err != nil {
		return err
	}
	if err := w.finish(); err != nil {
		return err
	}
	r.Entry, r.tree, r.stats = e, t, w.stats
	return nil
}

// blockUse is a piece of a block and where it belongs.
type blockUse struct {
	node, piece int32
	at          int64 // in the file
}

// uses returns for each block the pieces that are in it.
func (t *tree) uses() [][]blockUse {
	counts := make([]int, len(t.blocks))
	total := 0
	for i := range t.nodes {
		for _, p := range t.nodes[i].pieces {
			counts[p.block]++
			total++
		}
	}
	flat := make([]blockUse, 0, total)
	all := make([][]blockUse, len(t.blocks))
	for i, n := range counts {
		all[i] = flat[len(flat) : len(flat) : len(flat)+n]
		flat = flat[:len(flat)+n]
	}
	for i := range t.nodes {
		at := int64(0)
		for j, p := range t.nodes[i].pieces {
			all[p.block] = append(all[p.block], blockUse{int32(i), int32(j), at})
			at += int64(p.length)
		}
	}
	return all
}

// fetchers is how many requests are sent at a time. With the blocks that are unpacked at a time it bounds the memory: a
// request holds up to 2 MiB, usually a third of that. More would wait for the CPU, not for the network.
const fetchers = 8

func unpackers() int { return min(2, runtime.GOMAXPROCS(0)) }

// fetchBlocks reads the blocks of a tree and writes the pieces in them. It returns the bytes read.
func (c *Cache) fetchBlocks(ctx context.Context, t *tree, branch, at string, w *writer) (int64, error) {
	decoder, err := newDecoder(unpackers(), maxBlock)
	if err != nil {
		return 0, err
	}
	defer decoder.Close()
	raw := make(chan []byte, unpackers())
	for range unpackers() {
		raw <- make([]byte, 0, maxBlock)
	}
	packed := newBuffers(t)
	var loaded atomic.Int64
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(fetchers)
	for i, uses := range t.uses() {
		if len(uses) == 0 {
			continue
		}
		if inner.Err() != nil {
			break
		}
		g.Go(func() error {
			b := &t.blocks[i]
			buffer := packed.get(b.stored)
			defer packed.put(buffer)
			if err := c.readBlock(inner, b, branch, at, buffer); err != nil {
				return err
			}
			loaded.Add(b.stored)
			var room []byte
			select {
			case room = <-raw:
			case <-inner.Done():
				return artifacts.ContextError(inner)
			}
			defer func() { raw <- room }()
			content, err := decoder.DecodeAll(buffer, room[:0])
			if err != nil || int64(len(content)) != b.raw {
				return &DamagedError{at, fmt.Sprintf("block %x cannot be unpacked", b.sum[:6])}
			}
			return w.write(content, uses)
		})
	}
	err = g.Wait()
	if stop := artifacts.ContextError(ctx); stop != nil {
		err = stop
	}
	return loaded.Load(), err
}

// readBlock reads a block into a buffer of its size and verifies it.
func (c *Cache) readBlock(ctx context.Context, b *block, branch, at string, buffer []byte) error {
	if b.main {
		branch = c.Main
	}
	r, err := c.Store.Get(ctx, keys.CacheBlock(branch, c.Name, b.sum))
	if errors.Is(err, fs.ErrNotExist) {
		return &DamagedError{at, fmt.Sprintf("block %x is gone", b.sum[:6])}
	}
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := io.ReadFull(r, buffer); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return &DamagedError{at, fmt.Sprintf("block %x is shorter than it was", b.sum[:6])}
		}
		return err
	}
	if sha256.Sum256(buffer) != b.sum {
		return &DamagedError{at, fmt.Sprintf("block %x is not what was stored", b.sum[:6])}
	}
	return nil
}

func newDecoder(concurrency int, memory uint64) (*zstd.Decoder, error) {
	return zstd.NewReader(
		nil, zstd.WithDecoderConcurrency(concurrency), zstd.WithDecoderMaxMemory(max(memory, 1<<10)),
		zstd.WithDecoderLowmem(true),
	)
}

// buffers are for blocks as they are stored. Each fits the largest, so that they are made once.
type buffers struct {
	free chan []byte
	size int64
}

func newBuffers(t *tree) *buffers {
	b := &buffers{free: make(chan []byte, fetchers)}
	for i := range t.blocks {
		b.size = max(b.size, t.blocks[i].stored)
	}
	return b
}

// get returns a buffer of n bytes.
func (b *buffers) get(n int64) []byte {
	select {
	case buffer := <-b.free:
		return buffer[:n]
	default:
		return make([]byte, n, b.size)
	}
}

func (b *buffers) put(buffer []byte) {
	select {
	case b.free <- buffer:
	default:
	}
}

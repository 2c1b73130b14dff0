package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

// packer fills blocks and stores them.
//
//  1. The caller adds pieces to the block that is being filled.
//  2. A full block is packed by one of a few goroutines, as the cores allow.
//  3. It is sent by one of several, as most of that time is waiting.
type packer struct {
	cache   *Cache
	ctx     context.Context // ends with the first error
	now     int64
	encoder *zstd.Encoder
	raw     chan []byte // room for blocks that are being filled or packed
	packing chan filled
	packers *errgroup.Group
	senders *errgroup.Group
	stop    context.CancelCauseFunc

	current []byte
	index   int // of the current block
	blocks  []block
	scratch []byte
	added   atomic.Int64

	mu   sync.Mutex
	done []packed
}

// packed is a block that has been packed.
type packed struct {
	index  int
	sum    [sha256.Size]byte
	stored int64
}

type filled struct {
	index   int
	content []byte
}

// senders is how many blocks are sent at a time.
const senders = 6

func newPacker(ctx context.Context, c *Cache, now time.Time) *packer {
	p := &packer{cache: c, now: now.Unix(), index: -1, packing: make(chan filled)}
	p.ctx, p.stop = context.WithCancelCause(ctx)
	p.encoder = newEncoder()
	n := unpackers()
	p.raw = make(chan []byte, n+1)
	for range n + 1 {
		p.raw <- nil // made when it is needed
	}
	p.packers, p.senders = &errgroup.Group{}, &errgroup.Group{}
	p.senders.SetLimit(senders)
	for range n {
		p.packers.Go(p.pack)
	}
	return p
}

func newEncoder() *zstd.Encoder {
	// The options are constant, so there is no error.
	e, err := zstd.NewWriter(
		nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(maxBlock), zstd.WithEncoderCRC(false),
		zstd.WithEncoderConcurrency(unpackers()), zstd.WithLowerEncoderMem(true),
	)
	if err != nil {
		panic(err)
	}
	return e
}

// take adds a block that is stored already.
func (p *packer) take(b block) int32 {
	p.blocks = append(p.blocks, b)
	return int32(len(p.blocks) - 1)
}

// read returns held, moved to the beginning of a buffer, and n bytes of the file behind it.
func (p *packer) read(f *os.File, held []byte, n int) ([]byte, error) {
	if p.scratch == nil {
		p.scratch = make([]byte, maxPiece)
	}
	have := copy(p.scratch, held)
	if _, err := io.ReadFull(f, p.scratch[have:have+n]); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, &artifacts.ChangedError{Path: f.Name(), Reason: "became shorter"}
		}
		return nil, &diskError{f.Name(), err}
	}
	return p.scratch[:have+n], nil
}

// add adds a piece to the current block.
func (p *packer) add(content []byte, sum [sha256.Size]byte) (piece, error) {
	if len(p.current)+len(content) > maxBlock {
		if err := p.flush(); err != nil {
			return piece{}, err
		}
	}
	if p.index < 0 {
		select {
		case p.current = <-p.raw:
		case <-p.ctx.Done():
			return piece{}, context.Cause(p.ctx)
		}
		if p.current == nil {
			p.current = make([]byte, 0, maxBlock)
		}
		p.current = p.current[:0]
		p.index = int(p.take(block{created: p.now}))
	}
	at := len(p.current)
	p.current = append(p.current, content...)
	return piece{sum, uint32(p.index), uint32(at), uint32(len(content))}, nil
}

// flush hands the current block over.
func (p *packer) flush() error {
	if p.index < 0 {
		return nil
	}
	p.blocks[p.index].raw = int64(len(p.current))
	select {
	case p.packing <- filled{p.index, p.current}:
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
	p.current, p.index = nil, -1
	return nil
}

// pack packs blocks until there are no more, and has them sent.
func (p *packer) pack() error {
	for f := range p.packing {
		text := p.encoder.EncodeAll(f.content, make([]byte, 0, len(f.content)*3/8+1024))
		p.raw <- f.content
		sum := sha256.Sum256(text)
		p.mu.Lock()
		p.done = append(p.done, packed{f.index, sum, int64(len(text))})
		p.mu.Unlock()
		p.senders.Go(func() error {
			err := p.put(p.ctx, sum, text)
			if err != nil {
				p.stop(err)
			}
			return err
		})
	}
	return nil
}

// put stores a block. One that is there already is replaced: it may be damaged.
func (p *packer) put(ctx context.Context, sum [sha256.Size]byte, text []byte) error {
	_, err := p.cache.Store.Put(ctx, artifacts.Object{
		Key: keys.CacheBlock(p.cache.Branch, p.cache.Name, sum), Body: &summed{bytes.NewReader(text), text, sum},
		Size: int64(len(text)), Type: "application/zstd", Batch: true,
	})
	if err == nil {
		p.added.Add(int64(len(text)))
	}
	return err
}

// summed is a body in memory whose checksum is known, so that the store need neither copy it nor calculate that.
type summed struct {
	*bytes.Reader
	text []byte
	sum  [sha256.Size]byte
}

// Content returns the whole body.
func (s *summed) Content() []byte { return s.text }

func (s *summed) SHA256() (sum [sha256.Size]byte, ok bool) { return s.sum, true }

// finish waits until all blocks are stored. An error, which may be nil, stops what is under way.
func (p *packer) finish(err error) ([]block, error) {
	if err == nil {
		err = p.flush()
	}
	if err != nil {
		p.stop(err)
	}
	close(p.packing)
	_ = p.packers.Wait() // they return none
	sendErr := p.senders.Wait()
	p.raw, p.current, p.scratch = nil, nil, nil // the tree needs the memory now
	cause := context.Cause(p.ctx)
	p.stop(nil)
	switch {
	case cause != nil:
		return nil, cause
	case sendErr != nil:
		return nil, sendErr
	}
	for _, d := range p.done {
		p.blocks[d.index].sum, p.blocks[d.index].stored = d.sum, d.stored
	}
	return p.blocks, nil
}

// storeTree packs and stores an encoded tree.
func (p *packer) storeTree(ctx context.Context, raw []byte) (sum [sha256.Size]byte, stored int64, err error) {
	text := p.encoder.EncodeAll(raw, make([]byte, 0, len(raw)/2+1024)) // checksums are most of it
	sum = sha256.Sum256(text)
	return sum, int64(len(text)), p.put(ctx, sum, text)
}

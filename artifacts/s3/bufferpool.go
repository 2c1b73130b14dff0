package s3

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/carlin-cicd/runner/artifacts"
)

// bufferPool limits the memory of requests in progress, and reuses it.
type bufferPool struct {
	limit int64
	free  *semaphore.Weighted
	pool  [len(classes)]sync.Pool
}

// classes are the capacities of buffers: most files of a coverage report fit into the smallest.
var classes = [...]int{16 << 10, 64 << 10, 512 << 10, 5 << 20}

// buffer is a piece of memory, to be released.
type buffer struct {
	bytes  []byte
	weight int64
	class  int // index in classes, or -1
}

func newBufferPool(limit int64) *bufferPool {
	return &bufferPool{limit: limit, free: semaphore.NewWeighted(limit)}
}

// acquire waits until n bytes are free. A buffer larger than the pool gets the whole pool.
func (m *bufferPool) acquire(ctx context.Context, n int) (*buffer, error) {
	class := slices.IndexFunc(classes[:], func(size int) bool { return n <= size })
	weight := m.limit
	if class >= 0 {
		weight = int64(classes[class])
	}
	if err := m.free.Acquire(ctx, weight); err != nil {
		return nil, artifacts.ContextError(ctx)
	}
	if class < 0 {
		return &buffer{make([]byte, n), weight, class}, nil
	}
	b, ok := m.pool[class].Get().(*buffer)
	if !ok {
		b = &buffer{make([]byte, weight), weight, class}
	}
	b.bytes = b.bytes[:n]
	return b, nil
}

func (m *bufferPool) release(b *buffer) {
	if b.class >= 0 {
		m.pool[b.class].Put(b)
	}
	m.free.Release(b.weight)
}

// drop releases a buffer that something may still read, so that it must not be reused.
func (m *bufferPool) drop(b *buffer) { m.free.Release(b.weight) }

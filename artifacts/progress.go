package artifacts

import (
	"context"
	"sync"
)

// Progress is how far a Fetch, a Verify or a Publish has come. The totals may grow while more of the work is found.
type Progress struct {
	Files, TotalFiles int
	Bytes, TotalBytes int64
}

type progressKey struct{}

// WithProgress returns a context for a Fetch, a Verify or a Publish that is to tell how far it has come. It tells often,
// from several goroutines, one at a time, and waits for the answer: tell has to be quick.
func WithProgress(ctx context.Context, tell func(Progress)) context.Context {
	return context.WithValue(ctx, progressKey{}, &meter{tell: tell})
}

// meter counts for whoever wants to know. A nil one counts for nobody.
type meter struct {
	tell func(Progress)

	mu  sync.Mutex
	now Progress
}

// progressOf returns the meter of the context, or nil.
func progressOf(ctx context.Context) *meter {
	m, _ := ctx.Value(progressKey{}).(*meter)
	return m
}

// expect adds to the totals what there is to do.
func (m *meter) expect(files int, bytes int64) {
	m.change(func(p *Progress) { p.TotalFiles, p.TotalBytes = p.TotalFiles+files, p.TotalBytes+bytes })
}

// moved adds bytes that were moved; it takes back those that have to be moved again.
func (m *meter) moved(bytes int64) {
	if bytes != 0 {
		m.change(func(p *Progress) { p.Bytes += bytes })
	}
}

// finished adds a file that is done.
func (m *meter) finished() {
	m.change(func(p *Progress) { p.Files++ })
}

// Write counts what is written as moved.
func (m *meter) Write(p []byte) (int, error) {
	m.moved(int64(len(p)))
	return len(p), nil
}

func (m *meter) change(by func(*Progress)) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	by(&m.now)
	m.tell(m.now)
}

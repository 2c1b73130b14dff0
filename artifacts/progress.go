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
	return context.WithValue(ctx, progressKey{}, &meter{report: tell})
}

// meter counts for whoever wants to know. A nil one counts for nobody.
type meter struct {
	report func(Progress)

	mu  sync.Mutex
	now Progress
}

// progressOf returns the meter of the context, or nil.
func meterOf(ctx context.Context) *meter {
	m, _ := ctx.Value(progressKey{}).(*meter)
	return m
}

// expect adds to the totals what there is to do.
func (m *meter) addTotal(files int, bytes int64) {
	m.update(func(p *Progress) { p.TotalFiles, p.TotalBytes = p.TotalFiles+files, p.TotalBytes+bytes })
}

// moved adds bytes that were moved; it takes back those that have to be moved again.
func (m *meter) addBytes(bytes int64) {
	if bytes != 0 {
		m.update(func(p *Progress) { p.Bytes += bytes })
	}
}

// finished adds a file that is done.
func (m *meter) addFile() {
	m.update(func(p *Progress) { p.Files++ })
}

// Write counts what is written as moved.
func (m *meter) Write(p []byte) (int, error) {
	m.addBytes(int64(len(p)))
	return len(p), nil
}

func (m *meter) update(by func(*Progress)) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	by(&m.now)
	m.report(m.now)
}

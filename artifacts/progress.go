package artifacts

import (
	"context"
	"sync"
)

// Progress is how much of a Fetch, a Verify or a Publish is done. The totals may grow while more work is found.
type Progress struct {
	Files, TotalFiles int
	Bytes, TotalBytes int64
}

type progressKey struct{}

// WithProgress returns a context for a Fetch, a Verify or a Publish that calls report with its progress: often, from
// several goroutines, one call at a time, and blocking. So report must be quick.
func WithProgress(ctx context.Context, report func(Progress)) context.Context {
	return context.WithValue(ctx, progressKey{}, &meter{report: report})
}

// meter counts progress. A nil one does nothing.
type meter struct {
	report func(Progress)

	mu  sync.Mutex
	now Progress
}

// meterOf returns the meter of the context, or nil.
func meterOf(ctx context.Context) *meter {
	m, _ := ctx.Value(progressKey{}).(*meter)
	return m
}

// addTotal adds work to the totals.
func (m *meter) addTotal(files int, bytes int64) {
	m.update(func(p *Progress) { p.TotalFiles, p.TotalBytes = p.TotalFiles+files, p.TotalBytes+bytes })
}

// addBytes adds bytes that were transferred. It subtracts those that have to be transferred again.
func (m *meter) addBytes(bytes int64) {
	if bytes != 0 {
		m.update(func(p *Progress) { p.Bytes += bytes })
	}
}

// addFile adds a finished file.
func (m *meter) addFile() {
	m.update(func(p *Progress) { p.Files++ })
}

// Write counts the bytes written.
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

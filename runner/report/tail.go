package report

import (
	"bytes"
	"sync"
)

// Tail is a writer that keeps the end of what is written to it, in a memory that does not grow.
type Tail struct {
	mu      sync.Mutex
	ring    []byte
	size    int // of the ring when it is full
	next    int // where the oldest byte is, once it is full
	written int64
	lines   int  // newlines that were written
	within  bool // a line has been begun
}

// NewTail keeps the last size bytes.
func NewTail(size int) *Tail { return &Tail{size: size} }

// Write never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	if n == 0 {
		return 0, nil
	}
	t.written += int64(n)
	t.lines += bytes.Count(p, []byte("\n"))
	t.within = p[n-1] != '\n'
	if len(p) > t.size {
		p = p[len(p)-t.size:]
	}
	if room := t.size - len(t.ring); room > 0 {
		take := min(room, len(p))
		t.ring = append(t.ring, p[:take]...)
		p = p[take:]
	}
	for len(p) > 0 {
		copied := copy(t.ring[t.next:], p)
		t.next = (t.next + copied) % t.size
		p = p[copied:]
	}
	return n, nil
}

// Line writes a line of our own, which begins one whatever came before.
func (t *Tail) Line(text string) {
	t.mu.Lock()
	within := t.within
	t.mu.Unlock()
	if within {
		text = "\n" + text
	}
	_, _ = t.Write([]byte(text + "\n"))
}

// Log returns what is kept, from the beginning of a line on.
func (t *Tail) Log() Log {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := append(bytes.Clone(t.ring[t.next:]), t.ring[:t.next]...)
	if t.written > int64(len(text)) {
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			text = text[i+1:]
		}
	}
	return Log{Text: text, Dropped: t.written - int64(len(text)), First: 1 + t.lines - bytes.Count(text, []byte("\n"))}
}

package page

import (
	"bytes"
	"slices"
	"sync"
	"time"
)

// Tail is a writer that keeps the end of what is written, in a buffer of a fixed size.
type Tail struct {
	mu      sync.Mutex
	ring    []byte
	size    int // of the full ring
	next    int // index of the oldest byte in the full ring
	written int64
	lines   int  // line breaks written
	within  bool // the last line is incomplete

	clock func() time.Time
	times []Moment // the oldest first
}

// Moment is when a line of the log was begun. The lines up to the next moment were begun within the same second.
type Moment struct {
	Line int // from 1
	At   time.Time
}

// maxTimes bounds the moments that are kept: of a log that gets a line a second, those of the last hour or two.
const maxTimes = 4096

// NewTail returns a Tail that keeps the last size bytes.
func NewTail(size int) *Tail { return &Tail{size: size, clock: time.Now} }

// Write never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	if n == 0 {
		return 0, nil
	}
	t.note(p)
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

// note keeps when the first line that begins in p was begun.
func (t *Tail) note(p []byte) {
	line := t.lines + 1
	if t.within {
		at := bytes.IndexByte(p, '\n')
		if at < 0 || at == len(p)-1 {
			return // no line begins here
		}
		line++
	}
	now := t.clock().UTC().Truncate(time.Second)
	if n := len(t.times); n > 0 && !now.After(t.times[n-1].At) {
		return
	}
	if len(t.times) >= maxTimes {
		t.times = slices.Delete(t.times, 0, maxTimes/4)
	}
	t.times = append(t.times, Moment{line, now})
}

// Line writes a line, after a line break if the last one is incomplete.
func (t *Tail) Line(text string) {
	t.mu.Lock()
	within := t.within
	t.mu.Unlock()
	if within {
		text = "\n" + text
	}
	_, _ = t.Write([]byte(text + "\n"))
}

// Mark is a place in what is written to a Tail.
type Mark struct {
	written int64
	lines   int
}

// Lines returns how many lines came before it.
func (m Mark) Lines() int { return m.lines }

// Mark returns the place of what is written next.
func (t *Tail) Mark() Mark {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Mark{written: t.written, lines: t.lines}
}

// Since returns what is kept of what was written after a mark, starting with a whole line. First counts from the mark.
func (t *Tail) Since(m Mark) Log {
	all := t.Log()
	end := all.Dropped + int64(len(all.Text))
	if skip := m.written - all.Dropped; skip > 0 {
		all.Text, all.First = all.Text[min(skip, int64(len(all.Text))):], m.lines+1
	}
	return Log{Text: all.Text, Dropped: end - int64(len(all.Text)) - m.written, First: all.First - m.lines}
}

// Log returns what is kept, starting with a whole line.
func (t *Tail) Log() Log {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := append(bytes.Clone(t.ring[t.next:]), t.ring[:t.next]...)
	if t.written > int64(len(text)) {
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			text = text[i+1:]
		}
	}
	return Log{
		Text: text, Dropped: t.written - int64(len(text)), First: 1 + t.lines - bytes.Count(text, []byte("\n")),
		Times: slices.Clone(t.times),
	}
}

// Package redact replaces secrets in everything that leaves, in the forms in which they are likely to appear.
//
// What is replaced is decided by the text alone: however it is cut into writes, the output is the same.
package redact

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Secret is a value that must not be seen, and the name that is shown in its place.
type Secret struct{ Name, Value string }

// Redactor knows secrets. It is safe for concurrent use; secrets that are added count from then on.
type Redactor struct {
	mu      sync.Mutex
	secrets []Secret
	short   []string
	matcher atomic.Pointer[matcher]
}

// New returns a redactor for the secrets.
func New(secrets ...Secret) *Redactor {
	r := &Redactor{}
	r.matcher.Store(newMatcher(nil))
	r.Add(secrets...)
	return r
}

// Add makes more secrets known. Values that are too short or too common are remembered by name only, see Short.
func (r *Redactor) Add(secrets ...Secret) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed := false
	for _, s := range secrets {
		switch {
		case s.Value == "" || slices.Contains(r.secrets, s):
		case tooCommon(s.Value):
			if !slices.Contains(r.short, s.Name) {
				r.short = append(r.short, s.Name)
			}
		default:
			r.secrets = append(r.secrets, s)
			changed = true
		}
	}
	if changed {
		// Rebuilt from all, in an order that does not depend on when they came.
		all := slices.SortedFunc(slices.Values(r.secrets), func(a, b Secret) int { return strings.Compare(a.Name+"\x00"+a.Value, b.Name+"\x00"+b.Value) })
		var patterns []pattern
		for _, s := range all {
			patterns = append(patterns, forms(s)...)
		}
		r.matcher.Store(newMatcher(patterns))
	}
}

// Short returns the names of secrets whose values are not redacted, because they are shorter than MinLength bytes or as common
// as "true": masking those would make a log unreadable, and say where they are.
func (r *Redactor) Short() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.short)
}

// String returns s with the secrets replaced.
func (r *Redactor) String(s string) string {
	m := r.matcher.Load()
	if m.empty() {
		return s
	}
	return string(m.whole([]byte(s)))
}

// Bytes returns text with the secrets replaced; it is the same slice if there are none.
func (r *Redactor) Bytes(text []byte) []byte {
	return r.matcher.Load().whole(text)
}

// Writer returns a writer that passes on to w what is written to it, redacted.
func (r *Redactor) Writer(w io.Writer) *Writer { return &Writer{redactor: r, to: w} }

// Writer redacts a stream. It holds back only what may be the beginning of a secret: the longest end of what has come that is
// the beginning of one of the patterns. It is not safe for concurrent use.
type Writer struct {
	redactor *Redactor
	to       io.Writer
	held     []byte // what may be the beginning of a secret
	covered  int    // how much of held belongs to a replacement that was written already
	out      []byte
}

// Write passes p on, less what is held back.
func (w *Writer) Write(p []byte) (int, error) {
	m := w.redactor.matcher.Load()
	if m.empty() && len(w.held) == 0 {
		_, err := w.to.Write(p)
		return len(p), err
	}
	return len(p), w.pass(m, p, false)
}

// Close passes on what is held. It does not close what is written to.
func (w *Writer) Close() error { return w.pass(w.redactor.matcher.Load(), nil, true) }

// pass works on what is held followed by p:
//
//  1. All patterns in it are found; overlapping ones become one interval, named after the longest of those that begin first.
//  2. It is decided from where on a pattern may be incomplete: no interval that begins before can grow at its beginning,
//     or get another name.
//  3. Everything before that is written, each interval as its replacement.
//  4. The rest is held; where an interval reaches into it, that part is covered: replaced already.
func (w *Writer) pass(m *matcher, p []byte, end bool) error {
	text := p
	if len(w.held) > 0 {
		text = append(w.held, p...)
	}
	found := m.find(text)
	hold := len(text)
	if !end {
		hold = m.incomplete(text)
	}
	if len(found) == 0 && w.covered == 0 && hold == len(text) {
		w.held = w.held[:0]
		_, err := w.to.Write(text)
		return err
	}

	w.out = w.out[:0]
	at := w.covered // everything before is written, or replaced
	covered := w.covered
	for _, f := range found {
		if f.start >= hold {
			break
		}
		if f.start > at {
			w.out = append(w.out, text[at:f.start]...)
		}
		if f.start >= covered { // otherwise it continues an interval that is replaced already
			w.out = append(append(append(w.out, "[REDACTED:"...), f.name...), ']')
		}
		at = max(at, f.end)
		covered = at
	}
	if at < hold {
		w.out = append(w.out, text[at:hold]...)
	}
	w.covered = max(0, at-hold)
	w.held = append(w.held[:0:0], text[hold:]...)
	if len(w.out) == 0 {
		return nil
	}
	_, err := w.to.Write(w.out)
	return err
}

// whole redacts a text that is there from its beginning to its end.
func (m *matcher) whole(text []byte) []byte {
	found := m.find(text)
	if len(found) == 0 {
		return text
	}
	var out bytes.Buffer
	at := 0
	for _, f := range found {
		out.Write(text[at:f.start])
		out.WriteString("[REDACTED:" + f.name + "]")
		at = f.end
	}
	out.Write(text[at:])
	return out.Bytes()
}

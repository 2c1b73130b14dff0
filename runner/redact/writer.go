package redact

import (
	"io"
	"os"
	"sync"
)

// Writer takes the secrets out of a stream, wherever it is cut into writes. What cannot become a secret is passed on
// in the Write that brings it.
//
// Its methods are safe for concurrent use.
type Writer struct {
	redactor *Redactor
	to       io.Writer
	masks    *maskReader // nil: masking commands are text

	mu      sync.Mutex
	scanner scanner
	text    []byte // what was passed on and may be looked back at, then what is held, then what is new
	from    int    // where in text what is held begins
	cursor  cursor // in text
	clean   []byte
	err     error // the first, of to
	closed  bool
}

// WriterOption changes what a Writer does.
type WriterOption func(*Writer)

// MaskCommands makes a Writer obey lines of the form
//
//	::add-mask::VALUE
//
// as GitHub's runner does: it redacts VALUE from there on, and drops the line. In VALUE, %25, %0A and %0D stand
// for a percent sign and line breaks. The redactor's other writers redact it, too.
func MaskCommands() WriterOption {
	return func(w *Writer) { w.masks = &maskReader{} }
}

// Writer returns a writer that passes on to w. It has to be closed or flushed at the end, which leaves w open.
func (r *Redactor) Writer(w io.Writer, options ...WriterOption) *Writer {
	writer := &Writer{redactor: r, to: w}
	for _, o := range options {
		o(writer)
	}
	return writer
}

// block bounds what is scanned at once, and so the memory: it stays in the processor's cache.
const block = 64 << 10

// Write passes on p, and what was held back before it, without the secrets. The error is that of the writer behind,
// which keeps: what is written after an error is lost.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return 0, os.ErrClosed
	case w.masks == nil:
		w.write(p)
	default:
		w.masks.read(p, w.write, w.mask)
	}
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

func (w *Writer) write(p []byte) {
	for len(p) > 0 && w.err == nil {
		n := min(len(p), block)
		w.text = append(w.text, p[:n]...)
		p = p[n:]

		hold := w.scanner.scan(w.redactor.current(), w.text, w.from, false)
		w.pass(hold)
		w.keep(hold)
	}
}

// mask is told the value of a masking command.
func (w *Writer) mask(value string) {
	w.redactor.Add(Secret{Name: "add-mask", Value: value})
}

// pass writes what of the text is before hold.
func (w *Writer) pass(hold int) {
	c := &w.cursor
	var clean []byte
	if len(w.scanner.matches) == 0 {
		if c.done >= hold {
			return
		}
		clean, c.done = w.text[c.done:hold], hold // as it is, without a copy
	} else {
		w.clean = c.appendClean(w.clean[:0], w.text, w.scanner.matches, hold)
		clean = w.clean
	}
	if len(clean) > 0 && w.err == nil {
		_, w.err = w.to.Write(clean)
	}
}

// keep forgets what is before hold, but for what may be looked back at.
func (w *Writer) keep(hold int) {
	w.from = hold
	gone := max(0, hold-lookBehind)
	w.text = w.text[:copy(w.text, w.text[gone:])]
	w.from -= gone
	w.cursor.done -= gone
	w.cursor.masked -= gone
}

// Flush passes on what is held back, although it may be the beginning of a secret. If it is one, the rest of it is
// still redacted.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flush()
}

func (w *Writer) flush() error {
	if w.masks != nil {
		w.masks.flush(w.write)
	}
	if w.err == nil && w.cursor.done < len(w.text) {
		w.scanner.scan(w.redactor.current(), w.text, w.from, true)
		w.pass(len(w.text))
	}
	return w.err
}

// Close flushes. It does not close the writer behind. What is written after it is refused.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	if w.masks != nil {
		w.masks.close(w.mask)
	}
	return w.flush()
}

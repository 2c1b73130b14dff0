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
// for a percent sign and line breaks. The redactor's other writers redact it, too. After 10,000 values, or 1 MiB
// of them, the writer and all later ones with this option write nothing and return ErrTooManyMasks.
func MaskCommands() WriterOption {
	return func(w *Writer) { w.masks = &maskReader{} }
}

// Writer returns a writer that passes on to w. It has to be closed or flushed at the end, which leaves w open.
func (r *Redactor) Writer(w io.Writer, options ...WriterOption) *Writer {
	writer := &Writer{redactor: r, to: w}
	for _, o := range options {
		o(writer)
	}
	if writer.masks != nil && r.MasksExceeded() {
		writer.err = ErrTooManyMasks
	}
	return writer
}

// block bounds what is scanned at once, and so the memory: it stays in the processor's cache.
const block = 128 << 10

// Write passes on p, and what was held back before it, without the secrets. The error is that of the writer behind,
// which keeps: what is written after an error is lost.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return 0, os.ErrClosed
	case w.err != nil:
		return 0, w.err
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

// joint is how much of what is new is put after what is held, to decide that. What follows is scanned where it is.
const joint = 4 << 10

func (w *Writer) write(p []byte) {
	for first := true; len(p) > 0 && w.err == nil; first = false {
		n := min(len(p), block)
		if first && n == block {
			n = joint
		}
		before := len(w.text)
		w.text = append(w.text, p[:n]...)
		hold := w.scan(w.text)
		if n < len(p) && hold-before >= lookBehind {
			w.from = hold
			w.forget(before)
			w.inPlace(p, n)
			return
		}
		w.keep(w.text, hold)
		p = p[n:]
	}
}

// inPlace does the rest of p, of which end bytes have been scanned, without a copy.
func (w *Writer) inPlace(p []byte, end int) {
	for end < len(p) && w.err == nil {
		gone := w.from - lookBehind
		p, end = p[gone:], end-gone
		w.forget(gone)
		end = min(len(p), end+block)
		w.from = w.scan(p[:end])
	}
	w.keep(p[:end], w.from)
}

// scan passes on what is decided of text and returns where the rest begins.
func (w *Writer) scan(text []byte) (hold int) {
	hold = w.redactor.scan(&w.scanner, text, w.from, false)
	w.pass(text, hold)
	return hold
}

// mask obeys a masking command. If there were too many, what is held back is lost with all that comes.
func (w *Writer) mask(value string) {
	if err := w.redactor.addMask(value); err != nil && w.err == nil {
		w.err = err
	}
}

// pass writes what of the text is before hold.
func (w *Writer) pass(text []byte, hold int) {
	c := &w.cursor
	var clean []byte
	if len(w.scanner.matches) == 0 {
		if c.done >= hold {
			return
		}
		clean, c.done = text[c.done:hold], hold // as it is, without a copy
	} else {
		w.clean = c.appendClean(w.clean[:0], text, w.scanner.matches, hold)
		clean = w.clean
	}
	if len(clean) > 0 && w.err == nil {
		_, w.err = w.to.Write(clean)
	}
}

// keep forgets what of text is before hold, but for what may be looked back at.
func (w *Writer) keep(text []byte, hold int) {
	gone := max(0, hold-lookBehind)
	w.text = append(w.text[:0], text[gone:]...)
	w.from = hold
	w.forget(gone)
}

// forget counts all places from n bytes further on.
func (w *Writer) forget(n int) {
	w.from -= n
	w.cursor.done -= n
	w.cursor.masked -= n
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
		w.redactor.scan(&w.scanner, w.text, w.from, true)
		w.pass(w.text, len(w.text))
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

package redact

import "io"

// Reader returns a reader of what r has, without the secrets.
func (r *Redactor) Reader(from io.Reader) io.Reader {
	reader := &reader{from: from}
	reader.writer = r.Writer(&reader.clean)
	return reader
}

type reader struct {
	from   io.Reader
	writer *Writer
	raw    []byte
	clean  queue
	err    error // of from
}

// queue is what was written to it and not read yet.
type queue struct {
	buffer []byte
	read   int
}

func (q *queue) Write(p []byte) (int, error) {
	if q.read == len(q.buffer) {
		q.buffer, q.read = q.buffer[:0], 0
	}
	q.buffer = append(q.buffer, p...)
	return len(p), nil
}

// Read reads from the reader behind until there is something to return, or an error, which comes last.
func (r *reader) Read(p []byte) (int, error) {
	for len(p) > 0 && r.clean.read == len(r.clean.buffer) && r.err == nil {
		if r.raw == nil {
			r.raw = make([]byte, block)
		}
		var n int
		n, r.err = r.from.Read(r.raw)
		_, _ = r.writer.Write(r.raw[:n]) // to memory
		if r.err != nil {
			_ = r.writer.Close()
		}
	}
	n := copy(p, r.clean.buffer[r.clean.read:])
	r.clean.read += n
	if n == 0 && len(p) > 0 {
		return 0, r.err
	}
	return n, nil
}

// FoundIn reports whether what from returns holds a secret. It reads no further than it has to.
func (r *Redactor) FoundIn(from io.Reader) (bool, error) {
	w := r.Writer(io.Discard)
	buffer := make([]byte, block)
	for {
		n, err := from.Read(buffer)
		_, _ = w.Write(buffer[:n]) // to nowhere
		if err != nil {
			_ = w.Close()
		}
		switch {
		case w.cursor.replaced > 0:
			return true, nil
		case err == io.EOF:
			return false, nil
		case err != nil:
			return false, err
		}
	}
}

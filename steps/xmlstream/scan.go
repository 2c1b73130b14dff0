// Package xmlstream is a pull scanner for the XML of reports: fast, in bounded memory, and tolerant of input that XML
// forbids but that has one reading only.
//
// Test runners copy the output of tests into their reports, control characters and broken text included, and a killed
// run leaves half a file. Tokens before a fault are valid; Err returns the fault at the end.
package xmlstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// Kind is the kind of a token.
type Kind int

// The kinds of tokens. An element without content is a Start and an End.
const (
	Start Kind = iota + 1
	End
	Text
)

// The bounds of one token, in bytes unless noted.
const (
	window    = 64 << 10
	maxValue  = 32 << 10 // of an attribute; the rest is skipped
	maxAttrs  = 64       // attributes of an element
	maxName   = 1 << 10
	maxDepth  = 1000 // nested elements
	maxRef    = 16   // of a reference, including & and ;
	maxQuoted = 40   // of a quotation in an error
)

// ErrEmpty is the fault of an input of white space only.
var ErrEmpty = errors.New("it is empty")

// NotXMLError is the fault of an input that is not XML.
type NotXMLError struct{ Begins string }

func (e *NotXMLError) Error() string {
	return fmt.Sprintf("it is not XML: it begins with %q", e.Begins)
}

// SyntaxError is the first fault of an input that is XML up to there.
type SyntaxError struct {
	Line int // counted from 1
	What string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("it is damaged: line %d: %s", e.Line, e.What)
}

// Scanner reads tokens one after another.
type Scanner struct {
	in       io.Reader
	buf      []byte
	pos, end int
	ended    bool  // there is nothing more to read
	failed   error // the error of the input, other than io.EOF
	lines    int   // before buf

	kind    Kind
	name    []byte // as it is written, with its prefix
	attrs   []attribute
	arena   []byte // the names and values of attrs
	decoded []byte // values with their references decoded
	text    []byte
	literal bool // inside of a CDATA section
	raw     bool // text is of a CDATA section: it has no references

	open    []byte // the names of the open elements, one after another
	ends    []int  // where in open each of them ends
	pending bool   // an element without content: its End is next
	begun   bool
	fault   error // the first one
	stopped bool
}

type attribute struct{ name, value, end int } // offsets in the arena

// New returns a scanner of UTF-8 text. UTF8 converts other encodings.
func New(in io.Reader) *Scanner { return &Scanner{in: in, buf: make([]byte, window)} }

// Kind returns the kind of the token.
func (s *Scanner) Kind() Kind { return s.kind }

// Name is the name of the element without its prefix. It is valid until the next token.
func (s *Scanner) Name() []byte { return local(s.name) }

// Depth is the number of elements around the token. An element is not around its own tags.
func (s *Scanner) Depth() int {
	if s.kind == Start {
		return len(s.ends) - 1
	}
	return len(s.ends)
}

// Parent is the name of the innermost element around the token without its prefix, empty outside of all.
func (s *Scanner) Parent() []byte {
	n := s.Depth()
	if n == 0 {
		return nil
	}
	from := 0
	if n > 1 {
		from = s.ends[n-2]
	}
	return local(s.open[from:s.ends[n-1]])
}

// Attr is the value of a Start's attribute, empty if there is none. It is valid until the next token.
func (s *Scanner) Attr(name string) []byte {
	for i := len(s.attrs) - 1; i >= 0; i-- {
		if a := s.attrs[i]; string(s.arena[a.name:a.value]) == name {
			return s.value(a)
		}
	}
	return nil
}

// Attrs are the names and values of a Start's attributes, in their order. They are valid until the next token.
func (s *Scanner) Attrs() iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for _, a := range s.attrs {
			if !yield(s.arena[a.name:a.value], s.value(a)) {
				return
			}
		}
	}
}

func (s *Scanner) value(a attribute) []byte {
	value := s.arena[a.value:a.end]
	if bytes.IndexByte(value, '&') < 0 {
		return value
	}
	from := len(s.decoded)
	s.decoded = Unescape(s.decoded, value)
	return s.decoded[from:]
}

// AppendText appends a Text to dst, up to a length of limit. Text between two tags may come in several pieces.
func (s *Scanner) AppendText(dst []byte, limit int) []byte {
	text := s.text[:min(len(s.text), maxRef*limit)] // a reference is at most that much longer than its character
	if s.raw || bytes.IndexByte(text, '&') < 0 {
		dst = append(dst, text[:min(len(text), max(limit-len(dst), 0))]...)
	} else {
		dst = Unescape(dst, text)
	}
	return dst[:min(len(dst), limit)]
}

// Err is the first fault, nil if there was none. Next continues after a fault if the rest of the input is still
// certain: check Err once Next has returned false.
func (s *Scanner) Err() error { return s.fault }

// Next advances to the next token. It returns false at the end, and at a fault after which nothing is certain.
func (s *Scanner) Next() bool {
	if s.pending {
		s.pending = false
		s.kind = End
		s.leave()
		return true
	}
	for !s.stopped {
		if s.literal {
			if s.scanCDATA() {
				return true
			}
			continue
		}
		c, ok := s.peek()
		switch {
		case !ok:
			s.finish()
			return false
		case c != '<' && len(s.ends) == 0:
			s.skipStray()
		case c != '<':
			if s.scanText() {
				return true
			}
		default:
			s.begun = true
			s.pos++
			if s.scanMarkup() {
				return true
			}
		}
	}
	return false
}

// finish records a fault of the end of the input.
func (s *Scanner) finish() {
	switch {
	case s.failed != nil:
		s.stop("%v", s.failed)
	case !s.begun:
		s.fault, s.stopped = ErrEmpty, true
	case len(s.ends) > 0:
		s.truncated(fmt.Sprintf("<%s>", quote(s.around())))
	}
	s.stopped = true
}

// scanMarkup reads what follows a <. It reports whether that is a token.
func (s *Scanner) scanMarkup() bool {
	c, ok := s.peek()
	switch {
	case !ok:
		s.truncated("a <")
		return false
	case c == '/':
		s.pos++
		return s.scanEnd()
	case c == '?':
		s.pos++
		s.skipPast("?>", "a <?")
		return false
	case c == '!':
		s.pos++
		s.scanDeclaration()
		return false
	}
	return s.scanStart()
}

func (s *Scanner) scanEnd() bool {
	s.name = s.scanName(s.name[:0])
	s.skipSpace()
	if c, ok := s.peek(); !ok || c != '>' {
		s.stopAt("</%s", s.name)
		return false
	}
	s.pos++
	if len(s.ends) == 0 {
		s.stop("</%s> closes nothing", quote(s.name))
		return false
	}
	if around := s.around(); !bytes.Equal(around, s.name) {
		s.stop("<%s> is closed by </%s>", quote(around), quote(s.name))
		return false
	}
	s.leave()
	s.kind = End
	return true
}

func (s *Scanner) around() []byte {
	from := 0
	if n := len(s.ends); n > 1 {
		from = s.ends[n-2]
	}
	return s.open[from:s.ends[len(s.ends)-1]]
}

func (s *Scanner) enter() {
	s.open = append(s.open, s.name...)
	s.ends = append(s.ends, len(s.open))
}

func (s *Scanner) leave() {
	s.open = s.open[:len(s.open)-len(s.around())]
	s.ends = s.ends[:len(s.ends)-1]
}

// note records a fault after which the rest of the input is still certain.
func (s *Scanner) note(format string, args ...any) { s.noteAt(s.pos, format, args...) }

func (s *Scanner) noteAt(pos int, format string, args ...any) {
	if s.fault == nil {
		s.fault = &SyntaxError{s.lines + bytes.Count(s.buf[:pos], []byte("\n")) + 1, fmt.Sprintf(format, args...)}
	}
}

// stop records a fault after which nothing is certain.
func (s *Scanner) stop(format string, args ...any) {
	s.note(format, args...)
	s.stopped = true
}

// stopAt records a fault: an unexpected character after the given piece of a tag.
func (s *Scanner) stopAt(format string, name []byte) {
	piece := fmt.Sprintf(format, quote(name))
	if c, ok := s.peek(); ok {
		s.stop("%s is followed by %q", piece, c)
		return
	}
	s.truncated(piece)
}

// truncated records a fault: the input ends inside of an element or a tag.
func (s *Scanner) truncated(where string) {
	if s.failed != nil {
		s.stop("%v", s.failed)
		return
	}
	s.stop("it ends inside %s", where)
}

// peek returns the next byte; false at the end of the input.
func (s *Scanner) peek() (byte, bool) {
	if s.pos == s.end && !s.fill() {
		return 0, false
	}
	return s.buf[s.pos], true
}

// fill reads more input behind the rest of the window. It returns false at the end.
func (s *Scanner) fill() bool {
	if s.ended {
		return false
	}
	s.lines += bytes.Count(s.buf[:s.pos], []byte("\n"))
	s.end = copy(s.buf, s.buf[s.pos:s.end])
	s.pos = 0
	for range 100 {
		n, err := s.in.Read(s.buf[s.end:])
		s.end += n
		if err != nil {
			s.ended = true
			if err != io.EOF {
				s.failed = err
			}
		}
		if n > 0 || err != nil {
			return n > 0
		}
	}
	s.ended, s.failed = true, io.ErrNoProgress
	return false
}

func quote(text []byte) string {
	if len(text) > maxQuoted {
		return Plain(text[:maxQuoted]) + "…"
	}
	return Plain(text)
}

// local is a name without its prefix.
func local(name []byte) []byte {
	if n := bytes.IndexByte(name, ':'); n > 0 && n < len(name)-1 {
		return name[n+1:]
	}
	return name
}

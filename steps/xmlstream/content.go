package xmlstream

import "bytes"

// skipStray skips text outside of every element, where only white space belongs. Joining files leaves byte order marks
// there.
func (s *Scanner) skipStray() {
	s.skipAll(blank)
	if c, ok := s.peek(); !ok || c == '<' {
		return
	}
	for s.end-s.pos <= maxQuoted && s.fill() {
	}
	rest := s.buf[s.pos:s.end]
	rest = rest[:min(len(rest), maxQuoted+1)]
	if bytes.HasPrefix(rest, []byte("\uFEFF")) {
		s.pos += len("\uFEFF")
		return
	}
	if n := bytes.IndexAny(rest, "<\n"); n >= 0 {
		rest = rest[:n]
	}
	if !s.begun {
		s.fault, s.stopped = &NotXMLError{quote(bytes.TrimSpace(rest))}, true
		return
	}
	s.note("%q is outside of every element", quote(rest))
	for {
		if n := bytes.IndexByte(s.buf[s.pos:s.end], '<'); n >= 0 {
			s.pos += n
			return
		}
		if s.pos = s.end; !s.fill() {
			return
		}
	}
}

// scanText reads up to the next tag, or as much as the window holds.
func (s *Scanner) scanText() bool {
	n := bytes.IndexByte(s.buf[s.pos:s.end], '<')
	if n < 0 {
		n = s.end - s.pos
		// A reference must not be split.
		tail := s.buf[max(s.pos, s.end-maxRef):s.end]
		if begin := bytes.IndexByte(tail, '&'); begin >= 0 && !s.ended {
			n -= len(tail) - begin
			if n == 0 {
				s.fill()
				return false
			}
		}
	}
	s.text, s.raw = s.buf[s.pos:s.pos+n], false
	if s.fault == nil {
		if bad := badRef(s.text); bad >= 0 {
			s.noteAt(s.pos+bad, badRefFault, quoteRef(s.text[bad:]))
		}
	}
	s.pos += n
	s.kind = Text
	return true
}

const badRefFault = "%q is not a reference of XML"

// quoteRef quotes the reference that a text begins with, and nothing after it, so that it is the same wherever the
// window ends.
func quoteRef(text []byte) string {
	text = text[:min(len(text), maxRef)]
	for i, c := range text[1:] {
		switch {
		case c == ';':
			return quote(text[:i+2])
		case c < '0' && c != '#' || c == '&' || c == '<':
			return quote(text[:i+1])
		}
	}
	return quote(text)
}

// badRef returns the index of the first unknown reference, -1 if there is none.
func badRef(text []byte) int {
	for from := 0; ; {
		n := bytes.IndexByte(text[from:], '&')
		if n < 0 {
			return -1
		}
		from += n
		_, size := reference(text[from:])
		if size == 0 {
			return from
		}
		from += size
	}
}

// scanCDATA reads a piece of a CDATA section, as much as the window holds.
func (s *Scanner) scanCDATA() bool {
	const end = "]]>"
	for s.end-s.pos < len(end) && s.fill() {
	}
	rest := s.buf[s.pos:s.end]
	n := bytes.Index(rest, []byte(end))
	switch {
	case n >= 0:
		s.pos += n + len(end)
		s.literal = false
	case len(rest) < len(end):
		s.pos = s.end
		s.truncated("a CDATA section")
		return false
	default:
		n = len(rest) - len(end) + 1
		s.pos += n
	}
	s.text, s.raw = rest[:n], true
	if len(s.ends) == 0 {
		s.note("a CDATA section is outside of every element")
		return false
	}
	s.kind = Text
	return n > 0
}

package xmlstream

import "bytes"

// nameByte is true for the bytes of names, those of other alphabets included.
var nameByte = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= 0x80 || c == '_' || c == ':' || c == '-' || c == '.' ||
			'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
	}
	return t
}()

// space reports whether a byte separates attributes.
func space(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// blank reports whether a byte has no meaning between elements: white space, and the zeros that a crash leaves at the
// end of a file.
func blank(c byte) bool { return c <= ' ' }

// scanName appends a name to dst. A name that is too long stops the scanner.
func (s *Scanner) scanName(dst []byte) []byte {
	from := len(dst)
	for {
		n := s.pos
		for n < s.end && nameByte[s.buf[n]] {
			n++
		}
		dst = append(dst, s.buf[s.pos:n]...)
		s.pos = n
		if len(dst)-from > maxName {
			s.stop("a name is longer than %d bytes: %q", maxName, quote(dst[from:]))
			return dst[:from]
		}
		if n < s.end || !s.fill() {
			return dst
		}
	}
}

func (s *Scanner) skipSpace() { s.skipAll(space) }

func (s *Scanner) skipAll(of func(byte) bool) {
	for {
		for s.pos < s.end && of(s.buf[s.pos]) {
			s.pos++
		}
		if s.pos < s.end || !s.fill() {
			return
		}
	}
}

// scanStart reads a start tag, attributes included.
func (s *Scanner) scanStart() bool {
	s.attrs, s.arena, s.decoded = s.attrs[:0], s.arena[:0], s.decoded[:0]
	s.name = s.scanName(s.name[:0])
	if s.stopped {
		return false
	}
	if !validName(s.name) {
		s.stopAt("<%s", s.name)
		return false
	}
	for {
		s.skipSpace()
		c, ok := s.peek()
		switch {
		case !ok:
			s.stopAt("<%s", s.name)
			return false
		case c == '>':
			s.pos++
			return s.started(false)
		case c == '/':
			s.pos++
			if c, ok := s.peek(); !ok || c != '>' {
				s.stopAt("<%s /", s.name)
				return false
			}
			s.pos++
			return s.started(true)
		case !s.scanAttr():
			return false
		}
	}
}

// validName reports whether a name begins with a letter and has at most one prefix.
func validName(name []byte) bool {
	return len(name) > 0 && name[0] != '-' && name[0] != '.' && (name[0] < '0' || name[0] > '9') &&
		bytes.Count(name, []byte(":")) <= 1
}

func (s *Scanner) started(empty bool) bool {
	if len(s.ends) == maxDepth {
		s.stop("more than %d elements are nested in each other", maxDepth)
		return false
	}
	s.enter()
	s.kind, s.pending = Start, empty
	return true
}

// scanAttr reads name="value" into the arena.
func (s *Scanner) scanAttr() bool {
	a := attribute{name: len(s.arena)}
	s.arena = s.scanName(s.arena)
	a.value = len(s.arena)
	if s.stopped {
		return false
	}
	if !validName(s.arena[a.name:]) {
		s.stopAt("<%s", s.name)
		return false
	}
	s.skipSpace()
	c, ok := s.peek()
	if !ok || c != '=' {
		s.stopAt("the attribute %s", s.arena[a.name:])
		return false
	}
	s.pos++
	s.skipSpace()
	delimiter, ok := s.peek()
	if !ok || delimiter != '"' && delimiter != '\'' {
		s.stopAt("the attribute %s=", s.arena[a.name:])
		return false
	}
	s.pos++
	if !s.scanValue(delimiter) {
		s.stopAt("the attribute %s=", s.arena[a.name:a.value])
		return false
	}
	a.end = len(s.arena)
	if len(s.attrs) == maxAttrs {
		s.arena = s.arena[:a.name]
		return true
	}
	s.attrs = append(s.attrs, a)
	return true
}

// scanValue appends a value to the arena, up to its bound, and skips its closing quote.
func (s *Scanner) scanValue(delimiter byte) bool {
	from := len(s.arena)
	for {
		n := bytes.IndexByte(s.buf[s.pos:s.end], delimiter)
		piece := s.buf[s.pos:s.end]
		if n >= 0 {
			piece = piece[:n]
		}
		if bytes.IndexByte(piece, '<') >= 0 {
			s.note("a value of <%s> contains a <", quote(s.name))
		}
		s.arena = append(s.arena, piece[:min(len(piece), maxValue-(len(s.arena)-from))]...)
		s.pos += len(piece)
		if n >= 0 {
			s.pos++
			if len(s.arena)-from == maxValue { // a reference that is cut is not a fault
				if tail := bytes.LastIndexByte(s.arena[len(s.arena)-maxRef:], '&'); tail >= 0 {
					s.arena = s.arena[:len(s.arena)-maxRef+tail]
				}
			}
			if n := badRef(s.arena[from:]); n >= 0 {
				s.note(badRefFault, quoteRef(s.arena[from+n:]))
			}
			return true
		}
		if !s.fill() {
			return false
		}
	}
}

// scanDeclaration reads what follows <!: a comment or a document type, which are skipped, or a CDATA section.
func (s *Scanner) scanDeclaration() {
	for s.end-s.pos < len("[CDATA[") && s.fill() {
	}
	rest := s.buf[s.pos:s.end]
	switch {
	case bytes.HasPrefix(rest, []byte("--")):
		s.pos += 2
		s.skipComment()
	case bytes.HasPrefix(rest, []byte("[CDATA[")):
		s.pos += len("[CDATA[")
		s.literal = true
	case len(rest) > 0 && rest[0] >= 'A' && rest[0] <= 'Z':
		s.skipDoctype()
	default:
		s.stopAt("<!%s", nil)
	}
}

func (s *Scanner) skipComment() {
	if !s.skipPast("--", "a comment") {
		return
	}
	for {
		switch c, ok := s.peek(); {
		case !ok:
			s.skipPast("-->", "a comment")
			return
		case c == '>':
			s.pos++
			return
		case c == '-': // it may begin the end
			s.pos++
			s.note("a comment contains --")
		default:
			s.note("a comment contains --")
			if !s.skipPast("--", "a comment") {
				return
			}
		}
	}
}

// skipPast skips everything up to and including end.
func (s *Scanner) skipPast(end, what string) bool {
	for {
		if n := bytes.Index(s.buf[s.pos:s.end], []byte(end)); n >= 0 {
			s.pos += n + len(end)
			return true
		}
		s.pos = max(s.pos, s.end-len(end)+1) // the window may hold half of end
		if !s.fill() {
			s.pos = s.end
			s.truncated(what)
			return false
		}
	}
}

// skipDoctype skips a document type. Its definitions are not read: a reference to one is a fault.
func (s *Scanner) skipDoctype() {
	var quoted byte
	depth := 1
	for {
		c, ok := s.peek()
		if !ok {
			s.truncated("a document type")
			return
		}
		s.pos++
		switch {
		case quoted != 0:
			if c == quoted {
				quoted = 0
			}
		case c == '"' || c == '\'':
			quoted = c
		case c == '>':
			if depth--; depth == 0 {
				return
			}
		case c == '<':
			for s.end-s.pos < len("!--") && s.fill() {
			}
			if bytes.HasPrefix(s.buf[s.pos:s.end], []byte("!--")) {
				s.pos += len("!--")
				s.skipComment()
				continue
			}
			depth++
		}
	}
}

package xmlstream

import (
	"bufio"
	"bytes"
	"io"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

var declared = regexp.MustCompile(`^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._:-]+)["']`)

// UTF8 converts a document to UTF-8. Its encoding is that of its byte order mark, else of its first bytes, else the one
// that it declares. Text in an unknown encoding passes unchanged: the structure is ASCII in nearly all of them.
func UTF8(in io.Reader) io.Reader {
	b := bufio.NewReaderSize(in, 4<<10)
	head, _ := b.Peek(1 << 10)
	skip := func(n int) *bufio.Reader {
		_, _ = b.Discard(n) // as many were peeked
		return b
	}
	switch {
	case bytes.HasPrefix(head, []byte("\xEF\xBB\xBF")):
		return skip(3)
	case bytes.HasPrefix(head, []byte("\xFF\xFE")):
		return &transcoder{in: skip(2), next: utf16Unit(0, 8)}
	case bytes.HasPrefix(head, []byte("\xFE\xFF")):
		return &transcoder{in: skip(2), next: utf16Unit(8, 0)}
	case bytes.HasPrefix(head, []byte("<\x00")):
		return &transcoder{in: b, next: utf16Unit(0, 8)}
	case bytes.HasPrefix(head, []byte("\x00<")):
		return &transcoder{in: b, next: utf16Unit(8, 0)}
	}
	if m := declared.FindSubmatch(head); m != nil {
		switch strings.ToLower(string(m[1])) {
		case "iso-8859-1", "iso8859-1", "latin1", "latin-1", "windows-1252", "cp1252":
			return &transcoder{in: b, next: latin1}
		}
	}
	return b
}

// transcoder converts an encoding to UTF-8.
type transcoder struct {
	in   *bufio.Reader
	next func(*bufio.Reader) (rune, error)
	rest []byte // of a rune that did not fit into the last Read
	err  error
}

func (t *transcoder) Read(p []byte) (int, error) {
	n := copy(p, t.rest)
	t.rest = t.rest[n:]
	for len(p)-n > 0 && t.err == nil {
		if n > 0 && t.in.Buffered() < 4 { // the next unit may have to be waited for
			break
		}
		var r rune
		if r, t.err = t.next(t.in); t.err != nil {
			break
		}
		if len(p)-n >= utf8.UTFMax {
			n += utf8.EncodeRune(p[n:], r)
			continue
		}
		t.rest = utf8.AppendRune(nil, r)
		c := copy(p[n:], t.rest)
		n, t.rest = n+c, t.rest[c:]
	}
	if n == 0 && len(p) > 0 {
		return 0, t.err
	}
	return n, nil
}

// utf16Unit returns a function that reads a rune of one or two units, whose bytes are shifted by first and second.
func utf16Unit(first, second int) func(*bufio.Reader) (rune, error) {
	unit := func(b []byte) rune { return rune(b[0])<<first | rune(b[1])<<second }
	return func(in *bufio.Reader) (rune, error) {
		head, err := in.Peek(2)
		if len(head) < 2 {
			if len(head) == 1 && err == io.EOF { // half a unit
				_, _ = in.Discard(1)
				return utf8.RuneError, nil
			}
			return 0, err
		}
		r, size := unit(head), 2
		if utf16.IsSurrogate(r) {
			r = utf8.RuneError
			if both, _ := in.Peek(4); len(both) == 4 {
				if pair := utf16.DecodeRune(unit(both), unit(both[2:])); pair != utf8.RuneError {
					r, size = pair, 4
				}
			}
		}
		_, _ = in.Discard(size)
		return r, nil
	}
}

// windows1252 has characters where latin-1 has control characters. Most documents that declare latin-1 are in it.
var windows1252 = [32]rune{
	'€', 0x81, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0x8D, 'Ž', 0x8F,
	0x90, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0x9D, 'ž', 'Ÿ',
}

func latin1(in *bufio.Reader) (rune, error) {
	c, err := in.ReadByte()
	if c >= 0x80 && c < 0xA0 {
		return windows1252[c-0x80], err
	}
	return rune(c), err
}

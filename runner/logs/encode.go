package logs

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"

	"github.com/carlin-cicd/runner/runner/terminal"
	"github.com/carlin-cicd/runner/steps/ansi"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// unusual marks the first byte of v that is not the same in every form with its highest bit: a control character,
// a quote, a backslash, or one that is not ASCII. What is marked after it may be none, for a byte that is too
// small borrows from its neighbour. The two subtractions know those of ASCII but DEL, as flipping one bit puts the
// quote next to the control characters; the addition knows DEL.
func unusual(v uint64) uint64 {
	const flip = 0x02
	return (((v ^ flip*ones) - ('"'^flip+1)*ones) | ((v ^ '\\'*ones) - ones) | (v + ones) | v) & highs
}

// lines encodes the whole lines at the start of p that are ordinary and returns their length:
// those without anything to think about. It stops before the first line that needs a framer: one
// that is unfinished, too long, not UTF-8, or overwrites itself; and when the buffer is full.
func (o *output) lines(p []byte) int {
	n := 0
	for n < len(p) && !o.isFull() {
		size := o.ordinary(p[n:])
		if size == 0 {
			break
		}
		n += size
	}
	return n
}

// ordinary encodes the line at the start of p into the buffer and returns its length with its
// newline, or 0 with the buffer as it was.
func (o *output) ordinary(p []byte) int {
	src := p[:min(len(p), o.limit+len("\r\n"))]
	dst := o.buf[:cap(o.buf)]
	d := len(o.buf)
	d += copy(dst[d:], o.head)
	start, s, size := d, 0, 0

	for size == 0 {
		n, ok := copyPlain(dst[d:], src[s:])
		s += n
		d += n
		if !ok || s == len(src) {
			return 0
		}

		switch c := src[s]; {
		case c == '\n':
			size = s + 1
		case c == '\r':
			if s+1 == len(src) || src[s+1] != '\n' {
				return 0
			}
			size = s + 2
		case c == ansi.ESC:
			n, _ := ansi.Sequence(src[s:])
			if n == 0 {
				return 0
			}
			switch kind := ansi.KindOf(src[s : s+n]); {
			case kind == ansi.LineStart:
				return 0
			case kind == ansi.Style && o.keeps(src[s:s+n]):
				d += copy(dst[d:], src[s:s+n])
			}
			s += n
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(src[s:])
			d = len(o.appendUnsafe(dst[:d], r))
			s += n
		default:
			d = len(o.appendASCII(dst[:d], c))
			s++
		}
		if d-start > o.limit {
			return 0
		}
	}
	d += copy(dst[d:], o.tail)
	o.buf = dst[:d]
	o.count()
	return size
}

// copyPlain copies the start of src that needs no thought and returns its length, and whether it is UTF-8. It
// looks at eight bytes at a time and copies them before it knows, so up to seven bytes of dst after those are
// garbage. It is a function of its own to stay in registers.
func copyPlain(dst, src []byte) (n int, ok bool) {
	dst = dst[:len(src)]
	for n < len(src) {
		for n <= len(src)-8 {
			v := binary.LittleEndian.Uint64(src[n : n+8])
			binary.LittleEndian.PutUint64(dst[n:n+8], v)
			m := unusual(v)
			if m == 0 {
				n += 8
				continue
			}
			k := bits.TrailingZeros64(m) &^ 7
			n += k / 8
			if byte(v>>k) < utf8.RuneSelf {
				return n, true
			}
			if n > len(src)-8 {
				break
			}
			c := binary.LittleEndian.Uint64(src[n : n+8])
			binary.LittleEndian.PutUint64(dst[n:n+8], c)
			// Most characters are three bytes long. Of those that may begin with 0xe0 and 0xed some must not be, and of
			// those that begin with 0xe2 0x80 and 0xe2 0x81 some are unsafe.
			if c&0xc0c0f0 != 0x8080e0 || c&0x0f == 0 || c&0x0f == 0x0d || c&0xfeff == 0x80e2 {
				break
			}
			n += 3
		}
		if n == len(src) {
			break
		}
		switch c := src[n]; {
		case c < ' ' || c == '"' || c == '\\' || c == del:
			return n, true
		case c < utf8.RuneSelf:
			dst[n] = c
			n++
		default:
			r, size := utf8.DecodeRune(src[n:])
			switch {
			case r == utf8.RuneError && size == 1:
				return n, false
			case isUnsafe(r):
				return n, true
			}
			n += copy(dst[n:], src[n:n+size])
		}
	}
	return n, true
}

// del is the control character at the end of ASCII.
const del = 0x7f

// lastC1 is the last control character of C1. Terminals act on them as they do on an escape sequence.
const lastC1 = 0x9f

// isUnsafe reports whether text escapes a character that is not ASCII: one of C1, text direction or line separation.
// The comparisons spare most characters the rest.
func isUnsafe(r rune) bool {
	return r <= 0x2069 && (r <= lastC1 || r >= 0x200e || r == 0x061c) && terminal.IsUnsafe(r)
}

// appendUnsafe appends a character that isUnsafe as an escape: of text, or of JSON, which keeps what it is.
func (o *output) appendUnsafe(b []byte, r rune) []byte {
	if o.escape {
		return fmt.Appendf(b, `\u%04x`, r)
	}
	return append(b, terminal.Escape(string(r))...)
}

// indexUnsafe returns where in p, which is UTF-8, the first DEL or character that isUnsafe is: len(p) if nowhere.
func indexUnsafe(p []byte) int {
	for i, c := range p {
		switch c {
		case del:
			return i
		case 0xc2, 0xd8, 0xe2: // what unsafe characters begin with
			if r, _ := utf8.DecodeRune(p[i:]); isUnsafe(r) {
				return i
			}
		}
	}
	return len(p)
}

// keeps reports whether text keeps a sequence that sets a style. A link may hold characters that end it early.
func (o *output) keeps(sequence []byte) bool {
	return o.colors && indexUnsafe(sequence) == len(sequence)
}

const hexDigits = "0123456789abcdef"

// appendASCII appends one ASCII character in the output's form.
func (o *output) appendASCII(b []byte, c byte) []byte {
	switch {
	case o.escape:
		return appendJSONChar(b, c)
	case c < ' ' && c != '\t':
		// Shown by its picture: leaving it out could join what was apart, and terminals obey some.
		return utf8.AppendRune(b, '␀'+rune(c))
	case c == del:
		return append(b, "␡"...)
	}
	return append(b, c)
}

// appendJSONChar appends an ASCII character as it stands inside a JSON string.
func appendJSONChar(b []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(b, '\\', c)
	case c >= ' ' && c != del:
		return append(b, c)
	case c == '\t':
		return append(b, `\t`...)
	case c == '\n':
		return append(b, `\n`...)
	case c == '\r':
		return append(b, `\r`...)
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// special is unusual without what is not ASCII.
func special(v uint64) uint64 { return unusual(v) &^ v }

// plain returns the length of the start of p that is the same in JSON.
func plain(p []byte) int {
	i := 0
	for ; i+8 <= len(p); i += 8 {
		if m := special(binary.LittleEndian.Uint64(p[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(p); i++ {
		if c := p[i]; c < ' ' || c == '"' || c == '\\' || c == del {
			break
		}
	}
	return i
}

const ellipsis = "…"

// appendJSONString appends s as a JSON string. What is not UTF-8 becomes U+FFFD. If it takes more
// than room bytes between the quotes, it is cut between characters and ends in an ellipsis.
func appendJSONString(b []byte, s string, room int) (_ []byte, cut bool) {
	b = append(b, '"')
	start, fits := len(b), len(b) // fits: where the ellipsis goes if the rest does not fit
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
			b = appendJSONChar(b, byte(r))
		case isUnsafe(r):
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
		if len(b)-start > room {
			return append(b[:fits], ellipsis+`"`...), true
		}
		if len(b)-start <= room-len(ellipsis) {
			fits = len(b)
		}
	}
	return append(b, '"'), false
}

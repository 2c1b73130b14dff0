package xmlstream

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/carlin-cicd/runner/steps/ansi"
)

// Plain returns text without escape sequences, control characters and invalid UTF-8, with \n as the only line end.
func Plain(text []byte) string {
	if plain(text) {
		return string(text)
	}
	if bytes.IndexByte(text, ansi.ESC) >= 0 { // before its ESC is dropped, which would leave the rest of the sequence
		text = ansi.Strip(text)
	}
	var b strings.Builder
	b.Grow(len(text))
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		i += size
		switch {
		case r == '\r':
			if i == len(text) || text[i] != '\n' {
				b.WriteByte('\n')
			}
		case Legal(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}

func plain(text []byte) bool {
	for _, c := range text {
		if c < ' ' && c != '\n' && c != '\t' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Legal reports whether XML 1.0 allows a character.
func Legal(r rune) bool {
	return r >= ' ' && r < 0xD800 || r == '\t' || r == '\n' || r == '\r' ||
		r > 0xDFFF && r <= utf8.MaxRune && r != 0xFFFE && r != 0xFFFF
}

// Unescape appends text to dst with its references decoded, also those to characters that XML forbids. References to
// numbers that are not characters are dropped; anything else that begins with & stays.
func Unescape(dst, text []byte) []byte {
	for {
		n := bytes.IndexByte(text, '&')
		if n < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:n]...)
		text = text[n:]
		switch r, size := reference(text); {
		case size == 0:
			dst = append(dst, '&')
			text = text[1:]
		default:
			if r >= 0 {
				dst = utf8.AppendRune(dst, r)
			}
			text = text[size:]
		}
	}
}

// reference decodes the reference at the start of text. It returns -1 for a number that is not a character, and the
// length of the reference, 0 if there is none.
func reference(text []byte) (rune, int) {
	n := bytes.IndexByte(text[:min(len(text), maxRef)], ';')
	if n < 2 {
		return 0, 0
	}
	name, size := text[1:n], n+1
	if name[0] == '#' {
		digits, base := name[1:], 10
		if len(digits) > 0 && digits[0] == 'x' {
			digits, base = digits[1:], 16
		}
		number, err := strconv.ParseUint(string(digits), base, 64)
		switch {
		case err != nil:
			return 0, 0
		case number > utf8.MaxRune || !utf8.ValidRune(rune(number)):
			return -1, size
		}
		return rune(number), size
	}
	switch string(name) {
	case "lt":
		return '<', size
	case "gt":
		return '>', size
	case "amp":
		return '&', size
	case "quot":
		return '"', size
	case "apos":
		return '\'', size
	}
	return 0, 0
}

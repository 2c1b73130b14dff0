package results

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

var (
	declaration = regexp.MustCompile(`^\s*<\?xml[^>]*\?>`)
	encoding    = regexp.MustCompile(`(?i)encoding\s*=\s*["']([a-z0-9_-]+)["']`)
	reference   = regexp.MustCompile(`&#(x[0-9a-fA-F]{1,8}|[0-9]{1,10});`)
	color       = regexp.MustCompile("\x1b\\[[0-9;:?]*[A-Za-z]")
)

// clean turns a report into UTF-8 that Go's parser takes: test runners copy what a test printed into their reports,
// control characters, colors and broken text included, and a report is not to be lost for that.
func clean(raw []byte) []byte {
	text := decode(raw)
	if loc := declaration.FindIndex(text); loc != nil {
		text = text[loc[1]:] // with its encoding, which no longer holds, and its version: 1.1 is refused
	}
	text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
	if bytes.Contains(text, []byte("&#")) {
		text = reference.ReplaceAllFunc(text, illegalToRaw)
	}
	if bytes.IndexByte(text, 0x1b) >= 0 { // without its ESC, the rest of a color would stay as litter
		text = color.ReplaceAll(text, nil)
	}
	if bytes.IndexFunc(text, illegal) < 0 {
		return text
	}
	return bytes.Map(func(r rune) rune {
		if illegal(r) {
			return -1
		}
		return r
	}, text)
}

// illegalToRaw turns a reference to an illegal character into ESC where it is that, so that colors are found, else into nothing.
func illegalToRaw(ref []byte) []byte {
	digits, base := string(ref[2:len(ref)-1]), 10
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	switch n, err := strconv.ParseUint(digits, base, 32); {
	case err != nil || n > utf8.MaxRune:
		return nil
	case n == 0x1b:
		return []byte{0x1b}
	case illegal(rune(n)):
		return nil
	}
	return ref
}

// illegal is what XML 1.0 does not allow.
func illegal(r rune) bool {
	return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r >= 0xD800 && r <= 0xDFFF || r == 0xFFFE || r == 0xFFFF
}

// decode follows the byte order mark, else what the report says of itself.
func decode(raw []byte) []byte {
	switch {
	case bytes.HasPrefix(raw, []byte{0xEF, 0xBB, 0xBF}):
		return raw[3:]
	case bytes.HasPrefix(raw, []byte{0xFF, 0xFE}):
		return fromUTF16(raw[2:], func(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 })
	case bytes.HasPrefix(raw, []byte{0xFE, 0xFF}):
		return fromUTF16(raw[2:], func(b []byte) uint16 { return uint16(b[1]) | uint16(b[0])<<8 })
	}
	if m := encoding.FindSubmatch(declaration.Find(raw)); m != nil {
		switch strings.ToLower(string(m[1])) {
		case "iso-8859-1", "latin1", "latin-1", "windows-1252", "cp1252":
			return fromLatin1(raw)
		}
	}
	return raw
}

func fromUTF16(raw []byte, unit func([]byte) uint16) []byte {
	units := make([]uint16, 0, len(raw)/2)
	for ; len(raw) >= 2; raw = raw[2:] {
		units = append(units, unit(raw))
	}
	return []byte(string(utf16.Decode(units)))
}

func fromLatin1(raw []byte) []byte {
	text := make([]byte, 0, len(raw)+len(raw)/8)
	for _, b := range raw {
		text = utf8.AppendRune(text, rune(b))
	}
	return text
}

package redact

import (
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf16"
)

// encoded adds what makes s unreadable, whatever its characters are.
func (f *forms) encoded(s string) {
	f.bytewise(s)
	f.base32(s)
	f.utf16(s)
	for shift := range 3 {
		core, whole := f.base64(s, shift)
		f.base64(s+"\n", shift)
		for outer := range 3 {
			f.base64(whole, outer)
			c, _ := base64Core(core, outer)
			f.base64Text(c)
		}
	}
	f.base64Thrice(s)
}

// bytewise adds the forms that have a part for each byte: hexadecimal, with separators or without; octal and
// hexadecimal escapes of programs; all percent-encoded.
func (f *forms) bytewise(s string) {
	for _, format := range []string{"%02x", "%02X"} {
		for _, separator := range []string{"", ":", " ", "-"} {
			f.add(eachByte(s, format, separator))
		}
		f.add(eachByte(s, `\x`+format, ""))
		f.add(eachByte(s, "%%"+format, ""))
	}
	f.add(eachByte(s, `\%03o`, ""))
}

// eachByte returns the bytes of s, each formatted, with a separator between them.
func eachByte(s, format, separator string) string {
	b := make([]byte, 0, 5*len(s))
	for i := range len(s) {
		if i > 0 {
			b = append(b, separator...)
		}
		b = fmt.Appendf(b, format, s[i])
	}
	return string(b)
}

// utf16 adds s as Windows has it: two bytes for each character, and the base64 of that, as PowerShell takes commands.
func (f *forms) utf16(s string) {
	var little, big []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		little = append(little, byte(unit), byte(unit>>8))
		big = append(big, byte(unit>>8), byte(unit))
	}
	f.add(string(little))
	f.add(string(big))
	for shift := range 3 {
		f.base64(string(little), shift)
	}
}

// base32 adds the characters that depend on s alone, for each number of bytes before it, modulo 5; and the whole,
// with its padding.
func (f *forms) base32(s string) {
	whole := base32.StdEncoding.EncodeToString([]byte(s))
	f.add(whole)
	f.add(strings.TrimRight(whole, "="))
	for shift := range 5 {
		e := base32.StdEncoding.EncodeToString(append(make([]byte, shift, shift+len(s)), s...))
		if start, end := (8*shift+4)/5, 8*(shift+len(s))/5; start < end {
			f.add(e[start:end])
		}
	}
}

// base64Thrice adds what is the same of base64 of base64 of base64, whatever follows s.
func (f *forms) base64Thrice(s string) {
	once, _ := base64Core(s, 0)
	twice, _ := base64Core(once, 0)
	for shift := range 3 {
		core, _ := base64Core(twice, shift)
		f.base64Text(core)
	}
	encode := base64.StdEncoding.EncodeToString
	for shift := range 3 {
		f.base64(encode([]byte(encode([]byte(s)))), shift)
	}
}

// base64 adds s as it is in the base64 of a text that has shift more bytes, modulo 3, before it. It returns
// what is there whatever comes before and after, and what is if nothing comes after, with its padding.
func (f *forms) base64(s string, shift int) (core, whole string) {
	core, last := base64Core(s, shift)
	f.base64Text(core)
	if last == "" {
		return core, core
	}
	whole = core + last + strings.Repeat("=", 3-(shift+len(s))%3)
	f.base64Text(core + last)
	f.base64Text(whole)
	return core, whole
}

func (f *forms) base64Text(s string) {
	f.add(s)
	if strings.ContainsAny(s, "+/") {
		f.add(urlAlphabet.Replace(s))
	}
}

var urlAlphabet = strings.NewReplacer("+", "-", "/", "_")

// base64Core returns the characters that depend on s alone, and the one that does if nothing follows s.
func base64Core(s string, shift int) (core, last string) {
	e := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift, shift+len(s)), s...))
	if end := 8 * (shift + len(s)) / 6; end < len(e) {
		e, last = e[:end], e[end:]
	}
	return e[min(len(e), (8*shift+5)/6):], last
}

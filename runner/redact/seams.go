package redact

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/carlin-cicd/runner/steps/ansi"
)

// seam is a part of a text that its readers leave out: escape sequences, which a terminal acts on and a log
// drops; the line breaks that encoders put into base64 and hex; characters without width. A secret may be sewn
// together over it.
type seam struct{ start, end int }

// wrapped is in columns: encoders break lines after 60, 64 or 76.
const wrapped = 48

// findSeams returns the seams of text after from, in order, neighbours as one, in the given memory. The places of
// zero-width characters are known. What is not complete may become a seam: it ends with text, and if it is an
// escape sequence or a character, open is where it begins, else len(text).
func findSeams(memory []seam, text []byte, from int, zeroWidths []int) (seams []seam, open int) {
	f := seamFinder{seams: memory[:0], zeroWidths: zeroWidths, end: len(text)}
	open = len(text)
	if n := len(zeroWidths) - 1; n >= 0 && zeroWidths[n]+3 > len(text) {
		open = zeroWidths[n]
	}
	newline := nextWrap(text, from, from)
	for i := from; ; {
		escape := len(text)
		if i < len(text) && text[i] == ansi.ESC { // they often come together
			escape = i
		} else if n := bytes.IndexByte(text[i:], ansi.ESC); n >= 0 {
			escape = i + n
		}
		for ; newline < escape; newline = nextWrap(text, from, newline+1) {
			start := newline
			if start > from && text[start-1] == '\r' {
				start--
			}
			f.add(seam{start, newline + 1})
		}
		if escape == len(text) {
			break
		}
		length, more := ansi.Sequence(text[escape:])
		if more {
			open, length = min(open, escape), len(text)-escape
		}
		if length > 0 {
			f.add(seam{escape, escape + length})
		}
		i = escape + max(length, 1)
	}
	if n := len(text) - 1; n >= from && text[n] == '\r' && wraps(text, n, n+1) {
		f.add(seam{n, n + 1})
	}
	f.addZeroWidths(len(text))
	return f.seams, open
}

// seamFinder collects seams in order.
type seamFinder struct {
	seams      []seam
	zeroWidths []int // places that are still to come
	end        int   // of the text
}

// add adds a seam, and before it the zero-width characters that come before it. Those within it are part of it.
func (f *seamFinder) add(s seam) {
	f.addZeroWidths(s.start)
	f.seams = sew(f.seams, s)
	for len(f.zeroWidths) > 0 && f.zeroWidths[0] < s.end {
		f.zeroWidths = f.zeroWidths[1:]
	}
}

func (f *seamFinder) addZeroWidths(before int) {
	for len(f.zeroWidths) > 0 && f.zeroWidths[0] < before {
		f.seams = sew(f.seams, seam{f.zeroWidths[0], min(f.zeroWidths[0]+3, f.end)})
		f.zeroWidths = f.zeroWidths[1:]
	}
}

// sew appends s, or makes it part of the last seam if that ends where s begins.
func sew(seams []seam, s seam) []seam {
	if n := len(seams) - 1; n >= 0 && seams[n].end == s.start {
		seams[n].end = s.end
		return seams
	}
	return append(seams, s)
}

// nextWrap returns where the next line break in the middle of encoded data is: len(text) if nowhere. What follows
// a line break is no longer in the middle of data for a while, so that the short lines are not even looked for.
func nextWrap(text []byte, from, i int) int {
	for i < len(text) {
		n := bytes.IndexByte(text[i:], '\n')
		if n < 0 {
			break
		}
		i += n
		start := i
		if start > from && text[start-1] == '\r' {
			start--
		}
		if wraps(text, start, i+1) {
			return i
		}
		i += 1 + wrapped
	}
	return len(text)
}

// wraps reports whether a line break is in the middle of encoded data, for all that is known of what follows. What
// follows hex is hex: lines that end in a hash are common.
func wraps(text []byte, start, end int) bool {
	if start < wrapped {
		return false
	}
	line := text[start-wrapped : start]
	after := base64Alphabet | lowerHex | upperHex
	if end < len(text) {
		after = encoded[text[end]]
	}
	// A few bytes at once rule out nearly all lines; one by one they would, too, but at a place that cannot be
	// foreseen.
	before := encoded[line[47]] & encoded[line[41]] & encoded[line[34]] & encoded[line[27]] &
		encoded[line[20]] & encoded[line[13]] & encoded[line[6]]
	if before&after&base64Alphabet == 0 {
		return false
	}
	for ; len(line) >= 8; line = line[8:] {
		before &= encoded[line[0]] & encoded[line[1]] & encoded[line[2]] & encoded[line[3]] &
			encoded[line[4]] & encoded[line[5]] & encoded[line[6]] & encoded[line[7]]
	}
	return before == base64Alphabet || before&after&^base64Alphabet != 0
}

// alphabets are the sets of characters that encoders use.
type alphabets uint8

const (
	base64Alphabet alphabets = 1 << iota
	lowerHex
	upperHex
)

// encoded says to which alphabets a character belongs.
var encoded = func() (of [256]alphabets) {
	for c := range of {
		switch c := byte(c); {
		case c >= '0' && c <= '9':
			of[c] = base64Alphabet | lowerHex | upperHex
		case c >= 'a' && c <= 'f':
			of[c] = base64Alphabet | lowerHex
		case c >= 'A' && c <= 'F':
			of[c] = base64Alphabet | upperHex
		case isBase64(c) || c == '-' || c == '_' || c == '=':
			of[c] = base64Alphabet
		}
	}
	return of
}()

// view is a text with its seams left out.
type view struct {
	text   []byte
	pieces []piece
}

// piece is where a part of a view comes from.
type piece struct{ view, raw int }

func (v *view) reset() { v.text, v.pieces = v.text[:0], v.pieces[:0] }

func (v *view) add(text []byte, start, end int) {
	v.pieces = append(v.pieces, piece{len(v.text), start})
	v.text = append(v.text, text[start:end]...)
}

// raw returns where the byte at i of the view is in the text, and in which piece.
func (v *view) raw(i int) (at, n int) {
	n, found := slices.BinarySearchFunc(v.pieces, i, func(p piece, i int) int { return cmp.Compare(p.view, i) })
	if !found {
		n--
	}
	for n+1 < len(v.pieces) && v.pieces[n+1].view == i { // those before are empty
		n++
	}
	return v.pieces[n].raw + i - v.pieces[n].view, n
}

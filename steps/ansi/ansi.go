// Package ansi recognises the escape sequences of terminals (ECMA-48, and what xterm accepts), whole or byte by byte.
//
// There is one grammar for everything that reads output of commands: the log, the redactor, the page and the reports.
// What begins like a sequence but is malformed, or longer than MaxSequence, is ordinary text.
package ansi

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// The control characters that sequences begin and end with.
const (
	ESC = 0x1b
	BEL = 0x07
)

// MaxSequence is the length in bytes of the longest sequence. Links fit; without a limit one stray introducer would
// swallow the rest of the output.
const MaxSequence = 4 << 10

// Kind is what a sequence means to a log.
type Kind int

// The kinds of sequences.
const (
	None      Kind = iota // not a whole sequence
	Style                 // colours and links: text may keep them
	LineStart             // moves to the start of the line, as a carriage return does
	Other                 // moves the cursor, sets the title…: never kept
)

// Sequence returns the length of the escape sequence that text begins with, 0 if there is none. open reports that text
// ends before the sequence does, so that more of it may complete one. The first byte of text must be ESC.
func Sequence(text []byte) (length int, open bool) {
	if len(text) < 2 {
		return 0, true
	}
	text = text[:min(len(text), MaxSequence)]
	i := 2
	switch text[1] {
	case '[': // CSI: parameters and a final
		if len(text) >= 2+8 { // most are short: the first of eight bytes that is not from ' ' to '?'
			const top3, space = 0xe0e0e0e0e0e0e0e0, 0x2020202020202020
			i += bits.TrailingZeros64((binary.LittleEndian.Uint64(text[2:])^space)&top3) / 8
		}
		for i < len(text) && text[i] >= ' ' && text[i] <= '?' {
			i++
		}
		if i < len(text) && (text[i] < '@' || text[i] > '~') {
			return 0, false
		}
	case ']', 'P', 'X', '^', '_': // OSC, DCS, SOS, PM, APC: up to BEL or ESC \
		for i < len(text) && text[i] >= ' ' {
			i++
		}
		if i < len(text) && text[i] == ESC {
			i++
			if i < len(text) && text[i] != '\\' {
				return 0, false
			}
		} else if i < len(text) && text[i] != BEL {
			return 0, false
		}
	default: // character sets and such: intermediates and a final
		for i = 1; i < len(text) && text[i] >= ' ' && text[i] <= '/'; {
			i++
		}
		if i < len(text) && (text[i] < '0' || text[i] > '~') {
			return 0, false
		}
	}
	if i >= len(text) {
		return 0, len(text) < MaxSequence
	}
	return i + 1, false
}

// KindOf returns the kind of a whole sequence. Erasing a line before it is written anew, as readline does, is the same
// as a carriage return. Other erasing and moving up is not followed: what was written has been read by then.
func KindOf(sequence []byte) Kind {
	switch body, final := sequence[2:max(2, len(sequence)-1)], sequence[len(sequence)-1]; {
	case sequence[1] == ']':
		if bytes.HasPrefix(body, []byte("8;")) {
			return Style
		}
	case sequence[1] != '[':
	case final == 'm' && (len(body) == 0 || body[0] < '<'): // above: private, not a colour
		return Style
	case final == 'G' && (len(body) == 0 || string(body) == "0" || string(body) == "1"),
		final == 'K' && string(body) == "2":
		return LineStart
	}
	return Other
}

// SGR returns the parameters of a sequence that sets colours and weight, as "1;31", and reports whether it is one.
func SGR(sequence []byte) (parameters string, ok bool) {
	n := len(sequence) - 1
	if n < 2 || sequence[1] != '[' || sequence[n] != 'm' {
		return "", false
	}
	return string(sequence[2:n]), true
}

// Strip returns text without its sequences: text itself if it has none.
func Strip(text []byte) []byte {
	i := bytes.IndexByte(text, ESC)
	if i < 0 {
		return text
	}
	stripped := make([]byte, 0, len(text))
	for ; i >= 0; i = bytes.IndexByte(text, ESC) {
		stripped = append(stripped, text[:i]...)
		text = text[i:]
		n, _ := Sequence(text)
		if n == 0 {
			stripped = append(stripped, ESC)
		}
		text = text[max(n, 1):]
	}
	return append(stripped, text...)
}

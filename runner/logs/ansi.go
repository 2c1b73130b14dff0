package logs

import "bytes"

const (
	bell = 0x07
	esc  = 0x1b
)

// maxSequence is the length of the longest escape sequence that is taken for one. Links fit;
// without an end to it, one stray introducer would swallow the rest of the output.
const maxSequence = 4 << 10

// scanner knows how far into an escape sequence we are (ECMA-48, and what xterm makes of it).
// Its zero value has seen nothing.
type scanner int

const (
	ground    scanner = iota
	afterEsc          // ESC
	charset           // ESC and intermediates: character sets and such, ended by one final
	csi               // ESC [ parameters, ended by a final
	str               // ESC ] (OSC), P (DCS), X, ^ or _, ended by BEL or ESC \
	strEsc            // the same and an ESC: its end, or the next sequence
	ended             // the byte was the sequence's last
	abandoned         // the byte does not belong to it: there was no sequence
)

// next returns what c leads to.
func (s scanner) next(c byte) scanner {
	final := c >= '0' && c <= '~'
	switch s {
	case afterEsc:
		switch {
		case c == '[':
			return csi
		case c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_':
			return str
		case c >= ' ' && c <= '/':
			return charset
		case final:
			return ended
		}
	case charset:
		switch {
		case c >= ' ' && c <= '/':
			return charset
		case final:
			return ended
		}
	case csi:
		switch {
		case c >= ' ' && c <= '?':
			return csi
		case c >= '@' && c <= '~':
			return ended
		}
	case str:
		switch {
		case c == bell:
			return ended
		case c == esc:
			return strEsc
		case c >= ' ':
			return str
		}
	case strEsc:
		if c == '\\' {
			return ended
		}
	}
	return abandoned
}

// kind is what a sequence means to a log.
type kind int

const (
	unfinished kind = iota // not a whole sequence
	style                  // colours and links: text may keep them
	home                   // back to the start of the line, as a carriage return is
	other                  // moves the cursor, sets the title…: never kept
)

// sequence returns the length and kind of the sequence at the start of p, which is an ESC.
func sequence(p []byte) (int, kind) {
	if len(p) > 2 && p[1] == '[' { // nearly all of them: parameters and a letter
		for i := 2; i < min(len(p), maxSequence); i++ {
			if c := p[i]; c >= '@' && c <= '~' {
				return i + 1, kindOf(p[:i+1])
			} else if c < ' ' || c > '?' {
				break
			}
		}
		return 0, unfinished
	}
	s := afterEsc
	for i := 1; i < min(len(p), maxSequence); i++ {
		switch s = s.next(p[i]); s {
		case ended:
			return i + 1, kindOf(p[:i+1])
		case abandoned:
			return 0, unfinished
		}
	}
	return 0, unfinished
}

// kindOf says what the whole sequence p means. What erases a line before it is written anew, as
// readline does, is the same as a carriage return; other erasing and going up is not followed,
// since what was written has been read by then.
func kindOf(p []byte) kind {
	switch body, final := p[2:max(2, len(p)-1)], p[len(p)-1]; {
	case p[1] == ']':
		if bytes.HasPrefix(body, []byte("8;")) {
			return style
		}
	case p[1] != '[':
	case final == 'm' && (len(body) == 0 || body[0] < '<'): // above: private, no colour
		return style
	case final == 'G' && (len(body) == 0 || string(body) == "0" || string(body) == "1"),
		final == 'K' && string(body) == "2":
		return home
	}
	return other
}

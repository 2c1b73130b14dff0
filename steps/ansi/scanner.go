package ansi

// State is how far into a sequence a byte-by-byte reader is. Its zero value is outside of any.
type State int

// The states.
const (
	Ground    State = iota
	Escape          // after ESC
	charset         // ESC and intermediates
	csi             // ESC [ and parameters
	str             // ESC ] (OSC), P (DCS), X, ^ or _ and text
	StringEsc       // the same and an ESC: its end, or the start of the next sequence
	Ended           // the byte was the last of the sequence
	Abandoned       // the byte does not belong to a sequence: there was none
)

// Next returns the state that c leads to. The caller bounds the length of a sequence.
func (s State) Next(c byte) State {
	final := c >= '0' && c <= '~'
	switch s {
	case Escape:
		switch {
		case c == '[':
			return csi
		case c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_':
			return str
		case c >= ' ' && c <= '/':
			return charset
		case final:
			return Ended
		}
	case charset:
		switch {
		case c >= ' ' && c <= '/':
			return charset
		case final:
			return Ended
		}
	case csi:
		switch {
		case c >= ' ' && c <= '?':
			return csi
		case c >= '@' && c <= '~':
			return Ended
		}
	case str:
		switch {
		case c == BEL:
			return Ended
		case c == ESC:
			return StringEsc
		case c >= ' ':
			return str
		}
	case StringEsc:
		if c == '\\' {
			return Ended
		}
	}
	return Abandoned
}

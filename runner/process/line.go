package process

import (
	"strings"
	"unicode"
)

// maxCommandLine is how many bytes of a command line are kept.
const maxCommandLine = 200

// printable returns s as a part of one line of a log: bounded, and without control characters.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return '?'
		default:
			return r
		}
	}, s)
	if len(s) <= maxCommandLine {
		return s
	}
	cut := 0
	for i := range s { // i is the start of a rune
		if i > maxCommandLine-len("…") {
			break
		}
		cut = i
	}
	return s[:cut] + "…"
}

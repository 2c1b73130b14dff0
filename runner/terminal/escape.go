// Package terminal makes text from elsewhere safe to print: names of files and tests, messages, owners of locks.
package terminal

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/carlin-cicd/runner/steps/ansi"
)

// Escape returns s as one line that neither a terminal nor a CI service acts on:
//
//   - Control characters of ASCII become their pictures (␛, ␊, ␉), those of C1, of text direction and of line
//     separation their code point (<U+202E>), bytes that are not UTF-8 U+FFFD.
//   - Workflow commands get a backslash: \::set-output at the beginning, ##\[group] anywhere.
//
// Escape everything that comes from a file, a report, a store or a service where it is printed, not where it is
// stored.
func Escape(s string) string {
	if isSafe(s) {
		return s
	}
	return string(appendLine(nil, s, false))
}

// EscapeLines is Escape for text of several lines: it keeps line breaks and tabs.
func EscapeLines(s string) string {
	var b []byte
	for line := range strings.Lines(s) {
		text, ended := strings.CutSuffix(line, "\n")
		if ended {
			text = strings.TrimSuffix(text, "\r")
		}
		if isSafe(text) {
			b = append(b, text...)
		} else {
			b = appendLine(b, text, true)
		}
		if ended {
			b = append(b, '\n')
		}
	}
	return string(b)
}

// EscapeStyled is EscapeLines for text that is coloured already: it keeps the sequences that set colours and weight.
// What the text is made of was escaped before.
func EscapeStyled(s string) string {
	var b strings.Builder
	for {
		at := strings.IndexByte(s, ansi.ESC)
		if at < 0 {
			break
		}
		n, _ := ansi.Sequence([]byte(s[at:min(len(s), at+maxStyle)]))
		if _, ok := ansi.SGR([]byte(s[at : at+n])); !ok {
			n = 0
		}
		b.WriteString(EscapeLines(s[:at]))
		if n == 0 {
			b.WriteString(Escape(s[at : at+1]))
		}
		b.WriteString(s[at : at+n])
		s = s[at+max(n, 1):]
	}
	b.WriteString(EscapeLines(s))
	return b.String()
}

// maxStyle is more than any sequence of ours has.
const maxStyle = 64

// EscapeJSON writes characters of JSON text that change how others are shown as \uXXXX, which means the same.
func EscapeJSON(text []byte) []byte {
	if !bytes.ContainsFunc(text, isUnsafeInJSON) {
		return text
	}
	var b []byte
	for _, r := range string(text) {
		if isUnsafeInJSON(r) {
			b = fmt.Appendf(b, `\u%04x`, r)
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}

func isUnsafeInJSON(r rune) bool { return r > ' ' && IsUnsafe(r) }

// Writer escapes what is written to it, with EscapeStyled. A Write must not end within a character or a sequence.
func Writer(w io.Writer) io.Writer { return writer{w} }

type writer struct{ to io.Writer }

func (w writer) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.to, EscapeStyled(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

func appendLine(b []byte, s string, keepTabs bool) []byte {
	if isCommand(s) {
		b = append(b, '\\')
	}
	for _, r := range inlineCommands.Replace(s) {
		switch {
		case r == '\t' && keepTabs:
			b = append(b, '\t')
		case r < ' ':
			b = utf8.AppendRune(b, '␀'+r)
		case r == 0x7f:
			b = append(b, "␡"...)
		case IsUnsafe(r):
			b = fmt.Appendf(b, "<U+%04X>", r)
		default:
			b = utf8.AppendRune(b, r) // U+FFFD for what is not UTF-8
		}
	}
	return b
}

// inlineCommands breaks the commands that GitHub's and Azure's agents obey anywhere in a line.
var inlineCommands = strings.NewReplacer("##[", `##\[`, "##vso[", `##vso\[`)

// isCommand reports whether GitHub's agent would take a line for a command: ::name::, which may be indented.
func isCommand(line string) bool {
	line = strings.TrimLeftFunc(line, func(r rune) bool { return unicode.IsSpace(r) || IsUnsafe(r) })
	return strings.HasPrefix(line, "::")
}

// isSafe reports whether Escape changes nothing.
func isSafe(s string) bool {
	if isCommand(s) || strings.Contains(s, "##") {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f {
			return !strings.ContainsFunc(s[i:], IsUnsafe) && utf8.ValidString(s[i:])
		}
	}
	return true
}

// IsUnsafe reports whether a character changes how others are shown: controls of ASCII and C1, text direction, and
// separators that some terminals and editors take for line breaks.
func IsUnsafe(r rune) bool {
	switch {
	case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
		return true
	case r == '\u061c', r == '\u200e', r == '\u200f', r == '\u2028', r == '\u2029':
		return true
	}
	return unicode.IsControl(r)
}

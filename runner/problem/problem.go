// Package problem recognizes the errors and warnings of compilers, linters and test tools in a command's output.
package problem

import (
	"strconv"
	"strings"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// Problem is an error or a warning that a tool printed. Nothing in it has been checked.
type Problem struct {
	At      int    // the number of its line in the output
	To      int    // that of its last line
	Tool    string // tsc, eslint, …
	Warning bool
	Path    string // as it was printed, "" without one
	Line    int    // of that file, from 1; 0 without one
	Column  int
	Code    string // such as TS2322; "" without one
	Message string
	Text    string // the line, or what was made of several
}

// The bounds of what is read.
const (
	maxLine    = 2 << 10 // bytes of a line
	maxMessage = 1 << 10
	patience   = 12 // lines after which the rest of a problem is not expected any more
)

// Matcher finds problems line by line. Its zero value is at the start of an output.
type Matcher struct {
	file      string // eslint: of the lines that follow
	await     *Problem
	until     int                // the last line on which the rest of await may be
	place     position           // pytest: the newest location
	goName    string             // go test -v: the test that prints
	goSaid    map[string]Problem // go test -v: what says most of why a test fails, by its name
	goParents map[string]bool    // go test: those of failed tests
	found     []Problem
}

type position struct {
	path string
	line int
	at   int
}

// Head tells the matcher of a line, which may be the name of a file that problems below it belong to.
func (m *Matcher) Head(line string) {
	if f := fileHead.FindStringSubmatch(line); f != nil {
		m.file = f[1]
	}
}

// Expects reports whether a problem has begun whose rest is yet to come.
func (m *Matcher) Expects() bool { return m.await != nil }

// Line reads the next line, without colors, and its number. It returns the problems that are complete with it. The
// slice is valid until the next call.
func (m *Matcher) Line(n int, line string) []Problem {
	m.found = m.found[:0]
	line = strings.TrimRight(line[:min(len(line), maxLine)], " \t\r")
	if m.await != nil {
		if m.continued(n, line) {
			return m.found
		}
		if m.await != nil && n >= m.until {
			m.complete(n)
		}
	}
	line = strings.TrimPrefix(line, thinSpace)
	if line == "" {
		return m.found
	}
	if p, ok := m.one(n, line); ok {
		m.found = append(m.found, p)
	}
	return m.found
}

// End returns the problem that the end of the output cut off, if it says enough.
func (m *Matcher) End() []Problem {
	m.found = m.found[:0]
	if m.await != nil {
		m.complete(m.await.To)
	}
	return m.found
}

// begin waits for the rest of a problem.
func (m *Matcher) begin(p Problem, lines int) {
	if m.await != nil {
		m.complete(p.At - 1)
	}
	m.await, m.until = &p, p.At+lines
}

// complete hands on what was waited for.
func (m *Matcher) complete(to int) {
	p := *m.await
	m.await = nil
	if p.Message == "" || p.Tool == "rustc" && p.Path == "" { // what names no file is a summary
		return
	}
	p.To = max(p.At, min(p.To, to))
	m.found = append(m.found, p)
}

// continued reads a line that may belong to the problem that has begun; true: it is no problem of its own.
func (m *Matcher) continued(n int, line string) bool {
	p := m.await
	text := strings.TrimSpace(line)
	switch p.Tool {
	case "rustc":
		if at := arrow.FindStringSubmatch(line); at != nil {
			p.Path, p.Line, p.Column = at[1], number(at[2]), number(at[3])
			p.To = n
			m.complete(n)
			return true
		}
		m.await = nil
		return false
	case "webpack":
		if text == "" {
			return true
		}
		p.Message = clip(text)
		p.Text += "\n" + p.Message
		p.To = n
		m.complete(n)
		return true
	case "vite":
		return m.vite(n, text)
	case "esbuild":
		if at := colon.FindStringSubmatch(text); at != nil && strings.HasSuffix(text, ":") {
			p.Path, p.Line, p.Column, p.To = at[1], number(at[2]), number(at[3]), n
			m.complete(n)
			return true
		}
		return text == ""
	case "rust", "go test", "jest", "vitest", "mocha":
		return m.test(n, line, text)
	case "pytest":
		if at := pytestPlace.FindStringSubmatch(line); at != nil && p.Path == "" {
			p.Path, p.Line, p.To = at[1], number(at[2]), n
			m.complete(n)
			return true
		}
		return strings.HasPrefix(line, "E  ")
	}
	return false
}

// vite prints what a plugin or its bundler says: the message, then the place.
func (m *Matcher) vite(n int, text string) bool {
	p := m.await
	at := boxed.FindStringSubmatch(text)
	if at == nil {
		at = viteFile.FindStringSubmatch(text)
	}
	switch {
	case at != nil:
		p.Path, p.Line, p.Column, p.To = at[1], number(at[2]), number(at[3]), n
		m.complete(n)
	case p.Message == "" && text != "" && !strings.HasPrefix(text, "Build failed with"):
		p.Message, p.To = clip(text), n
		p.Text = p.Message
	case strings.HasPrefix(text, "at "):
		m.complete(n - 1)
	}
	return true
}

// test reads what a test tool prints below the name of a test that failed.
func (m *Matcher) test(n int, line, text string) bool {
	p := m.await
	switch {
	case text == "" || strings.HasPrefix(text, "●"):
		return text == ""
	case p.Tool == "mocha" && strings.HasPrefix(text, "Failure/Error:"): // rspec
		m.await = nil
		return false
	case p.Tool == "mocha" && !hasError(text):
		if strings.HasSuffix(text, ":") {
			p.Text = strings.TrimSuffix(p.Text+" › "+text, ":")
			return true
		}
		m.await = nil // the name of a test in the list of all of them
		return false
	}
	if p.Tool == "go test" {
		return m.goTestLine(n, line)
	}
	p.Message, p.To = clip(text), n
	p.Text += ": " + p.Message
	m.complete(n)
	return true
}

func hasError(text string) bool {
	return strings.Contains(text, "Error") || strings.Contains(text, "rror:")
}

// hasLocation reports whether a colon is followed by a digit.
func hasLocation(line string) bool {
	for i := 0; i+1 < len(line); i++ {
		if line[i] == ':' && line[i+1] >= '0' && line[i+1] <= '9' {
			return true
		}
	}
	return false
}

// thinSpace is what pnpm begins its messages with.
const thinSpace = "\u2009"

// number returns a line or a column.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 1<<30 {
		return 0
	}
	return n
}

func clip(text string) string {
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "")
	}
	return text
}

// The forms of the tools. A name of a file has no blank at its ends, and no colon before the line.
var (
	fileHead = pattern.New(`^((?:[A-Za-z]:)?[/\\.\w@][^:*?"<>|]*\.\w{1,10})$`)
	arrow    = pattern.New(`^\s*--> (.+?):(\d+):(\d+)$`)
	boxed    = pattern.New(`─\[\s*(\S.*?):(\d+):(\d+)\s*\]`)
	viteFile = pattern.New(`^(?:file: )?((?:/|\./|[\w@]+/)[^\s:]*\.\w+):(\d+):(\d+)$`)
	colon    = pattern.New(`^(.+?):(\d+):(\d+):`)

	pytestPlace = pattern.New(`^((?:\.\./|[\w/@. -])[^:]*\.py):(\d+): (?:in |\w|$)`)
)

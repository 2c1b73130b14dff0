package problem

import (
	"strings"

	"github.com/carlin-cicd/runner/steps/pattern"
	"github.com/carlin-cicd/runner/steps/results"
)

// maxGoLines is how many lines of a failed test of Go are read, and of how many tests those before their end.
const (
	maxGoLines = 200
	maxGoTests = 500
)

// goTest begins a test of Go that failed. With -v, what it printed came before.
func (m *Matcher) goTest(p Problem, name string) {
	if m.await != nil && m.await.Tool == "go test" {
		m.complete(p.At - 1)
	}
	if m.goParents[name] { // it failed for the sake of one that has been read
		return
	}
	for i, c := range name {
		if c == '/' && len(m.goParents) < maxGoTests {
			if m.goParents == nil {
				m.goParents = map[string]bool{}
			}
			m.goParents[name[:i]] = true
		}
	}
	p.Tool, p.Text = "go test", name
	if said, ok := m.goSaid[name]; ok {
		p.Path, p.Line, p.Message = said.Path, said.Line, said.Message
		p.Text += ": " + p.Message
		delete(m.goSaid, name)
	}
	m.goName = ""
	m.begin(p, maxGoLines)
}

// goTestLine reads a line below the name of a failed test: what it logged, why it failed, or the next test.
func (m *Matcher) goTestLine(n int, line string) bool {
	p := m.await
	name, _, _ := strings.Cut(p.Text, ": ")
	at := goPlace.FindStringSubmatch(line)
	switch {
	case at != nil && results.GoTestSays(p.Message, at[3]):
		p.Path, p.Line, p.Message, p.To = at[1], number(at[2]), clip(at[3]), n
		p.Text = name + ": " + p.Message
		return true
	case strings.HasPrefix(strings.TrimSpace(line), "--- FAIL: "+name+"/"): // it failed for the sake of this one
		m.await = nil
		return false
	case at != nil, strings.HasPrefix(line, "        "), // more of it
		strings.HasPrefix(line, "    --- PASS: "), strings.HasPrefix(line, "    --- SKIP: "):
		return true
	}
	if p.Message == "" {
		m.await = nil
	} else {
		m.complete(n - 1)
	}
	return false
}

// goLine reads what a test prints with -v, before it is known whether it fails.
func (m *Matcher) goLine(n int, line string) {
	at := goPlace.FindStringSubmatch(line)
	if at == nil || len(m.goSaid) >= maxGoTests || !results.GoTestSays(m.goSaid[m.goName].Message, at[3]) {
		return
	}
	if m.goSaid == nil {
		m.goSaid = map[string]Problem{}
	}
	m.goSaid[m.goName] = Problem{At: n, Path: at[1], Line: number(at[2]), Message: clip(at[3])}
}

var goPlace = pattern.New(`^\s+(\S+\.go):(\d+): (.+)$`)

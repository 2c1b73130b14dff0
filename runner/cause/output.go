package cause

import (
	"strings"

	"github.com/carlin-cicd/runner/runner/problem"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/workflow"
)

// Output is what the output of a command tells of how it ended.
type Output struct {
	Annotations []record.Annotation

	telling telling
	last    []string // the last lines
	lastAt  int      // the number of the first of them
}

// lastLines is how many lines stand for an output that tells nothing.
const lastLines = 15

// telling is a part of the output that explains a failure; its zero value is none.
type telling struct {
	weight  weight
	kind    record.CauseKind
	tool    string
	summary string
	lines   []string
	at, to  int // numbers of its first line and its last
	more    int
	path    string // as it was printed
	line    int
	column  int
	hint    string

	problems []problem.Problem // the first errors of a tool; summary and lines are made of them
}

// weight orders what lines tell.
type weight int

// The weights.
const (
	nothing weight = iota
	wrapper        // a tool says that what it had started failed
	generic        // a line that begins with an error
	strong         // the error of a known tool, a trace, or what a shell could not start
)

// nearEnd is how many lines before the end a tool's error may stand and still say more than an error after it.
const nearEnd = 300

// End returns what the output tells, once it is over. Tail is its end, first the number of the tail's first line in
// the output, counted from 1; base is how many lines of the log came before the output. Of a command that did not fail
// only the annotations are derived.
func (w *Watch) End(tail []byte, first, base int, failed bool) Output {
	w.mu.Lock()
	defer w.mu.Unlock()
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSuffix(string(tail), "\n"), "\n") {
		lines = append(lines, plain([]byte(line)))
	}
	problems := w.rest(lines, first)
	out := Output{Annotations: w.notes.all(base)}
	if !failed {
		return out
	}
	best := mostTelling(tallied(problems), lines, first).or(w.notes.telling())
	best.context(lines, first)
	if p := failedPart(lines); p != nil {
		if t := p.tell(first); t.weight >= generic {
			for _, q := range t.problems {
				w.notes.problem(q)
			}
			out.Annotations = w.notes.all(base)
			best = t
		}
	}
	if out.telling = best; best.weight != nothing {
		out.telling.at += base
	}
	out.last, out.lastAt = lastOf(lines)
	out.lastAt += first + base
	return out
}

// mostTelling returns what says most of why a command failed: the errors of a tool, or another part of the lines, whose
// first has the number first.
func mostTelling(best telling, lines []string, first int) telling {
	for _, find := range []func([]string) telling{traces, suites, shellErrors, genericErrors, wrappers} {
		t := find(lines)
		if t.weight != nothing {
			t.at, t.to = t.at+first, t.to+first
		}
		best = best.or(t)
	}
	return best
}

// rest reads the tail: for problems that do not call themselves errors, and for what came after the beginning.
func (w *Watch) rest(lines []string, first int) tally {
	var all tally
	for _, p := range w.problems.first {
		if p.At < first {
			all.add(p)
		}
	}
	if all.count > 0 { // not all of them were kept
		all.last = min(w.problems.last, first)
	}
	var m problem.Matcher
	add := func(found []problem.Problem) {
		for _, p := range found {
			all.add(p)
			w.notes.problem(p)
		}
	}
	for i, line := range lines {
		if n := first + i; n <= w.lines || !workflow.MayCommand([]byte(line)) {
			add(m.Line(n, line))
		} else if c := w.reader.Read([]byte(line)); c.Kind == workflow.Note {
			w.notes.command(n, c.Note)
		}
	}
	add(m.End())
	// The tail may have the last of them only.
	if all.count > 0 && w.problems.count > all.count && w.problems.first[0].Tool == all.first[0].Tool {
		all.count = w.problems.count
	}
	return all
}

// or returns which of two says more. Of two that say as much it is the later one.
func (t telling) or(other telling) telling {
	switch {
	case other.weight == nothing:
		return t
	case t.weight == other.weight && other.to > t.to, other.weight > t.weight && t.to-other.to < nearEnd,
		other.weight < t.weight && other.weight == generic && other.to-t.to >= nearEnd:
		return other
	}
	return t
}

// tallied makes one of the errors of a tool.
func tallied(t tally) telling {
	if t.count == 0 {
		return telling{}
	}
	p := t.first[0]
	found := telling{
		weight: strong, kind: record.CauseOutput, tool: p.Tool, at: p.At, to: t.last, more: t.count - 1,
		path: p.Path, line: p.Line, column: p.Column, problems: t.first,
	}
	if p.Tool == "npm" || p.Tool == "pnpm" { // one error in several lines
		const enough = 6
		found.more, found.problems = 0, t.first[:min(len(t.first), enough)]
	}
	return found
}

// around is how many lines before and after its own explain an error of a tool; more than one error is a list.
var around = map[string]struct{ before, after int }{
	"rustc": {0, 9}, "webpack": {0, 4}, "vite": {0, 9}, "esbuild": {0, 6}, "jest": {0, 15}, "vitest": {0, 9},
	"mocha": {0, 9}, "pytest": {3, 3}, "go test": {0, 5}, "rust": {0, 4}, "gcc": {0, 2}, "ld": {1, 0},
}

// context adds the lines around the first error, as far as they are in the tail.
func (t *telling) context(lines []string, first int) {
	size, known := around[t.tool]
	if len(t.problems) == 0 || !known || t.problems[0].At < first {
		return
	}
	at := t.problems[0].At - first
	if others := len(t.problems) > 1; others && size.after < 9 {
		return
	} else if others {
		size.after = min(size.after, max(t.problems[1].At-t.problems[0].At-1, 1))
	}
	from, to := max(0, at-size.before), min(len(lines), at+size.after+1)
	for from < at && lines[from] == "" {
		from++
	}
	for to > at+1 && lines[to-1] == "" {
		to--
	}
	t.lines, t.at = lines[from:to], from+first
}

// list writes the errors of a tool, and the first in one line, with paths as they are in the repository.
func (t *telling) list(find func(string) string) {
	for i, p := range t.problems {
		if path := find(p.Path); path != "" {
			p.Path = path
		}
		if i == 0 {
			t.summary = summaryOf(p)
		}
		if p.Tool == "eslint" {
			p.Text = summaryOf(p)
		}
		if i > 0 || t.lines == nil {
			t.lines = append(t.lines, strings.Split(p.Text, "\n")...)
		}
	}
}

// summaryOf says what a problem is in one line, with its place.
func summaryOf(p problem.Problem) string {
	switch p.Tool {
	case "eslint", "webpack", "vite", "esbuild", "rustc", "pytest": // whose lines do not have both
		text := p.Message
		if p.Code != "" {
			text += " (" + p.Code + ")"
		}
		if p.Path == "" {
			return text
		}
		return position(p.Path, p.Line, p.Column) + ": " + text
	}
	return oneLine(p.Text)
}

// lastOf returns the last lines that are not blank, and the index of the first of them.
func lastOf(lines []string) ([]string, int) {
	to := len(lines)
	for to > 0 && lines[to-1] == "" {
		to--
	}
	from := max(0, to-lastLines)
	for from < to && lines[from] == "" {
		from++
	}
	return lines[from:to], from
}

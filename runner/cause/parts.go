package cause

import (
	"encoding/json"
	"path"
	"strings"

	"github.com/carlin-cicd/runner/runner/problem"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/pattern"
)

// part is what one of several programs printed whose outputs a tool has put into one: tasks that run side by side, or a
// stage of an image. Its lines are without the mark of the tool.
type part struct {
	lines   []string
	at      []int  // the index of each line in the output
	folder  string // that its paths are relative to; "" for the step's own
	failed  bool   // the tool says so
	ordinal int    // of the part among those that failed
}

// partForms are the marks that tools put in front of each line of a part. The first group is the name of the part, the
// second the line. Where start is set, a part has to be announced by such a line: its mark alone is too common.
var partForms = []struct {
	mark, start, failed *pattern.Pattern
	folder              bool // the name begins with the folder of a package
}{
	{ // pnpm -r
		mark: pattern.New(`^(\S+ [\w:.-]+): ?(.*)$`), start: pattern.New(`^(\S+ [\w:.-]+)\$ `),
		failed: pattern.New(`^Failed$`), folder: true,
	},
	{ // turbo
		mark: pattern.New(`^(\S+:[\w.-]+): ?(.*)$`), start: pattern.New(`^(\S+:[\w.-]+): cache (?:miss|bypass|hit)`),
		failed: pattern.New(`^ERROR: command finished with error`),
	},
	{ // concurrently
		mark: pattern.New(`^\[([\w:@/.-]+)\] ?(.*)$`), failed: pattern.New(` exited with code [1-9]\d*$`),
	},
	{ // docker build
		mark:   pattern.New(`^#(\d+) (?:\d+\.\d+ ?)?(.*)$`),
		failed: pattern.New(`^ERROR: process .* did not complete successfully`),
	},
	{ // docker compose
		mark: pattern.New(`^([\w.-]+) +\| ?(.*)$`), failed: pattern.New(`^\S+ exited with code [1-9]\d*$`),
	},
}

// failedPart returns the first part of an output that a tool says has failed; nil if there is none.
func failedPart(lines []string) *part {
	for _, form := range partForms {
		parts, started, failures := map[string]*part{}, map[string]bool{}, 0
		var first *part
		for i, line := range lines {
			if form.start != nil {
				if f := form.start.FindStringSubmatch(line); f != nil {
					started[f[1]] = true
				}
			}
			f := form.mark.FindStringSubmatch(line)
			if f == nil || form.start != nil && !started[f[1]] {
				continue
			}
			p := parts[f[1]]
			if p == nil {
				p = new(part)
				if form.folder {
					p.folder, _, _ = strings.Cut(f[1], " ")
				}
				parts[f[1]] = p
			}
			if form.failed.MatchString(f[2]) {
				if !p.failed {
					failures++
					p.failed, p.ordinal = true, failures
				}
				if failures == 1 {
					first = p
				}
				continue
			}
			p.add(f[2], i)
		}
		if first != nil && len(first.lines) > 0 {
			return first
		}
	}
	return goEvents(lines)
}

// add adds a line. pnpm and npm print the folder of the package before its script.
func (p *part) add(text string, i int) {
	if f := scriptHead.FindStringSubmatch(text); f != nil && p.folder == "" {
		p.folder = f[1]
	}
	p.lines, p.at = append(p.lines, text), append(p.at, i)
}

// goEvents is the text in the output of go test -json.
func goEvents(lines []string) *part {
	var p part
	for i, line := range lines {
		if !strings.HasPrefix(line, `{"`) || !strings.Contains(line, `"Action":"`) {
			continue
		}
		var event struct{ Action, Output string }
		if json.Unmarshal([]byte(line), &event) != nil || event.Action != "output" && event.Action != "build-output" {
			continue
		}
		p.add(strings.TrimRight(event.Output, "\n"), i)
	}
	if len(p.lines) == 0 {
		return nil
	}
	return &p
}

// tell derives what a part tells of its failure. Numbers are those of the output, whose first line has the number first.
func (p *part) tell(first int) telling {
	var m problem.Matcher
	var all tally
	add := func(found []problem.Problem) {
		for _, q := range found {
			if q.Path != "" && p.folder != "" && !path.IsAbs(q.Path) {
				q.Path = path.Join(p.folder, q.Path)
			}
			all.add(q)
		}
	}
	for i, line := range p.lines {
		add(m.Line(i, line))
	}
	add(m.End())
	best := mostTelling(tallied(all), p.lines, 0)
	if best.weight == nothing {
		last, at := lastOf(p.lines)
		if len(last) == 0 {
			return telling{}
		}
		best = telling{
			weight: generic, kind: record.CauseOutput, summary: last[len(last)-1], lines: last, at: at, to: len(p.lines) - 1,
		}
	}
	if best.path != "" && p.folder != "" && !path.IsAbs(best.path) && len(best.problems) == 0 {
		best.path = path.Join(p.folder, best.path)
	}
	best.context(p.lines, 0)
	best.at, best.to = p.at[best.at]+first, p.at[min(best.to, len(p.at)-1)]+first
	for i := range best.problems {
		best.problems[i].At = p.at[best.problems[i].At] + first
	}
	return best
}

var scriptHead = pattern.New(`^> \S+@\S+ \S+ (/\S+)$`)

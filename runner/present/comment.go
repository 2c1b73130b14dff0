package present

import (
	"fmt"
	"strings"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
)

// githubComment is how long GitHub lets a comment be, in characters. Bytes are counted here.
const githubComment = 65536

// PullRequest is what the comment of a pull request says.
type PullRequest struct {
	Commit
	Number int
	Base   string             // the branch that it is to be merged into
	Before map[string]float64 // coverage of its newest run that passed, by step, in percent of lines
}

// CommentMarker is what a comment begins with, by which it is found again. It is not shown.
func CommentMarker(number int) string {
	return fmt.Sprintf("<!-- carlin-cicd runner: pull request %d -->", number)
}

// PullRequestComment returns the comment: a table of the steps of the commit, the causes of failures, the change of the
// coverage, flaky tests and artifacts. All text of runs is in spans of code, where neither Markdown, nor HTML, nor a
// mention means anything.
func PullRequestComment(p PullRequest) string {
	for limit := stepsOfPost; ; limit /= 2 {
		text := p.comment(limit)
		if len(text) <= githubComment {
			return text
		}
		if limit == 0 {
			return text[:strings.LastIndexByte(text[:githubComment], '\n')+1]
		}
	}
}

// comment shows at most limit of each kind of thing.
func (p PullRequest) comment(limit int) string {
	var b strings.Builder
	sign := "✅"
	switch {
	case p.count(record.Failing, record.Lost, record.Aborted) > 0:
		sign = "❌"
	case p.count(record.Running) > 0:
		sign = "⏳"
	}
	fmt.Fprintf(&b, "%s\n### %s %s at %s\n\n", CommentMarker(p.Number), sign, codeSpan(clip(p.outline(), 300)), codeSpan(ShortSHA(p.SHA)))
	steps := p.inOrder()
	b.WriteString("| step | result | cause |\n|---|---|---|\n")
	for i, s := range steps {
		if i == limit {
			fmt.Fprintf(&b, "\nand %d more\n", len(steps)-i)
			break
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", cell(clip(stepTitle(s.Run), 200)), cell(clip(facts(s, p.Now), 400)), cell(clip(s.Run.Cause, 300)))
	}
	p.list(&b, "Failed tests", limit, func(e record.Entry) []string {
		return entryTests(e, func(t *record.EntryTests) []string { return t.Failing })
	})
	p.list(&b, "Flaky tests", limit, func(e record.Entry) []string {
		return entryTests(e, func(t *record.EntryTests) []string { return t.Flakes })
	})
	for i, s := range steps {
		if s.Run.Coverage == 0 || i >= limit {
			continue
		}
		line := fmt.Sprintf("%.1f %% of lines", s.Run.Coverage)
		if before, ok := p.Before[s.Run.Step]; ok {
			line += fmt.Sprintf(" (%+.2f against %s)", s.Run.Coverage-before, p.Base)
		}
		fmt.Fprintf(&b, "\n**Coverage** of %s: %s\n", codeSpan(clip(s.Run.Step, 200)), codeSpan(clip(line, 300)))
	}
	p.artifacts(&b, limit)
	return b.String()
}

func (p PullRequest) artifacts(b *strings.Builder, limit int) {
	n := 0
	for _, s := range p.inOrder() {
		for _, a := range s.Artifacts {
			if n++; n == 1 {
				b.WriteString("\n**Artifacts**\n\n")
			}
			if n > limit {
				return
			}
			fmt.Fprintf(
				b, "- %s %s, %s → %s\n", codeSpan(a.Name), units.Count(a.Files, "file"), units.Size(a.Bytes), codeSpan(clip(a.Location, 500)),
			)
		}
	}
}

// list lists names of tests below a heading.
func (p PullRequest) list(b *strings.Builder, heading string, limit int, of func(record.Entry) []string) {
	n := 0
	for _, s := range p.inOrder() {
		for _, name := range of(s.Run) {
			if n++; n == 1 {
				fmt.Fprintf(b, "\n**%s**\n\n", heading)
			}
			if n > limit {
				return
			}
			fmt.Fprintf(b, "- %s (%s)\n", codeSpan(clip(name, 300)), codeSpan(clip(stepTitle(s.Run), 200)))
		}
	}
}

func entryTests(e record.Entry, of func(*record.EntryTests) []string) []string {
	if e.Tests == nil {
		return nil
	}
	return of(e.Tests)
}

// cell returns text as a span of code in a table. A bar ends a cell even there, and what escapes it depends on the
// backslashes before it, so it is replaced by the sign that looks like it.
func cell(text string) string { return codeSpan(strings.ReplaceAll(text, "|", "\u2223")) }

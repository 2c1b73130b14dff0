package present

import (
	"fmt"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
)

// SinceLine returns what is different since the step last passed, "" if that is not known: "passed at 21fea54 of main
// 2h0m0s before: 3 commits since by ana, ben; the lockfile changed; coverage -1.20; it took 58s".
func SinceLine(run record.Run) string {
	l := run.LastPassed
	if l == nil {
		return ""
	}
	text := fmt.Sprintf("passed at %s of %s", ShortSHA(l.SHA), l.Branch)
	if before := run.StartedAt.Sub(l.At); before > 0 {
		text += " " + units.Duration(before) + " before"
	}
	var facts []string
	switch {
	case l.SHA == run.SHA:
		facts = append(facts, "the same commit")
	case len(l.Commits) > 0:
		facts = append(
			facts, units.Count(len(l.Commits)+l.More, "commit")+" since by "+strings.Join(authors(l.Commits), ", "),
		)
	}
	if l.Lockfile {
		facts = append(facts, "the lockfile changed")
	}
	if l.Coverage != nil && *l.Coverage != 0 {
		facts = append(facts, fmt.Sprintf("coverage %+.2f", *l.Coverage))
	}
	if l.Seconds > 0 {
		facts = append(facts, "it took "+units.Duration(record.Duration(l.Seconds)))
	}
	if len(facts) > 0 {
		text += ": " + strings.Join(facts, "; ")
	}
	return text
}

// authors returns who wrote commits, each once, the newest first.
func authors(commits []record.Commit) []string {
	const shown = 5
	var names []string
	for _, c := range commits {
		if !slices.Contains(names, c.Author) {
			names = append(names, c.Author)
		}
	}
	if len(names) > shown {
		names = append(names[:shown], fmt.Sprintf("%d more", len(names)-shown))
	}
	return names
}

// RerunLine returns the command that runs on a laptop what failed, "" if there is none: the failed tests alone, where
// the step says how.
func RerunLine(run record.Run) string {
	switch {
	case run.Rerun == nil:
		return ""
	case run.Rerun.Tests != "":
		return run.Rerun.Tests
	}
	return run.Rerun.Step
}

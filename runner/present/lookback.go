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
		return FailingLine(run)
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
	if failing := FailingLine(run); failing != "" {
		facts = append(facts, failing)
	}
	if len(facts) > 0 {
		text += ": " + strings.Join(facts, "; ")
	}
	return text
}

// FailingLine returns since when the step fails, "" for a run that passed or is the first to fail: "failing since
// 1234567, 2 Jan 15:04 UTC, in 3 runs before this one".
func FailingLine(run record.Run) string {
	f := run.Failing
	if f == nil || run.Passed {
		return ""
	}
	return fmt.Sprintf("failing since %s, in %s before this one", failingFrom(f), units.Count(f.Runs, "run"))
}

func failingFrom(f *record.FailingSince) string {
	return ShortSHA(f.SHA) + ", " + f.At.UTC().Format("2 Jan 15:04 UTC")
}

// recoveryLine says how long the step had failed before a run that passes.
func recoveryLine(run record.Run) string {
	f := run.Failing
	if f == nil || !run.Passed {
		return ""
	}
	return fmt.Sprintf("it had failed since %s, in %s", failingFrom(f), units.Count(f.Runs, "run"))
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

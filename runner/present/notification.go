package present

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
)

// ReportLink is a link to the report that needs no login; the zero value is none. It is a secret until it expires.
type ReportLink struct {
	URL     string
	Expires time.Time // zero if unknown
}

// title returns the run in one line: "test · staging failed on main".
func title(run record.Run, recovered bool) string {
	what := run.Step
	if run.Environment != "" {
		what += " · " + run.Environment
	}
	verb := "failed"
	switch {
	case run.Passed && recovered:
		verb = "passes again"
	case run.Passed:
		verb = "passed"
	case run.Reason == record.Cancelled:
		verb = "was stopped"
	}
	if run.Branch == "" { // it may have been the branch that was refused
		return what + " " + verb
	}
	return fmt.Sprintf("%s %s on %s", what, verb, run.Branch)
}

// outline returns why the run ended, after what time, and its tests:
// "failure, exit code 1 after 2m3s: 2 of 214 tests failed, 1 flaky".
func outline(run record.Run) string {
	text := "after " + units.Duration(record.Duration(run.Seconds))
	if !run.Passed {
		text = fmt.Sprintf("%s, exit code %d %s", run.Reason, run.ExitCode, text)
	}
	if t := run.Tests; t != nil {
		if failed := t.Failed + t.Errored; failed > 0 {
			text += fmt.Sprintf(": %d of %d tests failed", failed, t.Total)
		} else {
			text += fmt.Sprintf(": %d tests passed", Passed(t.Counts))
		}
		if t.Counts.Flaky > 0 {
			text += fmt.Sprintf(", %d flaky", t.Counts.Flaky)
		}
	}
	return text
}

// stackLine returns what happened to the stack: "stack web: reapplied: UPDATE_COMPLETE"; "" if it was not restored.
func stackLine(run record.Run) string {
	text := RollbackLine(run.Delivery, nil)
	switch {
	case text == "":
		return ""
	case run.Stack == "", len(run.Delivery.Stacks) > 1:
		return "stack " + text
	}
	return "stack " + run.Stack + ": " + text
}

func coverageFact(run record.Run) string {
	if run.Coverage == nil {
		return ""
	}
	return "coverage " + CoverageLine(run.Coverage)
}

func failures(run record.Run) []record.FailedTest {
	if run.Tests == nil {
		return nil
	}
	return run.Tests.Failures
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// clip shortens text to at most limit bytes, between characters.
func clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	const dots = "…"
	limit -= len(dots)
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return strings.TrimSpace(text[:max(limit, 0)]) + dots
}

package present

import (
	"strings"

	"github.com/carlin-cicd/runner/runner/record"
)

// CauseLine returns why a run did not pass in one line: "src/a.ts(3,5): error TS2322: … and 3 more". It is "" for one
// that passed.
func CauseLine(run record.Run) string {
	if run.Cause == nil {
		return run.Error
	}
	return run.Cause.String()
}

// CauseLines returns the lines that explain a cause beyond its summary, at most limit of them.
func CauseLines(run record.Run, limit int) []string {
	c := run.Cause
	if c == nil {
		return nil
	}
	lines := c.Lines
	if len(lines) == 1 && strings.Join(strings.Fields(lines[0]), " ") == c.Summary {
		return nil
	}
	return lines[:min(len(lines), limit)]
}

// causeText is CauseLines as one text. Failed tests are left out: the outputs that use it list them.
func causeText(run record.Run, limit int) string {
	if run.Cause == nil || run.Cause.Kind == record.CauseTests {
		return ""
	}
	return strings.Join(CauseLines(run, limit), "\n")
}

// Hint returns what to do about a run that did not pass, or "".
func Hint(run record.Run) string {
	if run.Cause != nil && run.Cause.Hint != "" {
		return run.Cause.Hint
	}
	return run.Hint
}

// ErrorBeside returns the error of a run if its cause does not say it already, or "".
func ErrorBeside(run record.Run) string {
	if run.Cause == nil || run.Cause.Kind == record.CauseReason || strings.Contains(run.Cause.Summary, run.Error) {
		return ""
	}
	return run.Error
}

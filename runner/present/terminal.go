package present

import (
	"fmt"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/terminal"
	"github.com/carlin-cicd/runner/runner/units"
	"github.com/carlin-cicd/runner/steps/results"
)

// How much of the tests the summary shows.
const (
	terminalTests = 20 // of a kind
	terminalSlow  = 5
	minSlow       = time.Second // a faster test is not shown as slow
	maxLine       = 160         // characters
)

// Colors of the summary.
const (
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	dim    = "\x1b[2m"
	reset  = "\x1b[0m"
)

// Terminal is where a summary is printed.
type Terminal struct {
	Color     bool
	Directory string // paths below it are shown relative to it
}

// Summary returns the run in a few lines. Text of the run is escaped: only the summary itself moves or colors anything.
func (t Terminal) Summary(run record.Run) string {
	s := &summary{Terminal: t}
	verdict := s.paint(bold+green, "passed")
	if !run.Passed {
		verdict = s.paint(bold+red, "failed") + fmt.Sprintf(" (%s, exit %d)", run.Reason, run.ExitCode)
	}
	s.print("\n%s %s in %s\n", terminal.Escape(run.Step), verdict, units.Duration(record.Duration(run.Seconds)))
	s.row("only", terminal.Escape(strings.Join(run.Only, ", ")))
	s.cause(run)
	if run.Tests != nil {
		s.tests(run.Tests)
	}
	s.shards(run)
	if run.Coverage != nil {
		s.row("covered", terminal.Escape(CoverageLine(run.Coverage)))
	}
	s.row("stack", s.rollback(run.Delivery))
	for _, a := range run.Artifacts {
		name := terminal.Escape(a.Name)
		if a.Error != "" {
			s.row(name, s.paint(red, "not published: ")+escapeLines(a.Error))
			continue
		}
		s.row(name, ArtifactLine(a)+" → "+s.path(a.Location))
	}
	for _, one := range run.Services {
		s.row("service", terminal.Escape(ServiceLine(one)))
	}
	for _, c := range run.Caches {
		s.row("cache", terminal.Escape(CacheLine(c)))
	}
	s.row("", TimeSavedLine(run))
	if run.Recorded {
		s.row("record", s.path(run.Place+"/"+run.Key))
		if run.Published["report.html"] {
			s.row("report", s.path(run.Place+"/"+run.Key+"/report.html"))
		}
	}
	if run.Usage != nil {
		s.row("usage", terminal.Escape(UsageLine(run.Usage)))
	}
	if run.Cost != nil {
		s.row("cost", terminal.Escape(CostLine(run.Cost)))
	}
	return s.text.String()
}

// terminalCause is how many lines of a cause the summary shows: the output itself stands above it.
const terminalCause = 8

// cause prints why the run did not pass. Failed tests are listed below it.
func (s *summary) cause(run record.Run) {
	c := run.Cause
	switch {
	case c == nil || c.Kind == record.CauseReason:
		s.row("error", escapeLines(run.Error))
	default:
		s.row("cause", s.paint(bold, escapeLines(clipLine(CauseLine(run)))))
	}
	if c != nil && c.Kind != record.CauseTests && !strings.Contains(run.Error, "\n") {
		for _, line := range CauseLines(run, terminalCause) {
			s.print("    %s %s\n", s.paint(dim, "│"), terminal.Escape(clipLine(line)))
		}
	}
	s.row("error", escapeLines(ErrorBeside(run)))
	s.row("hint", escapeLines(Hint(run)))
	s.row("before", terminal.Escape(SinceLine(run)))
	s.row("again", terminal.Escape(RerunLine(run)))
}

// Refusal returns why a run ended before it had records, for standard error.
func Refusal(run record.Run) string {
	text := "runner: " + terminal.EscapeLines(run.Error) + "\n"
	if hint := Hint(run); hint != "" {
		text += "hint: " + terminal.EscapeLines(hint) + "\n"
	}
	return text
}

// summary is one that is being written.
type summary struct {
	Terminal
	text strings.Builder
}

func (s *summary) print(format string, values ...any) { fmt.Fprintf(&s.text, format, values...) }

// row prints a named value, which is escaped already; an empty one is left out.
func (s *summary) row(name, value string) {
	if value != "" {
		s.print("  %s %s\n", s.paint(dim, fmt.Sprintf("%-10s", name)), value)
	}
}

func (s *summary) paint(color, text string) string {
	if !s.Color {
		return text
	}
	return color + text + reset
}

func (s *summary) path(path string) string { return terminal.Escape(units.PathFrom(s.Directory, path)) }

func (s *summary) rollback(d *record.Delivery) string {
	if d == nil || d.Problem == "" {
		return terminal.Escape(RollbackLine(d, nil))
	}
	clean := *d
	clean.Problem = escapeLines(d.Problem)
	return RollbackLine(&clean, func(text string) string { return s.paint(red, text) })
}

func (s *summary) tests(t *record.Tests) {
	s.row("tests", TestCounts(t.Counts))
	s.row("", terminal.Escape(t.Missing))
	for i, f := range t.Failures {
		if i == terminalTests {
			s.print("    and %d more\n", len(t.Failures)-i)
			break
		}
		s.print("    %s %s\n", s.paint(red, "✗"), nameAndNote(f.Case))
		for _, line := range Excerpt(f.Case) {
			s.print("      %s\n", terminal.EscapeLines(clipLine(line)))
		}
	}
	s.passing(s.paint(yellow, "~"), "flaky", t.Flaky)
	s.passing(s.paint(dim, "-"), "quarantined", t.Quarantined)
	if t.SkipReason != "" {
		s.row("rerun", "none: "+escapeLines(t.SkipReason))
	}
	for i, c := range t.Slowest {
		if i == terminalSlow || c.Duration < minSlow {
			break
		}
		s.row("slow", units.Duration(c.Duration)+"  "+nameAndNote(c))
	}
}

// passing lists tests that failed without failing the step, each with the first line of its excerpt.
func (s *summary) passing(mark, kind string, cases []results.Case) {
	for i, c := range cases {
		if i == terminalTests {
			s.print("    and %d more %s\n", len(cases)-i, kind)
			break
		}
		s.print("    %s %s\n", mark, nameAndNote(c))
		if lines := Excerpt(c); len(lines) > 0 { // the first is enough of what did not fail the step
			s.print("      %s\n", terminal.Escape(clipLine(lines[0])))
		}
	}
}

// nameAndNote returns a test's name and what its history says, escaped.
func nameAndNote(c results.Case) string {
	if c.Note == "" {
		return terminal.Escape(TestName(c))
	}
	return terminal.Escape(TestName(c) + ": " + c.Note)
}

// clipLine keeps a line on about one line of the terminal.
func clipLine(line string) string {
	if runes := []rune(line); len(runes) > maxLine {
		return string(runes[:maxLine]) + "…"
	}
	return line
}

// escapeLines escapes text that may have several lines; the later ones are indented below the first.
func escapeLines(text string) string {
	return strings.ReplaceAll(strings.TrimSpace(terminal.EscapeLines(text)), "\n", "\n             ")
}

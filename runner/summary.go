package runner

import (
	"fmt"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
	"github.com/carlin-cicd/runner/steps/results"
)

// How much of the tests the summary shows.
const (
	shownFailures = 20
	shownLines    = 5 // of each
	shownSlow     = 5
	slow          = time.Second // a test that takes less is not worth a line
)

// ANSI colours of the summary.
const (
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	dim    = "\x1b[2m"
	plain  = "\x1b[0m"
)

// printSummary ends a run for people, if the log is for them; machines have the record.
func (r *run) printSummary(o outcome.Outcome) {
	var b strings.Builder
	paint := func(colour, text string) string {
		if !r.in.Color {
			return text
		}
		return colour + text + plain
	}
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "  %s %s\n", paint(dim, fmt.Sprintf("%-10s", name)), value)
		}
	}

	verdict := paint(bold+green, "passed")
	if !o.Passed() {
		verdict = paint(bold+red, "failed") + fmt.Sprintf(" (%s, exit %d)", o.Reason, o.ExitCode)
	}
	fmt.Fprintf(&b, "\n%s %s in %s\n", r.step.Name, verdict, units.Duration(r.now().Sub(r.Began)))
	if o.Err != nil {
		row("error", o.Err.Error())
		row("hint", outcome.Hint(o.Err))
	}
	if r.tests != nil {
		row("tests", countsText(r.tests.Counts))
		row("", r.fewer)
		for i, c := range r.tests.Failures {
			if i == shownFailures {
				fmt.Fprintf(&b, "    and %d more\n", len(r.tests.Failures)-i)
				break
			}
			fmt.Fprintf(&b, "    %s %s%s\n", paint(red, "✗"), testName(c), noteText(c))
			for _, line := range excerpt(c) {
				fmt.Fprintf(&b, "      %s\n", line)
			}
		}
		r.cases(&b, paint(yellow, "~"), "flaky", r.tests.FlakyCases)
		r.cases(&b, paint(dim, "-"), "quarantined", r.tests.QuarantinedCases)
		if r.doubt != "" {
			row("rerun", "none: "+r.doubt)
		}
		for i, c := range r.tests.Slowest {
			if i == shownSlow || c.Duration < slow {
				break
			}
			row("slow", fmt.Sprintf("%s  %s%s", units.Duration(c.Duration), testName(c), noteText(c)))
		}
	}
	if r.coverage != nil {
		row("covered", coverageText(*r.coverage))
	}
	row("stack", stackText(r.delivery.outcome(), func(text string) string { return paint(red, text) }))
	for _, a := range r.artifacts {
		if a.Error != "" {
			row(a.Name, paint(red, "not published: ")+a.Error)
			continue
		}
		row(a.Name, fmt.Sprintf("%s, %s → %s", units.Count(a.Files, "file"), units.Size(a.Bytes), units.Path(a.Location)))
	}
	if r.recorded() {
		row("record", units.Path(r.Place+"/"+r.runKey()))
		if r.published["report.html"] {
			row("report", units.Path(r.Place+"/"+r.runKey()+"/report.html"))
		}
	}
	u := r.usageRecord(o)
	if u != nil {
		row("usage", usageText(u))
	}
	if c := r.cost(u); c != nil {
		row("cost", costText(c))
	}
	r.sink.Print(r.Redactor.String(b.String()))
}

// stackText is what became of the stack after a run that failed; "" if nothing was done about it.
func stackText(o *record.Delivery, alarm func(string) string) string {
	if o == nil || o.Rollback == nil {
		return ""
	}
	said := fmt.Sprintf("%s: %s", o.Rollback.Action, o.Rollback.Status)
	if o.Problem != "" {
		said += "; " + alarm("not brought back: ") + o.Problem
	}
	return said
}

// cases lists tests that failed and did not fail the step, a line each and what they failed with.
func (r *run) cases(b *strings.Builder, mark, what string, list []results.Case) {
	for i, c := range list {
		if i == shownFailures {
			fmt.Fprintf(b, "    and %d more %s\n", len(list)-i, what)
			break
		}
		fmt.Fprintf(b, "    %s %s%s\n", mark, testName(c), noteText(c))
		if c.Message != "" {
			fmt.Fprintf(b, "      %s\n", clip(c.Message))
		}
	}
}

// noteText is what is known of a test beyond the report, as it stands after its name.
func noteText(c results.Case) string {
	if c.Note == "" {
		return ""
	}
	return ": " + c.Note
}

func countsText(c results.Counts) string {
	text := fmt.Sprintf("%d passed", c.Total-c.Failed-c.Errored-c.Skipped-c.Quarantined)
	for _, part := range []struct {
		n    int
		what string
	}{{c.Flaky, "of them flaky"}, {c.Failed, "failed"}, {c.Errored, "errored"}, {c.Skipped, "skipped"}, {c.Quarantined, "quarantined"}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	return fmt.Sprintf("%s, %d in all", text, c.Total)
}

func testName(c results.Case) string {
	name := c.Name
	if c.Class != "" && !strings.Contains(name, c.Class) {
		name = c.Class + " › " + name
	}
	if c.File != "" {
		name += "  (" + c.File + ")"
	}
	return name
}

// excerpt is what a failure says before its stack: the message, what was expected and what came.
func excerpt(c results.Case) []string {
	var shown []string
	text := c.Details
	if !strings.Contains(text, c.Message) {
		text = c.Message + "\n" + text
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "at ") || len(shown) == shownLines {
			break
		}
		if line != "" {
			shown = append(shown, clip(line))
		}
	}
	return shown
}

// clip keeps a line of the summary on about one line of the terminal.
func clip(line string) string {
	if runes := []rune(line); len(runes) > 160 {
		return string(runes[:160]) + "…"
	}
	return line
}

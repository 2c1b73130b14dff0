package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/runner/terminal"
	"github.com/carlin-cicd/runner/runner/units"
	"github.com/carlin-cicd/runner/steps/history"
)

func newTestsShowCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "show how a test ended in the last 50 runs",
		Long: "runner tests show shows how a test ended in the last 50 runs, with their commits and its durations.\n" +
			"A part of its name is enough if no other test has it, in capitals or not.",
		Example: "runner tests show 'adds the tax'\nrunner tests show test_bill --branch main --json",
		Args:    arguments(1, "NAME"),
		RunE:    o.withStore(artifactStore.showTest),
	}
	declare(cmd, limitFlag.describe("how many runs to list, 0 for all (default 50)"))
	declare(cmd, jsonFlag.describe("as a JSON object"))
	declare(cmd, historyFlags...)
	declare(cmd, checkoutFlags...)
	return cmd
}

// noTestError says that no test has a name.
type noTestError struct {
	name    string
	history pastTests
	near    string // a name that is nearly the same
}

func (e *noTestError) Error() string {
	return fmt.Sprintf("no test of step %s on branch %s is called %q", e.history.step, e.history.branch, e.name)
}

// Hint suggests the test that was probably meant.
func (e *noTestError) Hint() string {
	if e.near != "" {
		return fmt.Sprintf("did you mean %s?", terminal.Escape(e.near))
	}
	return "a part of the name is enough; runner tests --slowest --limit 0 lists the names"
}

// showTest is runner tests show.
func (s artifactStore) showTest(ctx context.Context, args []string) error {
	asJSON, err := boolean(s.variables, jsonFlag.variable)
	if err != nil {
		return err
	}
	limit, err := s.limitOr(0)
	if err != nil {
		return err
	}
	p, err := s.pastTests(ctx)
	if err != nil {
		return err
	}
	t, err := p.find(args[0])
	if err != nil {
		return err
	}
	runs := p.runsOf(t)
	if limit > 0 {
		runs = runs[:min(limit, len(runs))]
	}
	if asJSON {
		row := p.row(t)
		row.History = runs
		return s.printRows([]testRow{row})
	}
	return s.print("%s", s.testText(p, t, runs))
}

// find returns the one test that a name means.
func (p pastTests) find(name string) (history.Test, error) {
	if strings.TrimSpace(name) == "" {
		return history.Test{}, &usageError{"the name of the test is empty", "a part of the name is enough"}
	}
	found := p.Find(name)
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		var names []string
		for _, t := range p.Tests() {
			names = append(names, t.Name)
		}
		return history.Test{}, &noTestError{name, p, nearest(name, names)}
	}
	const shown = 20
	hint := "give more of the name, or the letters before it:"
	for _, t := range found[:min(shown, len(found))] {
		hint += "\n  " + t.ID + "  " + testTitle(t)
	}
	if more := len(found) - shown; more > 0 {
		hint += fmt.Sprintf("\n  and %d more", more)
	}
	return history.Test{}, &usageError{fmt.Sprintf("%d tests have %q in their names", len(found), name), hint}
}

// testRunRow is how a test ended in a run, as JSON.
type testRunRow struct {
	RunID   string    `json:"run_id"`
	SHA     string    `json:"sha"`
	Branch  string    `json:"branch"`
	At      time.Time `json:"at"`
	Outcome string    `json:"outcome"`
	Seconds *float64  `json:"seconds,omitempty"` // to two digits; without it the duration is unknown
	Changed bool      `json:"workspace_changed,omitempty"`
}

// runsOf returns how a test ended in each run, the latest first.
func (p pastTests) runsOf(t history.Test) []testRunRow {
	rows := make([]testRunRow, len(p.runs))
	for i, r := range p.runs {
		row := testRunRow{
			RunID: r.ID, SHA: r.SHA, Branch: r.Branch, At: r.At, Outcome: t.Outcomes[i].String(), Changed: r.Dirty,
		}
		if d := t.Times[i]; d >= 0 {
			seconds := d.Seconds()
			row.Seconds = &seconds
		}
		rows[i] = row
	}
	slices.Reverse(rows)
	return rows
}

// testText shows a test: its name, the strip of its runs, what is worth knowing, and the runs.
func (s artifactStore) testText(p pastTests, t history.Test, runs []testRunRow) string {
	var b strings.Builder
	b.WriteString(testTitle(t) + "\n")
	fmt.Fprintf(&b, "  %s  %s on %s, the latest run at the right\n",
		s.strip(t, len(t.Outcomes)), terminal.Escape(p.step), terminal.Escape(p.branch))
	var counts []string
	for _, o := range []history.Outcome{
		history.Passed, history.Failed, history.Flaky, history.Skipped, history.Missing,
	} {
		if n := t.Count(o); n > 0 {
			counts = append(counts, fmt.Sprintf("%c %d %s", o, n, o))
		}
	}
	fmt.Fprintf(&b, "  %s\n", strings.Join(counts, "   "))
	if t.Typical > 0 {
		fmt.Fprintf(&b, "  usually %s\n", units.Duration(t.Typical))
	}
	if text := t.Note.Text(p.branch); text != "" {
		fmt.Fprintf(&b, "  %s\n", terminal.Escape(text))
	}
	b.WriteString("\n")
	color := s.color(s.variables)
	for _, r := range runs {
		commit := p.commit(history.Run{SHA: r.SHA, Branch: r.Branch, At: r.At})
		if r.Changed {
			commit += " with changes"
		}
		took := ""
		if r.Seconds != nil {
			took = units.Duration(time.Duration(*r.Seconds * float64(time.Second)))
		}
		line := fmt.Sprintf("  %s  %s  %8s  %s", r.At.UTC().Format(minuteFormat),
			paintOutcome(outcomeOf(r), fmt.Sprintf("%-7s", r.Outcome), color), took, terminal.Escape(commit))
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// outcomeOf returns the outcome of a row.
func outcomeOf(r testRunRow) history.Outcome {
	for _, o := range []history.Outcome{history.Skipped, history.Passed, history.Flaky, history.Failed} {
		if o.String() == r.Outcome {
			return o
		}
	}
	return history.Missing
}

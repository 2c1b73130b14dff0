package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner"
	"github.com/carlin-cicd/runner/runner/terminal"
	"github.com/carlin-cicd/runner/runner/units"
	"github.com/carlin-cicd/runner/steps/history"
)

// historyFlags select the history of a step's tests on a branch.
var historyFlags = []flagSpec{
	stepFlag.describe("the step that runs the tests (default test)"),
	branchFlag.describe("the branch (default the workspace's)"),
	storeFlag,
}

// The lists of runner tests.
var (
	failingFlag = flagSpec{"failing", "RUNNER_FAILING", "", "list the tests that fail, newly or for longer"}
	flakyFlag   = flagSpec{"flaky", "RUNNER_FLAKY", "", "list the flakiest tests"}
	slowestFlag = flagSpec{"slowest", "RUNNER_SLOWEST", "", "list the slowest tests"}
	missingFlag = flagSpec{"missing", "RUNNER_MISSING", "", "list the tests that earlier runs have, but not the latest"}
)

func newTestsCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "tests",
		GroupID: groupLook,
		Short:   "list failing, flaky, slow and missing tests of a branch",
		Long: "runner tests lists what the last 50 runs of a step say of the branch's tests: those that fail, newly\n" +
			"or for longer, the flakiest, the slowest, and those that the latest run does not have. A character\n" +
			"stands for each of the last runs: . passed, F failed, ~ flaky, s skipped, - did not run.",
		Example: "runner tests\nrunner tests --branch main --flaky --limit 50\nrunner tests --slowest --json\n" +
			"runner tests show 'adds the tax'",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return requireSubcommand(cmd, args)
			}
			return nil
		},
		RunE: o.withStore(artifactStore.listTests),
		Annotations: map[string]string{
			helpFooter: "Exit codes: 1 history or test not found, or the store failed; 125 bad input.\n",
		},
	}
	declare(cmd, failingFlag, flakyFlag, slowestFlag, missingFlag)
	declare(cmd, limitFlag.describe("how many tests of each list, 0 for all (default 10)"))
	declare(cmd, jsonFlag.describe("one JSON object a line, for each test"))
	declare(cmd, historyFlags...)
	declare(cmd, checkoutFlags...)
	cmd.AddCommand(newTestsShowCommand(o))
	return cmd
}

// pastTests is the history that the variables select.
type pastTests struct {
	*history.History
	runs         []history.Run // at least one
	step, branch string
}

func (p pastTests) latest() history.Run { return p.runs[len(p.runs)-1] }

// noHistoryError says that no run of a step on a branch is in the history.
type noHistoryError struct{ step, branch, place string }

func (e *noHistoryError) Error() string {
	return fmt.Sprintf("there is no test history of step %s on branch %s in %s",
		terminal.Escape(e.step), terminal.Escape(e.branch), e.place)
}

// Hint says how to get one.
func (e *noHistoryError) Hint() string {
	return "name another --branch or --step, or run the step: each run that reads test reports is added"
}

// pastTests loads the history.
func (s artifactStore) pastTests(ctx context.Context) (pastTests, error) {
	p := pastTests{step: cmp.Or(s.variables[stepFlag.variable], "test")}
	c := s.config
	c.SHA, c.GitHubSHA = "", "" // the history is of a branch, at whichever commit
	ref, _, err := runner.Identify(ctx, s.variables, c)
	if err != nil {
		return p, err
	}
	p.branch = ref.Branch
	store, ok := s.store.(artifacts.Swapper)
	if !ok {
		return p, fmt.Errorf("%s keeps no test history", s.place)
	}
	p.History, err = history.Load(ctx, store, keys.History(p.branch, p.step))
	var corrupt *history.CorruptError
	switch {
	case errors.As(err, &corrupt):
		return p, fmt.Errorf("the test history %s cannot be read: %s", s.locate(corrupt.Key), corrupt.Reason)
	case err != nil:
		return p, err
	}
	if p.runs = p.Runs(); len(p.runs) == 0 {
		return p, &noHistoryError{p.step, p.branch, s.place}
	}
	return p, nil
}

// testList is a list of runner tests. Measure is what it is ordered by.
type testList struct {
	name, title string
	tests       []history.Test
	measure     func(history.Test) string
	text        func(history.Test) string
}

func (p pastTests) lists() []testList {
	l := p.Lists()
	note := func(t history.Test) string { return strings.TrimPrefix(t.Note.Text(p.branch), "newly failing: ") }
	nothing := func(history.Test) string { return "" }
	seen := func(t history.Test) string { return "last in " + p.commit(p.runs[t.Seen]) }
	return []testList{
		{"newly-failing", "Newly failing", l.NewlyFailing, nothing, note},
		{"failing", "Failing", l.Failing, nothing, note},
		{"flaky", "Flaky", l.Flaky, func(t history.Test) string {
			return fmt.Sprintf("%d of %d", t.Note.Flaky, t.Note.Of)
		}, nothing},
		{"slowest", "Slowest", l.Slowest, func(t history.Test) string { return units.Duration(t.Typical) }, nothing},
		{"missing", "Missing in the latest run", l.Missing, nothing, seen},
	}
}

// commit names the commit of a run, and its branch if that is another one.
func (p pastTests) commit(r history.Run) string {
	return history.Revision{SHA: r.SHA, Branch: r.Branch, At: r.At}.Text(p.branch)
}

// selectedLists returns the names of the lists that flags ask for; without any flag, of all.
func (s artifactStore) selectedLists() ([]string, error) {
	var all, asked []string
	for _, f := range []flagSpec{failingFlag, flakyFlag, slowestFlag, missingFlag} {
		names := []string{f.name}
		if f.name == failingFlag.name {
			names = append(names, "newly-failing")
		}
		is, err := boolean(s.variables, f.variable)
		if err != nil {
			return nil, err
		}
		if all = append(all, names...); is {
			asked = append(asked, names...)
		}
	}
	if len(asked) > 0 {
		return asked, nil
	}
	return all, nil
}

// listTests is runner tests.
func (s artifactStore) listTests(ctx context.Context, _ []string) error {
	asJSON, err := boolean(s.variables, jsonFlag.variable)
	if err != nil {
		return err
	}
	const usual = 10
	limit, err := s.limitOr(usual)
	if err != nil {
		return err
	}
	selected, err := s.selectedLists()
	if err != nil {
		return err
	}
	p, err := s.pastTests(ctx)
	if err != nil {
		return err
	}
	lists := slices.DeleteFunc(p.lists(), func(l testList) bool { return !slices.Contains(selected, l.name) })
	if asJSON {
		return s.listTestsAsJSON(p, lists, limit)
	}
	return s.listTestsAsText(p, lists, limit)
}

func (s artifactStore) listTestsAsText(p pastTests, lists []testList, limit int) error {
	var b strings.Builder
	b.WriteString(p.heading() + "\n")
	shown := false
	for _, l := range lists {
		if len(l.tests) == 0 {
			continue
		}
		shown = true
		fmt.Fprintf(&b, "\n%s (%d)\n", l.title, len(l.tests))
		tests := l.tests
		if limit > 0 {
			tests = tests[:min(limit, len(tests))]
		}
		width := 0
		for _, t := range tests {
			width = max(width, len(l.measure(t)))
		}
		for _, t := range tests {
			line := "  "
			if width > 0 {
				line += fmt.Sprintf("%*s  ", width, l.measure(t))
			}
			line += s.strip(t, stripOfList) + "  " + testTitle(t)
			if text := l.text(t); text != "" {
				line += ": " + terminal.Escape(text)
			}
			b.WriteString(line + "\n")
		}
		if more := len(l.tests) - len(tests); more > 0 {
			fmt.Fprintf(&b, "  and %d more; --limit 0 lists them all\n", more)
		}
	}
	if !shown {
		b.WriteString("nothing to list\n")
	}
	return s.print("%s", b.String())
}

// heading is the history in one line.
func (p pastTests) heading() string {
	run := p.latest()
	verdict := "failed"
	if run.Passed {
		verdict = "passed"
	}
	runs := "1 run"
	if n := len(p.runs); n > 1 {
		runs = fmt.Sprintf("%d runs", n)
	}
	text := fmt.Sprintf("%s on %s: %s; the latest, of %s, %s at %s with %s", p.step, p.branch, runs,
		run.At.UTC().Format(minuteFormat), verdict, p.commit(run), units.Count(run.Tests, "test"))
	return terminal.Escape(text)
}

const minuteFormat = "2006-01-02 15:04 UTC"

// testTitle is the name of a test, escaped.
func testTitle(t history.Test) string {
	if t.Name == "" {
		return "(its name is not stored; " + t.ID + ")"
	}
	return terminal.Escape(t.Name)
}

// stripOfList is how many runs the strip of a list shows.
const stripOfList = 20

// strip shows how a test ended in the last n runs, the latest at the right.
func (s artifactStore) strip(t history.Test, n int) string {
	color := s.color(s.variables)
	var b strings.Builder
	for _, o := range t.Outcomes[max(0, len(t.Outcomes)-n):] {
		b.WriteString(paintOutcome(o, string(rune(o)), color))
	}
	return b.String()
}

// paintOutcome colors a text by an outcome.
func paintOutcome(o history.Outcome, text string, color bool) string {
	codes := map[history.Outcome]string{
		history.Failed: "31", history.Flaky: "33", history.Passed: "32", history.Skipped: "2", history.Missing: "2",
	}
	if !color {
		return text
	}
	return "\x1b[" + codes[o] + "m" + text + "\x1b[0m"
}

// testRow is a test as JSON.
type testRow struct {
	Step     string       `json:"step"`
	Branch   string       `json:"branch"`
	ID       string       `json:"id"`
	Name     string       `json:"name"`
	Lists    []string     `json:"lists,omitempty"`
	Latest   string       `json:"latest"`   // how it ended in the latest run
	Outcomes string       `json:"outcomes"` // a character a run, the latest at the end
	Runs     int          `json:"runs"`     // that have it
	Passed   int          `json:"passed"`
	Failed   int          `json:"failed"`
	Flaky    int          `json:"flaky"` // runs in which it failed and passed at one commit
	Skipped  int          `json:"skipped"`
	Typical  *float64     `json:"typical_seconds,omitempty"`
	Since    *revisionRow `json:"failing_since,omitempty"`
	LastPass *revisionRow `json:"passed_before,omitempty"`
	LastSeen *revisionRow `json:"last_seen,omitempty"`
	Note     string       `json:"note,omitempty"`
	History  []testRunRow `json:"history,omitempty"` // the latest first
}

// revisionRow is a commit as JSON.
type revisionRow struct {
	SHA    string    `json:"sha"`
	Branch string    `json:"branch"`
	At     time.Time `json:"at"`
}

func revisionAsJSON(r *history.Revision) *revisionRow {
	if r == nil {
		return nil
	}
	return &revisionRow{r.SHA, r.Branch, r.At}
}

func (p pastTests) row(t history.Test) testRow {
	row := testRow{
		Step: p.step, Branch: p.branch, ID: t.ID, Name: t.Name, Latest: t.Latest().String(),
		Passed: t.Count(history.Passed) + t.Count(history.Flaky), Failed: t.Count(history.Failed),
		Flaky: t.Note.Flaky, Skipped: t.Count(history.Skipped), Runs: len(t.Outcomes) - t.Count(history.Missing),
		Since: revisionAsJSON(t.Note.Since), LastPass: revisionAsJSON(t.Note.Passed), Note: t.Note.Text(p.branch),
	}
	for _, o := range t.Outcomes {
		row.Outcomes += string(rune(o))
	}
	if t.Typical > 0 {
		seconds := t.Typical.Seconds()
		row.Typical = &seconds
	}
	if t.Seen >= 0 {
		r := p.runs[t.Seen]
		row.LastSeen = &revisionRow{r.SHA, r.Branch, r.At}
	}
	return row
}

// listTestsAsJSON prints each test of the lists once.
func (s artifactStore) listTestsAsJSON(p pastTests, lists []testList, limit int) error {
	var rows []testRow
	at := map[string]int{}
	for _, l := range lists {
		for i, t := range l.tests {
			if limit > 0 && i == limit {
				break
			}
			n, known := at[t.ID]
			if !known {
				n = len(rows)
				at[t.ID] = n
				rows = append(rows, p.row(t))
			}
			rows[n].Lists = append(rows[n].Lists, l.name)
		}
	}
	return s.printRows(rows)
}

func (s artifactStore) printRows(rows []testRow) error {
	var b bytes.Buffer
	for _, row := range rows {
		if err := json.NewEncoder(&b).Encode(row); err != nil {
			return err
		}
	}
	return s.printJSON(b.Bytes())
}

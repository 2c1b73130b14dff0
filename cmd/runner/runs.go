package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/runs"
	"github.com/carlin-cicd/runner/runner/sizing/fargate"
	"github.com/carlin-cicd/runner/runner/terminal"
	"github.com/carlin-cicd/runner/runner/units"
)

// runFilters select runs.
var runFilters = []flagSpec{
	branchFlag.describe("only runs of this branch (default all)"),
	stepFlag.describe("only runs of this step (default all)"),
}

var failedFlag = flagSpec{"failed", "RUNNER_FAILED", "", "only runs that failed or were lost"}

// runArgument explains how a run is named.
const runArgument = "A run is named by its ID or how that begins, as runner runs prints it, by latest or by latest-failed;\n" +
	"the last two of a --branch and a --step, if they are given."

func newRunsCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "runs",
		GroupID: groupLook,
		Short:   "list the last runs, those that are running too",
		Long: "runner runs lists the last runs of the repository, or of a branch, the newest first. A run that is\n" +
			"running beyond its deadline is lost: its task or its machine died.",
		Example: "runner runs\nrunner runs --branch main --step test --failed\nrunner runs --json --limit 100\n" +
			"runner runs show latest-failed",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return requireSubcommand(cmd, args)
			}
			return nil
		},
		RunE: o.withStore(artifactStore.listRuns),
		Annotations: map[string]string{
			helpFooter: "Exit codes: 1 run not found, or the store failed; 125 bad input.\n",
		},
	}
	declare(cmd, runFilters...)
	declare(cmd, failedFlag, limitFlag.describe("how many runs, 0 for all (default 20)"))
	declare(cmd, jsonFlag, storeFlag)
	declare(cmd, checkoutFlags...)
	cmd.AddCommand(newRunsShowCommand(o))
	return cmd
}

// runRow is a run as JSON.
type runRow struct {
	record.Entry
	State    record.State `json:"state"` // now: lost, beside those that are stored
	Seconds  float64      `json:"duration_seconds"`
	Location string       `json:"location"` // of its records
}

// index returns the store as the index needs it.
func (s artifactStore) index() (artifacts.Swapper, error) {
	store, ok := s.store.(artifacts.Swapper)
	if !ok {
		return nil, fmt.Errorf("%s keeps no index of runs", s.place)
	}
	return store, nil
}

// folders returns the indexes that the variables select.
func (s artifactStore) folders() ([]string, error) {
	if s.config.Branch != "" {
		if err := keys.CheckBranch(s.config.Branch); err != nil {
			return nil, err
		}
	}
	return runs.Folders(s.config.Branch), nil
}

// newestRuns returns the newest runs that the variables select.
func (s artifactStore) newestRuns(ctx context.Context, limit int, failed bool) (runs.List, error) {
	store, err := s.index()
	if err != nil {
		return runs.List{}, err
	}
	folders, err := s.folders()
	if err != nil {
		return runs.List{}, err
	}
	now, step := time.Now(), s.variables[stepFlag.variable]
	return runs.Newest(ctx, store, folders, limit, func(e record.Entry) bool {
		return (step == "" || e.Step == step) && (!failed || hasFailed(e.StateAt(now)))
	})
}

func hasFailed(s record.State) bool { return s == record.Failing || s == record.Lost }

// listRuns is runner runs.
func (s artifactStore) listRuns(ctx context.Context, _ []string) error {
	limit, err := s.limitOr(20)
	if err != nil {
		return err
	}
	if limit == 0 {
		limit = math.MaxInt32
	}
	failed, err := boolean(s.variables, failedFlag.variable)
	if err != nil {
		return err
	}
	list, err := s.newestRuns(ctx, limit, failed)
	if err != nil {
		return err
	}
	t, err := s.table()
	if err != nil {
		return err
	}
	if !t.json && len(list.Runs) > 0 {
		t.row(nil, "STATE", "STEP", "BRANCH", "COMMIT", "WHO", "STARTED", "TOOK", "TESTS", "COST", "ID")
	}
	now := time.Now()
	width := shortID(list.Runs)
	for _, e := range list.Runs {
		if err := t.row(s.runRow(e, now), runColumns(e, now, width)...); err != nil {
			return err
		}
	}
	if err := t.text.Flush(); err != nil {
		return err
	}
	text := t.out.String()
	if !t.json && s.color(s.variables) {
		text = colorStates(text)
	}
	if err := s.print("%s", text); err != nil {
		return err
	}
	s.noteRuns(list, failed)
	return nil
}

// colorStates colors the state that each line begins with.
func colorStates(text string) string {
	const red, green, yellow, blue = 31, 32, 33, 34
	colors := map[record.State]int{
		record.Passed: green, record.Failing: red, record.Lost: red, record.Aborted: yellow, record.Running: blue,
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		state, rest, _ := strings.Cut(line, " ")
		if color, ok := colors[record.State(state)]; ok {
			line = fmt.Sprintf("\x1b[%dm%s\x1b[0m %s", color, state, rest)
		}
		b.WriteString(line)
	}
	return b.String()
}

// noteRuns says what is not in a list.
func (s artifactStore) noteRuns(list runs.List, failed bool) {
	what := "runs"
	if failed {
		what = "failed runs"
	}
	if step := s.variables[stepFlag.variable]; step != "" {
		what += " of step " + terminal.Escape(step)
	}
	if s.config.Branch != "" {
		what += " of branch " + terminal.Escape(s.config.Branch)
	}
	switch {
	case len(list.Runs) == 0 && list.Older:
		s.note("there are no %s among the newest %d in %s", what, list.Searched, s.place)
	case len(list.Runs) == 0 && list.Searched > 0:
		s.note("there are no %s in %s, of %s in all", what, s.place, units.Count(list.Searched, "run"))
	case len(list.Runs) == 0:
		s.note("there are no %s in %s", what, s.place)
		s.note("hint: a step that runs, as by runner test, is listed there from its start; --artifact-bucket names another store")
	case list.Older:
		s.note("there are older ones; --limit lists more")
	}
}

func (s artifactStore) runRow(e record.Entry, now time.Time) runRow {
	took := e.Took()
	if e.State == record.Running {
		took = now.Sub(e.Started)
	}
	return runRow{e, e.StateAt(now), record.Seconds(took), s.locate(runs.Key(e))}
}

// runColumns is a run as a row of text.
func runColumns(e record.Entry, now time.Time, id int) []string {
	state := e.StateAt(now)
	text := string(state)
	if e.Reason != "" && e.Reason != record.Success && e.Reason != record.Failure && e.Reason != record.Cancelled {
		text += " (" + string(e.Reason) + ")"
	}
	cost := ""
	if e.Dollars > 0 {
		cost = fargate.Dollars(e.Dollars)
	}
	return []string{
		text, stepName(e), e.Branch, commitName(e), cmp.Or(e.Actor, "-"), ago(now.Sub(e.Started)), tookText(e, now),
		cmp.Or(testsText(e.Tests), "-"), cmp.Or(cost, "-"), e.RunID[:min(id, len(e.RunID))],
	}
}

// stepName is a step with its environment, as its records are stored.
func stepName(e record.Entry) string {
	if e.Environment == "" {
		return e.Step
	}
	return e.Step + "@" + e.Environment
}

func commitName(e record.Entry) string {
	switch {
	case e.SHA == record.NoCommit:
		return "no commit"
	case e.Dirty:
		return present.ShortSHA(e.SHA) + "+" // and changes
	}
	return present.ShortSHA(e.SHA)
}

func tookText(e record.Entry, now time.Time) string {
	switch e.StateAt(now) {
	case record.Running:
		return units.Duration(now.Sub(e.Started).Truncate(time.Second)) + "…"
	case record.Lost:
		return "-"
	}
	return units.Duration(e.Took())
}

// testsText is a few words about tests, "" if there are none.
func testsText(t *record.EntryTests) string {
	if t == nil || t.Total == 0 {
		return ""
	}
	text := fmt.Sprint(t.Total)
	for _, part := range []struct {
		n    int
		what string
	}{{t.Failed, "failed"}, {t.Flaky, "flaky"}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	return text
}

// ago is how long ago something was, in one unit.
func ago(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%ds ago", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", d/time.Minute)
	case d < 2*day:
		return fmt.Sprintf("%dh ago", d/time.Hour)
	}
	return fmt.Sprintf("%dd ago", d/day)
}

// shortID returns how much of the ids tells these runs apart. The first ten characters are the time.
func shortID(all []record.Entry) int {
	const least = 12
	width := least
	for i := 1; i < len(all); i++ { // they are sorted
		same := 0
		a, b := all[i-1].RunID, all[i].RunID
		for same < min(len(a), len(b)) && a[same] == b[same] {
			same++
		}
		width = max(width, same+1)
	}
	return width
}

// noRunError says that a run is not in the index.
type noRunError struct{ message string }

func (e *noRunError) Error() string { return e.message }

// Hint says how to find one.
func (e *noRunError) Hint() string { return "runner runs lists the last ones; --limit 0 more" }

// findRun returns the run that an argument names; "" is the latest.
func (s artifactStore) findRun(ctx context.Context, name string) (record.Entry, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "" || name == "latest" || name == "latest-failed" {
		list, err := s.newestRuns(ctx, 1, name == "latest-failed")
		if err == nil && len(list.Runs) == 0 {
			err = &noRunError{fmt.Sprintf("there is no %s run in %s", cmp.Or(strings.TrimPrefix(name, "latest-"), "latest"), s.place)}
		}
		if err != nil {
			return record.Entry{}, err
		}
		return list.Runs[0], nil
	}
	store, err := s.index()
	if err != nil {
		return record.Entry{}, err
	}
	folders, err := s.folders()
	if err != nil {
		return record.Entry{}, err
	}
	found, err := runs.Find(ctx, store, folders, name)
	switch {
	case err != nil:
		return record.Entry{}, err
	case len(found) == 0:
		return record.Entry{}, &noRunError{fmt.Sprintf("there is no run %s in %s", terminal.Escape(name), s.place)}
	case len(found) > 1:
		return record.Entry{}, &usageError{
			fmt.Sprintf("the ids of %s begin with %s", units.Count(len(found), "run"), terminal.Escape(name)),
			"give more of it: " + strings.Join(candidates(found), ", "),
		}
	}
	return found[0], nil
}

// candidates are the first few runs that an argument can mean.
func candidates(found []record.Entry) []string {
	const few = 5
	width := shortID(found)
	var names []string
	for _, e := range found[:min(few, len(found))] {
		names = append(names, fmt.Sprintf("%s (%s)", e.RunID[:min(width, len(e.RunID))], terminal.Escape(stepName(e))))
	}
	return names
}

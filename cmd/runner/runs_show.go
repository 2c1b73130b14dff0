package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/runs"
	"github.com/carlin-cicd/runner/runner/terminal"
	"github.com/carlin-cicd/runner/runner/units"
	"github.com/carlin-cicd/runner/steps/results"
)

func newRunsShowCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show [RUN]",
		Short:   "show how a run ended, and why",
		Long:    "runner runs show shows what is known of a run: why it ended, its tests, its artifacts.\n" + runArgument,
		Example: "runner runs show 01kb2w\nrunner runs show latest-failed --branch main\nrunner runs show latest --json",
		Args:    arguments(0, "RUN"),
		RunE:    o.withStore(artifactStore.showRun),
	}
	declare(cmd, runFilters...)
	declare(cmd, jsonFlag.describe("print its finished.json, in one line"), storeFlag)
	declare(cmd, checkoutFlags...)
	return cmd
}

// argument returns an argument that may be left out.
func argument(args []string, i int) string {
	if i < len(args) {
		return args[i]
	}
	return ""
}

// showRun is runner runs show.
func (s artifactStore) showRun(ctx context.Context, args []string) error {
	e, err := s.findRun(ctx, argument(args, 0))
	if err != nil {
		return err
	}
	asJSON, err := boolean(s.variables, jsonFlag.variable)
	if err != nil {
		return err
	}
	text, err := s.finished(ctx, e)
	switch {
	case errors.Is(err, fs.ErrNotExist) && asJSON:
		row, err := json.Marshal(s.runRow(e, time.Now()))
		if err != nil {
			return err
		}
		return s.print("%s\n", row)
	case errors.Is(err, fs.ErrNotExist):
		return s.print("%s", s.describeEntry(e, time.Now()))
	case err != nil:
		return err
	case asJSON:
		var line bytes.Buffer
		if err := json.Compact(&line, text); err != nil {
			return &artifacts.CorruptError{Path: runs.Key(e) + "/finished.json", Want: "a record of a run", Got: err.Error()}
		}
		return s.print("%s\n", &line)
	}
	run, err := decodeRun(e, text)
	if err != nil {
		return err
	}
	return s.print("%s", s.describeRun(e, run, time.Now()))
}

// finished reads a run's finished.json. The error is fs.ErrNotExist if there is none.
func (s artifactStore) finished(ctx context.Context, e record.Entry) ([]byte, error) {
	const limit = 64 << 20
	r, err := s.store.Get(ctx, runs.Key(e)+"/finished.json")
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, limit))
}

func decodeRun(e record.Entry, text []byte) (run record.Run, err error) {
	if err := json.Unmarshal(text, &run); err != nil {
		return run, &artifacts.CorruptError{Path: runs.Key(e) + "/finished.json", Want: "a record of a run", Got: err.Error()}
	}
	return run, nil
}

// facts are lines of a name and a value. Values come from the store.
type facts struct{ out bytes.Buffer }

func (f *facts) add(name, value string) {
	if value != "" {
		fmt.Fprintf(&f.out, "  %-10s %s\n", name, terminal.Escape(value))
	}
}

func (f *facts) more(value string) { fmt.Fprintf(&f.out, "  %-10s %s\n", "", terminal.Escape(value)) }

func (f *facts) title(e record.Entry, state record.State) {
	fmt.Fprintf(&f.out, "%s: %s of %s at %s, run %s\n", state, terminal.Escape(stepName(e)), terminal.Escape(e.Branch),
		terminal.Escape(commitName(e)), terminal.Escape(e.RunID))
}

// describeEntry is a run without a record: it is running, was lost, or its record has expired.
func (s artifactStore) describeEntry(e record.Entry, now time.Time) string {
	var f facts
	state := e.StateAt(now)
	f.title(e, state)
	f.add("started", startedText(e, now))
	f.add("task", e.Task)
	switch state {
	case record.Running:
		f.add("took", units.Duration(now.Sub(e.Started).Truncate(time.Second))+" so far")
		f.add("log", "runner logs "+e.RunID+" --follow")
	case record.Lost:
		f.add("deadline", e.Deadline.Format(time.RFC3339)+"; since then nothing was recorded: its task or its machine died")
	default:
		f.add("cause", e.Cause)
		f.add("took", units.Duration(e.Took()))
		f.add("tests", testsText(e.Tests))
		f.add("record", "is no longer in "+s.place)
	}
	return f.out.String()
}

func startedText(e record.Entry, now time.Time) string {
	text := fmt.Sprintf("%s, %s", e.Started.UTC().Format("2006-01-02 15:04:05 UTC"), ago(now.Sub(e.Started)))
	if e.Actor != "" {
		text += ", by " + e.Actor
	}
	return text
}

// describeRun is a run with its record.
func (s artifactStore) describeRun(e record.Entry, run record.Run, now time.Time) string {
	var f facts
	f.title(e, e.StateAt(now))
	if !run.Passed {
		f.add("reason", fmt.Sprintf("%s, exit code %d", run.Reason, run.ExitCode))
		f.cause(run)
	}
	f.add("started", startedText(e, now))
	f.add("took", units.Duration(record.Duration(run.Seconds)))
	f.tests(run.Tests)
	if run.Coverage != nil {
		f.add("coverage", present.CoverageLine(run.Coverage))
	}
	for _, a := range run.Artifacts {
		f.add(a.Name, present.ArtifactLine(a)+"  "+cmp.Or(a.Error, a.Location))
	}
	if run.Delivery != nil {
		f.add("delivery", string(run.Delivery.Outcome))
		f.add("rollback", present.RollbackLine(run.Delivery, nil))
	}
	if run.Usage != nil {
		f.add("usage", present.UsageLine(run.Usage))
	}
	if run.Cost != nil {
		f.add("cost", present.CostLine(run.Cost))
	}
	f.add("task", run.Task)
	f.add("records", s.locate(runs.Key(e)))
	f.add("look", fmt.Sprintf("runner logs %s; runner report %[1]s --open", e.RunID))
	return f.out.String()
}

// cause says why a run failed, with the lines that explain it.
func (f *facts) cause(run record.Run) {
	const shown = 8
	if run.Cause == nil { // a record of an earlier version
		f.add("cause", run.Error)
		f.add("hint", run.Hint)
		return
	}
	f.add("cause", run.Cause.String())
	if run.Cause.Kind != record.CauseTests { // they are listed below
		for _, line := range present.CauseLines(run, shown) {
			f.more(line)
		}
	}
	f.add("hint", cmp.Or(run.Cause.Hint, run.Hint))
}

// tests lists the counts and the tests that failed.
func (f *facts) tests(t *record.Tests) {
	const shown = 10
	if t == nil || t.Total == 0 {
		return
	}
	f.add("tests", present.TestCounts(t.Counts))
	for _, c := range t.Failures[:min(len(t.Failures), shown)] {
		f.more("✗ " + present.TestName(c.Case))
		if c.Message != "" {
			f.more("    " + firstLine(c.Message))
		}
	}
	if n := max(len(t.Failures), t.Failed+t.Errored) - shown; n > 0 {
		f.more(fmt.Sprintf("and %d more", n))
	}
	for _, c := range t.Flaky[:min(len(t.Flaky), shown)] {
		f.more("~ " + flakyName(c))
	}
}

func flakyName(c results.Case) string { return present.TestName(c) + ": flaky" }

func firstLine(text string) string {
	for i, r := range text {
		if r == '\n' {
			return text[:i]
		}
	}
	return text
}

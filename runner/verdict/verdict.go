// Package verdict decides what the test reports and the coverage of a step mean: which failures count, which tests are
// run again, and whether the coverage is above its floor.
package verdict

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/units"
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/results"
)

// Runner runs commands and stores reports on behalf of a verdict.
type Runner interface {
	// Rerun runs a command as the nth rerun, of so many tests.
	Rerun(n, tests int, c steps.Command) (process.Result, error)
	// StoreReports stores reports with the run's record, under a prefix.
	StoreReports(prefix string, read results.Results) error
}

// Verdict is that on one step. Tests and Coverage are nil until ReadReports and ReadCoverage have read them.
type Verdict struct {
	Tests      *results.Results
	SkipReason string // why failed tests were neither run again nor quarantined
	Missing    string // how many tests are missing compared with the last run, if many are
	Coverage   *record.Coverage

	session  *session.Session
	step     steps.Step
	runner   Runner
	started  time.Time // when the command started
	exitCode int       // of the command
	past     past
	ahead    ahead
	list     list
	partial  bool // it is on a part of the tests
}

// New returns the verdict on a step before its command has run.
func New(s *session.Session, step steps.Step, r Runner) *Verdict {
	return &Verdict{session: s, step: step, runner: r}
}

// OfPart says that other runs have the rest of the tests: none of them may be for this one.
func (v *Verdict) OfPart() { v.partial = true }

func (v *Verdict) directory() string { return v.session.Path(v.step.Directory) }

// ReadReports reads the reports of a command that started and exited as given. A red report turns a passed command red;
// no report turns a failed command green. The error is commandErr, or a *outcome.ResultsError.
func (v *Verdict) ReadReports(started time.Time, exitCode int, commandErr error) error {
	v.started, v.exitCode = started, exitCode
	read, err := v.walkReports()
	if err != nil {
		return cmp.Or(commandErr, error(&outcome.ResultsError{
			Message: fmt.Sprintf(
				"the reports cannot be read: %v",
				err,
			), Advice: "they are found by " + strings.Join(v.step.Reports, ", "),
		}))
	}
	v.quarantine(&read)
	v.Tests = &read
	v.logReports(commandErr == nil)
	return cmp.Or(commandErr, v.redness(), v.emptiness())
}

// logReports logs what the reports contain.
func (v *Verdict) logReports(passed bool) {
	t, log := v.Tests, v.session.Log
	for _, c := range t.Failures {
		log.Error("test "+c.StatusText(), append(attributes(c), "message", c.Message)...)
	}
	for _, p := range t.Problems {
		log.Error("a report cannot be read", "report", p.Report, "error", p.Message)
	}
	for _, s := range t.Stale {
		log.Warn("a report is older than the command and is not counted", "report", s)
	}
	switch {
	case len(t.Reports)+len(t.Problems) == 0:
		log.Warn("the step left no report", "reports", strings.Join(v.step.Reports, ", "))
	case !passed && !t.Red() && t.Quarantined == 0:
		log.Warn("the command failed, but its reports show no failure", "tests", t.Total)
	}
}

// attributes names a test in the log.
func attributes(c results.Case) []any {
	all := []any{"test", c.Name, "suite", cmp.Or(c.Class, c.Suite), "file", c.File}
	if c.Project != "" {
		all = append(all, "project", c.Project)
	}
	return all
}

// redness returns a *outcome.ResultsError if the reports are red.
func (v *Verdict) redness() error {
	t := v.Tests
	if !t.Red() {
		return nil
	}
	var parts []string
	for _, count := range []struct {
		n    int
		what string
	}{{t.Failed, "failed"}, {t.Errored, "errored"}} {
		if count.n > 0 {
			parts = append(parts, fmt.Sprintf("%d of %d tests %s", count.n, t.Total, count.what))
		}
	}
	if n := len(t.Problems); n > 0 {
		parts = append(
			parts,
			fmt.Sprintf(
				"%s of %d cannot be read (%s)",
				units.Count(n, "report"),
				n+len(t.Reports),
				t.Problems[0].Report,
			),
		)
	}
	return &outcome.ResultsError{
		Message: "the command passed, but " + strings.Join(parts, ", "),
		Advice:  "make the command fail when its tests do, or correct reports: in runner.yaml",
	}
}

// emptiness returns a *outcome.ResultsError if no test ran and the step does not allow that: by default the built-in
// step test does not, and others cause a warning.
func (v *Verdict) emptiness() error {
	t := v.Tests
	allowed := v.step.AllowEmpty
	switch {
	case v.partial || t.Total > 0 || len(t.Problems) > 0 || allowed != nil && *allowed:
		return nil
	case len(t.Reports) == 0 && len(t.Stale) > 0: // a build tool that skips tests that are up to date
		return nil
	}
	empty := &outcome.ResultsError{
		Message: "the command passed, but no test ran: its reports have no test case",
		Advice:  "correct the command or its patterns, or set allow_empty: true for the step",
	}
	if len(t.Reports) == 0 {
		empty.Message = "the command passed, but it left no report, so it is not known that a test ran"
	}
	// Without a report, a command of one's own may have run tests all the same.
	red := v.step.Name == "test" && (len(t.Reports) > 0 || v.step.Origin["command"] == steps.FromBuiltIn)
	if allowed != nil || red {
		return empty
	}
	if len(t.Reports) > 0 {
		v.session.Log.Warn("no test ran", "reports", t.Reports[0].Path, "hint", empty.Advice)
	}
	return nil
}

// CheckOutput looks at the output of a command that passed, whole or only its end: if a test tool says that it ran no
// test, and no report shows one, that is a *outcome.ResultsError for the step test, and a warning for others.
func (v *Verdict) CheckOutput(output []byte, whole bool) error {
	allowed := v.step.AllowEmpty
	if v.partial || allowed != nil && *allowed || v.Tests != nil && v.Tests.Total > 0 {
		return nil
	}
	line := results.NoTestLine(output)
	if line == "" {
		return nil
	}
	empty := &outcome.ResultsError{
		Message: fmt.Sprintf("the command passed, but no test ran: it printed %q", line),
		Advice:  "correct the command or its patterns, or set allow_empty: true for the step",
	}
	if whole && (allowed != nil || v.step.Name == "test") {
		return empty
	}
	v.session.Log.Warn("no test ran", "output", line, "hint", empty.Advice)
	return nil
}

// ReportPaths returns the paths, below a folder, of the reports to store: those that were read, and those that could
// not be.
func ReportPaths(dir string, read results.Results) []string {
	var names []string
	for _, report := range read.Reports {
		names = append(names, report.Path)
	}
	for _, p := range read.Problems {
		if info, err := os.Lstat(filepath.Join(dir, p.Report)); err == nil && info.Mode().IsRegular() {
			names = append(names, p.Report)
		}
	}
	return names
}

func (v *Verdict) stopped() bool { return v.session.Stop.Work.Err() != nil }

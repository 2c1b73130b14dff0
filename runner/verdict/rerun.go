package verdict

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/units"

	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/results"
)

// RerunFailed runs failed tests again and returns nil if all failures that count are explained by tests that pass then.
// The rules, in this order:
//
//  1. The command exited by itself and left complete, fresh reports that name its failures. Otherwise the failure may have
//     another cause.
//  2. Failures of tests in quarantine do not count, and are not run again.
//  3. At most at_most tests failed, and the tool can run each of them by itself.
//  4. Each rerun is of the tests that still fail. A test must be in the rerun and pass; a test that fails in the last rerun
//     is red even if it passed before; a rerun that breaks, or fails without a failed test, decides nothing.
//
// Green is true if a failed command turned green: what runs after the command has not run yet.
func (v *Verdict) RerunFailed(err error) (green bool, _ error) {
	t := v.Tests
	var exit *process.ExitError
	var red *outcome.ResultsError
	switch {
	case err == nil || t == nil || t.Failed+t.Errored+t.Quarantined == 0 || v.step.Rerun.IsZero() && t.Quarantined == 0:
		return false, err
	case errors.As(err, &exit) && v.exitCode == 0:
		return false, err // verify failed, not the command
	case !errors.As(err, &exit) && !errors.As(err, &red):
		v.SkipReason = "the command itself broke"
		v.session.Log.Warn("no test is rerun, because the command itself broke", "error", err.Error())
		return false, err
	}
	why := unexplained(*t, v.exitCode)
	if why == "" && len(t.Stale) > 0 {
		why = fmt.Sprintf("the report %s is older than the command, so some tests may not have run", t.Stale[0])
	}
	if why != "" {
		v.SkipReason = why
		v.session.Log.Warn("no test is rerun, because the failure may have another cause than its tests", "cause", why)
		return false, err
	}
	if t.Failed+t.Errored > 0 {
		if cancelled := v.rerunFailed(); cancelled != nil {
			return false, cancelled
		}
	}
	switch {
	case t.Failed+t.Errored > 0 && exit == nil:
		return false, v.redness()
	case t.Failed+t.Errored > 0:
		return false, err
	case exit != nil:
		v.session.Log.Info(
			"the step passes although the command failed",
			"flaky",
			t.Flaky,
			"quarantined",
			t.Quarantined,
			"exit_code",
			v.exitCode,
		)
		if unreached := v.step.Command.Unreached(); unreached != "" {
			v.session.Log.Warn(
				"what comes after the failed tests may not have run",
				"unreached",
				unreached,
				"hint",
				"move what must run after the tests to a step of its own or to verify:, and have tools run all tests",
			)
		}
		return true, nil
	}
	return false, nil
}

// goPanic ends the test binary.
var goPanic = regexp.MustCompile(`(?m)^(panic: |fatal error: )[\s\S]*^goroutine \d+`)

// cutShort says why tests after a Go test may not have run: it panicked, or has no end in the output. In long output
// the middle is missing, and in a very long report the end, so that it cannot be told.
func cutShort(c results.Case) string {
	begun, ended, gap := strings.HasPrefix(
		c.Details,
		"=== RUN ",
	), strings.Contains(
		c.Details,
		"--- FAIL: ",
	), strings.Contains(
		c.Details,
		"\n…\n",
	)
	if gap { // only what comes last is the end
		last := c.Details[strings.LastIndexByte(c.Details, '\n')+1:]
		ended = strings.HasPrefix(strings.TrimSpace(last), "--- FAIL: ")
	}
	switch {
	case goPanic.MatchString(c.Details):
		return " panicked, so tests after it did not run"
	case begun && !ended && gap:
		return " has so much output that its end is not known: tests after it may not have run"
	case begun && !ended:
		return " has no end, so tests after it did not run"
	}
	return ""
}

// unexplained says why the failed tests of a report may not be the whole cause of a failure; "" if they are.
func unexplained(t results.Results, exitCode int) string {
	const (
		interrupted = 2 // of pytest, if a file could not be collected; no test ran then
		reserved    = outcome.ExitTimeout
	)
	switch {
	case len(t.Problems) > 0:
		return "the report " + t.Problems[0].Report + " cannot be read whole"
	case len(t.Reports) == 0:
		return "there is no fresh report"
	case t.CutShort != "":
		return t.CutShort
	case t.Failed+t.Errored+t.Quarantined > len(t.Failures)+len(t.QuarantinedCases):
		return "too many tests failed to know all of them"
	case exitCode >= reserved:
		return fmt.Sprintf("the exit code %d is not that of failed tests", exitCode)
	case exitCode == interrupted && t.Total == t.Errored+t.Skipped+t.Quarantined && t.Failed == 0 && onlySetups(t.Failures):
		return "only errors: the tests did not run"
	}
	for _, list := range [][]results.Case{t.Failures, t.QuarantinedCases} {
		for _, c := range list {
			if why := cutShort(c); why != "" {
				return c.Name + why
			}
		}
	}
	return ""
}

// rerunFailed reruns failed tests until they pass or the attempts are used up. Files of the first run are restored
// afterwards. The error is that of a run that was stopped.
func (v *Verdict) rerunFailed() error {
	rules := v.step.Rerun
	if rules.IsZero() {
		return nil
	}
	if n := v.Tests.Failed + v.Tests.Errored; n > rules.AtMost {
		v.SkipReason = fmt.Sprintf("more than %s failed", units.Count(rules.AtMost, "test"))
		v.session.Log.Warn("too many tests failed for a rerun", "failed", n, "at_most", rules.AtMost)
		return nil
	}
	if _, err := rules.Select(v.directory(), v.Tests.Failures); err != nil {
		v.SkipReason = err.Error()
		v.session.Log.Warn(
			"the failed tests cannot be rerun by themselves",
			"error",
			err.Error(),
			"hint",
			outcome.Hint(err),
		)
		return nil
	}
	kept, err := moveAside(v.directory(), v.session.ID, ReportPaths(v.directory(), *v.Tests), v.outputFolders())
	if err != nil {
		v.session.Log.Warn(
			"no test is rerun, because the files of the first run cannot be moved",
			"error",
			err.Error(),
			"hint",
			outcome.Hint(err),
		)
		return nil
	}
	defer func() {
		if err := kept.restore(); err != nil {
			v.session.Log.Warn(
				"the files of the first run could not be restored after a rerun",
				"error",
				err.Error(),
				"hint",
				outcome.Hint(err),
			)
		}
	}()
	failing := map[string]bool{}
	for _, c := range v.Tests.Failures {
		failing[c.Identity()] = true
	}
	for n := 1; n <= rules.Attempts && len(failing) > 0; n++ {
		if v.session.Stop.Work.Err() != nil {
			return context.Cause(v.session.Stop.Work)
		}
		if !time.Now().Before(v.session.Deadline) {
			v.session.Log.Warn("there is no time left for a rerun")
			return nil
		}
		if decided, err := v.rerunOnce(n, failing); err != nil || !decided {
			return err
		}
	}
	return nil
}

// outputFolders are the folders that a rerun may overwrite.
func (v *Verdict) outputFolders() []string {
	var all []string
	for _, a := range v.step.Artifacts {
		all = append(all, a.Path)
	}
	if v.step.Coverage.Path != "" {
		all = append(all, v.step.Coverage.Path)
	}
	return all
}

// rerunOnce runs the failing tests and removes those that pass from failing. It is not decided if the rerun says
// nothing of them, or if another one would not either.
func (v *Verdict) rerunOnce(n int, failing map[string]bool) (decided bool, err error) {
	t := v.Tests
	command, err := v.step.Rerun.Select(v.directory(), t.Failures)
	if err != nil { // another test failed that cannot be selected
		v.session.Log.Warn(
			"the failed tests cannot be rerun by themselves",
			"error",
			err.Error(),
			"hint",
			outcome.Hint(err),
		)
		return false, nil
	}
	v.session.Log.Info("rerunning failed tests", "tests", len(failing), "rerun", n, "of", v.step.Rerun.Attempts)
	result, err := v.runner.Rerun(n, len(failing), command)
	o := outcome.Of(err)
	switch o.Reason {
	case record.Success, record.Failure:
	case record.Cancelled:
		return false, err
	default:
		v.session.Log.Warn(
			"the rerun itself broke, so the failures stand",
			"error",
			err.Error(),
			"hint",
			outcome.Hint(err),
		)
		return false, nil
	}

	seen := newTally(t.Failures)
	read, readErr := results.Read(results.Options{
		Root: v.directory(), Globs: v.step.Reports, Since: result.Started, Visit: seen.add,
		CommandPassed: result.ExitCode == 0 && !v.step.Rerun.Command.HidesExit(),
	})
	if readErr != nil {
		read.Problems = append(
			read.Problems,
			results.Problem{Report: strings.Join(v.step.Reports, ", "), Message: readErr.Error()},
		)
	}
	v.storeRerun(n, read)
	v.quarantine(&read)
	for _, c := range read.QuarantinedCases { // a Go test around a quarantined one may be in the rerun
		seen.passed[c.Identity()]++
	}
	why := unexplained(read, result.ExitCode)
	if why == "" && o.Reason == record.Failure && read.Failed+read.Errored+read.Quarantined == 0 {
		why = "it failed, but its reports show no failure; a coverage threshold does that: do not measure coverage in the rerun"
	}
	if why != "" {
		v.session.Log.Warn("the rerun decides nothing, so the failures stand", "cause", why)
		return false, nil
	}
	if broken := newSetup(read, failing); broken != "" {
		v.session.Log.Warn("the rerun decides nothing, so the failures stand",
			"cause", broken+" could not be set up in it, which the first run had no trouble with")
		return true, nil // another one may be lucky
	}
	v.compare(n, failing, read, seen)
	return true, nil
}

// onlySetups reports whether all failures are of files that could not be loaded, and the like.
func onlySetups(failures []results.Case) bool {
	return !slices.ContainsFunc(failures, func(c results.Case) bool { return !c.Setup })
}

// rerunPrefix is where the reports of a rerun are stored, beside those of the first run.
func rerunPrefix(n int) string { return fmt.Sprintf("rerun-%d", n) }

// storeRerun stores the reports of a rerun, then removes them for those of the first run.
func (v *Verdict) storeRerun(n int, read results.Results) {
	if err := v.runner.StoreReports(rerunPrefix(n)+"/", read); err != nil {
		v.session.Log.Warn(
			"the reports of a rerun could not be stored",
			"error",
			strings.ReplaceAll(err.Error(), "\n", "; "),
			"hint",
			outcome.Hint(err),
		)
	}
	root, err := os.OpenRoot(v.directory())
	if err != nil {
		return
	}
	defer root.Close()
	for _, name := range ReportPaths(v.directory(), read) { // the next rerun may name its reports differently
		if err := root.Remove(filepath.FromSlash(name)); err != nil {
			v.session.Log.Debug("a report of a rerun cannot be removed", "error", err.Error())
		}
	}
}

package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
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

// reconsider lets a failure that is explained by its tests alone pass after all: if those that count pass when they are run again.
// The rules, in this order:
//
//  1. The command ended by itself and left whole, fresh reports that name its failures. Otherwise nobody knows what else was wrong.
//  2. Failures of tests in quarantine do not count, and are not run again.
//  3. Not more than at_most tests failed, and for each the tool can be told what to run.
//  4. Each rerun is of what still fails. What failed before must be there and pass; what failed in the last rerun is red,
//     also if it had passed before; a rerun that breaks, or fails without a failing test, settles nothing.
func (r *run) reconsider(err error) error {
	t := r.tests
	var exit *process.ExitError
	var red *outcome.ResultsError
	switch {
	case err == nil || t == nil || t.Failed+t.Errored+t.Quarantined == 0 || r.step.Rerun.IsZero() && t.Quarantined == 0:
		return err
	case errors.As(err, &exit) && r.result.ExitCode == 0:
		return err // of what verifies the step
	case !errors.As(err, &exit) && !errors.As(err, &red):
		r.doubt = "the command itself broke"
		r.Log.Warn("the command itself broke: no test is run again", "error", err.Error())
		return err
	}
	why := unexplained(*t, r.result.ExitCode)
	if why == "" && len(t.Stale) > 0 {
		why = fmt.Sprintf("the report %s was not written anew, so a part of the tests may not have been run", t.Stale[0])
	}
	if why != "" {
		r.doubt = why
		r.Log.Warn("the failure may be more than that of its tests: it stands, and none is run again", "why", why)
		return err
	}
	if t.Failed+t.Errored > 0 {
		if cancelled := r.rerun(); cancelled != nil {
			return cancelled
		}
	}
	switch {
	case t.Failed+t.Errored > 0 && exit == nil:
		return r.redness()
	case t.Failed+t.Errored > 0:
		return err
	case exit != nil:
		r.Log.Info("the step passes, though the command failed", "flaky", t.Flaky, "quarantined", t.Quarantined, "exit_code", r.result.ExitCode)
		if severalCommands.MatchString(r.step.Command.Shell) {
			r.Log.Warn("the command has several parts, and those after the tests that failed may not have been run", "command", r.step.Command.Shell,
				"hint", "make what has to run after the tests a step of its own, or verify:; pnpm -r needs --no-bail")
		}
		return r.verify()
	}
	return nil
}

// severalCommands finds what may have ended with the tests that failed: a further command of the line, or a further package.
var severalCommands = regexp.MustCompile(`&&\s*\S|\|\|\s*\S|;\s*\S|\n\s*\S|\s(-r|--recursive)\b`)

// goPanic ends the test binary.
var goPanic = regexp.MustCompile(`(?m)^(panic: |fatal error: )[\s\S]*^goroutine \d+`)

// cutShort says whether a Go test took its whole binary down with it, in which case those after it were not run: it panicked, or it
// began and has no end. Of long output the middle is missing, and of a very long report the end: then nobody can tell.
func cutShort(c results.Case) string {
	begun, ended, gap := strings.HasPrefix(c.Details, "=== RUN "), strings.Contains(c.Details, "--- FAIL: "), strings.Contains(c.Details, "\n…\n")
	if gap { // only what comes last is the end
		last := c.Details[strings.LastIndexByte(c.Details, '\n')+1:]
		ended = strings.HasPrefix(strings.TrimSpace(last), "--- FAIL: ")
	}
	switch {
	case goPanic.MatchString(c.Details):
		return " panicked, so tests after it were not run"
	case begun && !ended && gap:
		return " has so much output that its end is not known: tests after it may not have been run"
	case begun && !ended:
		return " has no end, so tests after it were not run"
	}
	return ""
}

// unexplained says what speaks against the failing tests of a report as the whole reason of a failure; "" for nothing.
func unexplained(t results.Results, exitCode int) string {
	const (
		interrupted = 2 // pytest's own, if not every file could be collected; no test was run then
		reserved    = outcome.ExitTimeout
	)
	switch {
	case len(t.Problems) > 0:
		return "the report " + t.Problems[0].Report + " cannot be read whole"
	case len(t.Reports) == 0:
		return "there is no fresh report"
	case t.Failed+t.Errored+t.Quarantined > len(t.Failures)+len(t.QuarantinedCases):
		return "too many tests failed for all of them to be known"
	case exitCode >= reserved:
		return fmt.Sprintf("the exit code %d is not that of failing tests", exitCode)
	case exitCode == interrupted && t.Total == t.Errored+t.Skipped+t.Quarantined && t.Failed == 0:
		return "nothing but errors: the tests were not run"
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

// rerun runs what failed again until it passes or the attempts are used up, and takes down what came of it. What the first run left
// is there again afterwards. The error is for a run that was told to stop.
func (r *run) rerun() error {
	rules := r.step.Rerun
	if rules.IsZero() {
		return nil
	}
	if n := r.tests.Failed + r.tests.Errored; n > rules.AtMost {
		r.doubt = fmt.Sprintf("more than %s failed", units.Count(rules.AtMost, "test"))
		r.Log.Warn("more tests failed than are run again", "failed", n, "at_most", rules.AtMost)
		return nil
	}
	if _, err := rules.Select(r.directory(), r.tests.Failures); err != nil {
		r.doubt = err.Error()
		r.Log.Warn("what failed cannot be run again by itself", "error", err.Error(), "hint", outcome.Hint(err))
		return nil
	}
	kept, err := keepAside(r.directory(), r.ID, r.pathsOf(*r.tests), r.leftFolders())
	if err != nil {
		r.Log.Warn("nothing is run again, since what the first run left cannot be kept", "error", err.Error(), "hint", outcome.Hint(err))
		return nil
	}
	defer func() {
		if err := kept.restore(); err != nil {
			r.Log.Warn("a rerun wrote over what the first run left", "error", err.Error(), "hint", outcome.Hint(err))
		}
	}()
	failing := map[string]bool{}
	for _, c := range r.tests.Failures {
		failing[identify(c)] = true
	}
	for n := 1; n <= rules.Attempts && len(failing) > 0; n++ {
		if r.Stop.Work.Err() != nil {
			return context.Cause(r.Stop.Work)
		}
		if !time.Now().Before(r.Deadline) {
			r.Log.Warn("there is no time left to run tests again")
			return nil
		}
		if settled, err := r.rerunOnce(n, failing); err != nil || !settled {
			return err
		}
	}
	return nil
}

// leftFolders are the folders that a rerun may write over.
func (r *run) leftFolders() []string {
	var all []string
	for _, a := range r.step.Artifacts {
		all = append(all, a.Path)
	}
	if r.step.Coverage.Path != "" {
		all = append(all, r.step.Coverage.Path)
	}
	return all
}

// identify names a test so that a rerun is known to be of the same one.
func identify(c results.Case) string {
	return strings.Join([]string{c.Suite, c.Class, c.Name, c.File}, "\x00")
}

// rerunOnce runs the tests that fail, and takes those that pass out of failing. It is not settled if the attempt says nothing of them,
// or if a further one would say no more.
func (r *run) rerunOnce(n int, failing map[string]bool) (settled bool, err error) {
	t := r.tests
	command, err := r.step.Rerun.Select(r.directory(), t.Failures)
	if err != nil { // it has become another's failure that cannot be told
		r.Log.Warn("what failed cannot be run again by itself", "error", err.Error(), "hint", outcome.Hint(err))
		return false, nil
	}
	r.Log.Info("running failed tests again", "tests", len(failing), "rerun", n, "of", r.step.Rerun.Attempts)
	begun := time.Now()
	var result process.Result
	err = r.phase(fmt.Sprintf("rerun %d", n), func() (err error) {
		result, err = r.supervise(command)
		return err
	})
	o := outcome.Of(err)
	r.attempts = append(r.attempts, record.Attempt{ExitCode: o.ExitCode, Reason: o.Reason, Started: begun.UTC(), Seconds: record.Seconds(time.Since(begun)), Rerun: len(failing)})
	r.result.Usage = r.result.Usage.Add(result.Usage, result.Started.Sub(r.result.Started))
	r.result.Wall += result.Wall
	r.result.Leftovers = append(r.result.Leftovers, result.Leftovers...)
	switch o.Reason {
	case record.Success, record.Failure:
	case record.Cancelled:
		return false, err
	default:
		r.Log.Warn("the rerun itself broke, so the failures stand", "error", err.Error(), "hint", outcome.Hint(err))
		return false, nil
	}

	seen := map[string]int{} // how often what failed passed now, by test and by file
	read, readErr := results.Walk(r.directory(), r.step.Reports, result.Started, func(c results.Case) {
		if c.Status == results.Passed {
			if failing[identify(c)] {
				seen[identify(c)]++
			}
			seen["file\x00"+c.File]++
		}
	})
	if readErr != nil {
		read.Problems = append(read.Problems, results.Problem{Report: strings.Join(r.step.Reports, ", "), Message: readErr.Error()})
	}
	r.storeRerun(n, read)
	r.forgive(&read)
	for _, c := range read.QuarantinedCases { // a Go test around one in quarantine may be among those that are run again
		seen[identify(c)]++
	}
	why := unexplained(read, result.ExitCode)
	if why == "" && o.Reason == record.Failure && read.Failed+read.Errored+read.Quarantined == 0 {
		why = "it failed, yet its reports show no failure; a threshold of coverage does that: have the rerun measure none"
	}
	if why != "" {
		r.Log.Warn("the rerun settles nothing, so the failures stand", "why", why)
		return false, nil
	}
	r.compare(n, failing, read, seen)
	return true, nil
}

// compare takes down which tests passed in a rerun and which did not.
func (r *run) compare(n int, failing map[string]bool, read results.Results, seen map[string]int) {
	t := r.tests
	again := map[string]results.Case{}
	redFiles := map[string]bool{}
	for _, c := range read.Failures {
		again[identify(c)] = c
		redFiles[c.File] = true
	}
	count := map[string]int{}
	for _, c := range t.Failures {
		count[identify(c)]++
	}
	var still []results.Case
	for _, c := range t.Failures {
		id := identify(c)
		_, red := again[id]
		passed := !red && seen[id] >= count[id]
		if !red && wholeFile(c) { // it has no name of its own once its file can be loaded
			passed = passed || seen["file\x00"+c.File] > 0 && !redFiles[c.File]
		}
		if !passed {
			if !red && seen[id] == 0 {
				r.Log.Warn("a test that failed was not in the rerun, so its failure stands", "test", c.Name, "file", c.File)
			}
			still = append(still, c)
			continue
		}
		delete(failing, id)
		if c.Status == results.Errored {
			t.Errored--
		} else {
			t.Failed--
		}
		t.Flaky++
		c.Status, c.Flaky = results.Passed, true
		c.AddNote(fmt.Sprintf("passed on rerun %d", n))
		t.FlakyCases = append(t.FlakyCases, c)
		r.Log.Warn("test is flaky: it failed, and passed when it was run again", "test", c.Name, "suite", cmp.Or(c.Class, c.Suite), "file", c.File, "rerun", n, "message", c.Message)
	}
	for _, id := range slices.Sorted(maps.Keys(again)) {
		c := again[id]
		if failing[id] || count[id] > 0 {
			continue
		}
		failing[id] = true
		c.AddNote(fmt.Sprintf("it had passed before rerun %d", n))
		c.Report = path.Join(rerunFolder(n), c.Report)
		if c.Status == results.Errored {
			t.Errored++
		} else {
			t.Failed++
		}
		t.FlakyCases = slices.DeleteFunc(t.FlakyCases, func(f results.Case) bool {
			if identify(f) != id {
				return false
			}
			t.Flaky--
			return true
		})
		still = append(still, c)
		r.Log.Error("test failed in a rerun, though it had passed before", "test", c.Name, "suite", cmp.Or(c.Class, c.Suite), "file", c.File, "message", c.Message)
	}
	t.Failures = still
}

// wholeFile reports whether a failure is that of a file rather than of a test in it: vitest and jest name it after the file, jest its hooks so.
func wholeFile(c results.Case) bool {
	return c.File != "" && (c.Name == c.File || strings.Contains(c.Name, "Test execution failure: could be caused by test hooks"))
}

// rerunFolder is where the reports of a rerun are stored, beside those of the first run.
func rerunFolder(n int) string { return fmt.Sprintf("rerun-%d", n) }

// storeRerun stores the reports of a rerun, which make room for those of the first run.
func (r *run) storeRerun(n int, read results.Results) {
	ctx, cancel := r.Stop.RecordContext()
	defer cancel()
	if err := r.putReports(ctx, rerunFolder(n)+"/", read); err != nil {
		r.Log.Warn("the reports of a rerun could not be stored", "error", strings.ReplaceAll(err.Error(), "\n", "; "), "hint", outcome.Hint(err))
	}
	root, err := os.OpenRoot(r.directory())
	if err != nil {
		return
	}
	defer root.Close()
	for _, name := range r.pathsOf(read) { // the next rerun may give its own another name
		if err := root.Remove(filepath.FromSlash(name)); err != nil {
			r.Log.Debug("a report of a rerun cannot be removed", "error", err.Error())
		}
	}
}

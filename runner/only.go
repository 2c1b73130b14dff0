package runner

import (
	"fmt"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/verdict"
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/results"
)

// A run of some tests alone is for the person who looks for the cause of a failure. It is recorded, but it says nothing of
// the step: it is in no index and no history, sets no status, publishes no set, and needs: does not go by it.

// isPartial reports whether only some tests of the step run.
func (r *run) isPartial() bool {
	return r.shard != nil || r.isSelected()
}

// isSelected reports whether a person has selected the tests.
func (r *run) isSelected() bool { return len(r.Config.OnlyWords()) > 0 && !r.in.Undo }

// selectTests replaces the step's command by the one for the tests that alone are to run. The error is a
// *outcome.ConfigError.
func (r *run) selectTests() error {
	if !r.isSelected() {
		return nil
	}
	command, err := r.step.Rerun.Only(r.directory(), r.step.Reports, r.Config.OnlyWords(), r.knownTests())
	if err != nil {
		refused := &steps.OnlyError{Step: r.step.Name, Err: err}
		return &outcome.ConfigError{Message: refused.Error(), Advice: refused.Hint()}
	}
	r.step.Command, r.step.Origin["command"] = command, fmt.Sprintf("rerun, %s", r.step.Origin["rerun"])
	r.step.Rerun, r.step.Retry, r.step.Artifacts = steps.Rerun{}, steps.Retry{}, nil
	r.step.Coverage, r.step.Verify = steps.Coverage{}, steps.Command{}
	r.verdict = verdict.New(&r.Session, r.step, r)
	return nil
}

// maxKnown bounds the tests that names are looked up in.
const maxKnown = 100_000

// knownTests returns the tests of the last reports in the workspace, and those that failed in the newest run on record of
// this commit: another machine may have run it.
func (r *run) knownTests() []results.Case {
	var known []results.Case
	// What cannot be read names no tests, and the word is refused.
	_, _ = results.Read(results.Options{
		Root: r.directory(), Globs: r.step.Reports,
		Visit: func(c results.Case) {
			if len(known) < maxKnown {
				known = append(known, results.Case{
					Name: c.Name, Class: c.Class, Suite: c.Suite, File: c.File, Project: c.Project, Report: c.Report,
				})
			}
		},
	})
	if r.Store == nil {
		return known
	}
	var latest record.Latest
	var ended record.Run
	key := keys.LatestRun(r.Ref, r.step.Name, r.Config.Environment)
	if artifacts.GetJSON(r.Stop.Work, r.Store, key, &latest) != nil || latest.Key == "" ||
		artifacts.GetJSON(r.Stop.Work, r.Store, latest.Key+"/finished.json", &ended) != nil || ended.Tests == nil {
		return known
	}
	for _, f := range ended.Tests.Failures {
		known = append(known, f.Case)
	}
	return append(known, ended.Tests.Flaky...)
}

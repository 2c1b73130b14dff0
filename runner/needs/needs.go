// Package needs finds what earlier steps have proved and published for the commit of a run.
package needs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/pipeline"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps"
)

// Run is the newest run of a step that another one needs.
type Run struct {
	Step   string
	Latest record.Latest
}

// Branches returns the branches whose records count for the session's commit, in order: its own, then the main
// branch. A tag, whose branch is its name, thus sees what the main branch proved. No other branch counts.
func Branches(s *session.Session) []string {
	return slices.Compact([]string{s.Ref.Branch, s.Config.MainBranch})
}

// Find returns the record of a step's newest run for the commit, in the session's environment or in none. The error is
// fs.ErrNotExist if the step has not run.
func Find(ctx context.Context, s *session.Session, step string) (latest record.Latest, err error) {
	if s.Ref.SHA == session.NoCommit {
		return latest, fs.ErrNotExist
	}
	var places []string
	for _, branch := range Branches(s) {
		for _, environment := range slices.Compact([]string{s.Config.Environment, ""}) {
			places = append(places, keys.LatestRun(artifacts.Ref{Branch: branch, SHA: s.Ref.SHA}, step, environment))
		}
	}
	found, problems := make([]record.Latest, len(places)), make([]error, len(places))
	var beside sync.WaitGroup
	for i, key := range places {
		beside.Go(func() { problems[i] = artifacts.GetJSON(ctx, s.Store, key, &found[i]) })
	}
	beside.Wait()
	for i, err := range problems {
		if !errors.Is(err, fs.ErrNotExist) {
			return found[i], err
		}
	}
	return latest, fs.ErrNotExist
}

// Check returns the newest runs of the steps that a step needs. For one that the pipeline's plan leaves out, since
// nothing that it depends on has changed, the run that stands for it counts. The error is a *outcome.GuardError if one
// of them has not passed for this commit, or passed in a workspace that was not the commit's.
func Check(ctx context.Context, s *session.Session, step steps.Step, stages steps.Pipeline) ([]Run, error) {
	var runs []Run
	for _, need := range step.Needs {
		latest, err := Find(ctx, s, need)
		if errors.Is(err, fs.ErrNotExist) {
			latest, err = standIn(ctx, s, need, stages)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, &outcome.GuardError{
				Message: fmt.Sprintf(
					"step %s needs %s, which has not run for commit %.12s", step.Name, need, s.Ref.SHA,
				),
				Advice: "run it first: runner --step " + need,
			}
		case err != nil:
			return nil, outcome.ArtifactsError{Err: err}
		case !latest.Passed:
			return nil, &outcome.GuardError{
				Message: fmt.Sprintf("step %s needs %s, which ended with %s (exit %d) for commit %.12s",
					step.Name, need, latest.Reason, latest.ExitCode, s.Ref.SHA),
				Advice: "see its record " + latest.Key + "/finished.json in " + s.Place,
			}
		case latest.Dirty && !s.Config.Force:
			return nil, &outcome.GuardError{
				Message: fmt.Sprintf(
					"step %s needs %s, which ran in a workspace with changes that are not in commit %.12s", step.Name,
					need, s.Ref.SHA,
				),
				Advice: "run it again on the commit itself: runner --step " + need,
			}
		}
		runs = append(runs, Run{need, latest})
	}
	return runs, nil
}

// standIn returns the run that the plan of the commit names for a step that it leaves out. The error is fs.ErrNotExist if
// there is none.
func standIn(ctx context.Context, s *session.Session, step string, stages steps.Pipeline) (record.Latest, error) {
	plan, err := pipeline.Load(ctx, s, stages)
	if err != nil {
		return record.Latest{}, err
	}
	latest, reason, err := plan.Stands(ctx, s, step, Branches(s))
	if err == nil {
		s.Log.Info("a needed step did not run for this commit", "step", step, "reason", reason, "record", latest.Key)
	}
	return latest, err
}

// CheckCommit returns a *outcome.GuardError if a step relies on the commit while the commit is not known, or while the
// workspace has changes that are not in it: then nothing on record is about what would be deployed. --force overrides
// it.
func CheckCommit(s *session.Session, step steps.Step) error {
	if !ReliesOnCommit(step) || s.AwaitsCheckout() {
		return nil
	}
	var message, advice string
	switch {
	case s.Ref.SHA == session.NoCommit:
		message = fmt.Sprintf(
			"step %s needs to know its commit, and neither GIT_SHA nor a git repository names one",
			step.Name,
		)
		advice = "set BRANCH and GIT_SHA, run in a git repository, or use --force"
	case s.Dirty:
		message = fmt.Sprintf(
			"step %s needs the workspace of commit %.12s, and this one has changes that are not in it", step.Name,
			s.Ref.SHA,
		)
		advice = "commit or stash the changes, or use --force"
	default:
		return nil
	}
	if s.Config.Force {
		s.Log.Warn("forced: "+message, "forced", true)
		return nil
	}
	return &outcome.GuardError{Message: message, Advice: advice}
}

// ReliesOnCommit reports whether a step goes by what is on record of its commit, or changes an environment to it.
func ReliesOnCommit(step steps.Step) bool {
	return len(step.Needs)+len(step.Fetch) > 0 || step.Lock != ""
}

// Set is what a step fetches.
type Set struct {
	Kind       string
	Publishers []string // the steps that publish it
	IsBuild    bool     // it has a statement of who built it, see CheckSigned
}

// Fetch fetches a set of the commit into a folder, from the session's branch or the main branch. The error is a
// *outcome.GuardError if there is none, if it was published from a workspace that was not the commit's, or if it is
// not the one that was approved or signed, see CheckDigest and CheckSigned.
func Fetch(ctx context.Context, s *session.Session, set Set, dir string) (artifacts.Manifest, error) {
	kind := set.Kind
	published := lookUp(ctx, s, kind, set.Publishers)
	manifest, err := Manifest(ctx, s, kind)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return manifest, &outcome.GuardError{
			Message: fmt.Sprintf("there are no %s of commit %.12s in %s", kind, s.Ref.SHA, s.Place),
			Advice:  "run the step that publishes them first",
		}
	case err != nil:
		return manifest, outcome.ArtifactsError{Err: err}
	case manifest.Dirty && !s.Config.Force:
		return manifest, &outcome.GuardError{
			Message: fmt.Sprintf(
				"the %s of commit %.12s were published from a workspace with changes that are not in it", kind,
				s.Ref.SHA,
			),
			Advice: "run the step that publishes them again, on the commit itself",
		}
	}
	if err := checkDigest(s, set.Publishers, manifest, published); err != nil {
		return manifest, err
	}
	if set.IsBuild {
		if err := CheckSigned(ctx, s, manifest); err != nil {
			return manifest, err
		}
	}
	fetched, err := artifacts.Fetch(
		ctx, s.Store, kind, manifest.Ref(), dir,
		artifacts.FetchOptions{Within: s.Config.Workspace, Known: &manifest},
	)
	if err != nil {
		return fetched, outcome.ArtifactsError{Err: err}
	}
	if fetched.Digest() != manifest.Digest() { // it was replaced meanwhile
		return fetched, &outcome.GuardError{
			Message: fmt.Sprintf("the %s of commit %.12s were replaced by run %s while they were fetched", kind, s.Ref.SHA, fetched.RunID),
			Advice:  "run the step again",
		}
	}
	return fetched, nil
}

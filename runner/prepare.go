package runner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/source"
	"github.com/carlin-cicd/runner/steps"
)

// checkout brings the workspace to the commit that is asked for, where it is not there yet.
func (r *run) checkout() error {
	if !r.AwaitsCheckout() {
		return nil
	}
	credentials, err := r.private.Resolve(r.Stop.Work, &r.Session, "GITHUB_TOKEN", "RUNNER_SSH_KEY")
	if err != nil {
		return err
	}
	r.installed = r.baked()
	_, changed, err := source.Checkout(r.Stop.Work, r.Git, source.Options{
		URL: r.Config.Repository, SHA: r.Ref.SHA, Branch: r.Config.Branch, Dir: r.Config.Workspace,
		Token: credentials["GITHUB_TOKEN"], SSHKey: credentials["RUNNER_SSH_KEY"], KnownHosts: r.Config.KnownHosts, SSHCommand: r.Variables["GIT_SSH_COMMAND"],
		Retries: max(r.Config.Retries, 3), Log: func(msg string, args ...any) { r.Log.Info(msg, args...) },
	})
	if err != nil && !r.Deadline.IsZero() && time.Now().After(r.Deadline) {
		return &process.TimeoutError{Limit: r.step.Timeout} // git was ended for it
	}
	if err != nil {
		return outcome.SourceError{Err: err}
	}
	if changed {
		r.Log.Info("checked out", "commit", r.Ref.SHA)
	}
	return outcome.Refused(r.resolveStep()) // the commit brings its own runner.yaml
}

// checkNeeds returns the newest runs of the steps that a step needs. The error is a *outcome.GuardError unless all of them
// passed for the same commit.
func checkNeeds(s *session.Session, step steps.Step) (needed []neededRun, err error) {
	for _, need := range step.Needs {
		latest, err := newestRun(s.Stop.Work, s, need)
		switch {
		case errors.Is(err, os.ErrNotExist):
			return nil, &outcome.GuardError{
				Message: fmt.Sprintf("step %s needs %s, which has not run for commit %.12s", step.Name, need, s.Ref.SHA),
				Advice:  "run it first: runner --step " + need,
			}
		case err != nil:
			return nil, outcome.ArtifactsError{Err: err}
		case !latest.Passed:
			return nil, &outcome.GuardError{
				Message: fmt.Sprintf("step %s needs %s, which ended with %s (exit %d) for commit %.12s", step.Name, need, latest.Reason, latest.ExitCode, s.Ref.SHA),
				Advice:  "its record is " + latest.Key + "/finished.json in " + s.Place,
			}
		}
		needed = append(needed, neededRun{need, latest})
	}
	return needed, nil
}

// fetch brings sets of this commit into the workspace, to where the step that made them had them.
func (r *run) fetch() error {
	for _, kind := range r.step.Fetch {
		path, ok := r.steps.ArtifactPath(kind)
		if !ok {
			return &outcome.ConfigError{Message: fmt.Sprintf("no step makes %s, so there is no place for it", kind), Advice: "see runner steps for the artifacts there are"}
		}
		ctx, done := r.showing(r.Stop.Work, "fetching "+kind)
		manifest, err := artifacts.Fetch(ctx, r.Store, kind, r.Ref, filepath.Join(r.Config.Workspace, path))
		done()
		if errors.Is(err, os.ErrNotExist) {
			return &outcome.GuardError{
				Message: fmt.Sprintf("there are no %s of commit %.12s in %s", kind, r.Ref.SHA, r.Place),
				Advice:  "run the step that makes them first",
			}
		}
		if err != nil {
			return outcome.ArtifactsError{Err: err}
		}
		r.Log.Info("fetched", "artifact", kind, "files", len(manifest.Files), "bytes", manifest.Bytes(), "to", path)
	}
	return nil
}

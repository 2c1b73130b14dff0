package runner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/source"
)

// checkout brings the workspace to the commit that is asked for, where it is not there yet.
func (r *run) checkout() error {
	if !r.awaitsCheckout() {
		return nil
	}
	credentials, err := r.privately(r.stop.work, "GITHUB_TOKEN", "RUNNER_SSH_KEY")
	if err != nil {
		return err
	}
	r.installed = r.baked()
	_, changed, err := source.Checkout(r.stop.work, r.git, source.Options{
		URL: r.config.Repository, SHA: r.ref.SHA, Branch: r.config.Branch, Dir: r.config.Workspace,
		Token: credentials["GITHUB_TOKEN"], SSHKey: credentials["RUNNER_SSH_KEY"], KnownHosts: r.config.KnownHosts, SSHCommand: r.in.Variables["GIT_SSH_COMMAND"],
		Retries: max(r.config.Retries, 3), Log: func(msg string, args ...any) { r.log.Info(msg, args...) },
	})
	if err != nil && !r.deadline.IsZero() && time.Now().After(r.deadline) {
		return &process.TimeoutError{Limit: r.step.Timeout} // git was ended for it
	}
	if err != nil {
		return sourceError{err}
	}
	if changed {
		r.log.Info("checked out", "commit", r.ref.SHA)
	}
	return refuse(r.settle()) // the commit brings its own runner.yaml
}

// guard sees that the steps which this one needs are on record as passed for the same commit.
func (r *run) guard() error {
	for _, need := range r.step.Needs {
		record, err := r.newest(r.stop.work, need)
		switch {
		case errors.Is(err, os.ErrNotExist):
			return &GuardError{
				Message: fmt.Sprintf("step %s needs %s, which has not run for commit %.12s", r.step.Name, need, r.ref.SHA),
				Advice:  "run it first: runner --step " + need,
			}
		case err != nil:
			return artifactsError{err}
		case !record.Passed:
			return &GuardError{
				Message: fmt.Sprintf("step %s needs %s, which ended with %s (exit %d) for commit %.12s", r.step.Name, need, record.Reason, record.ExitCode, r.ref.SHA),
				Advice:  "its record is " + record.Key + "/finished.json in " + r.place,
			}
		}
		r.outputs.needed = append(r.outputs.needed, neededRun{need, record})
	}
	return nil
}

// fetch brings sets of this commit into the workspace, to where the step that made them had them.
func (r *run) fetch() error {
	for _, kind := range r.step.Fetch {
		path, ok := r.steps.ArtifactPath(kind)
		if !ok {
			return &ConfigError{Message: fmt.Sprintf("no step makes %s, so there is no place for it", kind), Advice: "see runner steps for the artifacts there are"}
		}
		ctx, done := r.showing(r.stop.work, "fetching "+kind)
		manifest, err := artifacts.Fetch(ctx, r.store, kind, r.ref, filepath.Join(r.config.Workspace, path))
		done()
		if errors.Is(err, os.ErrNotExist) {
			return &GuardError{
				Message: fmt.Sprintf("there are no %s of commit %.12s in %s", kind, r.ref.SHA, r.place),
				Advice:  "run the step that makes them first",
			}
		}
		if err != nil {
			return artifactsError{err}
		}
		r.log.Info("fetched", "artifact", kind, "files", len(manifest.Files), "bytes", manifest.Bytes(), "to", path)
	}
	return nil
}

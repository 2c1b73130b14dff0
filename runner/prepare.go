package runner

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/carlin-cicd/runner/runner/needs"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/source"
)

// checkout checks out the commit, unless the workspace has it already.
func (r *run) checkout() error {
	if !r.AwaitsCheckout() {
		return nil
	}
	credentials, err := r.private.Resolve(r.Stop.Work, &r.Session, "GITHUB_TOKEN", "RUNNER_SSH_KEY")
	if err != nil {
		return err
	}
	r.installed = r.installedDependencies()
	_, changed, err := source.Checkout(r.Stop.Work, r.Git, source.Options{
		URL: r.Config.Repository, SHA: r.Ref.SHA, Branch: r.Config.Branch, Dir: r.Config.Workspace,
		Token: credentials["GITHUB_TOKEN"], SSHKey: credentials["RUNNER_SSH_KEY"], KnownHosts: r.Config.KnownHosts, SSHCommand: r.Variables["GIT_SSH_COMMAND"],
		Retries: max(r.Config.Retries, 3), Log: r.Log,
	})
	if err != nil && !r.Deadline.IsZero() && time.Now().After(r.Deadline) {
		return &process.TimeoutError{Limit: r.step.Timeout} // git was killed by it
	}
	if err != nil {
		return outcome.SourceError{Err: err}
	}
	if changed {
		r.Log.Info("checked out", "commit", r.Ref.SHA)
	}
	return outcome.Refused(r.resolveStep()) // the commit brings its own runner.yaml
}

// checkPrerequisites checks the commit and the runs that the step needs, and receives their outputs.
func (r *run) checkPrerequisites() error {
	if err := needs.CheckCommit(&r.Session, r.step); err != nil {
		return err
	}
	runs, err := needs.Check(r.Stop.Work, &r.Session, r.step)
	if err != nil {
		return err
	}
	for _, n := range runs {
		if err := r.receiveOutputs(r.Stop.Work, n); err != nil {
			return err
		}
	}
	return r.checkRequired(false)
}

// fetch fetches sets of this commit into the workspace, to where the steps that publish them have them.
func (r *run) fetch() error {
	for _, kind := range r.step.Fetch {
		path, ok := r.steps.ArtifactPath(kind)
		if !ok {
			return &outcome.ConfigError{
				Message: fmt.Sprintf("no step publishes %s, so its folder is not known", kind), Advice: "see runner steps for the artifacts",
			}
		}
		ctx, done := r.showProgress(r.Stop.Work, "fetching "+kind)
		manifest, err := needs.Fetch(ctx, &r.Session, kind, filepath.Join(r.Config.Workspace, path))
		done()
		if err != nil {
			return err
		}
		r.Log.Info("fetched", "artifact", kind, "files", len(manifest.Files), "bytes", manifest.Bytes(), "to", path)
	}
	return nil
}

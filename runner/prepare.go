package runner

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/needs"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/pipeline"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/shards"
	"github.com/carlin-cicd/runner/runner/verdict"
	"github.com/carlin-cicd/runner/steps"
)

// checkout checks out the commit, unless the workspace has it already, and what the step's settings add to it.
func (r *run) checkout() error {
	if r.AwaitsCheckout() {
		if err := r.fetchCommit(); err != nil {
			return err
		}
		if err := outcome.Refused(r.selectTests()); err != nil {
			return err
		}
	}
	return r.source.Configure(r.step.Checkout, r.env.Variables)
}

// fetchCommit brings the workspace to the commit, which has its own runner.yaml.
func (r *run) fetchCommit() error {
	r.installed = r.installedDependencies()
	asked, startedKey := r.Ref.SHA, r.runKey()
	bring, complete := r.source.Fetch, r.source.Complete
	if r.AwaitsSwitch() {
		bring, complete = r.source.Switch, func(steps.Checkout) error { return nil }
	}
	changed, err := bring()
	if err != nil {
		return r.timeoutOr(err)
	}
	switch {
	case changed && r.AwaitsSwitch():
		r.Log.Info("checked out", "commit", r.Ref.SHA, "before", r.Head, "hint", "git switch - goes back")
	case changed:
		r.Log.Info("checked out", "commit", r.Ref.SHA, "before", r.Head)
	}
	if err := outcome.Refused(r.resolveStep()); err != nil {
		return err
	}
	if r.Ref.SHA != asked { // a tag object's id, or the beginning of one: the run is recorded under the commit
		if !strings.HasPrefix(r.Ref.SHA, asked) {
			r.Log.Info("the tag was resolved to its commit", "tag", asked, "commit", r.Ref.SHA)
		}
		r.moveStartedRecord(startedKey)
	}
	return r.timeoutOr(complete(r.step.Checkout))
}

// storePlan stores what the pipeline runs for this commit, if the step is the first of it. Without a plan the pipeline
// cannot go on, so the step fails if it cannot be stored.
func (r *run) storePlan() error {
	stages := r.steps.Pipeline()
	if r.isPartial() || pipeline.Entry(stages) != r.step.Name || r.Config.Environment != "" || r.Ref.SHA == session.NoCommit {
		return nil
	}
	if err := r.checkDivided(stages); err != nil {
		return err
	}
	plan := pipeline.ForRun(&r.Session, r.steps, r.source.Changed)
	if err := r.pinTimes(plan); err != nil {
		return outcome.ArtifactsError{Err: err}
	}
	for _, skipped := range plan.Skipped {
		r.Log.Info("left out of the pipeline", "what", skipped.String(), "reason", skipped.Reason)
	}
	key := keys.Plan(r.Ref, r.step.Name, r.Config.Event)
	if err := artifacts.PutJSON(r.Stop.Work, r.Store, key, redact.Value(r.Redactor, plan)); err != nil {
		return outcome.ArtifactsError{Err: err}
	}
	return nil
}

// checkDivided refuses, before anything runs, a pipeline that divides tests which cannot be.
func (r *run) checkDivided(stages steps.Pipeline) error {
	for _, stage := range stages {
		for _, job := range stage.Jobs {
			step, err := r.steps.Find(job.Steps[0])
			if err != nil || job.Parallel < 2 {
				continue
			}
			if _, err := shards.Of(step, r.Path(step.Directory)); err != nil {
				return &outcome.ConfigError{Message: job.Origin + ": " + err.Error(), Advice: outcome.Hint(err)}
			}
		}
	}
	return nil
}

// pinTimes copies the times by which tests are divided beside the plan, so that all shards go by the same.
func (r *run) pinTimes(plan pipeline.Plan) (err error) {
	for _, stage := range plan.Stages {
		for i := range stage.Jobs {
			job := &stage.Jobs[i]
			if job.Shards == 0 {
				continue
			}
			from := verdict.TimesKeys(&r.Session, job.Steps[0])
			if job.History, err = shards.PinPlan(r.Stop.Work, r.Store, r.Ref, r.step.Name, from); err != nil {
				return err
			}
		}
	}
	return nil
}

// timeoutOr returns the timeout as the error of a git that was killed by it.
func (r *run) timeoutOr(err error) error {
	var source outcome.SourceError
	if errors.As(err, &source) && !r.Deadline.IsZero() && time.Now().After(r.Deadline) {
		return &process.TimeoutError{Limit: r.step.Timeout}
	}
	return err
}

// checkPrerequisites checks the commit and the runs that the step needs, and receives their outputs.
func (r *run) checkPrerequisites() error {
	if err := needs.CheckCommit(&r.Session, r.step); err != nil {
		return err
	}
	r.noteUnproven()
	runs, err := needs.Check(r.Stop.Work, &r.Session, r.step, r.steps.Pipeline())
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

// noteUnproven logs that later steps cannot rely on the run. If the step itself relies on the commit, that was said.
func (r *run) noteUnproven() {
	const consequence = "so that this run satisfies neither needs: nor fetch: of later steps"
	if r.IsElsewhere() && !r.AwaitsSwitch() {
		r.Log.Warn("the workspace is at another commit than the run", "commit", r.Ref.SHA, "workspace", r.Head,
			"hint", "set REPOSITORY_URL to have the commit checked out, or leave GIT_SHA unset")
	}
	switch {
	case r.shard != nil: // the merged run is what they rely on
	case r.isPartial():
		r.Log.Info("only a part of the tests runs, "+consequence, "tests", strings.Join(r.Config.OnlyWords(), ", "))
	case needs.ReliesOnCommit(r.step):
	case r.Ref.SHA == session.NoCommit:
		r.Log.Warn("the commit is not known, "+consequence, "hint", "set BRANCH and GIT_SHA, or run in a git repository")
	case r.Dirty:
		r.Log.Info("the workspace has changes that are not in the commit, " + consequence)
	}
}

// fetch fetches sets of this commit into the workspace, to where the steps that publish them have them.
func (r *run) fetch() error {
	for _, kind := range r.step.Fetch {
		path, ok := r.steps.ArtifactPath(kind)
		if !ok {
			return &outcome.ConfigError{
				Message: fmt.Sprintf(
					"no step publishes %s, so its folder is not known",
					kind,
				), Advice: "see runner steps for the artifacts",
			}
		}
		ctx, done := r.showProgress(r.Stop.Work, "fetching "+kind)
		manifest, err := needs.Fetch(
			ctx, &r.Session,
			needs.Set{Kind: kind, Publishers: r.steps.Publishers(kind), IsBuild: r.isBuild(kind)},
			filepath.Join(r.Config.Workspace, path),
		)
		done()
		if err != nil {
			return err
		}
		r.Log.Info(
			"fetched",
			"artifact",
			kind,
			"files",
			len(manifest.Files),
			"bytes",
			manifest.Bytes(),
			"sha256",
			manifest.Digest(),
			"to",
			path,
		)
	}
	return nil
}

package runner

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"

	"github.com/carlin-cicd/runner/runner/notify"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps/results"
)

// heading is what people are told of a run before it has done anything.
func (r *run) heading() notify.Run {
	clean := r.Redactor.String
	n := notify.Run{
		ID: r.ID, Step: r.step.Name, Environment: r.Config.Environment, Branch: clean(cmp.Or(r.Ref.Branch, r.Config.Branch, r.Config.GitHubBranch)), SHA: r.Ref.SHA,
		Repository: r.Config.GitHubName, RepositoryURL: r.web(), Actor: clean(r.actor()), Started: r.Began,
	}
	if n.SHA == session.NoCommit {
		n.SHA = ""
	}
	return n
}

// news is what people are told of a run that has ended, redacted: the parts of it that somebody or some program has written.
func (r *run) news(o outcome.Outcome) notify.Run {
	clean := r.Redactor.String
	n := r.heading()
	n.Passed, n.Cancelled, n.Reason, n.ExitCode, n.Duration = o.Passed(), o.Reason == record.Cancelled, string(o.Reason), o.ExitCode, r.now().Sub(r.Began)
	switch o.Reason {
	case record.BadConfig, record.Secrets, record.Source, record.Guard:
		n.Blocked = true
	}
	if o.Err != nil {
		n.Error, n.Hint = clean(o.Err.Error()), clean(outcome.Hint(o.Err))
	}
	if r.recorded() {
		n.Record = clean(r.Place + "/" + r.runKey())
	}
	if r.verdict.Coverage != nil {
		n.Coverage = clean(present.CoverageLine(r.verdict.Coverage))
	}
	n.Stack = clean(present.RollbackLine(r.delivery.Delivery(), nil))
	if n.Stack != "" && r.delivery.StackName() != "" {
		n.Stack = r.delivery.StackName() + ": " + n.Stack
	}
	if t := r.verdict.Tests; t != nil {
		n.Tests = &notify.Tests{
			Total: t.Total, Passed: t.Total - t.Failed - t.Errored - t.Skipped - t.Quarantined, Failed: t.Failed + t.Errored, Skipped: t.Skipped, Flaky: t.Flaky,
		}
		within := r.withinRepository()
		for _, c := range t.Failures {
			n.Tests.Failures = append(n.Tests.Failures, r.failure(c, within))
		}
	}
	return n
}

// failure is a failing test, and where it is in the repository.
func (r *run) failure(c results.Case, within string) notify.Failure {
	clean := r.Redactor.String
	name := c.Name
	if c.Class != "" && !strings.Contains(name, c.Class) {
		name = c.Class + " › " + name
	}
	at := r.locateFailure(c, within)
	return notify.Failure{Name: clean(name), Message: clean(c.Message), Details: clean(c.Details), File: clean(at.Path), Line: at.Line}
}

// withinRepository is the step's folder relative to the repository that the workspace is in, which may be above it.
func (r *run) withinRepository() string {
	for root := r.Config.Workspace; ; root = filepath.Dir(root) {
		if _, err := os.Lstat(filepath.Join(root, ".git")); err == nil {
			if within, err := filepath.Rel(root, r.directory()); err == nil {
				return filepath.ToSlash(within)
			}
		}
		if root == filepath.Dir(root) {
			return filepath.ToSlash(filepath.Clean(r.step.Directory))
		}
	}
}

// web is where a browser finds the repository, "" if nobody knows.
func (r *run) web() string {
	c := r.Config
	if c.Repository == "" && c.GitHubName != "" && strings.HasPrefix(c.GitHubServer, "https://") {
		return strings.TrimSuffix(c.GitHubServer, "/") + "/" + c.GitHubName
	}
	return repositoryURL(c.Repository, c.GitHubName)
}

// actor is who has caused the run: who has pushed, or outside of a task, whose machine it is.
func (r *run) actor() string {
	if r.Config.Actor == "" && r.task.ARN == "" {
		return r.Variables["USER"]
	}
	return r.Config.Actor
}

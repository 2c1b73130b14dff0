package runner

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/carlin-cicd/runner/runner/notify"
	"github.com/carlin-cicd/runner/steps/results"
)

// heading is what people are told of a run before it has done anything.
func (r *run) heading() notify.Run {
	clean := r.redactor.String
	n := notify.Run{
		ID: r.id, Step: r.step.Name, Environment: r.config.Environment, Branch: clean(first(r.ref.Branch, r.config.Branch, r.config.GitHubBranch)), SHA: r.ref.SHA,
		Repository: r.config.GitHubName, RepositoryURL: r.web(), Actor: clean(r.actor()), Started: r.begun,
	}
	if n.SHA == noCommit {
		n.SHA = ""
	}
	return n
}

// news is what people are told of a run that has ended, redacted: the parts of it that somebody or some program has written.
func (r *run) news(o Outcome) notify.Run {
	clean := r.redactor.String
	n := r.heading()
	n.Passed, n.Cancelled, n.Reason, n.ExitCode, n.Duration = o.Passed(), o.Reason == Cancelled, string(o.Reason), o.ExitCode, r.now().Sub(r.begun)
	switch o.Reason {
	case BadConfig, Secrets, Source, Guard:
		n.Blocked = true
	}
	if o.Err != nil {
		n.Error, n.Hint = clean(o.Err.Error()), clean(HintOf(o.Err))
	}
	if r.recorded() {
		n.Record = clean(r.place + "/" + r.runKey())
	}
	if r.coverage != nil {
		n.Coverage = clean(coverageText(*r.coverage))
	}
	n.Stack = clean(stackText(r.delivery.outcome(), func(text string) string { return text }))
	if n.Stack != "" && r.delivery.name != "" {
		n.Stack = r.delivery.name + ": " + n.Stack
	}
	if t := r.tests; t != nil {
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
	clean := r.redactor.String
	here := filepath.ToSlash(r.directory()) + "/"
	name := c.Name
	if c.Class != "" && !strings.Contains(name, c.Class) {
		name = c.Class + " › " + name
	}
	f := notify.Failure{Name: clean(name), Message: clean(c.Message), Details: clean(c.Details)}
	f.File, f.Line = notify.FindLocation(strings.TrimPrefix(c.File, here), within, strings.ReplaceAll(c.Message+"\n"+c.Details, here, ""))
	f.File = clean(f.File)
	return f
}

// withinRepository is the step's folder relative to the repository that the workspace is in, which may be above it.
func (r *run) withinRepository() string {
	for root := r.config.Workspace; ; root = filepath.Dir(root) {
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
	c := r.config
	if c.Repository == "" && c.GitHubName != "" && strings.HasPrefix(c.GitHubServer, "https://") {
		return strings.TrimSuffix(c.GitHubServer, "/") + "/" + c.GitHubName
	}
	return repositoryURL(c.Repository, c.GitHubName)
}

// actor is who has caused the run: who has pushed, or outside of a task, whose machine it is.
func (r *run) actor() string {
	if r.config.Actor == "" && r.task.ARN == "" {
		return r.in.Variables["USER"]
	}
	return r.config.Actor
}

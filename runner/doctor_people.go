package runner

import (
	"context"
	"errors"
	"fmt"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/outcome"
)

// people examines whether those who are to be told of a run can be. Nothing is sent: whether a webhook works shows only by a
// message. That somebody is not told fails no run, so it is worth a warning.
func (e *examination) people(ctx context.Context) {
	if e.Variables["SLACK_WEBHOOK_URL"] != "" {
		e.slack(ctx)
	}
	if e.Variables["GITHUB_TOKEN"] != "" {
		e.github(ctx)
	}
}

func (e *examination) slack(ctx context.Context) {
	const subject = "slack"
	slack, err := e.run.slack(ctx)
	if err == nil {
		err = slack.Check()
	}
	if err != nil {
		e.wrong(artifacts.Warning, subject, err.Error(), outcome.Hint(err))
		return
	}
	e.ok(subject, "SLACK_WEBHOOK_URL looks like a webhook; whether it works shows at the first message")
}

func (e *examination) github(ctx context.Context) {
	const subject = "github"
	c := e.run.Config
	hub, err := e.run.github(ctx)
	if secret := (*outcome.SecretsError)(nil); errors.As(err, &secret) && c.Repository != "" {
		e.wrong(artifacts.Failure, subject, err.Error(), outcome.Hint(err)) // the checkout takes it, too
		return
	}
	switch {
	case err != nil:
		e.wrong(artifacts.Warning, subject, err.Error(), outcome.Hint(err))
		return
	case c.GitHubName == "":
		e.ok(subject, "GITHUB_REPOSITORY is not set, so commits get no status")
		return
	}
	access, err := hub.CheckAccess(ctx)
	kind := map[bool]string{true: "private", false: "public"}[access.Private]
	switch {
	case err != nil:
		e.wrong(artifacts.Warning, subject, err.Error(), outcome.Hint(err))
	case c.GitHubStatus == "off":
		e.ok(subject, "GITHUB_TOKEN is let see %s (%s); RUNNER_GITHUB_STATUS is off, so commits get no status", c.GitHubName, kind)
	case c.GitHubStatus != "on" && e.Variables["GITHUB_ACTIONS"] == "true":
		e.ok(subject, "GITHUB_TOKEN is let see %s (%s); the workflow has a status of its own, so commits get no other", c.GitHubName, kind)
	case c.GitHubStatus != "on" && e.run.Dirty:
		e.ok(subject, "GITHUB_TOKEN is let see %s (%s); the workspace has changes that are not in the commit, which so gets no status", c.GitHubName, kind)
	case !access.CanSetStatus():
		e.wrong(artifacts.Warning, subject, fmt.Sprintf("GITHUB_TOKEN may not set the status of a commit of %s", c.GitHubName), "give it the scope repo:status, or set RUNNER_GITHUB_STATUS=off")
	case access.Classic:
		e.ok(subject, "GITHUB_TOKEN may set the status of commits of %s (%s)", c.GitHubName, kind)
	default:
		e.ok(subject, "GITHUB_TOKEN is let see %s (%s); whether it may set a status shows at the first run", c.GitHubName, kind)
	}
}

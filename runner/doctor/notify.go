package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/notify"
	"github.com/carlin-cicd/runner/runner/outcome"
)

// notifications checks Slack and GitHub. Nothing is sent, so whether a webhook works shows only with the first message.
// Notifications that fail fail no run, so problems are warnings.
func (e *examiner) notifications(ctx context.Context) {
	if e.Variables["SLACK_WEBHOOK_URL"] != "" {
		e.slack(ctx)
	}
	if e.Variables["SLACK_BOT_TOKEN"] != "" {
		e.slackBot(ctx)
	}
	if e.Variables["GITHUB_TOKEN"] != "" {
		e.github(ctx)
	}
}

func (e *examiner) slack(ctx context.Context) {
	const subject = "slack"
	values, err := e.private.Resolve(ctx, e.session, "SLACK_WEBHOOK_URL")
	slack := notify.Slack{WebhookURL: strings.TrimSpace(values["SLACK_WEBHOOK_URL"])}
	if err == nil {
		err = slack.Check()
	}
	if err != nil {
		e.problem(artifacts.Warning, subject, err.Error(), outcome.Hint(err))
		return
	}
	e.ok(subject, "SLACK_WEBHOOK_URL looks like a webhook; whether it works shows with the first message")
}

func (e *examiner) slackBot(ctx context.Context) {
	const subject = "slack"
	c := e.session.Config
	values, err := e.private.Resolve(ctx, e.session, "SLACK_BOT_TOKEN")
	bot := notify.Bot{Token: strings.TrimSpace(values["SLACK_BOT_TOKEN"]), Channel: c.SlackChannel, URL: c.SlackAPI}
	if err == nil {
		err = bot.Check()
	}
	if err != nil {
		e.problem(artifacts.Warning, subject, err.Error(), outcome.Hint(err))
		return
	}
	e.ok(subject, "SLACK_BOT_TOKEN looks like the token of a bot; whether it may post to %s shows with the first message", c.SlackChannel)
}

func (e *examiner) github(ctx context.Context) {
	const subject = "github"
	c := e.session.Config
	values, err := e.private.Resolve(ctx, e.session, "GITHUB_TOKEN")
	hub := notify.GitHub{Token: strings.TrimSpace(values["GITHUB_TOKEN"]), Repository: c.GitHubName, URL: c.GitHubAPI}
	if secret := (*outcome.SecretsError)(nil); errors.As(err, &secret) && c.Repository != "" {
		e.problem(artifacts.Failure, subject, err.Error(), outcome.Hint(err)) // the checkout needs it, too
		return
	}
	switch {
	case err != nil:
		e.problem(artifacts.Warning, subject, err.Error(), outcome.Hint(err))
		return
	case c.GitHubName == "":
		e.ok(subject, "GITHUB_REPOSITORY is not set, so commits get no status")
		return
	}
	access, err := hub.CheckAccess(ctx)
	kind := map[bool]string{true: "private", false: "public"}[access.Private]
	switch {
	case err != nil:
		e.problem(artifacts.Warning, subject, err.Error(), outcome.Hint(err))
	case c.GitHubStatus == "off":
		e.ok(
			subject,
			"GITHUB_TOKEN can read %s (%s); RUNNER_GITHUB_STATUS is off, so commits get no status",
			c.GitHubName,
			kind,
		)
	case c.GitHubStatus != "on" && e.Variables["GITHUB_ACTIONS"] == "true":
		e.ok(
			subject,
			"GITHUB_TOKEN can read %s (%s); the workflow sets its own status, so the runner sets none",
			c.GitHubName,
			kind,
		)
	case c.GitHubStatus != "on" && e.session.Dirty:
		e.ok(
			subject,
			"GITHUB_TOKEN can read %s (%s); the workspace has changes that are not in the commit, so the commit gets no status",
			c.GitHubName,
			kind,
		)
	case !access.CanSetStatus():
		e.problem(
			artifacts.Warning,
			subject,
			fmt.Sprintf("GITHUB_TOKEN may not set the status of a commit of %s", c.GitHubName),
			"give it the scope repo:status, or set RUNNER_GITHUB_STATUS=off",
		)
	case access.Classic:
		e.ok(subject, "GITHUB_TOKEN may set the status of commits of %s (%s)", c.GitHubName, kind)
	default:
		e.ok(
			subject,
			"GITHUB_TOKEN can read %s (%s); whether it may set a status shows with the first run",
			c.GitHubName,
			kind,
		)
	}
}

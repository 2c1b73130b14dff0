package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"
	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/runner/digest"
	"github.com/carlin-cicd/runner/runner/environment"
	"github.com/carlin-cicd/runner/runner/notify"
	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/runs"
	"github.com/carlin-cicd/runner/runner/session"
)

var (
	daysFlag  = flagSpec{"days", "RUNNER_DAYS", "NUMBER", "how many days until now (default 7)"}
	slackFlag = flagSpec{"slack", "RUNNER_DIGEST_SLACK", "", "post it to Slack, as runs are"}
)

// digestStep is the step by which a schedule starts the command.
const digestStep = "digest"

func newDigestCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "digest",
		GroupID: groupLook,
		Short:   "sum up the runs of the last days",
		Long: "runner digest sums up the runs of the last days: how many failed, what fails now and since when, the\n" +
			"steps with their cost, the flakiest and the slowest tests. It reads the index of runs alone.\n" +
			"A task with PIPELINE_STEP=digest, as of a schedule, posts it to Slack, unless runner.yaml has such a step.",
		Example: "runner digest\nrunner digest --days 30 --branch main\nrunner digest --slack",
		Args:    arguments(0),
		RunE:    o.withStore(artifactStore.digest),
		Annotations: map[string]string{
			helpFooter: "Exit codes: 1 the store failed, or Slack did not take it; 125 bad input.\n",
		},
	}
	declare(cmd, daysFlag, branchFlag.describe("only runs of this branch (default all)"), slackFlag, jsonFlag.describe("one JSON object"), storeFlag)
	declare(cmd, checkoutFlags...)
	return cmd
}

// digest is runner digest: of the index alone, whatever it has of the days.
func (s artifactStore) digest(ctx context.Context, _ []string) error {
	days := 7
	if text := s.variables[daysFlag.variable]; text != "" {
		var err error
		if days, err = strconv.Atoi(text); err != nil || days < 1 || days > 366 {
			return &usageError{fmt.Sprintf("--days cannot be %q", text), "write a number from 1 to 366"}
		}
	}
	post, err := boolean(s.variables, slackFlag.variable)
	if err != nil {
		return err
	}
	asJSON, err := boolean(s.variables, jsonFlag.variable)
	if err != nil {
		return err
	}
	store, err := s.index()
	if err != nil {
		return err
	}
	folders, err := s.folders()
	if err != nil {
		return err
	}
	to := time.Now()
	from := to.Add(-time.Duration(days) * 24 * time.Hour)
	list, err := runs.Since(ctx, store, folders, from)
	if err != nil {
		return err
	}
	d := digest.Of(list.Runs, from, to)
	d.Branch, d.Partial = s.config.Branch, list.Older
	if asJSON {
		text, err := json.Marshal(d)
		if err != nil {
			return err
		}
		err = s.printJSON(append(text, '\n'))
		if err != nil || !post {
			return err
		}
	} else if err := s.print("%s", present.Digest(d)); err != nil {
		return err
	}
	if post {
		return s.postToSlack(ctx, present.SlackDigest(d))
	}
	return nil
}

// postToSlack posts a message as runs do: by the app if there is one, else by the webhook.
func (s artifactStore) postToSlack(ctx context.Context, message *slack.WebhookMessage) error {
	opened := session.New(ctx, s.variables, s.config)
	var private environment.Private
	values, err := private.Resolve(ctx, opened, "SLACK_BOT_TOKEN", "SLACK_WEBHOOK_URL")
	if err != nil {
		return err
	}
	token, webhook := strings.TrimSpace(values["SLACK_BOT_TOKEN"]), strings.TrimSpace(values["SLACK_WEBHOOK_URL"])
	switch {
	case token != "":
		_, err = notify.Bot{Token: token, Channel: s.config.SlackChannel, URL: s.config.SlackAPI}.Post(ctx, message)
	case webhook != "":
		err = notify.Slack{WebhookURL: webhook}.Post(ctx, message)
	default:
		return &usageError{"there is no Slack to post to", "set SLACK_BOT_TOKEN and SLACK_CHANNEL, or SLACK_WEBHOOK_URL"}
	}
	return err
}

// isDigest reports whether a task is to post the digest: its step has that name, and the workspace has no such step.
func (o *options) isDigest(cmd *cobra.Command, variables map[string]string) bool {
	if variables[stepFlag.variable] != digestStep {
		return false
	}
	names, err := o.stepNames(cmd)
	return err == nil && !slices.Contains(names, digestStep)
}

// postDigest is the task of a schedule.
func (o *options) postDigest(cmd *cobra.Command, variables map[string]string) error {
	return o.interruptible(cmd.Context(), func(ctx context.Context) error {
		s, err := o.openStore(ctx, variables)
		if err != nil {
			return err
		}
		s.variables[slackFlag.variable] = "true"
		s.config.Branch = "" // of the commit that the task is for
		return s.digest(ctx, nil)
	})
}

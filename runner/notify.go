package runner

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/notify"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/steps"
)

// A run notifies Slack if SLACK_WEBHOOK_URL or SLACK_BOT_TOKEN is set, and GitHub if GITHUB_TOKEN and GITHUB_REPOSITORY are.
//
//  1. At its start the commit gets a pending status, concurrently with the run.
//  2. At its end, once record and report are stored, both services are notified at the same time: GitHub of every run, after
//     it has answered the first request; Slack of a failure, a recovery and a deploy, and of each other run where there is a
//     message of the commit. See notify_shared.go for what runs share: that message, and the comment of a pull request. They have notify.Timeout, and less if
//     the stop budget ends sooner.
//  3. Errors are logged, and change nothing.
//
// Without the variables no request is made.

// notifications is how far they have come; the zero value has not started.
type notifications struct {
	started chan error         // receives the result of notifyStart; nil if it was not called for
	cancel  context.CancelFunc // ends notifyStart
	ended   bool               // notifyEnd was called
}

// notifiesGitHub reports whether the commit gets a status of this run. It would be wrong for a workspace with other
// changes, and in a workflow the job has a status of its own.
func (r *run) notifiesGitHub() bool {
	const shaLength = 40 // GitHub accepts no abbreviation
	c := r.Config
	if c.GitHubStatus == "off" || r.Variables["GITHUB_TOKEN"] == "" || c.GitHubName == "" || len(r.Ref.SHA) != shaLength ||
		r.Ref.SHA == record.NoCommit || r.in.Undo || r.isPartial() || r.isDryRun() {
		return false
	}
	return c.GitHubStatus == "on" || r.Variables["GITHUB_ACTIONS"] != "true" && !r.Dirty
}

// notifiesSlack reports whether Slack is notified of runs.
func (r *run) notifiesSlack() bool {
	return (r.Variables["SLACK_WEBHOOK_URL"] != "" || r.hasBot()) && !r.isPartial() && !r.isDryRun()
}

// isDryRun reports whether only a plan was requested, even if the configuration was refused.
func (r *run) isDryRun() bool {
	text := r.Variables["RUNNER_DRY_RUN"]
	on, err := strconv.ParseBool(text)
	return text != "" && (err != nil || on)
}

// github returns the client for the repository.
func (r *run) github(ctx context.Context) (notify.GitHub, error) {
	values, err := r.private.Resolve(ctx, &r.Session, "GITHUB_TOKEN")
	token := strings.TrimSpace(values["GITHUB_TOKEN"])
	return notify.GitHub{Token: token, Repository: r.Config.GitHubName, URL: r.Config.GitHubAPI}, err
}

// slack returns the client for the webhook.
func (r *run) slack(ctx context.Context) (notify.Slack, error) {
	values, err := r.private.Resolve(ctx, &r.Session, "SLACK_WEBHOOK_URL")
	return notify.Slack{WebhookURL: strings.TrimSpace(values["SLACK_WEBHOOK_URL"])}, err
}

// notifyStart sets the pending status of the commit. The command does not wait for it.
func (r *run) notifyStart() {
	if !r.notifiesGitHub() {
		r.logNoStatus()
		return
	}
	status := present.GitHubPending(redact.Value(r.Redactor, r.identity()))
	ctx, cancel := r.Stop.NotifyContext()
	started := make(chan error, 1)
	r.notifications.started, r.notifications.cancel = started, cancel
	go func() {
		defer cancel()
		hub, err := r.github(ctx)
		if err == nil {
			err = hub.SetStatus(ctx, r.Ref.SHA, status)
		}
		if isRefused(err) {
			r.logNotifyError("GitHub", err) // at once, so that it is in the stored log
		}
		started <- err
	}()
}

// logNoStatus logs why the commit gets no status although one may be expected.
func (r *run) logNoStatus() {
	hasToken := r.Variables["GITHUB_TOKEN"] != "" && r.Config.GitHubName != ""
	switch {
	case r.Config.GitHubStatus == "on" && !hasToken:
		r.Log.Warn(
			"the commit gets no status",
			"error", "RUNNER_GITHUB_STATUS is on without GITHUB_TOKEN and GITHUB_REPOSITORY",
			"hint", "set them, or leave it at auto",
		)
	case r.Config.GitHubStatus == "auto" && hasToken && r.Dirty && !r.in.Undo:
		r.Log.Info("the commit gets no status: the workspace has changes that are not in it",
			"hint", "set RUNNER_GITHUB_STATUS=on if they do not matter")
	}
}

// awaitNotifyStart waits until GitHub has answered notifyStart or the request is cancelled, so that the pending status
// does not replace the final one.
func (r *run) awaitNotifyStart(ctx context.Context) error {
	n := r.notifications
	if n.started == nil {
		return nil
	}
	timeout := time.NewTimer(notify.Timeout / 2)
	defer timeout.Stop()
	select {
	case err := <-n.started:
		return err
	case <-timeout.C:
	case <-ctx.Done():
	}
	n.cancel()
	return <-n.started
}

// notifyEnd notifies both services of how the run ended; further calls do nothing. The function that it returns waits
// for the answers.
func (r *run) notifyEnd(ended record.Run) (wait func()) {
	n := &r.notifications
	shown := r.in.Terminal && !ended.Recorded // refused input at a terminal concerns only the person there
	toGitHub, toSlack := r.notifiesGitHub() && (!shown || n.started != nil), r.notifiesSlack() && !shown
	comments := r.comments() && ended.Recorded
	if n.ended || r.awaitsImage || !toGitHub && !toSlack && !comments {
		return func() {}
	}
	n.ended = true
	hasReport := r.published["report.html"]
	ctx, cancel := r.Stop.NotifyContext()
	ctx, cancelTimeout := context.WithTimeoutCause(ctx, notify.Timeout, notifyTimeoutError{})
	var github, slack, comment error
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		defer cancelTimeout()
		var report present.ReportLink
		if hasReport {
			report = r.linkReport(ctx)
		}
		var all sync.WaitGroup
		if toGitHub {
			all.Go(func() { github = r.notifyGitHub(ctx, ended, report) })
		}
		if toSlack {
			all.Go(func() { slack = r.notifySlack(ctx, ended, report) })
		}
		if comments {
			all.Go(func() { comment = r.commentOnPull(ctx, ended) })
		}
		all.Wait()
		github, slack, comment = causeOf(ctx, github), causeOf(ctx, slack), causeOf(ctx, comment)
	}()
	return func() {
		<-done
		r.logNotifyError("GitHub", github)
		r.logNotifyError("Slack", slack)
		if comment != nil {
			r.Log.Warn("the pull request got no comment", "error", comment.Error(), "hint", outcome.Hint(comment))
		}
	}
}

func (r *run) notifyGitHub(ctx context.Context, ended record.Run, report present.ReportLink) error {
	if err := r.awaitNotifyStart(ctx); isRefused(err) {
		return nil // which is logged already
	}
	hub, err := r.github(ctx)
	if err != nil {
		return err
	}
	return hub.Finish(ctx, present.GitHubStatus(ended, report), present.GitHubCheck(ended, report))
}

// notifySlack posts a failure, a recovery or a deploy.
func (r *run) notifySlack(ctx context.Context, ended record.Run, report present.ReportLink) error {
	recovered := r.recordOnBranch(ctx, ended)
	worthwhile := !ended.Passed || recovered || r.step.Lock == steps.LockStack
	message := present.SlackContext{Recovered: recovered, Report: report}
	if worthwhile {
		message.Mention = r.author(ctx, ended)
	}
	if r.hasBot() {
		return r.notifyBot(ctx, ended, message, worthwhile)
	}
	if !worthwhile {
		return nil
	}
	slack, err := r.slack(ctx)
	if err != nil {
		return err
	}
	return slack.Post(ctx, present.SlackMessage(ended, message))
}

// causeOf names the end of ctx in the error of a request that it cut short.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return fmt.Errorf("there was no answer in time: %w", cause)
	}
	return err
}

// notifyTimeoutError says that the services did not answer within the time for all of them.
type notifyTimeoutError struct{}

func (notifyTimeoutError) Error() string { return "it took longer than " + notify.Timeout.String() }

// Hint says where to look.
func (notifyTimeoutError) Hint() string {
	return "check that the service is up, and that the network lets this task reach it"
}

// isRefused reports whether GitHub rejected the credentials, or there are none: another attempt would fail, too.
func isRefused(err error) bool {
	var failed *notify.Error
	var secret *outcome.SecretsError
	return errors.As(err, &failed) && failed.Refused() || errors.As(err, &secret) && !secret.Transient
}

// logNotifyError logs that a service was not notified. A token may be there only for the checkout: unless the status
// was asked for, it is not a fault that it may set none.
func (r *run) logNotifyError(service string, err error) {
	var failed *notify.Error
	switch {
	case err == nil:
	case r.Config.GitHubStatus != "on" && errors.As(err, &failed) && failed.Service == "GitHub" && failed.Refused() &&
		failed.Status != http.StatusUnauthorized:
		r.Log.Info("the commit gets no status: GITHUB_TOKEN may not set one", "answer", err.Error(),
			"hint", outcome.Hint(err)+"; RUNNER_GITHUB_STATUS=off if it is for the checkout only")
	default:
		r.Log.Warn("could not notify "+service, "error", err.Error(), "hint", outcome.Hint(err))
	}
}

// recordOnBranch stores how the step ended for its next run on the branch. It reports whether this run passed and the
// one before did not.
func (r *run) recordOnBranch(ctx context.Context, ended record.Run) (recovered bool) {
	if r.Store == nil {
		return false
	}
	var before record.Latest
	key := keys.LatestRunOnBranch(r.Ref.Branch, r.step.Name, r.Config.Environment)
	err := artifacts.GetJSON(ctx, r.Store, key, &before)
	recovered = ended.Passed && err == nil && !before.Passed
	if err != nil || ended.Passed != before.Passed {
		err = artifacts.PutJSON(ctx, r.Store, key, record.Latest{
			RunID: r.ID, Key: r.runKey(), Passed: ended.Passed, Reason: ended.Reason, ExitCode: ended.ExitCode,
		})
	}
	if err != nil {
		r.Log.Debug("could not store how the step ended for its next run", "error", err.Error())
	}
	return recovered
}

// linker is a store that makes links to objects, for readers without credentials.
type linker interface {
	Presign(ctx context.Context, key string, validFor time.Duration) (link string, until time.Time, err error)
}

// linkReport returns a link to the page; the zero value if the store is a folder or links are turned off.
func (r *run) linkReport(ctx context.Context) present.ReportLink {
	store, ok := r.Store.(linker)
	if !ok || r.Config.ReportLink == 0 {
		return present.ReportLink{}
	}
	link, until, err := store.Presign(ctx, r.runKey()+"/report.html", r.Config.ReportLink)
	if err != nil {
		r.Log.Warn("could not create a link to the report", "error", err.Error(), "hint", outcome.Hint(err))
		return present.ReportLink{}
	}
	r.Redactor.Add(linkSecrets(link)...) // a service may repeat it in an error, and the log has other readers
	return present.ReportLink{URL: link, Expires: until}
}

// linkSecrets returns the parts of a link that authenticate it.
func linkSecrets(link string) []redact.Secret {
	u, err := url.Parse(link)
	if err != nil {
		return nil
	}
	var all []redact.Secret
	for _, name := range []string{"X-Amz-Signature", "X-Amz-Security-Token"} {
		if value := u.Query().Get(name); value != "" {
			all = append(all, redact.Secret{Name: "REPORT_LINK", Value: value})
		}
	}
	return all
}

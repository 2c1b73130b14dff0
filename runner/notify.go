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
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps"
)

// A run tells people of itself where there is a way to: Slack by SLACK_WEBHOOK_URL, GitHub by GITHUB_TOKEN and GITHUB_REPOSITORY.
//
//  1. At its beginning the commit gets a status that is pending, beside what else there is to do.
//  2. At its end, once record and report are stored, both are told at the same time: GitHub of every run, and not before it has
//     answered to the beginning; Slack of a failure, a recovery and a deploy. That has notify.Timeout, less if the stop budget ends.
//  3. Whatever goes wrong is told in the log, and changes nothing.
//
// Where no variable asks for it, nobody is asked anything.

// telling is how far that has come; the zero one has not begun.
type telling struct {
	begun  chan error         // how the telling of the beginning went; nil if nobody is told
	giveUp context.CancelFunc // ends it
	over   bool
}

// tellsGitHub reports whether the commit has a status of this run. One of a workspace that is not the commit's would be wrong, and
// in a workflow of GitHub's the job has one already.
func (r *run) tellsGitHub() bool {
	const whole = 40 // digits; GitHub takes no fewer
	c := r.Config
	if c.GitHubStatus == "off" || r.Variables["GITHUB_TOKEN"] == "" || c.GitHubName == "" || len(r.Ref.SHA) != whole || r.Ref.SHA == session.NoCommit || r.in.Undo || r.dryRun() {
		return false
	}
	return c.GitHubStatus == "on" || r.Variables["GITHUB_ACTIONS"] != "true" && !r.Dirty
}

// tellsSlack reports whether Slack is told of runs.
func (r *run) tellsSlack() bool { return r.Variables["SLACK_WEBHOOK_URL"] != "" && !r.dryRun() }

// dryRun reports whether only a plan was asked for, in words that may have been refused.
func (r *run) dryRun() bool {
	asked := r.Variables["RUNNER_DRY_RUN"]
	no, err := strconv.ParseBool(asked)
	return asked != "" && (err != nil || no)
}

// github is the client for the repository.
func (r *run) github(ctx context.Context) (notify.GitHub, error) {
	values, err := r.private.Resolve(ctx, &r.Session, "GITHUB_TOKEN")
	return notify.GitHub{Token: strings.TrimSpace(values["GITHUB_TOKEN"]), Repository: r.Config.GitHubName, URL: r.Config.GitHubAPI}, err
}

// slack is the client for the webhook.
func (r *run) slack(ctx context.Context) (notify.Slack, error) {
	values, err := r.private.Resolve(ctx, &r.Session, "SLACK_WEBHOOK_URL")
	return notify.Slack{WebhookURL: strings.TrimSpace(values["SLACK_WEBHOOK_URL"])}, err
}

// tellBeginning has GitHub show that the run is on its way. The command does not wait for that.
func (r *run) tellBeginning() {
	if !r.tellsGitHub() {
		could := r.Variables["GITHUB_TOKEN"] != "" && r.Config.GitHubName != ""
		switch {
		case r.Config.GitHubStatus == "on" && !could:
			r.Log.Warn("the commit gets no status", "error", "RUNNER_GITHUB_STATUS is on without GITHUB_TOKEN and GITHUB_REPOSITORY", "hint", "set them, or leave it at auto")
		case r.Config.GitHubStatus == "auto" && could && r.Dirty && !r.in.Undo:
			r.Log.Info("the commit gets no status: the workspace has changes that are not in it", "hint", "set RUNNER_GITHUB_STATUS=on if they do not matter")
		}
		return
	}
	news := r.heading()
	ctx, cancel := r.Stop.NotifyContext()
	begun := make(chan error, 1)
	r.telling.begun, r.telling.giveUp = begun, cancel
	go func() {
		defer cancel()
		hub, err := r.github(ctx)
		if err == nil {
			err = hub.Start(ctx, news)
		}
		if refused(err) {
			r.untold("GitHub", err) // now, so that it is in the stored log
		}
		begun <- err
	}()
}

// awaitBeginning waits until GitHub has answered, or cannot have the answer come after that of the end.
func (r *run) awaitBeginning(ctx context.Context) error {
	t := r.telling
	if t.begun == nil {
		return nil
	}
	patience := time.NewTimer(notify.Timeout / 2)
	defer patience.Stop()
	select {
	case err := <-t.begun:
		return err
	case <-patience.C:
	case <-ctx.Done():
	}
	t.giveUp()
	return <-t.begun
}

// tell tells how the run ended, once, however often it is asked to. The function that it returns waits for that.
func (r *run) tell(o outcome.Outcome) (wait func()) {
	t := &r.telling
	atHand := r.in.Terminal && !r.recorded() // what is refused at a terminal has been told to whom it concerns
	toGitHub, toSlack := r.tellsGitHub() && (!atHand || t.begun != nil), r.tellsSlack() && !atHand
	if t.over || !toGitHub && !toSlack {
		return func() {}
	}
	t.over = true
	news := r.news(o)
	reported := r.published["report.html"]
	ctx, cancel := r.Stop.NotifyContext()
	ctx, cancelIn := context.WithTimeoutCause(ctx, notify.Timeout, slowError{})
	var github, slack error
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		defer cancelIn()
		if reported {
			news.Report, news.ReportExpires = r.linkReport(ctx)
		}
		var all sync.WaitGroup
		if toGitHub {
			all.Go(func() { github = r.tellGitHub(ctx, news) })
		}
		if toSlack {
			all.Go(func() { slack = r.tellSlack(ctx, news, o) })
		}
		all.Wait()
		github, slack = inTime(ctx, github), inTime(ctx, slack)
	}()
	return func() {
		<-done
		r.untold("GitHub", github)
		r.untold("Slack", slack)
	}
}

func (r *run) tellGitHub(ctx context.Context, news notify.Run) error {
	if err := r.awaitBeginning(ctx); refused(err) {
		return nil // that has been told
	}
	hub, err := r.github(ctx)
	if err != nil {
		return err
	}
	return hub.Finish(ctx, news)
}

// tellSlack says nothing of an ordinary pass.
func (r *run) tellSlack(ctx context.Context, news notify.Run, o outcome.Outcome) error {
	news.Recovered = r.recovers(ctx, o)
	if news.Passed && !news.Recovered && r.step.Lock != steps.LockStack {
		return nil
	}
	slack, err := r.slack(ctx)
	if err != nil {
		return err
	}
	return slack.Post(ctx, news)
}

// inTime names what has cut a telling short, rather than what that looked like from within.
func inTime(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return fmt.Errorf("there was no answer in time: %w", cause)
	}
	return err
}

// slowError is that somebody has not answered within the time there is for all.
type slowError struct{}

func (slowError) Error() string { return "it took longer than " + notify.Timeout.String() }

// Hint says where to look.
func (slowError) Hint() string {
	return "see whether it is up, and whether the network lets this task reach it"
}

// refused reports whether GitHub will not have us, now or later.
func refused(err error) bool {
	var e *notify.Error
	var secret *outcome.SecretsError
	return errors.As(err, &e) && e.Refused() || errors.As(err, &secret) && !secret.Transient
}

// untold says that somebody could not be told. A token may well be there for the checkout only: unless the status was asked for,
// it is no fault that it may do nothing else.
func (r *run) untold(service string, err error) {
	var e *notify.Error
	switch {
	case err == nil:
	case r.Config.GitHubStatus != "on" && errors.As(err, &e) && e.Service == "GitHub" && e.Refused() && e.Status != http.StatusUnauthorized:
		r.Log.Info("the commit gets no status: GITHUB_TOKEN may not set one", "answer", err.Error(), "hint", outcome.Hint(err)+"; RUNNER_GITHUB_STATUS=off if it is for the checkout only")
	default:
		r.Log.Warn(service+" is not told of this run", "error", err.Error(), "hint", outcome.Hint(err))
	}
}

// recovers reports whether the step did not pass when it ran on this branch before, and leaves word of how it ended now.
func (r *run) recovers(ctx context.Context, o outcome.Outcome) bool {
	if r.Store == nil {
		return false
	}
	var before record.Latest
	key := keys.LatestRunOnBranch(r.Ref.Branch, r.step.Name, r.Config.Environment)
	err := artifacts.GetJSON(ctx, r.Store, key, &before)
	recovered := o.Passed() && err == nil && !before.Passed
	if err != nil || o.Passed() != before.Passed {
		now := record.Latest{RunID: r.ID, Key: r.runKey(), Passed: o.Passed(), Reason: o.Reason, ExitCode: o.ExitCode}
		err = artifacts.PutJSON(ctx, r.Store, key, now)
	}
	if err != nil {
		r.Log.Debug("how the step ended is not kept for the next run", "error", err.Error())
	}
	return recovered
}

// linker is a store that can let somebody without credentials read an object.
type linker interface {
	Presign(ctx context.Context, key string, validFor time.Duration) (link string, until time.Time, err error)
}

// linkReport is a link to the page, and when it ends. There is none to a folder, which only those can read who are there.
func (r *run) linkReport(ctx context.Context) (string, time.Time) {
	store, ok := r.Store.(linker)
	if !ok || r.Config.ReportLink == 0 {
		return "", time.Time{}
	}
	link, until, err := store.Presign(ctx, r.runKey()+"/report.html", r.Config.ReportLink)
	if err != nil {
		r.Log.Warn("there is no link to the report", "error", err.Error(), "hint", outcome.Hint(err))
		return "", time.Time{}
	}
	r.Redactor.Add(linkSecrets(link)...) // who is told may say it back, and the log is not for those who may read the report
	return link, until
}

// linkSecrets are the parts of a link that make it one.
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

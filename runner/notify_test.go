package runner

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/logs"
	"github.com/carlin-cicd/runner/runner/notify/notifytest"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/verdict"
	"github.com/carlin-cicd/runner/steps"
)

// endedRun returns a run that has come to its end in a workspace.
func endedRun(t *testing.T, workspace, directory string, variables map[string]string) *run {
	t.Helper()
	r := &run{
		in: Invocation{Variables: variables, Stdout: &strings.Builder{}}, published: map[string]bool{},
		Session: session.Session{
			ID: "01k", Began: time.Now(), Variables: variables, Place: "s3://bucket", Redactor: redact.New(),
			Config: config.Config{
				Workspace: workspace, Step: "test", GitHubName: "acme/shop", GitHubStatus: "auto",
				ReportLink: time.Hour,
			},
			Ref: artifacts.Ref{
				Branch: "main", SHA: strings.Repeat("ab", 20),
			}, Stop: session.NewStopper(t.Context(), time.Minute, nil),
		},
		step: steps.Step{Name: "test", Directory: directory}, phases: []record.Phase{{Name: "record"}},
	}
	r.verdict = verdict.New(&r.Session, r.step, r)
	r.openLog(logs.JSON, 0, nil)
	return r
}

func TestWhoIsNotified(t *testing.T) {
	both := map[string]string{"GITHUB_TOKEN": "t", "SLACK_WEBHOOK_URL": "https://x"}
	for _, c := range []struct {
		name          string
		variables     map[string]string
		change        func(*run)
		github, slack bool
	}{
		{"none without variables", nil, nil, false, false},
		{"both", both, nil, true, true},
		{"no status without a repository", both, func(r *run) { r.Config.GitHubName = "" }, false, true},
		{"no status of an unknown commit", both, func(r *run) { r.Ref.SHA = record.NoCommit }, false, true},
		{"no status of an abbreviated commit", both, func(r *run) { r.Ref.SHA = "abababab" }, false, true},
		{"no status of a workspace with other changes", both, func(r *run) { r.Dirty = true }, false, true},
		{"no status of a rollback", both, func(r *run) { r.in.Undo = true }, false, true},
		{"none of a plan", map[string]string{"GITHUB_TOKEN": "t", "SLACK_WEBHOOK_URL": "https://x", "RUNNER_DRY_RUN": "true"}, nil, false, false},
		{"none if a plan may be meant", map[string]string{"GITHUB_TOKEN": "t", "SLACK_WEBHOOK_URL": "https://x", "RUNNER_DRY_RUN": "yes"}, nil, false, false},
		{"both if no plan is meant", map[string]string{"GITHUB_TOKEN": "t", "SLACK_WEBHOOK_URL": "https://x", "RUNNER_DRY_RUN": "0"}, nil, true, true},
		{"no status in a workflow", map[string]string{"GITHUB_TOKEN": "t", "GITHUB_ACTIONS": "true"}, nil, false, false},
		{"a status in a workflow that asks for it", map[string]string{"GITHUB_TOKEN": "t", "GITHUB_ACTIONS": "true"}, func(r *run) { r.Config.GitHubStatus = "on" }, true, false},
	} {
		r := endedRun(t, t.TempDir(), ".", c.variables)
		if c.change != nil {
			c.change(r)
		}
		if r.notifiesGitHub() != c.github || r.notifiesSlack() != c.slack {
			t.Errorf("%s: %v, %v", c.name, r.notifiesGitHub(), r.notifiesSlack())
		}
	}
}

func TestSlackIsNotifiedOnce(t *testing.T) {
	slack := &notifytest.Slack{}
	address, stop := slack.Start()
	defer stop()
	r := endedRun(t, t.TempDir(), ".", map[string]string{"SLACK_WEBHOOK_URL": address})
	for range 3 {
		r.notifyEnd(r.buildRecord(outcome.Of(&process.ExitError{Code: 3})))()
	}
	if len(slack.Posts()) != 1 || slack.Asked() != 1 {
		t.Error(slack.Posts(), slack.Refused())
	}
}

// A late pending status must not replace the final one.
func TestPendingStatusIsCancelledWhenTimeIsUp(t *testing.T) {
	r := endedRun(t, t.TempDir(), ".", nil)
	started := make(chan error, 1)
	r.notifications = notifications{started: started, cancel: func() { started <- context.Canceled }}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	answered := make(chan error, 1)
	go func() { answered <- r.awaitNotifyStart(ctx) }()
	select {
	case err := <-answered:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it still waits")
	}
}

// linked is a store that makes links.
type linked struct{ artifacts.Store }

const linkOfTest = "https://bucket.example/report.html?X-Amz-Signature=0123456789abcdef0123456789abcdef&X-Amz-Security-Token=tok%2Fen%2Bof%3Da-role"

func (linked) Presign(_ context.Context, key string, _ time.Duration) (string, time.Time, error) {
	if key != "runs/main/"+strings.Repeat("ab", 20)+"/test/01k/report.html" {
		return "", time.Time{}, os.ErrNotExist
	}
	return linkOfTest, time.Unix(1, 0), nil
}

func TestReportLinkIsRedactedFromTheLog(t *testing.T) {
	r := endedRun(t, t.TempDir(), ".", nil)
	logged := r.in.Stdout.(*strings.Builder)
	r.Store = linked{}
	link := r.linkReport(t.Context())
	if link.URL != linkOfTest || link.Expires.IsZero() {
		t.Fatalf("%+v: %s", link, logged)
	}
	r.Log.Warn("the service repeats it", "error", "no such address: "+link.URL)
	r.sink.Flush()
	if text := logged.String(); !strings.Contains(text, "repeats it") ||
		strings.Contains(text, "0123456789abcdef0123456789abcdef") ||
		strings.Contains(text, "tok%2Fen") {
		t.Error(text)
	}
}

func TestNoReportLink(t *testing.T) {
	for name, change := range map[string]func(*run){
		"a folder has none":   func(r *run) { r.Store, _ = folder.New(t.TempDir()) },
		"none is wanted":      func(r *run) { r.Store, r.Config.ReportLink = linked{}, 0 },
		"it cannot be signed": func(r *run) { r.Store, r.ID = linked{}, "another" },
	} {
		r := endedRun(t, t.TempDir(), ".", nil)
		change(r)
		if link := r.linkReport(t.Context()); link.URL != "" {
			t.Errorf("%s: %s", name, link.URL)
		}
	}
}

func TestTokenIsResolvedOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("hunter2-hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := endedRun(t, t.TempDir(), ".", map[string]string{"GITHUB_TOKEN": "file:" + file})
	for range 2 {
		hub, err := r.github(t.Context())
		if err != nil || hub.Token != "hunter2-hunter2" {
			t.Fatal(hub.Token, err)
		}
		os.Remove(file)
	}
	if clean := r.Redactor.String("it is hunter2-hunter2"); strings.Contains(clean, "hunter2") {
		t.Error(clean)
	}
}

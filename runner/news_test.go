package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/verdict"

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
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/results"
)

// ended is a run that has come to its end in a workspace.
func ended(t *testing.T, workspace, directory string, variables map[string]string) *run {
	t.Helper()
	r := &run{
		in: Invocation{Variables: variables, Stdout: &strings.Builder{}}, published: map[string]bool{},
		Session: session.Session{
			ID: "01k", Began: time.Now(), Variables: variables, Place: "s3://bucket", Redactor: redact.New(),
			Config: config.Config{Workspace: workspace, Step: "test", GitHubName: "acme/shop", GitHubStatus: "auto", ReportLink: time.Hour},
			Ref:    artifacts.Ref{Branch: "main", SHA: strings.Repeat("ab", 20)}, Stop: session.NewStopper(t.Context(), time.Minute, nil),
		},
		step: steps.Step{Name: "test", Directory: directory}, phases: []record.Phase{{Name: "record"}},
	}
	r.verdict = verdict.New(&r.Session, r.step, r)
	r.openLog(logs.JSON, 0, nil)
	return r
}

func TestWhereInTheRepositoryATestFails(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{".git", "web/packages/core"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ name, workspace, directory, file, details, want string }{
		{"the workspace is the repository", ".", ".", "src/a.test.ts", "at x (src/a.test.ts:3:1)", "src/a.test.ts:3"},
		{"the step has a folder of its own", ".", "web", "src/a.test.ts", "at x (src/a.test.ts:3:1)", "web/src/a.test.ts:3"},
		{"the workspace is a part of the repository", "web", "packages/core", "a.test.ts", "at x (a.test.ts:3:1)", "web/packages/core/a.test.ts:3"},
		{"the report has whole paths", "web", ".", "@/web/a.test.ts", "at x (@/web/a.test.ts:3:1)", "web/a.test.ts:3"},
		{"only the failure names the file, by its whole path", "web", ".", "", "@/web/a_test.go:7: boom", "web/a_test.go:7"},
		{"a file that is not in the repository", ".", ".", "/usr/lib/a.py", "/usr/lib/a.py:3", ":0"},
	} {
		r := ended(t, filepath.Join(root, c.workspace), c.directory, nil)
		put := func(text string) string { return strings.ReplaceAll(text, "@", root) }
		f := r.failure(results.Case{Name: "x", File: put(c.file), Details: put(c.details)}, r.withinRepository())
		if got := fmt.Sprintf("%s:%d", f.File, f.Line); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestWhatPeopleAreToldIsRedacted(t *testing.T) {
	const secret = "hunter2-hunter2"
	r := ended(t, t.TempDir(), ".", nil)
	r.Redactor.Add(redact.Secret{Name: "PASSWORD", Value: secret})
	r.Ref.Branch, r.Config.Actor, r.Place = "fix/"+secret, secret, "file:///"+secret
	r.verdict.Tests = &results.Results{Counts: results.Counts{Total: 1, Failed: 1}, Failures: []results.Case{{Name: secret, Class: secret, File: secret + ".js", Message: secret, Details: secret + ".js:3"}}}
	news := r.news(outcome.Of(&outcome.ResultsError{Message: secret, Advice: secret}))
	told := fmt.Sprintf("%+v %+v", news, *news.Tests)
	if strings.Contains(told, secret) {
		t.Error(told)
	}
	if strings.Count(told, "[REDACTED:PASSWORD]") < 8 {
		t.Errorf("something is missing: %s", told)
	}
}

func TestHowTheEndOfARunIsTold(t *testing.T) {
	for _, c := range []struct {
		name             string
		err              error
		aborted, blocked bool
	}{
		{"it failed", &process.ExitError{Code: 3}, false, false},
		{"it was told to stop", &process.CancelledError{Signal: 15}, true, false},
		{"it took too long", &process.TimeoutError{}, false, false},
		{"something else holds it up", &outcome.GuardError{Message: "x"}, false, true},
		{"its input was refused", &outcome.ConfigError{Message: "x"}, false, true},
		{"its secrets cannot be had", &outcome.SecretsError{Message: "x"}, false, true},
		{"what it made cannot be stored", outcome.ArtifactsError{Err: os.ErrPermission}, false, false},
	} {
		n := ended(t, t.TempDir(), ".", nil).news(outcome.Of(c.err))
		if n.Passed || n.Cancelled != c.aborted || n.Blocked != c.blocked || n.Reason == "" || n.Error == "" {
			t.Errorf("%s: %+v", c.name, n)
		}
	}
	if n := ended(t, t.TempDir(), ".", nil).news(outcome.Of(nil)); !n.Passed || n.Cancelled || n.Blocked {
		t.Errorf("%+v", n)
	}
}

func TestWhoIsTold(t *testing.T) {
	both := map[string]string{"GITHUB_TOKEN": "t", "SLACK_WEBHOOK_URL": "https://x"}
	for _, c := range []struct {
		name          string
		variables     map[string]string
		change        func(*run)
		github, slack bool
	}{
		{"nobody, without variables", nil, nil, false, false},
		{"both", both, nil, true, true},
		{"no status without a repository", both, func(r *run) { r.Config.GitHubName = "" }, false, true},
		{"none of a commit that nobody knows", both, func(r *run) { r.Ref.SHA = session.NoCommit }, false, true},
		{"none of an abbreviation", both, func(r *run) { r.Ref.SHA = "abababab" }, false, true},
		{"none of a workspace that is not the commit's", both, func(r *run) { r.Dirty = true }, false, true},
		{"none of a rollback", both, func(r *run) { r.in.Undo = true }, false, true},
		{"nobody of a plan", map[string]string{"GITHUB_TOKEN": "t", "SLACK_WEBHOOK_URL": "https://x", "RUNNER_DRY_RUN": "true"}, nil, false, false},
		{"nobody of what may be a plan", map[string]string{"GITHUB_TOKEN": "t", "SLACK_WEBHOOK_URL": "https://x", "RUNNER_DRY_RUN": "yes"}, nil, false, false},
		{"both of what is none", map[string]string{"GITHUB_TOKEN": "t", "SLACK_WEBHOOK_URL": "https://x", "RUNNER_DRY_RUN": "0"}, nil, true, true},
		{"none in a workflow", map[string]string{"GITHUB_TOKEN": "t", "GITHUB_ACTIONS": "true"}, nil, false, false},
		{"unless it is asked for", map[string]string{"GITHUB_TOKEN": "t", "GITHUB_ACTIONS": "true"}, func(r *run) { r.Config.GitHubStatus = "on" }, true, false},
	} {
		r := ended(t, t.TempDir(), ".", c.variables)
		if c.change != nil {
			c.change(r)
		}
		if r.tellsGitHub() != c.github || r.tellsSlack() != c.slack {
			t.Errorf("%s: %v, %v", c.name, r.tellsGitHub(), r.tellsSlack())
		}
	}
}

func TestARunIsToldOfOnce(t *testing.T) {
	slack := &notifytest.Slack{}
	address, stop := slack.Start()
	defer stop()
	r := ended(t, t.TempDir(), ".", map[string]string{"SLACK_WEBHOOK_URL": address})
	for range 3 {
		r.tell(outcome.Of(&process.ExitError{Code: 3}))()
	}
	if len(slack.Posts()) != 1 || slack.Asked() != 1 {
		t.Error(slack.Posts(), slack.Refused())
	}
}

// What is still on its way when there is no more time is cut off, rather than left to come after the news of the end.
func TestABeginningThatIsNotAnsweredIsGivenUp(t *testing.T) {
	r := ended(t, t.TempDir(), ".", nil)
	begun := make(chan error, 1)
	r.telling = telling{begun: begun, giveUp: func() { begun <- context.Canceled }}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	answered := make(chan error, 1)
	go func() { answered <- r.awaitBeginning(ctx) }()
	select {
	case err := <-answered:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it is still waited for")
	}
}

// linked is a store that gives a link.
type linked struct{ artifacts.Store }

const linkOfTest = "https://bucket.example/report.html?X-Amz-Signature=0123456789abcdef0123456789abcdef&X-Amz-Security-Token=tok%2Fen%2Bof%3Da-role"

func (linked) Presign(_ context.Context, key string, _ time.Duration) (string, time.Time, error) {
	if key != "runs/main/"+strings.Repeat("ab", 20)+"/test/01k/report.html" {
		return "", time.Time{}, os.ErrNotExist
	}
	return linkOfTest, time.Unix(1, 0), nil
}

func TestTheLinkIsRedactedFromTheLog(t *testing.T) {
	r := ended(t, t.TempDir(), ".", nil)
	said := r.in.Stdout.(*strings.Builder)
	r.Store = linked{}
	link, until := r.linkReport(t.Context())
	if link != linkOfTest || until.IsZero() {
		t.Fatalf("%q until %s: %s", link, until, said)
	}
	r.Log.Warn("somebody says it back", "error", "no such address: "+link)
	r.sink.Flush()
	if text := said.String(); !strings.Contains(text, "says it back") || strings.Contains(text, "0123456789abcdef0123456789abcdef") || strings.Contains(text, "tok%2Fen") {
		t.Error(text)
	}
}

func TestNoLink(t *testing.T) {
	for name, change := range map[string]func(*run){
		"a folder has none":   func(r *run) { r.Store, _ = folder.New(t.TempDir()) },
		"none is wanted":      func(r *run) { r.Store, r.Config.ReportLink = linked{}, 0 },
		"it cannot be signed": func(r *run) { r.Store, r.ID = linked{}, "another" },
	} {
		r := ended(t, t.TempDir(), ".", nil)
		change(r)
		if link, _ := r.linkReport(t.Context()); link != "" {
			t.Errorf("%s: %s", name, link)
		}
	}
}

func TestWhatIsPrivateIsAskedForOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("hunter2-hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := ended(t, t.TempDir(), ".", map[string]string{"GITHUB_TOKEN": "file:" + file})
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

package deploy

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/runner/account"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/deploy/stack/stacktest"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps"
)

const testSHA = "0123456789abcdef0123456789abcdef01234567"

// bench is where the runs of a test are: a store, a workspace and a CloudFormation that they share.
type bench struct {
	testing.TB
	store     *folder.Store
	workspace string
	cloud     *stacktest.Server
	step      steps.Step
	log       *bytes.Buffer
}

var (
	firstRevision = stacktest.Revision{
		Template:   `{"Resources": {"Topic": {"Properties": {"DisplayName": "one"}}}}`,
		Parameters: map[string]string{"Size": "1"},
	}
	secondRevision = stacktest.Revision{
		Template:   `{"Resources": {"Topic": {"Properties": {"DisplayName": "two"}}}}`,
		Parameters: map[string]string{"Size": "2"},
	}
	update = []stacktest.Step{
		{Status: "UPDATE_IN_PROGRESS", Reason: "User Initiated"},
		{Status: "UPDATE_COMPLETE", Revision: &secondRevision},
	}
)

// newBench has a stack web, and a step that deploys it.
func newBench(t *testing.T) *bench {
	t.Helper()
	store, err := folder.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{TB: t, store: store, workspace: t.TempDir(), cloud: stacktest.New(t), log: &bytes.Buffer{}}
	b.cloud.Obey()
	b.cloud.Make("web", firstRevision)
	b.step = steps.Step{
		Name:    "deploy",
		Lock:    steps.LockStack,
		Timeout: time.Minute,
		Wait:    time.Minute,
		Command: steps.Command{Line: "true"},
	}
	return b
}

// run returns the deployment of a new run. The session may be changed before it is used.
func (b *bench) run() *Deployment {
	c := config.Config{
		Workspace: b.workspace, Environment: "staging", StackName: "web", LockTTL: time.Minute, StackPoll: time.Millisecond,
		Grace: time.Second, StopBudget: 10 * time.Second,
	}
	s := session.New(b.Context(), map[string]string{"PATH": os.Getenv("PATH")}, c)
	s.Store, s.Place, s.Ref = b.store, "the store", artifacts.Ref{Branch: "main", SHA: testSHA}
	s.Log = slog.New(slog.NewTextHandler(b.log, nil))
	s.Deadline = time.Now().Add(time.Minute)
	s.AWS = func(context.Context) (aws.Config, error) {
		return aws.Config{
			Region: stacktest.Region, BaseEndpoint: &b.cloud.URL, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
			Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		}, nil
	}
	d := New(s, b.step)
	b.Cleanup(d.Unlock)
	return d
}

// lock locks with the place of a command that inherits the runner's environment.
func (b *bench) lock(d *Deployment) error {
	b.Helper()
	variables := map[string]string{"ENVIRONMENT": "staging"}
	place, err := account.Of(d.Session, d.step, variables)
	if err != nil {
		b.Fatal(err)
	}
	return d.Lock(place, variables)
}

func (b *bench) identity(d *Deployment) record.Identity {
	return record.Identity{
		RunID:       d.ID,
		Step:        d.step.Name,
		Branch:      d.Ref.Branch,
		SHA:         d.Ref.SHA,
		Environment: "staging",
		Stack:       "web",
	}
}

// begun returns the deployment of a run that is about to start its command.
func (b *bench) begun() *Deployment {
	b.Helper()
	d := b.run()
	if err := errors.Join(b.lock(d), d.Begin(b.identity(d))); err != nil {
		b.Fatal(err)
	}
	return d
}

// deployed is a run that passed after it updated the stack.
func (b *bench) deployed() *Deployment {
	b.Helper()
	d := b.begun()
	b.cloud.Pass("web", update...)
	d.MarkEnd(false)
	if err := errors.Join(d.WaitForStacks(), d.Conclude(nil, Command{Started: time.Now(), Attempts: 1})); err != nil {
		b.Fatal(err)
	}
	d.Unlock()
	return d
}

func (b *bench) stored(d *Deployment) (r deploymentRecord) {
	b.Helper()
	if err := artifacts.GetJSON(b.Context(), b.store, d.targets[0].recordKey(d.ID), &r); err != nil {
		b.Fatal(err)
	}
	return r
}

func (b *bench) ledger() (l ledger) {
	b.Helper()
	if err := l.load(b.Context(), b.store, "staging", "web"); err != nil {
		b.Fatal(err)
	}
	return l
}

// commits makes a repository of the workspace, with two commits, and returns them.
func (b *bench) commits() (older, newer string) {
	b.Helper()
	git := func(args ...string) string {
		c := exec.Command(
			"git",
			append([]string{"-C", b.workspace, "-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
		out, err := c.CombinedOutput()
		if err != nil {
			b.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q", "-b", "main")
	git("commit", "-q", "--allow-empty", "-m", "one")
	older = git("rev-parse", "HEAD")
	git("commit", "-q", "--allow-empty", "-m", "two")
	return older, git("rev-parse", "HEAD")
}

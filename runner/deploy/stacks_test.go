package deploy

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/carlin-cicd/runner/runner/account"
	"github.com/carlin-cicd/runner/runner/deploy/stack/stacktest"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
)

// update has the command update a stack.
func (b *bench) update(name string) {
	b.cloud.Pass(name, update...)
	b.cloud.Drain(name)
	time.Sleep(2 * time.Millisecond) // between the times of two operations
}

func TestSeveralStacksAreRestoredInTheReverseOrderOfTheirUpdates(t *testing.T) {
	b := newBench(t)
	b.step.Stacks = []string{"net-*", "app"}
	for _, name := range []string{"app", "net-1", "net-2"} {
		b.cloud.Make(name, firstRevision)
	}
	d := b.begun()
	if d.StackName() != "app, net-1, net-2" {
		t.Fatalf("the stacks are %s", d.StackName())
	}
	for _, name := range []string{"net-2", "app"} { // net-1 is not changed
		b.update(name)
	}
	d.MarkEnd(false)
	failure := &process.ExitError{Code: 3}
	if err := d.Conclude(failure, Command{Attempts: 1}); !errors.Is(err, failure) {
		t.Errorf("the error is %v", err)
	}
	d.Unlock()
	var restored []string
	for _, r := range b.cloud.Requests("UpdateStack") {
		restored = append(restored, strings.Split(r.Get("StackName"), "/")[1])
	}
	if !slices.Equal(restored, []string{"app", "net-2"}) {
		t.Errorf("restored are %v", restored)
	}
	delivery := d.Delivery()
	var actions []record.Action
	for _, s := range delivery.Stacks {
		actions = append(actions, s.Rollback.Action)
	}
	if delivery.Outcome != record.RolledBack ||
		!slices.Equal(actions, []record.Action{record.Reapplied, record.Untouched, record.Reapplied}) {
		t.Errorf("the delivery is %+v", delivery)
	}
	for _, target := range d.targets {
		if r, err := target.loadRecord(d.ID); err != nil || r.Stack != target.stack || r.Outcome != record.RolledBack {
			t.Errorf("the record of %s is %+v (%v)", target.stack, r, err)
		}
	}
}

func TestTheWorstOutcomeOfSeveralStacksIsTheRuns(t *testing.T) {
	b := newBench(t)
	b.step.Stacks = []string{"app", "net"}
	b.cloud.Make("app", firstRevision)
	b.cloud.Make("net", firstRevision)
	d := b.begun()
	b.update("net")
	b.cloud.Deny("UpdateStack")
	d.MarkEnd(false)
	_ = d.Conclude(&process.ExitError{Code: 3}, Command{Attempts: 1})
	if delivery := d.Delivery(); delivery.Outcome != record.RollbackFailed || delivery.Problem == "" ||
		delivery.Stacks[0].Outcome != record.RolledBack {
		t.Errorf("the delivery is %+v", delivery)
	}
}

func TestARollbackOfSeveralStacksUndoesOneRun(t *testing.T) {
	b := newBench(t)
	b.step.Stacks = []string{"net-*", "app"}
	for _, name := range []string{"app", "net-1"} {
		b.cloud.Make(name, firstRevision)
	}
	d := b.begun()
	b.update("net-1")
	b.update("app")
	d.MarkEnd(false)
	if err := d.Conclude(nil, Command{Attempts: 1}); err != nil {
		t.Fatal(err)
	}
	d.Unlock()
	b.cloud.Make("net-9", firstRevision) // another party's: the run has no record of it
	undo := b.run()
	undo.isRollback, undo.byRecords = true, true
	if err := errors.Join(b.lock(undo), undo.Rollback("", b.identity(undo))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"app", "net-1"} {
		if now := b.cloud.Now(name); now.Template != firstRevision.Template {
			t.Errorf("%s is %s", name, now.Template)
		}
	}
	if first := b.cloud.Requests("UpdateStack")[0].Get("StackName"); !strings.Contains(first, "/app/") {
		t.Errorf("%s is restored first", first)
	}
	if undo.StackName() != "app, net-1" {
		t.Errorf("the stacks are %s", undo.StackName())
	}
}

func TestStacksThatChangeBesidesTheStepsAreNamed(t *testing.T) {
	b := newBench(t)
	b.step.Stacks = []string{"web", "net-*"}
	b.cloud.Make("net-1", firstRevision)
	b.cloud.Make("shared", firstRevision)
	b.cloud.Make("quiet", firstRevision)
	d := b.begun()
	b.update("web")
	b.update("shared")
	b.cloud.Make("net-2", firstRevision)
	d.MarkEnd(false)
	_ = d.Conclude(nil, Command{Attempts: 1})
	if delivery := d.Delivery(); !slices.Equal(delivery.Others, []string{"shared"}) ||
		!slices.Equal(delivery.Created, []string{"net-2"}) {
		t.Errorf("others are %v, created %v", delivery.Others, delivery.Created)
	}
	if log := b.log.String(); !strings.Contains(log, "stacks=shared") || !strings.Contains(log, "stacks=net-2") {
		t.Error(log)
	}
}

func TestAStackThatIsAbsentBeforeAndAfterIsUnknown(t *testing.T) {
	b := newBench(t)
	b.step.Stacks = []string{"elsewhere"}
	d := b.begun()
	d.MarkEnd(false)
	_ = d.Conclude(&process.ExitError{Code: 3}, Command{Attempts: 1})
	if delivery := d.Delivery(); delivery.Outcome != record.Unknown ||
		delivery.Rollback.Action != record.StackNotFound ||
		delivery.Rollback.Proven ||
		delivery.Advice == "" {
		t.Errorf("the delivery is %+v, %+v", delivery, delivery.Rollback)
	}
	d.Unlock()
	d = b.begun()
	d.MarkEnd(false)
	_ = d.Conclude(nil, Command{Attempts: 1})
	if log := b.log.String(); !strings.Contains(log, "the command passed, but its stack does not exist") {
		t.Error(log)
	}
}

func TestAStepThatInsistsOnRollbackDoesNotCreateItsStack(t *testing.T) {
	yes := true
	for name, c := range map[string]struct {
		stacks  []string
		prepare func(*bench)
		force   bool
		refused string // in the error
		advice  string
	}{
		"it is absent":        {stacks: []string{"new"}, refused: "it does not exist in eu-central-1", advice: "set region:, role: or account:"},
		"no pattern matches":  {stacks: []string{"new-*"}, refused: "no stack matches new-*", advice: "set region:, role: or account:"},
		"it is forced":        {stacks: []string{"new"}, force: true},
		"it is under review":  {stacks: []string{"new"}, prepare: func(b *bench) { b.cloud.Begin("new", firstRevision, stacktest.Step{Status: "REVIEW_IN_PROGRESS"}) }, refused: "change set that was never executed", advice: "delete the stack"},
		"its name is invalid": {stacks: []string{strings.Repeat("x", 129)}, refused: "has 129 characters", advice: "shorten"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.step.Rollback, b.step.Stacks = &yes, c.stacks
			if c.prepare != nil {
				c.prepare(b)
			}
			d := b.run()
			d.Config.Force = c.force
			err := b.lock(d)
			if err == nil {
				err = d.Begin(b.identity(d))
			}
			if c.refused == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.refused) ||
				!strings.Contains(outcome.Hint(err), c.advice) ||
				d.Began() {
				t.Errorf("the error is %v (%s)", err, outcome.Hint(err))
			}
		})
	}
}

func TestTheRunnerLooksWhereTheCommandLooks(t *testing.T) {
	b := newBench(t)
	d := b.run()
	elsewhere := "http://127.0.0.1:1" // the runner's own environment leads nowhere
	d.AWS = func(context.Context) (aws.Config, error) {
		return aws.Config{
			Region:       "us-east-1",
			BaseEndpoint: &elsewhere,
			Credentials:  credentials.NewStaticCredentialsProvider("a", "b", ""),
		}, nil
	}
	variables := map[string]string{
		"AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL_CLOUDFORMATION": b.cloud.URL, "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key",
	}
	place, err := account.Of(d.Session, d.step, variables)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Lock(place, variables), d.Begin(b.identity(d))); err != nil {
		t.Fatal(err)
	}
	if d.targets[0].watched == nil || !strings.Contains(b.log.String(), "place=eu-central-1") {
		t.Errorf("there is no snapshot\n%s", b.log)
	}
}

package deploy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/deploy/stack/stacktest"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps"
)

func TestASupersededCommitIsRefused(t *testing.T) {
	b := newBench(t)
	older, newer := b.commits()
	first := b.run()
	first.Ref.SHA = newer
	if err := errors.Join(b.lock(first), first.Begin(b.identity(first)), first.Conclude(nil, Command{})); err != nil {
		t.Fatal(err)
	}
	first.Unlock()

	second := b.run()
	second.Ref.SHA = older
	err := b.lock(second)
	var guard *outcome.GuardError
	if !errors.As(err, &guard) || !strings.Contains(err.Error(), "a newer commit is live") ||
		!strings.Contains(guard.Hint(), "--force") {
		t.Errorf("the error is %v", err)
	}
	second.Unlock()

	forced := b.run()
	forced.Ref.SHA, forced.Config.Force = older, true
	if err := b.lock(forced); err != nil || !strings.Contains(b.log.String(), "forced: a newer commit is live") {
		t.Errorf("forced, the error is %v\n%s", err, b.log)
	}
	forced.Unlock()

	undo := b.run()
	undo.Ref.SHA, undo.isRollback = older, true
	if err := b.lock(undo); err != nil {
		t.Errorf("a rollback is refused: %v", err)
	}
}

func TestALostLockStopsTheCommandAndLeavesTheStackAlone(t *testing.T) {
	b := newBench(t)
	d := b.run()
	d.Config.LockTTL = time.Second
	if err := errors.Join(b.lock(d), d.Begin(b.identity(d))); err != nil {
		t.Fatal(err)
	}
	key, err := keys.Lock("staging", "stack.web")
	if err != nil {
		t.Fatal(err)
	}
	theirs := fmt.Sprintf(`{"version": 1, "id": "theirs", "writes": 1, "fence": %d, "owner": "them",
		"acquired": "2026-01-01T00:00:00Z", "renewed": "2026-01-01T00:00:00Z", "expires": "2026-01-01T00:01:00Z"}`, d.targets[0].lease.Fence()+1)
	if err := artifacts.PutJSON(t.Context(), b.store, key, json.RawMessage(theirs)); err != nil {
		t.Fatal(err)
	}
	select {
	case sig := <-d.Stop.Forward:
		if sig != syscall.SIGTERM {
			t.Errorf("the command gets %v", sig)
		}
	case <-time.After(time.Minute):
		t.Fatal("the command is not stopped")
	}
	b.cloud.Pass("web", update...)
	d.MarkEnd(true)
	var guard *outcome.GuardError
	if err := d.Conclude(nil, Command{Attempts: 1}); !errors.As(err, &guard) ||
		!strings.Contains(err.Error(), "was taken over by") {
		t.Errorf("the run ends with %v", err)
	}
	if d.Delivery().Outcome != record.Interrupted || len(b.cloud.Requests("UpdateStack")) > 0 {
		t.Errorf(
			"the outcome is %s, and %d updates were requested",
			d.Delivery().Outcome,
			len(b.cloud.Requests("UpdateStack")),
		)
	}
}

func TestOneRunAtATime(t *testing.T) {
	b := newBench(t)
	b.begun()
	b.step.Wait = time.Millisecond
	second := b.run()
	var guard *outcome.GuardError
	if err := b.lock(second); !errors.As(err, &guard) || !strings.Contains(err.Error(), "is held by") {
		t.Errorf("the error is %v", err)
	}
	if details := second.Details(); details == nil || len(details.Waited) != 1 || second.Delivery() != nil {
		t.Errorf("details are %+v", details)
	}
}

func TestWhatTheCommandMasksDoesNotDamageTheRecord(t *testing.T) {
	masks := []string{
		`"stack_status"`, `"template":`, `"before": {`, `"DisplayName`, "UPDATE_COMPLETE", "CREATE_COMPLETE", "passed", "rolled_back", "untouched", "outcome",
		"web", "arn:aws:cloudformation", "event-0000", "Size", "staging", testSHA,
	}
	for _, failed := range []bool{false, true} {
		b := newBench(t)
		d := b.begun()
		for i, mask := range masks {
			d.Redactor.Add(redact.Secret{Name: fmt.Sprintf("MASK_%d", i), Value: mask})
		}
		b.cloud.Pass("web", update...)
		d.MarkEnd(false)
		var runErr error
		if failed {
			b.cloud.Deny("UpdateStack")
			runErr = &process.ExitError{Code: 3}
		}
		_ = d.Conclude(runErr, Command{Attempts: 1})
		d.Unlock()
		stored := b.stored(d)
		want := record.Delivered
		if failed {
			want = record.RollbackFailed
		}
		if stored.Outcome != want || stored.Before == nil || stored.Before.Template != firstRevision.Template ||
			stored.Before.Altered != nil ||
			stored.Stack != "web" {
			t.Errorf("the record is %+v, before %+v", stored, stored.Before)
		}

		undo := b.run()
		undo.step.Rollback = new(bool)
		*undo.step.Rollback, undo.isRollback = true, true
		if failed {
			continue // the fake keeps denying
		}
		if err := errors.Join(b.lock(undo), undo.Rollback(d.ID, b.identity(undo))); err != nil {
			t.Errorf("the rollback fails: %v", err)
		}
		if now := b.cloud.Now("web"); now.Template != firstRevision.Template {
			t.Errorf("the stack is %+v", now)
		}
	}
}

func TestTheRecordContainsNoSecret(t *testing.T) {
	const secret = "s3cr3t-value-1234"
	b := newBench(t)
	b.cloud.Make(
		"web",
		stacktest.Revision{
			Template:   `{"Description": "of ` + secret + `"}`,
			Parameters: map[string]string{"P": secret},
			Tags:       map[string]string{"t": secret},
		},
	)
	b.cloud.Deny("UpdateStack")
	d := b.run()
	d.Redactor.Add(redact.Secret{Name: "PASSWORD", Value: secret})
	if err := errors.Join(b.lock(d), d.Begin(b.identity(d))); err != nil {
		t.Fatal(err)
	}
	b.cloud.Pass(
		"web",
		stacktest.Step{Status: "UPDATE_IN_PROGRESS", Reason: "User Initiated"},
		stacktest.Step{
			Status:   "UPDATE_FAILED",
			Resource: "Topic",
			Type:     "AWS::SNS::Topic",
			Reason:   "bad " + secret,
		},
		stacktest.Step{Status: "UPDATE_COMPLETE", Revision: &secondRevision},
	)
	d.MarkEnd(false)
	_ = d.Conclude(&process.ExitError{Code: 1}, Command{Attempts: 1})
	d.Unlock()
	for _, key := range []string{d.targets[0].recordKey(d.ID), keys.Live("staging", "web")} {
		var text json.RawMessage
		if err := artifacts.GetJSON(t.Context(), b.store, key, &text); err != nil ||
			strings.Contains(string(text), secret) {
			t.Errorf("%s (%v) is %s", key, err, text)
		}
	}
	if stored := b.stored(d); len(stored.Before.Altered) != 2 || len(stored.Rollback.Failures) != 1 {
		t.Errorf("the record is %+v, before %+v", stored, stored.Before)
	}
}

func TestHowARunEndsDecidesWhatBecomesOfTheStack(t *testing.T) {
	failure := &process.ExitError{Code: 3}
	no := false
	for name, c := range map[string]struct {
		change  func(*bench)
		err     error
		signal  bool
		outcome record.DeliveryOutcome
		live    bool // this run's commit is live afterwards
		pending bool // the ledger says so to the next run
		back    bool // the stack is what it was
	}{
		"it passed":                            {outcome: record.Delivered, live: true},
		"it failed":                            {err: failure, outcome: record.RolledBack, back: true},
		"it failed, and no rollback is wanted": {change: func(b *bench) { b.step.Rollback = &no }, err: failure, outcome: record.LeftAsIs},
		"it failed, and the stack is unknown":  {change: func(b *bench) { b.cloud.Deny("DescribeStacks") }, err: failure, outcome: record.LeftAsIs},
		"the rollback is refused":              {change: func(b *bench) { b.cloud.Deny("UpdateStack") }, err: failure, outcome: record.RollbackFailed},
		"it was stopped":                       {err: &process.CancelledError{Signal: syscall.SIGTERM}, signal: true, outcome: record.Interrupted, pending: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			if c.change != nil {
				c.change(b)
			}
			d := b.run()
			signals := make(chan os.Signal, 1)
			d.Stop = session.NewStopper(t.Context(), 10*time.Second, signals)
			if err := errors.Join(b.lock(d), d.Begin(b.identity(d))); err != nil {
				t.Fatal(err)
			}
			b.cloud.Pass("web", update...)
			b.cloud.Drain("web")
			d.MarkEnd(false)
			if c.signal {
				signals <- syscall.SIGTERM
				<-d.Stop.Received
			}
			if err := d.Conclude(c.err, Command{Attempts: 1}); !errors.Is(err, c.err) {
				t.Errorf("the run's error became %v", err)
			}
			d.Unlock()
			stored, l := b.stored(d), b.ledger()
			if stored.Outcome != c.outcome || (l.Live != nil) != c.live || (l.Pending != nil) != c.pending {
				t.Errorf("the outcome is %s, live %+v, pending %+v", stored.Outcome, l.Live, l.Pending)
			}
			if now := b.cloud.Now("web"); (now.Template == firstRevision.Template) != c.back {
				t.Errorf("the stack is %s", now.Template)
			}
		})
	}
}

func TestNothingStartsWithoutWhatTheStepInsistsOn(t *testing.T) {
	yes := true
	for name, change := range map[string]func(*bench, *Deployment){
		"the stack cannot be described": func(b *bench, _ *Deployment) { b.cloud.Deny("DescribeStacks") },
		"the stack's name is unknown":   func(_ *bench, d *Deployment) { d.targets[0].stack = "" },
		"the stack stays busy": func(b *bench, d *Deployment) {
			d.step.Wait = 20 * time.Millisecond
			for range 1000 {
				b.cloud.Pass("web", stacktest.Step{Status: "UPDATE_IN_PROGRESS"}, stacktest.Step{Status: "UPDATE_IN_PROGRESS"})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.step.Rollback = &yes
			d := b.run()
			if err := b.lock(d); err != nil {
				t.Fatal(err)
			}
			change(b, d)
			var guard *outcome.GuardError
			if err := d.Begin(b.identity(d)); !errors.As(err, &guard) || d.Began() {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestAnUpdateThatFailsAfterTheCommandPassedIsAFailure(t *testing.T) {
	b := newBench(t)
	d := b.begun()
	b.cloud.Pass(
		"web",
		stacktest.Step{Status: "UPDATE_IN_PROGRESS", Reason: "User Initiated"},
		stacktest.Step{Status: "UPDATE_ROLLBACK_COMPLETE", Reason: "limit"},
	)
	d.MarkEnd(false)
	var failed *FailedStackError
	if err := d.WaitForStacks(); !d.HasChanged() || !errors.As(err, &failed) ||
		outcome.Of(err).Reason != record.Artifacts {
		t.Errorf("the error is %v", err)
	}
}

func TestARunCompletesTheRecordOfOneThatDidNot(t *testing.T) {
	for name, c := range map[string]struct {
		outcome record.DeliveryOutcome // of the previous run; "-" for no record
		live    string                 // the run that is live afterwards
		log     string
		closed  bool
	}{
		"it had not begun":         {outcome: "-", live: "before", log: "the previous run ended before it started the command"},
		"it was killed":            {outcome: "", live: "before", log: "the previous run did not finish", closed: true},
		"it was stopped":           {outcome: record.Interrupted, live: "before", log: "the previous run did not finish"},
		"it passed, and said not":  {outcome: record.Delivered, live: "previous", log: "the previous run passed but did not record"},
		"it failed, and said not":  {outcome: record.RolledBack, live: "before"},
		"it was a rollback":        {outcome: record.IsRollback, live: "older", log: ""},
		"it was abandoned earlier": {outcome: record.Abandoned, live: "before", log: "the previous run did not finish"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			d := b.run()
			l := b.ledger()
			l.Live, l.Pending = &record.Revision{
				RunID: "before",
				SHA:   testSHA,
			}, &record.Revision{
				RunID: "previous",
				SHA:   testSHA,
			}
			if err := l.save(t.Context(), b.store, redact.New()); err != nil {
				t.Fatal(err)
			}
			put := func(id string, r deploymentRecord) {
				if err := artifacts.PutJSON(t.Context(), b.store, d.targets[0].recordKey(id), r); err != nil {
					t.Fatal(err)
				}
			}
			if c.outcome != "-" {
				r := deploymentRecord{Undoes: "undone"}
				r.RunID, r.Outcome = "previous", c.outcome
				put("previous", r)
				put("undone", deploymentRecord{Replaced: &record.Revision{RunID: "older"}})
			}
			if err := b.lock(d); err != nil {
				t.Fatal(err)
			}
			if d.targets[0].ledger.Live.RunID != c.live || !strings.Contains(b.log.String(), c.log) {
				t.Errorf("live is %+v\n%s", d.targets[0].ledger.Live, b.log)
			}
			if !c.closed {
				return
			}
			if r, err := d.targets[0].loadRecord("previous"); err != nil || r.Outcome != record.Abandoned ||
				r.ClosedBy != d.ID {
				t.Errorf("its record is %+v (%v)", r, err)
			}
		})
	}
}

func TestARollbackThatIsRefusedIsAFailureOfTheRun(t *testing.T) {
	b := newBench(t)
	first := b.deployed()
	b.cloud.Deny("UpdateStack")
	d := b.run()
	d.isRollback = true
	if err := b.lock(d); err != nil {
		t.Fatal(err)
	}
	err := d.Rollback("", b.identity(d))
	if o := outcome.Of(err); o.Reason != record.Failure || o.ExitCode != 1 || outcome.Hint(err) == "" {
		t.Errorf("the run ends with %+v", o)
	}
	if stored := b.stored(first); stored.UndoneBy != "" {
		t.Errorf("it is on record as undone by %s", stored.UndoneBy)
	}
}

func TestADeploymentOfAStepThatChangesNothingDoesNothing(t *testing.T) {
	var d *Deployment
	if New(&session.Session{}, steps.Step{}) != nil {
		t.Error("there is one")
	}
	err := errors.Join(
		d.Lock(nil, nil),
		d.Begin(record.Identity{}),
		d.CheckDeployed(time.Now()),
		d.Lost(),
		d.Conclude(nil, Command{}),
	)
	d.MarkEnd(true)
	d.WaitUntilIdle()
	d.Unlock()
	var w bytes.Buffer
	if err != nil || d.Began() || d.HasChanged() || d.Delivery() != nil || d.Details() != nil || d.StackName() != "" ||
		d.Output(&w) != &w {
		t.Errorf("it does something (%v)", err)
	}
}

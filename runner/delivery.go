package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/deploy/carlin"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps"
)

// delivery is what a run holds that changes an environment, and what it knows of it. One that changes none has an empty one.
//
//  1. lock: nobody else is at work there, and no newer commit is live.
//  2. begin: the stack is looked at, and the start is put on record before anything changes.
//  3. The command runs; the stack's events are told meanwhile. A lock that is lost ends it.
//  4. conclude: the stack is brought back if the run failed, and the end is put on record.
//  5. unlock, in any case.
type delivery struct {
	name   string // of the stack; empty where it is not known
	scope  string // the folder under deployments/<environment>
	lease  *lease.Lease
	ledger ledger
	record *deployment
	tail   *tail

	stack    *stack.Stack
	before   stack.Snapshot
	mark     string // the last event of the command's doing, once it is known
	refusal  *stack.Refusal
	unfollow func() // ends the telling of events

	waited []string   // who held the lock, in words
	told   stackStory // what was told of the stack
}

// lost returns a *outcome.GuardError once the lock is no longer ours.
func (d *delivery) lost() error {
	var lost *lease.LostError
	if d.lease == nil || !errors.As(context.Cause(d.lease.Context()), &lost) {
		return nil
	}
	return &outcome.GuardError{Message: lost.Error(), Advice: lost.Hint()}
}

// tee keeps the end of what a command says where that goes on record, and listens to what it says of its stack.
func (d *delivery) tee(lines io.Writer) io.Writer {
	all := []io.Writer{lines}
	if d.tail != nil {
		all = append(all, d.tail)
	}
	if d.refusal != nil {
		all = append(all, d.refusal)
	}
	return io.MultiWriter(all...)
}

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

// maxTail is how much of a migration's output goes on record, in bytes.
const maxTail = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if len(t.text) > 2*maxTail {
		t.text = slices.Clone(t.text[len(t.text)-maxTail:])
	}
	return len(p), nil
}

func (t *tail) String() string {
	if t == nil {
		return ""
	}
	return strings.ToValidUTF8(string(t.text[max(0, len(t.text)-maxTail):]), "\uFFFD")
}

// chooseGrace lets the step's own grace win over the default.
func (r *run) chooseGrace() error {
	if r.step.Grace == 0 || r.Variables["RUNNER_GRACE"] != "" {
		return nil
	}
	if r.step.Grace >= r.Config.StopBudget {
		return &outcome.ConfigError{
			Message: fmt.Sprintf("grace: %s of step %s leaves nothing of RUNNER_STOP_BUDGET (%s) for publishing", r.step.Grace, r.step.Name, r.Config.StopBudget),
			Advice:  "raise stopTimeout in the task definition and RUNNER_STOP_BUDGET with it, or lower grace",
		}
	}
	r.Config.Grace = r.step.Grace
	return nil
}

// lock takes the lock of what the step changes, and keeps an older commit from going over a newer one.
func (r *run) lock() error {
	if r.step.Lock == "" {
		return nil
	}
	d := &r.delivery
	lockName := d.locate(r.step, r.Config)
	if d.name == "" && r.step.Lock == steps.LockStack {
		r.Log.Warn("the stack's name is not known, so there will be no snapshot of it, and no way back", "hint", "set STACK_NAME")
	}
	lease, err := r.acquire(lockName)
	if err != nil {
		return err
	}
	d.lease = lease
	go r.watchLease(lease)
	if err := d.ledger.load(r.Stop.Work, r.Store, r.Config.Environment, d.scope); err != nil {
		return outcome.ArtifactsError{Err: err}
	}
	r.finishFormer()
	if r.in.Undo {
		return nil
	}
	return r.refuseSuperseded()
}

// locate finds the stack, the folder of its records and the name of its lock.
func (d *delivery) locate(step steps.Step, c config.Config) (lock string) {
	if step.Lock == steps.LockEnvironment {
		d.scope = step.Name
		return step.Name
	}
	d.name = carlin.StackName(step, c)
	switch d.scope = d.name; d.scope {
	case "":
		d.scope = step.Name + "~" // a tilde is in no stack's name
		return step.Name
	case "migrate": // the folder of what locks the environment
		d.scope = "migrate~"
	}
	return "stack." + d.name
}

// acquire takes a lock. Somebody else's is waited for as long as the step allows.
func (r *run) acquire(name string) (*lease.Lease, error) {
	swapper, ok := r.Store.(artifacts.Swapper)
	if !ok {
		return nil, &outcome.GuardError{Message: r.Place + " has no locks", Advice: "use a bucket or a folder"}
	}
	key, err := keys.Lock(r.Config.Environment, name)
	if err != nil {
		return nil, outcome.Refused(err)
	}
	party := r.party()
	party.Name, party.Purpose = cmp.Or(party.Name, session.LocalOwner()), fmt.Sprintf("%s of %s", r.step.Name, cmp.Or(r.delivery.name, r.Config.Environment))
	wait := r.step.Wait
	if left := time.Until(r.Deadline); !r.Deadline.IsZero() && left < wait {
		wait = max(left, 0)
	}
	acquired, err := lease.Acquire(r.Stop.Work, swapper, lease.Request{Key: key, Owner: party, TTL: r.Config.LockTTL, Wait: wait, OnWait: r.waitingForTurn})
	var held *lease.HeldError
	switch {
	case errors.As(err, &held):
		return nil, &outcome.GuardError{Message: held.Error(), Advice: held.Hint()}
	case errors.Is(err, context.Canceled):
		return nil, err
	case err != nil:
		return nil, outcome.ArtifactsError{Err: err}
	}
	r.Log.Debug("locked", "lock", key, "fence", acquired.Fence())
	return acquired, nil
}

// waitingForTurn tells whom we wait for, and keeps it for the report.
func (r *run) waitingForTurn(h lease.Holder) {
	r.waiting(h)
	if who := h.String(); !slices.Contains(r.delivery.waited, who) {
		r.delivery.waited = append(r.delivery.waited, who)
	}
}

// watchLease has the command stopped when its lock is lost: somebody else may begin before long.
func (r *run) watchLease(held *lease.Lease) {
	<-held.Context().Done()
	if err := r.delivery.lost(); err != nil {
		r.Log.Error("the lock is lost, so the command is told to stop", "error", err.Error())
		select {
		case r.Stop.Forward <- syscall.SIGTERM:
		default:
		}
	}
}

// unlock gives the lock back. What cannot be given back expires.
func (r *run) unlock() {
	if r.delivery.lease == nil {
		return
	}
	ctx, cancel := r.Stop.RecordContext()
	defer cancel()
	ctx, cancelIn := context.WithTimeout(ctx, 10*time.Second)
	defer cancelIn()
	if err := r.delivery.lease.Release(ctx); err != nil {
		r.Log.Warn("the lock could not be given back; it is free once it has expired", "error", err.Error())
	}
}

// finishFormer ends the story of a run before this one that was cut short: nobody else will.
//
//   - It had not begun: its start was not on record yet.
//   - It has no outcome: it was killed, or its machine was lost. Its record is closed.
//   - It was told to stop, and could not wait for CloudFormation.
//   - It had ended, but for what is live being put on record.
func (r *run) finishFormer() {
	l := &r.delivery.ledger
	p := l.Pending
	if p == nil {
		return
	}
	key := keys.Deployment(r.Config.Environment, r.delivery.scope, p.RunID)
	var former deployment
	err := artifacts.GetJSON(r.Stop.Work, r.Store, key, &former)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.Log.Warn("the run before was cut short before it began", "run", p.RunID, "sha", p.SHA)
		return
	case err == nil && former.Outcome == record.Delivered:
		r.Log.Warn("the run before had passed, and was cut short then", "run", p.RunID, "sha", p.SHA)
		l.Live = p
		return
	case err == nil && former.Outcome == record.IsRollback:
		var undone deployment
		if err = artifacts.GetJSON(r.Stop.Work, r.Store, keys.Deployment(r.Config.Environment, r.delivery.scope, former.Undoes), &undone); err == nil {
			l.Live = undone.Replaced
			return
		}
	case err == nil && former.Outcome != "" && former.Outcome != record.Interrupted && former.Outcome != record.Abandoned:
		return
	}
	r.Log.Warn("the run before has not ended by itself, so nobody knows how far it came", "run", p.RunID, "sha", p.SHA, "since", p.At,
		"hint", r.takeBack(p.RunID))
	if err == nil && former.Outcome == "" {
		former.Outcome, former.ClosedBy = record.Abandoned, r.ID
		err = artifacts.PutJSON(r.Stop.Work, r.Store, key, former)
	}
	if err != nil {
		r.Log.Warn("the record of the run before cannot be closed", "record", key, "error", err.Error())
	}
}

// refuseSuperseded returns a *outcome.GuardError if what is live is newer than what this run brings.
func (r *run) refuseSuperseded() error {
	live := r.delivery.ledger.Live
	if live == nil || live.SHA == r.Ref.SHA {
		return nil
	}
	older, why := r.older(*live)
	if !older {
		return nil
	}
	message := fmt.Sprintf("a newer commit is live: %.12s, by run %s; %.12s is %s", live.SHA, live.RunID, r.Ref.SHA, why)
	if r.Config.Force {
		r.Log.Warn("forced: "+message, "forced", true)
		return nil
	}
	return &outcome.GuardError{Message: message, Advice: "deploy the newer one, or force the older one over it with --force (RUNNER_FORCE=true)"}
}

// older reports whether this run's commit is before another one, and by what it is known: by ancestry where git knows both,
// else by when they were committed, else by when their builds were made. Where nothing is known it is not.
func (r *run) older(live revision) (bool, string) {
	if (artifacts.Ref{Branch: live.Branch, SHA: live.SHA}).Validate() != nil {
		return false, "" // the record is no commit's
	}
	ancestor := func(a, b string) bool {
		_, err := r.Git(r.Stop.Work, r.Config.Workspace, nil, "merge-base", "--is-ancestor", a, b)
		return err == nil
	}
	switch mine := r.revision(); {
	case ancestor(r.Ref.SHA, live.SHA):
		return true, "an ancestor of it"
	case ancestor(live.SHA, r.Ref.SHA):
		return false, ""
	case !mine.Committed.IsZero() && !live.Committed.IsZero():
		return mine.Committed.Before(live.Committed), "of " + mine.Committed.Format(time.RFC3339) + ", that one of " + live.Committed.Format(time.RFC3339)
	case !mine.Built.IsZero() && !live.Built.IsZero():
		return mine.Built.Before(live.Built), "built at " + mine.Built.Format(time.RFC3339) + ", that one at " + live.Built.Format(time.RFC3339)
	}
	return false, ""
}

// takeBack says what can be done about a run that has left things half-way.
func (r *run) takeBack(id string) string {
	if r.step.Lock == steps.LockEnvironment {
		return "look at what it left in the environment"
	}
	return "runner rollback --to " + id + " brings back what was there before it"
}

// mayRetry reports whether the step allows whoever started the run to start it again for the reason it ended.
func (r *run) mayRetry(o outcome.Outcome) bool {
	ours := o.Reason == record.OOM || o.Reason == record.Cancelled
	return o.Retryable && r.step.Retry.Attempts > 0 && (ours && r.step.Retry.Allows(string(o.Reason)) || !ours && r.step.Retry.Allows("infrastructure"))
}

package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/runner/account"
	"github.com/carlin-cicd/runner/runner/deploy/keeper"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/steps"
)

// Lock finds the stacks of the step, acquires their locks, completes the record of an earlier run that did not, and
// refuses a commit that is older than a live one. The error is a *outcome.GuardError, an outcome.ArtifactsError, a
// *outcome.ConfigError or the context's.
func (d *Deployment) Lock(place *account.Place, variables map[string]string) error {
	if d == nil {
		return nil
	}
	d.account = place
	if err := d.findStacks(variables); err != nil {
		return err
	}
	for _, t := range d.targets { // sorted, so that two runs with the same stacks cannot wait for each other
		if err := t.acquire(); err != nil {
			return err
		}
	}
	d.startKeeper()
	for _, t := range d.targets {
		if err := t.loadLedger(); err != nil {
			return err
		}
		t.closePrevious()
		if d.isRollback {
			continue
		}
		if err := t.checkSuperseded(); err != nil {
			return err
		}
	}
	return nil
}

// Unlock releases the locks. One that cannot be released expires.
func (d *Deployment) Unlock() {
	if d == nil {
		return
	}
	ctx, cancel := d.Stop.RecordContext()
	defer cancel()
	ctx, cancelIn := context.WithTimeout(ctx, 10*time.Second)
	defer cancelIn()
	for _, t := range d.targets {
		if t.lease == nil {
			continue
		}
		if err := t.lease.Release(ctx); err != nil {
			d.Log.Warn("could not release the lock; it will expire", "lock", t.lock, "error", err.Error())
		}
	}
	d.keeper.Dismiss()
	d.keeper = nil
}

// startKeeper starts what renews the locks if this process is killed while the command works on. In a task everything
// ends with the runner.
func (d *Deployment) startKeeper() {
	if d.Program == "" || d.TaskARN != "" || os.Getpid() == 1 {
		return
	}
	locks := map[string]string{}
	for _, t := range d.targets {
		if key, err := keys.Lock(d.Config.Environment, t.lock); err == nil && t.lease != nil {
			locks[key] = t.lease.ID()
		}
	}
	started, err := keeper.Start(d.Program, keeper.Request{
		Variables: d.Variables, RunID: d.ID, TTL: d.Config.LockTTL, Locks: locks,
	})
	if err != nil {
		d.Log.Warn("the lock will not outlive this process, even if the command does", "error", err.Error())
		return
	}
	d.keeper = started
}

// Watch notes the process group of a command of the step, by which it is known that the command works on if this
// process is killed.
func (d *Deployment) Watch(group int) {
	if d != nil {
		d.keeper.Watch(group)
	}
}

// acquire waits for a lock that another run holds, as long as the step allows.
func (t *target) acquire() error {
	d := t.run
	swapper, ok := d.Store.(artifacts.Swapper)
	if !ok {
		return &outcome.GuardError{Message: d.Place + " does not support locks", Advice: "use a bucket or a folder"}
	}
	key, err := keys.Lock(d.Config.Environment, t.lock)
	if err != nil {
		return outcome.Refused(err)
	}
	owner := d.LockOwner(d.step.Name)
	owner.Purpose = fmt.Sprintf("%s of %s", d.step.Name, cmp.Or(t.stack, d.Config.Environment))
	if !d.Deadline.IsZero() {
		owner.Until = d.Deadline.Add(d.Config.Grace + d.Config.StopBudget).UTC().Truncate(time.Second)
	}
	acquired, err := lease.Acquire(d.Stop.Work, swapper, lease.Request{
		Key: key, Owner: owner, TTL: d.Config.LockTTL, Wait: d.timeLeft(d.step.Wait), OnWait: d.onWait,
		HasEnded: d.hasEnded,
	})
	var held *lease.HeldError
	switch {
	case errors.As(err, &held):
		return &outcome.GuardError{Message: held.Error(), Advice: held.Hint()}
	case errors.Is(err, context.Canceled):
		return err
	case err != nil:
		return outcome.ArtifactsError{Err: err}
	}
	d.Log.Debug("acquired the lock", "lock", key, "fence", acquired.Fence())
	t.lease = acquired
	go t.stopWhenLost()
	return nil
}

// onWait logs whom the run waits for, and keeps it for the report.
func (d *Deployment) onWait(h lease.Holder) {
	d.LogWait(h)
	d.mu.Lock()
	defer d.mu.Unlock()
	if who := h.String(); !slices.Contains(d.waited, who) {
		d.waited = append(d.waited, who)
	}
}

// stopWhenLost stops the command when the lock is lost, since another run may begin soon after that.
func (t *target) stopWhenLost() {
	<-t.lease.Context().Done()
	if err := t.run.Lost(); err != nil {
		t.run.Log.Error("lost the lock; stopping the command", "error", err.Error())
		select {
		case t.run.Stop.Forward <- syscall.SIGTERM:
		default:
		}
	}
}

// findStacks finds the targets that are not known before the command's variables are.
func (d *Deployment) findStacks(variables map[string]string) error {
	if len(d.targets) == 0 {
		names, err := d.resolveStacks(variables)
		if err != nil {
			return err
		}
		for _, name := range names {
			d.targets = append(d.targets, newTarget(d, name))
		}
	}
	for _, t := range d.targets {
		if t.stack == "" && d.step.Lock == steps.LockStack {
			d.Log.Warn(
				"the stack's name is unknown, so it cannot be restored after a failure", "hint", "set STACK_NAME",
			)
		}
		if err := checkStackName(t.stack); err != nil {
			return err
		}
	}
	return nil
}

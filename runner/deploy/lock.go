package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/steps"
)

// Lock acquires the lock, completes the record of an earlier run that did not, and refuses a commit that is older than the
// live one. The error is a *outcome.GuardError, an outcome.ArtifactsError or the context's.
func (d *Deployment) Lock() error {
	if d == nil {
		return nil
	}
	if d.target.stack == "" && d.step.Lock == steps.LockStack {
		d.Log.Warn("the stack's name is unknown, so it cannot be restored after a failure", "hint", "set STACK_NAME")
	}
	if err := d.acquire(); err != nil {
		return err
	}
	if err := d.loadLedger(); err != nil {
		return err
	}
	d.closePrevious()
	if d.isRollback {
		return nil
	}
	return d.checkSuperseded()
}

// Unlock releases the lock. One that cannot be released expires.
func (d *Deployment) Unlock() {
	if d == nil || d.lease == nil {
		return
	}
	ctx, cancel := d.Stop.RecordContext()
	defer cancel()
	ctx, cancelIn := context.WithTimeout(ctx, 10*time.Second)
	defer cancelIn()
	if err := d.lease.Release(ctx); err != nil {
		d.Log.Warn("could not release the lock; it will expire", "error", err.Error())
	}
}

// acquire waits for a lock that another run holds, as long as the step allows.
func (d *Deployment) acquire() error {
	swapper, ok := d.Store.(artifacts.Swapper)
	if !ok {
		return &outcome.GuardError{Message: d.Place + " does not support locks", Advice: "use a bucket or a folder"}
	}
	key, err := keys.Lock(d.Config.Environment, d.target.lock)
	if err != nil {
		return outcome.Refused(err)
	}
	owner := d.LockOwner(d.step.Name)
	owner.Purpose = fmt.Sprintf("%s of %s", d.step.Name, cmp.Or(d.target.stack, d.Config.Environment))
	acquired, err := lease.Acquire(d.Stop.Work, swapper, lease.Request{
		Key: key, Owner: owner, TTL: d.Config.LockTTL, Wait: d.timeLeft(d.step.Wait), OnWait: d.onWait,
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
	d.lease = acquired
	go d.stopWhenLost()
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
func (d *Deployment) stopWhenLost() {
	<-d.lease.Context().Done()
	if err := d.Lost(); err != nil {
		d.Log.Error("lost the lock; stopping the command", "error", err.Error())
		select {
		case d.Stop.Forward <- syscall.SIGTERM:
		default:
		}
	}
}

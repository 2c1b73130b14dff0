// Package deploy surrounds a command that changes an environment: one run at a time, never an older commit over a newer
// one, and with a way back.
//
//  1. Lock acquires the lock of the stack, or of the environment, and refuses a commit that is older than the live one.
//  2. Begin takes a snapshot of the stack and stores the record of the deployment. Nothing has changed before that.
//  3. The command runs, and the stack's events are logged. A lost lock stops the command.
//  4. CheckDeployed and WaitForStack find out whether the command did what it says.
//  5. Conclude restores the stack if the run failed, and completes the record.
//  6. Unlock releases the lock, however the run ended.
//
// Rollback is a run of its own between Lock and Unlock. Promotion decides whether a commit may go to the next environment.
package deploy

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

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

// Deployment is what a run holds of the environment that its step changes. A nil Deployment belongs to a step that changes
// none: its methods do nothing.
type Deployment struct {
	*session.Session
	step       steps.Step
	isRollback bool // the run is runner rollback

	target target
	lease  *lease.Lease
	ledger ledger
	record *deploymentRecord // nil before Begin
	output *tail             // the end of the command's output, where that is kept

	env           map[string]string // the command's, once Begin knows it
	watched       *watchedStack     // nil if there is no stack, or no snapshot of it
	stopFollowing func()

	mu      sync.Mutex
	waited  []string // holders of the lock that the run waited for
	events  []record.StackEvent
	dropped int // older events
}

// watchedStack is a stack with a snapshot of it before the command.
type watchedStack struct {
	*stack.Stack
	before    stack.Snapshot
	lastEvent string                 // the last event that may be the command's, once the command has ended
	refusal   *stack.RefusalDetector // detects in the command's output that CloudFormation refused it
}

// New returns the deployment of a step; nil if the step changes no environment.
func New(s *session.Session, step steps.Step) *Deployment {
	if step.Lock == "" {
		return nil
	}
	return &Deployment{Session: s, step: step, target: locate(step, s.Config)}
}

// target is what a step locks.
type target struct {
	stack string // the stack's name; "" if it is unknown, or if the step locks the environment
	scope string // the folder of its records under deployments/<environment>
	lock  string // the name of its lock
}

func locate(step steps.Step, c config.Config) target {
	if step.Lock == steps.LockEnvironment {
		return target{scope: step.Name, lock: step.Name}
	}
	name := carlin.StackName(step, c)
	switch name {
	case "":
		return target{scope: step.Name + keys.Mark, lock: step.Name} // no stack's name has the mark
	case "migrate": // the folder of a step that locks its environment
		return target{stack: name, scope: name + keys.Mark, lock: "stack." + name}
	}
	return target{stack: name, scope: name, lock: "stack." + name}
}

// StackName returns the name of the stack that the step changes, or "".
func (d *Deployment) StackName() string {
	if d == nil {
		return ""
	}
	return d.target.stack
}

// Began reports whether the start of the deployment is on record, so that Conclude must be called.
func (d *Deployment) Began() bool { return d != nil && d.record != nil }

// Lost returns a *outcome.GuardError once the lock is lost.
func (d *Deployment) Lost() error {
	var lost *lease.LostError
	if d == nil || d.lease == nil || !errors.As(context.Cause(d.lease.Context()), &lost) {
		return nil
	}
	return &outcome.GuardError{Message: lost.Error(), Advice: lost.Hint()}
}

// Delivery returns what became of the environment so far; nil if the deployment did not begin.
func (d *Deployment) Delivery() *record.Delivery {
	if !d.Began() {
		return nil
	}
	delivery := d.record.Delivery
	return &delivery
}

// Details returns how the environment was changed; nil if the run neither began nor waited for the lock.
func (d *Deployment) Details() *record.Deployment {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.record == nil && len(d.waited) == 0 {
		return nil
	}
	details := &record.Deployment{
		HasStack: d.watched != nil, Waited: slices.Clone(d.waited), Events: slices.Clone(d.events), Dropped: d.dropped,
	}
	if d.record == nil {
		return details
	}
	if d.record.Before != nil {
		details.Before = d.record.Before.Status
	}
	details.Replaced, details.Undoes, details.Forced, details.Key = d.record.Replaced, d.record.Undoes, d.record.Forced, d.recordKey(d.ID)
	return details
}

func (d *Deployment) recordKey(runID string) string {
	return keys.Deployment(d.Config.Environment, d.target.scope, runID)
}

// maxEvents is how many events are kept for the report, the newest. The log has all of them.
const maxEvents = 200

func (d *Deployment) keepEvent(e record.StackEvent) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.events) == maxEvents {
		d.events = slices.Delete(d.events, 0, 1)
		d.dropped++
	}
	d.events = append(d.events, e)
}

// insistsOnRollback reports whether the step may not begin unless its stack can be restored.
func (d *Deployment) insistsOnRollback() bool { return d.step.Rollback != nil && *d.step.Rollback }

// timeLeft returns how long the run may still take, at most the given time.
func (d *Deployment) timeLeft(atMost time.Duration) time.Duration {
	if d.Deadline.IsZero() {
		return atMost
	}
	return max(min(time.Until(d.Deadline), atMost), 0)
}

// Package deploy surrounds a command that changes an environment: one run at a time, never an older commit over a newer
// one, and with a way back.
//
//  1. Lock acquires the locks of the stacks, or of the environment, and refuses a commit that is older than the live one.
//  2. Begin takes snapshots of the stacks and stores the record of the deployment. Nothing has changed before that.
//  3. The command runs, and the stacks' events are logged. A lost lock stops the command. Side by side with it, what it
//     deploys is tagged to be kept.
//  4. CheckDeployed and WaitForStacks find out whether the command did what it says.
//  5. Conclude restores the stacks if the run failed, and completes the record.
//  6. Unlock releases the locks, however the run ended.
//
// Rollback is a run of its own between Lock and Unlock. Promotion decides whether a commit may go to the next
// environment.
package deploy

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/runner/account"
	"github.com/carlin-cicd/runner/runner/deploy/keeper"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps"
)

// Deployment is what a run holds of the environment that its step changes. A nil Deployment belongs to a step that
// changes none: its methods do nothing.
type Deployment struct {
	*session.Session
	step       steps.Step
	isRollback bool // the run is runner rollback
	byRecords  bool // patterns of stacks: mean the stacks that have records, not those that exist

	account *account.Place // where the command works in AWS, once Lock knows it
	targets []*target      // what is locked, in the order of the locks
	output  *tail          // the end of the command's output, where that is kept

	listed  map[string]listedStack // the account's stacks before the command; nil if they could not be listed
	created []string               // stacks of the step that the command created
	others  []string               // stacks that changed while the command ran, and are not the step's

	builds  []artifacts.Manifest // the sets that the run brings
	retains func()               // waits until they are tagged; nil before Begin

	refused error // why carlin deployed nothing; nil otherwise

	keeper *keeper.Keeper // renews the locks if this process is killed; nil in a task

	mu      sync.Mutex
	waited  []string // holders of the locks that the run waited for
	warned  []string // what warnOnce has warned of
	events  []record.StackEvent
	dropped int // older events
}

// New returns the deployment of a step; nil if the step changes no environment.
func New(s *session.Session, step steps.Step) *Deployment {
	if step.Lock == "" {
		return nil
	}
	d := &Deployment{Session: s, step: step}
	if len(step.Stacks) == 0 || step.Lock == steps.LockEnvironment {
		d.targets = []*target{locate(d)}
	}
	return d
}

// StackName returns the name of the stack that the step changes, or "". Several are separated by commas.
func (d *Deployment) StackName() string {
	switch {
	case d == nil:
		return ""
	case len(d.targets) == 0:
		return strings.Join(d.step.Stacks, ", ")
	}
	var names []string
	for _, t := range d.targets {
		names = append(names, t.stack)
	}
	return strings.Join(names, ", ")
}

// Began reports whether the start of the deployment is on record, so that Conclude must be called.
func (d *Deployment) Began() bool {
	return d != nil && slices.ContainsFunc(d.targets, func(t *target) bool { return t.record != nil })
}

// Lost returns a *outcome.GuardError once a lock is lost.
func (d *Deployment) Lost() error {
	if d == nil {
		return nil
	}
	for _, t := range d.targets {
		var lost *lease.LostError
		if t.lease != nil && errors.As(context.Cause(t.lease.Context()), &lost) {
			return &outcome.GuardError{Message: lost.Error(), Advice: lost.Hint()}
		}
	}
	return nil
}

// severity orders outcomes: that of several stacks is the one that needs the most attention.
var severity = []record.DeliveryOutcome{
	record.RollbackFailed,
	record.Interrupted,
	"",
	record.Unknown,
	record.LeftAsIs,
	record.RolledBack,
	record.IsRollback,
	record.Delivered,
}

// Delivery returns what became of the environment so far; nil if the deployment did not begin.
func (d *Deployment) Delivery() *record.Delivery {
	if !d.Began() {
		return nil
	}
	begun := slices.DeleteFunc(slices.Clone(d.targets), func(t *target) bool { return t.record == nil })
	worst := slices.MinFunc(begun, func(a, b *target) int {
		return slices.Index(severity, a.record.Outcome) - slices.Index(severity, b.record.Outcome)
	})
	delivery := worst.record.Delivery
	delivery.Created, delivery.Others = slices.Clone(d.created), slices.Clone(d.others)
	if len(begun) > 1 {
		for _, t := range begun {
			r := t.record.Delivery
			delivery.Stacks = append(delivery.Stacks, record.StackDelivery{
				Stack:    t.stack,
				Outcome:  r.Outcome,
				Status:   r.Status,
				Rollback: r.Rollback,
				Problem:  r.Problem,
				Advice:   r.Advice,
			})
		}
	}
	return &delivery
}

// Details returns how the environment was changed; nil if the run neither began nor waited for a lock.
func (d *Deployment) Details() *record.Deployment {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.Began() && len(d.waited) == 0 {
		return nil
	}
	details := &record.Deployment{Waited: slices.Clone(d.waited), Events: slices.Clone(d.events), Dropped: d.dropped}
	var before []string
	for _, t := range d.targets {
		details.HasStack = details.HasStack || t.watched != nil
		if t.record == nil {
			continue
		}
		if t.record.Before != nil {
			status := t.record.Before.Status
			if len(d.targets) > 1 {
				status = t.stack + ": " + status
			}
			before = append(before, status)
		}
		if details.Key == "" {
			details.Replaced, details.Undoes, details.Forced, details.Key = t.record.Replaced, t.record.Undoes, t.record.Forced, t.recordKey(
				d.ID,
			)
		}
	}
	details.Before = strings.Join(before, ", ")
	return details
}

// maxEvents is how many events are kept for the report, the newest. The log has all of them.
const maxEvents = 200

func (d *Deployment) keepEvent(t *target, e record.StackEvent) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.targets) > 1 {
		e.Resource = t.stack + ": " + e.Resource
	}
	if len(d.events) == maxEvents {
		d.events = slices.Delete(d.events, 0, 1)
		d.dropped++
	}
	d.events = append(d.events, e)
}

// insistsOnRollback reports whether the step may not begin unless its stacks can be restored.
func (d *Deployment) insistsOnRollback() bool { return d.step.Rollback != nil && *d.step.Rollback }

// timeLeft returns how long the run may still take, at most the given time.
func (d *Deployment) timeLeft(atMost time.Duration) time.Duration {
	if d.Deadline.IsZero() {
		return atMost
	}
	return max(min(time.Until(d.Deadline), atMost), 0)
}

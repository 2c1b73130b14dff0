package deploy

import (
	"context"
	"sync/atomic"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/runner/deploy/carlin"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/steps"
)

// target is a stack, or an environment, that the command changes: with its lock, its ledger and its record.
type target struct {
	run   *Deployment
	stack string // the stack's name; "" if it is unknown, or if the step locks the environment
	scope string // the folder of its records under deployments/<environment>
	lock  string // the name of its lock

	lease  *lease.Lease
	ledger ledger
	record *deploymentRecord // nil before Begin

	watched  *watchedStack // nil if there is no stack, or no snapshot of it
	existed  atomic.Bool   // an event of the stack was seen
	unfollow func()        // nil if its events are not followed
}

// watchedStack is a stack with a snapshot of it before the command.
type watchedStack struct {
	*stack.Stack
	before    stack.Snapshot
	lastEvent string                 // the last event that may be the command's, once the command has ended
	refusal   *stack.RefusalDetector // detects in the command's output that CloudFormation refused it
}

// changed reports whether the command did anything to the stack.
func (t *target) changed() bool {
	return t.watched != nil && t.watched.lastEvent != t.watched.before.LastEvent
}

// locate returns the target of a step without stacks:.
func locate(d *Deployment) *target {
	if d.step.Lock == steps.LockEnvironment {
		return &target{run: d, scope: d.step.Name, lock: d.step.Name}
	}
	name := carlin.StackName(d.step, d.Config)
	if name == "" {
		return &target{run: d, scope: d.step.Name + keys.Mark, lock: d.step.Name} // no stack's name has the mark
	}
	return newTarget(d, name)
}

// newTarget returns the target of a stack.
func newTarget(d *Deployment, name string) *target {
	t := &target{run: d, stack: name, scope: name, lock: "stack." + name}
	if name == "migrate" { // the folder of a step that locks its environment
		t.scope += keys.Mark
	}
	return t
}

func (t *target) recordKey(runID string) string {
	return keys.Deployment(t.run.Config.Environment, t.scope, runID)
}

// putRecord stores the record, redacted.
func (t *target) putRecord(ctx context.Context) error {
	return artifacts.PutJSON(ctx, t.run.Store, t.recordKey(t.run.ID), redact.Value(t.run.Redactor, *t.record))
}

// loadRecord reads the record of a run. The error is fs.ErrNotExist if there is none.
func (t *target) loadRecord(runID string) (deploymentRecord, error) {
	var found deploymentRecord
	err := artifacts.GetJSON(t.run.Stop.Work, t.run.Store, t.recordKey(runID), &found)
	return found, err
}

package deploy

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/steps"
)

// Begin takes snapshots of the stacks, stores the start of the deployment, and starts to log the stacks' events.
// Nothing is changed before the records are stored. What is read is read side by side.
func (d *Deployment) Begin(id record.Identity) error {
	if d == nil {
		return nil
	}
	var v record.Revision
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { v = d.revision() })
	beside.Go(d.listBefore)
	if d.step.Lock == steps.LockEnvironment {
		d.output = &tail{}
	}
	for _, t := range d.targets {
		id.Stack = t.stack
		t.record = &deploymentRecord{
			Identity: id, Fence: t.lease.Fence(), Forced: d.Config.Force, Replaced: t.ledger.Live,
		}
		if err := t.takeSnapshot(); err != nil {
			d.forgetRecords()
			return err
		}
	}
	beside.Wait()
	if where := d.account.Elsewhere; where != "" && d.step.Lock == steps.LockStack {
		d.Log.Warn(
			"the command deploys to other regions, too, where no stack is restored", "regions", where,
			"place", d.account.String(), "hint", "use a step with a region: of its own for each",
		)
	}
	for _, t := range d.targets {
		t.record.Started, t.record.Committed, t.record.Builds = v.At, v.Committed, v.Builds
		// The ledger first: then every record is known to a later run.
		t.ledger.Pending = &v
		err := t.ledger.save(d.Stop.Work, d.Store, d.Redactor)
		if err == nil {
			err = t.putRecord(d.Stop.Work)
		}
		if err != nil {
			d.forgetRecords()
			return outcome.ArtifactsError{
				Err: fmt.Errorf("could not store the start of the deployment, so nothing was started: %w", err),
			}
		}
	}
	d.retainBuilds()
	for _, t := range d.targets {
		t.follow()
	}
	return nil
}

// forgetRecords makes the deployment one that did not begin.
func (d *Deployment) forgetRecords() {
	for _, t := range d.targets {
		t.record, t.watched = nil, nil
	}
}

// errBusy is the cause when a stack stays busy for as long as the step waits.
var errBusy = errors.New("the stack is busy")

// adviceOnAbsent says what to do if a step that insists on its rollback would create a stack.
const adviceOnAbsent = "if it exists elsewhere, set region:, role: or account: of the step; to create it, use --force once, or remove rollback: true"

// takeSnapshot keeps what the stack is. Without a snapshot, a step that insists on its rollback does not begin.
func (t *target) takeSnapshot() error {
	d := t.run
	if t.stack == "" {
		if d.insistsOnRollback() {
			return &outcome.GuardError{
				Message: "the stack's name is unknown, so the stack could not be restored",
				Advice:  "set STACK_NAME, or remove rollback: true",
			}
		}
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(d.Stop.Work, d.step.Wait, errBusy)
	defer cancel()
	s, err := t.open(ctx)
	var state stack.State
	var before stack.Snapshot
	if err == nil {
		state, err = s.WaitUntilIdle(ctx, func(now stack.State) {
			d.Log.Info(
				"waiting for CloudFormation", "stack", t.stack, "status", now.Status, "at_most", d.step.Wait.String(),
			)
		})
	}
	if err == nil {
		before, err = s.SnapshotOf(ctx, state)
	}
	switch {
	case d.Stop.Work.Err() != nil:
		return context.Cause(d.Stop.Work)
	case errors.Is(err, errBusy):
		return &outcome.GuardError{
			Message: fmt.Sprintf("stack %s is still %s after %s", t.stack, state.Status, d.step.Wait),
			Advice:  "wait until it is done, or raise wait: of the step",
		}
	case err != nil && d.insistsOnRollback():
		return &outcome.GuardError{
			Message: "the stack could not be restored, so the step does not start: " + err.Error(),
			Advice:  outcome.Hint(err),
		}
	case err != nil:
		d.Log.Warn(
			"could not take a snapshot of the stack, so it will not be restored after a failure", "stack", t.stack,
			"error", err.Error(), "hint", outcome.Hint(err),
		)
		return nil
	}
	problem, advice := before.Blocked(t.stack)
	if before.Missing() && d.insistsOnRollback() && !d.isRollback && !d.Config.Force {
		if problem == "" {
			problem, advice = "it does not exist", adviceOnAbsent
		}
		return &outcome.GuardError{
			Message: fmt.Sprintf(
				"stack %s could not be restored, so the step does not start: %s in %s", t.stack, problem, d.account,
			),
			Advice: advice,
		}
	}
	t.watched = &watchedStack{Stack: s, before: before, refusal: stack.NewRefusalDetector(t.stack)}
	stored := before.Redacted(d.Redactor.String, redact.IsSecretName)
	t.record.Before = &stored
	d.Log.Info("took a snapshot of the stack", "stack", t.stack, "status", before.Status, "place", d.account.String())
	if problem != "" {
		d.Log.Warn("the stack cannot be updated: "+problem, "stack", t.stack, "status", before.Status, "hint", advice)
	}
	return nil
}

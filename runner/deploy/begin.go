package deploy

import (
	"context"
	"errors"
	"fmt"

	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/steps"
)

// Begin takes a snapshot of the stack, stores the start of the deployment, and starts to log the stack's events. Nothing
// is changed before the record is stored. The variables are the command's environment.
func (d *Deployment) Begin(id record.Identity, variables map[string]string) error {
	if d == nil {
		return nil
	}
	d.env = variables
	v := d.revision()
	d.record = &deploymentRecord{
		Identity: id, Committed: v.Committed, Fence: d.lease.Fence(), Forced: d.Config.Force, Builds: v.Builds,
		Replaced: d.ledger.Live, Started: v.At,
	}
	if d.step.Lock == steps.LockEnvironment {
		d.output = &tail{}
	}
	if err := d.takeSnapshot(); err != nil {
		d.record = nil
		return err
	}
	// The ledger first: then every record is known to a later run.
	d.ledger.Pending = &v
	err := d.ledger.save(d.Stop.Work, d.Store, d.Redactor)
	if err == nil {
		err = d.putRecord(d.Stop.Work)
	}
	if err != nil {
		d.record = nil
		return outcome.ArtifactsError{Err: fmt.Errorf("could not store the start of the deployment, so nothing was started: %w", err)}
	}
	d.follow()
	return nil
}

// errBusy is the cause when a stack stays busy for as long as the step waits.
var errBusy = errors.New("the stack is busy")

// takeSnapshot keeps what the stack is. Without a snapshot, a step that insists on its rollback does not begin.
func (d *Deployment) takeSnapshot() error {
	name := d.target.stack
	if name == "" {
		if d.insistsOnRollback() {
			return &outcome.GuardError{Message: "the stack's name is unknown, so the stack could not be restored", Advice: "set STACK_NAME, or remove rollback: true"}
		}
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(d.Stop.Work, d.step.Wait, errBusy)
	defer cancel()
	s, err := d.openStack(ctx, name)
	var state stack.State
	var before stack.Snapshot
	if err == nil {
		state, err = s.WaitUntilIdle(ctx, func(now stack.State) {
			d.Log.Info("waiting for CloudFormation", "stack", name, "status", now.Status, "at_most", d.step.Wait.String())
		})
	}
	if err == nil {
		before, err = s.Snapshot(ctx)
	}
	switch {
	case d.Stop.Work.Err() != nil:
		return context.Cause(d.Stop.Work)
	case errors.Is(err, errBusy):
		return &outcome.GuardError{Message: fmt.Sprintf("stack %s is still %s after %s", name, state.Status, d.step.Wait), Advice: "wait until it is done, or raise wait: of the step"}
	case err != nil && d.insistsOnRollback():
		return &outcome.GuardError{Message: "the stack could not be restored, so the step does not start: " + err.Error(), Advice: outcome.Hint(err)}
	case err != nil:
		d.Log.Warn("could not take a snapshot of the stack, so it will not be restored after a failure", "stack", name, "error", err.Error(), "hint", outcome.Hint(err))
		return nil
	}
	d.watched = &watchedStack{Stack: s, before: before, refusal: stack.NewRefusalDetector(name)}
	stored := before.Redacted(d.Redactor.String, redact.IsSecretName)
	d.record.Before = &stored
	d.Log.Info("took a snapshot of the stack", "stack", name, "status", before.Status)
	if problem, advice := before.Blocked(); problem != "" {
		d.Log.Warn("the stack cannot be updated: "+problem, "stack", name, "status", before.Status, "hint", advice)
	}
	return nil
}

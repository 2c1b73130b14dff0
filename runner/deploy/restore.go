package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
)

// restore brings the stack back to its snapshot after a failure, in as much time as the step has.
func (d *Deployment) restore(c Command) {
	d.MarkEnd(false)
	ctx, cancel := d.restoreContext()
	defer cancel()
	w := d.watched
	result, err := w.Restore(ctx, stack.RestoreOptions{
		Before: w.before, LastEvent: w.lastEvent, Starts: c.Attempts, Refused: w.refusal.Seen(), Token: "runner-" + d.ID, OnProgress: d.logRollback,
	})
	d.recordRestore(result, err)
}

// restoreContext ends when the step's time for a restoration is over, when the lock is lost and when the run is stopped.
func (d *Deployment) restoreContext() (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(d.lease.Context(), d.step.Timeout, &outcome.GuardError{
		Message: fmt.Sprintf("CloudFormation was not done within %s", d.step.Timeout), Advice: "look at the stack's events; the next deploy waits for it",
	})
}

// recordRestore records and logs what became of the stack.
func (d *Deployment) recordRestore(result record.Rollback, err error) {
	d.record.Rollback, d.record.Status, d.record.Outcome = &result, result.Status, record.RolledBack
	attributes := []any{"stack", d.target.stack, "action", string(result.Action), "status", result.Status, "proven", result.Proven}
	if len(result.Kept) > 0 {
		kept := strings.Join(result.Kept, ", ")
		attributes = append(attributes, "kept", kept)
		d.Log.Warn("hidden parameters cannot be read back, so they keep their present values", "stack", d.target.stack, "parameters", kept)
	}
	if err == nil {
		d.Log.Info("restored the stack", attributes...)
		return
	}
	d.record.Outcome = record.RollbackFailed
	var late *outcome.GuardError
	if d.lease.Context().Err() != nil || errors.As(err, &late) {
		d.record.Outcome = record.Interrupted
	}
	d.record.Problem, d.record.Advice = err.Error(), outcome.Hint(err)
	d.Log.Error("could not restore the stack", append(attributes, "error", err.Error(), "hint", outcome.Hint(err))...)
}

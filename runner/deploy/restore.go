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
func (t *target) restore(c Command) {
	t.run.MarkEnd(false)
	ctx, cancel := t.restoreContext()
	defer cancel()
	w := t.watched
	result, err := w.Restore(ctx, stack.RestoreOptions{
		Before:     w.before,
		LastEvent:  w.lastEvent,
		Starts:     c.Attempts,
		Refused:    w.refusal.Seen(),
		Existed:    t.existed.Load(),
		Token:      "runner-" + t.run.ID,
		OnProgress: t.logProgress,
	})
	t.recordRestore(result, err)
}

// restoreContext ends when the step's time for a restoration is over, when the lock is lost and when the run is
// stopped.
func (t *target) restoreContext() (context.Context, context.CancelFunc) {
	limit := t.run.step.Timeout
	return context.WithTimeoutCause(t.lease.Context(), limit, &outcome.GuardError{
		Message: fmt.Sprintf(
			"CloudFormation was not done within %s",
			limit,
		),
		Advice: "look at the stack's events; the next deploy waits for it",
	})
}

// recordRestore records and logs what became of the stack.
func (t *target) recordRestore(result record.Rollback, err error) {
	log := t.run.Log
	t.record.Rollback, t.record.Status, t.record.Outcome = &result, result.Status, record.RolledBack
	attributes := []any{
		"stack",
		t.stack,
		"action",
		string(result.Action),
		"status",
		result.Status,
		"proven",
		result.Proven,
	}
	if len(result.Kept) > 0 {
		kept := strings.Join(result.Kept, ", ")
		attributes = append(attributes, "kept", kept)
		log.Warn(
			"hidden parameters cannot be read back, so they keep their present values", "stack", t.stack,
			"parameters", kept,
		)
	}
	switch {
	case err != nil:
		t.record.Outcome = record.RollbackFailed
		var late *outcome.GuardError
		if t.lease.Context().Err() != nil || errors.As(err, &late) {
			t.record.Outcome = record.Interrupted
		}
		t.record.Problem, t.record.Advice = err.Error(), outcome.Hint(err)
		log.Error("could not restore the stack", append(attributes, "error", err.Error(), "hint", outcome.Hint(err))...)
	case result.Action == record.StackNotFound:
		t.record.Outcome = record.Unknown
		t.record.Problem = "the stack existed neither before nor after the command in " + t.run.account.String()
		t.record.Advice = "if the command works elsewhere, set region:, role: or account: of the step; otherwise correct STACK_NAME"
		log.Warn(
			"found no stack to restore, so its state is unknown",
			append(attributes, "place", t.run.account.String(), "hint", t.record.Advice)...)
	default:
		log.Info("restored the stack", attributes...)
	}
}

package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	doubt := ""
	if err == nil && result.Action == record.Untouched {
		doubt = t.run.doubt(c)
	}
	if doubt != "" {
		result.Proven = false
	}
	t.recordRestore(result, err, doubt)
}

// doubt says why a stack that has not changed proves nothing: the command may have changed another one of its name,
// in another account or region. It is "" if nothing speaks for that.
func (d *Deployment) doubt(c Command) string {
	var notDeployed *NotDeployedError
	switch {
	case slices.ContainsFunc(d.targets, (*target).changed):
		return ""
	case d.account.Unsure != "":
		return d.account.Unsure
	case c.Passed && !errors.As(d.refused, &notDeployed):
		return "the command passed"
	}
	return ""
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
func (t *target) recordRestore(result record.Rollback, err error, doubt string) {
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
		"place",
		t.run.account.String(),
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
	case doubt != "":
		t.record.Outcome = record.Unknown
		t.record.Problem = "the stack in " + t.run.account.String() + " did not change, but " + doubt
		t.record.Advice = "if the command works elsewhere, set region:, role: or account: of the step; if it had nothing " +
			"to change, there is nothing to do"
		log.Warn("the stack did not change, so what the command changed is unknown",
			append(attributes, "reason", doubt, "hint", t.record.Advice)...)
	case result.Action == record.StackNotFound:
		t.record.Outcome = record.Unknown
		t.record.Problem = "the stack existed neither before nor after the command in " + t.run.account.String()
		t.record.Advice = "if the command works elsewhere, set region:, role: or account: of the step; otherwise correct STACK_NAME"
		if problem, advice := (stack.Snapshot{Status: result.Status}).Blocked(t.stack); problem != "" {
			t.record.Problem += ": " + problem
			t.record.Advice = advice
		}
		log.Warn(
			"found no stack to restore, so its state is unknown", append(attributes, "hint", t.record.Advice)...)
	case result.Action == record.Untouched:
		log.Info("the stack has not changed", attributes...)
	default:
		log.Info("restored the stack", attributes...)
	}
}

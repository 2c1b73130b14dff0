package runner

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
)

// FailedStackError says that a command has passed whose update of the stack did not come through.
type FailedStackError struct{ Stack, Status, Reason string }

func (e *FailedStackError) Error() string {
	text := fmt.Sprintf("the command passed, yet stack %s is %s", e.Stack, e.Status)
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// Hint says where to look.
func (e *FailedStackError) Hint() string {
	return "see the stack's events above; a command that does not wait for CloudFormation cannot say how it ended"
}

// arrived sees that what the command has begun has come through, since not every command waits for that.
func (r *run) arrived() error {
	d := &r.delivery
	if d.stack == nil || d.mark == d.before.LastEvent {
		return nil
	}
	return r.phase("stack", func() error {
		ctx, cancel := context.WithDeadlineCause(r.Stop.Work, r.Deadline, &process.TimeoutError{Limit: r.step.Timeout})
		defer cancel()
		state, err := d.stack.Settle(ctx, func(s stack.State) {
			r.Log.Info("waiting for CloudFormation", "stack", d.name, "status", s.Status)
		})
		var service *stack.ServiceError
		switch {
		case errors.As(err, &service):
			r.Log.Warn("how the stack has come through is not known", "stack", d.name, "error", err.Error(), "hint", outcome.Hint(err))
			return nil
		case err != nil:
			return err
		case strings.Contains(state.Status, "ROLLBACK"), strings.HasSuffix(state.Status, "_FAILED"):
			return outcome.ArtifactsError{Err: &FailedStackError{d.name, state.Status, state.Reason}}
		}
		return nil
	})
}

// settleStack waits for CloudFormation before the command is started again.
func (r *run) settleStack() {
	if r.delivery.stack == nil {
		return
	}
	ctx, cancel := context.WithDeadline(r.Stop.Work, r.Deadline)
	defer cancel()
	if _, err := r.delivery.stack.Settle(ctx, nil); err != nil {
		r.Log.Warn("the stack is busy, or cannot be asked", "stack", r.delivery.name, "error", err.Error())
	}
}

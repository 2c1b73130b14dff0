package deploy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/deploy/carlin"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/steps"
)

// FailedStackError says that a command passed whose update of the stack failed.
type FailedStackError struct{ Stack, Status, Reason string }

func (e *FailedStackError) Error() string {
	text := fmt.Sprintf("the command passed, but stack %s is %s", e.Stack, e.Status)
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// Hint says where to look.
func (e *FailedStackError) Hint() string {
	return "see the stack's events above; a command that does not wait for CloudFormation cannot fail with it"
}

// NotDeployedError says that a deploy passed without deploying anything.
type NotDeployedError struct{ Stack string }

func (e *NotDeployedError) Error() string {
	text := "carlin exited with 0 but deployed nothing"
	if e.Stack != "" {
		text += fmt.Sprintf(": stack %s is unchanged, and there is no new .carlin/latest-deploy.json", e.Stack)
	}
	return text
}

// Hint says what to do about it.
func (e *NotDeployedError) Hint() string {
	return "see its output above: it exits with 0 if the account is not the one in awsAccountId, or if it should destroy a protected environment"
}

// HasChanged reports whether the command did anything to a stack, so that WaitForStacks must be called.
func (d *Deployment) HasChanged() bool {
	return d != nil && slices.ContainsFunc(d.targets, (*target).changed)
}

// WaitForStacks waits until CloudFormation has done what the command asked for, since not every command does. The
// error is an outcome.ArtifactsError if an update failed.
func (d *Deployment) WaitForStacks() error {
	ctx, cancel := context.WithDeadlineCause(d.Stop.Work, d.Deadline, &process.TimeoutError{Limit: d.step.Timeout})
	defer cancel()
	var failed []error
	for _, t := range d.targets {
		if !t.changed() {
			continue
		}
		state, err := t.watched.WaitUntilIdle(ctx, func(s stack.State) {
			d.Log.Info("waiting for CloudFormation", "stack", t.stack, "status", s.Status)
		})
		var service *stack.ServiceError
		switch {
		case errors.As(err, &service):
			d.Log.Warn(
				"could not find out how the update of the stack ended", "stack", t.stack, "error", err.Error(),
				"hint", outcome.Hint(err),
			)
		case err != nil:
			return err
		case strings.Contains(state.Status, "ROLLBACK"), strings.HasSuffix(state.Status, "_FAILED"):
			failed = append(failed, &FailedStackError{t.stack, state.Status, state.Reason})
		}
	}
	if len(failed) > 0 {
		return outcome.ArtifactsError{Err: errors.Join(failed...)}
	}
	return nil
}

// WaitUntilIdle waits for CloudFormation before the command is started again.
func (d *Deployment) WaitUntilIdle() {
	if d == nil {
		return
	}
	ctx, cancel := context.WithDeadline(d.Stop.Work, d.Deadline)
	defer cancel()
	for _, t := range d.targets {
		if t.watched == nil {
			continue
		}
		if _, err := t.watched.WaitUntilIdle(ctx, nil); err != nil {
			d.Log.Warn("the stack is busy or could not be described", "stack", t.stack, "error", err.Error())
		}
	}
}

// latestDeploy is the file that carlin writes at the end of each deploy, also of one that had nothing to change.
const latestDeploy = ".carlin/latest-deploy.json"

// CheckDeployed returns an outcome.ArtifactsError if the command, started at the given time, is carlin and deployed
// nothing: carlin exits with 0 also when it refuses. Its file is the evidence, else the stack's events. Where a
// command may deploy by other means, as a script or a make target can, a deploy without evidence is only worth a
// warning.
func (d *Deployment) CheckDeployed(started time.Time) error {
	if d == nil {
		return nil
	}
	certain := d.runsCarlin()
	if !certain && (d.step.Lock != steps.LockStack || !carlin.IsConfigured(d.directory())) {
		return nil
	}
	info, err := os.Stat(filepath.Join(d.directory(), latestDeploy))
	if err == nil && !info.ModTime().Before(started.Truncate(time.Second)) {
		return nil
	}
	ctx, cancel := context.WithTimeout(d.Stop.Work, 30*time.Second)
	defer cancel()
	for _, t := range d.targets {
		if w := t.watched; w != nil &&
			w.EmitEvents(ctx, w.before, w.before.LastEvent, func(stack.Event) {}) != w.before.LastEvent {
			return nil
		}
	}
	problem := &NotDeployedError{Stack: d.StackName()}
	if certain {
		d.refused = problem
		return outcome.ArtifactsError{Err: problem}
	}
	d.Log.Warn(
		"found no sign of a deployment: there is no new "+latestDeploy, "stack", d.StackName(),
		"hint", problem.Hint(),
	)
	return nil
}

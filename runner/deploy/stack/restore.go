package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/carlin-cicd/runner/runner/record"
)

// RestoreOptions say what to restore, and what is known of the command that changed the stack.
type RestoreOptions struct {
	Before Snapshot
	// LastEvent is the last event that may be the command's. An operation that began after it is another party's.
	LastEvent string
	// Starts is how often the command was started; 0 counts as 1. It began at most as many operations.
	Starts int
	// Refused says that CloudFormation refused the command's update because the stack was busy. See RefusalDetector.
	Refused bool
	// Existed says that the stack existed at some time since the snapshot.
	Existed bool
	// OverOthers lets the restoration undo later operations of other parties, as a person asked for.
	OverOthers bool
	// Token marks the requests, in letters, digits and dashes, so that their events can be attributed.
	Token string
	// OnProgress, if it is set, is called with what is waited for and what is done.
	OnProgress func(message string, s State)
}

// Restore waits until CloudFormation is done, and then restores the snapshot by the least that does it. A second
// snapshot proves that the result is identical. The error is a *RestoreError, a *ServiceError or the context's. The
// result is filled in any case.
func (s *Stack) Restore(ctx context.Context, o RestoreOptions) (record.Rollback, error) {
	r := restoration{Stack: s, RestoreOptions: o}
	if r.OnProgress == nil {
		r.OnProgress = func(string, State) {}
	}
	err := r.run(ctx)
	var known *RestoreError
	if errors.As(err, &known) {
		r.result.Action = known.Action
	} else if err != nil {
		r.result.Action = record.Failed
	}
	return r.result, err
}

// restoration is one Restore.
type restoration struct {
	*Stack
	RestoreOptions
	result   record.Rollback
	done     record.Action // the last thing that was done, or ""
	requests int           // how many of our requests were accepted
	events   []Event       // since the snapshot
}

// run describes the stack, does the one thing that its state calls for, and repeats that.
//
//  1. Wait for CloudFormation: most failed updates roll back by themselves.
//  2. Leave a stack alone that is identical to its snapshot already.
//  3. Leave a stack alone on which another party began an operation.
//  4. Each action leads to a state in which less is to do. No action is repeated.
func (r *restoration) run(ctx context.Context) error {
	for {
		more, err := r.next(ctx)
		switch {
		case isTransient(err):
			r.noteRetry(err)
		case err != nil, !more:
			return err
		}
		if err := r.pause(ctx); err != nil { // the state follows a request with a delay
			return err
		}
	}
}

// next makes one request at most, and reports whether one was made, so that there is more to do.
func (r *restoration) next(ctx context.Context) (more bool, err error) {
	state, err := r.WaitUntilIdle(ctx, func(s State) { r.OnProgress("waiting for CloudFormation", s) })
	r.result.Status = state.Status
	if err != nil {
		return false, err
	}
	if r.events, err = r.eventsSince(ctx, r.Before); err != nil {
		return false, err
	}
	r.result.Failures = failedResources(r.events)
	action, request, err := r.decide(ctx, state)
	var known *RestoreError
	switch {
	case err != nil && !errors.As(err, &known):
		return false, err
	case err == nil && request == nil:
		r.result.Action = action
		return false, nil
	}
	if foreign := r.foreignOperation(); foreign != "" {
		return false, r.fail(record.Superseded, "was changed by another party since, so it is left as it is: "+foreign,
			"look at what they changed; runner rollback restores the snapshot over it")
	}
	if err != nil {
		return false, err
	}
	r.OnProgress(string(action), state)
	if err := request(ctx, state); err != nil {
		return false, err
	}
	r.done = action // only now: after a failure the same token requests it again, once
	return true, nil
}

// decide returns what the state calls for: an action without a request if nothing is left to do, an action with its
// request, or an error that explains why nothing can be done.
func (r *restoration) decide(
	ctx context.Context,
	state State,
) (record.Action, func(context.Context, State) error, error) {
	status := types.StackStatus(state.Status)
	began := r.OverOthers || len(operations(r.events, r.RestoreOptions)) > 0 // else it was in this state before
	stuck := status == types.StackStatusUpdateRollbackFailed || status == types.StackStatusUpdateFailed ||
		status == types.StackStatusImportRollbackFailed
	if action, decided, err := r.decideAbsence(state, began); decided {
		return action, nil, err
	}
	switch {
	case status == types.StackStatusUpdateFailed && r.done == "" && began:
		return record.Resumed, r.rollBackFailedUpdate, nil
	case status == types.StackStatusUpdateRollbackFailed && r.done != record.Continued && began:
		return record.Continued, r.continueRollback, nil
	case stuck && began:
		return record.Stuck, nil, r.explainStuck(state)
	}
	now, err := r.SnapshotOf(ctx, state)
	if err != nil {
		return record.Failed, nil, err
	}
	r.compare(now)
	return r.decideByComparison(state, stuck)
}

// decideAbsence decides on a stack that does not exist, did not exist before, or is another one of the same name.
func (r *restoration) decideAbsence(state State, began bool) (action record.Action, decided bool, err error) {
	status := types.StackStatus(state.Status)
	review := state.inReview()
	switch {
	case review && r.Before.Missing() && state.ID != r.Before.ID:
		return record.FirstCreate, true, r.explainFirstCreate(status)
	case state.Missing() && r.Before.Missing() && (review || !r.Existed):
		return record.StackNotFound, true, nil // an absence is no proof: the command may work in another account or region
	case state.Missing() && r.Before.Missing():
		r.result.Proven = true
		return record.Removed, true, nil
	case r.Before.Missing(), r.Before.neverStable() && !state.Missing() && state.ID != r.Before.ID:
		return record.FirstCreate, true, r.explainFirstCreate(status)
	case state.Missing(), state.ID != r.Before.ID, status == types.StackStatusDeleteFailed && began:
		return record.Gone, true, r.fail(
			record.Gone,
			"was deleted, which no update undoes",
			"create it again from the template and the parameters in the snapshot, which has neither hidden parameters nor the data of its resources",
		)
	}
	return "", false, nil
}

// decideByComparison decides for a stack that exists and is in a stable state, or was stuck before.
func (r *restoration) decideByComparison(
	state State,
	stuck bool,
) (record.Action, func(context.Context, State) error, error) {
	status := types.StackStatus(state.Status)
	rolledBack := status == types.StackStatusUpdateRollbackComplete || status == types.StackStatusImportRollbackComplete
	began := slices.ContainsFunc(r.events, Event.begins)
	switch {
	case r.result.Proven && r.done == "" && rolledBack && began:
		return record.ByItself, nil, nil
	case r.result.Proven && r.done == "":
		return record.Untouched, nil, nil
	case stuck:
		return record.Stuck, nil, r.explainStuck(state)
	case r.result.Proven && r.done == record.Reapplied && rolledBack:
		return record.Untouched, nil, nil
	case r.result.Proven:
		if r.done == record.Reapplied {
			r.result.Kept, r.result.Unproven = r.result.Unproven, nil
		}
		return r.done, nil, nil
	case r.done == record.Reapplied:
		return record.Failed, nil, r.fail(
			record.Failed,
			fmt.Sprintf(
				"is %s and differs from the snapshot in %s", state.Status, strings.Join(r.result.Differences, ", "),
			),
			r.adviseOnDifference(),
		)
	case rolledBack && r.done != "", rolledBack && began && !r.OverOthers:
		return record.Failed, nil, r.fail(
			record.Failed,
			"was rolled back by CloudFormation, but differs from the snapshot in "+strings.Join(
				r.result.Differences,
				", ",
			),
			"detect its drift: something was changed outside of CloudFormation",
		)
	}
	return record.Reapplied, r.applySnapshot, nil
}

func (r *restoration) compare(now Snapshot) {
	r.result.Differences = r.Before.Differences(now)
	r.result.Proven = len(r.result.Differences) == 0
	r.result.Unproven = nil
	for _, p := range r.Before.Parameters {
		if p.Hidden {
			r.result.Unproven = append(r.result.Unproven, p.Key)
		}
	}
}

func (r *restoration) fail(a record.Action, message, advice string) *RestoreError {
	return &RestoreError{Stack: r.Name, Action: a, Message: message, Advice: advice}
}

// adviseOnDifference advises what to do if the snapshot was applied and the stack still differs from it.
func (r *restoration) adviseOnDifference() string {
	if slices.ContainsFunc(r.result.Differences, func(d string) bool { return strings.HasSuffix(d, resolved) }) {
		return "a parameter names a value in Parameter Store that has changed: change that back, and run runner rollback"
	}
	if len(r.result.Failures) == 0 {
		return "look at its events: the snapshot was applied with another result"
	}
	return "look at its events: the snapshot could not be applied; " + r.describeFailures()
}

func (r *restoration) explainStuck(state State) error {
	return r.fail(
		record.Stuck,
		"is "+state.Status+": "+r.describeFailures(),
		"repair the resources that failed and run runner rollback again; to go on without them, aws cloudformation continue-update-rollback --resources-to-skip",
	)
}

// explainFirstCreate explains why a stack that did not exist before cannot be restored.
func (r *restoration) explainFirstCreate(status types.StackStatus) error {
	if status == types.StackStatusReviewInProgress {
		problem, advice := Snapshot{Status: string(status)}.Blocked(r.Name)
		return r.fail(record.FirstCreate, "did not exist before; now "+problem, advice)
	}
	if strings.HasSuffix(string(status), "_COMPLETE") && status != types.StackStatusRollbackComplete {
		return r.fail(
			record.FirstCreate, "did not exist before, so there is no revision before it; it is left as it is",
			"repair it by another deploy, or delete it",
		)
	}
	return r.fail(
		record.FirstCreate,
		fmt.Sprintf(
			"is %s: its first create failed, and a stack in that state cannot be updated: %s", status,
			r.describeFailures(),
		),
		fmt.Sprintf(
			"correct the cause, delete the stack (aws cloudformation delete-stack --stack-name %s) and deploy again",
			r.Name,
		),
	)
}

// describeFailures describes the resources that failed.
func (r *restoration) describeFailures() string {
	if len(r.result.Failures) == 0 {
		return "its events name no resource"
	}
	var all []string
	for _, f := range r.result.Failures {
		all = append(all, strings.TrimSuffix(fmt.Sprintf("%s %s (%s)", f.Name, f.Status, f.Reason), " ()"))
	}
	return strings.Join(all, "; ")
}

// failedResources returns the resources that failed, each by its last failure, in the order of the first.
func failedResources(events []Event) []record.Resource {
	var found []record.Resource
	for _, e := range events {
		if !e.Failed() || e.OfStack {
			continue
		}
		f := record.Resource{Name: e.Resource, Type: e.Type, Status: e.Status, Reason: e.Reason}
		if i := slices.IndexFunc(found, func(o record.Resource) bool { return o.Name == f.Name }); i >= 0 {
			found[i] = f
		} else {
			found = append(found, f)
		}
	}
	return found
}

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

// RestoreError says that a stack is not what it was, and why.
type RestoreError struct {
	Stack, Message, Advice string
	Action                 record.Action
	Err                    error
}

func (e *RestoreError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("stack %s %s: %v", e.Stack, e.Message, e.Err)
	}
	return fmt.Sprintf("stack %s %s", e.Stack, e.Message)
}

func (e *RestoreError) Unwrap() error { return e.Err }

// Hint says what is left for a person to do.
func (e *RestoreError) Hint() string { return e.Advice }

// Restoration asks for a stack to be brought back.
type Restoration struct {
	Before Snapshot
	// Last is the last event that may be of the command's doing; what began after it is somebody else's. See Mark.
	Last string
	// Attempts is how often the command was started; 0 counts as 1. It has begun at most as many operations.
	Attempts int
	// Refused says that the command was turned away since somebody was at work on the stack. See Refusal.
	Refused bool
	// Anyone lets the restoration undo what others did since: a person has asked for it.
	Anyone bool
	// Token is in the requests that are made, letters, digits and dashes, so that everybody sees whose they were.
	Token string
	// Tell, if it is set, is told what is waited for and what is done.
	Tell func(message string, s State)
}

// maxTemplate is the size in bytes of a template that a request may carry.
const maxTemplate = 51200

// Mark returns the newest event that may be of the command's doing, right after its end. A command that was cut short may
// have asked for something whose event is still to come: it is waited for during one poll.
func (s *Stack) Mark(ctx context.Context, before Snapshot, cutShort bool) (string, error) {
	if cutShort {
		if err := s.pause(ctx); err != nil {
			return before.LastEvent, err
		}
	}
	events, err := s.since(ctx, before)
	for tries := 0; passing(err) && tries < 3; tries++ { // without it nothing can be told from somebody else's
		s.trouble(err)
		if err := s.pause(ctx); err != nil {
			return before.LastEvent, err
		}
		events, err = s.since(ctx, before)
	}
	if len(events) == 0 {
		return before.LastEvent, err
	}
	return events[len(events)-1].ID, err
}

func (s *Stack) since(ctx context.Context, before Snapshot) ([]Event, error) {
	id := before.ID
	if id == "" {
		state, err := s.Look(ctx)
		if err != nil || state.ID == "" {
			return nil, err
		}
		id = state.ID
	}
	return s.events(ctx, id, before.LastEvent, pages)
}

// Restore waits until CloudFormation is done, and then brings the stack back to the snapshot by the least that does it. That
// the result is what it was is proven by another snapshot. The error is a *RestoreError, a *ServiceError or the context's;
// the report is filled in any case.
func (s *Stack) Restore(ctx context.Context, r Restoration) (record.Rollback, error) {
	w := way{Stack: s, Restoration: r}
	if w.Tell == nil {
		w.Tell = func(string, State) {}
	}
	err := w.walk(ctx)
	var known *RestoreError
	if errors.As(err, &known) {
		w.report.Action = known.Action
	} else if err != nil {
		w.report.Action = record.Failed
	}
	return w.report, err
}

// way is one Restore.
type way struct {
	*Stack
	Restoration
	report record.Rollback
	done   record.Action // the last thing that was done, or ""
	asked  int           // how many of our requests were taken
	events []Event
}

// walk looks at the stack, does the one thing that its state calls for, and looks again.
//
//  1. CloudFormation is waited for: most failed updates roll back by themselves.
//  2. A stack that is what it was is left as it is, whoever saw to that.
//  3. Nothing is done over an operation that is not ours.
//  4. What is done moves the stack on to a state in which there is less to do; the same is not done twice.
func (w *way) walk(ctx context.Context) error {
	for {
		more, err := w.step(ctx)
		switch {
		case passing(err):
			w.trouble(err)
		case err != nil, !more:
			return err
		}
		if err := w.pause(ctx); err != nil { // the state follows a request, not always at once
			return err
		}
	}
}

// step looks once, and asks for one thing at most. Something was asked for, or an error was passing: there is more to do.
func (w *way) step(ctx context.Context) (more bool, err error) {
	state, err := w.Settle(ctx, func(s State) { w.Tell("waiting for CloudFormation", s) })
	w.report.Status = state.Status
	if err != nil {
		return false, err
	}
	if w.events, err = w.since(ctx, w.Before); err != nil {
		return false, err
	}
	w.report.Failures = failures(w.events)
	next, do, err := w.decide(ctx, state)
	var known *RestoreError
	switch {
	case err != nil && !errors.As(err, &known):
		return false, err
	case err == nil && do == nil:
		w.report.Action = next
		return false, nil
	}
	if theirs := w.foreign(); theirs != "" {
		return false, w.refuse(record.Superseded, "was changed by somebody else since, so it is left as it is: "+theirs,
			"look at what they did; runner rollback brings the snapshot back if that is wanted after all")
	}
	if err != nil {
		return false, err
	}
	w.Tell(string(next), state)
	if err := do(ctx, state); err != nil {
		return false, err
	}
	w.done = next // not before: the same token asks for it again, once
	return true, nil
}

// decide says what the state calls for: nothing, something to do, or an error that explains why nothing can be done.
func (w *way) decide(ctx context.Context, state State) (record.Action, func(context.Context, State) error, error) {
	status := types.StackStatus(state.Status)
	began := w.Anyone || len(operations(w.events, w.Restoration)) > 0 // else it was so before
	stuck := status == types.StackStatusUpdateRollbackFailed || status == types.StackStatusUpdateFailed || status == types.StackStatusImportRollbackFailed
	switch {
	case state.Missing() && w.Before.Missing():
		w.report.Proven = true
		return record.Removed, nil, nil
	case w.Before.Missing(), w.Before.dead() && !state.Missing() && state.ID != w.Before.ID:
		return record.FirstCreate, nil, w.first(status)
	case state.Missing(), state.ID != w.Before.ID, status == types.StackStatusDeleteFailed && began:
		return record.Gone, nil, w.refuse(record.Gone, "was deleted, which no update undoes",
			"make it anew from the template and the parameters in the snapshot; hidden parameters and the data of its resources are not in there")
	case status == types.StackStatusUpdateFailed && w.done == "" && began:
		return record.Resumed, w.resume, nil
	case status == types.StackStatusUpdateRollbackFailed && w.done != record.Continued && began:
		return record.Continued, w.carryOn, nil
	case stuck && began:
		return record.Stuck, nil, w.stuck(state)
	}
	now, err := w.snapshotOf(ctx, state)
	if err != nil {
		return record.Failed, nil, err
	}
	w.compare(now)
	rolledBack := status == types.StackStatusUpdateRollbackComplete || status == types.StackStatusImportRollbackComplete
	switch {
	case w.report.Proven && w.done == "" && rolledBack && slices.ContainsFunc(w.events, Event.begins):
		return record.ByItself, nil, nil
	case w.report.Proven && w.done == "":
		return record.Untouched, nil, nil
	case stuck:
		return record.Stuck, nil, w.stuck(state)
	case w.report.Proven && w.done == record.Reapplied && rolledBack:
		return record.Untouched, nil, nil
	case w.report.Proven:
		if w.done == record.Reapplied {
			w.report.Kept, w.report.Unproven = w.report.Unproven, nil
		}
		return w.done, nil, nil
	case w.done == record.Reapplied:
		return record.Failed, nil, w.refuse(record.Failed, fmt.Sprintf("is %s and differs from the snapshot in %s", state.Status, strings.Join(w.report.Differences, ", ")),
			w.unlike())
	case rolledBack && w.done != "", rolledBack && slices.ContainsFunc(w.events, Event.begins) && !w.Anyone:
		return record.Failed, nil, w.refuse(record.Failed, "was rolled back by CloudFormation, yet differs from the snapshot in "+strings.Join(w.report.Differences, ", "),
			"detect its drift: something was changed past CloudFormation")
	}
	return record.Reapplied, w.reapply, nil
}

// unlike advises what to do about a snapshot that was applied and is not what there is.
func (w *way) unlike() string {
	if slices.ContainsFunc(w.report.Differences, func(d string) bool { return strings.HasSuffix(d, resolved) }) {
		return "what a parameter names in Parameter Store has another value now: set that back, and run runner rollback"
	}
	if len(w.report.Failures) == 0 {
		return "look at its events: the snapshot was applied, and led elsewhere"
	}
	return "look at its events: the snapshot could not be applied; " + w.obstacles()
}

func (w *way) stuck(state State) error {
	return w.refuse(record.Stuck, "is "+state.Status+": "+w.obstacles(),
		"repair what the resources complain of and run runner rollback again; to go on without them, aws cloudformation continue-update-rollback --resources-to-skip")
}

func (w *way) compare(now Snapshot) {
	w.report.Differences = w.Before.Differences(now)
	w.report.Proven = len(w.report.Differences) == 0
	w.report.Unproven = nil
	for _, p := range w.Before.Parameters {
		if p.Hidden {
			w.report.Unproven = append(w.report.Unproven, p.Key)
		}
	}
}

// first explains a stack that was not there before.
func (w *way) first(status types.StackStatus) error {
	if strings.HasSuffix(string(status), "_COMPLETE") && status != types.StackStatusRollbackComplete {
		return w.refuse(record.FirstCreate, "was not there before, so there is no revision before it; it is left as it is", "repair it by another deploy, or delete it")
	}
	return w.refuse(record.FirstCreate, fmt.Sprintf("is %s: its first create failed, and a stack in that state takes no update: %s", status, w.obstacles()),
		fmt.Sprintf("correct the cause, delete the stack (aws cloudformation delete-stack --stack-name %s) and deploy again", w.Name))
}

func (w *way) refuse(a record.Action, message, advice string) *RestoreError {
	return &RestoreError{Stack: w.Name, Action: a, Message: message, Advice: advice}
}

// obstacles are the resources that failed, in words.
func (w *way) obstacles() string {
	if len(w.report.Failures) == 0 {
		return "its events name no resource"
	}
	var all []string
	for _, f := range w.report.Failures {
		all = append(all, strings.TrimSuffix(fmt.Sprintf("%s %s (%s)", f.Name, f.Status, f.Reason), " ()"))
	}
	return strings.Join(all, "; ")
}

// failures are the resources that failed, each by its last failure, in the order of the first.
func failures(events []Event) []record.Resource {
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

package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// Action is what brought a stack back, or why nothing did.
type Action string

// The ways back, and the ends where there is none.
const (
	Untouched  Action = "untouched"   // it is what it was: nothing had begun, or it made no difference
	RolledBack Action = "rolled_back" // CloudFormation did it by itself
	Continued  Action = "continued"   // its rollback was stuck, and went through when it was tried again
	Resumed    Action = "resumed"     // an update that had failed without a rollback was rolled back
	Reapplied  Action = "reapplied"   // the update was complete, and the snapshot was applied over it
	Removed    Action = "removed"     // it was not there before, and is not there now

	FirstCreate Action = "first_create" // it was not there before: there is no revision to go back to
	Gone        Action = "gone"         // it was deleted
	Superseded  Action = "superseded"   // somebody else has changed it since: nothing was done
	Stuck       Action = "stuck"        // CloudFormation cannot bring it back without help
	Failed      Action = "failed"       // the way back was refused, or led elsewhere
)

// Report is what became of a stack.
type Report struct {
	Action      Action     `json:"action"`
	Status      string     `json:"status"` // of the stack, at the end
	Proven      bool       `json:"proven"` // it was compared with the snapshot, and is the same
	Differences []string   `json:"differences,omitempty"`
	Unproven    []string   `json:"unproven,omitempty"` // hidden parameters: nobody can compare them
	Kept        []string   `json:"kept,omitempty"`     // hidden parameters that keep the value they have now
	Failures    []Resource `json:"failures,omitempty"` // resources that stand in the way
}

// Resource is one that failed, and why.
type Resource struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// RestoreError says that a stack is not what it was, and why.
type RestoreError struct {
	Stack, Message, Advice string
	Action                 Action
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
func (s *Stack) Restore(ctx context.Context, r Restoration) (Report, error) {
	w := way{Stack: s, Restoration: r}
	if w.Tell == nil {
		w.Tell = func(string, State) {}
	}
	err := w.walk(ctx)
	var known *RestoreError
	if errors.As(err, &known) {
		w.report.Action = known.Action
	} else if err != nil {
		w.report.Action = Failed
	}
	return w.report, err
}

// way is one Restore.
type way struct {
	*Stack
	Restoration
	report Report
	done   Action // the last thing that was done, or ""
	events []Event
}

// walk looks at the stack, does the one thing that its state calls for, and looks again.
//
//  1. CloudFormation is waited for: most failed updates roll back by themselves.
//  2. Nothing is done over an operation that is not ours.
//  3. What is done moves the stack on to a state in which there is less to do; the same is not done twice.
func (w *way) walk(ctx context.Context) error {
	for {
		state, err := w.Settle(ctx, func(s State) { w.Tell("waiting for CloudFormation", s) })
		w.report.Status = state.Status
		if err != nil {
			return err
		}
		if w.events, err = w.since(ctx, w.Before); err != nil {
			return err
		}
		w.report.Failures = failures(w.events)
		if foreign := w.foreign(); foreign != nil {
			return w.refuse(Superseded, "was changed by somebody else since, so it is left as it is: "+foreign.Reason,
				"look at what they did; runner rollback brings the snapshot back if that is wanted after all")
		}
		next, do, err := w.decide(ctx, state)
		if err != nil || do == nil {
			if err == nil {
				w.report.Action = next
			}
			return err
		}
		w.Tell(string(next), state)
		w.done = next
		if err := do(ctx, state); err != nil {
			return err
		}
		if err := w.pause(ctx); err != nil { // the state follows the request, not always at once
			return err
		}
	}
}

// foreign returns an operation that is not the command's, with a reason that says so; nil if there is none.
func (w *way) foreign() *Event {
	if w.Anyone {
		return nil
	}
	after := w.Last == "" || w.Last == w.Before.LastEvent
	token := ""
	for _, e := range w.events {
		if e.begins() && (w.Token == "" || !strings.HasPrefix(e.Token, w.Token)) {
			at := fmt.Sprintf("%s at %s", e.Status, e.Time.UTC().Format("15:04:05 UTC"))
			switch {
			case after && w.done == "", after && e.Token != "":
				e.Reason = at + " began after the command had ended"
				return &e
			case strings.HasPrefix(e.Token, "Console-"):
				e.Reason = at + " was begun in the console"
				return &e
			case token != "" && e.Token != "" && e.Token != token:
				e.Reason = at + " is of another request than the one before"
				return &e
			}
			token = cmp.Or(e.Token, token)
		}
		after = after || e.ID == w.Last
	}
	return nil
}

// decide says what the state calls for: nothing, something to do, or an error that explains why nothing can be done.
func (w *way) decide(ctx context.Context, state State) (Action, func(context.Context, State) error, error) {
	status := types.StackStatus(state.Status)
	switch {
	case state.Missing() && w.Before.Missing():
		w.report.Proven = true
		return Removed, nil, nil
	case state.Missing(), !w.Before.Missing() && state.ID != w.Before.ID, status == types.StackStatusDeleteFailed:
		return Gone, nil, w.refuse(Gone, "was deleted, which no update undoes",
			"make it anew from the template and the parameters in the snapshot; hidden parameters and the data of its resources are not in there")
	case w.Before.Missing():
		return FirstCreate, nil, w.first(status)
	case status == types.StackStatusUpdateFailed && w.done == "":
		return Resumed, w.resume, nil
	case status == types.StackStatusUpdateRollbackFailed && w.done != Continued && len(w.events) > 0:
		return Continued, w.carryOn, nil
	case status == types.StackStatusUpdateRollbackFailed, status == types.StackStatusUpdateFailed:
		return Stuck, nil, w.refuse(Stuck, "is "+state.Status+": "+w.obstacles(),
			"repair what the resources complain of and run runner rollback again; to go on without them, aws cloudformation continue-update-rollback --resources-to-skip")
	}
	now, err := w.snapshotOf(ctx, state)
	if err != nil {
		return Failed, nil, err
	}
	w.compare(now)
	rolledBack := status == types.StackStatusUpdateRollbackComplete || status == types.StackStatusImportRollbackComplete
	switch {
	case w.report.Proven && w.done == "" && rolledBack && slices.ContainsFunc(w.events, Event.begins):
		return RolledBack, nil, nil
	case w.report.Proven && w.done == "":
		return Untouched, nil, nil
	case w.report.Proven && w.done == Reapplied && rolledBack:
		return Untouched, nil, nil
	case w.report.Proven:
		if w.done == Reapplied {
			w.report.Kept, w.report.Unproven = w.report.Unproven, nil
		}
		return w.done, nil, nil
	case w.done == Reapplied:
		return Failed, nil, w.refuse(Failed, fmt.Sprintf("is %s and differs from the snapshot in %s", state.Status, strings.Join(w.report.Differences, ", ")),
			"look at its events: the snapshot could not be applied; "+w.obstacles())
	case rolledBack && w.done != "", rolledBack && slices.ContainsFunc(w.events, Event.begins) && !w.Anyone:
		return Failed, nil, w.refuse(Failed, "was rolled back by CloudFormation, yet differs from the snapshot in "+strings.Join(w.report.Differences, ", "),
			"detect its drift: something was changed past CloudFormation")
	}
	return Reapplied, w.reapply, nil
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
		return w.refuse(FirstCreate, "was made by this run, so there is no revision before it; it is left as it is", "repair it by another deploy, or delete it")
	}
	return w.refuse(FirstCreate, fmt.Sprintf("is %s: its first create failed, and a stack in that state takes no update: %s", status, w.obstacles()),
		fmt.Sprintf("correct the cause, delete the stack (aws cloudformation delete-stack --stack-name %s) and deploy again", w.Name))
}

func (w *way) refuse(a Action, message, advice string) *RestoreError {
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
func failures(events []Event) []Resource {
	var found []Resource
	for _, e := range events {
		if !e.Failed() || e.OfStack {
			continue
		}
		f := Resource{e.Resource, e.Type, e.Status, e.Reason}
		if i := slices.IndexFunc(found, func(o Resource) bool { return o.Name == f.Name }); i >= 0 {
			found[i] = f
		} else {
			found = append(found, f)
		}
	}
	return found
}

func (w *way) token(action Action) *string {
	if w.Token == "" {
		return nil
	}
	return aws.String(w.Token + "-" + strings.ReplaceAll(string(action), "_", "-"))
}

func (w *way) resume(ctx context.Context, state State) error {
	_, err := w.Client.RollbackStack(ctx, &cloudformation.RollbackStackInput{StackName: &state.ID, ClientRequestToken: w.token(Resumed)})
	return w.asked(ctx, "cloudformation:RollbackStack", err)
}

func (w *way) carryOn(ctx context.Context, state State) error {
	_, err := w.Client.ContinueUpdateRollback(ctx, &cloudformation.ContinueUpdateRollbackInput{StackName: &state.ID, ClientRequestToken: w.token(Continued)})
	return w.asked(ctx, "cloudformation:ContinueUpdateRollback", err)
}

func (w *way) reapply(ctx context.Context, state State) error {
	if slices.Contains(w.Before.Altered, "template") {
		return w.refuse(Failed, "cannot be brought back: the template in the record held secrets, which were not stored", "deploy the earlier commit again, with --force")
	}
	in := &cloudformation.UpdateStackInput{
		StackName: &state.ID, ClientRequestToken: w.token(Reapplied), Tags: []types.Tag{}, NotificationARNs: w.Before.Notifications,
	}
	if w.Before.RoleARN != "" {
		in.RoleARN = &w.Before.RoleARN
	}
	if len(w.Before.Template) <= maxTemplate {
		in.TemplateBody = &w.Before.Template
	} else {
		if w.Upload == nil {
			return w.refuse(Failed, "cannot be brought back: its template is larger than a request may be, and there is no bucket for it", "set ARTIFACT_BUCKET to a bucket")
		}
		url, err := w.Upload(ctx, w.Before.Template)
		if err != nil {
			return fmt.Errorf("the template of stack %s cannot be put where CloudFormation can read it: %w", w.Name, err)
		}
		in.TemplateURL = &url
	}
	for _, p := range w.Before.Parameters {
		one := types.Parameter{ParameterKey: aws.String(p.Key), ParameterValue: aws.String(p.Value)}
		if p.Hidden {
			one.ParameterValue, one.UsePreviousValue = nil, aws.Bool(true)
		}
		in.Parameters = append(in.Parameters, one)
	}
	for key, value := range w.Before.Tags {
		if !slices.Contains(w.Before.Altered, "tag "+key) {
			in.Tags = append(in.Tags, types.Tag{Key: aws.String(key), Value: aws.String(value)})
		}
	}
	for _, c := range w.Before.Capabilities {
		in.Capabilities = append(in.Capabilities, types.Capability(c))
	}
	_, err := w.Client.UpdateStack(ctx, in)
	if says(err, "No updates are to be performed") {
		return nil // CloudFormation sees no difference; the comparison that follows says what it does not see
	}
	return w.asked(ctx, "cloudformation:UpdateStack", err)
}

// asked judges the answer to a request that changes the stack.
func (w *way) asked(ctx context.Context, action string, err error) error {
	switch {
	case err == nil, codeOf(err) == "TokenAlreadyExistsException": // it was asked before, and the answer was lost
		return nil
	case says(err, "_IN_PROGRESS state"):
		return w.refuse(Superseded, "is being changed by somebody else", "wait for it, look at what it did, and run runner rollback if that is wanted after all")
	}
	failed := w.failed(ctx, action, err)
	var service *ServiceError
	if !errors.As(failed, &service) {
		return failed
	}
	return &RestoreError{Stack: w.Name, Action: Failed, Message: "could not be brought back", Advice: service.Hint(), Err: service}
}

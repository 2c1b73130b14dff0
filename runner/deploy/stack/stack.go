// Package stack looks at a CloudFormation stack before somebody changes it, tells what happens to it meanwhile, and
// brings it back to what it was.
//
// It changes nothing that it has not seen before, and never over somebody else's update.
package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"
)

// Reader is what is asked of CloudFormation.
type Reader interface {
	DescribeStacks(context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error)
	DescribeStackEvents(context.Context, *cloudformation.DescribeStackEventsInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStackEventsOutput, error)
	GetTemplate(context.Context, *cloudformation.GetTemplateInput, ...func(*cloudformation.Options)) (*cloudformation.GetTemplateOutput, error)
}

// Restorer is the three ways back.
type Restorer interface {
	UpdateStack(context.Context, *cloudformation.UpdateStackInput, ...func(*cloudformation.Options)) (*cloudformation.UpdateStackOutput, error)
	RollbackStack(context.Context, *cloudformation.RollbackStackInput, ...func(*cloudformation.Options)) (*cloudformation.RollbackStackOutput, error)
	ContinueUpdateRollback(context.Context, *cloudformation.ContinueUpdateRollbackInput, ...func(*cloudformation.Options)) (*cloudformation.ContinueUpdateRollbackOutput, error)
}

// Client is CloudFormation; the SDK's own client is one.
type Client interface {
	Reader
	Restorer
}

// Stack is one stack.
type Stack struct {
	Client Client
	Name   string
	// Poll is the pause between two looks; 0 means 5s. CloudFormation counts the looks of a whole account.
	Poll time.Duration
	// Trouble, if it is set, is told of looks that failed and are tried again.
	Trouble func(error)
	// Upload puts a template that is too large for a request where CloudFormation can read it, and returns its URL. Nil:
	// such a template cannot be applied again.
	Upload func(ctx context.Context, template string) (url string, err error)
}

const defaultPoll = 5 * time.Second

// Absent is the status of a stack that is not there.
const Absent = "ABSENT"

// State is a stack at one moment.
type State struct {
	ID      string
	Status  string // CloudFormation's, or Absent
	Reason  string
	Updated time.Time // when it was made, or last updated
	found   types.Stack
}

// Busy reports whether CloudFormation is at work on it.
func (s State) Busy() bool {
	return strings.HasSuffix(s.Status, "_IN_PROGRESS") && s.Status != string(types.StackStatusReviewInProgress)
}

// Missing reports whether there is no stack: a name under review has a change set and nothing else.
func (s State) Missing() bool {
	return s.Status == Absent || s.Status == string(types.StackStatusDeleteComplete) || s.Status == string(types.StackStatusReviewInProgress)
}

// Look asks for the state. A stack that is not there is none of the errors, which are *ServiceError or the context's.
func (s *Stack) Look(ctx context.Context) (State, error) { return s.look(ctx, s.Name) }

// look takes a name or an ID; only by its ID is a deleted stack still known.
func (s *Stack) look(ctx context.Context, name string) (State, error) {
	out, err := s.Client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	if isAbsent(err) || err == nil && len(out.Stacks) == 0 {
		return State{Status: Absent}, nil
	}
	if err != nil {
		return State{}, s.failed(ctx, "cloudformation:DescribeStacks", err)
	}
	found := out.Stacks[0]
	state := State{ID: aws.ToString(found.StackId), Status: string(found.StackStatus), Reason: aws.ToString(found.StackStatusReason), found: found}
	state.Updated = aws.ToTime(cmp.Or(found.LastUpdatedTime, found.CreationTime))
	return state, nil
}

// Settle waits until CloudFormation is no longer at work on the stack. Busy, if it is not nil, is told each state that is
// waited for. Questions that fail in passing are asked again. With an error comes the state that was seen last.
func (s *Stack) Settle(ctx context.Context, busy func(State)) (State, error) {
	var last State
	for {
		state, err := s.Look(ctx)
		switch {
		case err != nil && !passing(err):
			return last, err
		case err != nil:
			s.trouble(err)
		case !state.Busy():
			return state, nil
		default:
			if busy != nil && state.Status != last.Status {
				busy(state)
			}
			last = state
		}
		if err := s.pause(ctx); err != nil {
			return last, err
		}
	}
}

func (s *Stack) pause(ctx context.Context) error {
	t := time.NewTimer(cmp.Or(s.Poll, defaultPoll))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

func (s *Stack) trouble(err error) {
	if s.Trouble != nil {
		s.Trouble(err)
	}
}

// ServiceError says that CloudFormation refused something, or could not be reached.
type ServiceError struct {
	Stack, Action string // the action as a policy names it
	Err           error
}

func (e *ServiceError) Error() string {
	var api smithy.APIError
	if errors.As(e.Err, &api) {
		return fmt.Sprintf("%s of stack %s failed: %s: %s", strings.TrimPrefix(e.Action, "cloudformation:"), e.Stack, api.ErrorCode(), api.ErrorMessage())
	}
	return fmt.Sprintf("%s of stack %s failed: %v", strings.TrimPrefix(e.Action, "cloudformation:"), e.Stack, e.Err)
}

func (e *ServiceError) Unwrap() error { return e.Err }

// Denied reports whether a permission is missing.
func (e *ServiceError) Denied() bool { return strings.HasPrefix(codeOf(e.Err), "AccessDenied") }

// Hint says what to do about it.
func (e *ServiceError) Hint() string {
	switch code := codeOf(e.Err); {
	case e.Denied():
		return fmt.Sprintf("allow the role of this task %s on stack %s, and what the resources need", e.Action, e.Stack)
	case code == "":
		return "see that there are credentials and a region, and that the network lets this machine reach CloudFormation"
	default:
		return "look at the events of stack " + e.Stack + " in the console"
	}
}

func (s *Stack) failed(ctx context.Context, action string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return &ServiceError{Stack: s.Name, Action: action, Err: err}
}

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// says reports whether CloudFormation answered with a ValidationError that holds the words: it has no other codes for
// what it refuses.
func says(err error, words string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "ValidationError" && strings.Contains(api.ErrorMessage(), words)
}

func isAbsent(err error) bool { return says(err, "does not exist") }

// passing reports whether a question may be answered the next time: throttling, faults of the service and of the network.
func passing(err error) bool {
	var e *ServiceError
	if !errors.As(err, &e) {
		return false
	}
	var status interface{ HTTPStatusCode() int }
	var network interface{ Timeout() bool }
	var api smithy.APIError
	switch {
	case errors.As(e.Err, &status) && status.HTTPStatusCode() >= 500:
		return true
	case errors.As(e.Err, &api):
		return api.ErrorFault() == smithy.FaultServer || strings.Contains(api.ErrorCode(), "Throttl")
	}
	return errors.As(e.Err, &network)
}

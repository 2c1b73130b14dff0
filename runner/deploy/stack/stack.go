// Package stack takes a snapshot of a CloudFormation stack before it is changed, follows its events meanwhile, and
// restores the snapshot after a failure.
//
// It changes no stack that it has no snapshot of, and never undoes an update of another party.
package stack

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// Reader is the part of CloudFormation's API that changes nothing.
type Reader interface {
	DescribeStacks(
		context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options),
	) (*cloudformation.DescribeStacksOutput, error)
	DescribeStackEvents(
		context.Context, *cloudformation.DescribeStackEventsInput, ...func(*cloudformation.Options),
	) (*cloudformation.DescribeStackEventsOutput, error)
	GetTemplate(
		context.Context, *cloudformation.GetTemplateInput, ...func(*cloudformation.Options),
	) (*cloudformation.GetTemplateOutput, error)
}

// Restorer is the part of CloudFormation's API that restores a stack.
type Restorer interface {
	UpdateStack(
		context.Context, *cloudformation.UpdateStackInput, ...func(*cloudformation.Options),
	) (*cloudformation.UpdateStackOutput, error)
	RollbackStack(
		context.Context, *cloudformation.RollbackStackInput, ...func(*cloudformation.Options),
	) (*cloudformation.RollbackStackOutput, error)
	ContinueUpdateRollback(
		context.Context, *cloudformation.ContinueUpdateRollbackInput, ...func(*cloudformation.Options),
	) (*cloudformation.ContinueUpdateRollbackOutput, error)
}

// Client is CloudFormation's API. The SDK's client implements it.
type Client interface {
	Reader
	Restorer
}

// Stack is one stack.
type Stack struct {
	Client Client
	Name   string
	// Poll is the pause between two requests; 0 means 5s. CloudFormation limits the requests of a whole account.
	Poll time.Duration
	// Patience bounds how long requests for the state may fail one after the other; 0 is no bound but the context's.
	Patience time.Duration
	// OnRetry, if it is set, is called with the error of a request that is repeated.
	OnRetry func(error)
	// Upload stores a template that is too large for a request where CloudFormation can read it, and returns its URL.
	// Nil: such a template cannot be applied again.
	Upload func(ctx context.Context, template string) (url string, err error)
}

const defaultPoll = 5 * time.Second

// Absent is the status of a stack that does not exist.
const Absent = "ABSENT"

// State is a stack at one moment.
type State struct {
	ID      string
	Status  string // CloudFormation's, or Absent
	Reason  string
	Updated time.Time // when it was created, or last updated
	found   types.Stack
}

// Busy reports whether CloudFormation is working on the stack.
func (s State) Busy() bool {
	return strings.HasSuffix(s.Status, "_IN_PROGRESS") && s.Status != string(types.StackStatusReviewInProgress)
}

// Missing reports whether there is no stack. A name under review has a change set that was never executed, and no
// stack.
func (s State) Missing() bool {
	return s.Status == Absent || s.Status == string(types.StackStatusDeleteComplete) || s.inReview()
}

func (s State) inReview() bool { return s.Status == string(types.StackStatusReviewInProgress) }

// Describe returns the present state. That the stack does not exist is not an error. The error is a *ServiceError or
// the context's.
func (s *Stack) Describe(ctx context.Context) (State, error) {
	out, err := s.Client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &s.Name})
	if isAbsent(err) || err == nil && len(out.Stacks) == 0 {
		return State{Status: Absent}, nil
	}
	if err != nil {
		return State{}, s.serviceError(ctx, "cloudformation:DescribeStacks", err)
	}
	found := out.Stacks[0]
	state := State{
		ID:     aws.ToString(found.StackId),
		Status: string(found.StackStatus),
		Reason: aws.ToString(found.StackStatusReason),
		found:  found,
	}
	state.Updated = aws.ToTime(cmp.Or(found.LastUpdatedTime, found.CreationTime))
	return state, nil
}

// WaitUntilIdle waits until CloudFormation has finished its work on the stack. OnBusy, if it is not nil, is called
// with each new state that is waited for. Requests that fail transiently are repeated. With an error comes the last
// known state.
func (s *Stack) WaitUntilIdle(ctx context.Context, onBusy func(State)) (State, error) {
	var last State
	for {
		state, err := s.DescribeAgain(ctx)
		switch {
		case err != nil:
			return last, err
		case !state.Busy():
			return state, nil
		default:
			if onBusy != nil && state.Status != last.Status {
				onBusy(state)
			}
			last = state
		}
		if err := s.pause(ctx); err != nil {
			return last, err
		}
	}
}

// DescribeAgain is Describe for a loop: requests that fail transiently are repeated. After Patience the error is a
// *NoAnswerError.
func (s *Stack) DescribeAgain(ctx context.Context) (State, error) {
	begun := time.Now()
	for {
		state, err := s.Describe(ctx)
		if err == nil || !isTransient(err) {
			return state, err
		}
		if s.Patience > 0 && time.Since(begun) >= s.Patience {
			return state, &NoAnswerError{After: s.Patience, Err: err}
		}
		s.noteRetry(err)
		if err := s.pause(ctx); err != nil {
			return state, err
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

func (s *Stack) noteRetry(err error) {
	if s.OnRetry != nil {
		s.OnRetry(err)
	}
}

package stack

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
)

// Event is something that happened to a stack or to one of its resources.
type Event struct {
	ID       string
	Time     time.Time
	Resource string // its logical id
	Type     string
	Status   string
	Reason   string
	Token    string // of the request that began it, if it had one
	OfStack  bool   // of the stack itself
}

// Failed reports whether the event tells of something that went wrong.
func (e Event) Failed() bool { return strings.HasSuffix(e.Status, "_FAILED") }

// begins reports whether somebody asked for what begins here. CloudFormation says so in the reason of the stack's own
// event; a rollback of its own has another one. REVIEW_IN_PROGRESS is a change set, which changes nothing.
func (e Event) begins() bool {
	if !e.OfStack {
		return false
	}
	switch e.Status {
	case "CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "IMPORT_IN_PROGRESS":
		return true
	case "UPDATE_ROLLBACK_IN_PROGRESS", "ROLLBACK_IN_PROGRESS":
		return e.Reason == "User Initiated"
	}
	return false
}

// pages is how far back events are looked for: a page has 100 of them.
const pages = 50

// events returns what happened after an event, the oldest first; without one, the newest page. Most is a number of pages.
func (s *Stack) events(ctx context.Context, stack, after string, most int) ([]Event, error) {
	var found []Event
	in := &cloudformation.DescribeStackEventsInput{StackName: &stack}
	for range most {
		out, err := s.Client.DescribeStackEvents(ctx, in)
		if isAbsent(err) {
			return nil, nil
		}
		if err != nil {
			return nil, s.failed(ctx, "cloudformation:DescribeStackEvents", err)
		}
		reached := false
		for _, e := range out.StackEvents {
			if reached = after != "" && aws.ToString(e.EventId) == after; reached {
				break
			}
			found = append(found, Event{
				ID: aws.ToString(e.EventId), Time: aws.ToTime(e.Timestamp), Resource: aws.ToString(e.LogicalResourceId), Type: aws.ToString(e.ResourceType),
				Status: string(e.ResourceStatus), Reason: aws.ToString(e.ResourceStatusReason), Token: aws.ToString(e.ClientRequestToken),
				OfStack: aws.ToString(e.ResourceType) == "AWS::CloudFormation::Stack" && aws.ToString(e.PhysicalResourceId) == aws.ToString(e.StackId),
			})
		}
		if in.NextToken = out.NextToken; reached || in.NextToken == nil {
			break
		}
	}
	slices.Reverse(found)
	return found, nil
}

// Follow tells of every event after that of the snapshot, once and in order, until ctx ends. It returns the last one told.
// A stack that is not there yet is waited for.
func (s *Stack) Follow(ctx context.Context, before Snapshot, tell func(Event)) (last string) {
	last, stack := before.LastEvent, before.ID
	for {
		if stack == "" {
			state, err := s.Look(ctx)
			if err == nil {
				stack = state.ID
			} else if ctx.Err() == nil {
				s.trouble(err)
			}
		}
		if stack != "" {
			last = s.tellEvents(ctx, stack, last, tell)
		}
		if s.pause(ctx) != nil {
			break
		}
	}
	return last
}

// Events tells what happened after an event, once, and returns the last one told.
func (s *Stack) Events(ctx context.Context, before Snapshot, last string, tell func(Event)) string {
	stack := before.ID
	if stack == "" {
		state, err := s.Look(ctx)
		if err != nil || state.ID == "" {
			return last
		}
		stack = state.ID
	}
	return s.tellEvents(ctx, stack, last, tell)
}

func (s *Stack) tellEvents(ctx context.Context, stack, last string, tell func(Event)) string {
	events, err := s.events(ctx, stack, last, pages)
	if err != nil {
		if ctx.Err() == nil {
			s.trouble(err)
		}
		return last
	}
	for _, e := range events {
		tell(e)
		last = e.ID
	}
	return last
}

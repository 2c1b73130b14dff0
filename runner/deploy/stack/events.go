package stack

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
)

// Event is an event of a stack or of one of its resources.
type Event struct {
	ID       string
	Time     time.Time
	Resource string // its logical id
	Type     string
	Status   string
	Reason   string
	Token    string // of the request that began the operation, if it had one
	OfStack  bool   // of the stack itself
}

// Failed reports whether the event is a failure.
func (e Event) Failed() bool { return strings.HasSuffix(e.Status, "_FAILED") }

// begins reports whether an operation that was requested begins with the event. CloudFormation says so in the reason
// of the stack's own event; a rollback of its own has another one. REVIEW_IN_PROGRESS is a change set, which changes
// nothing.
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

// maxPages is how far back events are read. A page has 100 of them.
const maxPages = 50

// events returns the events after the given one, the oldest first; without one, those of the newest pages.
func (s *Stack) events(ctx context.Context, stackID, after string, pages int) ([]Event, error) {
	var found []Event
	in := &cloudformation.DescribeStackEventsInput{StackName: &stackID}
	for range pages {
		out, err := s.Client.DescribeStackEvents(ctx, in)
		if isAbsent(err) {
			return nil, nil
		}
		if err != nil {
			return nil, s.serviceError(ctx, "cloudformation:DescribeStackEvents", err)
		}
		reached := false
		for _, e := range out.StackEvents {
			if reached = after != "" && aws.ToString(e.EventId) == after; reached {
				break
			}
			found = append(found, Event{
				ID: aws.ToString(
					e.EventId,
				),
				Time:     aws.ToTime(e.Timestamp),
				Resource: aws.ToString(e.LogicalResourceId),
				Type:     aws.ToString(e.ResourceType),
				Status: string(
					e.ResourceStatus,
				),
				Reason: aws.ToString(e.ResourceStatusReason),
				Token:  aws.ToString(e.ClientRequestToken),
				OfStack: aws.ToString(e.ResourceType) == "AWS::CloudFormation::Stack" &&
					aws.ToString(e.PhysicalResourceId) == aws.ToString(e.StackId),
			})
		}
		if in.NextToken = out.NextToken; reached || in.NextToken == nil {
			break
		}
	}
	slices.Reverse(found)
	return found, nil
}

// eventsSince returns the events after the snapshot, the oldest first.
func (s *Stack) eventsSince(ctx context.Context, before Snapshot) ([]Event, error) {
	id := before.ID
	if id == "" {
		state, err := s.Describe(ctx)
		if err != nil || state.ID == "" {
			return nil, err
		}
		id = state.ID
	}
	return s.events(ctx, id, before.LastEvent, maxPages)
}

// Follow calls emit with every event after the snapshot, once and in order, until ctx ends. It returns the id of the
// last one. It waits for a stack that does not exist yet.
func (s *Stack) Follow(ctx context.Context, before Snapshot, emit func(Event)) (last string) {
	last, id := before.LastEvent, before.ID
	for {
		if id == "" {
			state, err := s.Describe(ctx)
			if err == nil {
				id = state.ID
			} else if ctx.Err() == nil {
				s.noteRetry(err)
			}
		}
		if id != "" {
			last = s.emitEvents(ctx, id, last, emit)
		}
		if s.pause(ctx) != nil {
			break
		}
	}
	return last
}

// EmitEvents calls emit with every event after the given one, and returns the id of the last one.
func (s *Stack) EmitEvents(ctx context.Context, before Snapshot, after string, emit func(Event)) string {
	id := before.ID
	if id == "" {
		state, err := s.Describe(ctx)
		if err != nil || state.ID == "" {
			return after
		}
		id = state.ID
	}
	return s.emitEvents(ctx, id, after, emit)
}

func (s *Stack) emitEvents(ctx context.Context, stackID, after string, emit func(Event)) string {
	events, err := s.events(ctx, stackID, after, maxPages)
	if err != nil {
		if ctx.Err() == nil {
			s.noteRetry(err)
		}
		return after
	}
	for _, e := range events {
		emit(e)
		after = e.ID
	}
	return after
}

// OperationTime returns when the first operation since the snapshot began; zero if none did.
func (s *Stack) OperationTime(ctx context.Context, before Snapshot) (time.Time, error) {
	events, err := s.eventsSince(ctx, before)
	for _, e := range events {
		if e.begins() {
			return e.Time, nil
		}
	}
	return time.Time{}, err
}

// LastEvent returns the id of the newest event that may be the command's, right after the command ended. A command
// that was cut short may have requested something whose event is still to come: it is waited for during one poll.
func (s *Stack) LastEvent(ctx context.Context, before Snapshot, cutShort bool) (string, error) {
	if cutShort {
		if err := s.pause(ctx); err != nil {
			return before.LastEvent, err
		}
	}
	events, err := s.eventsSince(ctx, before)
	for tries := 0; isTransient(err) && tries < 3; tries++ { // without the answer, no operation can be attributed
		s.noteRetry(err)
		if err := s.pause(ctx); err != nil {
			return before.LastEvent, err
		}
		events, err = s.eventsSince(ctx, before)
	}
	if len(events) == 0 {
		return before.LastEvent, err
	}
	return events[len(events)-1].ID, err
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/carlin-cicd/runner/artifacts/retry"
)

const (
	source      = "ci.github"
	putAttempts = 2
	putTimeout  = 2 * time.Second        // of one attempt
	putPause    = 200 * time.Millisecond // between two
)

// publisher puts events on one bus.
type publisher struct {
	client eventPutter
	name   string
}

type eventPutter interface {
	PutEvents(
		context.Context,
		*eventbridge.PutEventsInput,
		...func(*eventbridge.Options),
	) (*eventbridge.PutEventsOutput, error)
}

// put makes two attempts. If the first was accepted and its response lost, the event is there twice: both have the same
// delivery id.
func (p *publisher) put(ctx context.Context, e event) (id string, err error) {
	detail, err := json.Marshal(e.detail)
	if err != nil {
		return "", err
	}
	input := &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{
		EventBusName: &p.name, Source: aws.String(source), DetailType: &e.kind, Detail: aws.String(string(detail)),
	}}}
	policy := retry.Policy{
		Attempts: putAttempts, First: putPause, Longest: putPause,
		Retryable: func(error) bool { return true },
	}
	err = retry.Do(ctx, policy, func() error {
		id, err = p.putOnce(ctx, input)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("the event bus %s: %w", p.name, err)
	}
	return id, nil
}

// putOnce looks into the answer: that the call went well does not say that the event did.
func (p *publisher) putOnce(ctx context.Context, input *eventbridge.PutEventsInput) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	out, err := p.client.PutEvents(ctx, input)
	switch {
	case err != nil:
		return "", err
	case len(out.Entries) != 1:
		return "", fmt.Errorf("%d answers to one event", len(out.Entries))
	case out.FailedEntryCount > 0 || out.Entries[0].ErrorCode != nil:
		return "", fmt.Errorf(
			"%s: %s",
			aws.ToString(out.Entries[0].ErrorCode),
			aws.ToString(out.Entries[0].ErrorMessage),
		)
	}
	return aws.ToString(out.Entries[0].EventId), nil
}

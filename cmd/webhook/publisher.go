package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
)

const (
	source   = "ci.github"
	putTries = 2
	putTime  = 2 * time.Second        // for one try
	putPause = 200 * time.Millisecond // between them
)

// publisher puts events on one bus.
type publisher struct {
	client eventPutter
	name   string
}

type eventPutter interface {
	PutEvents(context.Context, *eventbridge.PutEventsInput, ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error)
}

// put tries twice. A first try that was taken, but whose answer got lost, is there twice then: the same delivery id
// tells the pipeline so.
func (p *publisher) put(ctx context.Context, e event) (id string, err error) {
	detail, err := json.Marshal(e.detail)
	if err != nil {
		return "", err
	}
	input := &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{
		EventBusName: &p.name, Source: aws.String(source), DetailType: &e.kind, Detail: aws.String(string(detail)),
	}}}
	for try := range putTries {
		if try > 0 {
			select {
			case <-ctx.Done():
				return "", err
			case <-time.After(putPause):
			}
		}
		if id, err = p.putOnce(ctx, input); err == nil {
			return id, nil
		}
	}
	return "", fmt.Errorf("the event bus %s: %w", p.name, err)
}

// putOnce looks into the answer: that the call went well does not say that the event did.
func (p *publisher) putOnce(ctx context.Context, input *eventbridge.PutEventsInput) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, putTime)
	defer cancel()
	out, err := p.client.PutEvents(ctx, input)
	switch {
	case err != nil:
		return "", err
	case len(out.Entries) != 1:
		return "", fmt.Errorf("%d answers to one event", len(out.Entries))
	case out.FailedEntryCount > 0 || out.Entries[0].ErrorCode != nil:
		return "", fmt.Errorf("%s: %s", aws.ToString(out.Entries[0].ErrorCode), aws.ToString(out.Entries[0].ErrorMessage))
	}
	return aws.ToString(out.Entries[0].EventId), nil
}

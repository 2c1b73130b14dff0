package notify

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/slack-go/slack"
)

// Slack posts to a channel through an incoming webhook.
type Slack struct {
	WebhookURL string       // a secret
	Client     *http.Client // nil for one that uses the proxies of the environment
}

// Check returns an *Error if the URL cannot be that of a webhook. Whether the webhook works shows only when a
// message is sent.
func (s Slack) Check() error {
	if !confidential(s.WebhookURL) {
		return &Error{
			Service: "Slack", Err: errors.New("its webhook's address does not begin with https://"),
			Advice: "have SLACK_WEBHOOK_URL be, or refer to, the whole URL that Slack shows: https://hooks.slack.com/services/…",
		}
	}
	return nil
}

// Post posts a message. The error is an *Error.
func (s Slack) Post(ctx context.Context, message *slack.WebhookMessage) error {
	if err := s.Check(); err != nil {
		return err
	}
	if s.Client == nil {
		s.Client = &http.Client{}
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	status, err := withRetry(ctx, func() (int, time.Duration, error) {
		err := slack.PostWebhookCustomHTTPContext(ctx, s.WebhookURL, s.Client, message)
		var limited *slack.RateLimitedError
		var refused slack.StatusCodeError
		switch {
		case errors.As(err, &limited):
			return http.StatusTooManyRequests, limited.RetryAfter, errors.New("too many messages")
		case errors.As(err, &refused):
			return refused.Code, 0, errors.New(strings.TrimSpace(refused.Status))
		}
		if err = withoutURL(err); err != nil && !neverSent(err) { // it may have arrived, and must not appear twice
			err = sentError{err}
		}
		return 0, 0, err
	})
	if err == nil {
		return nil
	}
	e := &Error{
		Service: "Slack", Status: status, Err: err,
		Advice: "check that the network lets this task reach hooks.slack.com",
	}
	switch {
	case status == http.StatusForbidden || status == http.StatusNotFound || status == http.StatusGone:
		e.Advice = "the webhook is no longer valid: make a new one in Slack, and store it where SLACK_WEBHOOK_URL refers to"
	case status != 0:
		e.Advice = "see https://status.slack.com"
	}
	return e
}

package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/slack-go/slack"
)

// Bot posts to a channel of Slack with the token of an app, and changes what it has posted.
type Bot struct {
	Token   string       // a secret: xoxb-…
	Channel string       // its id, as in C0123456789
	URL     string       // of the API; "" for slack.com's
	Client  *http.Client // nil for one that uses the proxies of the environment
}

// MessageID names a message: the id of its channel and its timestamp.
type MessageID string

func (id MessageID) split() (channel, timestamp string) {
	channel, timestamp, _ = strings.Cut(string(id), ":")
	return channel, timestamp
}

var channelID = regexp.MustCompile(`^[CGD][A-Z0-9]{6,}$`)

// Check returns an *Error if the settings cannot be right. Whether they work shows only when a message is sent.
func (b Bot) Check() error {
	e := &Error{Service: "Slack"}
	switch {
	case !strings.HasPrefix(b.Token, "xoxb-"):
		e.Err = errors.New("SLACK_BOT_TOKEN is not the token of a bot")
		e.Advice = "have it be, or refer to, the Bot User OAuth Token of the app, which begins with xoxb-"
	case !channelID.MatchString(b.Channel):
		e.Err = fmt.Errorf("SLACK_CHANNEL %q is not the id of a channel", b.Channel)
		e.Advice = "write the id that Slack shows at the end of the channel's details, as in C0123456789"
	case b.URL != "" && !confidential(b.URL):
		e.Err = errors.New("the address of its API does not begin with https://")
		e.Advice = "write SLACK_API_URL as in https://slack.com/api/"
	default:
		return nil
	}
	return e
}

// Post posts a message. The error is an *Error.
func (b Bot) Post(ctx context.Context, message *slack.WebhookMessage) (id MessageID, err error) {
	err = b.send(ctx, func(ctx context.Context, api *slack.Client) error {
		channel, timestamp, err := api.PostMessageContext(ctx, b.Channel, contents(message)...)
		if err == nil {
			id = MessageID(channel + ":" + timestamp)
		}
		return once(err)
	})
	return id, err
}

// Reply posts a message below another one. The error is an *Error.
func (b Bot) Reply(ctx context.Context, to MessageID, message *slack.WebhookMessage) error {
	channel, timestamp := to.split()
	return b.send(ctx, func(ctx context.Context, api *slack.Client) error {
		_, _, err := api.PostMessageContext(ctx, channel, append(contents(message), slack.MsgOptionTS(timestamp))...)
		return once(err)
	})
}

// Update changes a message. The error is an *Error; see Gone.
func (b Bot) Update(ctx context.Context, id MessageID, message *slack.WebhookMessage) error {
	channel, timestamp := id.split()
	return b.send(ctx, func(ctx context.Context, api *slack.Client) error {
		_, _, _, err := api.UpdateMessageContext(ctx, channel, timestamp, contents(message)...)
		return err
	})
}

func contents(m *slack.WebhookMessage) []slack.MsgOption {
	return []slack.MsgOption{
		slack.MsgOptionText(m.Text, false), slack.MsgOptionBlocks(m.Blocks.BlockSet...),
		slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl(),
	}
}

// once marks the error of a request that must not be repeated if it may have arrived.
func once(err error) error {
	var limited *slack.RateLimitedError
	var failed slack.StatusCodeError
	var refused slack.SlackErrorResponse
	if err == nil || errors.As(err, &limited) || errors.As(err, &failed) || errors.As(err, &refused) || neverSent(err) {
		return err
	}
	return sentError{err}
}

func (b Bot) send(ctx context.Context, do func(context.Context, *slack.Client) error) error {
	if err := b.Check(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if b.Client == nil {
		b.Client = &http.Client{}
	}
	options := []slack.Option{slack.OptionHTTPClient(b.Client)}
	if b.URL != "" {
		options = append(options, slack.OptionAPIURL(strings.TrimSuffix(b.URL, "/")+"/"))
	}
	api := slack.New(b.Token, options...)
	name := ""
	status, err := withRetry(ctx, func() (int, time.Duration, error) {
		err := do(ctx, api)
		var limited *slack.RateLimitedError
		var failed slack.StatusCodeError
		var refused slack.SlackErrorResponse
		switch {
		case errors.As(err, &limited):
			return http.StatusTooManyRequests, limited.RetryAfter, errors.New("too many messages")
		case errors.As(err, &failed):
			return failed.Code, 0, errors.New(strings.TrimSpace(failed.Status))
		case errors.As(err, &refused):
			name = refused.Err
			return botStatus(name), 0, errors.New(name)
		}
		return 0, 0, withoutURL(err)
	})
	if err == nil {
		return nil
	}
	e := &Error{Service: "Slack", Status: status, Err: err, Name: name, Advice: botAdvice[name]}
	switch {
	case e.Advice != "":
	case name != "":
		e.Advice = "see https://docs.slack.dev/reference/methods/chat.postMessage#errors"
	case status != 0:
		e.Advice = "see https://status.slack.com"
	default:
		e.Advice = "check that the network lets this task reach slack.com"
	}
	return e
}

// botStatus is the status of HTTP that means what an error of the API does: the API answers nearly all with 200.
func botStatus(name string) int {
	switch name {
	case "ratelimited", "rate_limited", "message_limit_exceeded":
		return http.StatusTooManyRequests
	case "internal_error", "fatal_error", "service_unavailable", "request_timeout":
		return http.StatusServiceUnavailable
	case "message_not_found", "thread_not_found", "cant_update_message", "edit_window_closed", "channel_not_found":
		return http.StatusNotFound
	}
	return http.StatusForbidden
}

// botAdvice is what to do about errors by their documented names:
// https://docs.slack.dev/reference/methods/chat.postMessage, https://docs.slack.dev/reference/methods/chat.update
var botAdvice = map[string]string{
	"channel_not_found":       "check SLACK_CHANNEL, and invite the app to the channel if it is private",
	"not_in_channel":          "invite the app to the channel: /invite @NAME there, or give it the scope chat:write.public",
	"is_archived":             "unarchive the channel, or set SLACK_CHANNEL to another one",
	"invalid_auth":            "SLACK_BOT_TOKEN is not valid: copy the Bot User OAuth Token of the app",
	"not_authed":              "SLACK_BOT_TOKEN is empty",
	"token_expired":           "SLACK_BOT_TOKEN has expired: refer to a secret that is rotated, or turn rotation off in the app",
	"token_revoked":           "SLACK_BOT_TOKEN was revoked: install the app again, and store its new token",
	"account_inactive":        "the app or its workspace was removed: install it again",
	"missing_scope":           "give the app the scope chat:write, and install it again",
	"restricted_action":       "an administrator of the workspace restricts who may post in the channel",
	"no_permission":           "the app may not post there: an administrator of the workspace has to allow it",
	"ekm_access_denied":       "an administrator of the workspace has suspended posting",
	"team_access_not_granted": "the app is not installed in the workspace of the channel",
	"ratelimited":             "about one message a second is let through to a channel: fewer steps should report there",
	"rate_limited":            "about one message a second is let through to a channel: fewer steps should report there",
	"cannot_reply_to_message": "the message takes no replies; the next commit has one of its own",
	"edit_window_closed":      "the workspace lets messages be edited for a time only: the next commit has one of its own",
	"cant_update_message":     "another app has posted the message: keep one app for SLACK_BOT_TOKEN",
}

// Gone reports whether an error says that a message cannot be changed any more, so that a new one has to be posted.
func Gone(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Name == "message_not_found" || e.Name == "cant_update_message" ||
		e.Name == "edit_window_closed" || e.Service == "GitHub" && (e.Status == http.StatusNotFound || e.Status == http.StatusGone))
}

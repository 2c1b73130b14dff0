package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/slack-go/slack"
)

// Slack posts into one channel by the address of an incoming webhook.
type Slack struct {
	WebhookURL string       // a secret
	Client     *http.Client // nil for one that knows the proxies of the environment
}

// Slack refuses a message that is over its limits, whole: https://docs.slack.dev/reference/block-kit/blocks
const (
	slackHeader   = 150 // characters
	slackSection  = 3000
	slackButton   = 3000 // of its address
	slackFailures = 5    // more are for the report
	slackMessage  = 300  // of a failing test
)

// Check returns an *Error if the address cannot be a webhook's. Whether it is one shows only by a message.
func (s Slack) Check() error {
	if !confidential(s.WebhookURL) {
		return &Error{Service: "Slack", Err: errors.New("its webhook's address does not begin with https://"), Advice: "have SLACK_WEBHOOK_URL be, or refer to, the whole address that Slack shows: https://hooks.slack.com/services/…"}
	}
	return nil
}

// Post posts the news of a run. The error is an *Error.
func (s Slack) Post(ctx context.Context, r Run) error {
	if err := s.Check(); err != nil {
		return err
	}
	if s.Client == nil {
		s.Client = &http.Client{}
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	status, err := withRetry(ctx, func() (int, time.Duration, error) {
		err := slack.PostWebhookCustomHTTPContext(ctx, s.WebhookURL, s.Client, message(r))
		var limited *slack.RateLimitedError
		var refused slack.StatusCodeError
		switch {
		case errors.As(err, &limited):
			return http.StatusTooManyRequests, limited.RetryAfter, errors.New("it asks for fewer messages")
		case errors.As(err, &refused):
			return refused.Code, 0, errors.New(strings.TrimSpace(refused.Status))
		}
		if err = bare(err); err != nil && !neverSent(err) { // nobody wants to read a message twice
			err = sentError{err}
		}
		return 0, 0, err
	})
	if err == nil {
		return nil
	}
	e := &Error{Service: "Slack", Status: status, Err: err, Advice: "check that the network lets this task reach hooks.slack.com"}
	switch {
	case status == http.StatusForbidden || status == http.StatusNotFound || status == http.StatusGone:
		e.Advice = "the webhook is not valid any more: make a new one in Slack, and store it where SLACK_WEBHOOK_URL refers to"
	case status != 0:
		e.Advice = "see https://status.slack.com"
	}
	return e
}

// message lays the news out: what, why, which tests, where more is.
func message(r Run) *slack.WebhookMessage {
	sign := ":x:"
	switch {
	case r.Passed:
		sign = ":white_check_mark:"
	case r.Cancelled:
		sign = ":black_square_for_stop:"
	}
	blocks := []slack.Block{
		slack.NewHeaderBlock(slack.NewTextBlockObject(slack.PlainTextType, clip(sign+" "+r.title(), slackHeader), true, false)),
		section(escape(r.summary())),
	}
	if r.Error != "" {
		text := "*" + escape(clip(r.Error, 1200)) + "*"
		if r.Hint != "" {
			text += "\n→ " + escape(clip(r.Hint, 600))
		}
		blocks = append(blocks, section(text))
	}
	if r.Stack != "" {
		blocks = append(blocks, section("stack "+escape(clip(r.Stack, 1200))))
	}
	if r.Tests != nil {
		var text strings.Builder
		for i, f := range r.Tests.Failures {
			if i == slackFailures {
				fmt.Fprintf(&text, "and %d more", len(r.Tests.Failures)-i)
				break
			}
			fmt.Fprintf(&text, "• *%s*", escape(clip(f.Name, 200)))
			if f.File != "" {
				fmt.Fprintf(&text, "  `%s`", escape(clip(strings.ReplaceAll(f.File, "`", "'"), 120)))
			}
			if first, _, _ := strings.Cut(strings.TrimSpace(f.Message), "\n"); first != "" {
				fmt.Fprintf(&text, "\n   %s", escape(clip(first, slackMessage)))
			}
			text.WriteByte('\n')
		}
		if text.Len() > 0 {
			blocks = append(blocks, section(text.String()))
		}
	}
	var facts []string
	if r.SHA != "" {
		commit := "`" + escape(r.SHA[:min(len(r.SHA), 7)]) + "`"
		if r.RepositoryURL != "" {
			commit = fmt.Sprintf("<%s/commit/%s|%s>", escape(strings.NewReplacer("|", "%7C", " ", "%20").Replace(r.RepositoryURL)), escape(r.SHA), commit)
		}
		facts = append(facts, commit)
	}
	for _, fact := range []string{r.Repository, prefixed("by ", r.Actor), prefixed("coverage ", r.Coverage), r.Record} {
		if fact != "" {
			facts = append(facts, escape(clip(fact, 300)))
		}
	}
	linked := r.Report != "" && len(r.Report) <= slackButton
	if linked && !r.ReportExpires.IsZero() {
		facts = append(facts, "report until "+r.ReportExpires.UTC().Format("2 Jan 15:04 UTC"))
	}
	if facts != nil {
		blocks = append(blocks, slack.NewContextBlock("", slack.NewTextBlockObject(slack.MarkdownType, clip(strings.Join(facts, " · "), slackSection), false, false)))
	}
	if linked {
		button := slack.NewButtonBlockElement("report", "", slack.NewTextBlockObject(slack.PlainTextType, "Report", false, false))
		button.URL = r.Report
		blocks = append(blocks, slack.NewActionBlock("", button))
	}
	no := false
	return &slack.WebhookMessage{Text: escape(clip(r.title()+": "+r.summary(), slackSection)), Blocks: &slack.Blocks{BlockSet: blocks}, UnfurlLinks: &no, UnfurlMedia: &no}
}

func section(markdown string) slack.Block {
	return slack.NewSectionBlock(slack.NewTextBlockObject(slack.MarkdownType, clip(markdown, slackSection), false, false), nil, nil)
}

// escape keeps text from being markup of Slack's: links, and mentions of everybody.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

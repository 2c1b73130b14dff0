package notifytest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"unicode/utf8"
)

// Slack is an incoming webhook.
type Slack struct{ Service }

const hook = "/services/T0000000/B0000000/hook-secret-0123456789"

// Start returns the URL of the webhook and a function that stops the server.
func (s *Slack) Start() (address string, stop func()) {
	base, stop := s.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		problem := refusedBySlack(body)
		switch {
		case r.Method != http.MethodPost || r.URL.Path != hook:
			s.refuse(r.Method + " " + r.URL.Path)
			http.Error(w, "no_service", http.StatusNotFound)
		case r.Header.Get("Content-Type") != "application/json":
			s.refuse(r.Header.Get("Content-Type"))
			http.Error(w, "invalid_payload", http.StatusBadRequest)
		case problem != "":
			s.refuse(problem)
			http.Error(w, "invalid_blocks", http.StatusBadRequest)
		default:
			var m map[string]any
			_ = json.Unmarshal(body, &m)
			s.take("message", string(body), m)
			fmt.Fprint(w, "ok")
		}
	}))
	return base + hook, stop
}

type slackText struct{ Type, Text string }

// is reports whether the object is text of a type, with at most limit characters.
func (t *slackText) is(kind string, most int) bool {
	return t != nil && t.Type == kind && t.Text != "" && utf8.RuneCountInString(t.Text) <= most
}

type slackElement struct {
	Type, URL, Value string
	Text             json.RawMessage
	ActionID         string `json:"action_id"`
}

// refusedBySlack returns what Slack would refuse in a message: https://docs.slack.dev/reference/block-kit/blocks
func refusedBySlack(body []byte) string {
	var m struct {
		Text   string
		Blocks []struct {
			Type     string
			BlockID  string `json:"block_id"`
			Text     *slackText
			Elements []slackElement
		}
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return err.Error()
	}
	if m.Text == "" || utf8.RuneCountInString(m.Text) > 40000 || len(m.Blocks) == 0 || len(m.Blocks) > 50 ||
		!utf8.Valid(body) {
		return "text, or the number of blocks"
	}
	for i, b := range m.Blocks {
		if problem := refusedBlock(b.Type, b.Text, b.Elements); problem != "" || len(b.BlockID) > 255 {
			return fmt.Sprintf("block %d: %s", i, problem)
		}
	}
	return ""
}

func refusedBlock(kind string, text *slackText, elements []slackElement) string {
	switch kind {
	case "header":
		if !text.is("plain_text", 150) {
			return "header"
		}
	case "section":
		if !text.is("mrkdwn", 3000) {
			return "section"
		}
	case "context":
		if len(elements) == 0 || len(elements) > 10 {
			return "the number of elements of a context"
		}
		for _, e := range elements {
			var plain string
			if json.Unmarshal(e.Text, &plain) != nil || !(&slackText{e.Type, plain}).is("mrkdwn", 3000) {
				return "context"
			}
		}
	case "actions":
		if len(elements) == 0 || len(elements) > 25 {
			return "the number of actions"
		}
		known := map[string]bool{}
		for _, e := range elements {
			var label slackText
			if e.Type != "button" || json.Unmarshal(e.Text, &label) != nil || !label.is("plain_text", 75) ||
				len(e.Value) > 2000 ||
				len(e.ActionID) > 255 ||
				known[e.ActionID] {
				return "button"
			}
			known[e.ActionID] = true
			if len(e.URL) > 3000 || !isLink(e.URL) {
				return "the address of a button"
			}
		}
	default:
		return kind
	}
	return ""
}

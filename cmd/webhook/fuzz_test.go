package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// payloads calls add for every file of testdata.
func payloads(f *testing.F, add func(name string, body []byte)) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("testdata has no payloads", err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		add(name, file(f, name))
	}
}

// Any request gets a documented answer, starts nothing unless it is signed, and is not quoted.
func FuzzAnyRequestIsAnswered(f *testing.F) {
	payloads(f, func(name string, body []byte) {
		event := name
		switch {
		case strings.HasPrefix(event, "pull_request"):
			event = "pull_request"
		case event != "ping" && event != "issues" && event != "merge_group":
			event = "push"
		}
		for _, signed := range []bool{true, false} {
			f.Add("POST", "application/json", signature(testKey, body), event, testDelivery, body, false, signed)
		}
		f.Add(
			"POST",
			"application/x-www-form-urlencoded",
			"sha256=00",
			event,
			testDelivery,
			append([]byte("payload="), body...),
			true,
			true,
		)
	})
	f.Fuzz(func(t *testing.T, method, kind, given, event, delivery string, body []byte, encode, sign bool) {
		const mark = "aMarkThatIsNotLogged"
		var sent events.LambdaFunctionURLRequest
		if !sign {
			body = append(body, mark...)
		}
		sent.Body, sent.IsBase64Encoded, sent.RequestContext.HTTP.Method = string(body), encode, method
		if encode {
			sent.Body = base64.StdEncoding.EncodeToString(body)
		}
		sent.Headers = map[string]string{
			"content-type":        kind,
			"x-hub-signature-256": given,
			"x-hub-signature":     given,
			"x-github-event":      event,
			"x-github-delivery":   delivery,
		}
		if sign {
			sent.Headers["x-hub-signature-256"] = signature(testKey, body)
		}
		var log, metrics bytes.Buffer
		bus := &recorder{}
		h := &handler{
			oneKey{},
			bus,
			repositories{"Codertocat/*"},
			slog.New(slog.NewJSONHandler(&log, nil)),
			&metrics,
			"hook",
			time.Now,
		}
		reply, err := h.handle(t.Context(), sent)
		var a answer
		if err != nil || json.Unmarshal([]byte(reply.Body), &a) != nil ||
			!slices.Contains([]int{200, 202, 400, 401, 403, 405, 413, 415}, reply.StatusCode) {
			t.Fatalf("the answer is %d %q, %v", reply.StatusCode, reply.Body, err)
		}
		if taken := reply.StatusCode == 202; taken != (len(bus.got) == 1) || taken && (!sign || method != "POST") {
			t.Errorf("%d, and %d events on the bus", reply.StatusCode, len(bus.got))
		}
		if !sign && reply.StatusCode < 400 {
			t.Errorf("without a valid signature the answer is %d %s", reply.StatusCode, reply.Body)
		}
		printed := log.String() + metrics.String() + reply.Body
		if strings.Count(printed, "\n") != 3 || !json.Valid(log.Bytes()) || !json.Valid(metrics.Bytes()) {
			t.Errorf("not one line each: %q", printed)
		}
		if used := sent.Headers["x-hub-signature-256"]; strings.Contains(printed, mark) ||
			strings.HasPrefix(used, "sha256=") && len(used) > 12 && strings.Contains(printed, used) {
			t.Errorf("the request is quoted: %q", printed)
		}
	})
}

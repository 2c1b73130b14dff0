package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

const (
	testKey      = "It's a Secret to Everybody"
	testDelivery = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
	mainSHA      = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
	zeros        = "0000000000000000000000000000000000000000"
)

// oneKey is a verifier with one key, or one that fails.
type oneKey struct{ err error }

func (k oneKey) verify(_ context.Context, body, signature []byte) (bool, error) {
	return matches([]byte(testKey), body, signature), k.err
}

// recorder is a putter that keeps the events.
type recorder struct {
	got []event
	err error
}

func (r *recorder) put(_ context.Context, e event) (string, error) {
	if r.err != nil {
		return "", r.err
	}
	r.got = append(r.got, e)
	return "11710aed-b79e-4468-a20b-bb3c0c3b4860", nil
}

func file(tb testing.TB, name string) []byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// signed returns a delivery as a function URL passes it on.
func signed(name string, body []byte) events.LambdaFunctionURLRequest {
	r := events.LambdaFunctionURLRequest{
		Version: "2.0", RawPath: "/", Body: string(body),
		Headers: map[string]string{
			"content-type": "application/json", "user-agent": "GitHub-Hookshot/044aadd", "accept": "*/*",
			"x-github-event": name, "x-github-delivery": testDelivery, "x-github-hook-id": "292430182",
			"x-hub-signature-256": signature(testKey, body),
			"x-hub-signature":     "sha1=7d38cdd689735b008b3c702edd92eea23791c5f6",
		},
	}
	r.RequestContext.HTTP.Method = "POST"
	return r
}

func TestAnswersAreAsDocumented(t *testing.T) {
	branch := push{
		origin: origin{
			"1",
			"Codertocat/Hello-World",
		}, Ref: "refs/heads/main", Before: "5f2b1c0c1d9b3a4e6a7f8090a1b2c3d4e5f60718", After: mainSHA,
		Pushed: 1557933657, Sender: "Codertocat", Delivery: testDelivery,
	}
	tag := branch
	tag.Ref, tag.Before = "refs/tags/v1.2.3", zeros
	pull := pullRequest{
		origin: origin{
			"1",
			"Codertocat/Hello-World",
		}, Action: "opened", Number: "5", Ref: "refs/heads/changes", Base: "refs/heads/main",
		After: "ec26c3e57ca3a959ca5aad62de7213c562f8c821", Sender: "Codertocat", Delivery: testDelivery,
	}
	queue := mergeGroup{
		origin: origin{"1", "Codertocat/Hello-World"}, Action: "checks_requested", Base: "refs/heads/main",
		Ref:    "refs/heads/gh-readonly-queue/main/pr-104-929f8209d40f77f4abc622a499c93a83babdbe64",
		Before: "380387fbc80638b734a49e1be1c4dfec1c01b33c", After: "2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d", Sender: "Codertocat", Delivery: testDelivery,
	}
	fork := pull
	fork.Action, fork.Fork, fork.Sender = "synchronize", true, "octo-guest"
	gone := fork
	gone.Action = "reopened"
	merged := pull
	merged.Action, merged.Merged = "closed", true
	bot := pull
	bot.Sender = "dependabot[bot]"

	type request = events.LambdaFunctionURLRequest
	with := func(r request, change func(*request)) request { change(&r); return r }
	without := func(r request, names ...string) request {
		for _, name := range names {
			delete(r.Headers, name)
		}
		return r
	}
	header := func(r request, name, value string) request { r.Headers[name] = value; return r }
	text := func(name string, old, new string) request {
		body := file(t, name)
		changed := bytes.ReplaceAll(body, []byte(old), []byte(new))
		if bytes.Equal(body, changed) {
			t.Fatalf("%s has no %s", name, old)
		}
		return signed(strings.SplitN(name, "_of", 2)[0], changed)
	}
	form := []byte(url.Values{"payload": {string(file(t, "push"))}}.Encode())
	two := []byte("payload=%7B%7D&payload=%7B%7D")
	asForm := func(body []byte) request {
		return header(signed("push", body), "content-type", "application/x-www-form-urlencoded")
	}
	encoded := func(r request) request {
		r.Body, r.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(r.Body)), true
		return r
	}
	large := signed("push", bytes.Repeat([]byte(" "), 25_000_000))

	for _, c := range []struct {
		name   string
		r      request
		code   int
		status string
		reason string // part of it
		event  any
	}{
		{"a push to a branch", signed("push", file(t, "push")), 202, "forwarded", "", branch},
		{"a push whose body comes as base64", encoded(signed("push", file(t, "push"))), 202, "forwarded", "", branch},
		{"a push as a form", asForm(form), 202, "forwarded", "", branch},
		{"a push as a form in base64", encoded(asForm(form)), 202, "forwarded", "", branch},
		{"header names as HTTP/1 writes them", with(signed("push", file(t, "push")), func(r *request) {
			upper := map[string]string{}
			for name, value := range r.Headers {
				upper[strings.ToUpper(name)] = value
			}
			r.Headers = upper
		}), 202, "forwarded", "", branch},
		{"a content type with a character set", header(signed("push", file(t, "push")), "content-type", "application/json; charset=utf-8"), 202, "forwarded", "", branch},
		{"a repository in another case than in the list", text("push", "Codertocat/Hello-World", "codertocat/hello-world"), 202, "forwarded", "", branch},
		{"a lightweight tag", signed("push", file(t, "tag_lightweight")), 202, "forwarded", "", tag},
		{"an annotated tag, as its commit", signed("push", file(t, "tag_annotated")), 202, "forwarded", "", tag},
		{"a tag of something other than a commit", signed("push", file(t, "tag_of_a_tree")), 200, "ignored", "does not point to a commit", nil},
		{"a branch's deletion", signed("push", file(t, "deletion")), 200, "ignored", "deletion", nil},
		{"a tag's deletion", signed("push", file(t, "tag_deletion")), 200, "ignored", "deletion", nil},
		{"a deletion that names a commit", text("push", `"deleted": false`, `"deleted": true`), 200, "ignored", "deletion", nil},
		{"a deletion without the flag", text("push", `"after": "6113728f27ae82c7b1a177c8d03f9e96e0adf246"`, `"after": "`+zeros+`"`), 200, "ignored", "deletion", nil},
		{"a pull request", signed("pull_request", file(t, "pull_request_opened")), 202, "forwarded", "", pull},
		{"a pull request of a fork", signed("pull_request", file(t, "pull_request_of_a_fork")), 202, "forwarded", "", fork},
		{"a pull request of a fork that is deleted", signed("pull_request", file(t, "pull_request_of_a_deleted_fork")), 202, "forwarded", "", gone},
		{"a bot's pull request inside a repository that is a fork itself", signed("pull_request", file(t, "pull_request_in_a_repository_that_is_a_fork")), 202, "forwarded", "", bot},
		{"a merge", signed("pull_request", file(t, "pull_request_merged")), 202, "forwarded", "", merged},
		{"a merge queue's request for checks", signed("merge_group", file(t, "merge_group")), 202, "forwarded", "", queue},
		{"a merge group that is gone", text("merge_group", `"checks_requested"`, `"destroyed"`), 200, "ignored", "checks_requested", nil},
		{"a merge group of a ref that is not the queue's", text("merge_group", "refs/heads/gh-readonly-queue/", "refs/heads/"), 400, "rejected", "head_ref", nil},
		{"a push that is called a merge group", header(signed("push", file(t, "push")), "x-github-event", "merge_group"), 400, "rejected", "merge_group", nil},
		{"a merge group that is called a push", header(signed("push", file(t, "merge_group")), "x-github-event", "push"), 400, "rejected", "payload of a push", nil},
		{"a label on a pull request", signed("pull_request", file(t, "pull_request_labeled")), 200, "ignored", "opened, synchronize", nil},
		{"a ping", signed("ping", file(t, "ping")), 200, "pong", "", nil},
		{"an event that is not forwarded", signed("issues", file(t, "issues")), 200, "ignored", "only the events", nil},
		{"a comment on a pull request, which a stranger can write", signed("issue_comment", file(t, "pull_request_of_a_fork")), 200, "ignored", "only the events", nil},
		{"an event that workflows run with secrets for forks", signed("pull_request_target", file(t, "pull_request_of_a_fork")), 200, "ignored", "only the events", nil},
		{"no event at all", without(signed("push", file(t, "push")), "x-github-event"), 200, "ignored", "only the events", nil},

		{"a signature of another secret", header(signed("push", file(t, "push")), "x-hub-signature-256", signature("It's another Secret", file(t, "push"))), 401, "rejected", "does not match", nil},
		{"a body that was changed", with(signed("push", file(t, "push")), func(r *request) { r.Body += " " }), 401, "rejected", "does not match", nil},
		{"a signature of the base64 instead of the body", with(encoded(signed("push", file(t, "push"))), func(r *request) {
			r.Headers["x-hub-signature-256"] = signature(testKey, []byte(r.Body))
		}), 401, "rejected", "does not match", nil},
		{"no signature", without(signed("push", file(t, "push")), "x-hub-signature-256", "x-hub-signature"), 401, "rejected", "give the webhook a secret", nil},
		{"the old signature alone", without(signed("push", file(t, "push")), "x-hub-signature-256"), 401, "rejected", "SHA-1", nil},
		{"a signature without its prefix", header(signed("push", file(t, "push")), "x-hub-signature-256", strings.TrimPrefix(signature(testKey, file(t, "push")), "sha256=")), 401, "rejected", "64 hexadecimal", nil},
		{"half a signature", header(signed("push", file(t, "push")), "x-hub-signature-256", signature(testKey, file(t, "push"))[:39]), 401, "rejected", "64 hexadecimal", nil},
		{"a signature of other letters", header(signed("push", file(t, "push")), "x-hub-signature-256", "sha256="+strings.Repeat("g", 64)), 401, "rejected", "64 hexadecimal", nil},
		{"an empty signature", header(signed("push", file(t, "push")), "x-hub-signature-256", ""), 401, "rejected", "64 hexadecimal", nil},
		{"a ping that is not signed", without(signed("ping", file(t, "ping")), "x-hub-signature-256"), 401, "rejected", "", nil},

		{"a GET", with(signed("push", nil), func(r *request) { r.RequestContext.HTTP.Method = "GET" }), 405, "rejected", "POST", nil},
		{"25 MB", large, 413, "rejected", "6 MiB", nil},
		{"a byte more than 6 MiB", signed("push", bytes.Repeat([]byte(" "), 6<<20+1)), 413, "rejected", "6 MiB", nil},
		{"25 MB as base64", encoded(large), 413, "rejected", "6 MiB", nil},
		{"a text", header(signed("push", file(t, "push")), "content-type", "text/plain"), 415, "rejected", "content type", nil},
		{"no content type", without(signed("push", file(t, "push")), "content-type"), 415, "rejected", "content type", nil},
		{"invalid base64", with(signed("push", []byte("{")), func(r *request) { r.IsBase64Encoded = true }), 400, "rejected", "base64", nil},
		{"a form without a payload", asForm([]byte("a=b")), 400, "rejected", "payload", nil},
		{"a form with two payloads", asForm(two), 400, "rejected", "payload", nil},
		{"no delivery id", without(signed("push", file(t, "push")), "x-github-delivery"), 400, "rejected", "X-GitHub-Delivery", nil},
		{"a delivery id with a line break", header(signed("push", file(t, "push")), "x-github-delivery", "a\nb"), 400, "rejected", "X-GitHub-Delivery", nil},
		{"an empty body", signed("push", nil), 400, "rejected", "JSON", nil},
		{"half a payload", signed("push", file(t, "push")[:200]), 400, "rejected", "JSON", nil},
		{"a million brackets", signed("push", bytes.Repeat([]byte("["), 1_000_000)), 400, "rejected", "JSON", nil},
		{"a million brackets in a field that is not read", signed("push", []byte(`{"x":`+strings.Repeat("[", 1_000_000)+strings.Repeat("]", 1_000_000)+`}`)), 400, "rejected", "JSON", nil},
		{"a list", signed("push", []byte(`[]`)), 400, "rejected", "JSON", nil},
		{"a number for a ref", text("push", `"refs/heads/main"`, `7`), 400, "rejected", "JSON", nil},
		{"nothing", signed("push", []byte(`null`)), 400, "rejected", "repository", nil},
		{"a repository that is not listed", text("push", "Codertocat/Hello-World", "Mallory/Hello-World"), 403, "rejected", "list", nil},
		{"a repository named ..", text("push", "Codertocat/Hello-World", "Codertocat/.."), 403, "rejected", "list", nil},
		{"a pull request that is called a push", header(signed("push", file(t, "pull_request_opened")), "x-github-event", "push"), 400, "rejected", "payload of a push", nil},
		{"a push that is called a pull request", header(signed("push", file(t, "push")), "x-github-event", "pull_request"), 400, "rejected", "pull_request", nil},
		{"a ref that git refuses", text("push", "refs/heads/main", "refs/heads/a..b"), 400, "rejected", "ref", nil},
		{"a ref that is neither branch nor tag", text("push", "refs/heads/main", "refs/notes/commits"), 400, "rejected", "ref", nil},
		{"a ref of 256 bytes", text("push", "refs/heads/main", "refs/heads/"+strings.Repeat("a", 245)), 400, "rejected", "ref", nil},
		{"a commit that is not a SHA", text("push", `"after": "6113728f27ae82c7b1a177c8d03f9e96e0adf246"`, `"after": "$(id)"`), 400, "rejected", "after", nil},
		{"an abbreviated commit", text("push", `"after": "6113728f27ae82c7b1a177c8d03f9e96e0adf246"`, `"after": "6113728"`), 400, "rejected", "after", nil},
		{"a previous commit that is not a SHA", text("push", `"before": "5f2b`, `"before": "5F2B`), 400, "rejected", "before", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log, metrics bytes.Buffer
			bus := &recorder{}
			h := &handler{
				oneKey{},
				bus,
				repositories{"Codertocat/Hello-World"},
				slog.New(slog.NewJSONHandler(&log, nil)),
				&metrics,
				"hook",
				time.Now,
			}
			reply, err := h.handle(t.Context(), c.r)
			if err != nil {
				t.Fatal(err)
			}
			var a answer
			if err := json.Unmarshal([]byte(reply.Body), &a); err != nil {
				t.Fatalf("the answer is not JSON: %s", reply.Body)
			}
			if reply.StatusCode != c.code || a.Status != c.status || !strings.Contains(a.Reason, c.reason) {
				t.Errorf(
					"the answer is %d %s, not %d %s (…%s…)",
					reply.StatusCode,
					reply.Body,
					c.code,
					c.status,
					c.reason,
				)
			}
			if allow := reply.Headers["allow"]; (allow == "POST") != (c.code == 405) {
				t.Errorf("allow is %q", allow)
			}
			if len(reply.Body) > 512 {
				t.Errorf("the answer is %d bytes long", len(reply.Body))
			}
			switch {
			case c.event == nil && len(bus.got) > 0:
				t.Errorf("an event went on the bus: %+v", bus.got)
			case c.event != nil && (len(bus.got) != 1 || bus.got[0].detail != c.event):
				t.Errorf("on the bus is %+v, not %+v", bus.got, c.event)
			}
			for _, private := range []string{"Co-authored-by", "noreply", "changes.", "evil", "Mallory", "$(id)", testKey, strings.TrimPrefix(c.r.Headers["x-hub-signature-256"], "sha256=")} {
				if private != "" && strings.Contains(log.String()+metrics.String()+reply.Body, private) {
					t.Errorf("the log or the answer contains %q: %s", private, log.String())
				}
			}
			checkMetric(t, metrics.Bytes(), a.Status)
		})
	}
}

// checkMetric fails unless line is one line that has all metrics its directive names.
func checkMetric(t *testing.T, line []byte, status string) {
	t.Helper()
	var root map[string]any
	var meta struct {
		AWS struct {
			CloudWatchMetrics []struct {
				Namespace  string
				Dimensions [][]string
				Metrics    []struct{ Name string }
			}
		} `json:"_aws"`
	}
	if bytes.Count(line, []byte("\n")) != 1 || json.Unmarshal(line, &root) != nil ||
		json.Unmarshal(line, &meta) != nil ||
		len(meta.AWS.CloudWatchMetrics) != 1 {
		t.Fatalf("not one line of JSON with a directive: %s", line)
	}
	d := meta.AWS.CloudWatchMetrics[0]
	sum := 0.0
	for _, m := range d.Metrics {
		n, ok := root[m.Name].(float64)
		if !ok {
			t.Errorf("%s has no value", m.Name)
		}
		sum += n
	}
	want := map[string]string{"forwarded": "WebhookForwarded", "rejected": "WebhookRejected", "failed": "WebhookFailed", "ignored": "WebhookIgnored", "pong": "WebhookIgnored"}[status]
	if d.Namespace != "Carlin/CICD" || root["Function"] != "hook" || sum != 1 || root[want] != 1.0 {
		t.Errorf("%s is not counted once, in %s", want, line)
	}
}

func TestGitHubsExampleSignatureMatches(t *testing.T) {
	const documented = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	given, problem := parseSignature(map[string]string{"x-hub-signature-256": documented})
	if problem != "" || !matches([]byte(testKey), []byte("Hello, World!"), given) {
		t.Errorf("it does not match (%s)", problem)
	}
}

func TestRedeliveriesKeepTheirID(t *testing.T) {
	bus := &recorder{}
	h := &handler{
		oneKey{},
		bus,
		repositories{"Codertocat/*"},
		slog.New(slog.DiscardHandler),
		&bytes.Buffer{},
		"hook",
		time.Now,
	}
	for range 2 {
		if reply, err := h.handle(t.Context(), signed("push", file(t, "push"))); err != nil || reply.StatusCode != 202 {
			t.Fatal(reply, err)
		}
	}
	if len(bus.got) != 2 || bus.got[0] != bus.got[1] || bus.got[0].detail.(push).Delivery != testDelivery {
		t.Errorf("on the bus are %+v", bus.got)
	}
}

func TestOurOwnFailuresAskForARedelivery(t *testing.T) {
	private := errors.New("arn:aws:secretsmanager:eu-central-1:123456789012:secret:hook does not exist")
	for name, c := range map[string]struct {
		keys verifier
		bus  putter
		code int
	}{
		"the secret cannot be read":       {oneKey{private}, &recorder{}, 503},
		"the bus does not take the event": {oneKey{}, &recorder{err: private}, 502},
	} {
		t.Run(name, func(t *testing.T) {
			var log, metrics bytes.Buffer
			h := &handler{
				c.keys,
				c.bus,
				repositories{"Codertocat/*"},
				slog.New(slog.NewJSONHandler(&log, nil)),
				&metrics,
				"hook",
				time.Now,
			}
			reply, err := h.handle(t.Context(), signed("push", file(t, "push")))
			if err != nil || reply.StatusCode != c.code || !strings.Contains(reply.Body, "redeliver") {
				t.Errorf("the answer is %d %s, %v", reply.StatusCode, reply.Body, err)
			}
			if strings.Contains(reply.Body, "arn:") || !strings.Contains(log.String(), "arn:") {
				t.Errorf("the resource must be named in the log (%s) and not in the answer (%s)", &log, reply.Body)
			}
			checkMetric(t, metrics.Bytes(), "failed")
		})
	}
}

package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"
)

const sha = "4f0c1d2e3a4b5c6d7e8f9012345678901234abcd"

func failed() Run {
	return Run{
		ID: "01k", Step: "test", Branch: "main", SHA: sha, Repository: "example/shop", Actor: "ana", Reason: "failure", ExitCode: 1,
		Error: "the command ended with exit code 1", Hint: "see the report", Started: time.Unix(1_800_000_000, 0).UTC(), Duration: 61 * time.Second,
		Tests:  &Tests{Total: 214, Passed: 212, Failed: 2, Flaky: 1, Failures: []Failure{{Name: "price › adds the tax once", File: "src/price.test.ts", Line: 12, Message: "expected 119\nreceived 138.04"}, {Name: "no place", Message: "boom"}}},
		Report: "https://bucket.example/report.html?X-Amz-Signature=abc", Record: "s3://bucket/runs/main/4f0c", Coverage: "83.1 % (-1.2)",
	}
}

// vast is a run whose every text is as long as texts get, and looks like markup.
func vast() Run {
	long := strings.Repeat("<!channel> & <https://evil.example|click> `é` ", 4000)
	r := failed()
	r.Step, r.Branch, r.Error, r.Hint, r.Record, r.Actor, r.Reason = "s"+strings.Repeat("x", 62), long, long, long, long, long, long
	r.Report = "https://x.example/" + strings.Repeat("a", 4000)
	for i := range 300 {
		r.Tests.Failures = append(r.Tests.Failures, Failure{Name: fmt.Sprint(i, long), File: "a/" + strings.Repeat("b", 300), Message: long, Details: long})
	}
	return r
}

// slackServer refuses what Slack would refuse, and keeps the last message.
func slackServer(t *testing.T) (url string, last *string) {
	last = new(string)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*last = string(body)
		if problem := refusedBySlack(body); problem != "" || r.Header.Get("Content-Type") != "application/json" {
			http.Error(w, "invalid_blocks: "+problem, http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, "ok")
	}))
	t.Cleanup(s.Close)
	return s.URL + "/services/T0/B0/hook-secret", last
}

func refusedBySlack(body []byte) string {
	type text struct{ Type, Text string }
	var m struct {
		Text   string
		Blocks []struct {
			Type     string
			Text     *text
			Elements []struct {
				Type, URL string
				Text      json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return err.Error()
	}
	if m.Text == "" || len(m.Blocks) == 0 || len(m.Blocks) > 50 || !utf8.Valid(body) {
		return "text, or the number of blocks"
	}
	for _, b := range m.Blocks {
		switch b.Type {
		case "header":
			if b.Text == nil || b.Text.Type != "plain_text" || b.Text.Text == "" || utf8.RuneCountInString(b.Text.Text) > 150 {
				return "header"
			}
		case "section":
			if b.Text == nil || b.Text.Type != "mrkdwn" || b.Text.Text == "" || utf8.RuneCountInString(b.Text.Text) > 3000 {
				return "section"
			}
		case "context":
			if len(b.Elements) == 0 || len(b.Elements) > 10 {
				return "context"
			}
		case "actions":
			for _, e := range b.Elements {
				if e.Type != "button" || len(e.URL) > 3000 || !strings.HasPrefix(e.URL, "https://") {
					return "button"
				}
			}
		default:
			return b.Type
		}
	}
	return ""
}

func TestSlackIsToldWhatAndWhyAndWhichTests(t *testing.T) {
	url, last := slackServer(t)
	if err := (Slack{WebhookURL: url, Client: http.DefaultClient}).Post(t.Context(), failed()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		":x: test failed on main", "failure, exit code 1 after 1m1s: 2 of 214 tests failed, 1 flaky", "the command ended with exit code 1", "see the report",
		"price › adds the tax once", "src/price.test.ts", "expected 119", "https://github.com/example/shop/commit/" + sha, "ana", "coverage 83.1 %", "https://bucket.example/report.html?X-Amz-Signature=abc",
	} {
		if text := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(*last); !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}

func TestSlackTakesWhateverARunHasToSay(t *testing.T) {
	url, last := slackServer(t)
	for _, change := range []func(*Run){
		func(r *Run) { *r = vast() },
		func(r *Run) { *r = Run{Step: "build", Branch: "main", Passed: true} },
		func(r *Run) { r.Passed, r.Recovered, r.Tests.Failed, r.Tests.Failures = true, true, 0, nil },
		func(r *Run) { r.Aborted = true },
	} {
		r := failed()
		change(&r)
		if err := (Slack{WebhookURL: url, Client: http.DefaultClient}).Post(t.Context(), r); err != nil {
			t.Errorf("%s: %v", r.title()[:20], err)
		}
		header := regexp.MustCompile(`\{"type":"plain_text","text":"[^"]*"`) // is shown as it is
		if rest := header.ReplaceAllString(*last, ""); strings.Contains(rest, `\u003c!channel`) || strings.Contains(rest, "<!channel") {
			t.Error("a text of the run calls everybody")
		}
	}
}

func TestTitles(t *testing.T) {
	for want, r := range map[string]Run{
		"test failed on main":                   {Step: "test", Branch: "main"},
		"test passes again on main":             {Step: "test", Branch: "main", Passed: true, Recovered: true},
		"deploy · production passed on v1.2.0":  {Step: "deploy", Environment: "production", Branch: "v1.2.0", Passed: true},
		"build was stopped on feature/a":        {Step: "build", Branch: "feature/a", Aborted: true},
		"migrate · staging passed on release/2": {Step: "migrate", Environment: "staging", Branch: "release/2", Passed: true},
	} {
		if got := r.title(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A service that misbehaves, and what we make of it.
func TestServicesThatMisbehave(t *testing.T) {
	var asked atomic.Int32
	var answer atomic.Pointer[http.HandlerFunc]
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1); (*answer.Load())(w, r) }))
	is := func(h http.HandlerFunc) { asked.Store(0); answer.Store(&h) }
	defer s.Close()
	services := map[string]func(context.Context) error{
		"Slack": func(ctx context.Context) error {
			return Slack{WebhookURL: s.URL + "/services/hook-secret", Client: http.DefaultClient}.Post(ctx, failed())
		},
		"GitHub": func(ctx context.Context) error {
			return GitHub{Token: "token-secret", Repository: "example/shop", URL: s.URL}.Begin(ctx, failed())
		},
	}
	for name, post := range services {
		for what, c := range map[string]struct {
			answer http.HandlerFunc
			asked  int
			hint   string
		}{
			"it is down":    {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) }, 2, "status"},
			"it refuses us": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{"message":"no"}`, http.StatusForbidden) }, 1, ""},
			"it asks to wait": {func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "1")
				http.Error(w, "{}", http.StatusTooManyRequests)
			}, 2, ""},
			"it hangs up":             {func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, 2, "network"},
			"it does not know us":     {func(w http.ResponseWriter, r *http.Request) { http.Error(w, `{"message":"Not Found"}`, 404) }, 1, ""},
			"it answers with nothing": {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) }, 2, ""},
		} {
			is(c.answer)
			err := post(t.Context())
			var e *Error
			if !errors.As(err, &e) || e.Service != name || !strings.Contains(e.Hint(), c.hint) || e.Hint() == "" {
				t.Errorf("%s: %s: %v (%T)", name, what, err, err)
				continue
			}
			if n := int(asked.Load()); n < 1 || n > c.asked+1 { // net/http may send once more itself what broke off
				t.Errorf("%s: %s: asked %d times, want %d", name, what, n, c.asked)
			}
			if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), s.URL) {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
		is(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // only then is it noticed that the other side has gone
			<-r.Context().Done()
		})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if err := post(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s is slow: %v", name, err)
		}
		cancel()
		is(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case asked.Load() == 1:
				http.Error(w, "{}", http.StatusBadGateway)
			case name == "Slack":
				fmt.Fprint(w, "ok")
			default:
				w.WriteHeader(201)
				fmt.Fprint(w, "{}")
			}
		})
		if err := post(t.Context()); err != nil || asked.Load() != 2 {
			t.Errorf("%s fails once: %v after %d", name, err, asked.Load())
		}
	}
}

// githubServer takes what GitHub takes.
type githubServer struct {
	private  bool
	noChecks bool
	statuses []map[string]any
	checks   []map[string]any
}

func (g *githubServer) start(t *testing.T) string {
	text := func(m map[string]any, key string) string { s, _ := m[key].(string); return s }
	mux := http.NewServeMux()
	mux.HandleFunc("GET /repos/example/shop", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"private":%v}`, g.private) })
	mux.HandleFunc("POST /repos/example/shop/statuses/{sha}", func(w http.ResponseWriter, r *http.Request) {
		var m map[string]any
		if json.NewDecoder(r.Body).Decode(&m) != nil || r.PathValue("sha") != sha || !slices.Contains([]string{"error", "failure", "pending", "success"}, text(m, "state")) ||
			utf8.RuneCountInString(text(m, "description")) > 140 || text(m, "context") == "" {
			http.Error(w, `{"message":"Validation Failed"}`, http.StatusUnprocessableEntity)
			return
		}
		g.statuses = append(g.statuses, m)
		w.WriteHeader(201)
		fmt.Fprint(w, "{}")
	})
	mux.HandleFunc("POST /repos/example/shop/check-runs", func(w http.ResponseWriter, r *http.Request) {
		if g.noChecks {
			http.Error(w, `{"message":"You must authenticate via a GitHub App."}`, http.StatusForbidden)
			return
		}
		var m struct {
			Name, Status, Conclusion string
			HeadSHA                  string `json:"head_sha"`
			Output                   struct {
				Title, Summary string
				Annotations    []struct {
					Path, Message, Title string
					Level                string `json:"annotation_level"`
					Start                int    `json:"start_line"`
					End                  int    `json:"end_line"`
					Raw                  string `json:"raw_details"`
				}
			}
		}
		body, _ := io.ReadAll(r.Body)
		bad := json.Unmarshal(body, &m) != nil || m.HeadSHA != sha || m.Name == "" || m.Status != "completed" ||
			!slices.Contains([]string{"success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required"}, m.Conclusion) ||
			m.Output.Title == "" || m.Output.Summary == "" || len(m.Output.Summary) > 65535 || len(m.Output.Annotations) > 50
		for _, a := range m.Output.Annotations {
			bad = bad || a.Path == "" || strings.HasPrefix(a.Path, "/") || a.Start < 1 || a.End < a.Start || a.Message == "" || len(a.Message) > 64<<10 || len(a.Title) > 255 || len(a.Raw) > 64<<10 || a.Level != "failure"
		}
		if bad {
			http.Error(w, `{"message":"Validation Failed"}`, http.StatusUnprocessableEntity)
			return
		}
		var kept map[string]any
		_ = json.Unmarshal(body, &kept)
		g.checks = append(g.checks, kept)
		w.WriteHeader(201)
		fmt.Fprint(w, "{}")
	})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token-secret" {
			http.Error(w, `{"message":"Bad credentials"}`, http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestGitHubHasAStatusAndACheckWithNotesOnLines(t *testing.T) {
	g := &githubServer{private: true}
	hub := GitHub{Token: "token-secret", Repository: "example/shop", URL: g.start(t)}
	if err := hub.Begin(t.Context(), failed()); err != nil {
		t.Fatal(err)
	}
	if err := hub.End(t.Context(), failed()); err != nil {
		t.Fatal(err)
	}
	if len(g.statuses) != 2 || g.statuses[0]["state"] != "pending" || g.statuses[1]["state"] != "failure" || g.statuses[1]["context"] != "carlin-cicd/test" || g.statuses[1]["target_url"] != failed().Report {
		t.Errorf("%v", g.statuses)
	}
	check := fmt.Sprint(g.checks)
	for _, want := range []string{"path:src/price.test.ts", "start_line:12", "conclusion:failure", "price › adds the tax once", "no place"} {
		if !strings.Contains(check, want) {
			t.Errorf("no %s in %s", want, check)
		}
	}
}

func TestTheReportIsNotLinkedWhereEverybodyCouldFollow(t *testing.T) {
	g := &githubServer{}
	if err := (GitHub{Token: "token-secret", Repository: "example/shop", URL: g.start(t)}).End(t.Context(), failed()); err != nil {
		t.Fatal(err)
	}
	if said := fmt.Sprint(g.statuses, g.checks); strings.Contains(said, "X-Amz-Signature") {
		t.Error(said)
	}
}

func TestGitHubTakesWhateverARunHasToSay(t *testing.T) {
	g := &githubServer{private: true}
	hub := GitHub{Token: "token-secret", Repository: "example/shop", URL: g.start(t)}
	for _, r := range []Run{vast(), {Step: "build", Environment: "staging", Branch: "main", SHA: sha, Passed: true}, {Step: "x", SHA: sha, Aborted: true}, {Step: "x", SHA: sha, Blocked: true, Reason: "guard"}} {
		if err := hub.End(t.Context(), r); err != nil {
			t.Errorf("%s: %v", clip(r.title(), 40), err)
		}
	}
	if len(g.statuses) != 4 || g.statuses[1]["context"] != "carlin-cicd/build-staging" || g.statuses[3]["state"] != "error" {
		t.Errorf("%v", g.statuses[1:])
	}
}

func TestATokenThatMayNotMakeChecksIsNoError(t *testing.T) {
	g := &githubServer{noChecks: true}
	if err := (GitHub{Token: "token-secret", Repository: "example/shop", URL: g.start(t)}).End(t.Context(), failed()); err != nil || len(g.statuses) != 1 {
		t.Errorf("%v, %d", err, len(g.statuses))
	}
}

func TestARepositoryThatIsNone(t *testing.T) {
	for _, name := range []string{"", "shop", "a/b/c", "/shop", "example/"} {
		if err := (GitHub{Token: "x", Repository: name}).Begin(t.Context(), failed()); err == nil || !regexp.MustCompile("GITHUB_REPOSITORY").MatchString(err.(*Error).Hint()) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestPlaces(t *testing.T) {
	for _, c := range []struct{ name, file, directory, details, want string }{
		{"jest, by an absolute path", "src/price.test.ts", ".", "at Object.<anonymous> (/workspace/src/price.test.ts:12:23)\n at x (/workspace/src/price.ts:3:1)", "src/price.test.ts:12"},
		{"jest, relative", "src/price.test.ts", ".", "    at Object.toBe (src/price.test.ts:8:9)", "src/price.test.ts:8"},
		{"a package of a workspace", "src/a.test.ts", "packages/core", "❯ src/a.test.ts:4:1", "packages/core/src/a.test.ts:4"},
		{"go test", "", "pkg", "    price_test.go:17: got 1", "pkg/price_test.go:17"},
		{"pytest", "tests/test_a.py", ".", "tests/test_a.py:7: AssertionError", "tests/test_a.py:7"},
		{"the file is known, the line is not", "a.test.ts", ".", "boom", "a.test.ts:0"},
		{"nothing is known", "", ".", "boom at 10:30", ":0"},
		{"a dependency's line is not ours", "", ".", "at x (node_modules/a/b.js:3:1)", ":0"},
		{"an absolute path that nobody can place", "", ".", "at /usr/lib/x.py:3", ":0"},
		{"a path that leads out", "../../etc/passwd", ".", "", ":0"},
	} {
		file, line := Place(c.file, c.directory, c.details)
		if got := fmt.Sprintf("%s:%d", file, line); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/notify/notifytest"
)

const sha = "4f0c1d2e3a4b5c6d7e8f9012345678901234abcd"

func failed() Run {
	return Run{
		ID: "01k", Step: "test", Branch: "main", SHA: sha, Repository: "example/shop", Actor: "ana", Reason: "failure", ExitCode: 1,
		Error: "the command ended with exit code 1", Hint: "see the report", Started: time.Unix(1_800_000_000, 0).UTC(), Duration: 61 * time.Second,
		Tests:  &Tests{Total: 214, Passed: 212, Failed: 2, Flaky: 1, Failures: []Failure{{Name: "price › adds the tax once", File: "src/price.test.ts", Line: 12, Message: "expected 119\nreceived 138.04"}, {Name: "no place", Message: "boom"}}},
		Report: "https://bucket.example/report.html?X-Amz-Signature=abc", ReportExpires: time.Unix(1_800_086_400, 0), RepositoryURL: "https://github.com/example/shop", Stack: "web: rolled back", Record: "s3://bucket/runs/main/4f0c", Coverage: "83.1 % (-1.2)",
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

// slackServer is one, and the address of its webhook.
func slackServer(t *testing.T) (*notifytest.Slack, Slack) {
	s := &notifytest.Slack{}
	address, stop := s.Start()
	t.Cleanup(stop)
	return s, Slack{WebhookURL: address}
}

// last is the text of the newest post.
func last(posts []notifytest.Post) string {
	if len(posts) == 0 {
		return ""
	}
	return posts[len(posts)-1].Text
}

func TestSlackIsToldWhatAndWhyAndWhichTests(t *testing.T) {
	server, slack := slackServer(t)
	if err := slack.Post(t.Context(), failed()); err != nil {
		t.Fatalf("%v: %v", err, server.Refused())
	}
	for _, want := range []string{
		":x: test failed on main", "failure, exit code 1 after 1m1s: 2 of 214 tests failed, 1 flaky", "the command ended with exit code 1", "see the report",
		"price › adds the tax once", "src/price.test.ts", "expected 119", "https://github.com/example/shop/commit/" + sha, "by ana", "coverage 83.1 %", "stack web: rolled back", "report until 16 Jan 08:00 UTC", "https://bucket.example/report.html?X-Amz-Signature=abc",
	} {
		if text := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(last(server.Posts())); !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}

func TestSlackTakesWhateverARunHasToSay(t *testing.T) {
	server, slack := slackServer(t)
	for _, change := range []func(*Run){
		func(r *Run) { *r = vast() },
		func(r *Run) { *r = Run{Step: "build", Branch: "main", Passed: true} },
		func(r *Run) { r.Passed, r.Recovered, r.Tests.Failed, r.Tests.Failures = true, true, 0, nil },
		func(r *Run) { r.Cancelled = true },
	} {
		r := failed()
		change(&r)
		if err := slack.Post(t.Context(), r); err != nil {
			t.Errorf("%s: %v, %v", r.title()[:20], err, server.Refused())
		}
		header := regexp.MustCompile(`\{"type":"plain_text","text":"[^"]*"`) // is shown as it is
		if rest := header.ReplaceAllString(last(server.Posts()), ""); strings.Contains(rest, `\u003c!channel`) || strings.Contains(rest, "<!channel") {
			t.Error("a text of the run calls everybody")
		}
	}
}

func TestTitles(t *testing.T) {
	for want, r := range map[string]Run{
		"test failed on main":                   {Step: "test", Branch: "main"},
		"test passes again on main":             {Step: "test", Branch: "main", Passed: true, Recovered: true},
		"deploy · production passed on v1.2.0":  {Step: "deploy", Environment: "production", Branch: "v1.2.0", Passed: true},
		"build was stopped on feature/a":        {Step: "build", Branch: "feature/a", Cancelled: true},
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
			return Slack{WebhookURL: s.URL + "/services/hook-secret"}.Post(ctx, failed())
		},
		"GitHub": func(ctx context.Context) error {
			return GitHub{Token: "token-secret", Repository: "example/shop", URL: s.URL}.Start(ctx, failed())
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
			"its allowance is used up": {func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-RateLimit-Remaining", "0")
				w.Header().Set("X-RateLimit-Limit", "5000")
				w.Header().Set("X-RateLimit-Reset", "1")
				http.Error(w, `{"message":"API rate limit exceeded"}`, http.StatusForbidden)
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
			if n := asked.Load(); name == "Slack" && what == "it hangs up" && n != 1 {
				t.Errorf("what may have arrived is sent %d times", n)
			}
			if name == "GitHub" && e.Refused() != (what == "it refuses us" || what == "it does not know us") {
				t.Errorf("%s: refused: %v", what, e.Refused())
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

// githubServer is one that has the commit of failed, and its client.
func githubServer(t *testing.T, change func(*notifytest.GitHub)) (*notifytest.GitHub, GitHub) {
	g := &notifytest.GitHub{Token: "token-secret", Repository: "example/shop", SHA: sha, Private: true, App: true}
	if change != nil {
		change(g)
	}
	address, stop := g.Start()
	t.Cleanup(stop)
	return g, GitHub{Token: "token-secret", Repository: "example/shop", URL: address}
}

func TestGitHubHasAStatusAndACheckWithNotesOnLines(t *testing.T) {
	g, hub := githubServer(t, nil)
	if err := hub.Start(t.Context(), failed()); err != nil {
		t.Fatal(err)
	}
	if err := hub.Finish(t.Context(), failed()); err != nil {
		t.Fatal(err, g.Refused())
	}
	posts := g.Posts()
	if len(posts) != 3 || posts[0].JSON["state"] != "pending" || posts[1].JSON["state"] != "failure" || posts[1].JSON["context"] != "carlin-cicd/test" || posts[1].JSON["target_url"] != failed().Report {
		t.Fatalf("%v", posts)
	}
	check := fmt.Sprint(posts[2].JSON)
	for _, want := range []string{"path:src/price.test.ts", "start_line:12", "conclusion:failure", "price › adds the tax once", "no place"} {
		if !strings.Contains(check, want) {
			t.Errorf("no %s in %s", want, check)
		}
	}
}

func TestTheReportIsNotLinkedWhereEverybodyCouldFollow(t *testing.T) {
	g, hub := githubServer(t, func(g *notifytest.GitHub) { g.Private = false })
	if err := hub.Finish(t.Context(), failed()); err != nil || len(g.Posts()) != 2 {
		t.Fatal(err, g.Refused())
	}
	if said := fmt.Sprint(g.Posts()); strings.Contains(said, "X-Amz-Signature") {
		t.Error(said)
	}
}

func TestALinkThatGitHubDoesNotTakeCostsTheLinkOnly(t *testing.T) {
	g, hub := githubServer(t, nil)
	r := failed()
	r.Report = "ftp://example.com/report.html"
	if err := hub.Finish(t.Context(), r); err != nil {
		t.Error(err)
	}
	if posts := g.Posts(); len(posts) != 2 || posts[0].JSON["state"] != "failure" || posts[0].JSON["target_url"] != nil || posts[1].JSON["details_url"] != nil {
		t.Error(posts, g.Refused())
	}
}

func TestGitHubTakesWhateverARunHasToSay(t *testing.T) {
	g, hub := githubServer(t, nil)
	for _, r := range []Run{vast(), {Step: "build", Environment: "staging", Branch: "main", SHA: sha, Passed: true}, {Step: "x", SHA: sha, Cancelled: true}, {Step: "x", SHA: sha, Blocked: true, Reason: "guard"}} {
		if err := hub.Finish(t.Context(), r); err != nil {
			t.Errorf("%s: %v, %v", clip(r.title(), 40), err, g.Refused())
		}
	}
	posts := g.Posts() // a status and a check of each
	if len(posts) != 8 || posts[2].JSON["context"] != "carlin-cicd/build-staging" || posts[6].JSON["state"] != "error" {
		t.Errorf("%v", posts[1:])
	}
}

func TestATokenThatMayNotMakeChecksIsNoError(t *testing.T) {
	g, hub := githubServer(t, func(g *notifytest.GitHub) { g.App = false })
	if err := hub.Finish(t.Context(), failed()); err != nil || len(g.Posts()) != 1 {
		t.Errorf("%v, %v", err, g.Posts())
	}
}

func TestATokenThatMayNotIsRefusedOnce(t *testing.T) {
	for name, change := range map[string]func(*notifytest.GitHub){
		"it may only read":        func(g *notifytest.GitHub) { g.ReadsOnly = true },
		"it is not valid":         func(g *notifytest.GitHub) { g.Token = "another" },
		"it is for another place": func(g *notifytest.GitHub) { g.Repository = "example/other" },
	} {
		g, hub := githubServer(t, change)
		var refused *Error
		if err := hub.Start(t.Context(), failed()); !errors.As(err, &refused) || !refused.Refused() || refused.Hint() == "" || g.Asked() != 1 {
			t.Errorf("%s: %v after %d requests", name, err, g.Asked())
		}
	}
	g, hub := githubServer(t, nil)
	var other *Error
	r := failed()
	r.SHA = strings.Repeat("0", 40)
	if err := hub.Start(t.Context(), r); !errors.As(err, &other) || other.Refused() || !strings.Contains(other.Hint(), "commit") {
		t.Errorf("no such commit: %v, %v", err, g.Refused())
	}
}

func TestWhatATokenSaysItMay(t *testing.T) {
	for _, c := range []struct {
		scopes  string
		private bool
		may     bool
	}{
		{"", true, true}, {"repo", true, true}, {"read:org, repo:status", true, true}, {"read:org", true, false}, {"public_repo", true, false}, {"public_repo", false, true},
	} {
		_, hub := githubServer(t, func(g *notifytest.GitHub) { g.Scopes, g.Private = c.scopes, c.private })
		access, err := hub.CheckAccess(t.Context())
		if err != nil || access.CanSetStatus() != c.may || access.Private != c.private {
			t.Errorf("%q: %+v, %v", c.scopes, access, err)
		}
	}
}

// A token or a webhook that is sent without encryption is everybody's.
func TestNothingIsSentInTheClear(t *testing.T) {
	for _, address := range []string{"http://example.com/services/secret", "example.com/secret", "", "ftp://example.com/secret", "https://", "ht\ntp://secret"} {
		var refused *Error
		if err := (Slack{WebhookURL: address}).Post(t.Context(), failed()); !errors.As(err, &refused) || refused.Hint() == "" || strings.Contains(err.Error(), "secret") {
			t.Errorf("Slack at %q: %v", address, err)
		}
		if address == "" {
			continue // is github.com's
		}
		if err := (GitHub{Token: "x", Repository: "a/b", URL: address}).Start(t.Context(), failed()); !errors.As(err, &refused) || !strings.Contains(refused.Hint(), "GITHUB_API_URL") {
			t.Errorf("GitHub at %q: %v", address, err)
		}
	}
}

func TestARepositoryThatIsNone(t *testing.T) {
	for _, name := range []string{"", "shop", "a/b/c", "/shop", "example/"} {
		if err := (GitHub{Token: "x", Repository: name}).Start(t.Context(), failed()); err == nil || !regexp.MustCompile("GITHUB_REPOSITORY").MatchString(err.(*Error).Hint()) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

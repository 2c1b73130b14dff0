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

	"github.com/google/go-github/v92/github"
	"github.com/slack-go/slack"

	"github.com/carlin-cicd/runner/runner/notify/notifytest"
)

const sha = "4f0c1d2e3a4b5c6d7e8f9012345678901234abcd"

const reportLink = "https://bucket.example/report.html?X-Amz-Signature=abc"

// message, status and check are what a run of tests that failed is reported by.
func message() *slack.WebhookMessage { return &slack.WebhookMessage{Text: "test failed on main"} }

func status() github.RepoStatus {
	return github.RepoStatus{
		State: new("failure"), Context: new("carlin-cicd/test"), Description: new("failure, exit code 1"),
		TargetURL: new(reportLink),
	}
}

func check() github.CreateCheckRunOptions {
	return github.CreateCheckRunOptions{
		Name: "carlin-cicd/test", HeadSHA: sha, Status: new("completed"), Conclusion: new("failure"), DetailsURL: new(reportLink),
		Output: &github.CheckRunOutput{Title: new("failure"), Summary: new("2 tests failed")},
	}
}

func TestServicesThatMisbehave(t *testing.T) {
	var asked atomic.Int32
	var answer atomic.Pointer[http.HandlerFunc]
	s := httptest.NewServer(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1); (*answer.Load())(w, r) }),
	)
	is := func(h http.HandlerFunc) { asked.Store(0); answer.Store(&h) }
	defer s.Close()
	services := map[string]func(context.Context) error{
		"Slack": func(ctx context.Context) error {
			return Slack{WebhookURL: s.URL + "/services/hook-secret"}.Post(ctx, message())
		},
		"GitHub": func(ctx context.Context) error {
			return GitHub{Token: "token-secret", Repository: "example/shop", URL: s.URL}.SetStatus(ctx, sha, status())
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
			if n := int(asked.Load()); n < 1 || n > c.asked+1 { // net/http may repeat a request on a broken connection
				t.Errorf("%s: %s: asked %d times, want %d", name, what, n, c.asked)
			}
			if n := asked.Load(); name == "Slack" && what == "it hangs up" && n != 1 {
				t.Errorf("a message that may have arrived is sent %d times", n)
			}
			if name == "GitHub" && e.Refused() != (what == "it refuses us" || what == "it does not know us") {
				t.Errorf("%s: refused: %v", what, e.Refused())
			}
			if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), s.URL) {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
		is(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // the end of the connection is noticed only after that
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

func TestPublicRepositoryGetsNoLink(t *testing.T) {
	g, hub := githubServer(t, func(g *notifytest.GitHub) { g.Private = false })
	if err := hub.Finish(t.Context(), status(), check()); err != nil || len(g.Posts()) != 2 {
		t.Fatal(err, g.Refused())
	}
	if said := fmt.Sprint(g.Posts()); strings.Contains(said, "X-Amz-Signature") {
		t.Error(said)
	}
}

func TestStatusIsSetWithoutALinkThatGitHubRefuses(t *testing.T) {
	g, hub := githubServer(t, nil)
	status, check := status(), check()
	status.TargetURL, check.DetailsURL = new("ftp://example.com/report.html"), new("ftp://example.com/report.html")
	if err := hub.Finish(t.Context(), status, check); err != nil {
		t.Error(err)
	}
	if posts := g.Posts(); len(posts) != 2 || posts[0].JSON["state"] != "failure" ||
		posts[0].JSON["target_url"] != nil ||
		posts[1].JSON["details_url"] != nil {
		t.Error(posts, g.Refused())
	}
}

func TestTokenWithoutPermissionForChecks(t *testing.T) {
	g, hub := githubServer(t, func(g *notifytest.GitHub) { g.App = false })
	if err := hub.Finish(t.Context(), status(), check()); err != nil || len(g.Posts()) != 1 {
		t.Errorf("%v, %v", err, g.Posts())
	}
}

func TestRefusedTokenIsTriedOnce(t *testing.T) {
	for name, change := range map[string]func(*notifytest.GitHub){
		"it may only read":        func(g *notifytest.GitHub) { g.ReadsOnly = true },
		"it is not valid":         func(g *notifytest.GitHub) { g.Token = "another" },
		"it is for another place": func(g *notifytest.GitHub) { g.Repository = "example/other" },
	} {
		g, hub := githubServer(t, change)
		var refused *Error
		if err := hub.SetStatus(t.Context(), sha, status()); !errors.As(err, &refused) || !refused.Refused() ||
			refused.Hint() == "" ||
			g.Asked() != 1 {
			t.Errorf("%s: %v after %d requests", name, err, g.Asked())
		}
	}
	g, hub := githubServer(t, nil)
	var other *Error
	if err := hub.SetStatus(t.Context(), strings.Repeat("0", 40), status()); !errors.As(err, &other) ||
		other.Refused() ||
		!strings.Contains(other.Hint(), "commit") {
		t.Errorf("no such commit: %v, %v", err, g.Refused())
	}
}

func TestCheckAccess(t *testing.T) {
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

func TestUnencryptedURLIsRefused(t *testing.T) {
	for _, address := range []string{"http://example.com/services/secret", "example.com/secret", "", "ftp://example.com/secret", "https://", "ht\ntp://secret"} {
		var refused *Error
		if err := (Slack{WebhookURL: address}).Post(t.Context(), message()); !errors.As(err, &refused) ||
			refused.Hint() == "" ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("Slack at %q: %v", address, err)
		}
		if address == "" {
			continue // is github.com's
		}
		if err := (GitHub{Token: "x", Repository: "a/b", URL: address}).SetStatus(t.Context(), sha, status()); !errors.As(
			err,
			&refused,
		) ||
			!strings.Contains(refused.Hint(), "GITHUB_API_URL") {
			t.Errorf("GitHub at %q: %v", address, err)
		}
	}
}

func TestInvalidRepository(t *testing.T) {
	for _, name := range []string{"", "shop", "a/b/c", "/shop", "example/"} {
		if err := (GitHub{Token: "x", Repository: name}).SetStatus(t.Context(), sha, status()); err == nil ||
			!regexp.MustCompile("GITHUB_REPOSITORY").MatchString(err.(*Error).Hint()) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// The errors of Slack's API say what to do about them, by their documented names, and hold no token.
func TestErrorsOfTheAPIOfSlackSayWhatToDo(t *testing.T) {
	server := &notifytest.Bot{Token: "xoxb-secret", Channel: "C0123456789"}
	address, stop := server.Start()
	defer stop()
	bot := Bot{Token: "xoxb-secret", Channel: "C0123456789", URL: address}
	blocks := slack.Blocks{BlockSet: []slack.Block{slack.NewHeaderBlock(slack.NewTextBlockObject("plain_text", "test failed", false, false))}}
	m := &slack.WebhookMessage{Text: "test failed", Blocks: &blocks}
	for _, name := range []string{
		"channel_not_found", "not_in_channel", "is_archived", "invalid_auth", "token_expired", "token_revoked",
		"account_inactive", "missing_scope", "restricted_action", "ratelimited", "fatal_error", "unheard_of",
	} {
		server.Fail(name)
		asked := server.Asked()
		_, err := bot.Post(t.Context(), m)
		var e *Error
		if !errors.As(err, &e) || e.Name != name || e.Hint() == "" || !strings.Contains(e.Error(), name) ||
			strings.Contains(e.Error()+e.Hint(), "xoxb-secret") {
			t.Errorf("%s: %v", name, err)
		}
		want := 1
		if name == "ratelimited" || name == "fatal_error" {
			want = 2
		}
		if n := server.Asked() - asked; n != want {
			t.Errorf("%s: asked %d times, want %d", name, n, want)
		}
	}
	server.Fail("")
	id, err := bot.Post(t.Context(), m)
	if err == nil {
		err = errors.Join(bot.Update(t.Context(), id, m), bot.Reply(t.Context(), id, m))
	}
	if err != nil {
		t.Fatal(err)
	}
	server.Forget()
	if err := bot.Update(t.Context(), id, m); !Gone(err) {
		t.Errorf("a message that was deleted: %v", err)
	}
	server.Close(http.StatusServiceUnavailable)
	if _, err := bot.Post(t.Context(), m); err == nil || Gone(err) {
		t.Errorf("while it is down: %v", err)
	}
	for name, b := range map[string]Bot{
		"a token of a user": {Token: "xoxp-1", Channel: "C0123456789"}, "a name": {Token: "xoxb-1", Channel: "ci"},
		"without TLS": {Token: "xoxb-1", Channel: "C0123456789", URL: "http://slack.example/api/"},
	} {
		if b.Check() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

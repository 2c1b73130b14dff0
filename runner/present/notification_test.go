package present

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/notify"
	"github.com/carlin-cicd/runner/runner/notify/notifytest"
	"github.com/carlin-cicd/runner/runner/record"
)

// The messages are sent to stand-ins for the services, which refuse what the services refuse.

var sampleLink = ReportLink{
	URL:     "https://bucket.example/report.html?X-Amz-Signature=abc",
	Expires: time.Date(2026, 1, 16, 8, 0, 0, 0, time.UTC),
}

// variants returns runs of all kinds.
func variants() map[string]record.Run {
	passed := failedRun()
	passed.Passed, passed.Reason, passed.ExitCode, passed.Error, passed.Hint, passed.Tests, passed.Delivery = true, record.Success, 0, "", "", nil, nil
	stopped := failedRun()
	stopped.Reason = record.Cancelled
	refused := record.Run{
		Identity: record.Identity{Step: "build", SHA: sampleSHA}, Reason: record.BadConfig, ExitCode: 125, Error: "x",
	}
	return map[string]record.Run{
		"failed": failedRun(), "passed": passed, "stopped": stopped, "refused": refused, "vast": vastRun(), "hostile": hostileRun(),
	}
}

func TestSlackMessageOfAFailedRun(t *testing.T) {
	text := postToSlack(t, failedRun(), false)
	for _, want := range []string{
		":x: test failed on main", "failure, exit code 1 after 1m2s: 2 of 214 tests failed, 1 flaky",
		"*the command exited with 1*\\n→ see the report", "stack failed: UPDATE_ROLLBACK_FAILED; not restored: it is DELETE_FAILED",
		"• *price › adds the tax once*  `src/price.test.ts`  _newly failing: passed at 21fea54 and 3 runs before_\\n   expected 119\\n   received 141.61\\n   at Object.&lt;anonymous&gt; (src/price.test.ts:12:23)\\n• *starts*\\n   no place\\n   boom",
		"<https://github.com/example/shop/commit/" + sampleSHA + "|`0123456`> · example/shop · by ana · coverage 83.1 % of lines",
		"/work/shop/.runner/artifacts/runs/main/" + sampleSHA + "/test/01k", "report until 16 Jan 08:00 UTC", `"url":"` + sampleLink.URL + `"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

func TestSlackAcceptsEveryRun(t *testing.T) {
	for name, run := range variants() {
		text := postToSlack(t, run, true)
		header := regexp.MustCompile(`\{"type":"plain_text","text":"[^"]*"`) // Slack shows it as it is
		if strings.Contains(header.ReplaceAllString(text, ""), "<!channel") {
			t.Errorf("%s: a text of the run mentions everybody: %s", name, text)
		}
	}
}

func postToSlack(t *testing.T, run record.Run, recovered bool) string {
	t.Helper()
	server := &notifytest.Slack{}
	url, stop := server.Start()
	defer stop()
	if err := (notify.Slack{WebhookURL: url}).Post(t.Context(), SlackMessage(run, SlackContext{Recovered: recovered, Report: sampleLink})); err != nil {
		t.Fatalf("%v: %v", err, server.Refused())
	}
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(server.Posts()[0].Text)
}

func TestTitle(t *testing.T) {
	for want, c := range map[string]struct {
		run       record.Run
		recovered bool
	}{
		"test failed on main":                   {run: record.Run{Identity: record.Identity{Step: "test", Branch: "main"}}},
		"test passes again on main":             {record.Run{Identity: record.Identity{Step: "test", Branch: "main"}, Passed: true}, true},
		"deploy · production passed on v1.2.0":  {run: record.Run{Identity: record.Identity{Step: "deploy", Environment: "production", Branch: "v1.2.0"}, Passed: true}},
		"build was stopped on feature/a":        {run: record.Run{Identity: record.Identity{Step: "build", Branch: "feature/a"}, Reason: record.Cancelled}},
		"migrate · staging passed on release/2": {run: record.Run{Identity: record.Identity{Step: "migrate", Environment: "staging", Branch: "release/2"}, Passed: true}},
		"test failed":                           {run: record.Run{Identity: record.Identity{Step: "test"}}},
	} {
		if got := title(c.run, c.recovered); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestGitHubStatusAndCheckOfAFailedRun(t *testing.T) {
	posts := postToGitHub(t, failedRun())
	if len(posts) != 3 || posts[0].JSON["state"] != "pending" || posts[1].JSON["state"] != "failure" ||
		posts[1].JSON["context"] != "carlin-cicd/test" || posts[1].JSON["target_url"] != sampleLink.URL {
		t.Fatalf("%v", posts)
	}
	check := fmt.Sprint(posts[2].JSON)
	for _, want := range []string{
		"path:src/price.test.ts", "start_line:12", "conclusion:failure", "price › adds the tax once", "- `starts`",
		"stack failed: UPDATE_ROLLBACK_FAILED", "coverage 83.1 %",
		"message:expected 119\nreceived 141.61\nat Object.<anonymous> (src/price.test.ts:12:23)\n(newly failing: passed at 21fea54 and 3 runs before)",
		"raw_details:the tax of a basket\nexpected 119\n", "- `price › adds the tax once` `newly failing: passed at 21fea54 and 3 runs before`\n",
	} {
		if !strings.Contains(check, want) {
			t.Errorf("no %s in %s", want, check)
		}
	}
}

func TestGitHubAcceptsEveryRun(t *testing.T) {
	for name, want := range map[string][2]string{
		"passed": {"success", "success"}, "stopped": {"error", "cancelled"}, "refused": {"error", "failure"},
		"vast": {"failure", "failure"}, "hostile": {"failure", "failure"},
	} {
		run := variants()[name]
		posts := postToGitHub(t, run)
		requests := 3 + (max(len(annotations(run)), 1)-1)/50 // one for each 50 annotations after the first
		if len(posts) != requests || posts[1].JSON["state"] != want[0] || posts[2].JSON["conclusion"] != want[1] {
			t.Errorf("%s: %v", name, posts)
		}
		if name == "vast" && (requests != 6 || posts[5].Kind != "more") {
			t.Errorf("%d requests for %d annotations", requests, len(annotations(run)))
		}
	}
}

func TestGitHubNameHasTheEnvironment(t *testing.T) {
	run := record.Identity{Step: "deploy", Environment: "staging"}
	if got := *GitHubPending(run).Context; got != "carlin-cicd/deploy-staging" {
		t.Error(got)
	}
}

func postToGitHub(t *testing.T, run record.Run) []notifytest.Post {
	t.Helper()
	server := &notifytest.GitHub{Token: "token", Repository: "example/shop", SHA: sampleSHA, Private: true, App: true}
	url, stop := server.Start()
	defer stop()
	hub := notify.GitHub{Token: "token", Repository: "example/shop", URL: url}
	err := hub.SetStatus(t.Context(), run.SHA, GitHubPending(run.Identity))
	if err == nil {
		err = hub.Finish(t.Context(), GitHubStatus(run, sampleLink), GitHubCheck(run, sampleLink))
	}
	if err != nil {
		t.Fatalf("%v: %v", err, server.Refused())
	}
	return server.Posts()
}

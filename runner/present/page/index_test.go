package page

import (
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/record"
)

var indexTime = time.Date(2026, 11, 30, 11, 0, 0, 0, time.UTC)

// indexed returns the page of n runs of a repository: three steps and two deploys a commit, some of which fail.
func indexed(n int, branch string) Index {
	random := rand.New(rand.NewPCG(1, 2))
	people := []string{"ana", "ben", "chiara", "dependabot[bot]"}
	names := []string{"main", "main", "main", "feature/checkout", "fix/tax-rounding", "dependabot/npm/vite-7.1.2"}
	x := Index{
		Branch: branch, Repository: "shop/web", RepositoryURL: "https://github.com/shop/web", At: indexTime, Older: true,
		Report: func(e record.Entry) string {
			return "../../" + e.Branch + "/" + e.SHA + "/" + e.Step + "/" + e.RunID + "/report.html"
		},
		Page: func(branch string) string { return "../" + branch + "~/index.html" },
	}
	seen := map[string]bool{}
	for commit := 0; len(x.Runs) < n; commit++ {
		on := branch
		if on == "" {
			on = names[random.IntN(len(names))]
			if !seen[on] {
				seen[on] = true
				x.Branches = append(x.Branches, on)
			}
		}
		at := indexTime.Add(-time.Duration(commit) * 47 * time.Minute)
		x.Runs = append(x.Runs, pipelineRuns(random, commit, on, people[random.IntN(len(people))], at)...)
	}
	x.Runs = x.Runs[:n]
	if branch == "" || branch == "main" {
		for i, environment := range []string{"production", "staging"} {
			at := slices.IndexFunc(x.Runs, func(e record.Entry) bool { return e.Environment == environment && e.State == record.Passed })
			if at < 0 {
				continue
			}
			live := x.Runs[at]
			x.Live = append(x.Live, record.LiveRevision{
				Environment: environment, Scope: "Shop-" + environment, Since: live.Ended, FoundBy: live.RunID,
				Revision: record.Revision{RunID: live.RunID, SHA: live.SHA, Branch: live.Branch, At: live.Ended.Add(-time.Duration(i) * time.Minute)},
			})
		}
	}
	return x
}

// pipelineRuns returns the runs of one commit, the newest first.
func pipelineRuns(random *rand.Rand, commit int, branch, actor string, at time.Time) []record.Entry {
	sha := fmt.Sprintf("%08x%032x", random.Uint32(), commit)
	var all []record.Entry
	for i, s := range []struct {
		step, environment string
		seconds           float64
	}{{"build", "", 60}, {"test", "", 150}, {"lint", "", 20}, {"deploy", "staging", 200}, {"deploy", "production", 240}} {
		if s.step == "deploy" && branch != "main" {
			break
		}
		e := record.Entry{
			RunID: fmt.Sprintf("01kb%018d%04d", 100_000-commit, i), Step: s.step, Environment: s.environment, Branch: branch, SHA: sha, Actor: actor,
			State: record.Passed, Reason: record.Success, Started: at.Add(time.Duration(i+2*(i/4)) * 3 * time.Minute), Dollars: s.seconds * 0.000014,
		}
		took := time.Duration(s.seconds * (0.8 + 0.5*random.Float64()) * (1 + float64(max(0, 120-commit))/400) * float64(time.Second))
		e.Ended = e.Started.Add(took)
		if s.step == "test" {
			testsOf(random, &e)
		}
		if commit == 0 && i > 1 {
			e.State, e.Reason, e.Ended, e.Deadline = record.Running, "", time.Time{}, indexTime.Add(100*365*24*time.Hour)
			e.Started = indexTime.Add(-2 * time.Minute)
			all = append([]record.Entry{e}, all...)
			break
		}
		if commit < 3 && s.environment == "production" { // it waits for its approval
			break
		}
		if s.environment == "staging" {
			e.Awaits = &record.Awaits{Environment: "production", Steps: []string{"deploy@staging"}}
		}
		if commit == 7 && i == 2 {
			e.State, e.Reason, e.Ended, e.Deadline = record.Running, "", time.Time{}, indexTime.Add(-time.Hour)
		}
		if commit == 12 && i == 0 {
			e.State, e.Reason, e.Cause = record.Aborted, record.Cancelled, "the runner received TERM"
		}
		if s.step == "build" && random.IntN(30) == 0 {
			e.State, e.Reason, e.ExitCode, e.Cause = record.Failing, record.OOM, 137, "the kernel killed node (pid 42) for memory: 2.0 GiB of 2.0 GiB"
		}
		all = append([]record.Entry{e}, all...)
		if e.State == record.Failing {
			break
		}
	}
	return all
}

func testsOf(random *rand.Rand, e *record.Entry) {
	e.Coverage = 80 + random.Float64()*3
	e.Tests = &record.EntryTests{Total: 412, Slowest: []record.SlowTest{
		{Name: "checkout › pays with a card that needs 3-D Secure", Seconds: 8 + random.Float64()*4},
		{Name: "search › finds 10,000 products", Seconds: 3 + random.Float64()},
		{Name: "import › reads a file of 200 MB", Seconds: 2.5},
	}}
	switch random.IntN(12) {
	case 0:
		e.State, e.Reason, e.ExitCode, e.Cause = record.Failing, record.Failure, 1, "2 tests failed: price › adds the tax of the country (src/price.test.ts:41)"
		e.Tests.Failed, e.Tests.Failing = 2, []string{"price › adds the tax of the country", "cart › keeps its items when the session ends"}
	case 1, 2:
		e.Tests.Flaky, e.Tests.Flakes = 1, []string{[]string{"search › debounces the input", "cart › restores from storage"}[random.IntN(2)]}
	}
}

func writeIndex(t testing.TB, x Index) string {
	t.Helper()
	var b strings.Builder
	if err := WriteIndex(&b, x); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestAnIndexOf2000RunsStaysSmall(t *testing.T) {
	for _, branch := range []string{"", "main"} {
		text := writeIndex(t, indexed(2000, branch))
		t.Logf("%q: %d KiB", branch, len(text)>>10)
		if len(text) > 1<<20 {
			t.Errorf("the page of %q has %d bytes", branch, len(text))
		}
		for _, want := range []string{"running", "lost", "Shop-production", "oom: the kernel killed node", "75 older commits", "runner runs"} {
			if !strings.Contains(text, want) {
				t.Errorf("the page of %q does not say %q", branch, want)
			}
		}
	}
}

func TestAnEmptyIndexSaysSo(t *testing.T) {
	text := writeIndex(t, Index{Branch: "main", At: indexTime, Page: func(string) string { return "../index.html" }})
	if !strings.Contains(text, "No run is listed yet") || !strings.Contains(text, "no result") {
		t.Error(text)
	}
}

// Whatever a branch, a step, a test or a person is called, none of it becomes markup.
func TestNothingOfAnIndexIsMarkup(t *testing.T) {
	const evil = `</script></style><img src=x onerror=alert(1)>"'` + "\u202e\x1b[31m"
	x := indexed(40, "")
	clean := tags.FindAllString(writeIndex(t, x), -1)
	for i := range x.Runs {
		e := &x.Runs[i]
		e.Actor, e.Cause, e.Branch, e.Task, e.Step = evil, evil, evil, evil, evil
		if e.Tests != nil {
			e.Tests = &record.EntryTests{Total: 1, Failed: 1, Failing: []string{evil}, Flakes: []string{evil}, Slowest: []record.SlowTest{{Name: evil}}}
		}
	}
	x.Branches, x.Repository, x.RepositoryURL = []string{evil}, evil, "javascript:"+evil
	for i := range x.Live {
		x.Live[i].Environment, x.Live[i].Scope, x.Live[i].Branch = evil, evil, evil
	}
	x.Report = func(record.Entry) string { return "javascript:alert(1)" }
	text := writeIndex(t, x)
	for _, bad := range []string{"<img", "onerror=alert(1)>", "\u202e", "\x1b", `href="javascript`} {
		if strings.Contains(text, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	allowed := map[string]bool{}
	for _, tag := range clean {
		allowed[tag] = true
	}
	for _, tag := range tags.FindAllString(text, -1) {
		if !allowed[tag] {
			t.Errorf("the page has the element %q", tag)
		}
	}
}

var tags = regexp.MustCompile(`<[a-zA-Z!]+`)

func TestSignsOfStates(t *testing.T) {
	e := record.Entry{State: record.Running, Deadline: indexTime, Started: indexTime.Add(-time.Hour)}
	if _, _, word := look(e, indexTime); word != "running" {
		t.Error(word)
	}
	if _, sign, word := look(e, indexTime.Add(time.Second)); word != "lost" || sign != "?" {
		t.Error(word)
	}
}

func TestColumnsFollowThePipeline(t *testing.T) {
	_, columns := gridOf(indexed(300, "main"))
	if got, want := strings.Join(columns, " "), "build test lint deploy@staging deploy@production"; got != want {
		t.Errorf("the columns are %s, not %s", got, want)
	}
}

func TestWeeks(t *testing.T) {
	weeks := weeksOf(indexed(400, "main"))
	n := 0
	for i, w := range weeks {
		if w.monday.Weekday() != time.Monday || i > 0 && !w.monday.Before(weeks[i-1].monday) {
			t.Errorf("week %d begins on %s", i, w.monday)
		}
		n += w.runs
	}
	if n != 400 {
		t.Errorf("%d runs are in a week", n)
	}
}

func BenchmarkIndex(b *testing.B) {
	x := indexed(2000, "main")
	for b.Loop() {
		if err := WriteIndex(io.Discard, x); err != nil {
			b.Fatal(err)
		}
	}
}

// What waits for an approval: all steps before it have passed at a commit, and nothing of its environment has run since.
func TestWhatWaitsForApproval(t *testing.T) {
	at := func(minutes int) time.Time { return indexTime.Add(time.Duration(minutes) * time.Minute) }
	entry := func(id, sha, step, environment string, state record.State, ended int, before ...string) record.Entry {
		e := record.Entry{
			RunID: id, SHA: strings.Repeat(sha, 40), Branch: "main", Step: step, Environment: environment, State: state, Started: at(ended - 2), Ended: at(ended),
		}
		if len(before) > 0 {
			e.Awaits = &record.Awaits{Environment: "production", Steps: before}
		}
		return e
	}
	const passed, failed, running = record.Passed, record.Failing, record.Running
	staged := []string{"migrate@staging", "deploy@staging"}
	for _, tt := range []struct {
		name string
		runs []record.Entry // the oldest first
		want string
	}{
		{"it waits", []record.Entry{entry("1", "a", "test", "", passed, -90), entry("2", "a", "migrate", "staging", passed, -80, staged...), entry("3", "a", "deploy", "staging", passed, -70, staged...)}, "production a 3"},
		{"a step beside it is not done", []record.Entry{entry("2", "a", "migrate", "staging", passed, -80, staged...), entry("3", "a", "deploy", "staging", running, -70)}, ""},
		{"a step beside it has failed", []record.Entry{entry("2", "a", "migrate", "staging", failed, -80), entry("3", "a", "deploy", "staging", passed, -70, staged...)}, ""},
		{"it was given", []record.Entry{entry("3", "a", "deploy", "staging", passed, -70, "deploy@staging"), entry("4", "a", "deploy", "production", running, -5)}, ""},
		{"it waits anew after another run of the step", []record.Entry{entry("3", "a", "deploy", "production", passed, -70), entry("4", "a", "deploy", "staging", passed, -5, "deploy@staging")}, "production a 4"},
		{"a newer commit waits", []record.Entry{entry("3", "a", "deploy", "staging", passed, -70, "deploy@staging"), entry("4", "b", "deploy", "staging", passed, -5, "deploy@staging")}, "production b 4"},
		{"a newer commit is there", []record.Entry{entry("3", "a", "deploy", "staging", passed, -70, "deploy@staging"), entry("4", "b", "deploy", "production", passed, -5)}, ""},
		{"a newer commit failed before", []record.Entry{entry("3", "a", "deploy", "staging", passed, -70, "deploy@staging"), entry("4", "b", "deploy", "staging", failed, -5)}, "production a 3"},
		{"too long ago", []record.Entry{entry("3", "a", "deploy", "staging", passed, -8*24*60, "deploy@staging")}, ""},
	} {
		x := Index{Branch: "main", At: indexTime, Report: func(record.Entry) string { return "r" }, Page: func(string) string { return "p" }}
		for _, e := range tt.runs {
			x.Runs = append([]record.Entry{e}, x.Runs...)
		}
		got := ""
		for _, w := range waitingOf(x) {
			got += fmt.Sprintf("%s %.1s %s", w.environment, w.last.SHA, w.last.RunID)
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if page := writeIndex(t, x); strings.Contains(page, "runner pipeline approve --branch main") != (tt.want != "") || strings.Contains(page, "#waiting") != (tt.want != "") {
			t.Errorf("%s: the page says it otherwise", tt.name)
		}
	}
}

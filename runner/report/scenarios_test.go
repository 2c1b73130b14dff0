package report

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/steps/coverage"
	"github.com/carlin-cicd/runner/steps/results"
)

// The pages that are looked at in a browser, and whose text is checked here.

const sha = "4f0c1d2e3a4b5c6d7e8f90123456789012345678"

func scenarios(t *testing.T) map[string]Page {
	return map[string]Page{"everything": failing(), "jest": jest(t), "build": build(), "rollback": rollback(), "oom": oom(), "guard": guarded()}
}

func begin() Page {
	return Page{
		Environment: "staging", Branch: "main", SHA: sha, Repository: "example/shop", RunID: "01kav4x6r2m5w0p7c1", Runner: "1.2.0", Task: "9f1c2ab34d",
		Started: time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC), Variables: []string{"CI", "GIT_SHA", "NODE_ENV", "NPM_TOKEN", "PATH"},
	}
}

// jest is a real run of the sample, of which five tests fail: see testdata/jest.
func jest(t *testing.T) Page {
	t.Helper()
	read, err := results.Read(filepath.Join("testdata", "jest"), []string{"junit.xml"}, time.Time{})
	if err != nil || len(read.Failures) != 5 {
		t.Fatal(read.Failures, err)
	}
	log, err := os.ReadFile(filepath.Join("testdata", "jest", "log"))
	if err != nil {
		t.Fatal(err)
	}
	p := begin()
	p.Step, p.Environment, p.Command = "test", "", "pnpm run test --ci --reporters=default --reporters=jest-junit"
	p.Reason, p.ExitCode, p.Error, p.Hint, p.Duration = "failure", 1, "the command exited with 1", "see the tests that failed", 5900*time.Millisecond
	p.Tests = &Tests{Total: read.Total, Failed: read.Failed, Passed: read.Total - read.Failed}
	for _, c := range read.Failures {
		p.Tests.Failures = append(p.Tests.Failures, Test{Name: c.Name, Class: c.Class, File: c.File, Message: c.Message, Details: c.Details, Took: c.Duration})
	}
	p.Tests.Failures[0].Note = "failing since 3f9c2a1"
	for _, c := range read.Slowest {
		p.Tests.Slowest = append(p.Tests.Slowest, Test{Name: c.Name, Class: c.Class, Took: c.Duration})
	}
	fell, rose := -3.25, 1.5
	p.Coverage = &Coverage{
		Summary: coverage.Summary{Lines: coverage.Figure{Covered: 46, Total: 48}, Branches: coverage.Figure{Covered: 24, Total: 27}, Source: "coverage-summary.json"},
		Change:  &coverage.Change{Lines: -0.8}, Against: "3f9c2a1 of main",
		Folders: []coverage.Folder{
			{Path: "packages/core/src", Lines: coverage.Figure{Covered: 28, Total: 30}, Change: &fell},
			{Path: "packages/app/src", Lines: coverage.Figure{Covered: 18, Total: 18}, Change: &rose},
		},
	}
	second := time.Second
	p.Phases = []Phase{
		{Name: "record", Took: 2 * time.Millisecond},
		{Name: "source", Took: 40 * time.Millisecond},
		{Name: "command", Start: second / 20, Took: 4 * second, Error: "the command exited with 1", Note: "exit code 1"},
		{Name: "results", Start: 4050 * time.Millisecond, Took: 3 * time.Millisecond},
		{Name: "rerun 1", Start: 4060 * time.Millisecond, Took: 1500 * time.Millisecond, Error: "the command exited with 1", Note: "5 tests"},
		{Name: "publish coverage", Start: 5600 * time.Millisecond, Took: 200 * time.Millisecond},
	}
	p.Usage = Usage{CPULimit: 2, MemoryLimit: 4 << 30, PeakMemory: 412 << 20, CPUSeconds: 7.1, Advice: "Fargate: 1 vCPU, 2 GB would fit"}
	for i := range 20 {
		p.Usage.Samples = append(p.Usage.Samples, Sample{At: second/20 + time.Duration(i)*second/5, CPU: 0.4 + 1.3*float64(i%5)/4, Memory: int64(120+14*i) << 20, Disk: int64(900+2*i) << 20})
	}
	p.Artifacts = []Artifact{{
		Name: "coverage", Files: 16, Bytes: 72 << 10, Location: ".runner/artifacts/coverage/main/" + sha, Link: "../../../../../coverage/main/" + sha + "/",
		Entry: "../../../../../coverage/main/" + sha + "/lcov-report/index.html", Get: "runner artifacts get coverage coverage --branch main --sha " + sha,
	}}
	p.Files = []Link{{"finished.json", "finished.json"}, {"log.jsonl.gz", "log.jsonl.gz"}, {"junit/junit.xml", "junit/junit.xml"}}
	p.Log = Log{Text: log, First: 1, Link: "log.jsonl.gz"}
	return p
}

func build() Page {
	p := begin()
	p.Step, p.Command, p.Passed, p.Reason, p.Duration = "build", "pnpm run build", true, "success", 3378*time.Millisecond
	p.Phases = []Phase{{Name: "source", Took: 40 * time.Millisecond}, {Name: "command", Start: 41 * time.Millisecond, Took: 3 * time.Second}, {Name: "publish builds", Start: 3100 * time.Millisecond, Took: 250 * time.Millisecond}}
	p.Usage = Usage{PeakMemory: 211 << 20, CPUSeconds: 3.2, MemoryLimit: 2 << 30, CPULimit: 1}
	p.Artifacts = []Artifact{{Name: "builds", Files: 3, Bytes: 9813, Location: "s3://acme-ci/builds/main/" + sha, Link: "https://console.aws.amazon.com/s3/buckets/acme-ci?prefix=builds/main/" + sha + "/", Get: "runner artifacts get builds builds --branch main --sha " + sha}}
	p.Log = Log{Text: []byte("\x1b[2m$ pnpm run build\x1b[22m\n\n> sample@1.0.0 build\n> tsc --noEmit && node scripts/build.js\n\ncopying 1 %\rcopying 50 %\rcopying 100 %\ndist/server.js.map  5474 bytes\ndist/server.js  2255 bytes\n")}
	return p
}

// rollback is a deploy that was told to stop, after an update of the stack had been taken back.
func rollback() Page {
	p := begin()
	at := p.Started
	p.Step, p.Stack, p.Command = "deploy", "AcmeShop-staging", "carlin deploy --environment staging"
	p.Reason, p.ExitCode, p.Retryable, p.Error, p.Duration = "cancelled", 143, true, "the run was told to stop by TERM", 4*time.Minute+11*time.Second
	p.Phases = []Phase{
		{Name: "guard", Took: 90 * time.Millisecond},
		{Name: "lock", Start: 100 * time.Millisecond, Took: 31 * time.Second},
		{Name: "before", Start: 31 * time.Second, Took: 2 * time.Second},
		{Name: "snapshot", Start: 33 * time.Second, Took: 800 * time.Millisecond},
		{Name: "command", Note: "attempt 1, exit code 1", Start: 34 * time.Second, Took: 96 * time.Second, Error: "the command exited with 1"},
		{Name: "command", Note: "attempt 2", Start: 131 * time.Second, Took: 117 * time.Second, Error: "the run was told to stop by TERM"},
		{Name: "after", Start: 248 * time.Second, Took: time.Second},
	}
	p.Delivery = &Delivery{
		Outcome: "It was told to stop; the stack may still be on its way.",
		Waited:  []string{`"task/1" (run 01kav4, step deploy, commit abcdef2 of "main")`},
		Facts: []Fact{
			{Name: "stack before", Value: "UPDATE_COMPLETE"},
			{Name: "stack now", Value: "UPDATE_ROLLBACK_IN_PROGRESS"},
			{Name: "live before", Value: "3f9c2a1b2c3d of main, run 01kau9"},
			{Name: "record", Value: "deployments/staging/AcmeShop-staging/01kav4x6r2m5w0p7c1.json", Link: "../../../../../deployments/staging/AcmeShop-staging/01kav4x6r2m5w0p7c1.json"},
		},
		Events: []Event{
			{At: at.Add(40 * time.Second), Resource: "AcmeShop-staging", Type: "AWS::CloudFormation::Stack", Status: "UPDATE_IN_PROGRESS", Reason: "User Initiated"},
			{At: at.Add(52 * time.Second), Resource: "Function", Type: "AWS::Lambda::Function", Status: "UPDATE_FAILED", Reason: "Resource handler returned message: \"The role defined for the function cannot be assumed by Lambda.\" (HandlerErrorCode: InvalidRequest)", Failed: true},
			{At: at.Add(54 * time.Second), Resource: "AcmeShop-staging", Type: "AWS::CloudFormation::Stack", Status: "UPDATE_ROLLBACK_IN_PROGRESS", Reason: "The following resource(s) failed to update: [Function]."},
		},
	}
	p.Log = Log{Text: []byte("\x1b[32minfo\x1b[39m deploying AcmeShop-staging\n\x1b[31merror\x1b[39m The role defined for the function cannot be assumed by Lambda.\n")}
	return p
}

func oom() Page {
	p := begin()
	p.Step, p.Command = "test", "pnpm run test --ci"
	p.Reason, p.ExitCode, p.Killed, p.Retryable, p.Duration = "oom", 137, true, true, 42*time.Second
	p.Error, p.Hint = "the kernel ended the command: its memory had run out at 512.0 MiB", "give the task more memory"
	p.Phases = []Phase{{Name: "source", Took: time.Second}, {Name: "command", Start: time.Second, Took: 41 * time.Second, Error: p.Error}}
	p.Usage = Usage{CPULimit: 0.5, MemoryLimit: 512 << 20, PeakMemory: 512 << 20, CPUSeconds: 19}
	for i := range 41 {
		p.Usage.Samples = append(p.Usage.Samples, Sample{At: time.Second + time.Duration(i)*time.Second, CPU: 0.5 - 0.2*float64(i%3)/3, Memory: min(int64(i)*13<<20, 512<<20), Disk: 1 << 30})
	}
	p.Log = Log{Text: []byte("RUNS src/everything.test.ts\n\x1b[33m<--- Last few GCs --->\x1b[39m\n"), Dropped: 3 << 20, First: 48213, Link: "log.jsonl.gz"}
	return p
}

// guarded never began.
func guarded() Page {
	p := begin()
	p.Step, p.Command, p.Never = "deploy", "carlin deploy --environment staging", true
	p.Reason, p.ExitCode, p.Duration = "guard", 125, 300*time.Millisecond
	p.Error, p.Hint = "test has not passed for commit 4f0c1d2e3a4b", "run it first: runner --step test"
	p.Phases = []Phase{{Name: "record", Took: time.Millisecond}, {Name: "guard", Start: time.Millisecond, Took: 90 * time.Millisecond, Error: p.Error}}
	return p
}

func TestWhatEachKindOfRunTells(t *testing.T) {
	for name, wants := range map[string][]string{
		"jest": {
			`<span class="verdict">failed</span> test</h1>`, `<h3>Failed <span class="count">5</span></h3>`,
			`<span class="title">total › adds up what is in the basket</span>`,
			"<span class=\"want\">Expected: 4149\n</span>", "<span class=\"got\">Received: 4150\n</span>",
			"<span class=\"hunk\">@@ -7,8 +7,8 @@\n</span>", "<span class=\"want\">-     &#34;sum&#34;: 999,\n</span>", "<span class=\"got\">+     &#34;sum&#34;: 1000,\n</span>",
			"<span class=\"frame\">    at Object.toBe (/workspace/packages/core/src/price.test.ts:10:27)\n</span>", `15 more lines of the stack`,
			`failing since 3f9c2a1`, `packages/core/src/price.test.ts`, `lost">-3.2<`, `won">+1.5<`, `compared with 3f9c2a1 of main`,
			`rerun 1 <span class="note">5 tests</span>`, "lcov-report/index.html\">open the report</a>", `<a href="junit/junit.xml">junit/junit.xml</a>`,
		},
		"build":    {`<span class="verdict">passed</span> build · staging</h1>`, `<code>runner artifacts get builds builds --branch main`, ">copying 100 %\n</span>", `#1a7f37`},
		"rollback": {`<span class="verdict">cancelled</span> deploy`, "Why it ended", "cancelled, exit code 143", "waited for the lock of &#34;task/1&#34;", "UPDATE_ROLLBACK_IN_PROGRESS", `<tr class="failed">`, "cannot be assumed by Lambda", "may end otherwise", "attempt 2", "<dt>live before</dt>"},
		"oom":      {"oom, exit code 137, killed", "memory had run out", `id="L48213"`, "from line 48213 on; 3.0 MiB came before", "limit 512.0 MiB", "<b>Disk</b> peak 1.0 GiB"},
		"guard":    {"guard, exit code 125", "The command was not started.", "run it first", `<span class="why">`},
	} {
		page := write(t, scenarios(t)[name])
		for _, want := range wants {
			if !strings.Contains(page, want) {
				t.Errorf("%s: the page has no %s", name, want)
			}
		}
		for _, ids := range [][]string{strings.Split(page, ` id="`)[1:]} {
			seen := map[string]bool{}
			for _, id := range ids {
				id, _, _ = strings.Cut(id, `"`)
				if seen[id] {
					t.Errorf("%s: two elements are %s", name, id)
				}
				seen[id] = true
			}
			for _, to := range strings.Split(page, ` href="#`)[1:] {
				if to, _, _ = strings.Cut(to, `"`); !seen[to] {
					t.Errorf("%s: #%s leads nowhere", name, to)
				}
			}
		}
	}
	if page := write(t, guarded()); strings.Contains(page, `id="log"`) || strings.Contains(page, `id="usage"`) {
		t.Error("there is a section about nothing")
	}
}

// However much there is to say, the page is under a megabyte beside its log, and the log is bounded, too.
func TestThePageStaysSmall(t *testing.T) {
	huge := strings.Repeat("\"<&>\"\t'\x1b[31mé", 2<<10)
	p := failing()
	p.Error, p.Hint, p.Command = huge, huge, huge
	p.Tests.Failed = 300
	p.Tests.Failures = nil
	for i := range 300 {
		p.Tests.Failures = append(p.Tests.Failures, Test{Name: fmt.Sprint(i, huge), Class: huge, File: huge, Message: huge, Details: "x" + huge, Note: huge})
	}
	p.Tests.Flaky, p.Tests.Quarantined, p.Tests.Slowest = p.Tests.Failures[:200], p.Tests.Failures[:200], p.Tests.Failures[:200]
	for i := range 1000 {
		p.Tests.Problems = append(p.Tests.Problems, huge)
		p.Variables = append(p.Variables, fmt.Sprint("V", i, strings.Repeat("x", 60)))
		p.Phases = append(p.Phases, Phase{Name: fmt.Sprint("before ", i), Error: "the command exited with 1"})
	}
	p.Log.Text = nil
	page := write(t, p)
	if len(page) > 1<<20 {
		t.Errorf("%d bytes", len(page))
	}
	for _, want := range []string{"more, which are in the reports", "here is no room for it", `<h3>Failed <span class="count">300</span>`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for name, line := range map[string]string{"empty lines": "\n", "short lines": "x\n", "many colours": "\x1b[1;2;3;4;31;44mx\x1b[K", "one colour a letter": "x\x1b[Ky\x1b[J", "quotes": `"`, "one quote a line": "\"\n"} {
		p := build()
		without := len(write(t, p))
		p.Log.Text = []byte(strings.Repeat(line, 256<<10/len(line)))
		page := write(t, p)
		if n := len(page) - without; n > maxLogMarkup+1<<10 || n < 50<<10 {
			t.Errorf("a log of %s takes %d bytes", name, n)
		}
		if last := page[strings.LastIndex(page, `id="L`):]; !strings.HasPrefix(last, fmt.Sprintf(`id="L%d"`, max(strings.Count(strings.Repeat(line, 256<<10/len(line)), "\n"), 1))) {
			t.Errorf("a log of %s ends with %.20s", name, last)
		}
	}
}

func TestALineWithTooMuchMarkupIsShownPlain(t *testing.T) {
	p := build()
	p.Log.Text = []byte("before\n\x1b[1;2;3;4;31;44m" + strings.Repeat("x\x1b[K", 31<<10) + "\n")
	page := write(t, p)
	if !strings.Contains(page, `<span class="l" id="L2" data-n="2">xxxx`) || strings.Contains(page, `id="L1"`) || len(page) > 100<<10 {
		t.Errorf("%d bytes: %.300s", len(page), page[strings.Index(page, `<pre id="lines"`):])
	}
}

func TestPhasesThatTookNoTimeShareARow(t *testing.T) {
	p := build()
	p.Phases = []Phase{{Name: "record"}, {Name: "source"}, {Name: "guard"}, {Name: "before 1"}, {Name: "setup"}, {Name: "snapshot"}, {Name: "lock", Error: "held"}, {Name: "command"}, {Name: "after"}}
	page := write(t, p)
	for _, want := range []string{
		`<tr id="phase-1" class="quick"><th scope="row">record, <span id="phase-2">source</span>, <span id="phase-3">guard</span></th>`, `<tr id="phase-4"><th scope="row">before 1</th>`,
		`<tr id="phase-5"><th scope="row">setup</th>`, `<tr id="phase-7"><th scope="row">lock <span class="why">`, `<tr id="phase-8"><th scope="row">command</th>`, `<tr id="phase-9"><th scope="row">after</th>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
}

func TestFoldersAreNotNewWhereNoneWereKnown(t *testing.T) {
	p := failing()
	p.Coverage.Folders[0].Change, p.Coverage.Folders[2].Change = nil, nil
	if page := write(t, p); strings.Contains(page, ">new<") {
		t.Error("a folder is said to be new though nobody knows")
	}
}

func TestALineOfTheLogIsWhatATerminalShowsLast(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "1 %\r50 %\r100 %": "100 %", "100 %\r": "100 %", "gone\x1b[2K\x1b[1Gnow": "now", "\x1b[01;31m\x1b[Kerror:\x1b[m\x1b[K gcc's": "\x1b[01;31m\x1b[Kerror:\x1b[m\x1b[K gcc's", "a\r\x1b[32mb\x1b[39m": "\x1b[32mb\x1b[39m",
		"kept\r\x1b[0m": "kept", "windows\r": "windows", "\r\r": "", "a\x1b[31mb": "a\x1b[31mb",
	} {
		if got := string(lastState([]byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestALineOfOurOwnInTheTail(t *testing.T) {
	tail := NewTail(1 << 10)
	tail.Line("$ first")
	tail.Write([]byte("unfinished"))
	tail.Line("$ second")
	if l := tail.Log(); string(l.Text) != "$ first\nunfinished\n$ second\n" || l.First != 1 {
		t.Errorf("%q from %d", l.Text, l.First)
	}
	small := NewTail(16)
	for i := range 100 {
		fmt.Fprintf(small, "line %d\n", i)
	}
	if l := small.Log(); !bytes.HasPrefix(l.Text, fmt.Appendf(nil, "line %d\n", l.First-1)) {
		t.Errorf("%q is said to begin with line %d", l.Text, l.First)
	}
}

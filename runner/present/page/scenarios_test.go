package page

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/joshdk/go-junit"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/sizing/fargate"
	"github.com/carlin-cicd/runner/steps/coverage"
	"github.com/carlin-cicd/runner/steps/results"
)

// The runs whose pages are checked here, and in a browser.

const sha = "4f0c1d2e3a4b5c6d7e8f90123456789012345678"

var began = time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)

// sample is a run and the end of its log.
type sample struct {
	record.Run
	Log Log
}

func samples(t *testing.T) map[string]sample {
	return map[string]sample{
		"everything": failing(), "jest": jest(t), "build": build(), "rollback": rollback(), "oom": oom(), "guard": guarded(),
	}
}

func newSample(step string, reason record.Reason, code int, took time.Duration) sample {
	key := "runs/main/" + sha + "/" + step + "/01kav4"
	return sample{Run: record.Run{
		Identity: record.Identity{
			RunID: "01kav4x6r2m5w0p7c1", Step: step, Environment: "staging", Branch: "main", SHA: sha,
			Task: "9f1c2ab34d", Runner: "1.2.0",
		},
		Passed: reason == record.Success, Reason: reason, ExitCode: code, StartedAt: began, EndedAt: began.Add(took), Seconds: took.Seconds(),
		Details: record.Details{
			CommandStarted: true, Recorded: true, RepositoryURL: "https://github.com/example/shop", Place: "/srv/artifacts", Key: key, Root: "../../../../../",
			Variables: []string{"CI", "GIT_SHA", "NODE_ENV", "NPM_TOKEN", "PATH"},
		},
	}}
}

// phaseAt returns a phase that began some time after the run.
func phaseAt(name string, start, took time.Duration, err string) record.Phase {
	return record.Phase{Name: name, Started: began.Add(start), Seconds: took.Seconds(), Error: err}
}

const ms = time.Millisecond

// failing is a run with a value for everything that the page shows.
func failing() sample {
	p := newSample("test", record.Failure, 1, 61*time.Second)
	p.Branch, p.Runner = "feature/tax", "1.2.0"
	p.Error, p.Hint, p.Command = "the command ended with exit code 1", "1 test failed: see below", "pnpm run test --ci"
	p.Phases = []record.Phase{
		phaseAt("source", 0, 2*time.Second, ""), phaseAt("command", 2*time.Second, 57*time.Second, "exit code 1"),
		phaseAt("publish", 59*time.Second, 2*time.Second, ""),
	}
	p.Usage = &record.Usage{
		CPULimit: 0.5, MemoryLimit: 512 << 20, PeakMemory: 348 << 20, CPUSeconds: 12.3, Fargate: "0.25 vCPU, 0.5 GB",
		Samples: &record.Samples{},
	}
	for i := range 60 {
		u := p.Usage.Samples
		u.Seconds, u.CPU = append(u.Seconds, float64(i)), append(u.CPU, float64(i%7)/14)
		u.Memory, u.Disk = append(u.Memory, int64(i%30)*12<<20), append(u.Disk, int64(i)<<22)
	}
	p.Cost = &record.Cost{
		Dollars: 0.0008, Seconds: 61, Size: fargate.Size{VCPU: 0.25, Memory: 0.5}, Region: "us-east-1",
		Architecture: "x86", Capacity: "on demand", Would: true,
	}
	p.Tests = &record.Tests{
		Counts: results.Counts{Total: 214, Failed: 1, Skipped: 2, Flaky: 1},
		Failures: []record.FailedTest{{Case: results.Case{
			Name: "adds the tax once", Class: "price", File: "src/price.test.ts", Duration: 4 * ms, Message: "expect(received).toBe(expected)",
			Details: "Error: expect(received).toBe(expected)\n\nExpected: 119\nReceived: 138.04\n    at Object.<anonymous> (src/price.test.ts:12:23)\n",
			Note:    "failing since 1a2b3c4", Status: junit.StatusFailed,
		}}},
		Flaky: []results.Case{
			{Name: "reconnects", Class: "socket", Message: "timed out after 500 ms", Note: "flaky 4 of the last 50"},
		},
		Slowest: []results.Case{{Name: "imports 10,000 rows", Class: "import", Duration: 9 * time.Second}},
	}
	lost := -12.0
	p.Coverage = &record.Coverage{
		Summary: coverage.Summary{
			Lines: coverage.Figure{Covered: 830, Total: 1000}, Branches: coverage.Figure{Covered: 60, Total: 90},
			Source: "coverage-summary.json",
		},
		Change: &coverage.Change{Lines: -1.2}, Against: &record.CoverageBaseline{SHA: "1a2b3c4d5e", Branch: "main"},
		Folders: []coverage.Folder{
			{Path: "src/price", Lines: coverage.Figure{Covered: 40, Total: 100}, Change: &lost},
			{Path: "src/cart", Lines: coverage.Figure{Covered: 790, Total: 900}},
			{Path: "src/same", Lines: coverage.Figure{Covered: 6, Total: 10}, Change: new(float64)},
		},
	}
	p.Place = "s3://acme-ci"
	p.Artifacts = []record.Artifact{
		{
			Name: "coverage", Location: "s3://acme-ci/coverage/feature/tax/4f0c1d2e/",
			Console: "https://console.example/coverage/", Entry: "lcov-report/index.html", Files: 31, Bytes: 1 << 20,
		},
		{Name: "builds", Error: "access denied"},
	}
	p.Published = map[string]bool{"log.jsonl.gz": true}
	text := "\x1b[1m> jest --ci\x1b[22m\n\n\x1b[0m\x1b[7m\x1b[1m\x1b[31m FAIL \x1b[39m\x1b[22m\x1b[27m\x1b[0m src/price.test.ts\n" +
		"  \x1b[31m✕\x1b[39m \x1b[2madds the tax once (4 ms)\x1b[22m\n  \x1b[32m✓\x1b[39m \x1b[2mrounds to cents\x1b[22m\n\n" +
		"\x1b[1m\x1b[31m  ● price › adds the tax once\x1b[39m\x1b[22m\n\n    expect(received).toBe(expected)\n\n    Expected: \x1b[32m119\x1b[39m\n    Received: \x1b[31m138.04\x1b[39m\n"
	for i := range 120 {
		text += fmt.Sprintf("\x1b[38;5;208mstep %d\x1b[0m of the build <b>is done</b> & well\n", i)
	}
	p.Log = Log{Text: []byte(text), Dropped: 4 << 20}
	return p
}

// jest is a run of the sample workspace in which five tests fail: see testdata/jest.
func jest(t *testing.T) sample {
	t.Helper()
	read, err := results.Read(results.Options{Root: filepath.Join("testdata", "jest"), Globs: []string{"junit.xml"}})
	if err != nil || len(read.Failures) != 5 {
		t.Fatal(read.Failures, err)
	}
	text, err := os.ReadFile(filepath.Join("testdata", "jest", "log"))
	if err != nil {
		t.Fatal(err)
	}
	const failed = "the command exited with 1"
	p := newSample("test", record.Failure, 1, 5900*ms)
	p.Environment, p.Command = "", "pnpm run test --ci --reporters=default --reporters=jest-junit"
	p.Error, p.Hint = failed, "see the tests that failed"
	p.Tests = &record.Tests{Counts: read.Counts, Slowest: read.Slowest, Stored: []string{"junit.xml"}}
	for _, c := range read.Failures {
		p.Tests.Failures = append(p.Tests.Failures, record.FailedTest{Case: c})
	}
	p.Tests.Failures[0].Note = "failing since 3f9c2a1"
	fell, rose := -3.25, 1.5
	p.Coverage = &record.Coverage{
		Summary: coverage.Summary{
			Lines: coverage.Figure{Covered: 46, Total: 48}, Branches: coverage.Figure{Covered: 24, Total: 27},
			Source: "coverage-summary.json",
		},
		Change: &coverage.Change{Lines: -0.8}, Against: &record.CoverageBaseline{SHA: "3f9c2a1b2c", Branch: "main"},
		Folders: []coverage.Folder{
			{Path: "packages/core/src", Lines: coverage.Figure{Covered: 28, Total: 30}, Change: &fell},
			{Path: "packages/app/src", Lines: coverage.Figure{Covered: 18, Total: 18}, Change: &rose},
		},
	}
	p.Phases = []record.Phase{
		phaseAt(
			"record", 0, 2*ms, "",
		), phaseAt("source", 0, 40*ms, ""), phaseAt("command", 50*ms, 4*time.Second, failed),
		phaseAt(
			"results", 4050*ms, 3*ms, "",
		), phaseAt("rerun 1", 4060*ms, 1500*ms, failed), phaseAt("publish coverage", 5600*ms, 200*ms, ""),
	}
	p.Attempts = []record.Attempt{{ExitCode: 1}, {ExitCode: 1, Rerun: 5}}
	p.Usage = &record.Usage{
		CPULimit: 2, MemoryLimit: 4 << 30, PeakMemory: 412 << 20, CPUSeconds: 7.1, Fargate: "1 vCPU, 2 GB",
		Samples: &record.Samples{},
	}
	for i := range 20 {
		u := p.Usage.Samples
		u.Seconds, u.CPU = append(u.Seconds, 0.05+0.2*float64(i)), append(u.CPU, 0.4+1.3*float64(i%5)/4)
		u.Memory, u.Disk = append(u.Memory, int64(120+14*i)<<20), append(u.Disk, int64(900+2*i)<<20)
	}
	p.Artifacts = []record.Artifact{{
		Name: "coverage", Files: 16, Bytes: 72 << 10, Location: ".runner/artifacts/coverage/main/" + sha, Entry: "lcov-report/index.html",
	}}
	p.Published = map[string]bool{"log.jsonl.gz": true, "junit": true}
	p.Log = Log{Text: text, First: 1}
	return p
}

func build() sample {
	p := newSample("build", record.Success, 0, 3378*ms)
	p.Command = "pnpm run build"
	p.Phases = []record.Phase{
		phaseAt(
			"source", 0, 40*ms, "",
		), phaseAt("command", 41*ms, 3*time.Second, ""), phaseAt("publish builds", 3100*ms, 250*ms, ""),
	}
	p.Usage = &record.Usage{PeakMemory: 211 << 20, CPUSeconds: 3.2, MemoryLimit: 2 << 30, CPULimit: 1}
	p.Place = "s3://acme-ci"
	p.Artifacts = []record.Artifact{{
		Name: "builds", Files: 3, Bytes: 9813, Location: "s3://acme-ci/builds/main/" + sha,
		Console: "https://console.aws.amazon.com/s3/buckets/acme-ci?prefix=builds/main/" + sha + "/",
	}}
	p.Log = Log{
		Text: []byte(
			"\x1b[2m$ pnpm run build\x1b[22m\n\n> sample@1.0.0 build\n> tsc --noEmit && node scripts/build.js\n\ncopying 1 %\rcopying 50 %\rcopying 100 %\ndist/server.js.map  5474 bytes\ndist/server.js  2255 bytes\n",
		),
	}
	return p
}

// rollback is a deploy that was stopped after an update of the stack had been rolled back.
func rollback() sample {
	p := newSample("deploy", record.Cancelled, 143, 4*time.Minute+11*time.Second)
	p.Stack, p.Command, p.Retryable, p.Error = "AcmeShop-staging", "carlin deploy --environment staging", true, "the run was stopped by TERM"
	p.Phases = []record.Phase{
		phaseAt(
			"guard", 0, 90*ms, "",
		), phaseAt("lock", 100*ms, 31*time.Second, ""), phaseAt("before", 31*time.Second, 2*time.Second, ""),
		phaseAt(
			"snapshot", 33*time.Second, 800*ms, "",
		), phaseAt("command", 34*time.Second, 96*time.Second, "the command exited with 1"),
		phaseAt(
			"command", 131*time.Second, 117*time.Second, p.Error,
		), phaseAt("after", 248*time.Second, time.Second, ""),
	}
	p.Attempts = []record.Attempt{{ExitCode: 1}, {ExitCode: 143}}
	p.Delivery = &record.Delivery{Outcome: record.Interrupted, Status: "UPDATE_ROLLBACK_IN_PROGRESS"}
	p.Deployment = &record.Deployment{
		HasStack: true, Before: "UPDATE_COMPLETE", Replaced: &record.Revision{RunID: "01kau9", SHA: "3f9c2a1b2c3d4e", Branch: "main"},
		Key:    "deployments/staging/AcmeShop-staging/01kav4x6r2m5w0p7c1.json",
		Waited: []string{`"task/1" (run 01kav4, step deploy, commit abcdef2 of "main")`},
		Events: []record.StackEvent{
			{
				At: began.Add(40 * time.Second), Resource: "AcmeShop-staging", Type: "AWS::CloudFormation::Stack",
				Status: "UPDATE_IN_PROGRESS", Reason: "User Initiated",
			},
			{
				At: began.Add(52 * time.Second), Resource: "Function", Type: "AWS::Lambda::Function",
				Status: "UPDATE_FAILED",
				Reason: "Resource handler returned message: \"The role defined for the function cannot be assumed by Lambda.\" (HandlerErrorCode: InvalidRequest)",
				Failed: true,
			},
			{
				At: began.Add(54 * time.Second), Resource: "AcmeShop-staging", Type: "AWS::CloudFormation::Stack",
				Status: "UPDATE_ROLLBACK_IN_PROGRESS",
				Reason: "The following resource(s) failed to update: [Function].",
			},
		},
	}
	p.Log = Log{
		Text: []byte(
			"\x1b[32minfo\x1b[39m deploying AcmeShop-staging\n\x1b[31merror\x1b[39m The role defined for the function cannot be assumed by Lambda.\n",
		),
	}
	return p
}

func oom() sample {
	p := newSample("test", record.OOM, 137, 42*time.Second)
	p.Command, p.Killed, p.Retryable = "pnpm run test --ci", true, true
	p.Error, p.Hint = "the kernel ended the command: its memory had run out at 512.0 MiB", "give the task more memory"
	p.Phases = []record.Phase{
		phaseAt("source", 0, time.Second, ""), phaseAt("command", time.Second, 41*time.Second, p.Error),
	}
	p.Usage = &record.Usage{
		CPULimit: 0.5, MemoryLimit: 512 << 20, PeakMemory: 512 << 20, CPUSeconds: 19, Samples: &record.Samples{},
	}
	for i := range 41 {
		u := p.Usage.Samples
		u.Seconds, u.CPU = append(u.Seconds, float64(1+i)), append(u.CPU, 0.5-0.2*float64(i%3)/3)
		u.Memory, u.Disk = append(u.Memory, min(int64(i)*13<<20, 512<<20)), append(u.Disk, 1<<30)
	}
	p.Published = map[string]bool{"log.jsonl.gz": true}
	p.Log = Log{
		Text: []byte("RUNS src/everything.test.ts\n\x1b[33m<--- Last few GCs --->\x1b[39m\n"), Dropped: 3 << 20,
		First: 48213,
	}
	return p
}

// guarded is a run whose command was not started.
func guarded() sample {
	p := newSample("deploy", record.Guard, 125, 300*ms)
	p.Command, p.CommandStarted = "carlin deploy --environment staging", false
	p.Error, p.Hint = "test has not passed for commit 4f0c1d2e3a4b", "run it first: runner --step test"
	p.Phases = []record.Phase{phaseAt("record", 0, ms, ""), phaseAt("guard", ms, 90*ms, p.Error)}
	return p
}

func TestPagesOfTheKindsOfRuns(t *testing.T) {
	for name, wants := range map[string][]string{
		"jest": {
			`<span class="verdict">failed</span> test</h1>`, `<h3>Failed <span class="count">5</span></h3>`,
			`<span class="title">total › adds up what is in the basket</span>`,
			"<span class=\"want\">Expected: 4149\n</span>", "<span class=\"got\">Received: 4150\n</span>",
			"<span class=\"hunk\">@@ -7,8 +7,8 @@\n</span>", "<span class=\"want\">-     &#34;sum&#34;: 999,\n</span>", "<span class=\"got\">+     &#34;sum&#34;: 1000,\n</span>",
			"<span class=\"frame\">    at Object.toBe (/workspace/packages/core/src/price.test.ts:10:27)\n</span>", `the whole text, 19 lines</summary>`,
			"<pre class=\"difference\" tabindex=\"0\" role=\"group\" aria-label=\"failure\">Error: expect(received).toBe(expected)",
			`failing since 3f9c2a1`, `packages/core/src/price.test.ts`, `lost">-3.2<`, `won">+1.5<`, `compared with 3f9c2a1 of main`,
			`rerun 1 <span class="note">5 tests</span>`, "lcov-report/index.html\">open the report</a>", `<a href="junit/junit.xml">junit/junit.xml</a>`,
		},
		"build":    {`<span class="verdict">passed</span> build · staging</h1>`, `<code>runner artifacts get builds --artifact-bucket s3://acme-ci --branch main --sha`, ">copying 100 %\n</span>", `#1a7f37`},
		"rollback": {`<span class="verdict">cancelled</span> deploy`, "Why it ended", "cancelled, exit code 143", "waited for the lock of &#34;task/1&#34;", "UPDATE_ROLLBACK_IN_PROGRESS", `<tr class="failed">`, "cannot be assumed by Lambda", "may end differently", "attempt 2", "<dt>live before</dt>"},
		"oom":      {"oom, exit code 137, killed", "memory had run out", `id="L48213"`, "from line 48213 on; 3.0 MiB came before", "limit 512.0 MiB", "<b>Disk</b> peak 1.0 GiB"},
		"guard":    {"guard, exit code 125", "The command was not started.", "run it first", `<span class="why">`},
	} {
		page := write(t, samples(t)[name])
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
		t.Error("an empty section is shown")
	}
}

// The page stays under a megabyte without its log, and the log has a limit, too.
func TestPageStaysSmall(t *testing.T) {
	huge := strings.Repeat("\"<&>\"\t'\x1b[31mé", 2<<10)
	p := failing()
	p.Error, p.Hint, p.Command = huge, huge, huge
	p.Tests.Failed = 300
	p.Tests.Failures = nil
	for i := range 300 {
		c := results.Case{
			Name: fmt.Sprint(i, huge), Class: huge, File: huge, Message: huge, Details: "x" + huge, Note: huge,
		}
		p.Tests.Failures = append(p.Tests.Failures, record.FailedTest{Case: c})
		p.Tests.Flaky, p.Tests.Quarantined, p.Tests.Slowest = append(
			p.Tests.Flaky, c,
		), append(
			p.Tests.Quarantined, c,
		), append(
			p.Tests.Slowest, c,
		)
	}
	for i := range 1000 {
		p.Tests.Problems = append(p.Tests.Problems, results.Problem{Report: "junit.xml", Message: huge})
		p.Variables = append(p.Variables, fmt.Sprint("V", i, strings.Repeat("x", 60)))
		p.Phases = append(
			p.Phases,
			record.Phase{Name: fmt.Sprint("before ", i), Started: began, Error: "the command exited with 1"},
		)
	}
	p.Log.Text = nil
	page := write(t, p)
	if len(page) > 1<<20 {
		t.Errorf("%d bytes", len(page))
	}
	for _, want := range []string{"more, which are in the reports", "do not fit here", `<h3>Failed <span class="count">300</span>`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for name, line := range map[string]string{"empty lines": "\n", "short lines": "x\n", "many colors": "\x1b[1;2;3;4;31;44mx\x1b[K", "one color a letter": "x\x1b[Ky\x1b[J", "quotes": `"`, "one quote a line": "\"\n"} {
		p := build()
		without := len(write(t, p))
		p.Log.Text = []byte(strings.Repeat(line, 256<<10/len(line)))
		page := write(t, p)
		if n := len(page) - without; n > maxLogMarkup+1<<10 || n < 50<<10 {
			t.Errorf("a log of %s takes %d bytes", name, n)
		}
		if last := page[strings.LastIndex(page, `id="L`):]; !strings.HasPrefix(
			last, fmt.Sprintf(`id="L%d"`, max(strings.Count(strings.Repeat(line, 256<<10/len(line)), "\n"), 1)),
		) {
			t.Errorf("a log of %s ends with %.20s", name, last)
		}
	}
}

func TestLineWithTooMuchMarkupHasNoColors(t *testing.T) {
	p := build()
	p.Log.Text = []byte("before\n\x1b[1;2;3;4;31;44m" + strings.Repeat("x\x1b[K", 31<<10) + "\n")
	page := write(t, p)
	if !strings.Contains(page, `<span class="l" id="L2" data-n="2">xxxx`) || strings.Contains(page, `id="L1"`) ||
		len(page) > 100<<10 {
		t.Errorf("%d bytes: %.300s", len(page), page[strings.Index(page, `<pre id="lines"`):])
	}
}

func TestShortPhasesShareARow(t *testing.T) {
	p := build()
	p.Phases = nil
	for _, name := range []string{"record", "source", "guard", "before 1", "setup", "snapshot", "lock", "command", "after"} {
		p.Phases = append(p.Phases, phaseAt(name, 0, 0, map[string]string{"lock": "held"}[name]))
	}
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

func TestFolderIsNotNewWithoutAComparison(t *testing.T) {
	p := failing()
	p.Coverage.Folders[0].Change, p.Coverage.Folders[2].Change = nil, nil
	if page := write(t, p); strings.Contains(page, ">new<") {
		t.Error("a folder is called new without a comparison")
	}
}

func TestLineOfTheLogIsItsLastStateOnATerminal(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "1 %\r50 %\r100 %": "100 %", "100 %\r": "100 %", "gone\x1b[2K\x1b[1Gnow": "now", "\x1b[01;31m\x1b[Kerror:\x1b[m\x1b[K gcc's": "\x1b[01;31m\x1b[Kerror:\x1b[m\x1b[K gcc's", "a\r\x1b[32mb\x1b[39m": "\x1b[32mb\x1b[39m",
		"kept\r\x1b[0m": "kept", "windows\r": "windows", "\r\r": "", "a\x1b[31mb": "a\x1b[31mb",
	} {
		if got := string(lastState([]byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestTailStartsAWholeLine(t *testing.T) {
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
		t.Errorf("%q starts with line %d", l.Text, l.First)
	}
}

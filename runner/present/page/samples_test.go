package page

import (
	"fmt"
	"math/rand/v2"
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
		"everything": failing(), "jest": jest(t), "build": build(), "rollback": rollback(), "oom": oom(), "guard": guarded(), "big": big(), "pictures": pictured(t),
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
	for i := range p.Tests.Failures {
		f := &p.Tests.Failures[i]
		f.Path, f.Line = f.File, 10+2*i
	}
	p.Tests.All = rowsOf(p.Tests, 27)
	p.Run.Cause = &record.Cause{
		Kind: record.CauseTests, Summary: "the shop › prices a basket with its offers (packages/app/src/server.test.ts:28)", More: 4, LogLine: 6,
		Lines: []string{"Error: expect(received).toEqual(expected) // deep equality", "- Expected  - 1", "+ Received  + 1", `-     "total": "18.99",`, `+     "total": "19.00",`},
		Path:  "packages/app/src/server.test.ts", Line: 28,
	}
	p.Rerun = &record.Rerun{Step: "runner test --sha " + sha, Tests: "pnpm run test --ci packages/app/src/server.test.ts packages/core/src/price.test.ts"}
	p.Previous = &record.EarlierRun{RunID: "01kav3", Branch: "main", SHA: strings.Repeat("3f9c2a1b", 5), State: record.Failing, At: began.Add(-2 * time.Hour)}
	p.LastPassed = &record.LastPassed{
		RunID: "01kav1", Branch: "main", SHA: strings.Repeat("1a2b3c4d", 5), At: began.Add(-26 * time.Hour), Seconds: 5.4,
		Commits: []record.Commit{{Author: "ana"}, {Author: "ben"}}, Lockfile: true,
	}
	p.Actor = "ana"
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
	p.Log = Log{Text: text, First: 1, Times: []Moment{{1, began}, {5, began.Add(3 * time.Second)}, {31, began.Add(4 * time.Second)}}}
	return p
}

// rowsOf returns n tests with their last runs: some failed, some are flaky. The first ones are those of the record.
func rowsOf(t *record.Tests, n int) []record.TestRow {
	random := rand.New(rand.NewPCG(3, 4))
	words := strings.Fields("adds removes reads writes refuses accepts keeps drops the a each empty broken large price basket order user session file line token")
	var rows []record.TestRow
	add := func(c results.Case, state record.TestState, last byte) {
		past := []byte(strings.Repeat(".", 49))
		if state != record.TestPassed {
			for range 4 {
				past[random.IntN(len(past))] = "F~~s"[random.IntN(4)]
			}
		}
		rows = append(rows, record.TestRow{
			ID: c.ID, File: c.File, Class: c.Class, Name: c.Name, Project: c.Project, State: state, Took: c.Duration, Past: string(append(past, last)),
		})
	}
	for i := range t.Failures {
		if t.Failures[i].ID == "" {
			t.Failures[i].ID = fmt.Sprint("failed", i)
		}
		add(t.Failures[i].Case, record.TestFailed, 'F')
	}
	for i := range t.Flaky {
		if t.Flaky[i].ID == "" {
			t.Flaky[i].ID = fmt.Sprint("flaky", i)
		}
		add(t.Flaky[i], record.TestFlaky, '~')
	}
	for i := len(rows); i < n; i++ {
		name := ""
		for range 5 {
			name += words[random.IntN(len(words))] + " "
		}
		folder := words[i/12%len(words)]
		c := results.Case{
			ID: fmt.Sprint("row", i), File: fmt.Sprintf("src/%s/%s-%d.test.ts", folder, words[i/5%len(words)], i/12), Class: folder, Name: name + fmt.Sprint(i),
			Duration: time.Duration(random.ExpFloat64() * 90 * float64(ms)).Round(ms),
		}
		if i%97 == 13 {
			add(c, record.TestSkipped, 's')
			continue
		}
		add(c, record.TestPassed, '.')
	}
	return rows
}

// big is a run of 5,000 tests that printed 100,000 lines, each second some hundred.
func big() sample {
	p := failing()
	p.Seconds, p.EndedAt = 412, began.Add(412*time.Second)
	p.Tests.Counts = results.Counts{Total: 5000, Failed: 12, Skipped: 52, Flaky: 1}
	one := p.Tests.Failures[0]
	for i := 1; i < 12; i++ {
		more := one
		more.Name = fmt.Sprintf("adds the tax of country %d", i)
		p.Tests.Failures = append(p.Tests.Failures, more)
	}
	p.Tests.All = rowsOf(p.Tests, 5000)
	p.Log = bigLog(100_000)
	p.Notes = []record.Annotation{
		{Level: record.LevelError, LogLine: 99_120, Message: "x"}, {Level: record.LevelWarning, LogLine: 99_500, Message: "y"},
	}
	p.Run.Cause = &record.Cause{Kind: record.CauseTests, Summary: "price › adds the tax once (src/price.test.ts:12): Expected: 119 Received: 138.04", More: 11, LogLine: 99_120}
	return p
}

func bigLog(n int) Log {
	tail := NewTail(192 << 10)
	at := began
	tail.clock = func() time.Time { return at }
	for i := 1; i <= n; i++ {
		switch {
		case i == n-880:
			fmt.Fprint(tail, "\x1b[31mError: expect(received).toBe(expected)\x1b[39m Expected: 119 Received: 138.04\n")
		case i%500 == 0:
			fmt.Fprint(tail, "::group::packages/core\n")
		case i%500 == 60:
			fmt.Fprint(tail, "::endgroup::\n")
		default:
			fmt.Fprintf(tail, "\x1b[32m✓\x1b[39m src/%d.test.ts › keeps the basket of session %d \x1b[2m(%d ms)\x1b[22m\n", i/12, i, i%37)
		}
		if i%240 == 0 {
			at = at.Add(time.Second)
		}
	}
	return tail.Log()
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

// pictured is a run whose tests left pictures, a video and a trace.
func pictured(t *testing.T) sample {
	t.Helper()
	p := jest(t)
	one, two, three := p.Tests.Failures[0].ID, p.Tests.Failures[1].ID, p.Tests.Failures[2].ID
	shot := func(test, name, role string, group, width int) record.Attachment {
		return record.Attachment{
			Test: test, Name: name, Source: "test-results/shop/" + name, File: "attachments/" + name, Kind: record.ImageFile, Role: role, Group: group,
			Bytes: 21 << 10, Width: width, Height: 300,
		}
	}
	p.Attached = []record.Attachment{
		shot(one, "basket-expected.png", "expected", 1, 480), shot(one, "basket-actual.png", "actual", 1, 480), shot(one, "failed.png", "", 0, 480),
		{Test: one, Name: "video", Source: "test-results/shop/video.webm", File: "attachments/004-video.webm", Kind: record.VideoFile, Bytes: 1 << 20},
		{Test: one, Name: "trace", Source: "test-results/shop/trace.zip", File: "attachments/005-trace.zip", Kind: record.ArchiveFile, Bytes: 2 << 20},
		{Test: one, Name: "state.json", Source: "test-results/shop/state.json", Refused: "it holds a secret: text"},
		shot(two, "total-1-diff.png", "side", 2, 960), shot(three, "total-2-diff.png", "stack", 3, 120),
	}
	return p
}

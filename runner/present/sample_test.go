package present

import (
	"strings"
	"time"

	"github.com/joshdk/go-junit"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/sizing/fargate"
	"github.com/carlin-cicd/runner/steps/coverage"
	"github.com/carlin-cicd/runner/steps/results"
)

const sampleSHA = "0123456789abcdef0123456789abcdef01234567"

// failedRun is a run of tests that failed, with a value in each field that is presented.
func failedRun() record.Run {
	began := time.Date(2026, 1, 15, 8, 0, 0, 0, time.UTC)
	key := "runs/main/" + sampleSHA + "/test/01k"
	coldStart := 14 * time.Second
	return record.Run{
		Identity: record.Identity{
			RunID: "01k", Step: "test", Branch: "main", SHA: sampleSHA, Task: "0a1b", Runner: "0.2.0",
		},
		ExitCode: 1, Reason: record.Failure, Error: "the command exited with 1", Hint: "see the report",
		StartedAt: began, EndedAt: began.Add(61500 * time.Millisecond), Seconds: 61.5,
		Tests: &record.Tests{
			Counts: results.Counts{Total: 214, Failed: 1, Errored: 1, Skipped: 3, Flaky: 1, Quarantined: 1},
			Failures: []record.FailedTest{
				{
					Case: results.Case{
						Name: "adds the tax once", Class: "price", File: "src/price.test.ts",
						Status: junit.StatusFailed, Message: "expected 119",
						Details: "the tax of a basket\nexpected 119\n  received 141.61\n" +
							"    at Object.<anonymous> (src/price.test.ts:12:23)\n    at node:internal/tasks:1:2",
						Excerpt: "expected 119\nreceived 141.61\nat Object.<anonymous> (src/price.test.ts:12:23)",
						Note:    "newly failing: passed at 21fea54 and 3 runs before",
					},
					Path: "src/price.test.ts", Line: 12,
				},
				{Case: results.Case{Name: "starts", Status: junit.StatusError, Message: "no place", Details: "boom"}},
			},
			Flaky: []results.Case{
				{Name: "reads", Class: "cart", Message: "timed out", Note: "passed on rerun 1"},
			},
			Quarantined: []results.Case{
				{Name: "away", Class: "c", Message: "not here", Note: "quarantined until 2999-12-31"},
			},
			Slowest: []results.Case{
				{Name: "slow one", Duration: 3 * time.Second},
				{Name: "fast one", Duration: time.Millisecond},
			},
			SkipReason: "more than 10 tests failed", Missing: "40 fewer than at abcdef0 of main",
			Problems: []results.Problem{{Report: "junit-2.xml", Message: "unexpected EOF"}},
		},
		Coverage: &record.Coverage{
			Summary: coverage.Summary{
				Lines: coverage.Figure{Covered: 831, Total: 1000}, Branches: coverage.Figure{Covered: 1, Total: 2},
			},
			Change: &coverage.Change{Lines: -1.25}, Against: &record.CoverageBaseline{Branch: "main", SHA: sampleSHA},
		},
		Artifacts: []record.Artifact{
			{
				Name: "coverage", Location: "/work/shop/.runner/artifacts/coverage/main/" + sampleSHA, Files: 2,
				Bytes: 3 << 20,
			},
			{Name: "pages", Error: "AccessDenied"},
		},
		Usage: &record.Usage{
			Seconds: 60, CPUSeconds: 42, PeakMemory: 1 << 30, MemoryLimit: 2 << 30, DiskGrowth: 3 << 30,
			Fargate: "1 vCPU, 2 GB", Reasons: []string{"CPU was used up"},
		},
		Cost: &record.Cost{
			Dollars: 0.0012, Seconds: 75, Size: fargate.Size{VCPU: 1, Memory: 2}, Region: "eu-central-1",
			Architecture: "x86", Capacity: "on demand",
		},
		Delivery: &record.Delivery{
			Outcome: record.RollbackFailed, Problem: "it is DELETE_FAILED",
			Rollback: &record.Rollback{Action: record.Failed, Status: "UPDATE_ROLLBACK_FAILED"},
		},
		Published: map[string]bool{"report.html": true},
		Details: record.Details{
			CommandStarted: true, Recorded: true, Place: "/work/shop/.runner/artifacts", Key: key,
			Repository: "example/shop", RepositoryURL: "https://github.com/example/shop", RefType: "branch", Actor: "ana",
			TaskARN: "arn:aws:ecs:eu-central-1:123456789012:task/ci/0a1b", Cluster: "ci", ColdStart: &coldStart,
		},
	}
}

// hostileText is text that each output has to keep from being its markup.
const hostileText = "\x1b]52;c;aGFjaw==\x07 \u202ertl \u009b31m </script><b onfocus=alert(1)> `code` <!channel> *b* @here ##[group]x\n::error::x\r\n\xff"

// hostileRun is a run in which every text is hostile.
func hostileRun() record.Run {
	run := failedRun()
	texts := []*string{
		&run.Step, &run.Environment, &run.Branch, &run.Stack, &run.Error, &run.Hint, &run.Actor, &run.Repository, &run.Place,
		&run.Command, &run.Tests.SkipReason, &run.Tests.Missing, &run.Delivery.Problem, &run.Usage.Fargate, &run.Cost.Region,
	}
	for _, cases := range [][]results.Case{run.Tests.Flaky, run.Tests.Quarantined, run.Tests.Slowest} {
		for i := range cases {
			texts = append(texts, &cases[i].Name, &cases[i].Class, &cases[i].File, &cases[i].Message, &cases[i].Note)
		}
	}
	for i := range run.Tests.Failures {
		f := &run.Tests.Failures[i]
		texts = append(texts, &f.Name, &f.Class, &f.File, &f.Message, &f.Details, &f.Excerpt, &f.Note, &f.Path)
	}
	for i := range run.Artifacts {
		texts = append(texts, &run.Artifacts[i].Name, &run.Artifacts[i].Location)
	}
	for _, text := range texts {
		*text = hostileText
	}
	return run
}

// vastRun is a run with more text than any service accepts.
func vastRun() record.Run {
	run := failedRun()
	long := strings.Repeat("päper ", 2000)
	run.Branch, run.Error, run.Hint, run.Delivery.Problem = strings.Repeat("b", 300), long, long, long
	for range 300 {
		run.Tests.Failures = append(
			run.Tests.Failures,
			record.FailedTest{
				Case: results.Case{Name: long, Message: long, Details: long}, Path: "a/" + strings.Repeat("b", 300),
			},
		)
	}
	return run
}

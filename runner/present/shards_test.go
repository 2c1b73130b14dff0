package present

import (
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/record"
)

// dividedRun is a run of three shards; the third left no result if it is missing.
func dividedRun(missing bool) record.Run {
	run := failedRun()
	run.Shards = []record.Shard{
		{Shard: 1, Key: "runs/main/a/test~shards/of-3/1/01", Passed: true, Reason: record.Success, Seconds: 10, Files: 4, Expected: 9.5, Tests: 40},
		{Shard: 2, Key: "runs/main/a/test~shards/of-3/2/02", Reason: record.Failure, ExitCode: 3, Seconds: 12, Files: 5, Tests: 41, Failed: 2},
		{Shard: 3, Key: "runs/main/a/test~shards/of-3/3/03", Passed: true, Reason: record.Success, Seconds: 11},
	}
	if missing {
		run.Shards[2] = record.Shard{Shard: 3, Missing: true}
	}
	run.Balance = record.Balance(run.Shards)
	return run
}

func TestTheSummaryOfShards(t *testing.T) {
	const balanced = "3 shards, 11s each on average; the slowest, shard 2, took 12s, 9.1 % more"
	for _, c := range []struct {
		name           string
		run            record.Run
		terminal, page []string // what is in the summary, and in Markdown
	}{
		{
			"all ended", dividedRun(false),
			[]string{balanced, "✗ shard 2: failed (failure, exit 3), 41 tests, 2 failed in 12s", "test~shards/of-3/2/02/report.html"},
			[]string{
				balanced, "| 1 | ✅ `passed` | 40 tests | 4 files, 9.5s before | 10s |",
				"| 2 | ❌ `failed (failure, exit 3)` | 41 tests, 2 failed | 5 files | 12s |", "| no file was left for it | 0 files | 11s |",
			},
		},
		{
			"one is missing", dividedRun(true),
			[]string{"3 shards, 1 of them missing", "✗ shard 3: missing: it left no result"},
			[]string{"3 shards, 1 of them missing", "| 3 | ❌ `missing: it left no result` |  |  |  |  |"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			summary, markdown := Terminal{}.Summary(c.run), Markdown(c.run, "", 64<<10)
			for _, want := range c.terminal {
				if !strings.Contains(summary, want) {
					t.Errorf("the summary has no %q:\n%s", want, summary)
				}
			}
			for _, want := range c.page {
				if !strings.Contains(markdown, want) {
					t.Errorf("the Markdown has no %q:\n%s", want, markdown)
				}
			}
			if strings.Contains(summary, "shard 1:") {
				t.Errorf("the summary lists a shard that passed:\n%s", summary)
			}
		})
	}
	if run := dividedRun(true); run.Balance != nil {
		t.Errorf("the balance without a shard is %+v", run.Balance)
	}
}

package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/remote"
	"github.com/carlin-cicd/runner/runner/shards"
)

func TestReportsOfAnExecution(t *testing.T) {
	store, err := folder.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ref := artifacts.Ref{Branch: "main", SHA: strings.Repeat("ab", 20)}
	at := func(step, environment, task string) {
		latest := record.Latest{RunID: "01a", Key: "runs/" + step, Task: "arn:aws:ecs:eu-west-1:1:task/ci/" + task}
		if err := artifacts.PutJSON(t.Context(), store, keys.LatestRun(ref, step, environment), latest); err != nil {
			t.Fatal(err)
		}
	}
	at("build", "", "aaaa")
	at("lint", "", "of another execution")
	at("unit", "", "bbbb")
	at("deploy", "staging", "cccc")
	place := shards.Place{Ref: ref, Step: "e2e", Group: "main-1", Of: 2}
	for key, value := range map[string]any{
		place.Shard(1) + "/latest.json":                    shards.Latest{Format: shards.Format, RunID: "01b"},
		place.Shard(2) + "/latest.json":                    shards.Latest{Format: 99, RunID: "01c"},
		keys.Shards(ref, "e2e", "main-1") + "/merged.json": shards.Merged{Key: "runs/e2e"},
	} {
		if err := artifacts.PutJSON(t.Context(), store, key, value); err != nil {
			t.Fatal(err)
		}
	}
	ended := time.Unix(1763900000, 0)
	step := func(name, steps, environment, task string, shard, of int) remote.Step {
		return remote.Step{Name: name, Steps: steps, Environment: environment, Task: task, Shard: shard, Shards: of, Ended: ended}
	}
	running := step("runs", "build", "", "aaaa", 0, 0)
	running.Ended = time.Time{}
	found, err := reportFinder{store, "s3://ci", ref, "main-1"}.find(t.Context(), []remote.Step{
		step("build", "build", "", "aaaa", 0, 0), step("lint", "lint", "", "dddd", 0, 0), step("lint,unit", "lint,unit", "", "bbbb", 0, 0),
		step("deploy staging", "deploy", "staging", "cccc", 0, 0), step("e2e 1/2", "e2e", "", "eeee", 1, 2), step("e2e 2/2", "e2e", "", "ffff", 2, 2),
		step("e2e merge", "e2e", "", "gggg", 0, 2), step("never", "never", "", "hhhh", 0, 0), running,
		{Name: "approval production", Ended: ended},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []report{
		{"build", "s3://ci/runs/build/report.html"},
		{"lint,unit", "s3://ci/runs/unit/report.html"},
		{"deploy staging", "s3://ci/runs/deploy/report.html"},
		{"e2e", "s3://ci/runs/e2e/report.html"},
		{"e2e 1/2", "s3://ci/" + place.Run(1, "01b") + "/report.html"},
	}
	if !slices.Equal(found, want) {
		t.Errorf("%q", found)
	}
}

package pipeline

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/carlin-cicd/runner/runner/sizing/fargate"
	"github.com/carlin-cicd/runner/steps"
)

// The form of a plan is a contract with the cluster's machine: what is not set is not there.
func TestThePlanHasWhatTasksNeed(t *testing.T) {
	const source = `version: 1
steps:
  lint: { command: x }
  unit: { command: x, size: 1-8, timeout: 90s, task: build, spot: true }
  types: { command: x, size: 4-8, task: build, spot: false }
  e2e: { command: x, split: { list: ls, run: "x {files}" }, size: 2-8, spot: true, timeout: 15m }
  seed: { command: x, task: migrate, size: 0.25-0.5 }
pipeline:
  - build
  - [lint, { step: e2e, parallel: 4 }, { step: test, parallel: 1 }, { together: [unit, types] }]
  - { environment: staging, steps: [seed, deploy] }
`
	file, err := steps.Parse("runner.yaml", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	none := func(context.Context, string) (Changes, string) { return Changes{}, "" }
	p := Resolve(t.Context(), file.Pipeline, Event{Name: "push", Branch: "main", MainBranch: "main"}, none)
	p.Apply(steps.Collect(t.TempDir(), file))
	text, err := json.Marshal(p.Stages)
	const want = `[{"jobs":[{"steps":["build"]}]},` +
		`{"jobs":[{"steps":["lint"]},` +
		`{"steps":["e2e"],"shards":4,"cpu":"2048","memory":"8192","spot":true,"timeoutSeconds":900},` +
		`{"steps":["test"]},` +
		`{"steps":["unit","types"],"task":"build","cpu":"4096","memory":"8192","spot":false,"timeoutSeconds":3690}]},` +
		`{"environment":"staging","steps":["seed","deploy"],` +
		`"settings":{"seed":{"task":"migrate","cpu":"256","memory":"512"}}}]`
	if err != nil || string(text) != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, text, want)
	}
}

// Two rooms name the sizes of Fargate: what runner.yaml accepts is what is priced.
func TestTheSizesAreThoseThatArePriced(t *testing.T) {
	for _, size := range steps.Sizes() {
		fits, ok := fargate.Smallest(size.CPU, size.Memory)
		if !ok || fits.VCPU != size.CPU || fits.Memory != size.Memory {
			t.Errorf("%s is priced as %s", size, fits)
		}
		if size.Enclosing() != size {
			t.Errorf("%s becomes %s", size, size.Enclosing())
		}
	}
	if got := (steps.Size{CPU: 1, Memory: 16}).Enclosing(); got != (steps.Size{CPU: 2, Memory: 16}) {
		t.Errorf("1 vCPU with 16 GB becomes %s", got)
	}
}

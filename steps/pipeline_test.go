package steps

import (
	"reflect"
	"strings"
	"testing"
)

// pipe is a file with a pipeline, and the steps lint and e2e.
func pipe(stages string) string {
	return "version: 1\nsteps: { lint: { command: x }, e2e: { command: x } }\npipeline:\n" + stages
}

const examplePipeline = `  - build
  - [test, lint, { step: e2e, paths: ["web/**"] }]
  - { environment: staging, steps: [migrate, deploy] }
  - approval: production
  - { environment: production, steps: [migrate, deploy], branches: [main], tags: ["v*"] }
`

func TestPipeline(t *testing.T) {
	file, err := Parse("runner.yaml", []byte(pipe(examplePipeline)))
	if err != nil {
		t.Fatal(err)
	}
	job := func(names ...string) Job { return Job{Steps: names} }
	e2e := job("e2e")
	e2e.Filter.Paths = []string{"web/**"}
	want := Pipeline{
		{Jobs: []Job{job("build")}},
		{Jobs: []Job{job("test"), job("lint"), e2e}},
		{Environment: "staging", Steps: []string{"migrate", "deploy"}},
		{Approval: "production"},
		{
			Environment: "production", Steps: []string{"migrate", "deploy"},
			Filter: Filter{Branches: []string{"main"}, Tags: []string{"v*"}},
		},
	}
	got := file.Pipeline
	for i := range got {
		if !strings.HasPrefix(got[i].Origin, "runner.yaml:") {
			t.Errorf("stage %d is of %q", i, got[i].Origin)
		}
		got[i].Origin = ""
		for j := range got[i].Jobs {
			got[i].Jobs[j].Origin = ""
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestPipelineSchemaAndParserAgree(t *testing.T) {
	validate := validator(t)
	for name, c := range map[string]struct{ source, want string }{
		"the example":                       {pipe(examplePipeline), valid},
		"steps in one task":                 {pipe("  - build\n  - { together: [lint, test] }\n"), valid},
		"steps in one task beside others":   {pipe("  - build\n  - [lint, { together: [test, e2e], branches: [main, 'release/*'] }]\n"), valid},
		"shards":                            {pipe("  - build\n  - [lint, { step: test, parallel: 39 }]\n"), valid},
		"no shard":                          {pipe("  - build\n  - { step: test, parallel: 0 }\n"), invalid},
		"forty-one shards":                  {pipe("  - build\n  - { step: test, parallel: 41 }\n"), invalid},
		"half a shard":                      {pipe("  - build\n  - { step: test, parallel: 1.5 }\n"), invalid},
		"shards of several steps":           {pipe("  - build\n  - { together: [lint, test], parallel: 2 }\n"), invalid},
		"shards of an entry":                {pipe("  - { step: build, parallel: 2 }\n"), context},
		"more shards than run side by side": {pipe("  - build\n  - [lint, { step: test, parallel: 40 }]\n"), context},
		"one task of two kinds":             {"version: 1\nsteps: { lint: { command: x, task: build } }\npipeline:\n  - build\n  - { together: [lint, test] }\n", context},
		"events":                            {pipe("  - build\n  - { step: test, events: [schedule, manual] }\n"), valid},
		"a merge key":                       {pipe("  - build\n  - [&e { step: e2e, branches: [main] }, { <<: *e, step: lint }]\n"), valid},
		"no stage":                          {"version: 1\npipeline: []\n", invalid},
		"a stage without a job":             {pipe("  - build\n  - []\n"), invalid},
		"a step for a pipeline":             {"version: 1\npipeline: build\n", invalid},
		"a step in upper case":              {pipe("  - Build\n"), invalid},
		"a list in a list":                  {pipe("  - build\n  - [[test]]\n"), invalid},
		"an environment without steps":      {pipe("  - build\n  - { environment: staging }\n"), invalid},
		"an environment with no steps":      {pipe("  - build\n  - { environment: staging, steps: [] }\n"), invalid},
		"an environment in upper case":      {pipe("  - build\n  - { environment: Staging, steps: [deploy] }\n"), invalid},
		"an environment beside a step":      {pipe("  - build\n  - [test, { environment: staging, steps: [deploy] }]\n"), invalid},
		"an approval beside a step":         {pipe("  - build\n  - [test, { approval: production }]\n"), invalid},
		"an environment and an approval":    {pipe("  - build\n  - { environment: a, approval: b, steps: [deploy] }\n"), invalid},
		"a step and together":               {pipe("  - { step: build, together: [test] }\n"), invalid},
		"paths of an environment":           {pipe("  - build\n  - { environment: a, steps: [deploy], paths: [x] }\n"), invalid},
		"a path above":                      {pipe("  - build\n  - { step: test, paths: [../x] }\n"), invalid},
		"a branch with a space":             {pipe("  - build\n  - { step: test, branches: ['a b'] }\n"), invalid},
		"an unknown event":                  {pipe("  - build\n  - { step: test, events: [merge] }\n"), invalid},
		"a condition in an expression":      {pipe("  - build\n  - { step: test, if: \"branch == 'main'\" }\n"), invalid},
		"twenty-one stages":                 {pipe(strings.Repeat("  - { approval: a }\n", 21)), invalid},
		"a step that is not known":          {pipe("  - build\n  - tset\n"), context},
		"a step twice":                      {pipe("  - build\n  - [test, lint]\n  - test\n"), context},
		"a step twice in one environment":   {pipe("  - build\n  - { environment: a, steps: [deploy] }\n  - { environment: a, steps: [deploy] }\n"), context},
		"a deploy outside an environment":   {pipe("  - build\n  - deploy\n"), context},
		"an approval of nothing":            {pipe("  - build\n  - approval: production\n"), context},
		"an entry of several steps":         {pipe("  - [build, test]\n"), context},
		"an entry with a filter":            {pipe("  - { step: build, branches: [main] }\n"), context},
		"an entry that is an approval":      {pipe("  - approval: a\n  - { environment: a, steps: [deploy] }\n"), context},
		"more jobs than run side by side":   {pipe("  - build\n  - [" + strings.Repeat("test, ", 40) + "test]\n"), context},
		"an approval with paths":            {pipe("  - build\n  - { approval: a, paths: [x] }\n"), invalid},
		"a step that is a number":           {pipe("  - 1\n"), invalid},
		"a pipeline below steps":            {"version: 1\nsteps: { pipeline: [build] }\n", invalid},
		"a pipeline of an empty stage":      {"version: 1\npipeline: [~]\n", invalid},
		"a stage that is an empty mapping":  {"version: 1\npipeline: [{}]\n", invalid},
		"steps without their environment":   {pipe("  - build\n  - { steps: [deploy] }\n"), invalid},
		"the list of a step's branches":     {pipe("  - build\n  - { step: test, branches: main }\n"), invalid},
		"an approval that names two places": {pipe("  - build\n  - { approval: [a, b] }\n"), invalid},
	} {
		t.Run(name, func(t *testing.T) { checkVerdicts(t, validate, c.source, c.want) })
	}
}

func TestPipelineErrorsNameTheirPlace(t *testing.T) {
	for source, want := range map[string]string{
		"  - build\n  - { step: test, parallel: 41 }\n":         `runner.yaml:5:29: invalid parallel "41"`,
		"  - build\n  - [lint, { step: test, parallel: 40 }]\n": `runner.yaml:5:5: the stage has 41 jobs side by side; the most is 40`,
		"  - build\n  - [test, tset]\n":                         `runner.yaml:5:12: the pipeline has "tset", which is not a step`,
		"  - build\n  - { stp: test }\n":                        `runner.yaml:5:7: unknown key "stp" in a job`,
		"  - build\n  - { step: test, paths: [\"!../x\"] }\n":   `runner.yaml:5:27: invalid glob in paths "!../x"`,
		"  - build\n  - { step: test, paths: [\"!\"] }\n":       `runner.yaml:5:27: invalid glob in paths "!"`,
		"  - build\n  - { environment: staging }\n":             "runner.yaml:5:5: a stage has no steps",
		"  - deploy\n": `runner.yaml:4:5: step "deploy" changes an environment`,
	} {
		_, err := Parse("runner.yaml", []byte(pipe(source)))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", source, err, want)
		}
	}
}

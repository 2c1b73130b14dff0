package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/steps"
)

const example = `version: 1
steps: { lint: { command: x }, e2e: { command: x }, nightly: { command: x } }
pipeline:
  - build
  - [test, lint, { step: e2e, paths: ["web/**", package.json] }]
  - { step: nightly, events: [schedule, manual] }
  - { environment: staging, steps: [migrate, deploy] }
  - approval: production
  - { environment: production, steps: [migrate, deploy], branches: [main], tags: ["v*"] }
`

// lines describes a plan, a line for each part of it.
func lines(p Plan) string {
	var b strings.Builder
	for i, s := range p.Stages {
		for _, j := range s.Jobs {
			fmt.Fprintf(&b, "%d %s", i+1, strings.Join(j.Steps, "+"))
			if j.Reason != "" {
				fmt.Fprintf(&b, " (%s)", j.Reason)
			}
			b.WriteByte('\n')
		}
		if s.Environment != "" {
			fmt.Fprintf(&b, "%d %s: %s\n", i+1, s.Environment, strings.Join(s.Steps, ", "))
		}
		if s.Approval != "" {
			fmt.Fprintf(&b, "%d approve %s\n", i+1, s.Approval)
		}
	}
	for _, s := range p.Skipped {
		what := strings.Join(s.Steps, "+")
		if s.Environment != "" {
			what = s.Environment
		}
		if s.Approval != "" {
			what = "approve " + s.Approval
		}
		fmt.Fprintf(&b, "- %s: %s\n", what, s.Reason)
	}
	return b.String()
}

func TestResolve(t *testing.T) {
	file, err := steps.Parse("runner.yaml", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	changed := func(names ...string) Compare {
		return func(context.Context, string) (Changes, string) {
			return Changes{Since: "21fea54aaaaaaaa", Branch: "main", Files: names}, ""
		}
	}
	unknown := func(context.Context, string) (Changes, string) { return Changes{}, "it has not passed yet" }
	for name, c := range map[string]struct {
		event   Event
		compare Compare
		want    string
	}{
		"a push of the main branch": {Event{Name: "push", Branch: "main"}, changed("web/app.ts"), `
1 build
2 test
2 lint
2 e2e (web/app.ts has changed since 21fea54)
3 staging: migrate, deploy
4 approve production
5 production: migrate, deploy
- nightly: the event is push, not schedule or manual
`},
		"a push that touches nothing of the paths": {Event{Name: "push", Branch: "main"}, changed("README.md", "webby/x"), `
1 build
2 test
2 lint
3 staging: migrate, deploy
4 approve production
5 production: migrate, deploy
- e2e: nothing of web/**, package.json has changed since 21fea54, where it passed
- nightly: the event is push, not schedule or manual
`},
		"another branch": {Event{Name: "push", Branch: "fix/a"}, changed(), `
1 build
2 test
2 lint
- e2e: nothing of web/**, package.json has changed since 21fea54 of main, where it passed
- nightly: the event is push, not schedule or manual
- staging: the branch fix/a does not match main
- approve production: nothing of production runs
- production: the branch fix/a does not match main
`},
		"a step that has not passed yet": {Event{Name: "pull_request", Branch: "pr/7"}, unknown, `
1 build
2 test
2 lint
2 e2e (it has not passed yet)
- nightly: the event is pull_request, not schedule or manual
- staging: the branch pr/7 does not match main
- approve production: nothing of production runs
- production: the branch pr/7 does not match main
`},
		"a release": {Event{Name: "tag", Branch: "v1.2.0"}, changed(), `
1 build
2 test
2 lint
2 e2e (all paths count for the event tag)
3 approve production
4 production: migrate, deploy
- nightly: the event is tag, not schedule or manual
- staging: not for a tag
`},
		"a tag that is no release": {Event{Name: "tag", Branch: "nightly"}, changed(), `
1 build
2 test
2 lint
2 e2e (all paths count for the event tag)
- nightly: the event is tag, not schedule or manual
- staging: not for a tag
- approve production: nothing of production runs
- production: the tag nightly does not match v*
`},
		"a schedule": {Event{Name: "schedule", Branch: "main"}, changed(), `
1 build
2 test
2 lint
2 e2e (all paths count for the event schedule)
3 nightly
4 staging: migrate, deploy
5 approve production
6 production: migrate, deploy
`},
	} {
		t.Run(name, func(t *testing.T) {
			c.event.MainBranch = "main"
			if got := lines(Resolve(t.Context(), file.Pipeline, c.event, c.compare)); "\n"+got != c.want {
				t.Errorf("got\n%s\nwant%s", got, c.want)
			}
		})
	}
}

// A branch that looks like the main one, or like a part of it, is another branch.
func TestGlobsAfterAnExclamationMarkLeaveFilesOut(t *testing.T) {
	for _, c := range []struct {
		globs []string
		file  string
		want  bool
	}{
		{[]string{"web/**"}, "web/a.ts", true},
		{[]string{"web/**"}, "api/a.ts", false},
		{[]string{"web/**", "!web/docs/**"}, "web/docs/a.md", false},
		{[]string{"web/**", "!web/docs"}, "web/docs/a.md", false},
		{[]string{"web/**", "!web/docs/**", "web/docs/api.json"}, "web/docs/api.json", true},
		{[]string{"!web/**"}, "web/a.ts", false},
		{[]string{"!web/**"}, "api/a.ts", true},
	} {
		if got := counts(c.globs, c.file); got != c.want {
			t.Errorf("%v of %s: %v, want %v", c.globs, c.file, got, c.want)
		}
	}
}

func TestOnlyTheMainBranchReachesAnEnvironment(t *testing.T) {
	file, err := steps.Parse("runner.yaml", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	none := func(context.Context, string) (Changes, string) { return Changes{}, "" }
	for _, branch := range []string{"main/x", "x/main", "mai", "Main", "m*", "detached", ""} {
		p := Resolve(t.Context(), file.Pipeline, Event{Name: "push", Branch: branch, MainBranch: "main"}, none)
		for _, s := range p.Stages {
			if s.Environment != "" || s.Approval != "" {
				t.Errorf("branch %q reaches %+v", branch, s)
			}
		}
	}
}

// The state of an execution has to hold the largest plan.
func TestThePlanIsSmall(t *testing.T) {
	var b strings.Builder
	b.WriteString("version: 1\nsteps:\n")
	for i := range 40 * 19 {
		fmt.Fprintf(&b, "  s%d: { command: x }\n", i)
	}
	b.WriteString("pipeline:\n  - build\n")
	for stage := range 19 {
		b.WriteString("  - [")
		for i := range 40 {
			fmt.Fprintf(&b, "{ step: s%d, paths: [\"%s/**\"] }, ", stage*40+i, strings.Repeat("x", 20))
		}
		b.WriteString("]\n")
	}
	file, err := steps.Parse("runner.yaml", []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	compare := func(context.Context, string) (Changes, string) {
		return Changes{Since: "21fea54", Files: []string{strings.Repeat("x", 20) + "/app.ts"}}, ""
	}
	plan := Resolve(t.Context(), file.Pipeline, Event{Name: "push", Branch: "main", MainBranch: "main"}, compare)
	text, err := json.Marshal(plan)
	if err != nil || len(text) > 128<<10 {
		t.Errorf("the plan has %d bytes, %v", len(text), err)
	}
}

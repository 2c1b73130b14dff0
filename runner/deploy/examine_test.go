package deploy

import (
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/deploy/stack/stacktest"
)

func TestTheExaminationSaysWhetherAStackCanBeDeployedTo(t *testing.T) {
	yes := true
	for name, c := range map[string]struct {
		prepare  func(*bench)
		severity artifacts.Severity
		problem  string
		advice   string
	}{
		"it is fine": {severity: artifacts.OK, problem: "is CREATE_COMPLETE in eu-central-1"},
		"it is busy": {
			prepare:  func(b *bench) { b.cloud.Pass("web", stacktest.Step{Status: "UPDATE_IN_PROGRESS"}) },
			severity: artifacts.Warning, problem: "is busy: UPDATE_IN_PROGRESS",
		},
		"it is under review": {
			prepare:  func(b *bench) { b.cloud.Begin("web", firstRevision, stacktest.Step{Status: "REVIEW_IN_PROGRESS"}) },
			severity: artifacts.Warning, problem: "never executed", advice: "delete the stack: aws cloudformation delete-stack --stack-name web",
		},
		"it is stuck": {
			prepare:  func(b *bench) { b.cloud.Pass("web", stacktest.Step{Status: "UPDATE_ROLLBACK_FAILED"}) },
			severity: artifacts.Warning, problem: "its last rollback is stuck", advice: "continue-update-rollback",
		},
		"its state is unknown": {
			prepare:  func(b *bench) { b.cloud.Pass("web", stacktest.Step{Status: "PONDERING"}) },
			severity: artifacts.Warning, problem: "is PONDERING in eu-central-1: its state is unknown", advice: "delete the stack",
		},
		"it is absent": {prepare: func(b *bench) { b.step.Stacks = []string{"new"} }, severity: artifacts.Warning, problem: "does not exist", advice: "the first deploy creates it"},
		"it is absent, and cannot be restored then": {
			prepare:  func(b *bench) { b.step.Stacks, b.step.Rollback = []string{"new"}, &yes },
			severity: artifacts.Failure, problem: "does not exist in eu-central-1, so deploy is refused", advice: "--force once",
		},
		"its name is too long":   {prepare: func(b *bench) { b.step.Stacks = []string{strings.Repeat("x", 129)} }, severity: artifacts.Failure, problem: "has 129 characters", advice: "shorten"},
		"it may not be seen":     {prepare: func(b *bench) { b.cloud.Deny("DescribeStacks") }, severity: artifacts.Failure, problem: "may not be described: AccessDenied", advice: "allow cloudformation:DescribeStacks"},
		"a variable is missing":  {prepare: func(b *bench) { b.step.Role = "${NONE}" }, severity: artifacts.Failure, problem: "refers to NONE", advice: "set NONE"},
		"patterns need the list": {prepare: func(b *bench) { b.step.Stacks = []string{"w*"}; b.cloud.Deny("ListStacks") }, severity: artifacts.Failure, problem: "could not list the stacks", advice: "allow cloudformation:ListStacks"},
		"a pattern":              {prepare: func(b *bench) { b.step.Stacks = []string{"w*"} }, severity: artifacts.OK, problem: "is CREATE_COMPLETE"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			if c.prepare != nil {
				c.prepare(b)
			}
			d := b.run()
			found := Examine(t.Context(), d.Session, b.step, map[string]string{})
			if len(found) != 1 || found[0].Severity != c.severity || !strings.Contains(found[0].Problem, c.problem) ||
				!strings.Contains(found[0].Advice, c.advice) {
				t.Errorf("found %+v", found)
			}
		})
	}
}

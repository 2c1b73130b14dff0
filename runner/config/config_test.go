package config

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/steps"
)

func TestVariablesOfTheRun(t *testing.T) {
	dir := t.TempDir()
	c, err := Read(
		map[string]string{
			"PIPELINE_STEP":    "",
			"RUNNER_TIMEOUT":   "15m",
			"RUNNER_WORKSPACE": dir,
			"ENVIRONMENT":      "staging",
			"RUNNER_DRY_RUN":   "true",
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	if c.Step != "build" || c.Timeout != 15*time.Minute || c.Grace != 20*time.Second ||
		c.StopBudget != 30*time.Second ||
		c.Retries != -1 ||
		!c.DryRun ||
		c.Workspace != dir {
		t.Errorf("%+v", c)
	}
	for name, bad := range map[string]map[string]string{
		"RUNNER_TIMEOUT cannot be \"15\"":      {"RUNNER_TIMEOUT": "15"},
		"RUNNER_TIMEOUT cannot be negative":    {"RUNNER_TIMEOUT": "-5s"},
		"RUNNER_RETRIES cannot be \"x\"":       {"RUNNER_RETRIES": "x"},
		"RUNNER_RETRIES cannot be 99":          {"RUNNER_RETRIES": "99"},
		"RUNNER_DRY_RUN cannot be \"perhaps\"": {"RUNNER_DRY_RUN": "perhaps"},
		"ENVIRONMENT cannot be \"a b\"":        {"ENVIRONMENT": "a b"},
		"STACK_NAME cannot be \"a/b\"":         {"STACK_NAME": "a/b"},
		"leaves nothing of RUNNER_STOP_BUDGET": {"RUNNER_STOP_BUDGET": "10s"},
		"the workspace /nowhere/at all is not": {"RUNNER_WORKSPACE": "/nowhere/at all"},
	} {
		_, err := Read(bad)
		var refused *outcome.ConfigError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), name) || refused.Hint() == "" {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestTheTaskDecidesWhereAStepWorks(t *testing.T) {
	c, err := Read(map[string]string{
		"RUNNER_ROLE": "arn:aws:iam::210987654321:role/deploy", "RUNNER_ACCOUNT": "210987654321", "RUNNER_REGION": "eu-west-1",
		"RUNNER_CREDENTIALS": "none",
	})
	if err != nil {
		t.Fatal(err)
	}
	step := steps.Step{Role: "of the file", Account: "of the file", Credentials: steps.TaskCredentials, Origin: map[string]string{}}
	c.Apply(&step)
	if step.Role != c.Role || step.Account != c.Account || step.Region != "eu-west-1" || step.Credentials != steps.NoCredentials {
		t.Errorf("%+v", step)
	}
	if step.Origin["role"] != "RUNNER_ROLE" || step.Origin["credentials"] != "RUNNER_CREDENTIALS" {
		t.Errorf("%v", step.Origin)
	}
	own := steps.Step{Role: "of the file", Origin: map[string]string{}}
	Config{}.Apply(&own)
	if own.Role != "of the file" || len(own.Origin) > 0 {
		t.Errorf("without variables it changes: %+v", own)
	}
	if _, err := Read(map[string]string{"RUNNER_CREDENTIALS": "some"}); err == nil {
		t.Error("other credentials are accepted")
	}
}

package environment

import (
	"maps"
	"slices"
	"testing"

	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps"
)

func TestACommandGetsNoPrivateVariable(t *testing.T) {
	s := &session.Session{Variables: map[string]string{
		"SLACK_WEBHOOK_URL": "https://hooks.slack.com/x", "GITHUB_TOKEN": "ghp_x", "RUNNER_SSH_KEY": "key", "KEPT": "yes",
	}}
	got := New(s, steps.Step{Directory: "."}).Variables
	for _, name := range private {
		if value, ok := got[name]; ok {
			t.Errorf("it gets %s=%s", name, value)
		}
	}
	if got["KEPT"] != "yes" || got["CI"] != "true" {
		t.Errorf("it misses some: %v", got)
	}
}

func TestWithoutCredentialsOnlyTheStepsOwnAreLeft(t *testing.T) {
	variables := map[string]string{"AWS_REGION": "eu-west-1", "OTHER": "x"}
	for _, name := range credentialSources {
		variables[name] = "of the task"
	}
	s := &session.Session{Variables: variables}
	step := steps.Step{
		Directory:   ".",
		Credentials: steps.NoCredentials,
		Environment: map[string]string{"AWS_ROLE_ARN": "of the step"},
	}
	got := New(s, step).Variables
	for _, name := range credentialSources {
		if value, ok := got[name]; ok && value != "of the step" {
			t.Errorf("%s is %q", name, value)
		}
	}
	if got["AWS_ROLE_ARN"] != "of the step" || got["AWS_REGION"] != "eu-west-1" ||
		got["AWS_EC2_METADATA_DISABLED"] != "true" {
		t.Errorf("%v", got)
	}
	step.Credentials = steps.TaskCredentials
	if got := New(s, step).Variables; got["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == "" {
		t.Error("the task's credentials are gone by default")
	}
}

func TestReferencesAreTakenOutOfTheEnvironment(t *testing.T) {
	s := &session.Session{
		Variables: map[string]string{
			"API_TOKEN":       "ssm:/a",
			"ARTIFACT_BUCKET": "file:///dir",
		}, Config: config.Config{Environment: "staging"},
	}
	e := New(s, steps.Step{Directory: ".", Required: []string{"API_TOKEN", "ABSENT"}})
	if names := slices.Collect(maps.Keys(e.References)); !slices.Equal(names, []string{"API_TOKEN"}) ||
		e.Variables["API_TOKEN"] != "" {
		t.Errorf("references are %v, the variable is %q", names, e.Variables["API_TOKEN"])
	}
	if e.Variables["ARTIFACT_BUCKET"] != "file:///dir" || e.Variables["ENVIRONMENT"] != "staging" {
		t.Errorf("%v", e.Variables)
	}
	if missing := Missing(steps.Step{Required: []string{"API_TOKEN", "ABSENT"}}, e); !slices.Equal(
		missing,
		[]string{"ABSENT"},
	) {
		t.Errorf("missing are %v", missing)
	}
}

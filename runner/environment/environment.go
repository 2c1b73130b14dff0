// Package environment makes the environment of the step's command, and knows which of its variables are secret.
package environment

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/runner/account"
	"github.com/carlin-cicd/runner/runner/deploy/carlin"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/secrets"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/telemetry"
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/reference"
)

// private are the runner's own variables, which the command does not get: what it does not have it cannot leak.
var private = []string{"SLACK_WEBHOOK_URL", "SLACK_BOT_TOKEN", "GITHUB_TOKEN", "RUNNER_SSH_KEY"}

// sharding are variables that would divide the tests of a runner that a test starts.
var sharding = []string{
	"RUNNER_SHARD", "RUNNER_SHARD_RUN", "RUNNER_SHARD_HISTORY", "RUNNER_SHARD_MERGE", "RUNNER_SHARD_ORIGIN",
	"RUNNER_MERGE_SHARDS", "RUNNER_PARALLEL",
}

// IsPrivate reports whether a variable is one that only the runner uses.
func IsPrivate(name string) bool { return slices.Contains(private, name) }

// Environment is the command's environment, before and after its secrets are resolved.
type Environment struct {
	Variables  map[string]string
	References map[string]reference.Reference // variables whose values are not resolved yet
}

// New returns what the runner got, less what is private, plus what the step sets and what identifies the run.
func New(s *session.Session, step steps.Step) Environment {
	e := Environment{Variables: maps.Clone(s.Variables), References: map[string]reference.Reference{}}
	for _, name := range slices.Concat(private, sharding) {
		delete(e.Variables, name)
	}
	for _, name := range telemetry.HeaderVariables { // the command's own OpenTelemetry cannot resolve a reference
		if _, ok := reference.Parse(e.Variables[name], true); ok {
			delete(e.Variables, name)
		}
	}
	maps.Copy(e.Variables, step.Environment)
	maps.Copy(e.Variables, step.Secrets)
	for name, value := range e.Variables {
		// ARTIFACT_BUCKET=file:///dir is a place, not a secret: the runner's own variables are never resolved.
		_, declared := step.Secrets[name]
		if ref, ok := reference.Parse(value, declared || redact.IsSecretName(name)); ok {
			e.References[name] = ref
			delete(e.Variables, name)
		}
	}
	if step.Credentials == steps.NoCredentials {
		dropCredentials(e.Variables, step.Environment)
	}
	dir := s.Path(step.Directory)
	if region, err := account.Expand("region", step.Region, step.Name, e.Variables); err == nil && region != "" {
		e.Variables["AWS_REGION"], e.Variables["AWS_DEFAULT_REGION"] = region, region
		if carlin.Deploys(carlin.ExpandScripts(step.Command.String(), dir)) {
			e.Variables["CARLIN_REGION"] = region
		}
	}
	if carlin.Deploys(carlin.ExpandScripts(step.Command.String(), dir)) && !configuresRegion(dir, e.Variables, s.Config.Environment) {
		// it would deploy to us-east-1
		if region := cmp.Or(e.Variables["AWS_REGION"], e.Variables["AWS_DEFAULT_REGION"]); region != "" {
			e.Variables["CARLIN_REGION"] = region
		}
	}
	for name, value := range map[string]string{
		"CI": "true", "PIPELINE_STEP": step.Name, "BRANCH": s.Ref.Branch, "GIT_SHA": s.Ref.SHA,
		"ENVIRONMENT": s.Config.Environment, "STACK_NAME": s.Config.StackName, "RUN_ID": s.ID, "TRACEPARENT": s.Config.TraceParent,
	} {
		if value != "" {
			e.Variables[name] = value
		}
	}
	// Without them jest-junit names no files, and passes over those that cannot be loaded.
	for name, wanted := range map[string]bool{
		"JEST_JUNIT_ADD_FILE_ATTRIBUTE":       len(step.Reports) > 0,
		"JEST_JUNIT_REPORT_TEST_SUITE_ERRORS": !step.Rerun.IsZero() || len(step.Quarantine) > 0,
	} {
		if wanted && e.Variables[name] == "" {
			e.Variables[name] = "true"
		}
	}
	// Tools that are the project's own dependencies, carlin among them, are found without npx; what is on PATH already
	// wins.
	e.Variables["PATH"] = strings.TrimPrefix(
		e.Variables["PATH"]+":"+dir+"/node_modules/.bin:"+s.Config.Workspace+"/node_modules/.bin",
		":",
	)
	return e
}

// Names returns every variable the command will have, sorted.
func (e Environment) Names() []string {
	return slices.Sorted(func(yield func(string) bool) {
		for name := range e.Variables {
			if !yield(name) {
				return
			}
		}
		for name := range e.References {
			if !yield(name) {
				return
			}
		}
	})
}

// List returns the variables as execve takes them.
func (e Environment) List() []string { return session.Entries(e.Variables) }

// Secrets returns the secrets that stand in variables as they are, by the variables' names.
func Secrets(variables map[string]string) []redact.Secret {
	var found []redact.Secret
	for name, value := range variables {
		if redact.IsSecretName(name) || slices.Contains(private, name) {
			if _, isReference := reference.Parse(value, true); !isReference && value != "" {
				found = append(found, redact.Secret{Name: name, Value: value})
			}
		}
		for _, password := range redact.URLPasswords(value) { // of a database, in whatever variable
			found = append(found, redact.Secret{Name: name, Value: password})
		}
	}
	return found
}

// own are the variables that the runner sets itself, and that no loaded value may change.
var own = []string{
	"CI",
	"PIPELINE_STEP",
	"BRANCH",
	"GIT_SHA",
	"ENVIRONMENT",
	"STACK_NAME",
	"RUN_ID",
	"TRACEPARENT",
	"PATH",
	"HOME",
	"LD_PRELOAD",
	"LD_LIBRARY_PATH",
}

// Reserved reports whether the runner or what runs the command relies on a variable, so that no parameter below a path
// and no output of another step may set it.
func Reserved(name string) bool {
	return slices.Contains(own, name) || slices.Contains(private, name) || strings.HasPrefix(name, "AWS_") ||
		strings.HasPrefix(name, "ECS_") ||
		strings.HasPrefix(name, "RUNNER_") || strings.HasPrefix(name, "SERVICE_")
}

// Resolver returns the resolver of references, relative to the workspace and with the session's AWS.
func Resolver(s *session.Session) *secrets.Resolver {
	return &secrets.Resolver{Dir: s.Config.Workspace, Reserved: Reserved, LoadConfig: s.AWS}
}

// configuresRegion reports whether carlin knows the region without AWS_REGION.
func configuresRegion(dir string, variables map[string]string, environment string) bool {
	_, configured := carlin.Region(dir, map[string]string{
		"CARLIN_REGION": variables["CARLIN_REGION"], "ENVIRONMENT": environment,
	})
	return configured
}

// Missing returns the variables that a step requires and that are not set, or empty.
func Missing(step steps.Step, e Environment) []string {
	var names []string
	for _, name := range step.Required {
		_, later := e.References[name]
		for _, r := range e.References {
			later = later || r.IsPath() // which may bring it
		}
		if !later && e.Variables[name] == "" {
			names = append(names, name)
		}
	}
	return names
}

package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/secrets"
	"github.com/carlin-cicd/runner/runner/telemetry"
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/reference"
)

// private are the runner's own variables: the command has no use for them, and a secret it does not have it cannot leak.
var private = []string{"SLACK_WEBHOOK_URL", "GITHUB_TOKEN", "RUNNER_SSH_KEY"}

// environment is what the command will be given, before and after its secrets are known.
type environment struct {
	variables  map[string]string
	references map[string]reference.Reference // what variables still has to get from elsewhere
}

// childEnvironment is what the runner got, less what is private, plus what the step sets and what the run is called.
func (r *run) childEnvironment() environment {
	e := environment{variables: maps.Clone(r.in.Variables), references: map[string]reference.Reference{}}
	for _, name := range private {
		delete(e.variables, name)
	}
	for _, name := range telemetry.HeaderVariables { // the command's own OpenTelemetry cannot resolve a reference
		if _, ok := reference.Parse(e.variables[name], true); ok {
			delete(e.variables, name)
		}
	}
	maps.Copy(e.variables, r.step.Environment)
	maps.Copy(e.variables, r.step.Secrets)
	for name, value := range e.variables {
		// ARTIFACT_BUCKET=file:///dir is a place, not a secret: the runner's own variables are never resolved.
		_, declared := r.step.Secrets[name]
		if ref, ok := reference.Parse(value, declared || redact.IsSecretName(name)); ok {
			e.references[name] = ref
			delete(e.variables, name)
		}
	}
	if deploysByCarlin(r.carlinLine()) && carlinRegion(r.directory(), e.variables) == "" { // which would then deploy to us-east-1
		if region := first(e.variables["AWS_REGION"], e.variables["AWS_DEFAULT_REGION"]); region != "" {
			e.variables["CARLIN_REGION"] = region
		}
	}
	for name, value := range map[string]string{
		"CI": "true", "PIPELINE_STEP": r.step.Name, "BRANCH": r.ref.Branch, "GIT_SHA": r.ref.SHA,
		"ENVIRONMENT": r.config.Environment, "STACK_NAME": r.config.StackName, "RUN_ID": r.id, "TRACEPARENT": r.config.TraceParent,
	} {
		if value != "" {
			e.variables[name] = value
		}
	}
	if !r.step.Rerun.IsZero() || len(r.step.Quarantine) > 0 { // without them jest-junit names no files, and passes over those that cannot be loaded
		for _, name := range []string{"JEST_JUNIT_ADD_FILE_ATTRIBUTE", "JEST_JUNIT_REPORT_TEST_SUITE_ERRORS"} {
			if e.variables[name] == "" {
				e.variables[name] = "true"
			}
		}
	}
	// Tools that are the project's own dependencies, carlin among them, are found without npx; what is on PATH already wins.
	e.variables["PATH"] = strings.TrimPrefix(e.variables["PATH"]+":"+r.directory()+"/node_modules/.bin:"+r.config.Workspace+"/node_modules/.bin", ":")
	return e
}

// names returns every variable the command will have, sorted.
func (e environment) names() []string {
	return slices.Sorted(func(yield func(string) bool) {
		for name := range e.variables {
			if !yield(name) {
				return
			}
		}
		for name := range e.references {
			if !yield(name) {
				return
			}
		}
	})
}

// list returns the variables as execve takes them.
func (e environment) list() []string {
	list := make([]string, 0, len(e.variables))
	for name, value := range e.variables {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// known are the secrets that are in the environment as they are: everything whose name says so.
func known(variables map[string]string) []redact.Secret {
	var found []redact.Secret
	for name, value := range variables {
		if redact.IsSecretName(name) || slices.Contains(private, name) {
			if _, isReference := reference.Parse(value, true); !isReference && value != "" {
				found = append(found, redact.Secret{Name: name, Value: value})
			}
		}
	}
	return found
}

// own are the variables that the runner sets itself, which nothing that is loaded may change.
var own = []string{"CI", "PIPELINE_STEP", "BRANCH", "GIT_SHA", "ENVIRONMENT", "STACK_NAME", "RUN_ID", "TRACEPARENT", "PATH", "HOME", "LD_PRELOAD", "LD_LIBRARY_PATH"}

// reserved reports whether the runner or what runs the command relies on a variable, so that no secret may set it
// which happens to lie under a path.
func reserved(name string) bool {
	return slices.Contains(own, name) || slices.Contains(private, name) || strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "ECS_") || strings.HasPrefix(name, "RUNNER_")
}

// resolver finds the values of references, as seen from this workspace and with this run's AWS.
func (r *run) resolver() *secrets.Resolver {
	return &secrets.Resolver{Dir: r.config.Workspace, Reserved: reserved, LoadConfig: r.aws}
}

// resolve asks for the values of all references and tells the redactor before anything else can see them.
func (r *run) resolve(e environment) error {
	if len(e.references) == 0 {
		return nil
	}
	ctx, cancel := context.WithDeadline(r.stop.work, r.deadline)
	defer cancel()
	resolved, err := r.resolver().Resolve(ctx, e.references)
	for _, note := range resolved.Notes {
		r.log.Warn(note)
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	if err != nil && time.Now().After(r.deadline) {
		return &process.TimeoutError{Limit: r.step.Timeout}
	}
	if failed := (*secrets.Error)(nil); errors.As(err, &failed) {
		return &SecretsError{Message: failed.Error(), Advice: failed.Hint(), Transient: failed.Retryable()}
	}
	var values, leaves []redact.Secret
	for _, s := range resolved.Secrets {
		if _, own := e.references[s.Variable]; !own && e.variables[s.Variable] != "" && r.step.Environment[s.Variable] != "" {
			r.log.Warn("a variable under environment wins over the parameter of that name", "variable", s.Variable, "source", s.Source)
			continue
		}
		values = append(values, redact.Secret{Name: s.Variable, Value: s.Value()})
		for _, leaf := range s.Leaves() {
			leaves = append(leaves, redact.Secret{Name: s.Variable, Value: leaf})
		}
		e.variables[s.Variable] = s.Value()
	}
	told := r.redactor.Unredacted()
	r.redactor.Add(values...)
	for _, name := range r.redactor.Unredacted() {
		if !slices.Contains(told, name) {
			r.log.Warn("the value is too short or too common to be redacted", "variable", name)
		}
	}
	if names := missing(r.step, environment{variables: e.variables}); names != nil {
		return &SecretsError{
			Message: fmt.Sprintf("%s is required for step %s, and what it refers to is empty", strings.Join(names, ", "), r.step.Name),
			Advice:  "give the secret a value; runner secrets check shows what there is",
		}
	}
	r.redactor.Add(leaves...) // among them are ports and user names: that they are short is nobody's concern
	return nil
}

// missing returns the required variables that are not set, or empty.
func missing(step steps.Step, e environment) []string {
	var names []string
	for _, name := range step.Required {
		_, later := e.references[name]
		for _, r := range e.references {
			later = later || r.IsPath() // which may bring it
		}
		if !later && e.variables[name] == "" {
			names = append(names, name)
		}
	}
	return names
}

// required sees that what the step requires is there. What another step may hand on is asked for once that is known.
func (r *run) required(outstanding bool) error {
	names := missing(r.step, r.env)
	if outstanding {
		names = slices.DeleteFunc(names, func(name string) bool { return refusedOutput(name) == "" })
	}
	if len(names) == 0 {
		return nil
	}
	return &ConfigError{
		Message: fmt.Sprintf("%s is required for step %s", strings.Join(names, ", "), r.step.Name),
		Advice:  fmt.Sprintf("set it, as in %s=production; the step was not started", names[0]),
	}
}

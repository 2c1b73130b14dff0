package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/environment"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/secrets"
)

// resolveSecrets resolves all references, and adds the values to the redactor before anything else can see them.
func (r *run) resolveSecrets(e environment.Environment) error {
	environment.RedactCredentials(r.Stop.Work, &r.Session, e)
	if len(e.References) == 0 {
		return nil
	}
	ctx, cancel := context.WithDeadline(r.Stop.Work, r.Deadline)
	defer cancel()
	resolved, err := environment.Resolver(&r.Session).Resolve(ctx, e.References)
	for _, note := range resolved.Notes {
		r.Log.Warn(note)
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	if err != nil && time.Now().After(r.Deadline) {
		return &process.TimeoutError{Limit: r.step.Timeout}
	}
	if failed := (*secrets.Error)(nil); errors.As(err, &failed) {
		return &outcome.SecretsError{Message: failed.Error(), Advice: failed.Hint(), Transient: failed.Retryable()}
	}
	var values, leaves []redact.Secret
	for _, s := range resolved.Secrets {
		if _, own := e.References[s.Variable]; !own && e.Variables[s.Variable] != "" &&
			r.step.Environment[s.Variable] != "" {
			r.Log.Warn(
				"a variable under environment wins over the parameter of that name",
				"variable",
				s.Variable,
				"source",
				s.Source,
			)
			continue
		}
		values = append(values, redact.Secret{Name: s.Variable, Value: s.Value()})
		for _, leaf := range s.Leaves() {
			leaves = append(leaves, redact.Secret{Name: s.Variable, Value: leaf})
		}
		e.Variables[s.Variable] = s.Value()
	}
	known := r.Redactor.Unredacted()
	r.Redactor.Add(values...)
	for _, name := range r.Redactor.Unredacted() {
		if !slices.Contains(known, name) {
			r.Log.Warn("the value is too short or too common to be redacted", "variable", name)
		}
	}
	if names := environment.Missing(r.step, environment.Environment{Variables: e.Variables}); names != nil {
		return &outcome.SecretsError{
			Message: fmt.Sprintf(
				"%s is required for step %s, and the value of its reference is empty",
				strings.Join(names, ", "),
				r.step.Name,
			),
			Advice: "give the secret a value; runner secrets check shows what is stored",
		}
	}
	r.Redactor.Add(leaves...) // they include ports and user names, which may be short
	return nil
}

// checkRequired checks that the variables that the step requires are set. While inputs are outstanding, those that
// another step may provide are not missing yet.
func (r *run) checkRequired(outstanding bool) error {
	names := environment.Missing(r.step, r.env)
	if outstanding {
		names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(r.step.Inputs, name) })
	}
	if len(names) == 0 {
		return nil
	}
	return &outcome.ConfigError{
		Message: fmt.Sprintf("%s is required for step %s", strings.Join(names, ", "), r.step.Name),
		Advice:  fmt.Sprintf("set it, as in %s=production; the step was not started", names[0]),
	}
}

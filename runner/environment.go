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

// resolve asks for the values of all references and tells the redactor before anything else can see them.
func (r *run) resolve(e environment.Environment) error {
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
		if _, own := e.References[s.Variable]; !own && e.Variables[s.Variable] != "" && r.step.Environment[s.Variable] != "" {
			r.Log.Warn("a variable under environment wins over the parameter of that name", "variable", s.Variable, "source", s.Source)
			continue
		}
		values = append(values, redact.Secret{Name: s.Variable, Value: s.Value()})
		for _, leaf := range s.Leaves() {
			leaves = append(leaves, redact.Secret{Name: s.Variable, Value: leaf})
		}
		e.Variables[s.Variable] = s.Value()
	}
	told := r.Redactor.Unredacted()
	r.Redactor.Add(values...)
	for _, name := range r.Redactor.Unredacted() {
		if !slices.Contains(told, name) {
			r.Log.Warn("the value is too short or too common to be redacted", "variable", name)
		}
	}
	if names := environment.Missing(r.step, environment.Environment{Variables: e.Variables}); names != nil {
		return &outcome.SecretsError{
			Message: fmt.Sprintf("%s is required for step %s, and what it refers to is empty", strings.Join(names, ", "), r.step.Name),
			Advice:  "give the secret a value; runner secrets check shows what there is",
		}
	}
	r.Redactor.Add(leaves...) // among them are ports and user names: that they are short is nobody's concern
	return nil
}

// required sees that what the step requires is there. What another step may hand on is asked for once that is known.
func (r *run) required(outstanding bool) error {
	names := environment.Missing(r.step, r.env)
	if outstanding {
		names = slices.DeleteFunc(names, func(name string) bool { return refusedOutput(name) == "" })
	}
	if len(names) == 0 {
		return nil
	}
	return &outcome.ConfigError{
		Message: fmt.Sprintf("%s is required for step %s", strings.Join(names, ", "), r.step.Name),
		Advice:  fmt.Sprintf("set it, as in %s=production; the step was not started", names[0]),
	}
}

package runner

import (
	"context"
	"errors"
	"sync"

	"github.com/carlin-cicd/runner/runner/environment"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/secrets"
	"github.com/carlin-cicd/runner/steps/reference"
)

// privateValues are those of the runner's own variables that have been asked for, so that each is asked for once.
type privateValues struct {
	mu    sync.Mutex
	known map[string]string
}

// privately resolves references in the runner's own variables, which the command is never given: to check out a commit,
// or to tell somebody. It returns the values by name; a variable that is not set is not among them.
func (r *run) privately(ctx context.Context, names ...string) (map[string]string, error) {
	r.private.mu.Lock() // whoever comes second need not ask
	defer r.private.mu.Unlock()
	values, references := map[string]string{}, map[string]reference.Reference{}
	for _, name := range names {
		value := r.Variables[name]
		if known, ok := r.private.known[name]; ok {
			values[name] = known
		} else if ref, ok := reference.Parse(value, true); ok {
			references[name] = ref
		} else if value != "" {
			values[name] = value
		}
	}
	if len(references) == 0 {
		return values, nil
	}
	resolved, err := environment.Resolver(&r.Session).Resolve(ctx, references)
	for _, s := range resolved.Secrets {
		if r.private.known == nil {
			r.private.known = map[string]string{}
		}
		values[s.Variable], r.private.known[s.Variable] = s.Value(), s.Value()
		r.Redactor.Add(redact.Secret{Name: s.Variable, Value: s.Value()})
	}
	var failed *secrets.Error
	if errors.As(err, &failed) {
		return values, &outcome.SecretsError{Message: failed.Error(), Advice: failed.Hint(), Transient: failed.Retryable()}
	}
	return values, err
}

package environment

import (
	"context"
	"errors"
	"sync"

	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/secrets"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps/reference"
)

// Private resolves the runner's own variables, which the command never gets: credentials for the checkout and for
// notifications. Each value is fetched once. The zero value is ready.
type Private struct {
	mu       sync.Mutex
	resolved map[string]string
}

// Resolve returns the values of variables by name, references resolved; variables that are not set are left out. Every
// resolved value is added to the session's redactor. The error is a *outcome.SecretsError.
func (p *Private) Resolve(ctx context.Context, s *session.Session, names ...string) (map[string]string, error) {
	p.mu.Lock() // a concurrent call for the same value waits for the first
	defer p.mu.Unlock()
	values, references := map[string]string{}, map[string]reference.Reference{}
	for _, name := range names {
		value := s.Variables[name]
		if resolved, ok := p.resolved[name]; ok {
			values[name] = resolved
		} else if ref, ok := reference.Parse(value, true); ok {
			references[name] = ref
		} else if value != "" {
			values[name] = value
		}
	}
	if len(references) == 0 {
		return values, nil
	}
	found, err := Resolver(s).Resolve(ctx, references)
	for _, secret := range found.Secrets {
		if p.resolved == nil {
			p.resolved = map[string]string{}
		}
		values[secret.Variable], p.resolved[secret.Variable] = secret.Value(), secret.Value()
		s.Redactor.Add(redact.Secret{Name: secret.Variable, Value: secret.Value()})
	}
	var failed *secrets.Error
	if errors.As(err, &failed) {
		return values, &outcome.SecretsError{
			Message:   failed.Error(),
			Advice:    failed.Hint(),
			Transient: failed.Retryable(),
		}
	}
	return values, err
}

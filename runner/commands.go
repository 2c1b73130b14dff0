package runner

import (
	"context"
	"errors"
	"io"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/environment"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/secrets"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/units"
)

// Identify returns the branch and the commit of a run with this configuration, and whether the workspace has changes
// that are not in it. The error is a *outcome.ConfigError.
func Identify(
	ctx context.Context,
	variables map[string]string,
	c config.Config,
) (ref artifacts.Ref, changed bool, err error) {
	s := session.New(ctx, variables, c)
	err = s.Identify()
	return s.Ref, s.Dirty, err
}

// CheckSecrets resolves every secret of a step as a run would, and writes the result without values. The error is a
// *outcome.SecretsError if one cannot be resolved, a *outcome.ConfigError for input that is refused.
func CheckSecrets(ctx context.Context, w io.Writer, variables map[string]string, c config.Config) error {
	r := &run{Session: *session.New(ctx, variables, c)}
	if err := r.chooseStep(); err != nil {
		return outcome.Refused(err)
	}
	resolved, err := environment.Resolver(&r.Session).Resolve(ctx, environment.New(&r.Session, r.step).References)
	err = secrets.WriteReport(w, resolved, err)
	var failed *secrets.Error
	if errors.As(err, &failed) {
		return &outcome.SecretsError{
			Message:   units.Count(len(failed.Failures), "secret") + " cannot be resolved",
			Transient: failed.Retryable(),
		}
	}
	return err
}

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
	"github.com/carlin-cicd/runner/runner/sizing/fargate"
	"github.com/carlin-cicd/runner/runner/units"
)

// What the commands beside a run share with it, so that they mean the same by the same words.

// Identify finds the branch and the commit that a run with this configuration would be of, and reports whether the
// workspace has changes that are not in it. The error is a *outcome.ConfigError.
func Identify(ctx context.Context, variables map[string]string, c config.Config) (ref artifacts.Ref, changed bool, err error) {
	r := besides(ctx, variables, c)
	err = r.Identify()
	return r.Ref, r.Dirty, err
}

// besides is as much of a run as is needed to ask what it would do.
func besides(ctx context.Context, variables map[string]string, c config.Config) *run {
	return &run{in: Invocation{Variables: variables}, Session: *session.New(ctx, variables, c)}
}

// CheckSecrets asks for every secret of a step as a run would, and writes what there is: never a value. The error is a
// *outcome.SecretsError when one cannot be had, a *outcome.ConfigError for input that is refused.
func CheckSecrets(ctx context.Context, w io.Writer, variables map[string]string, c config.Config) error {
	r := besides(ctx, variables, c)
	if err := r.chooseStep(); err != nil {
		return outcome.Refused(err)
	}
	resolved, err := environment.Resolver(&r.Session).Resolve(ctx, environment.New(&r.Session, r.step).References)
	err = secrets.WriteReport(w, resolved, err)
	var failed *secrets.Error
	if errors.As(err, &failed) {
		return &outcome.SecretsError{Message: Count(len(failed.Failures), "secret") + " cannot be had", Transient: failed.Retryable()}
	}
	return err
}

// Size is a number of bytes as the summary of a run has it.
func Size(bytes int64) string { return units.Size(bytes) }

// Count is a number of things: "1 file", "2 files".
func Count(n int, what string) string { return plural(n, what) }

// Nearby is a path as one would type it from here.
func Nearby(path string) string { return nearby(path) }

// Dollars is an amount of money as the summary of a run has it.
func Dollars(amount float64) string { return fargate.Dollars(amount) }

package runner

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/fargate"
	"github.com/carlin-cicd/runner/runner/secrets"
	"github.com/carlin-cicd/runner/runner/units"
)

// What the commands beside a run share with it, so that they mean the same by the same words.

// NewID returns the id of a new run. Ids sort by time.
func NewID() string { return strings.ToLower(ulid.Make().String()) }

// Identify finds the branch and the commit that a run with this configuration would be of, and reports whether the
// workspace has changes that are not in it. The error is a *ConfigError.
func Identify(ctx context.Context, variables map[string]string, c Config) (ref artifacts.Ref, changed bool, err error) {
	r := besides(ctx, variables, c)
	err = r.identify()
	return r.ref, r.dirty, err
}

// besides is as much of a run as is needed to ask what it would do.
func besides(ctx context.Context, variables map[string]string, c Config) *run {
	return &run{in: Invocation{Variables: variables}, begun: time.Now(), config: c, id: NewID(), aws: NewAWS(), stop: newStopper(ctx, time.Second, nil)}
}

// CheckSecrets asks for every secret of a step as a run would, and writes what there is: never a value. The error is a
// *SecretsError when one cannot be had, a *ConfigError for input that is refused.
func CheckSecrets(ctx context.Context, w io.Writer, variables map[string]string, c Config) error {
	r := besides(ctx, variables, c)
	if err := r.chooseStep(); err != nil {
		return refuse(err)
	}
	resolved, err := r.resolver().Resolve(ctx, r.childEnvironment().references)
	err = secrets.WriteReport(w, resolved, err)
	var failed *secrets.Error
	if errors.As(err, &failed) {
		return &SecretsError{Message: Count(len(failed.Failures), "secret") + " cannot be had", Transient: failed.Retryable()}
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

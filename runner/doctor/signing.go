package doctor

import (
	"context"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/signing"
)

// signingKey checks that the key of RUNNER_SIGNING_KEY is one that signs, and that its public key can be fetched.
// Nothing is signed, so whether kms:Sign is allowed shows with the first build.
func (e *examiner) signingKey(ctx context.Context) {
	id := e.session.Config.SigningKey
	if id == "" {
		return
	}
	const subject = "signing key"
	config, err := e.session.AWS(ctx)
	var key *signing.Key
	if err == nil {
		key, err = signing.Open(ctx, config, id)
	}
	if err != nil {
		e.problem(artifacts.Failure, subject, err.Error(), outcome.Hint(err))
		return
	}
	e.ok(
		subject, "%s signs with %s; whether the role may do that shows with the first build", key.ARN,
		key.Public.Algorithm(),
	)
}

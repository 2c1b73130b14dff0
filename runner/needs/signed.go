package needs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/provenance"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/signing"
)

// CheckSigned returns a *outcome.GuardError unless the statement of who built a set is about these files and signed
// with the key of RUNNER_SIGNING_KEY. Without that variable every set passes.
func CheckSigned(ctx context.Context, s *session.Session, m artifacts.Manifest) error {
	if s.Config.SigningKey == "" {
		return nil
	}
	config, err := s.AWS(ctx)
	if err != nil {
		return outcome.ArtifactsError{Err: err}
	}
	key, err := signing.Open(ctx, config, s.Config.SigningKey)
	if err != nil {
		return outcome.ArtifactsError{Err: err}
	}
	return checkSignature(ctx, s, m, key.Public, key.ARN)
}

func checkSignature(
	ctx context.Context, s *session.Session, m artifacts.Manifest, key provenance.PublicKey, name string,
) error {
	refuse := func(what string) error {
		return &outcome.GuardError{
			Message: fmt.Sprintf("the %s of commit %.12s are not signed by %s: %s", m.Kind, m.SHA, name, what),
			Advice: "see runner artifacts verify " + m.Kind + " --provenance; build the commit again with RUNNER_SIGNING_KEY, " +
				"on a branch whose role may sign",
		}
	}
	stored, err := artifacts.ReadProvenance(ctx, s.Store, m.Kind, m.Ref())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return refuse("they have no provenance")
	case err != nil:
		return outcome.ArtifactsError{Err: err}
	}
	d, err := provenance.Decode(stored)
	if err != nil {
		return refuse(err.Error())
	}
	if differences := provenance.Differences(d.Statement, m); len(differences) > 0 {
		return refuse("their provenance is about other files: " + differences[0])
	}
	switch d.Signature(&key) {
	case provenance.Verified:
		s.Log.Info(
			"verified who built the artifact", "artifact", m.Kind, "run_id",
			d.Statement.Predicate.RunDetails.Metadata.InvocationID, "key", name,
		)
		return nil
	case provenance.Unsigned:
		return refuse("their provenance is not signed")
	}
	return refuse("the signature of their provenance is of another key")
}

package needs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/session"
)

// Manifest returns the manifest of a set of the session's commit, from its branch or from the main branch. The error is
// fs.ErrNotExist if there is none.
func Manifest(ctx context.Context, s *session.Session, kind string) (artifacts.Manifest, error) {
	err := fs.ErrNotExist
	for _, branch := range Branches(s) {
		var m artifacts.Manifest
		if m, err = artifacts.ReadManifest(
			ctx, s.Store, kind, artifacts.Ref{Branch: branch, SHA: s.Ref.SHA},
		); !errors.Is(
			err,
			fs.ErrNotExist,
		) {
			return m, err
		}
	}
	return artifacts.Manifest{}, err
}

// CheckDigest returns a *outcome.GuardError if a set is not the one that was approved: that of
// RUNNER_ARTIFACT_DIGESTS, else the one on record as published by the newest run of a step that publishes it. A set
// without either passes, unless the variable says that none was approved.
func CheckDigest(ctx context.Context, s *session.Session, publishers []string, m artifacts.Manifest) error {
	return checkDigest(s, publishers, m, lookUp(ctx, s, m.Kind, publishers))
}

// lookUp finds the newest runs of the steps that publish a set, if CheckDigest goes by them, side by side with each
// other and with the caller, who asks for one of them by what it returns.
func lookUp(
	ctx context.Context, s *session.Session, kind string, names []string,
) func(i int) (record.Latest, error) {
	found, problems := make([]record.Latest, len(names)), make([]error, len(names))
	var beside sync.WaitGroup
	if s.Config.Digests != config.NoDigests && s.Config.ArtifactDigests()[kind] == "" {
		for i, name := range names {
			beside.Go(func() { found[i], problems[i] = Find(ctx, s, name) })
		}
	}
	return func(i int) (record.Latest, error) {
		beside.Wait()
		return found[i], problems[i]
	}
}

func checkDigest(
	s *session.Session, publishers []string, m artifacts.Manifest, published func(i int) (record.Latest, error),
) error {
	if s.Config.Digests == config.NoDigests {
		return &outcome.GuardError{
			Message: fmt.Sprintf(
				"the %s of commit %.12s are not approved: no build of it was on record when the pipeline began to deliver",
				m.Kind, m.SHA,
			),
			Advice: "build the commit on its branch or the main branch, then start the pipeline again",
		}
	}
	if want := s.Config.ArtifactDigests()[m.Kind]; want != "" {
		if m.Digest() == want {
			return nil
		}
		return &outcome.GuardError{
			Message: fmt.Sprintf(
				"the %s of commit %.12s are not those that were approved: run %s published sha256 %.12s, approved is %.12s",
				m.Kind,
				m.SHA,
				m.RunID,
				m.Digest(),
				want,
			),
			Advice: "find out who replaced them; to deploy these, approve them, or correct RUNNER_ARTIFACT_DIGESTS",
		}
	}
	for i, step := range publishers {
		latest, err := published(i)
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && latest.Digests[m.Kind] == "":
			continue
		case err != nil:
			return outcome.ArtifactsError{Err: err}
		case latest.Digests[m.Kind] == m.Digest():
			return nil
		}
		return &outcome.GuardError{
			Message: fmt.Sprintf(
				"the %s of commit %.12s are not those that step %s published: run %s published sha256 %.12s, run %s of %s has %.12s on record",
				m.Kind,
				m.SHA,
				step,
				m.RunID,
				m.Digest(),
				latest.RunID,
				step,
				latest.Digests[m.Kind],
			),
			Advice: "find out who replaced them, and run it again: runner --step " + step + " --force",
		}
	}
	return nil
}

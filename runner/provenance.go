package runner

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/provenance"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/signing"
	"github.com/carlin-cicd/runner/steps"
)

// attester states that the run has built a set, and signs that if RUNNER_SIGNING_KEY is set.
type attester struct {
	run *run
	key *signing.Key // nil without a key
}

// attesterFor returns what makes the statement of an artifact, nil if it is not a build.
func (r *run) attesterFor(ctx context.Context, a steps.Artifact) (artifacts.Attester, error) {
	if !isBuild(a) {
		return nil, nil
	}
	key, err := r.openSigningKey(ctx)
	if err != nil {
		return nil, err
	}
	return &attester{r, key}, nil
}

// openSigningKey returns the key of RUNNER_SIGNING_KEY, or nil.
func (r *run) openSigningKey(ctx context.Context) (*signing.Key, error) {
	if r.Config.SigningKey == "" {
		return nil, nil
	}
	config, err := r.AWS(ctx)
	if err != nil {
		return nil, err
	}
	return signing.Open(ctx, config, r.Config.SigningKey)
}

// Attest implements artifacts.Attester.
func (a *attester) Attest(ctx context.Context, m artifacts.Manifest) ([]byte, error) {
	statement := provenance.New(a.run.build(), m)
	if a.key == nil {
		return provenance.Encode(ctx, statement, nil)
	}
	return provenance.Encode(ctx, statement, a.key)
}

// Covers implements artifacts.Attester: an earlier run that built the same files has built them.
func (a *attester) Covers(_ context.Context, m artifacts.Manifest, stored []byte) bool {
	d, err := provenance.Decode(stored)
	switch {
	case err != nil || len(provenance.Differences(d.Statement, m)) > 0:
		return false
	case a.key == nil:
		return true
	}
	return d.Envelope != nil && a.key.Public.Verify(*d.Envelope) == nil
}

// build describes the run as its statements do.
func (r *run) build() provenance.Build {
	b := provenance.Build{
		External: provenance.External{
			Step: r.step.Name, Environment: r.Config.Environment, Repository: r.repositoryURL(),
			Branch: r.Ref.Branch, Commit: r.Ref.SHA,
		},
		Internal: provenance.Internal{
			Task: r.task.ARN, Cluster: r.task.Cluster, Actor: r.actor(), Dirty: r.Dirty, Attempts: len(r.attempts),
		},
		Builder: provenance.Local, Version: r.in.Version, Lockfiles: r.lockfiles,
		RunID: r.ID, Started: r.Began, Finished: time.Now(),
	}
	if r.task.ARN != "" {
		b.Builder = provenance.OnECS
	}
	return redact.Value(r.Redactor, b)
}

// readLockfiles keeps the digests of the lockfiles as the command finds them.
func (r *run) readLockfiles() error {
	if !slices.ContainsFunc(r.step.Artifacts, isBuild) {
		return nil
	}
	var err error
	if r.lockfiles, err = steps.Lockfiles(r.Config.Workspace, ".", r.step.Directory); err != nil {
		return outcome.SourceError{Err: fmt.Errorf("a lockfile cannot be read: %w", err)}
	}
	return nil
}

// isBuild reports whether an artifact is what a command made that passed. Others, such as coverage, are published
// whatever became of the command.
func isBuild(a steps.Artifact) bool { return a.When == steps.OnSuccess }

// isBuild reports whether every step that publishes a kind publishes it as a build.
func (r *run) isBuild(kind string) bool {
	for _, s := range r.steps.All() {
		for _, a := range s.Artifacts {
			if a.Name == kind && !isBuild(a) {
				return false
			}
		}
	}
	return true
}

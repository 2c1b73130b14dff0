// Package provenance says who built a set of artifacts, from which commit and with what: an in-toto statement v1 with
// the predicate SLSA provenance v1, stored beside the set's manifest, and signed in a DSSE envelope if there is a key.
package provenance

import (
	"maps"
	"slices"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

// URIs of the formats, and those that name what the runner does. See artifacts/README.md.
const (
	StatementType = "https://in-toto.io/Statement/v1"
	PredicateType = "https://slsa.dev/provenance/v1"

	// BuildType is the build of a set by one step; its parameters are those of Build.
	BuildType = "https://github.com/carlin-cicd/runner/artifacts/provenance/step/v1"
	// OnECS and Local are the builders: a task of ECS, and the runner anywhere else.
	OnECS = "https://github.com/carlin-cicd/runner/artifacts/provenance/ecs"
	Local = "https://github.com/carlin-cicd/runner/artifacts/provenance/local"
)

// Statement is an in-toto statement about the files of a set.
type Statement struct {
	Type          string    `json:"_type"`
	Subject       []Subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     Predicate `json:"predicate"`
}

// Subject is a file of the set by its key, or the set itself by the key of its manifest and with its digest, see
// artifacts.Manifest.
type Subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// Predicate is SLSA's provenance.
type Predicate struct {
	BuildDefinition BuildDefinition `json:"buildDefinition"`
	RunDetails      RunDetails      `json:"runDetails"`
}

// BuildDefinition is what was asked for.
type BuildDefinition struct {
	BuildType            string     `json:"buildType"`
	ExternalParameters   External   `json:"externalParameters"`
	InternalParameters   Internal   `json:"internalParameters"`
	ResolvedDependencies []Resource `json:"resolvedDependencies,omitempty"`
}

// External is what the one who asked for the build decided.
type External struct {
	Step        string `json:"step"`
	Environment string `json:"environment,omitempty"`
	Repository  string `json:"repository,omitempty"` // URL, without credentials
	Branch      string `json:"branch" redact:"-"`    // or tag
	Commit      string `json:"commit" redact:"-"`
}

// Internal is what the builder decided or found.
type Internal struct {
	Task     string `json:"task,omitempty"`    // ARN
	Cluster  string `json:"cluster,omitempty"` // ARN
	Actor    string `json:"actor,omitempty"`
	Dirty    bool   `json:"dirty,omitempty"` // the workspace had changes that are not in the commit
	Attempts int    `json:"attempts,omitempty"`
}

// Resource is what the build used: the commit, and lockfiles.
type Resource struct {
	Name   string            `json:"name,omitempty"`
	URI    string            `json:"uri,omitempty"`
	Digest map[string]string `json:"digest,omitempty"`
}

// RunDetails is who built it, and when.
type RunDetails struct {
	Builder  Builder  `json:"builder"`
	Metadata Metadata `json:"metadata"`
}

// Builder is OnECS or Local, with its version.
type Builder struct {
	ID      string            `json:"id"`
	Version map[string]string `json:"version"`
}

// Metadata names the run.
type Metadata struct {
	InvocationID string    `json:"invocationId"` // the run's id
	StartedOn    time.Time `json:"startedOn"`
	FinishedOn   time.Time `json:"finishedOn"`
}

// Build is what a run says of itself.
type Build struct {
	External
	Internal
	Builder   string            `redact:"-"` // URI
	Version   string            // of the runner
	Lockfiles map[string]string `redact:"-"` // SHA-256 by path
	RunID     string            `redact:"-"`
	Started   time.Time
	Finished  time.Time
}

// New returns the statement that a build has made the files of a manifest.
func New(b Build, m artifacts.Manifest) Statement {
	return Statement{
		Type: StatementType, Subject: subjects(m), PredicateType: PredicateType,
		Predicate: Predicate{
			BuildDefinition: BuildDefinition{
				BuildType: BuildType, ExternalParameters: b.External, InternalParameters: b.Internal,
				ResolvedDependencies: b.dependencies(),
			},
			RunDetails: RunDetails{
				Builder: Builder{ID: b.Builder, Version: map[string]string{"runner": b.Version}},
				Metadata: Metadata{
					InvocationID: b.RunID, StartedOn: b.Started.UTC().Truncate(time.Millisecond),
					FinishedOn: b.Finished.UTC().Truncate(time.Millisecond),
				},
			},
		},
	}
}

// subjects lists the set first, then its files in the order of the manifest.
func subjects(m artifacts.Manifest) []Subject {
	all := make([]Subject, 0, len(m.Files)+1)
	all = append(all, Subject{keys.Manifest(m.Kind, m.Ref()), map[string]string{"sha256": m.Digest()}})
	prefix := keys.Set(m.Kind, m.Ref()) + "/"
	for _, f := range m.Files {
		all = append(all, Subject{prefix + f.Path, map[string]string{"sha256": f.SHA256}})
	}
	return all
}

// dependencies lists the commit, if it is known in full, and the lockfiles.
func (b Build) dependencies() (found []Resource) {
	if n := len(b.Commit); n == 40 || n == 64 {
		source := Resource{Name: "source", Digest: map[string]string{"gitCommit": b.Commit}}
		if b.Repository != "" {
			source.URI = "git+" + b.Repository
		}
		found = append(found, source)
	}
	for _, path := range slices.Sorted(maps.Keys(b.Lockfiles)) {
		found = append(found, Resource{Name: path, Digest: map[string]string{"sha256": b.Lockfiles[path]}})
	}
	return found
}

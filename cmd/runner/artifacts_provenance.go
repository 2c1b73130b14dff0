package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/provenance"
	"github.com/carlin-cicd/runner/runner/signing"
	"github.com/carlin-cicd/runner/runner/terminal"
	"github.com/carlin-cicd/runner/runner/units"
)

var (
	provenanceFlag = flagSpec{"provenance", "RUNNER_PROVENANCE", "", "also check who built it, from which commit"}
	keyFlag        = flagSpec{
		"key", "RUNNER_PUBLIC_KEY", "FILE", "public key in PEM that the provenance must be signed with",
	}
	requireSignatureFlag = flagSpec{
		"require-signature", "RUNNER_REQUIRE_SIGNATURE", "", "fail if the provenance is not signed",
	}
)

// provenanceRequest is what is asked of the statement of a set; nil for nothing.
type provenanceRequest struct {
	key      *provenance.PublicKey // nil: signatures are not verified
	keyName  string
	required bool // a signature
}

// provenanceRequest reads the flags, and the key.
func (s artifactStore) provenanceRequest(ctx context.Context) (*provenanceRequest, error) {
	wanted, err := boolean(s.variables, provenanceFlag.variable)
	if err != nil {
		return nil, err
	}
	required, err := boolean(s.variables, requireSignatureFlag.variable)
	if err != nil {
		return nil, err
	}
	file := s.variables[keyFlag.variable]
	if !wanted && !required && file == "" {
		return nil, nil
	}
	r := &provenanceRequest{required: required || file != "", keyName: file}
	switch {
	case file != "":
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, &usageError{"the key cannot be read: " + err.Error(), "--key FILE: a public key in PEM"}
		}
		key, err := provenance.ParsePublicKey(text)
		if err != nil {
			return nil, &usageError{
				file + ": " + err.Error(), "openssl pkey -in KEY.pem -pubout writes the public key of a private one",
			}
		}
		r.key = &key
	case s.config.SigningKey != "":
		config, err := s.aws(ctx)
		if err != nil {
			return nil, err
		}
		key, err := signing.Open(ctx, config, s.config.SigningKey)
		if err != nil {
			return nil, err
		}
		r.key, r.keyName = &key.Public, key.ARN
	case required:
		return nil, &usageError{
			"no key is known that the signature could be verified with", "use --key FILE, or set RUNNER_SIGNING_KEY",
		}
	}
	return r, nil
}

// provenanceView is a statement as it is shown.
type provenanceView struct {
	Signature provenance.SignatureState `json:"signature"`
	Key       string                    `json:"key,omitempty"` // of a verified signature; else what the envelope says
	Builder   provenance.Builder        `json:"builder"`
	External  provenance.External       `json:"external_parameters"`
	Internal  provenance.Internal       `json:"internal_parameters"`
	Materials []provenance.Resource     `json:"resolved_dependencies"`
	Run       provenance.Metadata       `json:"run"`
}

// provenanceError says that a set is not known to be what was built.
type provenanceError struct{ message, hint string }

func (e *provenanceError) Error() string { return e.message }

// Hint says what to do about it.
func (e *provenanceError) Hint() string { return e.hint }

// check reads the statement of a set, and adds it, and how it differs from the set, to v.
func (r *provenanceRequest) check(ctx context.Context, s artifactStore, m artifacts.Manifest, v *verification) error {
	if r == nil {
		return nil
	}
	const again = "publish the set again with the step that builds it"
	stored, err := artifacts.ReadProvenance(ctx, s.store, m.Kind, m.Ref())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &provenanceError{setName(m) + " have no provenance", again}
	case err != nil:
		return err
	}
	d, err := provenance.Decode(stored)
	if err != nil {
		return &provenanceError{setName(m) + ": " + err.Error(), again}
	}
	definition, details := d.Statement.Predicate.BuildDefinition, d.Statement.Predicate.RunDetails
	v.Provenance = &provenanceView{
		Signature: d.Signature(r.key), Key: d.KeyID(), Builder: details.Builder, External: definition.ExternalParameters,
		Internal: definition.InternalParameters, Materials: definition.ResolvedDependencies, Run: details.Metadata,
	}
	if v.Provenance.Signature == provenance.Verified {
		v.Provenance.Key = r.keyName
	}
	differences := provenance.Differences(d.Statement, m)
	v.Problems = append(v.Problems, differences...)
	switch state := v.Provenance.Signature; {
	case len(differences) > 0:
		return &provenanceError{
			fmt.Sprintf(
				"%s are not what their provenance is about: %s", setName(m), units.Count(len(differences), "difference"),
			),
			"find out who replaced them after run " + terminal.Escape(details.Metadata.InvocationID) + ", and " + again,
		}
	case state == provenance.Invalid:
		return &provenanceError{
			fmt.Sprintf("the provenance of %s is not signed by %s", setName(m), r.keyName),
			"the envelope names the key " + terminal.Escape(d.KeyID()) + "; trust the set only if you trust that key",
		}
	case state == provenance.Unsigned && r.required:
		return &provenanceError{
			"the provenance of " + setName(m) + " is not signed", "set RUNNER_SIGNING_KEY for the step that builds it",
		}
	}
	return nil
}

// text is the statement for people.
func (v *provenanceView) text() string {
	var b strings.Builder
	line := func(format string, args ...any) { b.WriteString(terminal.Escape(fmt.Sprintf(format, args...)) + "\n") }
	e, in := v.External, v.Internal
	from := e.Repository
	if from == "" {
		from = "an unknown repository"
	}
	if in.Dirty {
		from += ", with changes that are not in the commit"
	}
	line("  built from  %s of %s, %s", e.Commit, e.Branch, from)
	line("  by          step %s in run %s, %s to %s", e.Step, v.Run.InvocationID,
		v.Run.StartedOn.UTC().Format(time.RFC3339), v.Run.FinishedOn.UTC().Format(time.RFC3339))
	where := in.Task
	if where == "" {
		where = "outside of a task"
	}
	line("  on          %s, runner %s, %s", v.Builder.ID, v.Builder.Version["runner"], where)
	for _, m := range v.Materials {
		if digest := m.Digest["sha256"]; digest != "" {
			line("  with        %s sha256 %.12s", m.Name, digest)
		}
	}
	switch v.Signature {
	case provenance.Verified:
		line("  signature   verified, by %s", v.Key)
	case provenance.Unsigned:
		line("  signature   none: anyone who may write to the store can have written this")
	case provenance.Unverified:
		line("  signature   not verified, since no key is known: use --key FILE or RUNNER_SIGNING_KEY; it names %s", v.Key)
	case provenance.Invalid:
		line("  signature   not of the key")
	}
	return b.String()
}

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/runner/units"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/terminal"
)

func newArtifactsVerifyCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify KIND",
		Short: "read a set and compare it with its manifest",
		Long: "runner artifacts verify reads every file of a set and compares it with the manifest. With --provenance\n" +
			"it also compares both with the statement of who built them from which commit, and verifies its\n" +
			"signature, by the public key in a file (--key) or by that of RUNNER_SIGNING_KEY, which it asks KMS for.",
		Example: "runner artifacts verify builds --branch main\n" +
			"runner artifacts verify builds --provenance --require-signature",
		Args: arguments(1, "KIND"),
		RunE: o.withStore(artifactStore.verify),
	}
	declare(cmd, setFlags...)
	declare(cmd, provenanceFlag, keyFlag, requireSignatureFlag, jsonFlag.describe("print what was found as a JSON object"))
	declare(cmd, checkoutFlags...)
	return cmd
}

// verification is what was found, as --json prints it.
type verification struct {
	Kind       string          `json:"kind"`
	Branch     string          `json:"branch"`
	SHA        string          `json:"sha"`
	RunID      string          `json:"run_id"`
	Digest     string          `json:"digest"` // SHA-256 of the set, see artifacts.Manifest
	Files      int             `json:"files"`
	Bytes      int64           `json:"bytes"`
	Problems   []string        `json:"problems"`
	Provenance *provenanceView `json:"provenance,omitempty"`
}

func (s artifactStore) verify(ctx context.Context, args []string) error {
	request, err := s.provenanceRequest(ctx)
	if err != nil {
		return err
	}
	asJSON, err := boolean(s.variables, jsonFlag.variable)
	if err != nil {
		return err
	}
	m, reason, err := s.find(ctx, args[0])
	if err != nil {
		return err
	}
	if !asJSON {
		s.describe(m, reason)
	}
	v := verification{
		Kind: m.Kind, Branch: m.Branch, SHA: m.SHA, RunID: m.RunID, Digest: m.Digest(), Files: len(m.Files), Bytes: m.Bytes(),
	}
	if v.Problems, err = s.compare(ctx, m); err != nil {
		return err
	}
	differs := len(v.Problems)
	failed := request.check(ctx, s, m, &v)
	if asJSON {
		err = json.NewEncoder(s.stdout).Encode(v)
	} else {
		err = s.printVerification(m, v, differs)
	}
	switch {
	case err != nil:
		return err
	case differs > 0:
		return &differsError{
			message:  fmt.Sprintf("%s differ from their manifest in %s", setName(m), units.Count(differs, "file")),
			manifest: units.Path(s.locate(keys.Manifest(m.Kind, m.Ref()))),
		}
	}
	return failed
}

// printVerification prints a line for each problem, else that there is none, and who built the set.
func (s artifactStore) printVerification(m artifacts.Manifest, v verification, differs int) error {
	for _, p := range v.Problems {
		if err := s.print("%s\n", terminal.Escape(p)); err != nil {
			return err
		}
	}
	if differs > 0 {
		return nil
	}
	if err := s.print("%s: %s, all as the manifest says\n", setName(m), contents(m)); err != nil || v.Provenance == nil ||
		len(v.Problems) > 0 {
		return err // what a statement says about other files is not said about these
	}
	return s.print("%s", v.Provenance.text())
}

// compare reads a whole set and returns how it differs from its manifest.
func (s artifactStore) compare(ctx context.Context, m artifacts.Manifest) ([]string, error) {
	reading, done := s.showProgress(ctx, "reading")
	problems, err := artifacts.Verify(reading, s.store, m.Kind, m.Ref())
	done()
	if err != nil {
		return nil, err
	}
	unlisted, err := s.unlistedFiles(ctx, m)
	found := make([]string, 0, len(problems)+len(unlisted))
	for _, p := range problems {
		found = append(found, p.String())
	}
	for _, path := range unlisted {
		found = append(found, fmt.Sprintf("stored %q is not in the manifest", path))
	}
	return found, err
}

// unlistedFiles returns the objects that are stored below a set and are not in its manifest.
func (s artifactStore) unlistedFiles(ctx context.Context, m artifacts.Manifest) ([]string, error) {
	l, ok := s.store.(artifacts.Lister)
	if !ok {
		return nil, nil
	}
	byPath := func(f artifacts.File, path string) int { return cmp.Compare(f.Path, path) }
	var found []string
	prefix := keys.Set(m.Kind, m.Ref()) + "/"
	for e, err := range l.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		path := strings.TrimPrefix(e.Key, prefix)
		if _, listed := slices.BinarySearchFunc(m.Files, path, byPath); !listed {
			found = append(found, path)
		}
	}
	return found, nil
}

// differsError says that a set is not what its manifest says.
type differsError struct{ message, manifest string }

func (e *differsError) Error() string { return e.message }

// Hint says how to repair the set. As long as the manifest is there, publishing the same files again changes nothing.
func (e *differsError) Hint() string {
	return "delete " + e.manifest + " and whatever is not in it, then publish the set again"
}

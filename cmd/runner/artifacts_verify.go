package main

import (
	"cmp"
	"context"
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
		Use:     "verify KIND",
		Short:   "read a set and compare it with its manifest",
		Example: "runner artifacts verify builds --branch main",
		Args:    arguments(1, "KIND"),
		RunE:    o.withStore(artifactStore.verify),
	}
	declare(cmd, setFlags...)
	declare(cmd, checkoutFlags...)
	return cmd
}

func (s artifactStore) verify(ctx context.Context, args []string) error {
	m, reason, err := s.find(ctx, args[0])
	if err != nil {
		return err
	}
	s.describe(m, reason)
	reading, done := s.showProgress(ctx, "reading")
	problems, err := artifacts.Verify(reading, s.store, m.Kind, m.Ref())
	done()
	if err != nil {
		return err
	}
	unlisted, err := s.unlistedFiles(ctx, m)
	if err != nil {
		return err
	}
	for _, p := range problems {
		if err := s.print("%s\n", terminal.Escape(fmt.Sprint(p))); err != nil {
			return err
		}
	}
	for _, path := range unlisted {
		if err := s.print("stored %q is not in the manifest\n", path); err != nil {
			return err
		}
	}
	if n := len(problems) + len(unlisted); n > 0 {
		return &differsError{
			message:  fmt.Sprintf("%s differ from their manifest in %s", setName(m), units.Count(n, "file")),
			manifest: units.Path(s.locate(keys.Manifest(m.Kind, m.Ref()))),
		}
	}
	return s.print("%s: %s, all as the manifest says\n", setName(m), contents(m))
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

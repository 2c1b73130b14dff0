package artifacts_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

func TestSets(t *testing.T) {
	store, dir := newStore(t)
	dist := artifactstest.Files{"index.html": "x"}.Dir(t)
	number := "20261123"
	sets := []artifacts.SetInfo{ // the newest first
		{Kind: "builds", Ref: artifacts.Ref{Branch: "main", SHA: artifactstest.SHA2}},
		{Kind: "coverage", Ref: artifacts.Ref{Branch: "main/next", SHA: artifactstest.SHA1}},
		{Kind: "builds", Ref: artifacts.Ref{Branch: "main/latest", SHA: artifactstest.SHA1}},
		{Kind: "builds", Ref: artifacts.Ref{Branch: "main/" + artifactstest.SHA3, SHA: artifactstest.SHA1}},
		{Kind: "builds", Ref: artifacts.Ref{Branch: "main", SHA: number}},
		{Kind: "coverage", Ref: artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}},
	}
	at := time.Now().Truncate(time.Second)
	for i := range sets {
		s := &sets[i]
		artifactstest.Publish(
			t,
			store,
			artifacts.Set{Kind: s.Kind, Ref: s.Ref, RunID: "run", Dir: dist, Mirror: "latest"},
		)
		s.Modified = at.Add(-time.Duration(i) * time.Hour)
		artifactstest.Must(t, os.Chtimes(filepath.Join(dir, keys.Manifest(s.Kind, s.Ref)), s.Modified, s.Modified))
	}
	pending := "manifests/builds/main/" + artifactstest.SHA3 + "~pending.json"
	artifactstest.Must(t, artifacts.PutJSON(t.Context(), store, pending, map[string]int{"version": 1}))
	artifactstest.Files{
		"manifests/README.json":            "",
		"manifests/builds/x.json":          "",
		"manifests/builds/main/notes.json": "",
	}.Add(
		t,
		dir,
	)

	for name, c := range map[string]struct {
		kind, branch string
		keep         func(artifacts.SetInfo) bool
	}{
		"all":                  {"", "", func(artifacts.SetInfo) bool { return true }},
		"of a kind":            {"coverage", "", func(s artifacts.SetInfo) bool { return s.Kind == "coverage" }},
		"of a branch":          {"", "main", func(s artifacts.SetInfo) bool { return s.Branch == "main" }},
		"of both":              {"builds", "main", func(s artifacts.SetInfo) bool { return s.Kind == "builds" && s.Branch == "main" }},
		"of a branch in marks": {"builds", "main/latest", func(s artifacts.SetInfo) bool { return s.Branch == "main/latest" }},
		"of none":              {"builds", "elsewhere", func(artifacts.SetInfo) bool { return false }},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := artifacts.ListSets(t.Context(), store, c.kind, c.branch)
			artifactstest.Must(t, err)
			want := slices.DeleteFunc(slices.Clone(sets), func(s artifacts.SetInfo) bool { return !c.keep(s) })
			if !slices.EqualFunc(got, want, func(a, b artifacts.SetInfo) bool {
				return a.Kind == b.Kind && a.Ref == b.Ref && a.Modified.Equal(b.Modified)
			}) {
				t.Errorf("got %v\nwant %v", got, want)
			}
		})
	}
	for _, bad := range [][2]string{{"../x", ""}, {"", "a..b"}, {"runs", "main"}} {
		var refused *artifacts.KeyError
		if _, err := artifacts.ListSets(t.Context(), store, bad[0], bad[1]); !errors.As(err, &refused) {
			t.Errorf("%q: %v, want a *KeyError", bad, err)
		}
	}
}

package artifacts_test

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

func TestBranchesNeverTouchEachOther(t *testing.T) {
	t.Parallel()
	branches := []string{
		"a", "a/b", "a/latest", "a/" + artifactstest.SHA1, "a/" + artifactstest.SHA2, "a/latest/" + artifactstest.SHA1, "a/" + artifactstest.SHA1 + "/latest", "a/" + artifactstest.SHA1 + ".json",
		"a/latest.json", "a/deadbeef", "a/20261123", "latest", artifactstest.SHA1, "ab", "A",
	}
	// Each branch's files are named so as to fall on the others', were the keys put together carelessly.
	content := func(branch, version string) artifactstest.Files {
		f := artifactstest.Files{"index.html": branch + version}
		for _, dir := range []string{"latest", artifactstest.SHA1, artifactstest.SHA2, "b/latest"} {
			f[dir+"/index.html"] = branch + version
		}
		if version == "1" {
			f["gone"] = branch
			f[artifactstest.SHA1+"/gone"] = branch
			f["latest/gone"] = branch
			f["b/latest/gone"] = branch
		}
		return f
	}
	s, store := newStore(t)
	want := artifactstest.Files{}
	for _, version := range []string{"1", "2"} {
		for _, sha := range []string{artifactstest.SHA1, "deadbeef", "20261123"} {
			for _, b := range branches {
				f := content(b, version)
				artifactstest.Publish(t, s, artifactstest.CoverageSet(b, sha, f.Dir(t)))
				maps.Copy(want, f.Under(keys.Set("coverage", artifacts.Ref{Branch: b, SHA: sha})))
				maps.Copy(want, f.Under(keys.Mirror("coverage", b)))
			}
		}
	}
	for name, content := range want {
		if strings.HasSuffix(name, "/gone") && content != "" {
			delete(want, name)
		}
	}
	artifactstest.Equal(t, "store", artifactstest.Read(t, store).Without("manifests/"), want)
	for _, b := range branches {
		m, err := artifacts.Latest(t.Context(), s, "coverage", b)
		if err != nil || m.Branch != b {
			t.Errorf("Latest of %q: %q, %v", b, m.Branch, err)
		}
		for _, sha := range []string{artifactstest.SHA1, "deadbeef", "20261123"} {
			if problems, err := artifacts.Verify(t.Context(), s, "coverage", artifacts.Ref{Branch: b, SHA: sha}); err != nil ||
				problems != nil {
				t.Errorf("%q at %s: %v, %v", b, sha, problems, err)
			}
		}
	}
}

func TestBadNamesAreRefusedBeforeAnythingHappens(t *testing.T) {
	s, store := newStore(t)
	dir := artifactstest.Files{"x": "x"}.Dir(t)
	for part, set := range map[string]artifacts.Set{
		"kind":   {Kind: "runs", Ref: artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}, Dir: dir},
		"branch": {Kind: "builds", Ref: artifacts.Ref{Branch: "../x", SHA: artifactstest.SHA1}, Dir: dir},
		"sha":    {Kind: "builds", Ref: artifacts.Ref{Branch: "main", SHA: "latest"}, Dir: dir},
		"mirror": {Kind: "builds", Ref: artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}, Dir: dir, Mirror: "newest"},
		"key":    {Kind: "builds", Ref: artifacts.Ref{Branch: strings.Repeat("x", 1000), SHA: artifactstest.SHA1}, Dir: dir},
	} {
		_, err := artifacts.Publish(t.Context(), s, set)
		var key *artifacts.KeyError
		if !errors.As(err, &key) || key.Part != part {
			t.Errorf("%v, want it about the %s", err, part)
		}
	}
	artifactstest.Equal(t, "store", artifactstest.Read(t, store), artifactstest.Files{})
}

func TestConcurrentPublishersOfABranch(t *testing.T) {
	t.Parallel()
	contents := map[string]artifactstest.Files{
		artifactstest.SHA1: artifactstest.Many(60, "one"),
		artifactstest.SHA2: artifactstest.Many(80, "two"),
	}
	_, store := newStore(t)
	var wg sync.WaitGroup
	for round := range 4 {
		for sha, f := range contents {
			dir := f.Dir(t)
			wg.Go(func() {
				s, err := folder.New(store) // as another process would
				if err == nil {
					defer s.Close()
					_, err = artifacts.Publish(t.Context(), s, artifactstest.CoverageSet("main", sha, dir))
				}
				if err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
	}
	wg.Wait()
	s, err := folder.New(store)
	artifactstest.Must(t, err)
	newest, err := artifacts.Latest(t.Context(), s, "coverage", "main")
	artifactstest.Must(t, err)
	artifactstest.Equal(t, "store", artifactstest.Read(t, store).Without("manifests/"), artifactstest.Merge(
		contents[artifactstest.SHA1].Under(
			"coverage/main/"+artifactstest.SHA1,
		),
		contents[artifactstest.SHA2].Under("coverage/main/"+artifactstest.SHA2),
		contents[newest.SHA].Under("coverage/main/latest"),
	))
}

func TestCancelledPublishReportsTheCause(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	budget := errors.New("the stop budget is used up")
	ctx, cancel := context.WithCancelCause(t.Context())
	stopping := &artifactstest.Spy{Store: s, Before: func(op, key string) error {
		if op == "put" && strings.HasSuffix(key, "/b") {
			cancel(budget)
		}
		return nil
	}}
	_, err := artifacts.Publish(
		ctx,
		stopping,
		artifactstest.CoverageSet("main", artifactstest.SHA1, artifactstest.Files{"a": "", "b": "", "c": ""}.Dir(t)),
	)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, budget) {
		t.Errorf("%v", err)
	}
	if _, err := artifacts.ReadManifest(t.Context(), s, "coverage", artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}); !errors.Is(
		err,
		fs.ErrNotExist,
	) {
		t.Errorf("the manifest of half a set: %v", err)
	}
}

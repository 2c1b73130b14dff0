package folder

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

func keysOf(t testing.TB, l artifacts.Lister, prefix string) []string {
	t.Helper()
	var keys []string
	for e, err := range l.List(t.Context(), prefix) {
		artifactstest.Must(t, err)
		keys = append(keys, e.Key)
	}
	return keys
}

func TestList(t *testing.T) {
	store, dir := newStore(t)
	artifactstest.Files{
		"a/b":                  "1",
		"a-b":                  "22",
		"a.b":                  "3",
		"a/c/d":                "4",
		"ab":                   "5",
		"b/x":                  "6",
		keys.Partial + "/half": "7",
	}.Add(
		t,
		dir,
	)
	artifactstest.Must(t, os.MkdirAll(filepath.Join(dir, "empty"), 0o755))
	artifactstest.Must(t, os.Symlink("ab", filepath.Join(dir, "link")))
	artifactstest.Must(t, os.Symlink("/etc", filepath.Join(dir, "out")))
	for name, c := range map[string]struct {
		prefix string
		want   []string
	}{
		"everything, in the order of the keys' bytes": {"", []string{"a-b", "a.b", "a/b", "a/c/d", "ab", "b/x"}},
		"a folder":                                            {"a/", []string{"a/b", "a/c/d"}},
		"a prefix may end within a name":                      {"a", []string{"a-b", "a.b", "a/b", "a/c/d", "ab"}},
		"also within a folder's":                              {"a/c", []string{"a/c/d"}},
		"a whole key":                                         {"a/c/d", []string{"a/c/d"}},
		"nothing is there":                                    {"c/", nil},
		"a file is not a folder":                              {"ab/", nil},
		"an empty folder holds nothing":                       {"empty/", nil},
		"a link is not an object":                             {"link", nil},
		"a link out of the store is not followed":             {"out", nil},
		"files in the making are none":                        {keys.Partial[:4], nil},
		"a prefix with an empty segment matches no key":       {"a//b", nil},
		"a prefix may begin with a dot, as a file's name may": {".", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := keysOf(t, store, c.prefix); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	for e, err := range store.List(t.Context(), "a-b") {
		artifactstest.Must(t, err)
		info, err := os.Stat(filepath.Join(dir, "a-b"))
		artifactstest.Must(t, err)
		if e.Size != 2 || !e.Modified.Equal(info.ModTime()) {
			t.Errorf("got %+v", e)
		}
	}
}

func TestListStaysInside(t *testing.T) {
	store, _ := newStore(t)
	for _, prefix := range []string{"../", "../x", "/etc/", "a/../../x", keys.Partial + "/"} {
		var last error
		for _, err := range store.List(t.Context(), prefix) {
			last = err
		}
		var refused *artifacts.KeyError
		if !errors.As(last, &refused) {
			t.Errorf("%q: %v, want a *KeyError", prefix, last)
		}
	}
}

func TestListStops(t *testing.T) {
	store, dir := newStore(t)
	artifactstest.Files{"a/1": "", "a/2": "", "b": ""}.Add(t, dir)
	seen := 0
	for range store.List(t.Context(), "") {
		seen++
		break // and the listing does not call again, which would panic
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var last error
	for _, err := range store.List(ctx, "") {
		last = err
	}
	if seen != 1 || !errors.Is(last, context.Canceled) {
		t.Errorf("%d entries seen; %v", seen, last)
	}
}

func BenchmarkList(b *testing.B) {
	store, dir := newStore(b)
	artifactstest.Many(2000, "x").Add(b, dir)
	for b.Loop() {
		if n := len(keysOf(b, store, "lib/")); n != 2000 {
			b.Fatal(n)
		}
	}
	b.ReportMetric(2000*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
}

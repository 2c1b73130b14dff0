package artifacts

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

func keysOf(t testing.TB, l Lister, prefix string) []string {
	t.Helper()
	var keys []string
	for e, err := range l.List(t.Context(), prefix) {
		must(t, err)
		keys = append(keys, e.Key)
	}
	return keys
}

func TestList(t *testing.T) {
	store, dir := newStore(t)
	files{"a/b": "1", "a-b": "22", "a.b": "3", "a/c/d": "4", "ab": "5", "b/x": "6", keys.Partial + "/half": "7"}.add(t, dir)
	must(t, os.MkdirAll(filepath.Join(dir, "empty"), 0o755))
	must(t, os.Symlink("ab", filepath.Join(dir, "link")))
	must(t, os.Symlink("/etc", filepath.Join(dir, "out")))
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
		"a file is no folder":                                 {"ab/", nil},
		"an empty folder holds nothing":                       {"empty/", nil},
		"a link is no object":                                 {"link", nil},
		"a link out of the store is not followed":             {"out", nil},
		"files in the making are none":                        {keys.Partial[:4], nil},
		"a prefix with an empty segment is no key's":          {"a//b", nil},
		"a prefix may begin with a dot, as a file's name may": {".", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := keysOf(t, store, c.prefix); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	for e, err := range store.List(t.Context(), "a-b") {
		must(t, err)
		info, err := os.Stat(filepath.Join(dir, "a-b"))
		must(t, err)
		if e.Size != 2 || !e.Modified.Equal(info.ModTime()) {
			t.Errorf("got %+v", e)
		}
	}
}

func TestListRefusesAWayOut(t *testing.T) {
	store, _ := newStore(t)
	for _, prefix := range []string{"../", "../x", "/etc/", "a/../../x", keys.Partial + "/"} {
		var last error
		for _, err := range store.List(t.Context(), prefix) {
			last = err
		}
		var refused *KeyError
		if !errors.As(last, &refused) {
			t.Errorf("%q: %v, want a *KeyError", prefix, last)
		}
	}
}

func TestListEnds(t *testing.T) {
	store, dir := newStore(t)
	files{"a/1": "", "a/2": "", "b": ""}.add(t, dir)
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

func TestSets(t *testing.T) {
	store, dir := newStore(t)
	dist := files{"index.html": "x"}.dir(t)
	number := "20261123"
	sets := []Stored{ // the newest first
		{Kind: "builds", Ref: Ref{Branch: "main", SHA: sha2}},
		{Kind: "coverage", Ref: Ref{Branch: "main/next", SHA: sha1}},
		{Kind: "builds", Ref: Ref{Branch: "main/latest", SHA: sha1}},
		{Kind: "builds", Ref: Ref{Branch: "main/" + sha3, SHA: sha1}},
		{Kind: "builds", Ref: Ref{Branch: "main", SHA: number}},
		{Kind: "coverage", Ref: Ref{Branch: "main", SHA: sha1}},
	}
	at := time.Now().Truncate(time.Second)
	for i := range sets {
		s := &sets[i]
		publishOK(t, store, Set{Kind: s.Kind, Ref: s.Ref, RunID: "run", Dir: dist, Mirror: "latest"})
		s.Modified = at.Add(-time.Duration(i) * time.Hour)
		must(t, os.Chtimes(filepath.Join(dir, keys.Manifest(s.Kind, s.Ref)), s.Modified, s.Modified))
	}
	pending := setPlace(Set{Kind: "builds", Ref: Ref{Branch: "main", SHA: sha3}}).pending
	must(t, PutJSON(t.Context(), store, pending, map[string]int{"version": 1}))
	files{"manifests/README.json": "", "manifests/builds/x.json": "", "manifests/builds/main/notes.json": ""}.add(t, dir)

	for name, c := range map[string]struct {
		kind, branch string
		keep         func(Stored) bool
	}{
		"all":                  {"", "", func(Stored) bool { return true }},
		"of a kind":            {"coverage", "", func(s Stored) bool { return s.Kind == "coverage" }},
		"of a branch":          {"", "main", func(s Stored) bool { return s.Branch == "main" }},
		"of both":              {"builds", "main", func(s Stored) bool { return s.Kind == "builds" && s.Branch == "main" }},
		"of a branch in marks": {"builds", "main/latest", func(s Stored) bool { return s.Branch == "main/latest" }},
		"of none":              {"builds", "elsewhere", func(Stored) bool { return false }},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Sets(t.Context(), store, c.kind, c.branch)
			must(t, err)
			want := slices.DeleteFunc(slices.Clone(sets), func(s Stored) bool { return !c.keep(s) })
			if !slices.EqualFunc(got, want, func(a, b Stored) bool {
				return a.Kind == b.Kind && a.Ref == b.Ref && a.Modified.Equal(b.Modified)
			}) {
				t.Errorf("got %v\nwant %v", got, want)
			}
		})
	}
	for _, bad := range [][2]string{{"../x", ""}, {"", "a..b"}, {"runs", "main"}} {
		var refused *KeyError
		if _, err := Sets(t.Context(), store, bad[0], bad[1]); !errors.As(err, &refused) {
			t.Errorf("%q: %v, want a *KeyError", bad, err)
		}
	}
}

// A manifest's key says of what it is, and no other key does.
func FuzzParseManifestKey(f *testing.F) {
	f.Add("builds", "main", sha1)
	f.Add("builds", "a/latest", "20261123")
	f.Add("coverage", "a/"+sha2+"/b.json", sha3)
	f.Fuzz(func(t *testing.T, kind, branch, sha string) {
		ref := Ref{Branch: branch, SHA: sha}
		if keys.CheckKind(kind) == nil && ref.Validate() == nil {
			k, r, ok := keys.ParseManifest(keys.Manifest(kind, ref))
			if !ok || k != kind || r != ref {
				t.Errorf("%q of %q was read from %q as %q of %q, %v", kind, ref, keys.Manifest(kind, ref), k, r, ok)
			}
		}
		text := strings.Join([]string{kind, branch, sha}, "/")
		if k, r, ok := keys.ParseManifest(text); ok && keys.Manifest(k, r) != text {
			t.Errorf("%q is not the manifest of %q, %q", text, k, r)
		}
	})
}

func BenchmarkList(b *testing.B) {
	store, dir := newStore(b)
	many(2000, "x").add(b, dir)
	for b.Loop() {
		if n := len(keysOf(b, store, "lib/")); n != 2000 {
			b.Fatal(n)
		}
	}
	b.ReportMetric(2000*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
}

func TestExamineFolder(t *testing.T) {
	store, dir := newStore(t)
	files{"runs/main/x": "1"}.add(t, dir)
	before := read(t, dir)
	found := store.Examine(t.Context())
	if len(found) == 0 || found[0].Severity != OK || !strings.Contains(found[0].Problem, dir) {
		t.Errorf("found %+v", found)
	}
	equal(t, "after", read(t, dir), before)
}

func TestExamineFindsWhatIsWrong(t *testing.T) {
	t.Run("a folder that cannot be written", func(t *testing.T) {
		store, dir := newStore(t)
		must(t, os.WriteFile(filepath.Join(dir, "runs"), nil, 0o644)) // root may write anywhere but below a file
		found := store.Examine(t.Context())
		if len(found) != 1 || found[0].Severity != Failure || found[0].Advice == "" {
			t.Errorf("found %+v", found)
		}
	})
	t.Run("a disk that is almost full", func(t *testing.T) {
		dir := mountTmpfs(t, "4m")
		store, err := NewFolder(dir)
		must(t, err)
		t.Cleanup(func() { store.Close() })
		found := store.Examine(t.Context())
		if len(found) != 2 || found[1].Severity != Warning || !strings.Contains(found[1].Problem, "MiB are free") {
			t.Errorf("found %+v", found)
		}
	})
	t.Run("a store that gives back something else", func(t *testing.T) {
		store, _ := newStore(t)
		var corrupt *CorruptError
		if err := probe(t.Context(), forger{store}); !errors.As(err, &corrupt) {
			t.Errorf("%v, want a *CorruptError", err)
		}
		if keys := keysOf(t, store, ""); keys != nil {
			t.Errorf("the probe stays: %q", keys)
		}
	})
}

// forger is a store that keeps something else than it is given.
type forger struct{ *Folder }

func (f forger) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(`{"Probe":"other"}`)), nil
}

func TestMeter(t *testing.T) {
	var told []Progress
	ctx := WithProgress(t.Context(), func(p Progress) { told = append(told, p) })
	m := progressOf(ctx)
	m.expect(2, 10)
	m.Write(bytes.Repeat([]byte("x"), 7))
	m.moved(-7)
	m.finished()
	want := []Progress{{0, 2, 0, 10}, {0, 2, 7, 10}, {0, 2, 0, 10}, {1, 2, 0, 10}}
	if !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
	nobody := progressOf(t.Context())
	nobody.expect(1, 1)
	nobody.finished()
	if n, err := nobody.Write([]byte("x")); n != 1 || err != nil {
		t.Error("a meter for nobody has to take everything")
	}
}

package artifacts_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

var site = artifactstest.Files{
	"index.html": "<p>", "assets/app.js": "1", "assets/app.js.map": "{}", "empty": "",
	"a b/ü/%2e%2e/+/x\ny": "awkward",
}

func TestPublishCounts(t *testing.T) {
	t.Parallel()
	s, store := newStore(t)
	dir := site.Dir(t)
	artifactstest.Must(t, os.Chmod(filepath.Join(dir, "assets/app.js"), 0o755))
	set := artifactstest.CoverageSet("feature/x", artifactstest.SHA1, dir)

	p := artifactstest.Publish(t, s, set)
	if p.Uploaded != 5 || p.Unchanged != 0 || p.Removed != 0 || p.Bytes != 13 || p.Mirrored != p.Counts {
		t.Errorf("first: %+v, mirror %+v", p.Counts, p.Mirrored)
	}
	if p.Key != "coverage/feature/x/"+artifactstest.SHA1 || p.Location != filepath.Join(store, p.Key) {
		t.Errorf("it is said to be at %q, %q", p.Key, p.Location)
	}
	artifactstest.Equal(
		t,
		"store",
		artifactstest.Read(t, store).Without("manifests/"),
		artifactstest.Merge(
			site.Under("coverage/feature/x/"+artifactstest.SHA1),
			site.Under("coverage/feature/x/latest"),
		),
	)
	m, err := artifacts.ReadManifest(t.Context(), s, "coverage", set.Ref)
	artifactstest.Must(t, err)
	if want := (artifacts.File{"assets/app.js", 1, "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b", "text/javascript; charset=utf-8", "0755", ""}); m.Files[1] != want {
		t.Errorf("the manifest says %+v, want %+v", m.Files[1], want)
	}
	if m.Version != 1 || m.Kind != "coverage" || m.Ref() != set.Ref || m.RunID != "run-1" || m.Created.IsZero() ||
		m.Bytes() != 13 {
		t.Errorf("the manifest is %+v", m)
	}
	if l, err := artifacts.Latest(t.Context(), s, "coverage", "feature/x"); err != nil || l.SHA != artifactstest.SHA1 {
		t.Errorf("Latest: %+v, %v", l, err)
	}

	set.RunID = "run-2"
	if p = artifactstest.Publish(t, s, set); p.Counts != (artifacts.Counts{Unchanged: 5}) || p.Mirrored != p.Counts ||
		p.Manifest.RunID != "run-1" {
		t.Errorf("unchanged: %+v, mirror %+v, by %s", p.Counts, p.Mirrored, p.Manifest.RunID)
	}

	now := artifactstest.Files{"index.html": "<q>", "assets/app.js": "1", "assets": "", "new": "n"}
	delete(now, "assets")
	now.Write(t, dir)
	if p = artifactstest.Publish(t, s, set); p.Counts != (artifacts.Counts{Uploaded: 3, Removed: 3, Bytes: 5}) ||
		p.Mirrored != p.Counts {
		t.Errorf("changed, one of them just in mode: %+v, mirror %+v", p.Counts, p.Mirrored)
	}

	// A second commit with a difference of one: the set is new, the mirror nearly the same.
	now["new"] = "m"
	now.Write(t, dir)
	p = artifactstest.Publish(t, s, artifactstest.CoverageSet("feature/x", artifactstest.SHA2, dir))
	if p.Counts != (artifacts.Counts{Uploaded: 3, Bytes: 5}) ||
		p.Mirrored != (artifacts.Counts{Uploaded: 1, Unchanged: 2, Bytes: 1}) {
		t.Errorf("second commit: %+v, mirror %+v", p.Counts, p.Mirrored)
	}
	if l, err := artifacts.Latest(t.Context(), s, "coverage", "feature/x"); err != nil || l.SHA != artifactstest.SHA2 {
		t.Errorf("Latest: %+v, %v", l, err)
	}

	// A third is the same: the mirror's files stay, and count as the third's.
	p = artifactstest.Publish(t, s, artifactstest.CoverageSet("feature/x", artifactstest.SHA3, dir))
	if err = artifacts.GetJSON(t.Context(), s, keys.MirrorManifest(set.Kind, set.Branch), &m); err != nil ||
		m.SHA != artifactstest.SHA3 ||
		p.Mirrored != (artifacts.Counts{Unchanged: 3}) {
		t.Errorf("third commit: the mirror is of %s, %+v, %v", m.SHA, p.Mirrored, err)
	}
}

func TestUnchangedSetIsOnlyRead(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	set := artifactstest.CoverageSet("main", artifactstest.SHA1, artifactstest.Many(50, "a").Dir(t))
	artifactstest.Publish(t, s, set)
	gets := 0
	watch := &artifactstest.Spy{Store: s, Before: func(op, key string) error {
		switch op {
		case "get":
			gets++
		case "put", "delete":
			t.Errorf("%s %s", op, key)
		}
		return nil
	}}
	artifactstest.Publish(t, watch, set)
	if gets != 5 {
		t.Errorf("%d records read, want two manifests, two pending records, one of the newest set", gets)
	}
}

func TestAFileMayBecomeAFolderAndBack(t *testing.T) {
	t.Parallel()
	s, store := newStore(t)
	for _, f := range []artifactstest.Files{{"x": "1", "y/z": "2"}, {"x/a": "3", "y": "4"}, {"x": "1", "y/z": "2"}} {
		artifactstest.Publish(t, s, artifactstest.CoverageSet("main", artifactstest.SHA1, f.Dir(t)))
		artifactstest.Equal(
			t,
			"store",
			artifactstest.Read(t, store).Without("manifests/"),
			artifactstest.Merge(f.Under("coverage/main/"+artifactstest.SHA1), f.Under("coverage/main/latest")),
		)
	}
}

// TestStoppedAtAnyOperation fails the publisher's store at its first operation, at its second, and so on. Between any
// two operations a reader finds the old set, the new one or none, and the next publish leaves just what it should.
func TestStoppedAtAnyOperation(t *testing.T) {
	t.Parallel()
	contents := map[string]artifactstest.Files{
		"old":   {"same": "s", "changed": "1", "gone": "g", "file": "f", "dir/x": "x"},
		"new":   {"same": "s", "changed": "2", "file/y": "y", "dir": "d", "added": "a"},
		"third": {"same": "t", "other": "o"},
	}
	dirs := map[string]string{}
	for name, f := range contents {
		dirs[name] = f.Dir(t)
	}
	ref := artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}
	crash := errors.New("crash")
	for _, before := range []string{"nothing", "old"} {
		for _, next := range []string{"new", "old", "third"} {
			if before == "nothing" && next == "old" {
				continue // the same as third
			}
			t.Run(before+" before, "+next+" next", func(t *testing.T) {
				t.Parallel()
				for stop, done := 1, false; !done; stop++ {
					s, store := newStore(t)
					if before == "old" {
						artifactstest.Publish(t, s, artifactstest.CoverageSet("main", artifactstest.SHA1, dirs["old"]))
					}
					n := 0
					var mu sync.Mutex
					crashing := &artifactstest.Spy{Store: s, Before: func(string, string) error {
						mu.Lock()
						defer mu.Unlock()
						if n++; n >= stop {
							return crash
						}
						return nil
					}}
					_, err := artifacts.Publish(
						t.Context(),
						crashing,
						artifactstest.CoverageSet("main", artifactstest.SHA1, dirs["new"]),
					)
					if done = err == nil; !done && !errors.Is(err, crash) {
						t.Fatal(err)
					}
					artifactstest.SetState(t, s, "coverage", ref, contents)
					artifactstest.MirrorState(t, s, "coverage", "main", contents)

					artifactstest.Publish(t, s, artifactstest.CoverageSet("main", artifactstest.SHA1, dirs[next]))
					got := artifactstest.Read(t, store)
					artifactstest.Equal(
						t,
						"repaired",
						got.Without("manifests/"),
						artifactstest.Merge(
							contents[next].Under("coverage/main/"+artifactstest.SHA1),
							contents[next].Under("coverage/main/latest"),
						),
					)
					if records := len(got) - 2*len(contents[next]); records != 3 {
						t.Errorf("%d records, want 3", records)
					}
					if t.Failed() {
						t.Fatalf("stopped at operation %d", stop)
					}
				}
			})
		}
	}
}

func TestManifestIsDeletedFirstAndWrittenLast(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	dir := artifactstest.Files{"a": "1", "b": "2"}.Dir(t)
	artifactstest.Publish(t, s, artifactstest.CoverageSet("main", artifactstest.SHA1, dir))
	artifactstest.Files{"a": "2", "c": "3"}.Write(t, dir)
	var log []string
	var mu sync.Mutex
	artifactstest.Publish(t, &artifactstest.Spy{Store: s, Before: func(op, key string) error {
		mu.Lock()
		defer mu.Unlock()
		if op != "get" {
			log = append(
				log,
				op+" "+strings.NewReplacer("manifests/", "", "coverage/main/", "", artifactstest.SHA1, "sha").
					Replace(key),
			)
		}
		return nil
	}}, artifactstest.CoverageSet("main", artifactstest.SHA1, dir))
	one := "lock %[1]s, %[3]sput %[1]s~pending.json, delete %[1]s%[2]s.json, delete %[1]s/b, put %[1]s/a, put %[1]s/c, put %[1]s%[2]s.json, delete %[1]s~pending.json, release %[1]s"
	want := fmt.Sprintf(one, "sha", "", "") + ", " + fmt.Sprintf(one, "latest", "~mirror", "put latest.json, ")
	got := strings.Join(log, ", ")
	for _, where := range []string{"sha", "latest"} { // these two are stored in parallel
		got = strings.Replace(
			got,
			fmt.Sprintf("put %[1]s/c, put %[1]s/a", where),
			fmt.Sprintf("put %[1]s/a, put %[1]s/c", where),
			1,
		)
	}
	if got != want {
		t.Errorf("order:\n got %s\nwant %s", got, want)
	}
}

func TestDeletionIsConfined(t *testing.T) {
	t.Parallel()
	const name = "<script>"
	neighbours := artifactstest.Files{
		"coverage/a/b/latest/x": name, "coverage/a/b/" + artifactstest.SHA1 + "/x": name, "coverage/a/latestx": name, "coverage/a/x": name,
		"builds/a/latest/x": name, "x": name,
	}
	for _, path := range []string{"../b/latest/x", "../../../x", "/x", "../latestx", "a/../../x", "..", ".", "", "x\x00"} {
		t.Run(fmt.Sprintf("a manifest that names %q", path), func(t *testing.T) {
			s, store := newStore(t)
			neighbours.Add(t, store)
			stale := artifacts.Manifest{
				Version: 1,
				Kind:    "coverage",
				Branch:  "a",
				SHA:     artifactstest.SHA2,
				Files: []artifacts.File{
					{Path: path, Size: 8, SHA256: strings.Repeat("0", 64), Type: "text/plain", Mode: "0644"},
				},
			}
			artifactstest.Must(t, artifacts.PutJSON(t.Context(), s, keys.MirrorManifest("coverage", "a"), stale))
			artifactstest.Must(
				t,
				artifacts.PutJSON(
					t.Context(),
					s,
					"manifests/coverage/a/latest~pending.json",
					map[string]any{"version": 1, "paths": []string{path}},
				),
			)
			fresh := artifactstest.Files{"y": "y"}
			artifactstest.Publish(t, s, artifactstest.CoverageSet("a", artifactstest.SHA1, fresh.Dir(t)))
			artifactstest.Equal(
				t,
				"store",
				artifactstest.Read(t, store).Without("manifests/"),
				artifactstest.Merge(
					neighbours,
					fresh.Under("coverage/a/latest"),
					fresh.Under("coverage/a/"+artifactstest.SHA1),
				),
			)
		})
	}
	t.Run("a file that no manifest names stays", func(t *testing.T) {
		s, store := newStore(t)
		stray := artifactstest.Files{"coverage/a/latest/stray": "s", "coverage/a/" + artifactstest.SHA1 + "/stray": "s"}
		stray.Add(t, store)
		fresh := artifactstest.Files{"y": "y"}
		artifactstest.Publish(t, s, artifactstest.CoverageSet("a", artifactstest.SHA1, fresh.Dir(t)))
		artifactstest.Equal(t, "store", artifactstest.Read(t, store).Without("manifests/"),
			artifactstest.Merge(stray, fresh.Under("coverage/a/latest"), fresh.Under("coverage/a/"+artifactstest.SHA1)))
	})
}

func TestTheFirstSetOfACommitIsKept(t *testing.T) {
	store, _ := newStore(t)
	dir := t.TempDir()
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "a"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	set := artifacts.Set{
		Kind:      "builds",
		Ref:       artifacts.Ref{Branch: "main", SHA: "0123456789abcdef0123456789abcdef01234567"},
		RunID:     "1",
		Dir:       dir,
		FirstWins: func(context.Context, artifacts.Manifest) bool { return true },
	}
	write("one")
	first, err := artifacts.Publish(t.Context(), store, set)
	if err != nil {
		t.Fatal(err)
	}
	set.RunID = "2"
	if again, err := artifacts.Publish(t.Context(), store, set); err != nil ||
		again.Manifest.Digest() != first.Manifest.Digest() {
		t.Errorf("the same files: %v", err)
	}
	write("two")
	var exists *artifacts.ExistsError
	if _, err := artifacts.Publish(t.Context(), store, set); !errors.As(err, &exists) || exists.RunID != "1" {
		t.Errorf("other files: %v", err)
	}
	if m, err := artifacts.ReadManifest(t.Context(), store, "builds", set.Ref); err != nil ||
		m.Digest() != first.Manifest.Digest() {
		t.Errorf("the set is %+v (%v)", m, err)
	}
	set.FirstWins = nil
	if other, err := artifacts.Publish(t.Context(), store, set); err != nil ||
		other.Manifest.Digest() == first.Manifest.Digest() {
		t.Errorf("without the rule: %v", err)
	}
}

func TestADigestIsOfTheFilesAlone(t *testing.T) {
	m := artifacts.Manifest{RunID: "1", Files: []artifacts.File{{Path: "a", SHA256: "x", Mode: "0644", VersionID: "1"}}}
	same, other := m, m
	same.RunID, same.Created = "2", time.Now()
	same.Files = []artifacts.File{{Path: "a", SHA256: "x", Mode: "0644", VersionID: "2"}}
	other.Files = []artifacts.File{{Path: "a", SHA256: "y", Mode: "0644"}}
	if m.Digest() != same.Digest() || m.Digest() == other.Digest() {
		t.Error("it is not")
	}
}

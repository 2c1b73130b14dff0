package artifacts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

var site = files{
	"index.html": "<p>", "assets/app.js": "1", "assets/app.js.map": "{}", "empty": "",
	"a b/ü/%2e%2e/+/x\ny": "awkward",
}

func TestPublishTellsWhatItDid(t *testing.T) {
	t.Parallel()
	s, store := newStore(t)
	dir := site.dir(t)
	must(t, os.Chmod(filepath.Join(dir, "assets/app.js"), 0o755))
	set := coverage("feature/x", sha1, dir)

	p := publishOK(t, s, set)
	if p.Uploaded != 5 || p.Unchanged != 0 || p.Removed != 0 || p.Bytes != 13 || p.Mirrored != p.Counts {
		t.Errorf("first: %+v, mirror %+v", p.Counts, p.Mirrored)
	}
	if p.Key != "coverage/feature/x/"+sha1 || p.Location != filepath.Join(store, p.Key) {
		t.Errorf("it is said to be at %q, %q", p.Key, p.Location)
	}
	equal(t, "store", read(t, store).without("manifests/"),
		merge(site.under("coverage/feature/x/"+sha1), site.under("coverage/feature/x/latest")))
	m, err := ReadManifest(t.Context(), s, "coverage", set.Ref)
	must(t, err)
	if want := (File{"assets/app.js", 1, "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b", "text/javascript; charset=utf-8", "0755", ""}); m.Files[1] != want {
		t.Errorf("the manifest says %+v, want %+v", m.Files[1], want)
	}
	if m.Version != 1 || m.Kind != "coverage" || m.Ref() != set.Ref || m.RunID != "run-1" || m.Created.IsZero() || m.Bytes() != 13 {
		t.Errorf("the manifest is %+v", m)
	}
	if l, err := Latest(t.Context(), s, "coverage", "feature/x"); err != nil || l.SHA != sha1 {
		t.Errorf("Latest: %+v, %v", l, err)
	}

	set.RunID = "run-2"
	if p = publishOK(t, s, set); p.Counts != (Counts{Unchanged: 5}) || p.Mirrored != p.Counts || p.Manifest.RunID != "run-1" {
		t.Errorf("unchanged: %+v, mirror %+v, by %s", p.Counts, p.Mirrored, p.Manifest.RunID)
	}

	now := files{"index.html": "<q>", "assets/app.js": "1", "assets": "", "new": "n"}
	delete(now, "assets")
	now.write(t, dir)
	if p = publishOK(t, s, set); p.Counts != (Counts{Uploaded: 3, Removed: 3, Bytes: 5}) || p.Mirrored != p.Counts {
		t.Errorf("changed, one of them just in mode: %+v, mirror %+v", p.Counts, p.Mirrored)
	}

	// A second commit with a difference of one: the set is new, the mirror nearly the same.
	now["new"] = "m"
	now.write(t, dir)
	p = publishOK(t, s, coverage("feature/x", sha2, dir))
	if p.Counts != (Counts{Uploaded: 3, Bytes: 5}) || p.Mirrored != (Counts{Uploaded: 1, Unchanged: 2, Bytes: 1}) {
		t.Errorf("second commit: %+v, mirror %+v", p.Counts, p.Mirrored)
	}
	if l, err := Latest(t.Context(), s, "coverage", "feature/x"); err != nil || l.SHA != sha2 {
		t.Errorf("Latest: %+v, %v", l, err)
	}

	// A third is the same: the mirror's files stay, and count as the third's.
	p = publishOK(t, s, coverage("feature/x", sha3, dir))
	if m, err = readManifest(t.Context(), s, mirrorPlace(set).manifest); err != nil || m.SHA != sha3 || p.Mirrored != (Counts{Unchanged: 3}) {
		t.Errorf("third commit: the mirror is of %s, %+v, %v", m.SHA, p.Mirrored, err)
	}
}

func merge(all ...files) files {
	out := files{}
	for _, f := range all {
		maps.Copy(out, f)
	}
	return out
}

func TestUnchangedSetsAreOnlyRead(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	set := coverage("main", sha1, many(50, "a").dir(t))
	publishOK(t, s, set)
	gets := 0
	watch := &spy{Store: s, before: func(op, key string) error {
		switch op {
		case "get":
			gets++
		case "put", "delete":
			t.Errorf("%s %s", op, key)
		}
		return nil
	}}
	publishOK(t, watch, set)
	if gets != 5 {
		t.Errorf("%d records read, want two manifests, two pending records, one of the newest set", gets)
	}
}

func TestAFileMayBecomeAFolderAndBack(t *testing.T) {
	t.Parallel()
	s, store := newStore(t)
	for _, f := range []files{{"x": "1", "y/z": "2"}, {"x/a": "3", "y": "4"}, {"x": "1", "y/z": "2"}} {
		publishOK(t, s, coverage("main", sha1, f.dir(t)))
		equal(t, "store", read(t, store).without("manifests/"), merge(f.under("coverage/main/"+sha1), f.under("coverage/main/latest")))
	}
}

// TestStoppedAtAnyOperation fails the publisher's store at its first operation, at its second, and so on. Between any
// two operations a reader finds the old set, the new one or none, and the next publish leaves just what it should.
func TestStoppedAtAnyOperation(t *testing.T) {
	t.Parallel()
	contents := map[string]files{
		"old":   {"same": "s", "changed": "1", "gone": "g", "file": "f", "dir/x": "x"},
		"new":   {"same": "s", "changed": "2", "file/y": "y", "dir": "d", "added": "a"},
		"third": {"same": "t", "other": "o"},
	}
	dirs := map[string]string{}
	for name, f := range contents {
		dirs[name] = f.dir(t)
	}
	ref := Ref{Branch: "main", SHA: sha1}
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
						publishOK(t, s, coverage("main", sha1, dirs["old"]))
					}
					n := 0
					var mu sync.Mutex
					crashing := &spy{Store: s, before: func(string, string) error {
						mu.Lock()
						defer mu.Unlock()
						if n++; n >= stop {
							return crash
						}
						return nil
					}}
					_, err := Publish(t.Context(), crashing, coverage("main", sha1, dirs["new"]))
					if done = err == nil; !done && !errors.Is(err, crash) {
						t.Fatal(err)
					}
					state(t, s, "coverage", ref, contents)
					mirrorState(t, s, "coverage", "main", contents)

					publishOK(t, s, coverage("main", sha1, dirs[next]))
					got := read(t, store)
					equal(t, "repaired", got.without("manifests/"),
						merge(contents[next].under("coverage/main/"+sha1), contents[next].under("coverage/main/latest")))
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

func TestTheManifestGoesFirstAndComesLast(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	dir := files{"a": "1", "b": "2"}.dir(t)
	publishOK(t, s, coverage("main", sha1, dir))
	files{"a": "2", "c": "3"}.write(t, dir)
	var log []string
	var mu sync.Mutex
	publishOK(t, &spy{Store: s, before: func(op, key string) error {
		mu.Lock()
		defer mu.Unlock()
		if op != "get" {
			log = append(log, op+" "+strings.NewReplacer("manifests/", "", "coverage/main/", "", sha1, "sha").Replace(key))
		}
		return nil
	}}, coverage("main", sha1, dir))
	one := "lock %[1]s, %[3]sput %[1]s~pending.json, delete %[1]s%[2]s.json, delete %[1]s/b, put %[1]s/a, put %[1]s/c, put %[1]s%[2]s.json, delete %[1]s~pending.json, release %[1]s"
	want := fmt.Sprintf(one, "sha", "", "") + ", " + fmt.Sprintf(one, "latest", "~mirror", "put latest.json, ")
	got := strings.Join(log, ", ")
	for _, where := range []string{"sha", "latest"} { // these two are stored in parallel
		got = strings.Replace(got, fmt.Sprintf("put %[1]s/c, put %[1]s/a", where), fmt.Sprintf("put %[1]s/a, put %[1]s/c", where), 1)
	}
	if got != want {
		t.Errorf("order:\n got %s\nwant %s", got, want)
	}
}

func TestDeletionIsConfined(t *testing.T) {
	t.Parallel()
	const name = "<script>"
	neighbours := files{
		"coverage/a/b/latest/x": name, "coverage/a/b/" + sha1 + "/x": name, "coverage/a/latestx": name, "coverage/a/x": name,
		"builds/a/latest/x": name, "x": name,
	}
	for _, path := range []string{"../b/latest/x", "../../../x", "/x", "../latestx", "a/../../x", "..", ".", "", "x\x00"} {
		t.Run(fmt.Sprintf("a manifest that names %q", path), func(t *testing.T) {
			s, store := newStore(t)
			neighbours.add(t, store)
			p := mirrorPlace(coverage("a", sha1, ""))
			stale := Manifest{Version: 1, Kind: "coverage", Branch: "a", SHA: sha2, Files: []File{
				{Path: path, Size: 8, SHA256: strings.Repeat("0", 64), Type: "text/plain", Mode: "0644"},
			}}
			must(t, PutJSON(t.Context(), s, p.manifest, stale))
			must(t, PutJSON(t.Context(), s, p.pending, pending{Version: 1, Paths: []string{path}}))
			fresh := files{"y": "y"}
			publishOK(t, s, coverage("a", sha1, fresh.dir(t)))
			equal(t, "store", read(t, store).without("manifests/"),
				merge(neighbours, fresh.under("coverage/a/latest"), fresh.under("coverage/a/"+sha1)))
		})
	}
	t.Run("a file that no manifest names stays", func(t *testing.T) {
		s, store := newStore(t)
		stray := files{"coverage/a/latest/stray": "s", "coverage/a/" + sha1 + "/stray": "s"}
		stray.add(t, store)
		fresh := files{"y": "y"}
		publishOK(t, s, coverage("a", sha1, fresh.dir(t)))
		equal(t, "store", read(t, store).without("manifests/"),
			merge(stray, fresh.under("coverage/a/latest"), fresh.under("coverage/a/"+sha1)))
	})
}

func TestBranchesNeverTouchEachOther(t *testing.T) {
	t.Parallel()
	branches := []string{
		"a", "a/b", "a/latest", "a/" + sha1, "a/" + sha2, "a/latest/" + sha1, "a/" + sha1 + "/latest", "a/" + sha1 + ".json",
		"a/latest.json", "a/deadbeef", "a/20261123", "latest", sha1, "ab", "A",
	}
	// Each branch's files are named so as to fall on the others', were the keys put together carelessly.
	content := func(branch, version string) files {
		f := files{"index.html": branch + version}
		for _, dir := range []string{"latest", sha1, sha2, "b/latest"} {
			f[dir+"/index.html"] = branch + version
		}
		if version == "1" {
			f["gone"] = branch
			f[sha1+"/gone"] = branch
			f["latest/gone"] = branch
			f["b/latest/gone"] = branch
		}
		return f
	}
	s, store := newStore(t)
	want := files{}
	for _, version := range []string{"1", "2"} {
		for _, sha := range []string{sha1, "deadbeef", "20261123"} {
			for _, b := range branches {
				f := content(b, version)
				publishOK(t, s, coverage(b, sha, f.dir(t)))
				maps.Copy(want, f.under(keys.Set("coverage", Ref{Branch: b, SHA: sha})))
				maps.Copy(want, f.under(keys.Mirror("coverage", b)))
			}
		}
	}
	for name, content := range want {
		if strings.HasSuffix(name, "/gone") && content != "" {
			delete(want, name)
		}
	}
	equal(t, "store", read(t, store).without("manifests/"), want)
	for _, b := range branches {
		m, err := Latest(t.Context(), s, "coverage", b)
		if err != nil || m.Branch != b {
			t.Errorf("Latest of %q: %q, %v", b, m.Branch, err)
		}
		for _, sha := range []string{sha1, "deadbeef", "20261123"} {
			if problems, err := Verify(t.Context(), s, "coverage", Ref{Branch: b, SHA: sha}); err != nil || problems != nil {
				t.Errorf("%q at %s: %v, %v", b, sha, problems, err)
			}
		}
	}
}

func TestBadNamesAreRefusedBeforeAnythingHappens(t *testing.T) {
	s, store := newStore(t)
	dir := files{"x": "x"}.dir(t)
	for part, set := range map[string]Set{
		"kind":   {Kind: "runs", Ref: Ref{Branch: "main", SHA: sha1}, Dir: dir},
		"branch": {Kind: "builds", Ref: Ref{Branch: "../x", SHA: sha1}, Dir: dir},
		"sha":    {Kind: "builds", Ref: Ref{Branch: "main", SHA: "latest"}, Dir: dir},
		"mirror": {Kind: "builds", Ref: Ref{Branch: "main", SHA: sha1}, Dir: dir, Mirror: "newest"},
		"key":    {Kind: "builds", Ref: Ref{Branch: strings.Repeat("x", 1000), SHA: sha1}, Dir: dir},
	} {
		_, err := Publish(t.Context(), s, set)
		var key *KeyError
		if !errors.As(err, &key) || key.Part != part {
			t.Errorf("%v, want it about the %s", err, part)
		}
	}
	equal(t, "store", read(t, store), files{})
}

func TestConcurrentPublishersOfABranch(t *testing.T) {
	t.Parallel()
	contents := map[string]files{sha1: many(60, "one"), sha2: many(80, "two")}
	_, store := newStore(t)
	var wg sync.WaitGroup
	for round := range 4 {
		for sha, f := range contents {
			dir := f.dir(t)
			wg.Go(func() {
				s, err := NewFolder(store) // as another process would
				if err == nil {
					defer s.Close()
					_, err = Publish(t.Context(), s, coverage("main", sha, dir))
				}
				if err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
	}
	wg.Wait()
	s, err := NewFolder(store)
	must(t, err)
	newest, err := Latest(t.Context(), s, "coverage", "main")
	must(t, err)
	equal(t, "store", read(t, store).without("manifests/"), merge(
		contents[sha1].under("coverage/main/"+sha1), contents[sha2].under("coverage/main/"+sha2),
		contents[newest.SHA].under("coverage/main/latest")))
}

func TestAStoppedPublishSaysWhy(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	budget := errors.New("the stop budget is used up")
	ctx, cancel := context.WithCancelCause(t.Context())
	stopping := &spy{Store: s, before: func(op, key string) error {
		if op == "put" && strings.HasSuffix(key, "/b") {
			cancel(budget)
		}
		return nil
	}}
	_, err := Publish(ctx, stopping, coverage("main", sha1, files{"a": "", "b": "", "c": ""}.dir(t)))
	if !errors.Is(err, context.Canceled) || !errors.Is(err, budget) {
		t.Errorf("%v", err)
	}
	if _, err := ReadManifest(t.Context(), s, "coverage", Ref{Branch: "main", SHA: sha1}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the manifest of half a set: %v", err)
	}
}

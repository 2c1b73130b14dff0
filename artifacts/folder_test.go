package artifacts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

func object(key, content string) Object {
	return Object{Key: key, Body: strings.NewReader(content), Size: int64(len(content))}
}

func get(t testing.TB, s Store, key string) string {
	t.Helper()
	r, err := s.Get(t.Context(), key)
	must(t, err)
	defer r.Close()
	b, err := io.ReadAll(r)
	must(t, err)
	return string(b)
}

func TestFolderKeepsObjects(t *testing.T) {
	s, store := newStore(t)
	for _, key := range []string{"a", "b/c/d", "b/sp ace/ü/%2e/+\n", strings.Repeat("x", 255)} {
		must(t, s.put(t.Context(), object(key, "old")))
		must(t, s.put(t.Context(), object(key, "new")))
		if got := get(t, s, key); got != "new" {
			t.Errorf("%q holds %q", key, got)
		}
	}
	info, err := os.Stat(filepath.Join(store, "a"))
	if must(t, err); info.Mode() != 0o644 {
		t.Errorf("the default mode is %v", info.Mode())
	}
	o := object("a", "x")
	o.Mode = 0o750
	must(t, s.put(t.Context(), o))
	if info, _ = os.Stat(s.Locate("a")); info.Mode() != 0o750 {
		t.Errorf("the mode is %v", info.Mode())
	}
	must(t, s.Delete(t.Context(), "a", "nowhere", "b/c/d/e", "b/c", "b/c/d", "b/c/d"))
	for _, key := range []string{"a", "b/c/d", "b/c", "b", "b/c/d/e", "nowhere/at/all"} {
		if _, err := s.Get(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("get %q: %v", key, err)
		}
	}
	if _, err := os.Stat(filepath.Join(store, "b/c")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the empty folder: %v", err)
	}
}

func TestFolderRefusesBadKeys(t *testing.T) {
	s, store := newStore(t)
	outside := files{"x": "x"}.dir(t)
	must(t, os.Symlink(outside, filepath.Join(store, "link")))
	for _, key := range []string{"", "/a", "../a", "a/../../b", "a//b", "a\x00", keys.Partial + "/a", "link/x"} {
		var keyErr *KeyError
		var storeErr *StoreError
		want := func(op string, err error) {
			t.Helper()
			if !errors.As(err, &keyErr) && !errors.As(err, &storeErr) {
				t.Errorf("%s %q: %v", op, key, err)
			}
		}
		want("put", s.put(t.Context(), object(key, "y")))
		_, err := s.Get(t.Context(), key)
		want("get", err)
		want("delete", s.Delete(t.Context(), key))
	}
	equal(t, "outside", read(t, outside), files{"x": "x"})
}

func TestIfAbsentPutsOnce(t *testing.T) {
	s, store := newStore(t)
	var won sync.Map
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			o := object("locks/production/deploy.json", fmt.Sprint(i))
			o.IfAbsent = true
			switch err := s.put(t.Context(), o); {
			case err == nil:
				won.Store(fmt.Sprint(i), true)
			case !errors.Is(err, fs.ErrExist):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	n := 0
	won.Range(func(key, _ any) bool {
		n++
		if got := get(t, s, "locks/production/deploy.json"); got != key {
			t.Errorf("%v won, %v is there", key, got)
		}
		return true
	})
	if got := read(t, store); n != 1 || len(got) != 1 {
		t.Errorf("%d won; there are %v", n, got)
	}
}

func TestAFailedPutLeavesTheOldObject(t *testing.T) {
	broken := errors.New("broken")
	ctx, cancel := context.WithCancel(t.Context())
	for name, o := range map[string]Object{
		"the body breaks":        {Body: seekless{io.MultiReader(strings.NewReader("ne"), iotest.ErrReader(broken))}, Size: 3},
		"the body is short":      {Body: strings.NewReader("ne"), Size: 3},
		"the body is long":       {Body: strings.NewReader("newer"), Size: 3},
		"the context ends in it": {Body: seekless{io.MultiReader(strings.NewReader("ne"), stopper{cancel})}, Size: 3},
	} {
		s, store := newStore(t)
		must(t, s.put(t.Context(), object("k", "old")))
		o.Key = "k"
		c := t.Context()
		if strings.Contains(name, "context") {
			c = ctx
		}
		err := s.put(c, o)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		var storeErr *StoreError
		if ours := strings.Contains(name, "is "); errors.As(err, &storeErr) != ours {
			t.Errorf("%s: %v", name, err)
		}
		equal(t, name, read(t, store), files{"k": "old"})
	}
}

type seekless struct{ io.Reader }

func (seekless) Seek(int64, int) (int64, error) { return 0, errors.ErrUnsupported }

// stopper ends the context in the middle of a file without an end.
type stopper struct{ cancel func() }

func (s stopper) Read(p []byte) (int, error) {
	s.cancel()
	return len(p), nil
}

func TestAFullDiskIsNamed(t *testing.T) {
	dir := mountTmpfs(t, "1m")
	s, err := NewFolder(dir)
	must(t, err)
	defer s.Close()
	set := coverage("main", sha1, files{"x": "old"}.dir(t))
	publishOK(t, s, set)
	before := read(t, dir)

	err = s.put(t.Context(), Object{Key: "k", Body: bytes.NewReader(make([]byte, 2<<20)), Size: 2 << 20})
	var full *StoreError
	if !errors.As(err, &full) || full.Retryable() || !strings.Contains(err.Error(), dir+" is full") {
		t.Errorf("put: %v", err)
	}
	equal(t, "after put", read(t, dir), before)

	files{"x": "old", "y": strings.Repeat("y", 2<<20)}.write(t, set.Dir)
	if _, err = Publish(t.Context(), s, set); !errors.As(err, &full) || !strings.Contains(err.Error(), dir+" is full") {
		t.Errorf("publish: %v", err)
	}
	if got := state(t, s, "coverage", set.Ref, nil); got != "none" {
		t.Errorf("half a set is there: %s", got)
	}
	if left := read(t, dir).without("manifests/", "coverage/"); len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}

	big, bigDir := newStore(t)
	publishOK(t, big, set)
	_, err = Fetch(t.Context(), big, "coverage", set.Ref, filepath.Join(dir, "out"))
	if !errors.As(err, &full) || !strings.Contains(err.Error(), "is full") || full.Place != filepath.Join(dir, "out") {
		t.Errorf("fetch from %s: %v", bigDir, err)
	}
	if left := read(t, filepath.Join(dir, "out")); len(left) > 0 {
		t.Errorf("fetched files are left")
	}
}

func TestSweepTellsTheDeadFromTheLiving(t *testing.T) {
	s, store := newStore(t)
	live, name, err := s.spool.create()
	must(t, err)
	defer live.Close()
	_, release, err := s.Lock(t.Context(), "x")
	must(t, err)
	files{"dead": "d", "deep/dead": "d", "lock-dead": ""}.add(t, filepath.Join(store, keys.Partial))

	other, err := NewFolder(store)
	must(t, err)
	defer other.Close()
	if got := read(t, store); len(got) != 2 {
		t.Errorf("left: %v", got)
	}
	must(t, s.root.Rename(name, "done")) // it is still there for its owner
	release()
	third, err := NewFolder(store)
	must(t, err)
	defer third.Close()
	entries, err := os.ReadDir(store)
	if must(t, err); len(entries) != 1 || entries[0].Name() != "done" {
		t.Errorf("left: %v", entries)
	}
}

func TestLocksExclude(t *testing.T) {
	s, store := newStore(t)
	holders, most := 0, 0
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			other, err := NewFolder(store)
			if err != nil {
				t.Error(err)
				return
			}
			defer other.Close()
			for range 100 {
				_, release, err := other.Lock(t.Context(), "name")
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				holders++
				most = max(most, holders)
				mu.Unlock()
				runtime.Gosched()
				mu.Lock()
				holders--
				mu.Unlock()
				release()
			}
		})
	}
	wg.Wait()
	if most != 1 {
		t.Errorf("%d held it at a time", most)
	}

	_, release, err := s.Lock(t.Context(), "name")
	must(t, err)
	defer release()
	_, free, err := s.Lock(t.Context(), "another")
	must(t, err)
	free()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Lock(ctx, "name"); !errors.Is(err, context.Canceled) {
		t.Errorf("a lock that is taken: %v", err)
	}
}

// TestPutAgainstPrune lets one process remove the folder that another has just made.
func TestPutAgainstPrune(t *testing.T) {
	one, store := newStore(t)
	two, err := NewFolder(store)
	must(t, err)
	defer two.Close()
	var wg sync.WaitGroup
	for _, w := range []struct {
		s   *Folder
		key string
	}{{one, "a/b/c/one"}, {two, "a/b/c/two"}, {two, "a/b/three"}} {
		wg.Go(func() {
			for range 200 {
				o := object(w.key, "x")
				o.Batch = true
				if err := errors.Join(w.s.put(t.Context(), o), w.s.Delete(t.Context(), w.key)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func options(workspace string) Options {
	return Options{Workspace: workspace, AWS: func(context.Context) (aws.Config, error) { return aws.Config{Region: "eu-central-1"}, nil }}
}

func TestOpen(t *testing.T) {
	abs := filepath.Join(t.TempDir(), "with space")
	for _, tt := range []struct {
		name, location string
		place          string // "" for an error
	}{
		{"a folder", "file://" + abs, abs},
		{"an escaped folder", "file://" + strings.ReplaceAll(abs, " ", "%20"), abs},
		{"a bucket", "my-bucket", "s3://my-bucket"},
		{"a bucket and a slash", "s3://my-bucket/", "s3://my-bucket"},
		{"a bucket and a prefix", "s3://my-bucket/a/b/", "s3://my-bucket/a/b"},
		{"a bucket and a prefix, in short", "my-bucket/a", "s3://my-bucket/a"},
		{"a prefix that cannot be", "s3://my-bucket/a//b", ""},
		{"a bucket that cannot be", "s3://My_Bucket/a", ""},
		{"a path", abs, ""},
		{"a relative path", "./x", ""},
		{"a relative URL", "file://x/y", ""},
		{"the root", "file:///", ""},
		{"a query", "file:///x?y", ""},
		{"another service", "gs://bucket", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, place, err := Open(t.Context(), tt.location, options(t.TempDir()))
			var bad *LocationError
			if place != tt.place || (err == nil) != (tt.place != "") || err != nil && !errors.As(err, &bad) {
				t.Fatalf("%q, %v", place, err)
			}
			if _, ok := s.(*Folder); ok {
				mustPut(t, s, object("k", "v"))
			}
		})
	}
	t.Run("nothing said", func(t *testing.T) {
		workspace := t.TempDir()
		for range 2 {
			s, place, err := Open(t.Context(), "", options(workspace))
			must(t, err)
			if want := filepath.Join(workspace, ".runner/artifacts"); place != want {
				t.Errorf("it is %q, want %q", place, want)
			}
			mustPut(t, s, object("k", "v"))
		}
		equal(t, "workspace", read(t, workspace), files{".runner/.gitignore": "*\n", ".runner/artifacts/k": "v"})
		must(t, os.WriteFile(filepath.Join(workspace, ".runner/.gitignore"), []byte("mine"), 0o644))
		_, _, err := Open(t.Context(), "", options(workspace))
		must(t, err)
		if got := read(t, workspace)[".runner/.gitignore"]; got != "mine" {
			t.Errorf(".gitignore is now %q", got)
		}
	})
	t.Run("a workspace whose .runner leads away", func(t *testing.T) {
		workspace, outside := t.TempDir(), t.TempDir()
		must(t, os.Symlink(outside, filepath.Join(workspace, ".runner")))
		if _, _, err := Open(t.Context(), "", options(workspace)); err == nil {
			t.Error("no error")
		}
		equal(t, "outside", read(t, outside), files{})
	})
}

func TestRecords(t *testing.T) {
	s, _ := newStore(t)
	type record struct{ A string }
	must(t, PutJSON(t.Context(), s, "runs/x.json", record{"<&>\u2028"}))
	if raw := get(t, s, "runs/x.json"); !strings.Contains(raw, "<&>") {
		t.Errorf("people would read %s", raw)
	}
	var got record
	must(t, GetJSON(t.Context(), s, "runs/x.json", &got))
	must(t, PutFirstJSON(t.Context(), s, "runs/y.json", record{"first"}))
	if err := PutFirstJSON(t.Context(), s, "runs/y.json", record{"second"}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the second one: %v", err)
	}
	var kept record
	if must(t, GetJSON(t.Context(), s, "runs/y.json", &kept)); kept != (record{"first"}) {
		t.Errorf("kept is %+v", kept)
	}
	if got.A != "<&>\u2028" {
		t.Errorf("got %q", got.A)
	}
	must(t, s.put(t.Context(), object("half", `{"A": "`)))
	var corrupt *CorruptError
	if err := GetJSON(t.Context(), s, "half", &got); !errors.As(err, &corrupt) {
		t.Error(err)
	}
	if err := GetJSON(t.Context(), s, "nowhere", &got); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	dir := files{"log.gz": "z"}.dir(t)
	must(t, PutFile(t.Context(), s, "runs/log.gz", filepath.Join(dir, "log.gz")))
	if got := get(t, s, "runs/log.gz"); got != "z" {
		t.Errorf("got %q", got)
	}
	var missing *MissingError
	if err := PutFile(t.Context(), s, "x", filepath.Join(dir, "nowhere")); !errors.As(err, &missing) {
		t.Error(err)
	}
}

// A key below another object's name is one without an object.
func TestDeletingBelowAnObjectLeavesIt(t *testing.T) {
	s, dir := newStore(t)
	mustPut(t, s, object("a/file", "v"))
	must(t, s.Delete(t.Context(), "a/file/inner/most"))
	equal(t, "store", read(t, dir), files{"a/file": "v"})
}

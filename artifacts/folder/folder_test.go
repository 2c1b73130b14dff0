package folder

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

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

func TestPutGetDelete(t *testing.T) {
	s, store := newStore(t)
	for _, key := range []string{"a", "b/c/d", "b/sp ace/ü/%2e/+\n", strings.Repeat("x", 255)} {
		artifactstest.Must(t, s.put(t.Context(), artifactstest.Object(key, "old")))
		artifactstest.Must(t, s.put(t.Context(), artifactstest.Object(key, "new")))
		if got := artifactstest.Get(t, s, key); got != "new" {
			t.Errorf("%q holds %q", key, got)
		}
	}
	info, err := os.Stat(filepath.Join(store, "a"))
	if artifactstest.Must(t, err); info.Mode() != 0o644 {
		t.Errorf("the default mode is %v", info.Mode())
	}
	o := artifactstest.Object("a", "x")
	o.Mode = 0o750
	artifactstest.Must(t, s.put(t.Context(), o))
	if info, _ = os.Stat(s.Locate("a")); info.Mode() != 0o750 {
		t.Errorf("the mode is %v", info.Mode())
	}
	artifactstest.Must(t, s.Delete(t.Context(), "a", "nowhere", "b/c/d/e", "b/c", "b/c/d", "b/c/d"))
	for _, key := range []string{"a", "b/c/d", "b/c", "b", "b/c/d/e", "nowhere/at/all"} {
		if _, err := s.Get(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("get %q: %v", key, err)
		}
	}
	if _, err := os.Stat(filepath.Join(store, "b/c")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the empty folder: %v", err)
	}
}

func TestBadKeysAreRefused(t *testing.T) {
	s, store := newStore(t)
	outside := artifactstest.Files{"x": "x"}.Dir(t)
	artifactstest.Must(t, os.Symlink(outside, filepath.Join(store, "link")))
	for _, key := range []string{"", "/a", "../a", "a/../../b", "a//b", "a\x00", keys.Partial + "/a", "link/x"} {
		var keyErr *artifacts.KeyError
		var storeErr *artifacts.StoreError
		want := func(op string, err error) {
			t.Helper()
			if !errors.As(err, &keyErr) && !errors.As(err, &storeErr) {
				t.Errorf("%s %q: %v", op, key, err)
			}
		}
		want("put", s.put(t.Context(), artifactstest.Object(key, "y")))
		_, err := s.Get(t.Context(), key)
		want("get", err)
		want("delete", s.Delete(t.Context(), key))
	}
	artifactstest.Equal(t, "outside", artifactstest.Read(t, outside), artifactstest.Files{"x": "x"})
}

func TestIfAbsentPutsOnce(t *testing.T) {
	s, store := newStore(t)
	var won sync.Map
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			o := artifactstest.Object("locks/production/deploy.json", fmt.Sprint(i))
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
		if got := artifactstest.Get(t, s, "locks/production/deploy.json"); got != key {
			t.Errorf("%v won, %v is there", key, got)
		}
		return true
	})
	if got := artifactstest.Read(t, store); n != 1 || len(got) != 1 {
		t.Errorf("%d won; there are %v", n, got)
	}
}

func TestAFailedPutLeavesTheOldObject(t *testing.T) {
	broken := errors.New("broken")
	ctx, cancel := context.WithCancel(t.Context())
	for name, o := range map[string]artifacts.Object{
		"the body breaks":        {Body: seekless{io.MultiReader(strings.NewReader("ne"), iotest.ErrReader(broken))}, Size: 3},
		"the body is short":      {Body: strings.NewReader("ne"), Size: 3},
		"the body is long":       {Body: strings.NewReader("newer"), Size: 3},
		"the context ends in it": {Body: seekless{io.MultiReader(strings.NewReader("ne"), stopper{cancel})}, Size: 3},
	} {
		s, store := newStore(t)
		artifactstest.Must(t, s.put(t.Context(), artifactstest.Object("k", "old")))
		o.Key = "k"
		c := t.Context()
		if strings.Contains(name, "context") {
			c = ctx
		}
		err := s.put(c, o)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		var storeErr *artifacts.StoreError
		if ours := strings.Contains(name, "is "); errors.As(err, &storeErr) != ours {
			t.Errorf("%s: %v", name, err)
		}
		artifactstest.Equal(t, name, artifactstest.Read(t, store), artifactstest.Files{"k": "old"})
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

func TestFullDiskIsReported(t *testing.T) {
	dir := artifactstest.MountTmpfs(t, "1m")
	s, err := New(dir)
	artifactstest.Must(t, err)
	defer s.Close()
	set := artifactstest.CoverageSet("main", artifactstest.SHA1, artifactstest.Files{"x": "old"}.Dir(t))
	artifactstest.Publish(t, s, set)
	before := artifactstest.Read(t, dir)

	err = s.put(t.Context(), artifacts.Object{Key: "k", Body: bytes.NewReader(make([]byte, 2<<20)), Size: 2 << 20})
	var full *artifacts.StoreError
	if !errors.As(err, &full) || full.Retryable() || !strings.Contains(err.Error(), dir+" is full") {
		t.Errorf("put: %v", err)
	}
	artifactstest.Equal(t, "after put", artifactstest.Read(t, dir), before)

	artifactstest.Files{"x": "old", "y": strings.Repeat("y", 2<<20)}.Write(t, set.Dir)
	if _, err = artifacts.Publish(t.Context(), s, set); !errors.As(err, &full) ||
		!strings.Contains(err.Error(), dir+" is full") {
		t.Errorf("publish: %v", err)
	}
	if got := artifactstest.SetState(t, s, "coverage", set.Ref, nil); got != "none" {
		t.Errorf("half a set is there: %s", got)
	}
	if left := artifactstest.Read(t, dir).Without("manifests/", "coverage/"); len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}

	big, bigDir := newStore(t)
	artifactstest.Publish(t, big, set)
	_, err = artifacts.Fetch(t.Context(), big, "coverage", set.Ref, filepath.Join(dir, "out"), artifacts.FetchOptions{})
	if !errors.As(err, &full) || !strings.Contains(err.Error(), "is full") || full.Place != filepath.Join(dir, "out") {
		t.Errorf("fetch from %s: %v", bigDir, err)
	}
	if left := artifactstest.Read(t, filepath.Join(dir, "out")); len(left) > 0 {
		t.Errorf("fetched files are left")
	}
}

func TestSweepSparesFilesInUse(t *testing.T) {
	s, store := newStore(t)
	live, name, err := s.spool.Create()
	artifactstest.Must(t, err)
	defer live.Close()
	_, release, err := s.Lock(t.Context(), "x")
	artifactstest.Must(t, err)
	artifactstest.Files{"dead": "d", "deep/dead": "d", "lock-dead": ""}.Add(t, filepath.Join(store, keys.Partial))

	other, err := New(store)
	artifactstest.Must(t, err)
	defer other.Close()
	if got := artifactstest.Read(t, store); len(got) != 2 {
		t.Errorf("left: %v", got)
	}
	artifactstest.Must(t, s.root.Rename(name, "done")) // it is still there for its owner
	release()
	third, err := New(store)
	artifactstest.Must(t, err)
	defer third.Close()
	entries, err := os.ReadDir(store)
	if artifactstest.Must(t, err); len(entries) != 1 || entries[0].Name() != "done" {
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
			other, err := New(store)
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
	artifactstest.Must(t, err)
	defer release()
	_, free, err := s.Lock(t.Context(), "another")
	artifactstest.Must(t, err)
	free()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Lock(ctx, "name"); !errors.Is(err, context.Canceled) {
		t.Errorf("a lock that is taken: %v", err)
	}
}

// TestPutWhileFoldersAreRemoved lets one process remove the folder that another has just made.
func TestPutWhileFoldersAreRemoved(t *testing.T) {
	one, store := newStore(t)
	two, err := New(store)
	artifactstest.Must(t, err)
	defer two.Close()
	var wg sync.WaitGroup
	for _, w := range []struct {
		s   *Store
		key string
	}{{one, "a/b/c/one"}, {two, "a/b/c/two"}, {two, "a/b/three"}} {
		wg.Go(func() {
			for range 200 {
				o := artifactstest.Object(w.key, "x")
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

// A key below another object's name is one without an object.
func TestDeletingBelowAnObjectLeavesIt(t *testing.T) {
	s, dir := newStore(t)
	artifactstest.Put(t, s, artifactstest.Object("a/file", "v"))
	artifactstest.Must(t, s.Delete(t.Context(), "a/file/inner/most"))
	artifactstest.Equal(t, "store", artifactstest.Read(t, dir), artifactstest.Files{"a/file": "v"})
}

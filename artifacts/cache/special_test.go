package cache

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carlin-cicd/runner/artifacts/artifactstest"
)

// within fails the test if a call does not return: an open of a named pipe waits for its other end.
func within[T any](t *testing.T, limit time.Duration, call func() T) T {
	t.Helper()
	done := make(chan T, 1)
	go func() { done <- call() }()
	select {
	case got := <-done:
		return got
	case <-time.After(limit):
		t.Fatalf("it has not returned after %s", limit)
		panic("unreachable")
	}
}

func TestANamedPipeIsNotWaitedFor(t *testing.T) {
	p := newProject(t)
	write(t, filepath.Join(p.dir, "src/a"), []byte("a"))
	hash := func() (digest string) {
		return within(t, 5*time.Second, func() string {
			digest, files, err := HashFiles(p.dir, []string{"src/**"})
			if err != nil || files == 0 {
				t.Errorf("%d files, %v", files, err)
			}
			return digest
		})
	}
	before := hash()
	artifactstest.Must(t, unix.Mkfifo(filepath.Join(p.dir, "src/pipe"), 0o644))
	if hash() == before {
		t.Error("a pipe is not part of the digest")
	}
	artifactstest.Must(t, os.MkdirAll(filepath.Dir(p.path()), 0o755))
	artifactstest.Must(t, unix.Mkfifo(p.path(), 0o644))
	if !within(t, 5*time.Second, func() bool { return HasContent(p.paths()[0]) }) {
		t.Error("a pipe is nothing")
	}
}

func TestNamesThatAreNotUTF8ComeBack(t *testing.T) {
	c, p := newCache(t), newProject(t)
	write(t, p.path("caf\xe9/na\xefve"), []byte("x"))
	artifactstest.Must(t, os.Symlink("caf\xe9", p.path("\xff")))
	before := describe(t, p.path())
	p.save(c, "k", nil)
	other := newProject(t)
	if r := other.restore(c, "k"); !r.Exact || len(r.Problems) > 0 {
		t.Fatalf("restored %+v", r)
	}
	if d := differences(before, describe(t, other.path())); d != "" {
		t.Error(d)
	}
}

func TestAMountPointIsLeftAsItWas(t *testing.T) {
	c, p := newCache(t), newProject(t)
	write(t, p.path("a"), []byte("a"))
	p.save(c, "k", nil)
	volume := artifactstest.MountTmpfs(t, "4m")
	write(t, filepath.Join(volume, "mine"), []byte("was here"))
	mine := describe(t, volume)
	at := []Path{{filepath.Dir(volume), filepath.Base(volume)}}
	r, err := c.Restore(t.Context(), NewKey("k"), at, []string{"a/deps"})
	if err != nil || r.Hit || len(r.Problems) != 1 || !errors.Is(r.Problems[0], syscall.EBUSY) {
		t.Errorf("restored %+v, %v", r, err)
	}
	if d := differences(mine, describe(t, volume)); d != "" {
		t.Error(d)
	}
}

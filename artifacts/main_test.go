package artifacts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// TestMain lets the test binary be the publisher that TestKilled kills.
func TestMain(m *testing.M) {
	if os.Getenv(victim) != "" {
		os.Exit(victimMain())
	}
	os.Exit(m.Run())
}

const (
	sha1 = "1111111111111111111111111111111111111111"
	sha2 = "abcdef2222222222222222222222222222222222"
	sha3 = "3333333333333333333333333333333333333333"
)

// files is a folder's content by path.
type files map[string]string

// write makes dir hold just these files.
func (f files) write(t testing.TB, dir string) {
	t.Helper()
	must(t, os.RemoveAll(dir))
	must(t, os.MkdirAll(dir, 0o755))
	f.add(t, dir)
}

// add writes the files into dir.
func (f files) add(t testing.TB, dir string) {
	t.Helper()
	for name, content := range f {
		full := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(full), 0o755))
		must(t, os.WriteFile(full, []byte(content), 0o644))
	}
}

// dir is write in a new folder.
func (f files) dir(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "dist")
	f.write(t, dir)
	return dir
}

// under is the files with a prefix to their paths.
func (f files) under(prefix string) files {
	out := files{}
	for name, content := range f {
		out[prefix+"/"+name] = content
	}
	return out
}

// read returns all files below dir, temporary ones included.
func read(t testing.TB, dir string) files {
	t.Helper()
	out := files{}
	must(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		out[filepath.ToSlash(rel)] = string(b)
		return err
	}))
	return out
}

// without drops the paths that begin with one of the prefixes.
func (f files) without(prefixes ...string) files {
	out := maps.Clone(f)
	maps.DeleteFunc(out, func(name, _ string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
	})
	return out
}

func equal(t testing.TB, what string, got, want files) {
	t.Helper()
	for name, content := range want {
		if g, ok := got[name]; !ok {
			t.Errorf("%s: no %q", what, name)
		} else if g != content {
			t.Errorf("%s: %q is %.60q, want %.60q", what, name, g, content)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %q should not be there", what, name)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newStore(t testing.TB) (*Folder, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	f, err := NewFolder(dir)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f, dir
}

func coverage(branch, sha, dir string) Set {
	return Set{Kind: "coverage", Ref: Ref{Branch: branch, SHA: sha}, RunID: "run-1", Dir: dir, Mirror: "latest"}
}

func publishOK(t testing.TB, s Store, set Set) Published {
	t.Helper()
	p, err := Publish(t.Context(), s, set)
	must(t, err)
	return p
}

// spy is a store that can be told what to do before an operation, and that remembers the operations.
type spy struct {
	Store
	before func(op, key string) error
	body   func(o Object) io.ReadSeeker
}

func (s *spy) Put(ctx context.Context, o Object) (string, error) {
	if err := s.before("put", o.Key); err != nil {
		return "", err
	}
	if s.body != nil {
		o.Body = s.body(o)
	}
	return s.Store.Put(ctx, o)
}

func (s *spy) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := s.before("get", key); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, key)
}

// Delete removes key by key, so that a test can stop between two.
func (s *spy) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := s.before("delete", key); err != nil {
			return err
		}
		if err := s.Store.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// Lock is the store's own, if it has one.
func (s *spy) Lock(ctx context.Context, name string) (context.Context, func(), error) {
	if err := s.before("lock", name); err != nil {
		return nil, nil, err
	}
	held, release, err := lock(ctx, s.Store, name)
	if err != nil {
		return nil, nil, err
	}
	return held, func() {
		s.before("release", name)
		release()
	}, nil
}

// state tells which of several contents a set has by its manifest: its name, or "none". Anything else is a mixture.
func state(t testing.TB, s Store, kind string, ref Ref, contents map[string]files) string {
	t.Helper()
	m, err := ReadManifest(context.Background(), s, kind, ref)
	if errors.Is(err, fs.ErrNotExist) {
		return "none"
	}
	must(t, err)
	problems, err := Verify(context.Background(), s, kind, ref)
	must(t, err)
	for _, p := range problems {
		t.Errorf("a manifest that lies: %v", p)
	}
	return match(t, s, keys.Set(kind, ref), m, contents)
}

// mirrorState does the same for a mirror.
func mirrorState(t testing.TB, s Store, kind, branch string, contents map[string]files) string {
	t.Helper()
	p := mirrorPlace(Set{Kind: kind, Ref: Ref{Branch: branch}})
	m, err := readManifest(context.Background(), s, p.manifest)
	if errors.Is(err, fs.ErrNotExist) {
		return "none"
	}
	must(t, err)
	return match(t, s, p.files, m, contents)
}

func match(t testing.TB, s Store, prefix string, m Manifest, contents map[string]files) string {
	t.Helper()
	got := files{}
	for _, f := range m.Files {
		r, err := open(context.Background(), s, prefix+"/"+f.Path, f.VersionID, 0)
		must(t, err)
		b, err := io.ReadAll(r)
		must(t, err)
		r.Close()
		got[f.Path] = string(b)
	}
	for name, want := range contents {
		if maps.Equal(got, want) {
			return name
		}
	}
	t.Errorf("%s is a mixture: %v", prefix, slices.Sorted(maps.Keys(got)))
	return "mixture"
}

func many(n int, tag string) files {
	f := files{}
	for i := range n {
		f[fmt.Sprintf("lib/%02d/file-%04d.html", i%37, i)] = fmt.Sprintf("%s %d %s", tag, i, strings.Repeat("x", 1024+i%1000))
	}
	return f
}

func mustPut(t testing.TB, s Store, o Object) {
	t.Helper()
	_, err := s.Put(t.Context(), o)
	must(t, err)
}

// Package artifactstest has what the tests of artifacts and of its stores share.
package artifactstest

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
)

// Commits.
const (
	SHA1 = "1111111111111111111111111111111111111111"
	SHA2 = "abcdef2222222222222222222222222222222222"
	SHA3 = "3333333333333333333333333333333333333333"
)

// Files is the content of a folder by path.
type Files map[string]string

// Write makes dir contain exactly these files.
func (f Files) Write(t testing.TB, dir string) {
	t.Helper()
	Must(t, os.RemoveAll(dir))
	Must(t, os.MkdirAll(dir, 0o755))
	f.Add(t, dir)
}

// Add writes the files into dir.
func (f Files) Add(t testing.TB, dir string) {
	t.Helper()
	for name, content := range f {
		full := filepath.Join(dir, name)
		Must(t, os.MkdirAll(filepath.Dir(full), 0o755))
		Must(t, os.WriteFile(full, []byte(content), 0o644))
	}
}

// Dir writes the files into a new folder.
func (f Files) Dir(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "dist")
	f.Write(t, dir)
	return dir
}

// Under returns the files with a prefix to their paths.
func (f Files) Under(prefix string) Files {
	out := Files{}
	for name, content := range f {
		out[prefix+"/"+name] = content
	}
	return out
}

// Without returns the files whose paths begin with none of the prefixes.
func (f Files) Without(prefixes ...string) Files {
	out := maps.Clone(f)
	maps.DeleteFunc(out, func(name, _ string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
	})
	return out
}

// Read returns all files below dir, temporary ones included.
func Read(t testing.TB, dir string) Files {
	t.Helper()
	out := Files{}
	Must(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
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

// Equal reports each difference between two folders.
func Equal(t testing.TB, what string, got, want Files) {
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

// Must ends the test on an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Many returns n small files whose content depends on the tag.
func Many(n int, tag string) Files {
	f := Files{}
	for i := range n {
		f[fmt.Sprintf("lib/%02d/file-%04d.html", i%37, i)] = fmt.Sprintf(
			"%s %d %s",
			tag,
			i,
			strings.Repeat("x", 1024+i%1000),
		)
	}
	return f
}

// Put stores an object.
func Put(t testing.TB, s artifacts.Store, o artifacts.Object) {
	t.Helper()
	_, err := s.Put(t.Context(), o)
	Must(t, err)
}

// CoverageSet is a set with a mirror.
func CoverageSet(branch, sha, dir string) artifacts.Set {
	return artifacts.Set{
		Kind:   "coverage",
		Ref:    artifacts.Ref{Branch: branch, SHA: sha},
		RunID:  "run-1",
		Dir:    dir,
		Mirror: "latest",
	}
}

// Publish publishes a set that must succeed.
func Publish(t testing.TB, s artifacts.Store, set artifacts.Set) artifacts.Published {
	t.Helper()
	p, err := artifacts.Publish(t.Context(), s, set)
	Must(t, err)
	return p
}

// Merge joins files; later ones win.
func Merge(all ...Files) Files {
	out := Files{}
	for _, f := range all {
		maps.Copy(out, f)
	}
	return out
}

// Object returns an object with a text as its content.
func Object(key, content string) artifacts.Object {
	return artifacts.Object{Key: key, Body: strings.NewReader(content), Size: int64(len(content))}
}

// Get returns the content of an object.
func Get(t testing.TB, s artifacts.Store, key string) string {
	t.Helper()
	r, err := s.Get(t.Context(), key)
	Must(t, err)
	defer r.Close()
	b, err := io.ReadAll(r)
	Must(t, err)
	return string(b)
}

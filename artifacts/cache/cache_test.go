package cache

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/folder"
)

func newCache(t testing.TB) *Cache {
	t.Helper()
	s, err := folder.New(filepath.Join(t.TempDir(), "store"))
	artifactstest.Must(t, err)
	t.Cleanup(func() { s.Close() })
	return &Cache{Store: s, Name: "deps", Branch: "main", Main: "main", Platform: "linux-arm64"}
}

// on returns the cache as another branch has it.
func (c *Cache) on(branch string) *Cache {
	other := *c
	other.Branch = branch
	return &other
}

// project is a workspace with one cached folder.
type project struct {
	t   testing.TB
	dir string
}

func newProject(t testing.TB) project {
	t.Helper()
	return project{t, t.TempDir()}
}

func (p project) paths() []Path { return []Path{{p.dir, "a/deps"}} }
func (p project) path(n ...string) string {
	return filepath.Join(append([]string{p.dir, "a", "deps"}, n...)...)
}

func (p project) save(c *Cache, key string, base *Restored) Saved {
	p.t.Helper()
	saved, err := c.Save(p.t.Context(), base, p.options(key))
	artifactstest.Must(p.t, err)
	return saved
}

func (p project) options(key string) SaveOptions {
	return SaveOptions{Key: NewKey(key), Paths: p.paths(), Declared: []string{"a/deps"}, RunID: "r", Step: "build"}
}

func (p project) restore(c *Cache, key string) *Restored {
	p.t.Helper()
	r, err := c.Restore(p.t.Context(), NewKey(key), p.paths(), []string{"a/deps"})
	artifactstest.Must(p.t, err)
	left, _ := filepath.Glob(filepath.Join(p.dir, "a", tempPrefix+"*"))
	if len(left) > 0 {
		p.t.Errorf("temporary folders are left: %v", left)
	}
	return r
}

// describe returns what can be known of each file below a folder.
func describe(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	inodes := map[uint64]string{}
	artifactstest.Must(t, filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		artifactstest.Must(t, err)
		rel, _ := filepath.Rel(dir, at)
		text := fmt.Sprintf("%v %d", info.Mode(), info.ModTime().UnixNano())
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(at)
			text += " -> " + target
		case info.Mode().IsRegular():
			content, err := os.ReadFile(at)
			artifactstest.Must(t, err)
			text += fmt.Sprintf(" %x", NewKey(string(content)))
			s := info.Sys().(*syscall.Stat_t)
			if first, again := inodes[s.Ino]; again {
				text += " same as " + first
			}
			inodes[s.Ino] = rel
		}
		all[rel] = text
		return nil
	}))
	return all
}

func differences(a, b map[string]string) string {
	var out []string
	for name := range maps.Keys(a) {
		if a[name] != b[name] {
			out = append(out, fmt.Sprintf("%s: %q, then %q", name, a[name], b[name]))
		}
	}
	for name := range maps.Keys(b) {
		if _, ok := a[name]; !ok {
			out = append(out, "new: "+name)
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// random returns bytes that do not compress.
func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	_, _ = io.ReadFull(source, b)
	return b
}

func write(t testing.TB, name string, content []byte) {
	t.Helper()
	artifactstest.Must(t, os.MkdirAll(filepath.Dir(name), 0o755))
	artifactstest.Must(t, os.WriteFile(name, content, 0o644))
}

// variety is a folder with one of everything.
func (p project) variety() {
	t := p.t
	write(t, p.path("small.txt"), []byte("hello"))
	write(t, p.path("empty"), nil)
	write(t, p.path("large.bin"), random(1, 5<<19+77))
	write(t, p.path("zeros.bin"), make([]byte, 3<<19))
	write(t, p.path("b/c/d/deep.txt"), bytes.Repeat([]byte("deep "), 1000))
	write(t, p.path("b/copy.txt"), bytes.Repeat([]byte("deep "), 1000))
	write(t, p.path("b/ü \n%.txt"), []byte("odd name"))
	write(t, p.path("bin/tool"), []byte("#!/bin/sh\n"))
	artifactstest.Must(t, os.Chmod(p.path("bin/tool"), 0o755))
	artifactstest.Must(t, os.MkdirAll(p.path("nothing/here"), 0o700))
	artifactstest.Must(t, os.Symlink("small.txt", p.path("link")))
	artifactstest.Must(t, os.Symlink("/nowhere/at/all", p.path("dangling")))
	artifactstest.Must(t, os.Symlink("b", p.path("folder-link")))
	artifactstest.Must(t, os.Link(p.path("small.txt"), p.path("z-hard")))
	artifactstest.Must(t, os.Chmod(p.path("bin"), 0o555))
	artifactstest.Must(t, os.Chtimes(p.path("small.txt"), time.Time{}, time.Unix(1234567890, 123456789)))
	artifactstest.Must(t, os.Chtimes(p.path("b/c"), time.Time{}, time.Unix(1000000000, 1)))
	t.Cleanup(func() { _ = os.Chmod(p.path("bin"), 0o755) })
}

func TestEverythingComesBackAsItWas(t *testing.T) {
	c, p := newCache(t), newProject(t)
	p.variety()
	before := describe(t, p.path())
	saved := p.save(c, "k1", nil)
	if saved.Existed || saved.Entry.Files != 8 || saved.Entry.Added != saved.Entry.Stored {
		t.Errorf("saved %+v", saved)
	}
	other := newProject(t)
	r := other.restore(c, "k1")
	if !r.Hit || !r.Exact || len(r.Problems) > 0 {
		t.Fatalf("restored %+v", r)
	}
	if d := differences(before, describe(t, other.path())); d != "" {
		t.Errorf("what was restored differs:\n%s", d)
	}
	// A path with other content is replaced.
	write(t, other.path("more.txt"), []byte("more"))
	write(t, other.path("small.txt"), []byte("changed"))
	if r := other.restore(c, "k1"); !r.Exact {
		t.Fatalf("restored %+v", r)
	}
	if d := differences(before, describe(t, other.path())); d != "" {
		t.Errorf("what was restored over another differs:\n%s", d)
	}
}

func TestASinglefileIsAPathToo(t *testing.T) {
	c, p := newCache(t), newProject(t)
	write(t, p.path(), []byte("a file"))
	before := describe(t, p.path())
	p.save(c, "k", nil)
	other := newProject(t)
	other.restore(c, "k")
	if d := differences(before, describe(t, other.path())); d != "" {
		t.Error(d)
	}
}

func TestTheNewestOfItsNameIsTheFallback(t *testing.T) {
	c, p := newCache(t), newProject(t)
	for _, k := range []string{"one", "two"} {
		write(t, p.path("which"), []byte(k))
		p.save(c, k, nil)
		time.Sleep(10 * time.Millisecond) // the store's clock tells which is newer
	}
	other := newProject(t)
	if r := other.restore(c, "three"); !r.Hit || r.Exact || r.Entry.Key != NewKey("two").String() {
		t.Errorf("restored %+v", r)
	}
	elsewhere := *c
	elsewhere.Platform = "linux-amd64"
	if r := newProject(t).restore(&elsewhere, "two"); r.Hit {
		t.Errorf("an entry of another platform was restored")
	}
}

func TestAnEntryThatDiffersLittleAddsLittle(t *testing.T) {
	c, p := newCache(t), newProject(t)
	const files = 1000
	for i := range files {
		write(t, p.path(fmt.Sprintf("d%02d/f%d", i%20, i)), random(uint64(i), 4000+i))
	}
	large := random(99999, 20<<20)
	write(t, p.path("large"), large)
	first := p.save(c, "k1", nil)

	for _, restored := range []bool{true, false} {
		q := newProject(t)
		r := q.restore(c, "k2")
		if !restored { // as if another process had restored it
			for i := range r.stats {
				r.stats[i] = stat{}
			}
		}
		for i := range files / 100 {
			write(t, q.path(fmt.Sprintf("d%02d/f%d", i*100%20, i*100)), random(uint64(i+files), 5000))
		}
		write(t, q.path("large"), append([]byte("an insertion"), large...))
		before := describe(t, q.path())
		second := q.save(c, "k2-"+fmt.Sprint(restored), r)
		if share := float64(second.Entry.Added) / float64(first.Entry.Added); share > 0.05 {
			t.Errorf("restored %v: the second entry added %.1f %% of the first", restored, 100*share)
		}
		o := newProject(t)
		if r := o.restore(c, "k2-"+fmt.Sprint(restored)); !r.Exact {
			t.Fatalf("restored %+v", r)
		}
		if d := differences(before, describe(t, o.path())); d != "" {
			t.Errorf("restored %v: %s", restored, d)
		}
	}
}

func TestNothingIsSavedTwice(t *testing.T) {
	c, p := newCache(t), newProject(t)
	write(t, p.path("a"), []byte("first"))
	p.save(c, "k", nil)
	write(t, p.path("a"), []byte("second"))
	if s := p.save(c, "k", nil); !s.Existed {
		t.Errorf("an entry was replaced: %+v", s)
	}
	q := newProject(t)
	q.restore(c, "k")
	if text, _ := os.ReadFile(q.path("a")); string(text) != "first" {
		t.Errorf("restored %q", text)
	}
}

func TestASecretWithholdsTheEntry(t *testing.T) {
	c, p := newCache(t), newProject(t)
	write(t, p.path("a"), []byte("fine"))
	write(t, p.path("b/npmrc"), []byte("token=hunter2"))
	o := p.options("k")
	o.Inspect = func(_ context.Context, name string, f *os.File) (string, error) {
		if f == nil {
			return "", nil
		}
		text, err := io.ReadAll(f)
		if bytes.Contains(text, []byte("hunter2")) {
			return "text", err
		}
		return "", err
	}
	_, err := c.Save(t.Context(), nil, o)
	if secret, ok := err.(*SecretError); !ok || secret.Path != "b/npmrc" {
		t.Fatalf("saved: %v", err)
	}
	if r := newProject(t).restore(c, "k"); r.Hit {
		t.Error("it was saved all the same")
	}
}

func TestABranchReadsTheMainBranchAndNeverTheOtherWayRound(t *testing.T) {
	c := newCache(t)
	feature := c.on("feature/a")
	p := newProject(t)
	write(t, p.path("which"), random(1, 1000))
	write(t, p.path("big"), random(2, 3<<20))
	p.save(c, "k1", nil)

	q := newProject(t)
	r := q.restore(feature, "k2")
	if !r.Hit || r.Exact || r.Branch != "main" {
		t.Fatalf("the branch restored %+v", r)
	}
	write(t, q.path("which"), []byte("poison"))
	saved := q.save(feature, "k1", r) // the key that main will look for
	if saved.Entry.Added > 2000 {
		t.Errorf("the branch stored %d bytes, although main has most of them", saved.Entry.Added)
	}
	for _, key := range []string{"k1", "k2", "k3"} {
		m := newProject(t)
		if r := m.restore(c, key); r.Branch != "main" {
			t.Errorf("main restored %+v", r)
		}
		if text, _ := os.ReadFile(m.path("which")); string(text) == "poison" {
			t.Error("main restored what a branch saved")
		}
	}
	if r := newProject(t).restore(feature, "k1"); !r.Exact || r.Branch != "feature/a" {
		t.Errorf("the branch restored %+v", r)
	}
	if r := newProject(t).restore(c.on("feature/b"), "k1"); !r.Exact || r.Branch != "main" {
		t.Errorf("another branch restored %+v", r)
	}
	fork := c.on("")
	m := newProject(t)
	if r := m.restore(fork, "k1"); !r.Exact || r.Branch != "main" {
		t.Errorf("a fork restored %+v", r)
	}
	if _, err := fork.Save(t.Context(), nil, m.options("k9")); err != ErrReadOnly {
		t.Errorf("a fork saved: %v", err)
	}
}

// Modes are those that were saved, whatever the umask is, and of files of one piece and of several.
func TestModesComeBackUnderAnyUmask(t *testing.T) {
	c, p := newCache(t), newProject(t)
	for i, mode := range []os.FileMode{0o444, 0o600, 0o666, 0o777, 0o755 | os.ModeSetuid, 0o755 | os.ModeSetgid} {
		for name, size := range map[string]int{"empty": 0, "small": 10, "large": 3 << 20} {
			at := p.path(fmt.Sprintf("%s-%d", name, i))
			write(t, at, random(uint64(i), size))
			artifactstest.Must(t, os.Chmod(at, mode))
		}
	}
	before := describe(t, p.path())
	p.save(c, "k", nil)
	for _, mask := range []int{0, 0o022, 0o077} {
		old := syscall.Umask(mask)
		q := newProject(t)
		r := q.restore(c, "k")
		syscall.Umask(old)
		if d := differences(before, describe(t, q.path())); !r.Exact || d != "" {
			t.Errorf("umask %o: %+v\n%s", mask, r.Problems, d)
		}
	}
}

// A file whose content changed is stored again, even if it has its old size and times: those of its status cannot be
// set.
func TestAChangeWithOldTimesIsSaved(t *testing.T) {
	c, p := newCache(t), newProject(t)
	for _, name := range []string{"a", "b", "c"} {
		write(t, p.path(name), []byte("before "+name))
	}
	p.save(c, "k1", nil)
	q := newProject(t)
	r := q.restore(c, "k2")
	for i, n := range r.tree.nodes { // as if the restore had taken longer, since what is new does not count as untouched
		var s unix.Stat_t
		artifactstest.Must(t, unix.Lstat(q.path(n.path), &s))
		r.stats[i] = statOf(&s)
	}
	info, err := os.Stat(q.path("b"))
	artifactstest.Must(t, err)
	time.Sleep(50 * time.Millisecond) // longer than a tick of the kernel's clock
	write(t, q.path("b"), []byte("after_ b"))
	artifactstest.Must(t, os.Chtimes(q.path("b"), info.ModTime(), info.ModTime()))
	before := describe(t, q.path())
	q.save(c, "k2", r)
	o := newProject(t)
	if r := o.restore(c, "k2"); !r.Exact {
		t.Fatalf("restored %+v", r)
	}
	if d := differences(before, describe(t, o.path())); d != "" {
		t.Error(d)
	}
}

// Pieces with checksums that begin alike are not mistaken for each other.
func TestPiecesAreFoundByTheirWholeChecksum(t *testing.T) {
	one, other := piece{block: 1}, piece{block: 2}
	other.sum[31] = 1
	known := pieces{}
	known.add(&one)
	if p, found := known.find(one.sum); !found || p.block != 1 {
		t.Errorf("found %v %+v", found, p)
	}
	if p, found := known.find(other.sum); found {
		t.Errorf("found %+v", p)
	}
}

package artifacts

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

func TestFetchRestoresASet(t *testing.T) {
	s, _ := newStore(t)
	dir := site.dir(t)
	modes := map[string]fs.FileMode{"assets/app.js": 0o755, "index.html": 0o400, "empty": 0o666}
	for name, mode := range modes {
		must(t, os.Chmod(filepath.Join(dir, name), mode))
	}
	publishOK(t, s, Set{Kind: "builds", Ref: Ref{Branch: "main", SHA: sha1}, Dir: dir})

	out := filepath.Join(t.TempDir(), "new/out")
	for range 2 { // the second time over the first
		m, err := Fetch(t.Context(), s, "builds", Ref{Branch: "main", SHA: sha1}, out)
		must(t, err)
		if len(m.Files) != len(site) {
			t.Errorf("%d files", len(m.Files))
		}
		equal(t, "fetched", read(t, out), site)
		for name, mode := range modes {
			if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Mode() != mode {
				t.Errorf("%s: %v, %v", name, info.Mode(), err)
			}
		}
		must(t, os.WriteFile(filepath.Join(out, "assets/app.js.map"), []byte("stale"), 0o644))
	}
	if _, err := os.Stat(filepath.Join(out, keys.Partial)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the temporary folder: %v", err)
	}
	if _, err := Fetch(t.Context(), s, "builds", Ref{Branch: "main", SHA: sha2}, out); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a set that does not exist: %v", err)
	}
}

func TestWhatIsCorruptIsNotFetched(t *testing.T) {
	ref := Ref{Branch: "main", SHA: sha1}
	for name, tt := range map[string]struct {
		harm      func(s *Folder, key string) error
		want, got string
	}{
		"a byte differs": {
			func(s *Folder, key string) error { return s.put(context.Background(), object(key, "X")) },
			"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b", "4b68ab3847feda7d6c62c1fbcbeebfa35eab7351ed5e78f4ddadea5df64b8015",
		},
		"it is short": {func(s *Folder, key string) error { return s.put(context.Background(), object(key, "")) }, "1 bytes", "0"},
		"it is long":  {func(s *Folder, key string) error { return s.put(context.Background(), object(key, "1 ")) }, "1 bytes", "more"},
		"it is gone": {
			func(s *Folder, key string) error { return s.Delete(context.Background(), key) },
			"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b", "nothing",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newStore(t)
			publishOK(t, s, Set{Kind: "builds", Ref: ref, Dir: site.dir(t)})
			must(t, tt.harm(s, keys.Set("builds", ref)+"/assets/app.js"))

			out := files{"index.html": "mine"}.dir(t)
			_, err := Fetch(t.Context(), s, "builds", ref, out)
			var corrupt *CorruptError
			if !errors.As(err, &corrupt) || *corrupt != (CorruptError{"assets/app.js", tt.want, tt.got}) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("fetch: %v", err)
			}
			equal(t, "fetched", read(t, out), files{"index.html": "mine"})

			problems, err := Verify(t.Context(), s, "builds", ref)
			if err != nil || len(problems) != 1 || problems[0].Path != "assets/app.js" || *problems[0].Err != *corrupt {
				t.Errorf("verify: %v, %v", problems, err)
			}
		})
	}
}

func TestManifestsAreNotTrusted(t *testing.T) {
	ref := Ref{Branch: "main", SHA: sha1}
	sum := "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b" // of "1"
	good := File{"x", 1, sum, "text/plain", "0644", ""}
	bad := func(change func(*Manifest)) Manifest {
		m := Manifest{Version: 1, Kind: "builds", Branch: "main", SHA: sha1, Files: []File{good}}
		change(&m)
		return m
	}
	for name, m := range map[string]Manifest{
		"a way up":                bad(func(m *Manifest) { m.Files[0].Path = "../x" }),
		"a way up in the middle":  bad(func(m *Manifest) { m.Files[0].Path = "a/../../x" }),
		"an absolute path":        bad(func(m *Manifest) { m.Files[0].Path = "/x" }),
		"the temporary folder":    bad(func(m *Manifest) { m.Files[0].Path = keys.Partial + "/x" }),
		"no path":                 bad(func(m *Manifest) { m.Files[0].Path = "" }),
		"a file twice":            bad(func(m *Manifest) { m.Files = append(m.Files, good) }),
		"a negative size":         bad(func(m *Manifest) { m.Files[0].Size = -1 }),
		"no checksum":             bad(func(m *Manifest) { m.Files[0].SHA256 = "" }),
		"a set-user-id bit":       bad(func(m *Manifest) { m.Files[0].Mode = "4755" }),
		"no mode":                 bad(func(m *Manifest) { m.Files[0].Mode = "" }),
		"another version":         bad(func(m *Manifest) { m.Version = 2 }),
		"the manifest of another": bad(func(m *Manifest) { m.Branch = "other" }),
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newStore(t)
			must(t, s.put(t.Context(), object(keys.Set("builds", ref)+"/x", "1")))
			must(t, PutJSON(t.Context(), s, keys.Manifest("builds", ref), m))
			out := filepath.Join(t.TempDir(), "out")
			_, err := Fetch(t.Context(), s, "builds", ref, out)
			var corrupt *CorruptError
			if !errors.As(err, &corrupt) || corrupt.Path != keys.Manifest("builds", ref) {
				t.Errorf("fetch: %v", err)
			}
			equal(t, "fetched", read(t, filepath.Dir(out)), files{})
			// It does not stand in the way of a good one either.
			fresh := files{"y": "y"}
			publishOK(t, s, Set{Kind: "builds", Ref: ref, Dir: fresh.dir(t)})
			if got := state(t, s, "builds", ref, map[string]files{"fresh": fresh}); got != "fresh" {
				t.Error(got)
			}
		})
	}
}

func TestLinksInTheDestinationLeadNowhere(t *testing.T) {
	s, _ := newStore(t)
	ref := Ref{Branch: "main", SHA: sha1}
	publishOK(t, s, Set{Kind: "builds", Ref: ref, Dir: files{"sub/x": "new", "y": "new"}.dir(t)})
	outside := files{"x": "old", "y": "old"}.dir(t)

	out := t.TempDir()
	must(t, os.Symlink(outside, filepath.Join(out, "sub")))
	if _, err := Fetch(t.Context(), s, "builds", ref, out); err == nil {
		t.Error("a linked folder was written through")
	}
	must(t, os.Remove(filepath.Join(out, "sub")))
	must(t, os.RemoveAll(filepath.Join(out, "y")))
	must(t, os.Symlink(filepath.Join(outside, "y"), filepath.Join(out, "y")))
	_, err := Fetch(t.Context(), s, "builds", ref, out) // the link itself is replaced
	must(t, err)
	equal(t, "fetched", read(t, out), files{"sub/x": "new", "y": "new"})
	equal(t, "outside", read(t, outside), files{"x": "old", "y": "old"})
}

func TestASetPublishedAnewWhileFetched(t *testing.T) {
	ref := Ref{Branch: "main", SHA: sha1}
	contents := map[string]files{"old": {"a": "1", "b": "1", "c": "1"}, "new": {"a": "2", "b": "2", "d": "2"}}
	s, _ := newStore(t)
	dir := contents["old"].dir(t)
	set := Set{Kind: "builds", Ref: ref, Dir: dir}
	publishOK(t, s, set)
	contents["new"].write(t, dir)
	once := make(chan struct{}, 1)
	watch := &spy{Store: s, before: func(op, key string) error {
		select {
		case once <- struct{}{}: // the manifest
		default:
			if !strings.HasPrefix(key, "manifests/") {
				if p := publishOK(t, s, set); p.Uploaded+p.Unchanged != 3 {
					t.Error(p.Counts)
				}
			}
		}
		return nil
	}}
	out := t.TempDir()
	_, err := Fetch(t.Context(), watch, "builds", ref, out)
	must(t, err)
	equal(t, "fetched", read(t, out), contents["new"])
}

// TestFilesThatDoNotHoldStill changes a file after it was listed, which is when the store is first written to, or in
// the middle of its being read.
func TestFilesThatDoNotHoldStill(t *testing.T) {
	const size = 1 << 20
	edit := func(flag int, at int64, content string) func(p string) error {
		return func(p string) error {
			f, err := os.OpenFile(p, os.O_WRONLY|flag, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			if flag == 0 {
				_, err = f.WriteAt([]byte(content), at)
			} else if content != "" {
				_, err = f.WriteString(content)
			}
			return err
		}
	}
	for _, tt := range []struct {
		name   string
		middle bool // of being read; else after having been listed
		change func(p string) error
		reason string // "" when the new content is as good
	}{
		{"it vanishes after it was listed", false, os.Remove, "vanished"},
		{"it becomes a folder", false, func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o755)) }, "stopped being a regular file"},
		{"it becomes a pipe that nobody writes to", false, func(p string) error { return errors.Join(os.Remove(p), syscall.Mkfifo(p, 0o600)) }, "stopped being a regular file"},
		{"it grows after it was listed", false, edit(os.O_APPEND, 0, "x"), ""},
		{"it grows while it is read", true, edit(os.O_APPEND, 0, "x"), "grew"},
		{"it shrinks while it is read", true, edit(os.O_TRUNC, 0, ""), "shrank"},
		{"its beginning changes while its end is read", true, edit(0, 0, "x"), "was written to"},
		{"it is replaced while it is read", true, func(p string) error {
			return errors.Join(os.WriteFile(p+".new", []byte("new"), 0o644), os.Rename(p+".new", p))
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, store := newStore(t)
			dir := files{"a": "a", "x": strings.Repeat("x", size)}.dir(t)
			victim := filepath.Join(dir, "x")
			first := true
			change := func() error {
				if !first {
					return nil
				}
				first = false
				return tt.change(victim)
			}
			watch := &spy{Store: s, before: func(op, key string) error {
				if !tt.middle && op == "put" && strings.HasSuffix(key, "pending.json") {
					return change()
				}
				return nil
			}}
			watch.body = func(o Object) io.ReadSeeker {
				if tt.middle && strings.HasSuffix(o.Key, "/x") {
					return &halfway{o.Body, size / 2, change}
				}
				return o.Body
			}
			set := Set{Kind: "builds", Ref: Ref{Branch: "main", SHA: sha1}, Dir: dir}
			_, err := Publish(t.Context(), watch, set)
			if tt.reason == "" {
				must(t, err)
				if problems, err := Verify(t.Context(), s, "builds", set.Ref); err != nil || problems != nil {
					t.Errorf("%v, %v", problems, err)
				}
				return
			}
			var changed *ChangedError
			if !errors.As(err, &changed) || *changed != (ChangedError{"x", tt.reason}) {
				t.Errorf("%v, want that it %s", err, tt.reason)
			}
			if got := state(t, s, "builds", set.Ref, nil); got != "none" {
				t.Error(got)
			}
			if _, ok := read(t, store)[keys.Set("builds", set.Ref)+"/x"]; ok {
				t.Error("what was read is stored")
			}
		})
	}
}

// halfway calls back once so many bytes have been read.
type halfway struct {
	io.ReadSeeker
	left int
	then func() error
}

func (h *halfway) Read(p []byte) (int, error) {
	if h.left <= 0 {
		if err := h.then(); err != nil {
			return 0, err
		}
	}
	n, err := h.ReadSeeker.Read(p)
	h.left -= n
	return n, err
}

// TestContentServesAnyReader reads as the clients of buckets do.
func TestContentServesAnyReader(t *testing.T) {
	const sum = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae" // of "foo"
	n := func(c *content, n int64) error { _, err := io.CopyN(io.Discard, c, n); return err }
	seek := func(c *content, at int64, whence int) error { _, err := c.Seek(at, whence); return err }
	for name, tt := range map[string]struct {
		read func(c *content) error
		ok   bool
	}{
		"to the end":                      {func(c *content) error { _, err := io.Copy(io.Discard, c); return err }, true},
		"not at all":                      {func(c *content) error { return nil }, true},
		"just the size":                   {func(c *content) error { return n(c, 3) }, true},
		"twice":                           {func(c *content) error { return errors.Join(n(c, 3), seek(c, 0, 0), n(c, 3)) }, true},
		"again from the middle":           {func(c *content) error { return errors.Join(n(c, 2), seek(c, 0, 0), n(c, 3)) }, true},
		"after a look at the size":        {func(c *content) error { return errors.Join(seek(c, 0, 2), seek(c, 0, 0), n(c, 3)) }, true},
		"back by one":                     {func(c *content) error { return errors.Join(n(c, 2), seek(c, -1, 1), n(c, 2)) }, true},
		"only the end":                    {func(c *content) error { return errors.Join(seek(c, 1, 0), n(c, 2)) }, false},
		"the end, then a look at no more": {func(c *content) error { return seek(c, 0, 2) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			tree, err := openTree("builds", files{"x": "foo"}.dir(t))
			must(t, err)
			defer tree.Close()
			c, err := tree.open(t.Context(), "x", "")
			must(t, err)
			defer c.Close()
			must(t, tt.read(c))
			got, err := c.finish()
			if (err == nil) != tt.ok || tt.ok && got != sum {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// TestWhatWasSentLastCounts changes a file between a first attempt and a second, and hides it.
func TestWhatWasSentLastCounts(t *testing.T) {
	dir := files{"x": "old"}.dir(t)
	tree, err := openTree("builds", dir)
	must(t, err)
	defer tree.Close()
	c, err := tree.open(t.Context(), "x", "")
	must(t, err)
	defer c.Close()
	_, err = io.Copy(io.Discard, c)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "x"), []byte("foo"), 0o644))
	must(t, os.Chtimes(filepath.Join(dir, "x"), c.info.ModTime(), c.info.ModTime()))
	_, err = c.Seek(0, io.SeekStart)
	must(t, err)
	_, err = io.Copy(io.Discard, c)
	must(t, err)
	if got, err := c.finish(); err != nil || !strings.HasPrefix(got, "2c26b46b") {
		t.Errorf("%q, %v, want the sum of foo", got, err)
	}
}

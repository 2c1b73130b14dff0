package artifacts_test

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

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

func TestFetchRestoresASet(t *testing.T) {
	s, _ := newStore(t)
	dir := site.Dir(t)
	modes := map[string]fs.FileMode{"assets/app.js": 0o755, "index.html": 0o400, "empty": 0o666}
	for name, mode := range modes {
		artifactstest.Must(t, os.Chmod(filepath.Join(dir, name), mode))
	}
	artifactstest.Publish(
		t,
		s,
		artifacts.Set{Kind: "builds", Ref: artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}, Dir: dir},
	)

	out := filepath.Join(t.TempDir(), "new/out")
	for range 2 { // the second time over the first
		m, err := artifacts.Fetch(
			t.Context(),
			s,
			"builds",
			artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1},
			out,
			artifacts.FetchOptions{},
		)
		artifactstest.Must(t, err)
		if len(m.Files) != len(site) {
			t.Errorf("%d files", len(m.Files))
		}
		artifactstest.Equal(t, "fetched", artifactstest.Read(t, out), site)
		for name, mode := range modes {
			if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Mode() != mode {
				t.Errorf("%s: %v, %v", name, info.Mode(), err)
			}
		}
		artifactstest.Must(t, os.WriteFile(filepath.Join(out, "assets/app.js.map"), []byte("stale"), 0o644))
	}
	if _, err := os.Stat(filepath.Join(out, keys.Partial)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the temporary folder: %v", err)
	}
	if _, err := artifacts.Fetch(t.Context(), s, "builds", artifacts.Ref{Branch: "main", SHA: artifactstest.SHA2}, out, artifacts.FetchOptions{}); !errors.Is(
		err,
		fs.ErrNotExist,
	) {
		t.Errorf("a set that does not exist: %v", err)
	}
}

func TestCorruptSetsAreNotFetched(t *testing.T) {
	ref := artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}
	for name, tt := range map[string]struct {
		harm      func(s *folder.Store, key string) error
		want, got string
	}{
		"a byte differs": {
			func(s *folder.Store, key string) error {
				_, err := s.Put(context.Background(), artifactstest.Object(key, "X"))
				return err
			},
			"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b", "4b68ab3847feda7d6c62c1fbcbeebfa35eab7351ed5e78f4ddadea5df64b8015",
		},
		"it is short": {func(s *folder.Store, key string) error {
			_, err := s.Put(context.Background(), artifactstest.Object(key, ""))
			return err
		}, "1 bytes", "0"},
		"it is long": {func(s *folder.Store, key string) error {
			_, err := s.Put(context.Background(), artifactstest.Object(key, "1 "))
			return err
		}, "1 bytes", "more"},
		"it is gone": {
			func(s *folder.Store, key string) error { return s.Delete(context.Background(), key) },
			"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b", "nothing",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newStore(t)
			artifactstest.Publish(t, s, artifacts.Set{Kind: "builds", Ref: ref, Dir: site.Dir(t)})
			artifactstest.Must(t, tt.harm(s, keys.Set("builds", ref)+"/assets/app.js"))

			out := artifactstest.Files{"index.html": "mine"}.Dir(t)
			_, err := artifacts.Fetch(t.Context(), s, "builds", ref, out, artifacts.FetchOptions{})
			var corrupt *artifacts.CorruptError
			if !errors.As(err, &corrupt) || *corrupt != (artifacts.CorruptError{"assets/app.js", tt.want, tt.got}) ||
				errors.Is(err, fs.ErrNotExist) {
				t.Errorf("fetch: %v", err)
			}
			artifactstest.Equal(t, "fetched", artifactstest.Read(t, out), artifactstest.Files{"index.html": "mine"})

			problems, err := artifacts.Verify(t.Context(), s, "builds", ref)
			if err != nil || len(problems) != 1 || problems[0].Path != "assets/app.js" || *problems[0].Err != *corrupt {
				t.Errorf("verify: %v, %v", problems, err)
			}
		})
	}
}

func TestManifestsAreNotTrusted(t *testing.T) {
	ref := artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}
	sum := "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b" // of "1"
	good := artifacts.File{"x", 1, sum, "text/plain", "0644", ""}
	bad := func(change func(*artifacts.Manifest)) artifacts.Manifest {
		m := artifacts.Manifest{
			Version: 1,
			Kind:    "builds",
			Branch:  "main",
			SHA:     artifactstest.SHA1,
			Files:   []artifacts.File{good},
		}
		change(&m)
		return m
	}
	for name, m := range map[string]artifacts.Manifest{
		"a way up":                bad(func(m *artifacts.Manifest) { m.Files[0].Path = "../x" }),
		"a way up in the middle":  bad(func(m *artifacts.Manifest) { m.Files[0].Path = "a/../../x" }),
		"an absolute path":        bad(func(m *artifacts.Manifest) { m.Files[0].Path = "/x" }),
		"the temporary folder":    bad(func(m *artifacts.Manifest) { m.Files[0].Path = keys.Partial + "/x" }),
		"no path":                 bad(func(m *artifacts.Manifest) { m.Files[0].Path = "" }),
		"a file twice":            bad(func(m *artifacts.Manifest) { m.Files = append(m.Files, good) }),
		"a negative size":         bad(func(m *artifacts.Manifest) { m.Files[0].Size = -1 }),
		"no checksum":             bad(func(m *artifacts.Manifest) { m.Files[0].SHA256 = "" }),
		"a set-user-id bit":       bad(func(m *artifacts.Manifest) { m.Files[0].Mode = "4755" }),
		"no mode":                 bad(func(m *artifacts.Manifest) { m.Files[0].Mode = "" }),
		"another version":         bad(func(m *artifacts.Manifest) { m.Version = 2 }),
		"the manifest of another": bad(func(m *artifacts.Manifest) { m.Branch = "other" }),
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newStore(t)
			artifactstest.Put(t, s, artifactstest.Object(keys.Set("builds", ref)+"/x", "1"))
			artifactstest.Must(t, artifacts.PutJSON(t.Context(), s, keys.Manifest("builds", ref), m))
			out := filepath.Join(t.TempDir(), "out")
			_, err := artifacts.Fetch(t.Context(), s, "builds", ref, out, artifacts.FetchOptions{})
			var corrupt *artifacts.CorruptError
			if !errors.As(err, &corrupt) || corrupt.Path != keys.Manifest("builds", ref) {
				t.Errorf("fetch: %v", err)
			}
			artifactstest.Equal(t, "fetched", artifactstest.Read(t, filepath.Dir(out)), artifactstest.Files{})
			// It does not stand in the way of a good one either.
			fresh := artifactstest.Files{"y": "y"}
			artifactstest.Publish(t, s, artifacts.Set{Kind: "builds", Ref: ref, Dir: fresh.Dir(t)})
			if got := artifactstest.SetState(t, s, "builds", ref, map[string]artifactstest.Files{"fresh": fresh}); got != "fresh" {
				t.Error(got)
			}
		})
	}
}

func TestLinksInTheDestinationLeadNowhere(t *testing.T) {
	s, _ := newStore(t)
	ref := artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}
	artifactstest.Publish(
		t,
		s,
		artifacts.Set{Kind: "builds", Ref: ref, Dir: artifactstest.Files{"sub/x": "new", "y": "new"}.Dir(t)},
	)
	outside := artifactstest.Files{"x": "old", "y": "old"}.Dir(t)

	out := t.TempDir()
	artifactstest.Must(t, os.Symlink(outside, filepath.Join(out, "sub")))
	if _, err := artifacts.Fetch(t.Context(), s, "builds", ref, out, artifacts.FetchOptions{}); err == nil {
		t.Error("a linked folder was written through")
	}
	artifactstest.Must(t, os.Remove(filepath.Join(out, "sub")))
	artifactstest.Must(t, os.RemoveAll(filepath.Join(out, "y")))
	artifactstest.Must(t, os.Symlink(filepath.Join(outside, "y"), filepath.Join(out, "y")))
	_, err := artifacts.Fetch(
		t.Context(),
		s,
		"builds",
		ref,
		out,
		artifacts.FetchOptions{},
	) // the link itself is replaced
	artifactstest.Must(t, err)
	artifactstest.Equal(t, "fetched", artifactstest.Read(t, out), artifactstest.Files{"sub/x": "new", "y": "new"})
	artifactstest.Equal(t, "outside", artifactstest.Read(t, outside), artifactstest.Files{"x": "old", "y": "old"})
}

// A manifest that was just read is not read again, unless the set turns out to have been published anew.
func TestFetchByAKnownManifest(t *testing.T) {
	ref := artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}
	s, _ := newStore(t)
	files := artifactstest.Files{"a": "1", "b": "1"}
	dir := files.Dir(t)
	set := artifacts.Set{Kind: "builds", Ref: ref, Dir: dir}
	known := artifactstest.Publish(t, s, set).Manifest
	for _, wantReads := range []int{0, 1} {
		reads := 0
		watch := &artifactstest.Spy{Store: s, Before: func(op, key string) error {
			if strings.HasPrefix(key, "manifests/") {
				reads++
			}
			return nil
		}}
		out := t.TempDir()
		m, err := artifacts.Fetch(t.Context(), watch, "builds", ref, out, artifacts.FetchOptions{Known: &known, Exclude: []string{"b"}})
		artifactstest.Must(t, err)
		if reads != wantReads || len(m.Files) != 1 || len(known.Files) != 2 {
			t.Errorf("%d reads of the manifest, %d files, %d known", reads, len(m.Files), len(known.Files))
		}
		artifactstest.Equal(t, "fetched", artifactstest.Read(t, out), artifactstest.Files{"a": files["a"]})
		files["a"] = "2"
		files.Write(t, dir)
		artifactstest.Publish(t, s, set)
	}
}

func TestFetchDuringAPublish(t *testing.T) {
	ref := artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}
	contents := map[string]artifactstest.Files{
		"old": {"a": "1", "b": "1", "c": "1"},
		"new": {"a": "2", "b": "2", "d": "2"},
	}
	s, _ := newStore(t)
	dir := contents["old"].Dir(t)
	set := artifacts.Set{Kind: "builds", Ref: ref, Dir: dir}
	artifactstest.Publish(t, s, set)
	contents["new"].Write(t, dir)
	once := make(chan struct{}, 1)
	watch := &artifactstest.Spy{Store: s, Before: func(op, key string) error {
		select {
		case once <- struct{}{}: // the manifest
		default:
			if !strings.HasPrefix(key, "manifests/") {
				if p := artifactstest.Publish(t, s, set); p.Uploaded+p.Unchanged != 3 {
					t.Error(p.Counts)
				}
			}
		}
		return nil
	}}
	out := t.TempDir()
	_, err := artifacts.Fetch(t.Context(), watch, "builds", ref, out, artifacts.FetchOptions{})
	artifactstest.Must(t, err)
	artifactstest.Equal(t, "fetched", artifactstest.Read(t, out), contents["new"])
}

// TestFilesThatChangeWhileStored changes a file after it was listed, which is when the store is first written to, or in
// the middle of its being read.
func TestFilesThatChangeWhileStored(t *testing.T) {
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
		{"it becomes a pipe without a writer", false, func(p string) error { return errors.Join(os.Remove(p), syscall.Mkfifo(p, 0o600)) }, "stopped being a regular file"},
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
			dir := artifactstest.Files{"a": "a", "x": strings.Repeat("x", size)}.Dir(t)
			victim := filepath.Join(dir, "x")
			first := true
			change := func() error {
				if !first {
					return nil
				}
				first = false
				return tt.change(victim)
			}
			watch := &artifactstest.Spy{Store: s, Before: func(op, key string) error {
				if !tt.middle && op == "put" && strings.HasSuffix(key, "pending.json") {
					return change()
				}
				return nil
			}}
			watch.Body = func(o artifacts.Object) io.ReadSeeker {
				if tt.middle && strings.HasSuffix(o.Key, "/x") {
					return &halfway{o.Body, size / 2, change}
				}
				return o.Body
			}
			set := artifacts.Set{Kind: "builds", Ref: artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}, Dir: dir}
			_, err := artifacts.Publish(t.Context(), watch, set)
			if tt.reason == "" {
				artifactstest.Must(t, err)
				if problems, err := artifacts.Verify(t.Context(), s, "builds", set.Ref); err != nil || problems != nil {
					t.Errorf("%v, %v", problems, err)
				}
				return
			}
			var changed *artifacts.ChangedError
			if !errors.As(err, &changed) || *changed != (artifacts.ChangedError{"x", tt.reason}) {
				t.Errorf("%v, want that it %s", err, tt.reason)
			}
			if got := artifactstest.SetState(t, s, "builds", set.Ref, nil); got != "none" {
				t.Error(got)
			}
			if _, ok := artifactstest.Read(t, store)[keys.Set("builds", set.Ref)+"/x"]; ok {
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

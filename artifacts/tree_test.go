package artifacts

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestNothingToPublish(t *testing.T) {
	s, store := newStore(t)
	top := files{"file": "x", "hollow/sub/.keep": ""}.dir(t)
	must(t, os.Remove(filepath.Join(top, "hollow/sub/.keep")))
	for name, reason := range map[string]string{
		"nowhere": "does not exist", "file/below": "does not exist", "file": "is not a folder", "hollow": "is empty",
	} {
		_, err := Publish(t.Context(), s, coverage("main", sha1, filepath.Join(top, name)))
		var missing *MissingError
		if !errors.As(err, &missing) || missing.Kind != "coverage" || missing.Path != filepath.Join(top, name) || missing.Reason != reason {
			t.Errorf("%s: %v, want it %s", name, err, reason)
		}
	}
	equal(t, "store", read(t, store), files{})
}

func TestLinks(t *testing.T) {
	t.Parallel()
	outside := files{"secret": "s"}.dir(t)
	inside := files{"real/x": "x", "real/deep/y": "y"}
	for _, tt := range []struct {
		name, at, target string
		want             files  // added to inside
		reason           string // or this refusal
	}{
		{"to a file beside it", "real/link", "x", files{"real/link": "x"}, ""},
		{"to a file above it", "real/deep/link", "../x", files{"real/deep/link": "x"}, ""},
		{"to a folder", "link", "real", files{"link/x": "x", "link/deep/y": "y"}, ""},
		{"out and in again", "link", "../dist/real/x", nil, "leaves the folder"},
		{"to a file outside", "link", "../../" + filepath.Base(filepath.Dir(outside)) + "/dist/secret", nil, "leaves the folder"},
		{"to the folder above", "link", "..", nil, "leaves the folder"},
		{"absolute, to a file outside", "link", filepath.Join(outside, "secret"), nil, "is absolute, so it would mean something else elsewhere"},
		{"absolute, to nothing", "link", "/nonexistent", nil, "is absolute, so it would mean something else elsewhere"},
		{"to nothing", "link", "real/nowhere", nil, "points to nothing"},
		{"to itself", "link", "link", nil, "goes round in circles"},
		{"to the folder it is in", "real/link", ".", nil, "goes round in circles"},
		{"to a folder around it", "real/deep/link", "..", nil, "goes round in circles"},
		{"to the top", "real/deep/link", "../..", nil, "goes round in circles"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, store := newStore(t)
			dir := inside.dir(t)
			must(t, os.Symlink(tt.target, filepath.Join(dir, tt.at)))
			_, err := Publish(t.Context(), s, Set{Kind: "builds", Ref: Ref{Branch: "main", SHA: sha1}, Dir: dir})
			if tt.reason == "" {
				must(t, err)
				equal(t, "store", read(t, store).without("manifests/"), merge(inside, tt.want).under("builds/main/"+sha1))
				return
			}
			var link *LinkError
			if !errors.As(err, &link) || *link != (LinkError{tt.at, tt.target, tt.reason}) {
				t.Errorf("%v, want that it %s", err, tt.reason)
			}
			equal(t, "store", read(t, store), files{})
		})
	}
	t.Run("the set's folder may be one itself", func(t *testing.T) {
		s, _ := newStore(t)
		link := filepath.Join(t.TempDir(), "link")
		must(t, os.Symlink(inside.dir(t), link))
		publishOK(t, s, coverage("main", sha1, link))
	})
	t.Run("two folders that link to each other", func(t *testing.T) {
		s, _ := newStore(t)
		dir := files{"a/x": "", "b/y": ""}.dir(t)
		must(t, os.Symlink("../b", filepath.Join(dir, "a/b")))
		must(t, os.Symlink("../a", filepath.Join(dir, "b/a")))
		_, err := Publish(t.Context(), s, coverage("main", sha1, dir))
		var link *LinkError
		if !errors.As(err, &link) {
			t.Error(err)
		}
	})
}

func TestWhatIsNoFileIsRefusedByName(t *testing.T) {
	for reason, create := range map[string]func(p string) error{
		"is a named pipe":              func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"is a socket":                  func(p string) error { return syscall.Mknod(p, syscall.S_IFSOCK|0o600, 0) },
		"has a name that is not UTF-8": func(p string) error { return os.WriteFile(p+"\xff", nil, 0o600) },
	} {
		s, store := newStore(t)
		dir := files{"x": "x"}.dir(t)
		must(t, create(filepath.Join(dir, "odd")))
		_, err := Publish(t.Context(), s, coverage("main", sha1, dir))
		var file *FileError
		if !errors.As(err, &file) || file.Reason != reason {
			t.Errorf("%v, want that it %s", err, reason)
		}
		equal(t, "store", read(t, store), files{})

		set := coverage("main", sha1, dir)
		set.Exclude = func(p string) bool { return strings.HasPrefix(p, "odd") }
		if p := publishOK(t, s, set); p.Uploaded != 1 {
			t.Errorf("excluded: %+v", p.Counts)
		}
	}
}

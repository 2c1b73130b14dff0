package artifacts_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
)

func TestNothingToPublish(t *testing.T) {
	s, store := newStore(t)
	top := artifactstest.Files{"file": "x", "hollow/sub/.keep": ""}.Dir(t)
	artifactstest.Must(t, os.Remove(filepath.Join(top, "hollow/sub/.keep")))
	for name, reason := range map[string]string{
		"nowhere": "does not exist", "file/below": "does not exist", "file": "is not a folder", "hollow": "is empty",
	} {
		_, err := artifacts.Publish(
			t.Context(),
			s,
			artifactstest.CoverageSet("main", artifactstest.SHA1, filepath.Join(top, name)),
		)
		var missing *artifacts.MissingError
		if !errors.As(err, &missing) || missing.Kind != "coverage" || missing.Path != filepath.Join(top, name) ||
			missing.Reason != reason {
			t.Errorf("%s: %v, want it %s", name, err, reason)
		}
	}
	artifactstest.Equal(t, "store", artifactstest.Read(t, store), artifactstest.Files{})
}

func TestLinks(t *testing.T) {
	t.Parallel()
	outside := artifactstest.Files{"secret": "s"}.Dir(t)
	inside := artifactstest.Files{"real/x": "x", "real/deep/y": "y"}
	for _, tt := range []struct {
		name, at, target string
		want             artifactstest.Files // added to inside
		reason           string              // or this refusal
	}{
		{"to a file beside it", "real/link", "x", artifactstest.Files{"real/link": "x"}, ""},
		{"to a file above it", "real/deep/link", "../x", artifactstest.Files{"real/deep/link": "x"}, ""},
		{"to a folder", "link", "real", artifactstest.Files{"link/x": "x", "link/deep/y": "y"}, ""},
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
			dir := inside.Dir(t)
			artifactstest.Must(t, os.Symlink(tt.target, filepath.Join(dir, tt.at)))
			_, err := artifacts.Publish(
				t.Context(),
				s,
				artifacts.Set{Kind: "builds", Ref: artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}, Dir: dir},
			)
			if tt.reason == "" {
				artifactstest.Must(t, err)
				artifactstest.Equal(
					t,
					"store",
					artifactstest.Read(t, store).Without("manifests/"),
					artifactstest.Merge(inside, tt.want).Under("builds/main/"+artifactstest.SHA1),
				)
				return
			}
			var link *artifacts.LinkError
			if !errors.As(err, &link) || *link != (artifacts.LinkError{tt.at, tt.target, tt.reason}) {
				t.Errorf("%v, want that it %s", err, tt.reason)
			}
			artifactstest.Equal(t, "store", artifactstest.Read(t, store), artifactstest.Files{})
		})
	}
	t.Run("two folders that link to each other", func(t *testing.T) {
		s, _ := newStore(t)
		dir := artifactstest.Files{"a/x": "", "b/y": ""}.Dir(t)
		artifactstest.Must(t, os.Symlink("../b", filepath.Join(dir, "a/b")))
		artifactstest.Must(t, os.Symlink("../a", filepath.Join(dir, "b/a")))
		_, err := artifacts.Publish(t.Context(), s, artifactstest.CoverageSet("main", artifactstest.SHA1, dir))
		var link *artifacts.LinkError
		if !errors.As(err, &link) {
			t.Error(err)
		}
	})
}

func TestSpecialFilesAreRefused(t *testing.T) {
	for reason, create := range map[string]func(p string) error{
		"is a named pipe":              func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"is a socket":                  func(p string) error { return syscall.Mknod(p, syscall.S_IFSOCK|0o600, 0) },
		"has a name that is not UTF-8": func(p string) error { return os.WriteFile(p+"\xff", nil, 0o600) },
	} {
		s, store := newStore(t)
		dir := artifactstest.Files{"x": "x"}.Dir(t)
		artifactstest.Must(t, create(filepath.Join(dir, "odd")))
		_, err := artifacts.Publish(t.Context(), s, artifactstest.CoverageSet("main", artifactstest.SHA1, dir))
		var file *artifacts.FileError
		if !errors.As(err, &file) || file.Reason != reason {
			t.Errorf("%v, want that it %s", err, reason)
		}
		artifactstest.Equal(t, "store", artifactstest.Read(t, store), artifactstest.Files{})

		set := artifactstest.CoverageSet("main", artifactstest.SHA1, dir)
		set.Exclude = func(p string) bool { return strings.HasPrefix(p, "odd") }
		if p := artifactstest.Publish(t, s, set); p.Uploaded != 1 {
			t.Errorf("excluded: %+v", p.Counts)
		}
	}
}

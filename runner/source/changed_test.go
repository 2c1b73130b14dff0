package source

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestChanged(t *testing.T) {
	origin := t.TempDir()
	git(t, origin, "init", "-q")
	git(t, origin, "config", "uploadpack.allowAnySHA1InWant", "true")
	write(t, origin, "web/app.ts", "one")
	write(t, origin, "old name", "the same content in both")
	write(t, origin, "docs/same.md", "same")
	git(t, origin, "add", "-A")
	git(t, origin, "commit", "-q", "-m", "first")
	first := git(t, origin, "rev-parse", "HEAD")
	write(t, origin, "web/app.ts", "two")
	write(t, origin, "web/ä\n\"b\".ts", "new")
	git(t, origin, "mv", "old name", "new name")
	git(t, origin, "add", "-A")
	git(t, origin, "commit", "-q", "-m", "second")
	second := git(t, origin, "rev-parse", "HEAD")

	dir := filepath.Join(t.TempDir(), "work")
	git(t, origin, "clone", "-q", "--depth", "1", "file://"+origin, dir)
	r := &recorder{}
	here := Options{Dir: dir, SHA: second}
	if _, err := Changed(t.Context(), r.run, here, first); !isNotFound(err) {
		t.Errorf("without a remote: %v", err)
	}
	here.URL = "file://" + origin
	got, err := Changed(t.Context(), r.run, here, first)
	want := []string{"new name", "old name", "web/app.ts", "web/ä\n\"b\".ts"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	here.Dir = filepath.Join(dir, "web")
	got, err = Changed(t.Context(), r.run, here, first)
	if want = []string{"app.ts", "ä\n\"b\".ts"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("in a folder: %q, %v; want %q", got, err, want)
	}
	if got, err = Changed(t.Context(), r.run, Options{Dir: dir, SHA: second}, second); err != nil || len(got) > 0 {
		t.Errorf("nothing has changed: %q, %v", got, err)
	}
	for _, earlier := range []string{"", "HEAD", "--help", first[:7], "0000000000000000000000000000000000000000"} {
		if _, err := Changed(t.Context(), r.run, Options{Dir: dir, SHA: second}, earlier); err == nil {
			t.Errorf("%q is compared with", earlier)
		}
	}
}

func TestUncommitted(t *testing.T) {
	top := t.TempDir()
	git(t, top, "init", "-q")
	for _, name := range []string{"app/edited", "app/removed", "app/same", "app/old", "edited"} {
		write(t, top, name, name)
	}
	write(t, top, ".gitignore", "ignored\n")
	git(t, top, "add", "-A")
	git(t, top, "commit", "-q", "-m", "first")
	dir := filepath.Join(top, "app")
	r := &recorder{}
	if got, err := Uncommitted(t.Context(), r.run, dir); err != nil || len(got) > 0 {
		t.Errorf("nothing is changed: %q, %v", got, err)
	}
	write(t, top, "edited", "two")
	for _, name := range []string{"edited", "new/ä\n\"b\".ts", "ignored", ".runner/state", "out/junit.xml", "out/notes"} {
		write(t, dir, name, "two")
	}
	git(t, dir, "mv", "old", "to")
	git(t, dir, "rm", "-q", "removed")
	got, err := Uncommitted(t.Context(), r.run, dir, "out/*.xml")
	slices.Sort(got)
	want := []string{"edited", "new/ä\n\"b\".ts", "old", "out/notes", "removed", "to"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if got, err := Uncommitted(t.Context(), r.run, t.TempDir()); err == nil {
		t.Errorf("without a repository: %q", got)
	}
}

// Nothing that a repository configures is started by the comparison.
func TestChangedStartsNothing(t *testing.T) {
	dir := t.TempDir()
	git(t, dir, "init", "-q")
	write(t, dir, ".gitattributes", "* diff=evil filter=evil\n")
	write(t, dir, "a", "one")
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-q", "-m", "first")
	first := git(t, dir, "rev-parse", "HEAD")
	write(t, dir, "a", "two")
	git(t, dir, "commit", "-q", "-a", "-m", "second")
	for _, name := range []string{"diff.evil.textconv", "diff.evil.command", "diff.external", "filter.evil.clean", "core.pager"} {
		git(t, dir, "config", name, "touch started; cat")
	}
	r := &recorder{}
	got, err := Changed(t.Context(), r.run, Options{Dir: dir, SHA: git(t, dir, "rev-parse", "HEAD")}, first)
	if err != nil || !slices.Equal(got, []string{"a"}) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "started")); err == nil {
		t.Error("a program of the repository was started")
	}
}

func isNotFound(err error) bool {
	var missing *NotFoundError
	return errors.As(err, &missing)
}

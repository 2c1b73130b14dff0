package source

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSwitchBringsACloneToACommit(t *testing.T) {
	origin, dir := t.TempDir(), filepath.Join(t.TempDir(), "clone")
	in := func(dir string, args ...string) string { t.Helper(); return git(t, dir, args...) }
	run := (&recorder{}).run
	commit := func(text string) string {
		t.Helper()
		if err := os.WriteFile(filepath.Join(origin, "a"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		in(origin, "add", ".")
		in(origin, "commit", "-qm", text)
		return in(origin, "rev-parse", "HEAD")
	}
	in(origin, "init", "-q", "-b", "main")
	first, second := commit("one"), commit("two")
	in(filepath.Dir(dir), "clone", "-q", origin, dir)
	third := commit("three") // which the clone has to fetch
	in(origin, "config", "uploadpack.allowAnySHA1InWant", "true")
	for _, c := range []struct {
		name, sha, want string
		changed         bool
	}{
		{"an earlier commit", first, first, true},
		{"where it is", first, first, false},
		{"an abbreviation", second[:8], second, true},
		{"a commit of the origin", third, third, true},
	} {
		got, changed, err := Switch(t.Context(), run, dir, c.sha)
		if err != nil || got != c.want || changed != c.changed || in(dir, "rev-parse", "HEAD") != c.want {
			t.Errorf("%s: it is at %s, %v, %v", c.name, got, changed, err)
		}
	}

	var none *NotFoundError
	if _, _, err := Switch(t.Context(), run, dir, strings.Repeat("0f", 20)); !errors.As(err, &none) {
		t.Errorf("a commit that is nowhere: %v", err)
	}
	if _, _, err := Switch(t.Context(), run, dir, "--all"); !errors.As(err, &none) {
		t.Errorf("an option: %v", err)
	}
	for name, c := range map[string]struct {
		file    string
		refused bool
	}{"a change": {"a", true}, "an untracked file": {"b", true}, "a report": {"junit.xml", false}} {
		in(dir, "checkout", "-q", "--force", third)
		in(dir, "clean", "-qfd")
		if err := os.WriteFile(filepath.Join(dir, c.file), []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
		_, _, err := Switch(t.Context(), run, dir, first, "junit.xml")
		if text, _ := os.ReadFile(filepath.Join(dir, c.file)); string(text) != "mine" || (err != nil) != c.refused {
			t.Errorf("with %s: %q, %v", name, text, err)
		}
		if head := in(dir, "rev-parse", "HEAD"); c.refused != (head == third) {
			t.Errorf("with %s: the clone is at %s", name, head)
		}
	}
}

package detect

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestGitignoreIsRead(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, ".gitignore", "# dist\n\nlib/\n/build\n*.xml\n!keep.xml\ncoverage/*\npackages/*/out\n")
	write(t, dir, "a/.gitignore", "/es\n")
	for name, want := range map[string]bool{
		"lib": true, "a/lib": true, "build": true, "a/build": false, "build/cjs": true, "junit.xml": true,
		"a/junit.xml": true, "keep.xml": false, "coverage": true, "dist": false, "a/es": true, "es": false,
		"packages/b/out": true, "b/out": false,
	} {
		w, err := scan(dir)
		if err != nil {
			t.Fatal(err)
		}
		if w.ignores(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
		w.close()
	}
}

// What steps write and git does not ignore is proposed, in a repository of git.
func TestLinesForGitignoreAreProposed(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "package.json", `{"scripts":{"build":"tsc --outDir dist","test":"vitest run --coverage"}}`)
	write(t, dir, ".gitignore", "dist\n")
	lines := func() []string {
		found, err := Workspace(dir)
		if err != nil {
			t.Fatal(err)
		}
		return found.Ignore
	}
	if got := lines(); got != nil {
		t.Error("without git:", got)
	}
	if err := os.Mkdir(filepath.Join(dir, ".git"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := lines(); !slices.Equal(got, []string{"junit.xml", "/coverage/"}) {
		t.Error(got)
	}
}

package session

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/carlin-cicd/runner/runner/config"
)

// A checkout may change runner.yaml after the run was identified: only what is loaded at once is what Identify read.
func TestStepsAreReadAnewAfterTheFirstTime(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("git", "init", "-q", dir).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	write := func(step string) {
		t.Helper()
		text := "version: 1\nsteps:\n  " + step + ":\n    command: /bin/true\n"
		if err := os.WriteFile(filepath.Join(dir, "runner.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("before")
	s := New(t.Context(), nil, config.Config{Workspace: dir})
	if err := s.Identify(); err != nil {
		t.Fatal(err)
	}
	write("after")
	for _, want := range []string{"before", "after"} {
		all, err := s.LoadSteps()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := all.Find(want); err != nil {
			t.Error(err)
		}
	}
}

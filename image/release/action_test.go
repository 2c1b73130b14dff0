package release

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// The action of a release fetches that release, and executes nothing else, without being given a version or a checksum.
func TestTheActionIsPinnedByTheRelease(t *testing.T) {
	dir := release
	var action struct {
		Runs struct {
			Steps []struct{ Env map[string]string }
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, filepath.Join(dir, "action.yml"))), &action); err != nil {
		t.Fatal(err)
	}
	env := action.Runs.Steps[0].Env
	if env["RELEASE"] != "v"+version || env["RELEASE_AMD64"] != checksum(t, filepath.Join(dir, "runner-linux-amd64")) ||
		env["RELEASE_ARM64"] != checksum(t, filepath.Join(dir, "runner-linux-arm64")) {
		t.Errorf("%v", env)
	}
}

// The action's commit is a child of the release, the same each time, and differs from it in one file.
func TestTheCommitOfTheActionIsMadeOfTheRelease(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "action.yml"), read(t, filepath.Join(release, "action.yml")))
	clone := filepath.Join(t.TempDir(), "clone")
	git := func(args ...string) string {
		t.Helper()
		out, code := call(t, clone, []string{"GIT_CONFIG_GLOBAL=/dev/null"}, "git", args...)
		if code != 0 {
			t.Fatalf("git %v: %s", args, out)
		}
		return strings.TrimSpace(out)
	}
	for _, f := range []string{"infra/github/action.yml", "infra/github/hybrid.yml", "image/release/action", "LICENSE"} {
		write(t, filepath.Join(clone, f), read(t, "../../"+f))
	}
	git("init", "-q", "-b", "main")
	git("add", ".")
	git("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "release")
	commit := git("rev-parse", "HEAD")
	pin := func() string {
		out, code := call(t, clone, []string{"GIT_CONFIG_GLOBAL=/dev/null"}, filepath.Join(clone, "image/release/action"), dir, version, commit)
		if code != 0 {
			t.Fatal(out)
		}
		return strings.TrimSpace(out)
	}
	pinned := pin()
	if again := pin(); again != pinned {
		t.Errorf("%s, and then %s", pinned, again)
	}
	if changed := git("diff", "--name-only", commit, pinned); changed != "infra/github/action.yml" || git("rev-parse", pinned+"^") != commit {
		t.Errorf("it changes %s", changed)
	}
	if git("status", "--porcelain") != "" || git("show", pinned+":infra/github/action.yml") != strings.TrimSpace(read(t, filepath.Join(dir, "action.yml"))) {
		t.Error("the work tree changed, or the action is another")
	}
	hybrid := read(t, filepath.Join(dir, "hybrid.yml"))
	if !strings.Contains(hybrid, "- uses: carlin-cicd/runner/infra/github@"+pinned+" # v"+version+"\n        with:\n          step: test\n\n") ||
		strings.Contains(hybrid, "0.0.0") || strings.Contains(hybrid, "Set the commit") {
		t.Errorf("%s", hybrid)
	}
}

package source

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// recorder runs git and records the arguments.
type recorder struct {
	arguments []string
	variables []string // in addition to those of the tests
}

func (r *recorder) run(ctx context.Context, dir string, variables []string, args ...string) (string, error) {
	r.arguments = append(r.arguments, args...)
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Env = dir, slices.Concat(os.Environ(), isolated, r.variables, variables)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// isolated keeps the configuration of the machine out.
var isolated = []string{"GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_NOSYSTEM=1"}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"}, args...)...)
	cmd.Dir, cmd.Env = dir, slices.Concat(os.Environ(), isolated)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// repository creates a repository of two commits that serves them by their ids, as GitHub does.
func repository(t *testing.T) (dir, first, second string) {
	t.Helper()
	dir = t.TempDir()
	git(t, dir, "init", "-q")
	git(t, dir, "config", "uploadpack.allowAnySHA1InWant", "true")
	git(t, dir, "config", "http.uploadpack", "true")
	write(t, dir, ".gitignore", "node_modules\n")
	write(t, dir, "file", "one")
	write(t, dir, "gone", "soon")
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-qm", "one")
	first = git(t, dir, "rev-parse", "HEAD")
	write(t, dir, "file", "two")
	git(t, dir, "rm", "-q", "gone")
	git(t, dir, "commit", "-qam", "two")
	return dir, first, git(t, dir, "rev-parse", "HEAD")
}

func content(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return string(b)
}

func TestDescribe(t *testing.T) {
	dir, _, second := repository(t)
	run := (&recorder{}).run
	if c, err := Describe(t.Context(), run, dir); err != nil || c != (Commit{Branch: "main", SHA: second}) {
		t.Errorf("a clean checkout is %+v, %v", c, err)
	}
	write(t, dir, "node_modules/x", "ignored")
	if c, _ := Describe(t.Context(), run, dir); c.Dirty {
		t.Error("ignored files make it dirty")
	}
	write(t, dir, "sub/new", "x")
	if c, _ := Describe(t.Context(), run, dir); !c.Dirty {
		t.Error("a new file does not make it dirty")
	}
	if c, err := Describe(t.Context(), run, filepath.Join(dir, "sub")); err != nil || c.SHA != second {
		t.Errorf("from a subfolder it is %+v, %v", c, err)
	}
	git(t, dir, "checkout", "-q", "--detach")
	if c, err := Describe(t.Context(), run, dir); err != nil || c.Branch != "" || c.SHA != second {
		t.Errorf("detached it is %+v, %v", c, err)
	}
}

func TestDescribeWithoutACommit(t *testing.T) {
	empty, broken := t.TempDir(), t.TempDir()
	git(t, empty, "init", "-q")
	write(t, broken, ".git", "gitdir: ../.git/modules/elsewhere\n") // a submodule that was copied without its superproject
	dir, _, _ := repository(t)
	missing := func(context.Context, string, []string, ...string) (string, error) { return "", exec.ErrNotFound }
	for name, c := range map[string]struct {
		dir     string
		run     Runner
		message string
	}{
		"no repository":               {t.TempDir(), missing, "not a git repository"},
		"no commit":                   {empty, (&recorder{}).run, "no commit yet"},
		"a submodule without its top": {broken, (&recorder{}).run, "modules/elsewhere"},
		"no git":                      {dir, missing, "executable file not found"},
	} {
		if _, err := Describe(t.Context(), c.run, c.dir); !errors.Is(err, ErrNoRepository) || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("stopped")
	cancel(cause)
	if _, err := Describe(ctx, (&recorder{}).run, dir); !errors.Is(err, cause) {
		t.Errorf("stopped: error is %v", err)
	}
}

func TestAWorkspaceOfAnotherUserIsRead(t *testing.T) {
	dir, first, second := repository(t)
	r := &recorder{variables: []string{"GIT_TEST_ASSUME_DIFFERENT_OWNER=1"}}
	if out, err := r.run(t.Context(), dir, nil, "status"); err == nil || !strings.Contains(out, "dubious ownership") {
		t.Fatalf("git does not object, so this tests nothing: %s", out)
	}
	if c, err := Describe(t.Context(), r.run, dir); err != nil || c.SHA != second {
		t.Errorf("%+v, %v", c, err)
	}
	if _, _, err := Checkout(t.Context(), r.run, Options{URL: "https://example.com/x", SHA: first, Dir: dir}); err != nil {
		t.Error(err)
	}
}

func TestTheRunnersOwnFilesAreNotChanges(t *testing.T) {
	dir, _, _ := repository(t)
	write(t, dir, ".runner/artifacts/x", "x")
	if c, err := Describe(t.Context(), (&recorder{}).run, dir); err != nil || c.Dirty {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestALinkToAFolderOfARepository(t *testing.T) {
	dir, _, second := repository(t)
	link := filepath.Join(t.TempDir(), "link")
	write(t, dir, "sub/x", "x")
	if err := os.Symlink(filepath.Join(dir, "sub"), link); err != nil {
		t.Fatal(err)
	}
	if c, err := Describe(t.Context(), (&recorder{}).run, link); err != nil || c.SHA != second {
		t.Errorf("%+v, %v", c, err)
	}
}

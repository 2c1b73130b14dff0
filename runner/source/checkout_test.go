package source

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// journal keeps what is logged.
type journal struct{ text strings.Builder }

func (j *journal) log() *slog.Logger { return slog.New(slog.NewTextHandler(&j.text, nil)) }

func (j *journal) has(part string) bool { return strings.Contains(j.text.String(), part) }

// clone returns a workspace that git itself has cloned, at a commit.
func clone(t *testing.T, dir, at string, args ...string) string {
	t.Helper()
	ws := t.TempDir()
	git(t, ws, append([]string{"clone", "-q"}, append(args, "file://"+dir, ".")...)...)
	git(t, ws, "checkout", "-q", at)
	return ws
}

func TestExactlyTheCommitIsCheckedOutOverExistingFiles(t *testing.T) {
	dir, first, second := repository(t)
	ws := t.TempDir()
	write(t, ws, "node_modules/dep/index.js", "kept")
	write(t, ws, "file", "stale")
	write(t, ws, "a file beside", "kept")
	var j journal
	o := Options{URL: "file://" + dir, SHA: first, Dir: ws, Branch: "main", Log: j.log()}
	r := &recorder{}
	if c, changed, err := Checkout(
		t.Context(), r.run, o,
	); err != nil || !changed || c != (Commit{Branch: "main", SHA: first}) {
		t.Fatalf("%+v, %v, changed %v", c, err, changed)
	}
	if content(
		t, ws, "file",
	) != "one" || content(
		t, ws, "gone",
	) != "soon" || content(t, ws, "node_modules/dep/index.js") != "kept" || content(t, ws, "a file beside") != "kept" {
		t.Error("the workspace is not the first commit with the other files")
	}
	if n := git(t, ws, "rev-list", "--count", "HEAD"); n != "1" {
		t.Errorf("%s commits were fetched", n)
	}

	o.SHA = strings.ToUpper(second)
	if _, _, err := Checkout(t.Context(), r.run, o); err != nil {
		t.Fatal(err)
	}
	if content(
		t, ws, "file",
	) != "two" || content(
		t, ws, "gone",
	) != "" || content(t, ws, "a file beside") != "kept" || content(t, ws, "node_modules/dep/index.js") != "kept" {
		t.Error("the workspace is not the second commit with the other files")
	}
	o.URL = "file:///nowhere"
	if c, changed, err := Checkout(t.Context(), r.run, o); err != nil || changed || c.SHA != second {
		t.Errorf("at the commit already: %+v, %v, changed %v", c, err, changed)
	}
	o.SHA = first
	if _, changed, err := Checkout(t.Context(), r.run, o); err != nil || !changed {
		t.Errorf("back to a commit that was fetched before: %v, changed %v", err, changed)
	}
}

func TestChangesInTheWorkspaceAreSaved(t *testing.T) {
	dir, first, second := repository(t)
	ws := clone(t, dir, first)
	write(t, ws, "file", "work of an hour")
	write(t, ws, "new", "untracked")
	var j journal
	r := &recorder{variables: []string{"HOME=" + t.TempDir(), "EMAIL="}} // git has no user
	if _, _, err := Checkout(
		t.Context(), r.run, Options{URL: "file://" + dir, SHA: second, Dir: ws, Log: j.log()},
	); err != nil {
		t.Fatal(err)
	}
	if content(t, ws, "file") != "two" || content(t, ws, "new") != "untracked" || !j.has("git stash apply") {
		t.Errorf("file has %q; %q", content(t, ws, "file"), j.text.String())
	}
	if got := git(t, ws, "show", "stash@{0}:file"); got != "work of an hour" {
		t.Errorf("saved was %q", got)
	}
}

func TestTheHistoryOfACompleteCloneIsKept(t *testing.T) {
	dir, first, _ := repository(t)
	ws := clone(t, dir, first)
	write(t, dir, "file", "three")
	git(t, dir, "commit", "-qam", "three")
	third := git(t, dir, "rev-parse", "HEAD")
	if _, _, err := Checkout(
		t.Context(), (&recorder{}).run, Options{URL: "file://" + dir, SHA: third, Dir: ws},
	); err != nil {
		t.Fatal(err)
	}
	if n := git(t, ws, "rev-list", "--count", "HEAD"); n != "3" {
		t.Errorf("it has %s commits", n)
	}
	ws = clone(t, dir, "HEAD", "--depth=1")
	git(t, dir, "commit", "-qm", "four", "--allow-empty")
	if _, _, err := Checkout(
		t.Context(), (&recorder{}).run, Options{URL: "file://" + dir, SHA: git(t, dir, "rev-parse", "HEAD"), Dir: ws},
	); err != nil {
		t.Fatal(err)
	}
	if n := git(t, ws, "rev-list", "--count", "HEAD"); n != "1" {
		t.Errorf("the shallow one has %s commits", n)
	}
}

func TestNothingOfACommitIsRun(t *testing.T) {
	dir, first, second := repository(t)
	ws := clone(t, dir, first)
	for _, name := range []string{
		".git/hooks/post-checkout", ".git/hooks/reference-transaction", "hooks/post-checkout",
	} {
		write(t, ws, name, "#!/bin/sh\ntouch "+filepath.Join(ws, "ran")+"\n")
		if err := os.Chmod(filepath.Join(ws, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	git(t, ws, "config", "core.fsmonitor", filepath.Join(ws, "hooks/post-checkout"))
	if _, _, err := Checkout(
		t.Context(), (&recorder{}).run, Options{URL: "file://" + dir, SHA: second, Dir: ws},
	); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(ws, "ran")); err == nil {
		t.Error("a hook was run")
	}
}

func TestTheWorkspaceMayBeASubmodule(t *testing.T) {
	dir, first, second := repository(t)
	top := t.TempDir()
	git(t, top, "init", "-q")
	git(t, top, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "file://"+dir, "sub")
	git(t, top, "commit", "-qm", "top")
	sub := filepath.Join(top, "sub")
	var j journal
	if _, changed, err := Checkout(
		t.Context(), (&recorder{}).run, Options{URL: "file://" + dir, SHA: first, Dir: sub, Log: j.log()},
	); err != nil || !changed {
		t.Fatal(err, changed)
	}
	if content(t, sub, "file") != "one" || git(t, sub, "rev-parse", "HEAD") != first || second == first {
		t.Error("the submodule is not at the commit")
	}
	ws := t.TempDir()
	if _, _, err := Checkout(
		t.Context(), (&recorder{}).run,
		Options{URL: "file://" + top, SHA: git(t, top, "rev-parse", "HEAD"), Dir: ws, Log: j.log()},
	); err != nil {
		t.Errorf("%v: %q", err, j.text.String())
	}
}

func TestAPartOfARepositoryIsNotCheckedOut(t *testing.T) {
	dir, first, _ := repository(t)
	write(t, dir, "sub/mine", "x")
	_, _, err := Checkout(
		t.Context(), (&recorder{}).run, Options{URL: "file://" + dir, SHA: first, Dir: filepath.Join(dir, "sub")},
	)
	if !is[*Error](err) || !strings.Contains(err.Error(), dir) || content(t, dir, "file") != "two" {
		t.Errorf("%v; file has %q", err, content(t, dir, "file"))
	}
}

func TestARepositoryOfSHA256(t *testing.T) {
	dir := t.TempDir()
	git(t, dir, "init", "-q", "--object-format=sha256")
	write(t, dir, "file", "one")
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-qm", "one")
	ws := t.TempDir()
	if _, _, err := Checkout(
		t.Context(), (&recorder{}).run, Options{URL: "file://" + dir, SHA: git(t, dir, "rev-parse", "HEAD"), Dir: ws},
	); err != nil || content(t, ws, "file") != "one" {
		t.Errorf("%v; file has %q", err, content(t, ws, "file"))
	}
}

func TestAFailedFetchLeavesNoRepository(t *testing.T) {
	dir, _, _ := repository(t)
	ws := t.TempDir()
	write(t, ws, "file", "kept")
	if _, _, err := Checkout(
		t.Context(), (&recorder{}).run, Options{URL: "file://" + dir, SHA: strings.Repeat("f", 40), Dir: ws},
	); !is[*NotFoundError](err) {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(ws, ".git")); err == nil || content(t, ws, "file") != "kept" {
		t.Error("the workspace was changed")
	}
}

func TestAStopIsNotAnErrorOfGit(t *testing.T) {
	dir, first, _ := repository(t)
	cause := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	stopping := func(c context.Context, dir string, variables []string, args ...string) (string, error) {
		if strings.Contains(strings.Join(args, " "), " fetch ") {
			cancel(cause)
			return "fatal: the remote end hung up unexpectedly", errors.New("signal: terminated")
		}
		return (&recorder{}).run(c, dir, variables, args...)
	}
	if _, _, err := Checkout(
		ctx, stopping, Options{URL: "file://" + dir, SHA: first, Dir: t.TempDir()},
	); !errors.Is(err, cause) {
		t.Errorf("error is %v", err)
	}
}

func TestTheSSHCommandOfTheEnvironmentIsKept(t *testing.T) {
	for given, want := range map[string]string{
		"": "GIT_SSH_COMMAND=ssh -o BatchMode=yes", "ssh -i key": "GIT_SSH_COMMAND=ssh -i key -o BatchMode=yes",
	} {
		var got []string
		run := func(_ context.Context, _ string, variables []string, _ ...string) (string, error) {
			got = append(got, variables...)
			return "", errors.New("no")
		}
		Checkout(
			t.Context(), run,
			Options{URL: "git@example.com:a/b", SHA: strings.Repeat("a", 40), Dir: t.TempDir(), SSHCommand: given},
		)
		if !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("%q becomes %q", given, got)
		}
	}
}

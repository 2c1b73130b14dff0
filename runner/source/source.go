// Package source brings a workspace to one commit.
//
// Git is run by the caller's Runner, because a second waiter for children would take their exit codes from the
// supervisor.
package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Runner runs git in a folder with variables added to the environment, and returns what it printed on both outputs.
type Runner func(ctx context.Context, dir string, variables []string, args ...string) (string, error)

// Commit is the commit of a workspace.
type Commit struct {
	Branch string // empty if HEAD is detached
	SHA    string
	Dirty  bool // tracked files are changed, or there are files that are neither tracked nor ignored
}

// ErrNoRepository reports that a folder is not in a git repository, or that git cannot read it.
var ErrNoRepository = errors.New("not a git repository")

// OwnershipError reports that a repository belongs to another user. It is an ErrNoRepository.
type OwnershipError struct{ Repository string }

func (e *OwnershipError) Error() string {
	return fmt.Sprintf("the repository in %s belongs to another user", e.Repository)
}

// Hint returns how to trust the repository.
func (e *OwnershipError) Hint() string {
	return "let RUNNER_WORKSPACE be that folder, or correct its owner; git runs what the configuration of a " +
		"repository names"
}

// Is makes the error an ErrNoRepository.
func (e *OwnershipError) Is(target error) bool { return target == ErrNoRepository }

// Describe returns the commit of a workspace. Untracked files that match one of the patterns, which are relative to
// dir and slash-separated, are not changes. Without a commit the error is an ErrNoRepository with git's message.
func Describe(ctx context.Context, run Runner, dir string, generated ...string) (Commit, error) {
	top := findRepository(dir)
	if top == "" { // so that git is not needed outside of repositories
		return Commit{}, ErrNoRepository
	}
	untracked := "normal"
	if len(generated) > 0 {
		untracked = "all" // a new folder may hold nothing but generated files
	}
	// One call returns everything: headers, then a line for each change. The runner's own files are not changes.
	out, err := run(ctx, dir, gitEnvironment(), slices.Concat(settings(dir), []string{
		"-c", "status.relativePaths=true", "status", "--porcelain=v2", "--branch", "--untracked-files=" + untracked,
		"--", ".", ":(exclude).runner",
	})...)
	switch {
	case ctx.Err() != nil:
		return Commit{}, context.Cause(ctx)
	case err != nil && strings.Contains(out, "dubious ownership"):
		return Commit{}, &OwnershipError{top}
	case err != nil:
		return Commit{}, fmt.Errorf("%w: %s", ErrNoRepository, cmp.Or(lastLines(out), err.Error()))
	}
	var c Commit
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\r\n")
		if sha, ok := strings.CutPrefix(line, "# branch.oid "); ok {
			c.SHA = sha
		} else if head, ok := strings.CutPrefix(line, "# branch.head "); ok && head != "(detached)" {
			c.Branch = head
		} else if name, ok := strings.CutPrefix(line, "? "); ok {
			c.Dirty = c.Dirty || !isGenerated(path.Clean(name), generated)
		} else if kind, _, ok := strings.Cut(line, " "); ok && slices.Contains([]string{"1", "2", "u"}, kind) {
			c.Dirty = true
		}
	}
	if !isFullSHA(c.SHA) { // "(initial)"
		return Commit{}, fmt.Errorf("%w: it has no commit yet", ErrNoRepository)
	}
	return c, nil
}

// isGenerated reports whether a file or one of its folders matches one of the patterns.
func isGenerated(name string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		for at := name; at != "."; at = path.Dir(at) {
			if matched, err := doublestar.Match(pattern, at); err == nil && matched {
				return true
			}
		}
		return false
	})
}

// HasRepository reports whether a folder is in a repository of git.
func HasRepository(dir string) bool { return findRepository(dir) != "" }

// findRepository returns the folder whose .git git would use in dir, or "".
func findRepository(dir string) string {
	dir = realPath(dir)
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// realPath returns the absolute path without links, from which git searches upwards.
func realPath(dir string) string {
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		dir = resolved
	}
	return dir
}

// settings returns git's options for work in a workspace. They are passed as arguments: in a file they would outlive
// the run, and as GIT_CONFIG_COUNT they would replace those of the environment.
func settings(dir string) []string {
	return []string{
		// In a container the workspace often belongs to another user. Every other repository keeps git's check of
		// ownership: its configuration, and that of a parent folder, can name programs that git would run.
		"-c", "safe.directory=" + realPath(dir),
		"-c", "core.hooksPath=" + os.DevNull, // nothing of the commit may run before the step does
		"-c", "core.fsmonitor=false",
		"-c", "gc.auto=0", "-c", "maintenance.auto=false", // they would go on in the background
		"-c", "init.defaultBranch=main", "-c", "advice.detachedHead=false",
		"-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60", // bytes a second, seconds: a server that hangs
	}
}

// gitEnvironment makes git print English and ask for nothing.
func gitEnvironment() []string {
	return []string{"LC_ALL=C", "LANGUAGE=C", "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=true", "GIT_OPTIONAL_LOCKS=0"}
}

// isFullSHA reports whether a text is a full SHA-1 or SHA-256, not an abbreviation.
func isFullSHA(sha string) bool {
	return (len(sha) == 40 || len(sha) == 64) && strings.Trim(sha, "0123456789abcdef") == ""
}

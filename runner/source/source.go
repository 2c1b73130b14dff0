// Package source brings a workspace to one commit.
//
// Git is run by whoever calls, through a Runner: a second one who waits for children would take them from the supervisor.
package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Runner runs git in a folder with variables added to the environment, and returns what it printed on both outputs.
type Runner func(ctx context.Context, dir string, variables []string, args ...string) (string, error)

// Commit is where a workspace is.
type Commit struct {
	Branch string // empty if HEAD is detached
	SHA    string
	Dirty  bool // tracked files were changed, or files added that are not ignored
}

// ErrNoRepository says that a folder is not in a git repository, or that there is no git to ask.
var ErrNoRepository = errors.New("not a git repository")

// Describe says at which commit the workspace is. Where nobody can say, the error is ErrNoRepository with git's words.
func Describe(ctx context.Context, run Runner, dir string) (Commit, error) {
	if enclosing(dir) == "" { // git is not even started where there is nothing to ask it
		return Commit{}, ErrNoRepository
	}
	// One call tells all: headers, then a line for each change. What the runner itself keeps in the workspace is no change.
	out, err := run(ctx, dir, quietly(), slices.Concat(settings, []string{
		"status", "--porcelain=v2", "--branch", "--untracked-files=normal", "--", ".", ":(exclude).runner",
	})...)
	switch {
	case ctx.Err() != nil:
		return Commit{}, context.Cause(ctx)
	case err != nil:
		return Commit{}, fmt.Errorf("%w: %s", ErrNoRepository, first(lastLines(out), err.Error()))
	}
	var c Commit
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\r\n")
		if sha, ok := strings.CutPrefix(line, "# branch.oid "); ok {
			c.SHA = sha
		} else if head, ok := strings.CutPrefix(line, "# branch.head "); ok && head != "(detached)" {
			c.Branch = head
		} else if kind, _, ok := strings.Cut(line, " "); ok && slices.Contains([]string{"1", "2", "u", "?"}, kind) {
			c.Dirty = true
		}
	}
	if !isWhole(c.SHA) { // "(initial)"
		return Commit{}, fmt.Errorf("%w: it has no commit yet", ErrNoRepository)
	}
	return c, nil
}

// enclosing returns the folder that has the .git which git would use in dir, "" if there is none.
func enclosing(dir string) string {
	dir = physical(dir)
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

// physical is the path without links, which is what git goes up from.
func physical(dir string) string {
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		dir = resolved
	}
	return dir
}

// settings are given on the command line: in a file they would outlive the run, and as GIT_CONFIG_COUNT they would
// replace those which the environment has already.
var settings = []string{
	"-c", "safe.directory=*", // in a container the workspace often belongs to somebody else
	"-c", "core.hooksPath=" + os.DevNull, // a commit that is only looked at must not run anything yet
	"-c", "core.fsmonitor=false",
	"-c", "gc.auto=0", "-c", "maintenance.auto=false", // it would go on in the background
	"-c", "init.defaultBranch=main",
	"-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60", // bytes a second, seconds: a server that hangs is a failure of the network
}

// quietly makes git answer in English and ask nobody.
func quietly() []string {
	return []string{"LC_ALL=C", "LANGUAGE=C", "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=true", "GIT_OPTIONAL_LOCKS=0"}
}

// isWhole tells a whole SHA-1 or SHA-256 from an abbreviation.
func isWhole(sha string) bool {
	return (len(sha) == 40 || len(sha) == 64) && strings.Trim(sha, "0123456789abcdef") == ""
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

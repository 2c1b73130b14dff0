// Package source brings a workspace to one commit.
//
// Git is run by whoever calls, through a Runner: a second one who waits for children would take them from the supervisor.
package source

import (
	"context"
	"errors"
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

// Describe says at which commit the workspace is. The error is ErrNoRepository where nobody can say.
func Describe(ctx context.Context, run Runner, dir string) (Commit, error) {
	if !insideRepository(dir) { // git is not even started where there is nothing to ask it
		return Commit{}, ErrNoRepository
	}
	// One call tells all: two lines of headers, then a line for each change.
	out, err := run(ctx, dir, quietly, slices.Concat(trusting, []string{"status", "--porcelain=v2", "--branch", "--untracked-files=normal", "."})...)
	if err != nil {
		return Commit{}, ErrNoRepository
	}
	var c Commit
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "# branch.oid "):
			if c.SHA = strings.TrimPrefix(line, "# branch.oid "); !isFullSHA(c.SHA) {
				return Commit{}, ErrNoRepository // "(initial)": there is no commit yet
			}
		case strings.HasPrefix(line, "# branch.head "):
			if head := strings.TrimPrefix(line, "# branch.head "); head != "(detached)" {
				c.Branch = head
			}
		case line != "" && strings.ContainsAny(line[:1], "12u?"):
			c.Dirty = true
		}
	}
	if c.SHA == "" {
		return Commit{}, ErrNoRepository
	}
	return c, nil
}

// insideRepository looks for .git from the folder upwards, as git does.
func insideRepository(dir string) bool {
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return false
		}
		dir = parent
	}
}

// quietly makes git answer in English and ask nobody.
var quietly = []string{"LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=true", "GIT_OPTIONAL_LOCKS=0", "GIT_SSH_COMMAND=ssh -o BatchMode=yes"}

// trusting is for a workspace that belongs to somebody else, as in a container it often does. Files of configuration
// would outlive the run.
var trusting = []string{"-c", "safe.directory=*"}

// isFullSHA tells a whole SHA-1 or SHA-256 from an abbreviation.
func isFullSHA(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}

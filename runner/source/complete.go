package source

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// Settings are how much of the repository a step gets.
type Settings struct {
	Depth      int        // commits of history; 0: all, of all branches
	Tags       bool       // all tags
	Submodules Submodules // which are checked out
	LFS        bool       // files in Git LFS are fetched
	Clean      bool       // files that are neither in the commit nor ignored are removed
	Filter     string     // of a partial clone, such as blob:none; it applies to history
}

// Submodules are the submodules that are checked out.
type Submodules int

// The choices of Submodules.
const (
	NoSubmodules Submodules = iota
	TopSubmodules
	AllSubmodules // those of submodules, too
)

// Complete does what the settings ask for in a workspace that Checkout has brought to a commit: history, tags,
// submodules, files in Git LFS, removal of other files. What the settings leave out although the commit needs it is
// logged as a warning with the setting's name.
//
// The error is one of those of Checkout.
func Complete(ctx context.Context, run Runner, o Options, s Settings) error {
	c, err := newClient(ctx, run, o)
	if err != nil {
		return err
	}
	defer c.close()
	for _, part := range []func(Settings) error{c.completeHistory, c.cleanWorkspace, c.updateSubmodules, c.pullLFS} {
		if err := part(s); err != nil {
			return err
		}
	}
	return nil
}

// completeHistory fetches history and tags.
func (c *client) completeHistory(s Settings) error {
	shallow := c.isShallow()
	deepen := shallow && s.Depth != 1
	if !deepen && !s.Tags {
		return nil
	}
	var options []string
	if s.Tags {
		options = append(options, "--tags")
	}
	if s.Filter != "" {
		options = append(options, "--filter="+s.Filter)
	}
	refs := append([]string{c.SHA}, refsOf(c.Branch)...)
	switch {
	case deepen && s.Depth == 0:
		options, refs = append(options, "--unshallow"), append([]string{allBranches}, refs...)
	case shallow:
		options = append(options, depthOption(true, s.Depth))
	}
	return c.fetchAny(c.remote(), options, refs)
}

// fetchAny fetches all branches if refs begin with a wildcard, and the first of the other refs that the server serves,
// or all branches if it serves none.
func (c *client) fetchAny(remote string, options, refs []string) error {
	var all []string
	if strings.HasPrefix(refs[0], "+") {
		all, refs = refs[:1], refs[1:]
	}
	for _, ref := range refs {
		err := c.fetch(remote, append(append(append([]string{}, options...), all...), ref)...)
		var missing *NotFoundError
		if !errors.As(err, &missing) {
			return err
		}
	}
	return c.fetch(remote, append(options, allBranches)...) // the commit is there already
}

// cleanWorkspace removes files that are neither in the commit nor ignored, so that a migration that a commit deleted
// does not run.
func (c *client) cleanWorkspace(s Settings) error {
	kept := []string{".runner", "runner.yaml"}
	if !s.Clean || isSystemFolder(c.Dir) {
		args := []string{"ls-files", "--others", "--exclude-standard", "--directory", "--", "."}
		for _, name := range kept {
			args = append(args, ":(exclude)"+name)
		}
		out, err := c.git(args...)
		if names := lines(out); err == nil && len(names) > 0 {
			c.Log.Info(
				"files that are not in the commit stay in the workspace", "count", len(names), "first", firstOf(names),
			)
		}
		return nil
	}
	args := []string{"clean", "-ffd"}
	for _, name := range kept {
		args = append(args, "-e", "/"+name)
	}
	out, err := c.git(args...)
	if err != nil {
		return err
	}
	var removed []string
	for _, line := range lines(out) {
		if name, ok := strings.CutPrefix(line, "Removing "); ok {
			removed = append(removed, name)
		}
	}
	if len(removed) > 0 {
		c.Log.Info("removed files that are neither in the commit nor ignored",
			"count", len(removed), "first", firstOf(removed), "setting", "checkout.clean")
	}
	return nil
}

// isSystemFolder reports whether a folder is certainly not a workspace of its own: a wrong setting must not empty it.
func isSystemFolder(dir string) bool {
	dir = realPath(dir)
	home, _ := os.UserHomeDir()
	return dir == filepath.Dir(dir) || home != "" && dir == realPath(home)
}

func lines(text string) (all []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// firstOf returns the first names of a list, for a message.
func firstOf(names []string) string { return strings.Join(names[:min(len(names), 5)], ", ") }

package source

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// updateSubmodules checks out the submodules, and warns of those that are left out.
func (c *client) updateSubmodules(s Settings) error {
	if _, err := os.Lstat(filepath.Join(c.Dir, ".gitmodules")); err != nil {
		return nil
	}
	if s.Submodules == NoSubmodules {
		c.Log.Warn("the commit has submodules, which are not checked out", "setting", "checkout.submodules")
		return nil
	}
	if err := c.checkOutSubmodules(s); err != nil {
		return &SubmoduleError{err}
	}
	if _, missing := c.submodules(); len(missing) > 0 {
		c.Log.Warn("submodules of the commit are not checked out",
			"count", len(missing), "first", firstOf(missing), "setting", "checkout.submodules",
			"hint", "checkout.submodules: recursive checks out those of submodules, too, unless .gitmodules has update = none")
	}
	if s.Clean {
		_, err := c.git("submodule", "--quiet", "foreach", "--recursive", "git clean -ffdq")
		return err
	}
	return nil
}

// checkOutSubmodules fetches the commits of the submodules. A commit that a server does not serve by its id is looked
// for in the history of its branches.
func (c *client) checkOutSubmodules(s Settings) error {
	args := append(c.origin.rewrites(), "submodule", "--quiet", "update", "--init", "--force")
	if s.Submodules == AllSubmodules {
		args = append(args, "--recursive")
	}
	update := func(options ...string) error {
		return c.withRetries(func() error { _, err := c.git(slices.Concat(args, options)...); return err })
	}
	depth := depthOption(true, s.Depth)
	if depth == "" {
		return update()
	}
	err := update(depth)
	var missing *NotFoundError
	for errors.As(err, &missing) { // of one submodule; more may follow in the next attempt
		deepened := false
		present, _ := c.submodules()
		for _, name := range present {
			if out, ok := c.askIn(name, "rev-parse", "--is-shallow-repository"); ok && out == "true" {
				unshallow := append(c.origin.rewrites(), "-C", name, "fetch", "--quiet", "--unshallow")
				if err := c.withRetries(func() error { _, err := c.git(unshallow...); return err }); err != nil {
					return err
				}
				deepened = true
			}
		}
		if !deepened {
			return err
		}
		err = update()
	}
	return err
}

// submodules returns the paths of all submodules in the workspace, those of submodules included: those that are
// checked out, and those that are not.
func (c *client) submodules() (present, missing []string) {
	var visit func(dir string)
	visit = func(dir string) {
		if info, err := os.Lstat(c.path(dir, ".gitmodules")); err != nil || !info.Mode().IsRegular() {
			return
		}
		out, _ := c.askIn(dir, "config", "-z", "-f", ".gitmodules", "--get-regexp", `^submodule\..*\.path$`)
		for entry := range strings.SplitSeq(out, "\x00") {
			_, name, ok := strings.Cut(entry, "\n")
			if !ok || !filepath.IsLocal(filepath.FromSlash(name)) {
				continue
			}
			entry, _ = c.ask("--literal-pathspecs", "-C", dir, "ls-files", "--stage", "--", name)
			if !strings.HasPrefix(entry, "160000 ") {
				continue // of another commit
			}
			name = path.Join(dir, name)
			if _, err := os.Lstat(c.path(name, ".git")); err != nil {
				missing = append(missing, name)
				continue
			}
			present = append(present, name)
			visit(name)
		}
	}
	visit(".")
	return present, missing
}

// path returns the path of a file below a slash-separated folder of the workspace.
func (c *client) path(dir, name string) string {
	return filepath.Join(c.Dir, filepath.FromSlash(dir), filepath.FromSlash(name))
}

// askIn is ask in a folder of the workspace.
func (c *client) askIn(dir string, args ...string) (string, bool) {
	return c.ask(append([]string{"-C", dir}, args...)...)
}

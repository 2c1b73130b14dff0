package source

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

// pointerStart is how a file begins that stands for one in Git LFS.
const pointerStart = "version https://git-lfs.github.com/spec/v1\n"

// pullLFS replaces pointers by the files in Git LFS, in submodules as well.
func (c *client) pullLFS(s Settings) error {
	present, _ := c.submodules()
	var all []string
	for _, dir := range append([]string{"."}, present...) {
		pointers, err := c.lfsPointers(dir)
		if err == nil && s.LFS && len(pointers) > 0 {
			pointers, err = c.pullLFSIn(dir)
		}
		if err != nil {
			return err
		}
		all = append(all, pointers...)
	}
	switch {
	case len(all) == 0:
	case s.LFS:
		return &Error{
			Message: fmt.Sprintf("git-lfs left %d pointers, %s among them", len(all), all[0]),
			Advice: "check that the objects were pushed to the LFS server of the repository, and lfs.fetchexclude " +
				"in .lfsconfig",
		}
	default:
		c.Log.Warn("files in Git LFS are not fetched: the workspace has pointers instead",
			"count", len(all), "first", firstOf(all), "setting", "checkout.lfs")
	}
	return nil
}

// pullLFSIn replaces the pointers of one repository, and returns those that are left.
func (c *client) pullLFSIn(dir string) (pointers []string, err error) {
	if _, ok := c.ask("lfs", "version"); !ok {
		return nil, &Error{
			Message: "git-lfs is not installed, and checkout.lfs is set",
			Advice:  "install the package git-lfs in the image",
		}
	}
	// The filters are set up for the command's own git, which would see every file as changed otherwise.
	if _, err := c.git("-C", dir, "lfs", "install", "--local", "--skip-repo"); err != nil {
		return nil, err
	}
	pull := slices.Concat(c.origin.rewrites(), []string{"-C", dir, "lfs", "pull"})
	if err := c.withRetries(func() error { _, err := c.git(pull...); return err }); err != nil {
		return nil, err
	}
	return c.lfsPointers(dir)
}

// lfsPointers returns the tracked files of a repository that Git LFS manages, and that are pointers in the workspace.
func (c *client) lfsPointers(dir string) (names []string, err error) {
	out, err := c.git("-C", dir, "ls-files", "-z", "--", ":(attr:filter=lfs)")
	if err != nil {
		return nil, err
	}
	for name := range strings.SplitSeq(strings.TrimRight(out, "\x00"), "\x00") {
		if name != "" && startsWith(c.path(dir, name), pointerStart) {
			names = append(names, path.Join(dir, name))
		}
	}
	return names, nil
}

// startsWith reports whether a regular file starts with a text.
func startsWith(path, text string) bool {
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(text))
	n, _ := io.ReadFull(f, head)
	return bytes.Equal(head[:n], []byte(text))
}

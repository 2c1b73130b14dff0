// Package workcopy makes copies of a workspace for runs that would write the same files side by side.
package workcopy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/carlin-cicd/runner/runner/scratch"
)

// Copies are copies of one workspace. What tools only read is linked, not copied: files of node_modules and git's
// objects. Caches that tools write in there are left out.
type Copies struct {
	from string
	dir  string
}

// NewCopies returns no copies yet.
func NewCopies(from string) (*Copies, error) {
	dir, err := scratch.Dir("runner-workspaces-*")
	if err != nil {
		return nil, err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real // tools report real paths
	}
	return &Copies{from, dir}, nil
}

// Remove removes them.
func (c *Copies) Remove() error { return os.RemoveAll(c.dir) }

// Add makes a copy under a name and returns its folder.
func (c *Copies) Add(ctx context.Context, name string) (string, error) {
	to := filepath.Join(c.dir, name, filepath.Base(c.from))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return "", err
	}
	if err := c.copy(ctx, to); err != nil {
		return "", fmt.Errorf("copy the workspace: %w", err)
	}
	return to, nil
}

// skipped are folders that are the workspace's own: what the runner keeps there, and caches that tools write in place.
func skipped(path string) bool {
	return path == ".runner" || strings.HasSuffix(path, "node_modules/.cache") || strings.HasSuffix(path, "node_modules/.vite")
}

// linked reports whether a file is only read, or replaced as a whole.
func linked(path string) bool {
	parts := strings.Split(path, "/")
	return slices.Contains(parts[:len(parts)-1], "node_modules") || strings.HasPrefix(path, ".git/objects/")
}

func (c *Copies) copy(ctx context.Context, to string) error {
	return filepath.WalkDir(c.from, func(name string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(c.from, name)
		if err != nil {
			return err
		}
		target, path := filepath.Join(to, relative), filepath.ToSlash(relative)
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) { // removed meanwhile
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && (skipped(path) || c.within(name)):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(target, info.Mode().Perm()|0o700)
		case d.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(name)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		case !d.Type().IsRegular():
			return nil // pipes and sockets belong to processes
		case linked(path):
			if err := os.Link(name, target); !errors.Is(err, syscall.EXDEV) && !errors.Is(err, syscall.EPERM) {
				return err
			}
		}
		return copyFile(name, target, info)
	})
}

// within reports whether a folder is that of the copies, which may be in the workspace.
func (c *Copies) within(name string) bool { return name == c.dir }

func copyFile(from, to string, info fs.FileInfo) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

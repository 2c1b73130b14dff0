package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/bmatcuk/doublestar/v4"
)

// hidden are folders in which no report of a step is, and in which there is much to walk. A glob that names one of
// them reaches into it; a wildcard does not.
var hidden = []string{"node_modules", ".git", ".runner", ".pnpm-store"}

// ValidGlob returns an error that says what is wrong with a glob, if it is malformed or can match nothing below a root.
func ValidGlob(glob string) error {
	switch {
	case strings.TrimSpace(glob) == "":
		return errors.New("a glob of reports is empty")
	case !doublestar.ValidatePattern(glob):
		return fmt.Errorf("%q is no glob: see to its brackets and braces", glob)
	case path.IsAbs(glob) || slices.Contains(strings.Split(glob, "/"), ".."):
		return fmt.Errorf("%q leads out of the step's folder: write it relative to that, as in reports/*.xml", glob)
	}
	return nil
}

// match lists what the globs match, each name once.
func match(folder *os.Root, globs []string) ([]string, error) {
	var names []string
	fsys := visible{folder.FS(), folder}
	for _, glob := range globs {
		glob = path.Clean(glob)
		if !strings.ContainsAny(glob, `*?[{\`) { // a name: if it is there and cannot be read, then that is a problem
			if _, err := folder.Lstat(glob); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
				names = append(names, glob)
			}
			continue
		}
		options := []doublestar.GlobOption{doublestar.WithNoFollow()}
		if last := path.Base(glob); last == "*" || last == "**" { // "whatever is in there" does not mean the folders
			options = append(options, doublestar.WithFilesOnly())
		}
		found, err := doublestar.Glob(fsys, glob, options...)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", glob, err)
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// visible is a folder whose listings leave out what is hidden.
type visible struct {
	fs.FS
	root *os.Root
}

func (v visible) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(v.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return slices.Contains(hidden, e.Name()) }), err
}

// Stat also finds a link that leads nowhere or out of the root, so that it becomes a problem and is not passed over.
func (v visible) Stat(name string) (fs.FileInfo, error) {
	info, err := v.root.Stat(name)
	if err != nil {
		return v.root.Lstat(name)
	}
	return info, nil
}

// open opens a report. Links are followed inside the root only; what would block or do something is not opened.
func open(folder *os.Root, name string) (*os.File, fs.FileInfo, error) {
	info, err := folder.Stat(name)
	if err != nil {
		return nil, nil, fmt.Errorf("it cannot be opened: %w", bare(err))
	}
	if err := regular(info); err != nil {
		return nil, nil, err
	}
	// It may have been replaced in between: hence no waiting for a pipe's other end, and a second look.
	f, err := folder.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("it cannot be opened: %w", bare(err))
	}
	if info, err = f.Stat(); err == nil {
		err = regular(info)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

func regular(info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return errors.New("it is a folder")
	case !info.Mode().IsRegular():
		return errors.New("it is no regular file")
	}
	return nil
}

// bare takes the path off an error: it is told beside it.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

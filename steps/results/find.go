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

// hidden are large folders that hold no report of a step. A glob that names one of them matches in it; a wildcard does
// not.
var hidden = []string{"node_modules", ".git", ".runner", ".pnpm-store"}

// ValidGlob returns an error if a glob is malformed or cannot match anything below a root.
func ValidGlob(glob string) error {
	switch {
	case strings.TrimSpace(glob) == "":
		return errors.New("a glob of reports is empty")
	case !doublestar.ValidatePattern(glob):
		return fmt.Errorf("%q is not a valid glob: check its brackets and braces", glob)
	case path.IsAbs(glob) || slices.Contains(strings.Split(glob, "/"), ".."):
		return fmt.Errorf("%q leaves the step's folder: write it relative to that folder, such as reports/*.xml", glob)
	}
	return nil
}

// match lists the names that the globs match, each once.
func match(folder *os.Root, globs []string) ([]string, error) {
	var names []string
	fsys := visible{folder.FS(), folder}
	for _, glob := range globs {
		glob = path.Clean(glob)
		if !strings.ContainsAny(glob, `*?[{\`) { // a name: if it exists and cannot be read, that is a problem
			if _, err := folder.Lstat(glob); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
				names = append(names, glob)
			}
			continue
		}
		options := []doublestar.GlobOption{doublestar.WithNoFollow()}
		if last := path.Base(glob); last == "*" || last == "**" { // the files of a folder, not its folders
			options = append(options, doublestar.WithFilesOnly())
		}
		if link := leavingLink(folder, glob); link != "" {
			names = append(names, link)
			continue
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

// leavingLink returns the first folder in front of the wildcards of a glob that is a link out of the root, or a
// dangling one. Matching would skip it in silence.
func leavingLink(folder *os.Root, glob string) string {
	base, _ := doublestar.SplitPattern(glob)
	for i := range len(base) + 1 {
		if i < len(base) && base[i] != '/' {
			continue
		}
		info, err := folder.Lstat(base[:i])
		if err != nil {
			return ""
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			if _, err := folder.Stat(base[:i]); err != nil {
				return base[:i]
			}
		}
	}
	return ""
}

// visible is a file system whose listings leave out the hidden folders.
type visible struct {
	fs.FS
	root *os.Root
}

func (v visible) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(v.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return slices.Contains(hidden, e.Name()) }), err
}

// Stat also finds a link that is dangling or leaves the root, so that it becomes a problem and is not skipped.
func (v visible) Stat(name string) (fs.FileInfo, error) {
	info, err := v.root.Stat(name)
	if err != nil {
		return v.root.Lstat(name)
	}
	return info, nil
}

// open opens a report. Links are followed inside the root only; pipes and devices are not opened.
func open(folder *os.Root, name string) (*os.File, fs.FileInfo, error) {
	info, err := folder.Stat(name)
	if err != nil {
		return nil, nil, fmt.Errorf("it cannot be opened: %w", withoutPath(err))
	}
	if err := regular(info); err != nil {
		return nil, nil, err
	}
	// It may have been replaced since: do not wait for the other end of a pipe, and check again.
	f, err := folder.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("it cannot be opened: %w", withoutPath(err))
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
		return errors.New("it is a directory")
	case !info.Mode().IsRegular():
		return errors.New("it is not a regular file")
	}
	return nil
}

// withoutPath removes the path from an error that is reported beside it.
func withoutPath(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}

package artifacts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// OpenFolder opens a folder that must not be a link, since a link could stand for any folder of the machine. If within
// is set, dir must be in it, and links between the two must not lead out of it.
func OpenFolder(dir, within string, create bool) (*os.Root, error) {
	if within == "" {
		within, dir = filepath.Dir(filepath.Clean(dir)), filepath.Base(filepath.Clean(dir))
		if dir == "." || dir == ".." || dir == string(filepath.Separator) { // not the name of a link
			return os.OpenRoot(filepath.Join(within, dir))
		}
		if create {
			if err := os.MkdirAll(within, 0o755); err != nil {
				return nil, err
			}
		}
	} else if rel, err := filepath.Rel(within, dir); err != nil || !filepath.IsLocal(rel) {
		return nil, &FolderError{Path: dir, Reason: "is not in " + within}
	} else {
		dir = rel
	}
	parent, err := os.OpenRoot(within)
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	info, err := parent.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && create:
		if err := parent.MkdirAll(dir, 0o755); err != nil {
			return nil, folderError(within, dir, err)
		}
	case err != nil:
		return nil, folderError(within, dir, err)
	case info.Mode()&fs.ModeSymlink != 0:
		target, _ := parent.Readlink(dir)
		return nil, &FolderError{Path: filepath.Join(within, dir), Reason: fmt.Sprintf("is a link to %q", target)}
	case !info.IsDir():
		return nil, &fs.PathError{Op: "open", Path: filepath.Join(within, dir), Err: syscall.ENOTDIR}
	}
	root, err := parent.OpenRoot(dir)
	if err != nil {
		return nil, folderError(within, dir, err)
	}
	return root, nil
}

// folderError tells a link that leaves the folder from other errors. os.Root exports no error to compare with.
func folderError(within, dir string, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return err
	}
	return &FolderError{Path: filepath.Join(within, dir), Reason: "is reached by a link that leaves " + within}
}

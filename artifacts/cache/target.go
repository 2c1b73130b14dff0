package cache

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// target is one path of a cache while it is restored.
type target struct {
	path   Path
	parent *os.Root // the folder of the path
	name   string   // of the path in it
	temp   string   // the folder in it that everything is made in first
	made   *os.File // that folder
}

// tempPrefix begins the names of folders in the making. Those of runs that were killed are removed by the next one.
const tempPrefix = ".runner-cache-"

// content is the name of a path in its temporary folder.
const content = "content"

// openTarget opens the folder of a path. Links on the way to it must not leave the base.
func openTarget(p Path) (t *target, err error) {
	if err := os.MkdirAll(p.Base, 0o755); err != nil {
		return nil, err
	}
	base, err := os.OpenRoot(p.Base)
	if err != nil {
		return nil, err
	}
	defer base.Close()
	dir := path.Dir(p.Rel)
	if err := base.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	parent, err := base.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	t = &target{path: p, parent: parent, name: path.Base(p.Rel)}
	t.sweep()
	t.temp = tempPrefix + t.name + "-" + strings.ToLower(rand.Text()[:10])
	if err = parent.Mkdir(t.temp, 0o700); err == nil {
		t.made, err = parent.Open(t.temp)
	}
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// sweep removes what a killed run left.
func (t *target) sweep() {
	names, err := fs.Glob(t.parent.FS(), tempPrefix+"*")
	if err != nil {
		return
	}
	for _, name := range names {
		if strings.HasPrefix(name, tempPrefix+t.name+"-") {
			_ = removeAll(t.parent, name) // it is in the way of nothing
		}
	}
}

func (t *target) close() error {
	var err error
	if t.made != nil {
		err = t.made.Close()
	}
	if t.temp != "" {
		err = errors.Join(err, removeAll(t.parent, t.temp))
	}
	return errors.Join(err, t.parent.Close())
}

// install replaces what is at the path by what was made.
func (t *target) install(root *node) error {
	old := t.temp + "/old"
	err := t.parent.Rename(t.name, old)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, unix.EBUSY): // what is in it must not go, since it cannot be replaced
		return fmt.Errorf("a mount point is left as it is; cache a folder in it: %w", err)
	case err != nil: // such as a folder of a lower layer of the image
		if err := removeAll(t.parent, t.name); err != nil {
			return err
		}
	}
	if err := t.parent.Rename(t.temp+"/"+content, t.name); err != nil {
		if undo := t.parent.Rename(old, t.name); undo != nil && !errors.Is(undo, fs.ErrNotExist) {
			err = errors.Join(err, undo)
		}
		return err
	}
	if root.kind != folderNode {
		return nil
	}
	// A folder that is read-only cannot be moved.
	folder, err := t.parent.Open(t.name)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := unix.Fchmod(int(folder.Fd()), root.mode); err != nil {
		return err
	}
	when := time.Unix(0, root.mtime)
	return t.parent.Chtimes(t.name, when, when)
}

// removeAll removes a folder with read-only folders in it, as Go's module cache has them.
func removeAll(root *os.Root, name string) error {
	err := root.RemoveAll(name)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	_ = fs.WalkDir(root.FS(), name, func(at string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = root.Chmod(at, 0o700) // RemoveAll reports what it could not remove
		}
		return nil
	})
	return root.RemoveAll(name)
}

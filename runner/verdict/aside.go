package verdict

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// aside holds files of the first run of the command while a rerun of a few tests overwrites them.
type aside struct {
	root *os.Root // the step's folder
	dir  string   // where they are held, below root
	kept []string // their original paths below root; in dir they are named by their index
}

// moveAside moves files away, so that none of them is taken for one of the rerun, and folders too; a copy of the
// folders stays for the rerun, which may need their content. Every path is slash-separated, below dir.
func moveAside(dir, name string, files, folders []string) (_ *aside, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	a := &aside{root: root, dir: path.Join(".runner", "aside-"+name)}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.restore())
		}
	}()
	if err := root.MkdirAll(a.dir, 0o755); err != nil {
		return nil, err
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(files))) {
		if err := a.move(name); err != nil {
			return nil, err
		}
	}
	for _, name := range outermost(folders) {
		info, err := root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
			continue
		}
		if err == nil {
			err = a.move(name)
		}
		if err == nil {
			err = copyTree(root, a.at(len(a.kept)-1), name)
		}
		if err != nil {
			return nil, err
		}
	}
	return a, nil
}

// outermost drops the step's own folder, which cannot be moved, and folders within others of the list.
func outermost(folders []string) []string {
	var kept []string
	for _, name := range slices.Sorted(slices.Values(folders)) {
		name = path.Clean(name)
		if name != "." &&
			!slices.ContainsFunc(
				kept,
				func(outer string) bool { return name == outer || strings.HasPrefix(name, outer+"/") },
			) {
			kept = append(kept, name)
		}
	}
	return kept
}

func (a *aside) at(i int) string { return path.Join(a.dir, fmt.Sprint(i)) }

func (a *aside) move(name string) error {
	err := a.root.Rename(name, a.at(len(a.kept)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		a.kept = append(a.kept, name)
	}
	return err
}

// restore moves everything back, replacing what the rerun left. Folders come first, since a report may be in one.
func (a *aside) restore() error {
	defer a.root.Close()
	var problems []error
	for i := len(a.kept) - 1; i >= 0; i-- {
		name := a.kept[i]
		err := a.root.RemoveAll(name)
		if err == nil {
			err = a.root.MkdirAll(path.Dir(name), 0o755)
		}
		if err == nil {
			err = a.root.Rename(a.at(i), name)
		}
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return err // what could not be moved back stays in dir
	}
	err := a.root.RemoveAll(a.dir)
	_ = a.root.Remove(".runner") // if it is empty, it was created for this
	return err
}

// copyTree copies a folder with its links, modes and times, so that no report in it looks new.
func copyTree(root *os.Root, from, to string) error {
	return fs.WalkDir(root.FS(), from, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, at)
		if err != nil {
			return err
		}
		target := path.Join(to, filepath.ToSlash(relative))
		switch {
		case d.IsDir():
			return root.MkdirAll(target, info.Mode().Perm()|0o700)
		case d.Type()&fs.ModeSymlink != 0:
			link, err := root.Readlink(at)
			if err != nil {
				return err
			}
			return root.Symlink(link, target)
		case !d.Type().IsRegular():
			return nil // pipes and sockets are not published
		}
		if err := copyFile(root, at, target, info.Mode().Perm()); err != nil {
			return err
		}
		return root.Chtimes(target, info.ModTime(), info.ModTime())
	})
}

func copyFile(root *os.Root, from, to string, mode fs.FileMode) (err error) {
	in, err := root.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := root.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

package artifacts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"
	"unicode/utf8"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// maxFiles limits what links to folders that contain links to folders can expand to.
const maxFiles = 1_000_000

// tree is the folder that a set is published from. Nothing outside the folder can be read through it.
type tree struct {
	root *os.Root
	dir  string
}

// openTree opens a folder. If within is set, links above the folder must not lead out of that.
func openTree(kind, dir, within string) (*tree, error) {
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil, &MissingError{kind, dir, "does not exist"}
	case err != nil:
		return nil, err
	case !info.IsDir() && info.Mode()&fs.ModeSymlink == 0:
		return nil, &MissingError{kind, dir, "is not a folder"}
	}
	root, err := OpenFolder(dir, within, false)
	if err != nil {
		return nil, err
	}
	return &tree{root, dir}, nil
}

func (t *tree) Close() error { return t.root.Close() }

// list returns the paths of the regular files, sorted. Links to files and folders within the tree count as what they
// point to; folders without files are ignored; any other entry is an error that names it.
//
// Entries whose name begins with a dot are left out, unless include matches them: such files hold settings, caches and
// secrets more often than results. hidden names them.
func (t *tree) list(ctx context.Context, set Set) (paths, hidden []string, err error) {
	w := walk{tree: t, ctx: ctx, exclude: set.Exclude, include: append(patterns(set.Include), publicDotFiles...)}
	top, err := t.root.Stat(".")
	if err != nil {
		return nil, nil, err
	}
	if err := w.walkFolder(".", []fs.FileInfo{top}); err != nil {
		return nil, nil, err
	}
	slices.Sort(w.paths)
	slices.Sort(w.hidden)
	return w.paths, w.hidden, nil
}

type walk struct {
	*tree
	ctx           context.Context
	exclude       func(string) bool
	include       patterns // of hidden files
	paths, hidden []string
}

// skip reports whether an entry is left out.
func (w *walk) skip(p string, isDir bool) bool {
	switch {
	case p == keys.Partial, w.exclude != nil && w.exclude(p):
		return true
	case !isHidden(p), w.include.match(p), isDir && w.include.matchBelow(p):
		return false
	}
	if isDir {
		p += "/"
	}
	w.hidden = append(w.hidden, p)
	return true
}

// walkFolder lists one folder. within holds that folder and those above it, to detect a link back to one of them.
func (w *walk) walkFolder(name string, within []fs.FileInfo) error {
	if err := ContextError(w.ctx); err != nil {
		return err
	}
	entries, err := fs.ReadDir(w.root.FS(), name)
	if errors.Is(err, fs.ErrNotExist) {
		return &ChangedError{name, "vanished"}
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		p := path.Join(name, e.Name())
		if w.skip(p, e.IsDir()) {
			continue
		}
		if !utf8.ValidString(p) {
			return &FileError{p, "has a name that is not UTF-8"}
		}
		switch e.Type() {
		case 0:
			err = w.add(p)
		case fs.ModeDir:
			err = w.enterFolder(p, within)
		case fs.ModeSymlink:
			err = w.addLink(p, within)
		default:
			err = &FileError{p, "is a " + typeName(e.Type())}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) add(p string) error {
	if len(w.paths) == maxFiles {
		return fmt.Errorf(
			"%s holds more than %d files: check for links to folders, or store an archive",
			w.dir,
			maxFiles,
		)
	}
	w.paths = append(w.paths, p)
	return nil
}

func (w *walk) enterFolder(p string, within []fs.FileInfo) error {
	info, err := w.root.Stat(p)
	if errors.Is(err, fs.ErrNotExist) {
		return &ChangedError{p, "vanished"}
	}
	if err != nil {
		return err
	}
	return w.walkFolder(p, append(within, info))
}

func (w *walk) addLink(p string, within []fs.FileInfo) error {
	target, _ := w.root.Readlink(p)
	info, err := w.root.Stat(p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &LinkError{p, target, "points to nothing"}
	case errors.Is(err, syscall.ELOOP):
		return &LinkError{p, target, "goes round in circles"}
	case err != nil && path.IsAbs(target):
		return &LinkError{p, target, "is absolute, so it would mean something else elsewhere"}
	case err != nil:
		// os.Root exports no error to compare with.
		return &LinkError{p, target, "leaves the folder"}
	case info.Mode().IsRegular():
		return w.add(p)
	case !info.IsDir():
		return &FileError{p, "points to a " + typeName(info.Mode().Type())}
	case slices.ContainsFunc(within, func(parent fs.FileInfo) bool { return os.SameFile(parent, info) }):
		return &LinkError{p, target, "goes round in circles"}
	}
	return w.walkFolder(p, append(within, info))
}

func typeName(m fs.FileMode) string {
	switch {
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&fs.ModeNamedPipe != 0:
		return "named pipe"
	case m&fs.ModeDevice != 0:
		return "device"
	default:
		return "special file"
	}
}

package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/carlin-cicd/runner/artifacts"
)

// walk lists the files of the paths of a cache as nodes without pieces.
type walk struct {
	ctx     context.Context
	nodes   []node
	stats   []stat
	roots   []*descent // to open files by; nil for a path that does not exist
	inodes  map[[2]uint64]int
	skipped int // sockets, named pipes and devices
}

// newWalk lists the files. Nothing at any of the paths is fs.ErrNotExist.
func newWalk(ctx context.Context, paths []Path) (w *walk, err error) {
	w = &walk{ctx: ctx, roots: make([]*descent, len(paths))}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	for i, p := range paths {
		w.inodes = map[[2]uint64]int{}
		if err := w.root(i, p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return w, &diskError{p.String(), err}
		}
	}
	w.inodes = nil
	if len(w.nodes) == 0 {
		return w, fs.ErrNotExist
	}
	return w, nil
}

func (w *walk) close() {
	for _, d := range w.roots {
		if d != nil {
			d.close()
		}
	}
}

// root lists one path. A path that is a link itself is refused: it may lead anywhere.
func (w *walk) root(i int, p Path) error {
	base, err := os.OpenRoot(p.Base)
	if err != nil {
		return err
	}
	defer base.Close()
	parent, err := base.Open(path.Dir(p.Rel))
	if err != nil {
		return err
	}
	defer parent.Close()
	fd, err := openat(int(parent.Fd()), ".", openFolder, 0)
	if err != nil {
		return err
	}
	w.roots[i] = newDescent(fd)
	name := path.Base(p.Rel)
	var s unix.Stat_t
	if err := unix.Fstatat(fd, name, &s, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	switch s.Mode & unix.S_IFMT {
	case unix.S_IFDIR, unix.S_IFREG:
		return w.add(fd, name, i, "", &s)
	}
	return errors.New("it is neither a folder nor a file")
}

// add adds what a name in a folder is, and what is in that.
func (w *walk) add(folder int, name string, root int, at string, s *unix.Stat_t) error {
	n := node{root: root, path: at, mode: uint32(s.Mode) & modeBits, mtime: s.Mtim.Nano()}
	switch s.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		w.append(n, s)
		return w.list(folder, name, root, at)
	case unix.S_IFREG:
		n.kind, n.size = fileNode, s.Size
		inode := [2]uint64{uint64(s.Dev), s.Ino} //nolint:unconvert // it differs by system
		if first, again := w.inodes[inode]; again && s.Nlink > 1 {
			n.kind, n.same = hardNode, first
		} else if s.Nlink > 1 {
			w.inodes[inode] = len(w.nodes)
		}
	case unix.S_IFLNK:
		target := make([]byte, maxTarget+1)
		length, err := unix.Readlinkat(folder, name, target)
		if err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		if length > maxTarget {
			return fmt.Errorf("%s: the target of the link is too long", at)
		}
		n.kind, n.target = linkNode, string(target[:length])
	default:
		w.skipped++
		return nil
	}
	w.append(n, s)
	return nil
}

func (w *walk) append(n node, s *unix.Stat_t) {
	w.nodes = append(w.nodes, n)
	w.stats = append(w.stats, statOf(s))
}

// list adds what is in a folder, sorted by name.
func (w *walk) list(parent int, name string, root int, at string) error {
	if err := artifacts.ContextError(w.ctx); err != nil {
		return err
	}
	fd, err := openat(parent, name, openFolder, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	folder := os.NewFile(uintptr(fd), at)
	defer folder.Close()
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		below := name
		if at != "" {
			below = at + "/" + name
		}
		var s unix.Stat_t
		err := unix.Fstatat(fd, name, &s, unix.AT_SYMLINK_NOFOLLOW)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since
		}
		if err == nil {
			err = w.add(fd, name, root, below, &s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// open opens the file of a node, and sees that it is still the one that was listed.
func (w *walk) open(i int, p Path) (*os.File, error) {
	n := &w.nodes[i]
	at := path.Base(p.Rel)
	if n.path != "" {
		at += "/" + n.path
	}
	folder, name, err := w.roots[n.root].folder(at)
	if err != nil {
		return nil, &diskError{at, err}
	}
	fd, err := openat(folder, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &diskError{at, err}
	}
	f := os.NewFile(uintptr(fd), at)
	if err := w.unchanged(i, f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// unchanged reports a file that was touched since it was listed.
func (w *walk) unchanged(i int, f *os.File) error {
	var s unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &s); err != nil {
		return &diskError{f.Name(), err}
	}
	if s.Mode&unix.S_IFMT != unix.S_IFREG || statOf(&s) != w.stats[i] {
		return &artifacts.ChangedError{Path: f.Name(), Reason: "was changed"}
	}
	return nil
}

package cache

import (
	"cmp"
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
	same    []int32 // for each node the one of the base with its path, or -1
	base    *tree
	next    int // in the base: what comes before is of earlier paths
	texts   texts
	path    []byte     // of the node that is added
	names   []byte     // room for the names in a folder
	roots   []*descent // to open files by; nil for a path that does not exist
	inodes  map[[2]uint64]int
	skipped int // sockets, named pipes and devices
}

// newWalk lists the files, most of which are in the base. Nothing at any of the paths is fs.ErrNotExist.
func newWalk(ctx context.Context, base *tree, paths []Path) (w *walk, err error) {
	w = &walk{ctx: ctx, base: base, roots: make([]*descent, len(paths)), names: make([]byte, 32<<10)}
	room := len(base.nodes) + len(base.nodes)/16
	w.nodes, w.stats, w.same = make([]node, 0, room), make([]stat, 0, room), make([]int32, 0, room)
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
	w.inodes, w.names = nil, nil
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
		w.path = w.path[:0]
		return w.add(fd, name, i, &s)
	}
	return errors.New("it is neither a folder nor a file")
}

// add adds what a name in a folder is, and what is in that. w.path is its path.
func (w *walk) add(folder int, name string, root int, s *unix.Stat_t) error {
	n := node{root: root, mode: uint32(s.Mode) & modeBits, mtime: s.Mtim.Nano()}
	switch s.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		w.append(n, s)
		return w.list(folder, name, root)
	case unix.S_IFREG:
		n.kind, n.size = fileNode, s.Size
		if s.Nlink > 1 {
			inode := [2]uint64{uint64(s.Dev), s.Ino} //nolint:unconvert // it differs by system
			if first, again := w.inodes[inode]; again {
				n.kind, n.same = hardNode, first
			} else {
				w.inodes[inode] = len(w.nodes)
			}
		}
	case unix.S_IFLNK:
		target := make([]byte, maxTarget+1)
		length, err := unix.Readlinkat(folder, name, target)
		if err != nil {
			return fmt.Errorf("%s: %w", w.path, err)
		}
		if length > maxTarget {
			return fmt.Errorf("%s: the target of the link is too long", w.path)
		}
		n.kind, n.target = linkNode, string(target[:length])
	default:
		w.skipped++
		return nil
	}
	w.append(n, s)
	return nil
}

// append appends a node of w.path. Both trees are in order, so the base is gone through once. The text of a path that
// is in it is kept once.
func (w *walk) append(n node, s *unix.Stat_t) {
	same := int32(-1)
	for ; w.next < len(w.base.nodes); w.next++ {
		b := &w.base.nodes[w.next]
		if order := cmp.Or(cmp.Compare(b.root, n.root), comparePaths(b.path, w.path)); order == 0 {
			same, n.path = int32(w.next), b.path
		} else if order < 0 {
			continue
		}
		break
	}
	if same < 0 {
		n.path = w.texts.join("", w.path)
	}
	w.nodes, w.stats, w.same = append(w.nodes, n), append(w.stats, statOf(s)), append(w.same, same)
}

// list adds what is in a folder, sorted by name. w.path is its path.
func (w *walk) list(parent int, name string, root int) error {
	if err := artifacts.ContextError(w.ctx); err != nil {
		return err
	}
	fd, err := openat(parent, name, openFolder, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", w.path, err)
	}
	defer unix.Close(fd) //nolint:errcheck // it is only read
	names, err := w.namesIn(fd)
	if err != nil {
		return fmt.Errorf("%s: %w", w.path, err)
	}
	above := len(w.path)
	for _, name := range names {
		var s unix.Stat_t
		err := unix.Fstatat(fd, name, &s, unix.AT_SYMLINK_NOFOLLOW)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since
		}
		if above > 0 {
			w.path = append(w.path, '/')
		}
		w.path = append(w.path, name...)
		if err == nil {
			err = w.add(fd, name, root, &s)
		}
		if err != nil {
			return err
		}
		w.path = w.path[:above]
	}
	return nil
}

// namesIn returns the names in a folder, sorted.
func (w *walk) namesIn(folder int) (names []string, err error) {
	for {
		n, err := unix.ReadDirent(folder, w.names)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n <= 0 {
			slices.Sort(names)
			return names, nil
		}
		_, _, names = unix.ParseDirent(w.names[:n], -1, names)
	}
}

// open opens the file of a node, and sees that it is still the one that was listed.
func (w *walk) open(i int, p Path) (*os.File, error) {
	n := &w.nodes[i]
	at := path.Join(path.Base(p.Rel), n.path)
	folder, name, err := w.roots[n.root].folder(path.Base(p.Rel), n.path)
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

package cache

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// writer writes the files of a tree. They are made in a folder beside each path, and take its place when all are there.
type writer struct {
	tree   *tree
	places []*target
	idle   chan []*descent // one list, by root, for each block that is written at a time
	left   []int32         // pieces to come, of files that have several
	stats  []stat
}

// diskError is an error of this machine's disk.
type diskError struct {
	path string
	err  error
}

func (e *diskError) Error() string { return fmt.Sprintf("%s: %v", e.path, e.err) }
func (e *diskError) Unwrap() error { return e.err }

func isLocal(err error) bool {
	var disk *diskError
	return errors.As(err, &disk)
}

func newWriter(t *tree, paths []Path) (w *writer, err error) {
	w = &writer{tree: t, stats: make([]stat, len(t.nodes)), idle: make(chan []*descent, unpackers())}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	for _, p := range paths {
		target, err := openTarget(p)
		if err != nil {
			return w, &diskError{p.String(), err}
		}
		w.places = append(w.places, target)
	}
	for range unpackers() {
		var list []*descent
		for _, p := range w.places {
			fd, err := openat(int(p.made.Fd()), ".", openFolder, 0)
			if err != nil {
				return w, &diskError{p.path.String(), err}
			}
			list = append(list, newDescent(fd))
		}
		w.idle <- list
	}
	w.left = make([]int32, len(t.nodes))
	for i := range t.nodes {
		w.left[i] = int32(len(t.nodes[i].pieces))
	}
	return w, w.makeFolders()
}

// close removes what was not finished.
func (w *writer) close() error {
	for len(w.idle) > 0 {
		for _, d := range <-w.idle {
			d.close()
		}
	}
	var err error
	for _, p := range w.places {
		err = errors.Join(err, p.close())
	}
	w.places = nil
	return err
}

// at calls do with the folder of a node.
func (w *writer) at(d []*descent, n *node, do func(folder int, name string) error) error {
	folder, name, err := d[n.root].folder(content, n.path)
	if err == nil {
		err = do(folder, name)
	}
	if err != nil {
		return &diskError{path.Join(w.tree.roots[n.root], n.path), err}
	}
	return nil
}

// makeFolders makes all folders, and the files without content.
func (w *writer) makeFolders() error {
	d := <-w.idle
	defer func() { w.idle <- d }()
	for i := range w.tree.nodes {
		n := &w.tree.nodes[i]
		var err error
		switch {
		case n.kind == folderNode:
			err = w.at(d, n, func(folder int, name string) error { return unix.Mkdirat(folder, name, 0o700) })
		case n.kind == fileNode && n.size == 0:
			err = w.at(d, n, func(folder int, name string) error { return w.create(folder, name, i, nil) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

const createFile = unix.O_WRONLY | unix.O_CREAT | unix.O_NOFOLLOW

// create writes a file whole.
func (w *writer) create(folder int, name string, i int, content []byte) error {
	fd, err := makeFile(folder, name, createFile|unix.O_EXCL, w.tree.nodes[i].mode&0o777)
	if err != nil {
		return err
	}
	err = writeAll(fd, content, 0)
	if err == nil {
		err = w.seal(folder, name, fd, i)
	}
	return errors.Join(err, closeFile(fd))
}

// seal sets the time of a file that is complete, and its mode where the umask did not leave it as it is meant.
func (w *writer) seal(folder int, name string, fd, i int) error {
	n := &w.tree.nodes[i]
	if err := setFileTime(fd, folder, name, n.mtime); err != nil {
		return err
	}
	var s unix.Stat_t
	if err := statFile(fd, &s); err != nil {
		return err
	}
	if uint32(s.Mode)&modeBits != n.mode { //nolint:unconvert // it differs by system
		if err := errors.Join(unix.Fchmod(fd, n.mode), statFile(fd, &s)); err != nil {
			return err
		}
	}
	w.stats[i] = statOf(&s)
	return nil
}

func writeAll(fd int, content []byte, at int64) error {
	for len(content) > 0 {
		n, err := writeAt(fd, content, at)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		content, at = content[n:], at+int64(n)
	}
	return nil
}

func setTime(folder int, name string, mtime int64) error {
	t := unix.NsecToTimespec(mtime)
	return unix.UtimesNanoAt(folder, name, []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW)
}

// write writes the pieces of a block.
func (w *writer) write(block []byte, uses []blockUse) error {
	d := <-w.idle
	defer func() { w.idle <- d }()
	for _, u := range uses {
		n := &w.tree.nodes[u.node]
		p := n.pieces[u.piece]
		part := block[p.offset : p.offset+p.length]
		err := w.at(d, n, func(folder int, name string) error {
			if len(n.pieces) == 1 {
				return w.create(folder, name, int(u.node), part)
			}
			return w.writePart(folder, name, int(u.node), part, u.at)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// writePart writes a part of a file that several blocks have parts of.
func (w *writer) writePart(folder int, name string, i int, part []byte, at int64) error {
	fd, err := makeFile(folder, name, createFile, 0o600)
	if err != nil {
		return err
	}
	err = writeAll(fd, part, at)
	if err == nil && atomic.AddInt32(&w.left[i], -1) == 0 {
		err = w.seal(folder, name, fd, i)
	}
	return errors.Join(err, closeFile(fd))
}

// finish makes the links, sets the times of the folders, and puts everything in place.
func (w *writer) finish() error {
	if err := w.makeLinks(); err != nil {
		return err
	}
	d := <-w.idle
	defer func() { w.idle <- d }()
	for i, n := range slices.Backward(w.tree.nodes) {
		if n.kind != folderNode || n.path == "" {
			continue
		}
		err := w.at(d, &w.tree.nodes[i], func(folder int, name string) error {
			if err := unix.Fchmodat(folder, name, n.mode, 0); err != nil {
				return err
			}
			return setTime(folder, name, n.mtime)
		})
		if err != nil {
			return err
		}
	}
	for i, p := range w.places {
		at := slices.IndexFunc(w.tree.nodes, func(n node) bool { return n.root == i && n.path == "" })
		if at < 0 {
			continue // there was nothing when the entry was saved
		}
		if err := p.install(&w.tree.nodes[at]); err != nil {
			return &diskError{p.path.String(), err}
		}
	}
	w.forgetRecent()
	return nil
}

// forgetRecent keeps files that were written just now from counting as untouched: a change within the same tick of the
// kernel's clock would leave their times as they are.
func (w *writer) forgetRecent() {
	const tick = 20 * time.Millisecond
	recent := time.Now().Add(-tick).UnixNano()
	for i := range w.stats {
		if w.stats[i].ctime >= recent {
			w.stats[i] = stat{}
		}
	}
}

func (w *writer) makeLinks() error {
	d := <-w.idle
	defer func() { w.idle <- d }()
	for i := range w.tree.nodes {
		n := &w.tree.nodes[i]
		var err error
		switch n.kind {
		case linkNode:
			err = w.at(d, n, func(folder int, name string) error {
				if err := unix.Symlinkat(n.target, folder, name); err != nil {
					return err
				}
				return setTime(folder, name, n.mtime)
			})
		case hardNode:
			err = w.linkFile(d, n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// linkFile gives a file a further name. The change of its status is not a change of its content.
func (w *writer) linkFile(d []*descent, n *node) error {
	same := &w.tree.nodes[n.same]
	return w.at(d, n, func(folder int, name string) error {
		here, err := unix.Dup(folder)
		if err != nil {
			return err
		}
		defer unix.Close(here)
		from, fromName, err := d[same.root].folder(content, same.path)
		if err != nil {
			return err
		}
		if err := unix.Linkat(from, fromName, here, name, 0); err != nil {
			return err
		}
		var s unix.Stat_t
		if err := unix.Fstatat(from, fromName, &s, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		w.stats[n.same] = statOf(&s)
		return nil
	})
}

// stat is what tells whether a file was touched.
type stat struct {
	device, inode uint64
	size          int64
	mtime, ctime  int64 // nanoseconds since 1970
}

func statOf(s *unix.Stat_t) stat {
	return stat{uint64(s.Dev), s.Ino, s.Size, s.Mtim.Nano(), s.Ctim.Nano()} //nolint:unconvert // it differs by system
}

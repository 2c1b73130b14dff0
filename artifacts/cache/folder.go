package cache

import (
	"strings"

	"golang.org/x/sys/unix"
)

// descent opens folders below one, component by component, without following a link. It keeps the folders of the last
// path open, since neighbours come next.
type descent struct {
	last  string // the path of the folder that is open
	names []string
	fds   []int // fds[0] is the root's; one more than names
}

const openFolder = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// newDescent takes over the descriptor of a root.
func newDescent(root int) *descent { return &descent{fds: []int{root}} }

// folder returns the descriptor of the folder of a path, and the last component. The path is that of something below
// top, a name in the root; "" is top itself. The descriptor is valid until the next call. Top is the same in all calls.
func (d *descent) folder(top, path string) (fd int, name string, err error) {
	if path == "" {
		return d.fds[0], top, nil
	}
	dir, name := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir, name = path[:i], path[i+1:]
	}
	if len(d.names) == 0 {
		if err := d.enter(top); err != nil {
			return -1, "", err
		}
		d.last = ""
	}
	if dir != d.last {
		if err := d.change(dir); err != nil {
			return -1, "", err
		}
	}
	return d.fds[len(d.fds)-1], name, nil
}

// change opens a folder below top, which is open.
func (d *descent) change(dir string) error {
	depth := 1
	for rest := dir; rest != ""; depth++ {
		component, more, _ := strings.Cut(rest, "/")
		if depth == len(d.names) || d.names[depth] != component {
			d.truncate(depth)
			if err := d.enter(component); err != nil {
				d.truncate(0) // what is open is no longer last
				return err
			}
		}
		rest = more
	}
	d.truncate(depth)
	d.last = dir
	return nil
}

// enter opens a folder in the last one.
func (d *descent) enter(name string) error {
	fd, err := openat(d.fds[len(d.fds)-1], name, openFolder, 0)
	if err == nil {
		d.names, d.fds = append(d.names, name), append(d.fds, fd)
	}
	return err
}

// truncate closes the folders below a depth.
func (d *descent) truncate(depth int) {
	for _, fd := range d.fds[depth+1:] {
		_ = unix.Close(fd) // it was only read
	}
	d.names, d.fds = d.names[:depth], d.fds[:depth+1]
}

func (d *descent) close() {
	d.truncate(0)
	_ = unix.Close(d.fds[0]) // it was only read
}

func openat(fd int, name string, flags int, mode uint32) (int, error) {
	for {
		opened, err := unix.Openat(fd, name, flags|unix.O_CLOEXEC, mode)
		if err != unix.EINTR {
			return opened, err
		}
	}
}

package cache

import (
	"strings"

	"golang.org/x/sys/unix"
)

// descent opens folders below one, component by component, without following a link. It keeps the folders of the last
// path open, since neighbours come next.
type descent struct {
	names []string
	fds   []int // fds[0] is the root's; one more than names
}

const openFolder = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// newDescent takes over the descriptor of a root.
func newDescent(root int) *descent { return &descent{fds: []int{root}} }

// folder returns the descriptor of the folder of a path, and the last component. The descriptor is valid until the next
// call.
func (d *descent) folder(path string) (fd int, name string, err error) {
	depth := 0
	rest := path
	for {
		component, more, found := strings.Cut(rest, "/")
		if !found {
			d.truncate(depth)
			return d.fds[depth], component, nil
		}
		if depth == len(d.names) || d.names[depth] != component {
			d.truncate(depth)
			fd, err := openat(d.fds[depth], component, openFolder, 0)
			if err != nil {
				return -1, "", err
			}
			d.names, d.fds = append(d.names, component), append(d.fds, fd)
		}
		rest = more
		depth++
	}
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

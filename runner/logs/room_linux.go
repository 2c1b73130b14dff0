package logs

import (
	"io"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// room is how much a writer takes at once, whatever its reader does. Nothing else may write to it. The zero room
// is none.
type room struct {
	pipe     bool
	fd       int
	capacity int // of the pipe; for what never stalls, unlimited
	used     int // of it, at most
	seen     int // what it held at the last look
}

// roomOf returns the room of a file, which is unlimited, and of a pipe. What may stall at any time, as terminals
// and sockets, has none.
func roomOf(w io.Writer) room {
	f, ok := w.(*os.File)
	if !ok {
		return room{}
	}
	info, err := f.Stat()
	if err != nil {
		return room{}
	}
	r := room{fd: int(f.Fd())}
	switch mode := info.Mode(); {
	case mode.IsRegular(), isNull(r.fd):
		r.capacity = math.MaxInt
	case mode&os.ModeNamedPipe != 0: // also one without a name
		r.pipe = true
		if r.capacity, err = unix.FcntlInt(uintptr(r.fd), unix.F_GETPIPE_SZ, 0); err != nil {
			return room{}
		}
	}
	return r
}

// take reports whether n bytes fit. It asks the kernel only when what was known of the pipe is used up.
func (r *room) take(n int) bool {
	switch {
	case r.capacity == 0:
		return false
	case !r.pipe:
		return true
	}
	if !pipeFits(n, r.used, r.capacity) {
		used, err := unix.IoctlGetInt(r.fd, unix.TIOCINQ) // FIONREAD
		if err != nil || !pipeFits(n, used, r.capacity) {
			return false
		}
		r.used = used
	}
	r.used += n
	return true
}

// forget says that the pipe may be full: something was written without take.
func (r *room) forget() { r.used = r.capacity }

// look notes how much the pipe holds, for moved.
func (r *room) look() {
	if r.pipe {
		r.seen, _ = unix.IoctlGetInt(r.fd, unix.TIOCINQ)
	}
}

// moved reports whether the pipe's reader has taken something since the last look. A write shows that only once it
// has put all of its bytes into the pipe.
func (r *room) moved() bool {
	if !r.pipe {
		return false
	}
	holds, err := unix.IoctlGetInt(r.fd, unix.TIOCINQ)
	return err == nil && holds != r.seen
}

// pipeFits reports whether a pipe takes n bytes more. What a write ends with begins a page of its own if it does
// not fit into the page of the write before, so that pages may be filled by half; and the reader may have read a
// part of the first.
func pipeFits(n, used, capacity int) bool {
	const page = 4 << 10
	return 2*used+n+2*page <= capacity
}

func isNull(fd int) bool {
	var stat unix.Stat_t
	err := unix.Fstat(fd, &stat)
	return err == nil && stat.Mode&unix.S_IFMT == unix.S_IFCHR && stat.Rdev == unix.Mkdev(1, 3)
}

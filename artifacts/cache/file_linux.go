package cache

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls of a restore, several for each of tens of thousands of small files. They take some microseconds each, and do
// not tell the scheduler: otherwise its monitor wakes up every 20 µs to see whether one blocks, and interrupts it.

// makeFile creates a file for writing.
func makeFile(folder int, name string, flags int, mode uint32) (int, error) {
	text, err := unix.BytePtrFromString(name)
	if err != nil {
		return -1, err
	}
	for {
		fd, _, failure := unix.RawSyscall6(unix.SYS_OPENAT, uintptr(folder), uintptr(unsafe.Pointer(text)),
			uintptr(flags|unix.O_CLOEXEC|unix.O_LARGEFILE), uintptr(mode), 0, 0)
		if failure == 0 {
			return int(fd), nil
		}
		if failure != unix.EINTR {
			return -1, failure
		}
	}
}

// maxQuick is how many bytes a write may have that does not tell the scheduler.
const maxQuick = maxPiece

// writeAt writes once, perhaps a part.
func writeAt(fd int, content []byte, at int64) (int, error) {
	if unsafe.Sizeof(uintptr(0)) < 8 || len(content) == 0 || len(content) > maxQuick {
		return unix.Pwrite(fd, content, at)
	}
	n, _, failure := unix.RawSyscall6(unix.SYS_PWRITE64, uintptr(fd), uintptr(unsafe.Pointer(&content[0])),
		uintptr(len(content)), uintptr(at), 0, 0)
	if failure != 0 {
		return 0, failure
	}
	return int(n), nil
}

// setFileTime sets the time of an open file.
func setFileTime(fd, _ int, _ string, mtime int64) error {
	t := unix.NsecToTimespec(mtime)
	times := [2]unix.Timespec{t, t}
	_, _, failure := unix.RawSyscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0)
	runtime.KeepAlive(&times)
	if failure != 0 {
		return failure
	}
	return nil
}

func closeFile(fd int) error {
	if _, _, failure := unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0); failure != 0 {
		return failure
	}
	return nil
}

func statFile(fd int, s *unix.Stat_t) error {
	if _, _, failure := unix.RawSyscall(unix.SYS_FSTAT, uintptr(fd), uintptr(unsafe.Pointer(s)), 0); failure != 0 {
		return failure
	}
	return nil
}

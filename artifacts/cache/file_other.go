//go:build !linux

package cache

import "golang.org/x/sys/unix"

func makeFile(folder int, name string, flags int, mode uint32) (int, error) {
	return openat(folder, name, flags, mode)
}

func writeAt(fd int, content []byte, at int64) (int, error) { return unix.Pwrite(fd, content, at) }

func setFileTime(_, folder int, name string, mtime int64) error { return setTime(folder, name, mtime) }

func closeFile(fd int) error { return unix.Close(fd) }

func statFile(fd int, s *unix.Stat_t) error { return unix.Fstat(fd, s) }

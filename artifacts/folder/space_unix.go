//go:build linux || darwin

package folder

import "syscall"

// freeSpace is how many bytes there are for us on the disk of a folder.
func freeSpace(dir string) (free uint64, ok bool) {
	var s syscall.Statfs_t
	if syscall.Statfs(dir, &s) != nil {
		return 0, false
	}
	return s.Bavail * uint64(s.Bsize), true
}

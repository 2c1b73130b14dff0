//go:build unix

package source

import (
	"os"
	"syscall"
)

// isForeign reports whether a file belongs to another user.
func isForeign(path string) bool {
	info, err := os.Lstat(path)
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) != os.Geteuid()
}

//go:build !linux && !darwin

package artifacts

// freeSpace is not known here.
func freeSpace(string) (free uint64, ok bool) { return 0, false }

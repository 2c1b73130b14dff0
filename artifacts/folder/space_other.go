//go:build !linux && !darwin

package folder

// freeSpace is unknown on this system.
func freeSpace(string) (free uint64, ok bool) { return 0, false }

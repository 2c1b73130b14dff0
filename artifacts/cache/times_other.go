//go:build !linux

package cache

// setOpenTime sets the time of an open file.
func setOpenTime(_, folder int, name string, mtime int64) error { return setTime(folder, name, mtime) }

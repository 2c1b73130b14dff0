package cache

import "golang.org/x/sys/unix"

// setOpenTime sets the time of an open file, which spares the kernel a search for its name. Linux before 5.8 has no such
// call.
func setOpenTime(fd, folder int, name string, mtime int64) error {
	t := unix.NsecToTimespec(mtime)
	err := unix.UtimesNanoAt(fd, "", []unix.Timespec{t, t}, unix.AT_EMPTY_PATH)
	if err == unix.EINVAL || err == unix.ENOENT {
		return setTime(folder, name, mtime)
	}
	return err
}

// Package freshness tells the files that a command wrote from those that were there before.
package freshness

import "time"

// Stale reports whether a file was written before a command began; the zero time accepts every file. The kernel stamps
// files with the time of its last tick, up to 10 ms old; a time without a fraction is of a file system that counts
// whole seconds. Allowing that second everywhere would accept the reports of an attempt for those of the next one,
// which starts at once.
func Stale(modified, since time.Time) bool {
	granularity := 20 * time.Millisecond
	if modified.Nanosecond() == 0 {
		granularity = time.Second
	}
	return modified.Add(granularity).Before(since)
}

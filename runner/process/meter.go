package process

import "time"

// Meter measures the usage of the whole container, the runner included. It is used where the runner's own cgroup is not
// visible, as with some container services.
type Meter interface {
	// Read returns the newest reading. It is called from one goroutine at a time and has to return within about a
	// second, as the next sample waits for it.
	Read() (Reading, bool)
}

// Reading is one measurement.
type Reading struct {
	At     time.Time     // when it was taken, perhaps some seconds ago
	CPU    time.Duration // used so far
	Memory int64         // bytes in use, without the page cache that the kernel can reclaim
	Source string        // for Usage.Source
}

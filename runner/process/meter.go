package process

import "time"

// Meter counts what our whole container takes, ourselves included. It is asked for what our cgroup does not tell, since some who run
// containers hide that from them.
type Meter interface {
	// Read returns the newest reading that there is. It is called from one goroutine at a time and has to end by itself, within about a
	// second: the next look at the run waits for it.
	Read() (Reading, bool)
}

// Reading is what a meter showed.
type Reading struct {
	At     time.Time     // when it was taken, perhaps some seconds ago
	CPU    time.Duration // used so far
	Memory int64         // bytes in use, less the page cache that the kernel can take back
	Source string        // what Usage.Source says
}

package fargate

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"time"
)

// Load is the CPU in use for a while.
type Load struct {
	Cores float64
	For   time.Duration
}

// Run is what one run was seen to take. What is zero is not known.
type Run struct {
	Loads       []Load  // of the command, over time
	PeakMemory  int64   // bytes
	MemoryLimit int64   // bytes
	CPULimit    float64 // cores
	Disk        int64   // bytes of ephemeral storage in use at most, the image's included
	OutOfMemory bool    // the kernel killed for want of memory, so it would have taken more than it got
	Cut         bool    // it did not get to its end, so it would have taken longer, and of the CPU perhaps more
}

// Advice is the size that fits.
type Advice struct {
	Size
	Reasons []string // why it is not smaller, or is not the last word, in words for people
}

// The rules. A task should have more memory than the last runs took, since the next one may need a little more, and a
// run that memory failed would have needed more than it had. Its CPU may be short at times: it is enough if the run
// takes a tenth longer for that, as all CPU that is paid for and idle costs as much as the CPU in use.
const (
	headroom   = 1.25
	slowest    = 1.10
	enoughTime = time.Second // of all runs together, to tell anything of CPU

	atLimit = 0.95 // of the limit: it is used up
	starved = 0.80 // of the time: the limit is what the run waits for

	nearlyFull = 0.8 // of the disk
)

const gib = 1 << 30

// Fit finds the smallest size for runs of one step. It is not ok if nothing is known of their memory, or if no size is
// large enough.
func Fit(runs ...Run) (a Advice, ok bool) {
	var need, disk int64
	killed := false
	for _, r := range runs {
		memory := r.PeakMemory
		if r.OutOfMemory {
			killed, memory = true, max(r.MemoryLimit, memory)
		}
		need, disk = max(need, memory), max(disk, r.Disk)
	}
	if need <= 0 {
		return a, false
	}
	vCPU, why := cores(runs)
	if a.Size, ok = Smallest(vCPU, float64(need)*headroom/gib); !ok {
		return a, false
	}
	if killed {
		a.Reasons = append(a.Reasons, "memory ran out: more than the limit is needed, but how much is unknown")
	}
	if why != "" {
		a.Reasons = append(a.Reasons, why)
	}
	if float64(disk) > nearlyFull*IncludedStorage*gib {
		a.Storage = min(max(int(math.Ceil(float64(disk)*headroom/gib)), leastStorage), mostStorage)
		a.Reasons = append(
			a.Reasons,
			fmt.Sprintf(
				"%.1f GiB of disk were in use: a task has %d GiB unless its definition asks for more (ephemeralStorage)",
				float64(disk)/gib,
				IncludedStorage,
			),
		)
	}
	return a, true
}

// cores returns the vCPUs that the runs need, and what has to be said of that.
func cores(runs []Run) (vCPU float64, why string) {
	counted := slices.DeleteFunc(slices.Clone(runs), func(r Run) bool { return r.Cut || r.OutOfMemory })
	if len(counted) == 0 { // so much is known: they did not take less
		counted = runs
		for _, r := range runs {
			vCPU = max(vCPU, r.CPULimit)
		}
	}
	var loads []Load
	var waited, all time.Duration
	for _, r := range counted {
		for _, l := range r.Loads {
			all += l.For
			if r.CPULimit > 0 && l.Cores >= atLimit*r.CPULimit {
				waited += l.For
			}
		}
		loads = append(loads, r.Loads...)
	}
	if all < enoughTime {
		return vCPU, ""
	}
	vCPU = max(vCPU, enough(loads))
	limit := limitOf(counted)
	if limit == 0 || waited.Seconds() < starved*all.Seconds() {
		return vCPU, ""
	}
	why = fmt.Sprintf("CPU was at its limit of %g for %.0f %% of the time", limit, 100*waited.Seconds()/all.Seconds())
	if limit == 1 { // one thread that never rests looks just the same
		return vCPU, why + ": with more it may end sooner, unless it does one thing after the other"
	}
	// Twice the CPU for half the time costs the same.
	return max(vCPU, above(limit)), why + ": with more it ends sooner"
}

// limitOf is the limit that all the runs had; 0 if they had none, or several.
func limitOf(runs []Run) float64 {
	limit := runs[0].CPULimit
	for _, r := range runs {
		if r.CPULimit != limit {
			return 0
		}
	}
	return limit
}

// above is the next number of vCPUs.
func above(vCPU float64) float64 {
	for _, s := range sizes {
		if s.vCPU > vCPU {
			return s.vCPU
		}
	}
	return vCPU
}

// enough is the smallest number of vCPUs with which the loads take at most a tenth longer. Work that finds less CPU
// than it had takes as much longer: that is so of one thread, and no worse of many. What no size has, the largest has.
func enough(loads []Load) float64 {
	for _, s := range sizes {
		var before, after float64
		for _, l := range loads {
			before += l.For.Seconds()
			after += l.For.Seconds() * max(1, l.Cores/s.vCPU)
		}
		if after <= slowest*before {
			return s.vCPU
		}
	}
	return sizes[len(sizes)-1].vCPU
}

// Percentile is the number of cores that were not exceeded in the given part of the time.
func Percentile(loads []Load, part float64) float64 {
	sorted := slices.Clone(loads)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].Cores < sorted[j].Cores })
	var all, seen time.Duration
	for _, l := range sorted {
		all += l.For
	}
	for _, l := range sorted {
		if seen += l.For; seen.Seconds() >= part*all.Seconds() {
			return l.Cores
		}
	}
	return 0
}

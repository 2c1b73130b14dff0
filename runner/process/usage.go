package process

import (
	"path/filepath"
	"slices"
	"sort"
	"syscall"
	"time"
)

// usage is what was used by reaped processes, and by those that they had waited for.
type usage struct {
	cpu     time.Duration
	largest int64 // bytes of the largest process; never less than our own size, which a forked process inherits
}

func (u *usage) add(r syscall.Rusage) {
	u.cpu += time.Duration(r.Utime.Nano() + r.Stime.Nano())
	u.largest = max(u.largest, int64(r.Maxrss)*maxRSSUnit)
}

// ourCPU returns the CPU time of this process.
func ourCPU() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// account compares our cgroups before and after a run.
type account struct {
	memory, cpu, quota *cgroup
	oomKills           int
	used, ours         time.Duration
	disk               disk

	meter   Meter  // for what the cgroups do not count, or nil
	metered string // the meter's source, if the memory of the samples is from it
}

// disk records the usage of the disk that the command's directory is on, in bytes.
type disk struct{ first, peak, size int64 }

// measure returns the bytes in use; 0 if unknown.
func (d *disk) measure(dir string) int64 {
	used, size := DiskUsed(dir)
	if d.size == 0 {
		d.first = used
	}
	if size > 0 {
		d.peak, d.size = max(d.peak, used), size
	}
	return used
}

// openAccount starts an account of the cgroups of the system under root.
func openAccount(root string) *account {
	folder := filepath.Join(root, "proc/self")
	groups, mounts := read(folder, "cgroup"), read(folder, "mountinfo")
	find := func(controller string) *cgroup { return findCgroup(root, groups, mounts, controller) }
	a := &account{memory: find("memory"), cpu: find("cpuacct"), quota: find("cpu"), ours: ourCPU()}
	a.oomKills = a.memory.oomKills()
	a.used, _ = a.cpu.used()
	return a
}

// close ends the account. Values that the cgroup does not count, or counts for other processes too, are taken from the
// reaped processes.
func (a *account) close(reaped usage, samples []Sample) (u Usage, oomKills int) {
	u = Usage{
		Samples: samples, CPU: reaped.cpu, PeakMemory: reaped.largest,
		MemoryLimit: a.memory.limit(), CPULimit: a.quota.cores(),
		PeakDisk: a.disk.peak, DiskGrowth: a.disk.peak - a.disk.first, DiskSize: a.disk.size,
	}
	cpuSource, memorySource := rusage, rusage
	if used, ok := a.cpu.used(); ok && a.countsCPU() {
		u.CPU, cpuSource = max(used-a.used-(ourCPU()-a.ours), 0), a.cpu.version
	}
	oomKills = max(a.memory.oomKills()-a.oomKills, 0)
	if peak, ok := a.memory.peak(); ok && a.countsMemory() {
		u.PeakMemory, memorySource = peak, a.memory.version
	}
	// The kernel's peak includes the page cache, which an installation of packages fills although it can be
	// reclaimed. The samples are better, unless the memory ran out.
	if seen := highest(samples); seen > 0 && oomKills == 0 {
		seen = max(seen, reaped.largest)
		if memorySource != rusage {
			seen = min(seen, u.PeakMemory)
		}
		u.PeakMemory = seen
	}
	if memorySource == rusage && a.metered != "" {
		memorySource = a.metered
	}
	u.Source = memorySource
	if cpuSource != memorySource {
		u.Source = memorySource + " (memory), " + cpuSource + " (CPU)"
	}
	return u, oomKills
}

// countsCPU and countsMemory report whether the cgroup counts this run's processes, and no others.
func (a *account) countsCPU() bool    { return a.cpu.exclusive("") }
func (a *account) countsMemory() bool { return a.memory.exclusive(a.memory.limitFile()) }

// Add returns the usage of two commands of the same run, of which o started later by an offset (earlier if it is
// negative).
func (u Usage) Add(o Usage, offset time.Duration) Usage {
	first := u.PeakDisk - u.DiskGrowth
	if o.DiskSize > 0 && (u.DiskSize == 0 || o.PeakDisk-o.DiskGrowth < first) {
		first = o.PeakDisk - o.DiskGrowth
	}
	u.CPU += o.CPU
	u.PeakMemory = max(u.PeakMemory, o.PeakMemory)
	u.PeakDisk, u.DiskSize = max(u.PeakDisk, o.PeakDisk), max(u.DiskSize, o.DiskSize)
	u.DiskGrowth = u.PeakDisk - first
	u.Samples = slices.Clone(u.Samples)
	for _, s := range o.Samples {
		s.At += offset
		u.Samples = append(u.Samples, s)
	}
	sort.SliceStable(u.Samples, func(i, j int) bool { return u.Samples[i].At < u.Samples[j].At })
	return u
}

func highest(samples []Sample) int64 {
	var memory int64
	for _, s := range samples {
		memory = max(memory, s.Memory)
	}
	return memory
}

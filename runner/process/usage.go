package process

import (
	"path/filepath"
	"syscall"
	"time"
)

// usage is what was used by processes that were reaped, and by those that they had waited for.
type usage struct {
	cpu     time.Duration
	largest int64 // bytes; a new process inherits the size of the one that forked it, so never under our own
}

func (u *usage) add(r syscall.Rusage) {
	u.cpu += time.Duration(r.Utime.Nano() + r.Stime.Nano())
	u.largest = max(u.largest, int64(r.Maxrss)*maxRSSUnit)
}

// ourCPU is what this process has used itself.
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
}

// openAccount begins an account of the cgroups of the system under root.
func openAccount(root string) *account {
	folder := filepath.Join(root, "proc/self")
	groups, mounts := read(folder, "cgroup"), read(folder, "mountinfo")
	find := func(controller string) *cgroup { return findCgroup(root, groups, mounts, controller) }
	a := &account{memory: find("memory"), cpu: find("cpuacct"), quota: find("cpu"), ours: ourCPU()}
	a.oomKills = a.memory.oomKills()
	a.used, _ = a.cpu.used()
	return a
}

// close ends the account. What the cgroup cannot tell, or tells of others too, is taken from what was reaped.
func (a *account) close(reaped usage, samples []Sample) (u Usage, oomKills int) {
	u = Usage{Samples: samples, CPU: reaped.cpu, PeakMemory: reaped.largest, MemoryLimit: a.memory.limit(), CPULimit: a.quota.cores()}
	cpuSource, memorySource := rusage, rusage
	if used, ok := a.cpu.used(); ok && a.tellsCPU() {
		u.CPU, cpuSource = max(used-a.used-(ourCPU()-a.ours), 0), a.cpu.version
	}
	oomKills = max(a.memory.oomKills()-a.oomKills, 0)
	if peak, ok := a.memory.peak(); ok && a.tellsMemory() {
		u.PeakMemory, memorySource = peak, a.memory.version
	}
	// The kernel's peak counts the page cache, which an installation fills and any need for memory empties again. Where we
	// have looked ourselves we know better, unless the memory ran out.
	if seen := highest(samples); seen > 0 && oomKills == 0 {
		seen = max(seen, reaped.largest)
		if memorySource != rusage {
			seen = min(seen, u.PeakMemory)
		}
		u.PeakMemory = seen
	}
	u.Source = memorySource
	if cpuSource != memorySource {
		u.Source = memorySource + " (memory), " + cpuSource + " (CPU)"
	}
	return u, oomKills
}

// tellsCPU and tellsMemory report whether the cgroup counts this run's processes, and no others.
func (a *account) tellsCPU() bool    { return a.cpu.exclusive("") }
func (a *account) tellsMemory() bool { return a.memory.exclusive(a.memory.limitFile()) }

func highest(samples []Sample) int64 {
	var memory int64
	for _, s := range samples {
		memory = max(memory, s.Memory)
	}
	return memory
}

// Package sizing works out what a run used, what it cost, and which Fargate size would fit.
package sizing

import (
	"math"
	"slices"
	"time"

	"github.com/carlin-cicd/runner/runner/task"

	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/sizing/fargate"
)

// maxRecorded is how many samples are on record.
const maxRecorded = 600

// Usage returns what the commands of a run used; nil if none was started. Began is the run's start, diskBefore the
// bytes in use when the task reported its storage, earlier are the last runs of the step, for the advice.
func Usage(
	result *process.Result, began time.Time, t task.Task, diskBefore int64, reason record.Reason, earlier []record.Entry,
) *record.Usage {
	if result == nil {
		return nil
	}
	p := result.Usage
	u := &record.Usage{
		Seconds: record.Seconds(
			result.Wall,
		), CPUSeconds: record.Seconds(p.CPU), PeakMemory: p.PeakMemory, MemoryLimit: p.MemoryLimit, CPULimit: p.CPULimit,
		PeakDisk: p.PeakDisk, DiskGrowth: p.DiskGrowth, DiskSize: p.DiskSize, Source: p.Source,
		Samples: recordSamples(p.Samples, result.Started.Sub(began)),
	}
	if size, ok := t.Size(); ok { // a container may not see its task's limits
		if u.MemoryLimit == 0 {
			u.MemoryLimit = int64(size.Memory * (1 << 30))
		}
		if u.CPULimit == 0 {
			u.CPULimit = size.VCPU
		}
		u.Storage = t.Storage.Utilized<<20 + max(u.PeakDisk-diskBefore, u.DiskGrowth)
	}
	if t.ARN == "" { // elsewhere than in a task, others fill the disk, too
		u.PeakDisk, u.DiskGrowth, u.DiskSize = 0, 0, 0
		if u.Samples != nil {
			u.Samples.Disk = nil
		}
	}
	seen := observe(u, reason)
	u.CPUHigh = record.Round(fargate.Percentile(seen.Loads, 0.95))
	if advice, ok := fargate.Fit(seen); ok {
		u.Fits = &advice.Size // for the price
	}
	advise(u, reason, seen, earlier)
	return u
}

// The rules of the advice. A shorter run says little of a size, and one that ran out of memory not how much it needs.
// One run is not like the other: a percentile of the last runs changes less than the newest of them.
const (
	leastAdvised = 30 * time.Second
	memoryPart   = 0.9 // of the runs have had no higher peak
)

// advise adds the size that fits this run and the last ones.
func advise(u *record.Usage, reason record.Reason, seen fargate.Run, earlier []record.Entry) {
	if record.Duration(u.Seconds) < leastAdvised || reason == record.OOM {
		return
	}
	all := []fargate.Run{seen}
	for _, e := range earlier {
		if e.Usage != nil && !e.Usage.OOM && record.Duration(e.Usage.Seconds) >= leastAdvised {
			all = append(all, observeEntry(e))
		}
	}
	peaks := make([]int64, len(all))
	for i := range all {
		peaks[i] = all[i].PeakMemory
	}
	slices.Sort(peaks)
	typical := peaks[int(math.Ceil(memoryPart*float64(len(peaks))))-1]
	for i := range all {
		all[i].PeakMemory = typical
	}
	if advice, ok := fargate.Fit(all...); ok {
		u.Fargate, u.Reasons, u.Runs = advice.Size.String(), advice.Reasons, len(all)
	}
}

// observeEntry returns the figures of an earlier run. The index has the average of its CPU and what it exceeded for a
// twentieth of the time.
func observeEntry(e record.Entry) fargate.Run {
	const rarely = 0.05
	used := e.Usage
	took := record.Duration(used.Seconds)
	high := max(used.High, used.Cores)
	return fargate.Run{
		PeakMemory: used.Memory, MemoryLimit: used.Limit, CPULimit: used.CPULimit, Disk: used.Disk,
		Cut: e.Reason == record.Timeout || e.Reason == record.Cancelled || e.Reason == record.Signalled,
		Loads: []fargate.Load{
			{Cores: high, For: time.Duration(rarely * float64(took))},
			{Cores: max(0, used.Cores-rarely*high) / (1 - rarely), For: time.Duration((1 - rarely) * float64(took))},
		},
	}
}

// recordSamples makes columns of the samples of a command that began so long after the run.
func recordSamples(all []process.Sample, began time.Duration) *record.Samples {
	if len(all) == 0 {
		return nil
	}
	s := &record.Samples{}
	for _, one := range process.Downsample(all, maxRecorded) {
		s.Seconds = append(s.Seconds, record.Seconds(began+one.At))
		s.CPU = append(s.CPU, record.Round(one.CPU))
		s.Memory = append(s.Memory, one.Memory)
		s.Disk = append(s.Disk, one.Disk)
	}
	return s
}

// observe returns the figures of a run that a size is advised by.
func observe(u *record.Usage, reason record.Reason) fargate.Run {
	run := fargate.Run{
		PeakMemory: u.PeakMemory, MemoryLimit: u.MemoryLimit, CPULimit: u.CPULimit, Disk: max(u.Storage, u.DiskGrowth),
		OutOfMemory: reason == record.OOM, Cut: reason == record.Timeout || reason == record.Cancelled || reason == record.Signalled,
	}
	if s := u.Samples; s != nil {
		for i := 1; i < min(len(s.Seconds), len(s.CPU)); i++ { // the record does not have the start of the first interval
			run.Loads = append(
				run.Loads,
				fargate.Load{Cores: s.CPU[i], For: record.Duration(s.Seconds[i] - s.Seconds[i-1])},
			)
		}
	}
	if len(run.Loads) == 0 && u.Seconds >= 1 {
		run.Loads = []fargate.Load{{Cores: u.CPUSeconds / u.Seconds, For: record.Duration(u.Seconds)}}
	}
	return run
}

package runner

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/fargate"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
)

// maxRecorded is how many samples are on record.
const maxRecorded = 600

// usageRecord tells what the commands took; nil if none was started.
func (r *run) usageRecord(o outcome.Outcome) *record.Usage {
	if r.result == nil {
		return nil
	}
	p := r.result.Usage
	u := &record.Usage{
		Seconds: record.Seconds(r.result.Wall), CPUSeconds: record.Seconds(p.CPU), PeakMemory: p.PeakMemory, MemoryLimit: p.MemoryLimit, CPULimit: p.CPULimit,
		PeakDisk: p.PeakDisk, DiskGrowth: p.DiskGrowth, DiskSize: p.DiskSize, Source: p.Source,
		Samples: samplesRecord(p.Samples, r.result.Started.Sub(r.Began)),
	}
	if size, ok := r.task.size(); ok { // a container may not see its task's limits
		if u.MemoryLimit == 0 {
			u.MemoryLimit = int64(size.Memory * (1 << 30))
		}
		if u.CPULimit == 0 {
			u.CPULimit = size.VCPU
		}
		u.Storage = r.task.Storage.Utilized<<20 + max(u.PeakDisk-r.diskBefore, u.DiskGrowth)
	}
	seen := seenBy(u, o.Reason)
	u.CPUHigh = twoDecimals(fargate.Percentile(seen.Loads, 0.95))
	if advice, ok := fargate.Fit(seen); ok {
		u.Fits, u.Fargate, u.Reasons = &advice.Size, advice.Size.String(), advice.Reasons
	}
	return u
}

// samplesRecord makes columns of the samples of a command that began so long after the run.
func samplesRecord(all []process.Sample, began time.Duration) *record.Samples {
	if len(all) == 0 {
		return nil
	}
	s := &record.Samples{}
	for _, one := range process.Downsample(all, maxRecorded) {
		s.Seconds = append(s.Seconds, record.Seconds(began+one.At))
		s.CPU = append(s.CPU, twoDecimals(one.CPU))
		s.Memory = append(s.Memory, one.Memory)
		s.Disk = append(s.Disk, one.Disk)
	}
	return s
}

// seen is what advice on a size is given for.
func seenBy(u *record.Usage, reason record.Reason) fargate.Run {
	run := fargate.Run{
		PeakMemory: u.PeakMemory, MemoryLimit: u.MemoryLimit, CPULimit: u.CPULimit, Disk: max(u.Storage, u.DiskGrowth),
		OutOfMemory: reason == record.OOM, Cut: reason == record.Timeout || reason == record.Cancelled || reason == record.Signalled,
	}
	if s := u.Samples; s != nil {
		for i := 1; i < min(len(s.Seconds), len(s.CPU)); i++ { // since when the first one counts, the record does not say
			run.Loads = append(run.Loads, fargate.Load{Cores: s.CPU[i], For: record.Duration(s.Seconds[i] - s.Seconds[i-1])})
		}
	}
	if len(run.Loads) == 0 && u.Seconds >= 1 {
		run.Loads = []fargate.Load{{Cores: u.CPUSeconds / u.Seconds, For: record.Duration(u.Seconds)}}
	}
	return run
}

// text is the usage in words, with the size that would have fit.
func usageText(u *record.Usage) string {
	text := fmt.Sprintf("peak %s of memory", units.Size(u.PeakMemory))
	switch {
	case u.MemoryLimit > 0:
		text = fmt.Sprintf("peak %s of %s of memory", units.Size(u.PeakMemory), units.Size(u.MemoryLimit))
	case u.Source == process.SourceRusage: // without a cgroup of our own the kernel keeps no account of all processes together
		text = "largest process " + units.Size(u.PeakMemory)
	}
	text += fmt.Sprintf(", %.1f s of CPU", u.CPUSeconds)
	if u.DiskGrowth >= worthTelling {
		text += fmt.Sprintf(", %s more of the disk", units.Size(u.DiskGrowth))
	}
	if u.Fargate != "" {
		text += "; " + adviceText(u)
	}
	return text
}

// worthTelling is how much a disk has to fill for a word about it, in bytes.
const worthTelling = 1 << 30

// advice is the size that would have fit, in words; "" if there is none.
func adviceText(u *record.Usage) string {
	if u.Fargate == "" {
		return ""
	}
	text := "Fargate: " + u.Fargate + " would fit"
	if len(u.Reasons) > 0 {
		text += " (" + strings.Join(u.Reasons, "; ") + ")"
	}
	return text
}

// numbers is a list of nothing but numbers, as an indented record has it. No text of it can look like that: it has no line breaks.
var numbers = regexp.MustCompile(`\[\n\s+-?[0-9][-+0-9.eE,\s]*\]`)

// compactNumbers puts each list of numbers of a record on one line.
func compactNumbers(record []byte) []byte {
	return numbers.ReplaceAllFunc(record, func(list []byte) []byte { return bytes.Join(bytes.Fields(list), nil) })
}

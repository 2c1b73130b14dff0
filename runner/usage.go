package runner

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/fargate"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/units"
)

// usage is what the commands of the step took of the machine, attempts and reruns together.
type usage struct {
	Seconds     float64  `json:"seconds"` // that they ran
	CPUSeconds  float64  `json:"cpu_seconds"`
	CPUHigh     float64  `json:"cpu_p95,omitempty"` // cores: for 95 % of the time it was not more
	PeakMemory  int64    `json:"peak_memory_bytes"`
	MemoryLimit int64    `json:"memory_limit_bytes,omitempty"`
	CPULimit    float64  `json:"cpu_limit,omitempty"`
	PeakDisk    int64    `json:"peak_disk_bytes,omitempty"`   // in use on the disk that the workspace is on, whoever uses it
	DiskGrowth  int64    `json:"disk_growth_bytes,omitempty"` // that much more than before the command
	DiskSize    int64    `json:"disk_size_bytes,omitempty"`
	Storage     int64    `json:"ephemeral_storage_bytes,omitempty"` // in use of the task's at most, the image's included
	Source      string   `json:"source"`
	Fargate     string   `json:"fargate,omitempty"`         // the smallest size that would have fit
	Reasons     []string `json:"fargate_reasons,omitempty"` // what has to be said of it
	Samples     *samples `json:"samples,omitempty"`

	fits *fargate.Size // Fargate, as it is
}

// samples are what was seen over time, a column for each figure.
type samples struct {
	Seconds []float64 `json:"seconds"`      // since the run began
	CPU     []float64 `json:"cpu"`          // cores in use since the row before
	Memory  []int64   `json:"memory_bytes"` // without page cache
	Disk    []int64   `json:"disk_bytes"`   // in use
}

// maxRecorded is how many samples are on record.
const maxRecorded = 600

// usageRecord tells what the commands took; nil if none was started.
func (r *run) usageRecord(o Outcome) *usage {
	if r.result == nil {
		return nil
	}
	p := r.result.Usage
	u := &usage{
		Seconds: seconds(r.result.Wall), CPUSeconds: seconds(p.CPU), PeakMemory: p.PeakMemory, MemoryLimit: p.MemoryLimit, CPULimit: p.CPULimit,
		PeakDisk: p.PeakDisk, DiskGrowth: p.DiskGrowth, DiskSize: p.DiskSize, Source: p.Source,
		Samples: samplesRecord(p.Samples, r.result.Started.Sub(r.begun)),
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
	seen := u.seen(o.Reason)
	u.CPUHigh = twoDecimals(fargate.Percentile(seen.Loads, 0.95))
	if advice, ok := fargate.Fit(seen); ok {
		u.fits, u.Fargate, u.Reasons = &advice.Size, advice.Size.String(), advice.Reasons
	}
	return u
}

// samplesRecord makes columns of the samples of a command that began so long after the run.
func samplesRecord(all []process.Sample, began time.Duration) *samples {
	if len(all) == 0 {
		return nil
	}
	s := &samples{}
	for _, one := range process.Downsample(all, maxRecorded) {
		s.Seconds = append(s.Seconds, seconds(began+one.At))
		s.CPU = append(s.CPU, twoDecimals(one.CPU))
		s.Memory = append(s.Memory, one.Memory)
		s.Disk = append(s.Disk, one.Disk)
	}
	return s
}

// seen is what advice on a size is given for.
func (u *usage) seen(reason Reason) fargate.Run {
	run := fargate.Run{
		PeakMemory: u.PeakMemory, MemoryLimit: u.MemoryLimit, CPULimit: u.CPULimit, Disk: max(u.Storage, u.DiskGrowth),
		OutOfMemory: reason == OOM, Cut: reason == Timeout || reason == Cancelled || reason == Signalled,
	}
	if s := u.Samples; s != nil {
		for i := 1; i < min(len(s.Seconds), len(s.CPU)); i++ { // since when the first one counts, the record does not say
			run.Loads = append(run.Loads, fargate.Load{Cores: s.CPU[i], For: duration(s.Seconds[i] - s.Seconds[i-1])})
		}
	}
	if len(run.Loads) == 0 && u.Seconds >= 1 {
		run.Loads = []fargate.Load{{Cores: u.CPUSeconds / u.Seconds, For: duration(u.Seconds)}}
	}
	return run
}

// text is the usage in words, with the size that would have fit.
func (u *usage) text() string {
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
		text += "; " + u.advice()
	}
	return text
}

// worthTelling is how much a disk has to fill for a word about it, in bytes.
const worthTelling = 1 << 30

// advice is the size that would have fit, in words; "" if there is none.
func (u *usage) advice() string {
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

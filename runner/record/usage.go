package record

import "github.com/carlin-cicd/runner/runner/sizing/fargate"

// SourceRusage is Usage.Source where the kernel counted processes only one by one: PeakMemory is the largest of them.
const SourceRusage = "rusage"

// Usage is what the commands of the step used of the machine, attempts and reruns together.
type Usage struct {
	Seconds     float64  `json:"seconds"` // that they ran
	CPUSeconds  float64  `json:"cpu_seconds"`
	CPUHigh     float64  `json:"cpu_p95,omitempty"` // cores, 95th percentile over time
	PeakMemory  int64    `json:"peak_memory_bytes"`
	MemoryLimit int64    `json:"memory_limit_bytes,omitempty"`
	CPULimit    float64  `json:"cpu_limit,omitempty"`
	PeakDisk    int64    `json:"peak_disk_bytes,omitempty"`   // in use on the task's disk; outside of a task it is shared, and not known
	DiskGrowth  int64    `json:"disk_growth_bytes,omitempty"` // more than before the command
	DiskSize    int64    `json:"disk_size_bytes,omitempty"`
	Storage     int64    `json:"ephemeral_storage_bytes,omitempty"` // peak use of the task's storage, the image included
	Source      string   `json:"source"                            redact:"-"`
	Fargate     string   `json:"fargate,omitempty"                 redact:"-"` // the smallest size that fits this run and the last ones
	Runs        int      `json:"fargate_runs,omitempty"`                       // how many
	Reasons     []string `json:"fargate_reasons,omitempty"         redact:"-"` // remarks on that size
	Samples     *Samples `json:"samples,omitempty"`

	Fits *fargate.Size `json:"-"` // the size that would have fit this run
}

// Samples are measurements over time, a column for each figure.
type Samples struct {
	Seconds []float64 `json:"seconds"`              // since the run began
	CPU     []float64 `json:"cpu"`                  // cores in use since the previous row
	Memory  []int64   `json:"memory_bytes"`         // without page cache
	Disk    []int64   `json:"disk_bytes,omitempty"` // in use
}

// Cost is the list price of a run on Fargate.
type Cost struct {
	Dollars      float64      `json:"dollars"`
	Seconds      float64      `json:"billed_seconds"` // since the pull of the image began, as far as that is known
	Size         fargate.Size `json:"size"`
	Region       string       `json:"region"              redact:"-"`
	Architecture string       `json:"architecture"        redact:"-"`
	Capacity     string       `json:"capacity"            redact:"-"` // "on demand", which is the upper bound, or "Spot"
	PricesAsOf   string       `json:"prices_as_of"        redact:"-"`
	Estimated    bool         `json:"estimated,omitempty"` // the price list does not have this price: see package fargate
	Would        bool         `json:"would,omitempty"`     // the run was not on Fargate; this is the price of the size that fits
}

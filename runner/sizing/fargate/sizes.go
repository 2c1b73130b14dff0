// Package fargate knows what AWS Fargate offers for Linux: the sizes of a task, what they cost, and which one fits what
// a run was seen to take. It sends no request: the figures are AWS's, with their source and their date.
package fargate

import "fmt"

// Size is what a task is given.
type Size struct {
	VCPU    float64 `json:"vcpu"`
	Memory  float64 `json:"memory_gb"`            // in GiB, which AWS writes as GB
	Storage int     `json:"storage_gb,omitempty"` // ephemeral, in GiB; 0 for the 20 that every task has
}

// String is the size as AWS writes it.
func (s Size) String() string {
	text := fmt.Sprintf("%g vCPU, %g GB", s.VCPU, s.Memory)
	if s.Storage > IncludedStorage {
		text += fmt.Sprintf(", %d GB of disk", s.Storage)
	}
	return text
}

// IncludedStorage is the ephemeral storage that every task has, in GiB, and that costs nothing.
// Source: Amazon ECS API reference, EphemeralStorage.
const IncludedStorage = 20

// What can be asked for instead.
const (
	leastStorage = 21
	mostStorage  = 200
)

// sizes are those of a task on Linux: memory in GiB for each number of vCPUs. The first that is large enough is also
// the cheapest. Source: Amazon ECS developer guide, "Task definition parameters for Fargate", task size.
var sizes = []struct {
	vCPU, from, to, step float64
}{
	{0.25, 0.5, 0.5, 0.5},
	{0.25, 1, 2, 1},
	{0.5, 1, 4, 1},
	{1, 2, 8, 1},
	{2, 4, 16, 1},
	{4, 8, 30, 1},
	{8, 16, 60, 4},
	{16, 32, 120, 8},
}

// Smallest returns the smallest size that has the vCPUs and the memory, in GiB; false if none has.
func Smallest(vCPU, memory float64) (Size, bool) {
	for _, s := range sizes {
		if s.vCPU < vCPU || s.to < memory {
			continue
		}
		fits := Size{VCPU: s.vCPU, Memory: s.from}
		for fits.Memory < memory {
			fits.Memory += s.step
		}
		return fits, true
	}
	return Size{}, false
}

package runner

import (
	"fmt"
	"time"
)

// fargateSizes are the task sizes of Fargate on Linux: memory in GiB for each number of vCPUs.
// Source: AWS, "Amazon ECS task definition parameters for Fargate", task size.
var fargateSizes = []struct {
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

// headroom is how much more memory than the peak a task should have: the next run needs a little more than the last.
const headroom = 1.25

// fit names the smallest size that has the memory, and the CPU that the command used on average.
// A run too short to tell its CPU (under a second) is judged by its memory alone.
func fit(cpu, wall time.Duration, peak int64) string {
	if peak <= 0 {
		return ""
	}
	cores := 0.0
	if wall >= time.Second {
		cores = cpu.Seconds() / wall.Seconds()
	}
	need := float64(peak) * headroom / (1 << 30)
	for _, size := range fargateSizes {
		if size.vCPU < cores || size.to < need {
			continue
		}
		memory := size.from
		for memory < need {
			memory += size.step
		}
		return fmt.Sprintf("%g vCPU, %g GB", size.vCPU, memory)
	}
	return ""
}

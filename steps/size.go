package steps

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Size is the size of a step's task on Fargate. The zero value is that of the task definition.
type Size struct {
	CPU    float64 // vCPU
	Memory float64 // GB
}

// Units returns the size as RunTask takes it: units of 1/1024 vCPU, and MiB. They are empty for the zero value.
func (s Size) Units() (cpu, memory string) {
	if s == (Size{}) {
		return "", ""
	}
	const perOne = 1024
	return strconv.Itoa(int(s.CPU * perOne)), strconv.Itoa(int(s.Memory * perOne))
}

func (s Size) String() string {
	return strconv.FormatFloat(s.CPU, 'f', -1, 64) + "-" + strconv.FormatFloat(s.Memory, 'f', -1, 64)
}

// memories are the amounts of memory that Fargate has for each number of vCPUs, in GB: from, to, and the step between.
var memories = []struct{ cpu, from, to, step float64 }{
	{0.5, 1, 4, 1}, {1, 2, 8, 1}, {2, 4, 16, 1}, {4, 8, 30, 1}, {8, 16, 60, 4}, {16, 32, 120, 8},
}

// Sizes are those that a task can have.
func Sizes() []Size {
	all := []Size{{0.25, 0.5}, {0.25, 1}, {0.25, 2}}
	for _, m := range memories {
		for memory := m.from; memory <= m.to; memory += m.step {
			all = append(all, Size{m.cpu, memory})
		}
	}
	return all
}

// taskSizeKind is a size such as 2-8.
func taskSizeKind() kind[Size] {
	s := schema{Examples: []any{"1-2", "2-8"}}
	known := map[string]Size{}
	for _, size := range Sizes() {
		s.Enum = append(s.Enum, size.String())
		known[size.String()] = size
	}
	return kind[Size]{schema: s, read: func(d *decoder, n ast.Node, what string, to *Size) error {
		var value string
		if err := d.text(n, what, &value); err != nil {
			return err
		}
		size, ok := known[value]
		if !ok {
			return d.invalid(n, what, value, sizeAdvice(value))
		}
		*to = size
		return nil
	}}
}

// sizeAdvice says what a size may be: for a number of vCPUs that Fargate has, its memory.
func sizeAdvice(value string) string {
	cpu, _, _ := strings.Cut(value, "-")
	if n, err := strconv.ParseFloat(cpu, 64); err == nil {
		for _, m := range memories {
			if m.cpu == n {
				return fmt.Sprintf("with %g vCPU Fargate has %g to %g GB in steps of %g, such as %s",
					n, m.from, m.to, m.step, Size{n, m.from})
			}
		}
		if n == Sizes()[0].CPU {
			return "with 0.25 vCPU Fargate has 0.5, 1 or 2 GB, such as 0.25-1"
		}
	}
	return "write vCPU and GB, such as 2-8; Fargate has 0.25, 0.5, 1, 2, 4, 8 and 16 vCPU"
}

// The kinds of tasks on the cluster, which differ in their rights.
const (
	BuildTask   = "build"
	TestTask    = "test"
	MigrateTask = "migrate"
	DeployTask  = "deploy"
)

// Enclosing returns the smallest size that has at least as many vCPUs and as much memory: the larger numbers of two
// sizes need not be a size. The zero value stays.
func (s Size) Enclosing() Size {
	for _, size := range Sizes() {
		if s != (Size{}) && size.CPU >= s.CPU && size.Memory >= s.Memory {
			return size
		}
	}
	return s
}

package process

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cgroup is where the kernel keeps the accounts of our container. The zero value has none.
type cgroup struct {
	version     string // "cgroup v2" or "cgroup v1"
	memory, cpu string // folders; under version 2 both are the same
}

// counters are what a cgroup says at one moment. Zero is unknown, or no limit.
type counters struct {
	oomKills    int
	peak        int64 // bytes
	memoryLimit int64 // bytes
	cpu         time.Duration
	cpuLimit    float64 // cores
}

// unlimited is where version 1's limits begin to mean none: it rounds "no limit" to pages.
const unlimited = 1 << 60

func ownCgroup() cgroup {
	return findCgroup("/proc/self/cgroup", "/proc/self/mountinfo", "/")
}

// findCgroup reads the two tables; root stands before the folders in them, so that recorded ones can be read.
// Version 1 is preferred where both are mounted: then version 2 has no memory controller.
func findCgroup(membership, mountinfo, root string) cgroup {
	paths := map[string]string{} // controller → path in its hierarchy; "" for version 2
	for line := range lines(membership) {
		if _, rest, ok := strings.Cut(line, ":"); ok {
			controllers, path, _ := strings.Cut(rest, ":")
			for c := range strings.SplitSeq(controllers, ",") {
				paths[c] = path
			}
		}
	}
	var v1, v2 cgroup
	for line := range lines(mountinfo) {
		before, after, _ := strings.Cut(line, " - ")
		mount, kind := strings.Fields(before), strings.Fields(after)
		if len(mount) < 5 || len(kind) < 3 {
			continue
		}
		locate := func(controller string) string {
			path, ok := paths[controller]
			if !ok {
				return ""
			}
			dir := filepath.Join(root, mount[4], strings.TrimPrefix(path, strings.TrimSuffix(mount[3], "/")))
			if _, err := os.Stat(dir); err != nil { // a container that sees its own cgroup as the root
				dir = filepath.Join(root, mount[4])
			}
			return dir
		}
		switch kind[0] {
		case "cgroup2":
			if dir := locate(""); exists(dir, "memory.events") {
				v2 = cgroup{"cgroup v2", dir, dir}
			}
		case "cgroup":
			for option := range strings.SplitSeq(kind[2], ",") {
				switch option {
				case "memory":
					v1.version, v1.memory = "cgroup v1", locate("memory")
				case "cpuacct":
					v1.cpu = locate("cpuacct")
				}
			}
		}
	}
	if v1.memory != "" {
		return v1
	}
	return v2
}

func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return dir != "" && err == nil
}

func (g cgroup) read() counters {
	var c counters
	switch g.version {
	case "cgroup v2":
		c.oomKills = int(keyed(g.memory, "memory.events", "oom_kill"))
		c.peak = number(g.memory, "memory.peak")
		c.memoryLimit = number(g.memory, "memory.max")
		c.cpu = time.Duration(keyed(g.cpu, "cpu.stat", "usage_usec")) * time.Microsecond
		if quota, period, ok := strings.Cut(text(g.cpu, "cpu.max"), " "); ok {
			c.cpuLimit = ratio(quota, period)
		}
	case "cgroup v1":
		c.oomKills = int(keyed(g.memory, "memory.oom_control", "oom_kill"))
		c.peak = number(g.memory, "memory.max_usage_in_bytes")
		c.memoryLimit = number(g.memory, "memory.limit_in_bytes")
		c.cpu = time.Duration(number(g.cpu, "cpuacct.usage"))
		c.cpuLimit = ratio(text(g.cpu, "cpu.cfs_quota_us"), text(g.cpu, "cpu.cfs_period_us"))
	}
	if c.memoryLimit >= unlimited {
		c.memoryLimit = 0
	}
	return c
}

func ratio(quota, period string) float64 {
	q, err := strconv.ParseFloat(quota, 64)
	p, perr := strconv.ParseFloat(period, 64)
	if err != nil || perr != nil || q <= 0 || p <= 0 {
		return 0
	}
	return q / p
}

func text(dir, name string) string {
	if dir == "" {
		return ""
	}
	b, _ := os.ReadFile(filepath.Join(dir, name))
	return strings.TrimSpace(string(b))
}

// number is 0 for "max" and for what is not there.
func number(dir, name string) int64 {
	n, _ := strconv.ParseInt(text(dir, name), 10, 64)
	return n
}

// keyed reads one line of a file of "key value" lines.
func keyed(dir, name, key string) int64 {
	for line := range strings.Lines(text(dir, name)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), " "); ok && k == key {
			n, _ := strconv.ParseInt(v, 10, 64)
			return n
		}
	}
	return 0
}

func lines(name string) func(func(string) bool) {
	return func(yield func(string) bool) {
		f, err := os.Open(name)
		if err != nil {
			return
		}
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			if !yield(s.Text()) {
				return
			}
		}
	}
}

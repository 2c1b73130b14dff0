package process

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Values of Usage.Source.
const (
	cgroupV1 = "cgroup v1"
	cgroupV2 = "cgroup v2"
	rusage   = SourceRusage
)

// SourceRusage is Usage.Source where only the processes themselves were counted: their memory is that of the largest,
// or of all that were seen at once.
const SourceRusage = "rusage"

// cgroup is the group of this process in the hierarchy of one controller. A nil cgroup has no values.
type cgroup struct {
	version string
	folder  string // of the group
	mount   string // the topmost visible one: the same in a container
}

// findCgroup finds the cgroup of this process for a controller in the texts of /proc/self/cgroup and mountinfo; root is
// prefixed to the folders in them. A controller is in one hierarchy only: its own of version 1, or the common one of
// version 2.
func findCgroup(root, groups, mounts, controller string) *cgroup {
	c := &cgroup{version: cgroupV1}
	path, ok := pathOf(groups, controller)
	if !ok {
		c.version = cgroupV2
		if path, ok = pathOf(groups, ""); !ok {
			return nil
		}
		controller = ""
	}
	top, point, ok := mountOf(mounts, controller)
	if !ok {
		return nil
	}
	c.mount = filepath.Join(root, point)
	c.folder = c.mount
	// In a container the cgroup is the root of a namespace (path /), or is mounted as such (path = top). Otherwise the
	// path is one of the host, which is not visible, and the mounted one is the nearest.
	below, ok := strings.CutPrefix(path, strings.TrimSuffix(top, "/"))
	if ok && (below == "" || below[0] == '/') && !strings.Contains(below, "/..") {
		if folder := filepath.Join(c.mount, below); isFolder(folder) {
			c.folder = folder
		}
	}
	return c
}

// pathOf reads /proc/self/cgroup, lines of "ID:CONTROLLER,CONTROLLER:PATH". Version 2 has ID 0 and no controllers.
func pathOf(groups, controller string) (path string, ok bool) {
	for line := range strings.Lines(groups) {
		id, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, path, ok := strings.Cut(rest, ":")
		if !ok || (controller == "") != (id == "0" && controllers == "") {
			continue
		}
		if controller == "" || has(controllers, controller) {
			return path, true
		}
	}
	return "", false
}

// mountOf reads /proc/self/mountinfo, lines of "ID PARENT DEV TOP POINT OPTIONS … - TYPE SOURCE OPTIONS", and returns
// which part of the hierarchy of a controller is mounted, and where.
func mountOf(mounts, controller string) (top, point string, ok bool) {
	for line := range strings.Lines(mounts) {
		left, right, _ := strings.Cut(line, " - ")
		mount, system := strings.Fields(left), strings.Fields(right)
		if len(mount) < 5 || len(system) < 3 {
			continue
		}
		switch {
		case controller == "" && system[0] == "cgroup2":
		case controller != "" && system[0] == "cgroup" && has(system[2], controller):
		default:
			continue
		}
		return unescape(mount[3]), unescape(mount[4]), true
	}
	return "", "", false
}

func has(list, word string) bool {
	for entry := range strings.SplitSeq(list, ",") {
		if entry == word {
			return true
		}
	}
	return false
}

// unescape undoes the octal escapes of mountinfo, such as \040 for a blank.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// exclusive reports whether the group is the container's own, so that it counts the run and not a whole machine or
// login session: it has a limit of its own, in limitFile, or is the only visible one without being the root.
func (c *cgroup) exclusive(limitFile string) bool {
	if c == nil {
		return false
	}
	if limitFile != "" && limitIn(c.folder, limitFile) != 0 {
		return true
	}
	isRoot := !exists(c.folder, "cgroup.events")
	if c.version == cgroupV1 {
		isRoot = exists(c.folder, "cgroup.sane_behavior")
	}
	return c.folder == c.mount && !isRoot
}

// oomKills returns how many processes of the group the kernel has killed for memory so far, at any limit.
func (c *cgroup) oomKills() int {
	n, _ := c.counter("memory.oom_control", "memory.events", "oom_kill")
	return int(n)
}

// used returns the CPU time that the group has used so far.
func (c *cgroup) used() (time.Duration, bool) {
	if c != nil && c.version == cgroupV1 {
		ns, ok := number64(read(c.folder, "cpuacct.usage"))
		return time.Duration(ns), ok
	}
	us, ok := c.counter("", "cpu.stat", "usage_usec")
	return time.Duration(us) * time.Microsecond, ok
}

// peak returns the most memory that the group has ever used, in bytes. Version 2 counts it since Linux 5.19 only.
func (c *cgroup) peak() (int64, bool) {
	switch {
	case c == nil:
		return 0, false
	case c.version == cgroupV1:
		return number64(read(c.folder, "memory.max_usage_in_bytes"))
	default:
		return number64(read(c.folder, "memory.peak"))
	}
}

// workingSet returns the memory in use now, in bytes, without cached files that the kernel can reclaim.
func (c *cgroup) workingSet() (int64, bool) {
	current, file := "memory.current", "inactive_file"
	if c != nil && c.version == cgroupV1 {
		current, file = "memory.usage_in_bytes", "total_inactive_file"
	}
	if c == nil {
		return 0, false
	}
	used, ok := number64(read(c.folder, current))
	cache, _ := c.counter("memory.stat", "memory.stat", file)
	return max(used-cache, 0), ok
}

func (c *cgroup) limitFile() string {
	if c != nil && c.version == cgroupV2 {
		return "memory.max"
	}
	return "memory.limit_in_bytes"
}

// limit returns the lowest memory limit of the group and those above it, in bytes; 0 if there is none that we can see.
func (c *cgroup) limit() int64 {
	if c == nil {
		return 0
	}
	var lowest int64
	lower := func(n int64) {
		if n > 0 && n < unlimited && (lowest == 0 || n < lowest) {
			lowest = n
		}
	}
	if c.version == cgroupV1 { // the task's limit, which is above the container's group, is only told here
		n, _ := c.counter("memory.stat", "", "hierarchical_memory_limit")
		lower(n)
	}
	for folder := range c.upwards {
		lower(limitIn(folder, c.limitFile()))
	}
	return lowest
}

// cores returns the lowest CPU quota of the group and those above it, in cores; 0 if there is none that we can see.
func (c *cgroup) cores() float64 {
	if c == nil {
		return 0
	}
	var lowest float64
	for folder := range c.upwards {
		quota, period := read(folder, "cpu.cfs_quota_us"), read(folder, "cpu.cfs_period_us")
		if c.version == cgroupV2 {
			quota, period, _ = strings.Cut(read(folder, "cpu.max"), " ")
		}
		q, ok := number64(quota) // "max", or -1: none
		p, _ := number64(period)
		if ok && q > 0 && p > 0 && (lowest == 0 || float64(q)/float64(p) < lowest) {
			lowest = float64(q) / float64(p)
		}
	}
	return lowest
}

// upwards yields the folder of the group, and those above it as far as they can be seen.
func (c *cgroup) upwards(yield func(string) bool) {
	for folder := c.folder; yield(folder) && folder != c.mount; folder = filepath.Dir(folder) {
	}
}

// counter returns one entry of a file of lines "NAME NUMBER": v1 or v2, as the version has it.
func (c *cgroup) counter(v1, v2, name string) (int64, bool) {
	if c == nil {
		return 0, false
	}
	file := v1
	if c.version == cgroupV2 {
		file = v2
	}
	for line := range strings.Lines(read(c.folder, file)) {
		if key, value, _ := strings.Cut(strings.TrimSpace(line), " "); key == name {
			return number64(value)
		}
	}
	return 0, false
}

// unlimited and above is what version 1 says for no limit.
const unlimited = 1 << 60

// limitIn returns the memory limit that a file holds, 0 if none.
func limitIn(folder, file string) int64 {
	n, ok := number64(read(folder, file)) // "max": none
	if !ok || n >= unlimited {
		return 0
	}
	return n
}

func read(folder, file string) string {
	text, err := os.ReadFile(filepath.Join(folder, file))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func number64(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

func exists(folder, file string) bool {
	_, err := os.Lstat(filepath.Join(folder, file))
	return err == nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Package limit holds the clients of a benchmark to the share of a small task: half a core and 1 GiB.
package limit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	limitCPU    = 0.5
	limitMemory = 1 << 30
	cgroups     = "/sys/fs/cgroup"
)

// Group is a cgroup, or several with version 1, that hold a process to a small task's share.
type Group struct{ dirs []string }

// New makes a group, which needs root and is there until Close.
func New() (*Group, error) {
	name := "bench-" + strconv.Itoa(os.Getpid())
	files := map[string]string{}
	l := &Group{}
	if _, err := os.Stat(filepath.Join(cgroups, "cgroup.controllers")); err == nil {
		dir := filepath.Join(cgroups, name)
		l.dirs = []string{dir}
		files[filepath.Join(dir, "cpu.max")] = fmt.Sprintf("%d 100000", int(limitCPU*100000))
		files[filepath.Join(dir, "memory.max")] = strconv.Itoa(limitMemory)
	} else {
		cpu, memory := filepath.Join(cgroups, "cpu", name), filepath.Join(cgroups, "memory", name)
		l.dirs = []string{cpu, memory}
		files[filepath.Join(cpu, "cpu.cfs_quota_us")] = strconv.Itoa(int(limitCPU * 100000))
		files[filepath.Join(memory, "memory.limit_in_bytes")] = strconv.Itoa(limitMemory)
	}
	for _, dir := range l.dirs {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	for name, value := range files {
		if err := os.WriteFile(name, []byte(value), 0o644); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return l, nil
}

// Close removes the group, in which no process runs any more.
func (l *Group) Close() error {
	var errs []error
	for _, dir := range l.dirs {
		if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Line makes a command line run within the group. The program self calls Run if its first argument is "limited".
func (l *Group) Line(self string, line []string) []string {
	return append([]string{self, "limited", strings.Join(l.dirs, ":"), line[0]}, line[1:]...)
}

// Run moves this process into the groups that the first argument names, and makes it the program of the others.
func Run(args []string) error {
	for dir := range strings.SplitSeq(args[0], ":") {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0o644); err != nil {
			return err
		}
	}
	return syscall.Exec(args[1], args[1:], os.Environ())
}

// PeakMemory reads a process's largest resident size so far in bytes, 0 when it is gone. That of rusage
// is useless: it begins with the size of the process that forked.
func PeakMemory(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, ok := strings.Cut(string(status), "VmHWM:")
	if !ok {
		return 0
	}
	digits, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.ParseInt(digits, 10, 64)
	return n << 10
}

package main

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

// limits is a cgroup, or several with version 1, that hold a process to a small task's share.
type limits struct{ dirs []string }

// newLimits needs root; what it makes is there until close.
func newLimits() (*limits, error) {
	name := "bench-" + strconv.Itoa(os.Getpid())
	files := map[string]string{}
	l := &limits{}
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
			return nil, errors.Join(err, l.close())
		}
	}
	for name, value := range files {
		if err := os.WriteFile(name, []byte(value), 0o644); err != nil {
			return nil, errors.Join(err, l.close())
		}
	}
	return l, nil
}

func (l *limits) close() error {
	var errs []error
	for _, dir := range l.dirs {
		if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// line makes a command line run within the limits.
func (l *limits) line(self string, line []string) []string {
	return append([]string{self, "limited", strings.Join(l.dirs, ":"), line[0]}, line[1:]...)
}

// runLimited is the process that goes into the cgroups and becomes the client there.
func runLimited(args []string) error {
	for dir := range strings.SplitSeq(args[0], ":") {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0o644); err != nil {
			return err
		}
	}
	return syscall.Exec(args[1], args[1:], os.Environ())
}

// peakMemory reads a process's largest resident size so far in bytes, 0 when it is gone. That of rusage
// is useless: it begins with the size of the process that forked.
func peakMemory(pid int) int64 {
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

package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tree finds the processes of a run in /proc, in three ways: by their group, by their parents (as we are the subreaper,
// who has lost his parents has us), and by the marker in their environment.
//
// Being PID 1 changes nothing: who was started here descends from us; who has come from outside (docker exec) has no
// parent in here, was not started by the run, and is left in peace.
type tree struct {
	leader   int
	started  uint64       // of the leader, in clock ticks since boot
	before   map[int]bool // pids that were taken when it started
	marker   []byte
	self     int
	ourGroup int
}

// member is a process as it was when we looked.
type member struct {
	pid, parent, group int
	started            uint64 // clock ticks since boot; with the pid it is an identity
	name               string
	dead               bool // a zombie

	cpu      time.Duration // of it and of the children it has waited for
	resident int64         // bytes
}

func newTree(leader int, marker string, before map[int]bool) *tree {
	t := &tree{leader: leader, before: before, marker: []byte(marker), self: os.Getpid(), ourGroup: syscall.Getpgrp()}
	if p, ok := readStat(leader); ok {
		t.started = p.started
	}
	return t
}

// look returns the living processes of the run in the order of their pids, and those of our children of the run that wait to be reaped.
func (t *tree) look() (living, dead []member) {
	all := map[int]member{}
	for pid := range pids() {
		if p, ok := readStat(pid); ok {
			all[pid] = p
		}
	}
	lineage := t.lineage(all)
	for pid, p := range all {
		switch {
		case lineage[pid]: // we, and those above us, whatever they carry
		case !t.descends(p, all) && !(!p.dead && t.marked(pid)):
		case !p.dead:
			living = append(living, p)
		case p.parent == t.self:
			dead = append(dead, p)
		}
	}
	slices.SortFunc(living, func(a, b member) int { return a.pid - b.pid })
	return living, dead
}

// taken adds up the memory and the CPU time of all that are alive. What they share is counted for each of them.
func (t *tree) taken() (memory int64, cpu time.Duration, ok bool) {
	living, _ := t.look()
	for _, p := range living {
		memory += p.resident
		cpu += p.cpu
	}
	return memory, cpu, len(living) > 0
}

// tick is the unit of the times in /proc, the same on all machines that Linux is compiled for by anybody.
const tick = time.Second / 100

// lineage is ourselves and our ancestors.
func (t *tree) lineage(all map[int]member) map[int]bool {
	line := map[int]bool{t.self: true}
	for pid := all[t.self].parent; pid != 0 && !line[pid]; pid = all[pid].parent {
		line[pid] = true
	}
	return line
}

// descends reports whether p is of the command's group, or its parents lead to us.
func (t *tree) descends(p member, all map[int]member) bool {
	for range len(all) { // parents were read one by one, so they could lead in a circle
		switch {
		case t.old(p):
			return false
		case p.pid == t.leader || p.group == t.leader:
			return true
		case p.parent == t.self:
			// The command leads a group of its own, and nobody goes back to ours: who is in ours was started by
			// somebody else in this process.
			return p.group != t.ourGroup
		}
		parent, ok := all[p.parent]
		if !ok {
			return false
		}
		p = parent
	}
	return false
}

// old reports whether p was there before the command. Ticks are coarse, and pids are used again, but not both at once.
func (t *tree) old(p member) bool {
	return p.started < t.started || p.started == t.started && t.before[p.pid]
}

// marked reports whether the marker is an entry of the environment of a process, as far as we may know.
func (t *tree) marked(pid int) bool {
	if len(t.marker) == 0 {
		return false
	}
	environ, err := os.ReadFile(procFile(pid, "environ"))
	if err != nil {
		return false
	}
	for len(environ) > 0 {
		var entry []byte
		entry, environ, _ = bytes.Cut(environ, []byte{0})
		if bytes.Equal(entry, t.marker) {
			return true
		}
	}
	return false
}

// terminate asks the process to end, and wakes it for that if it is stopped.
func (p member) terminate() {
	p.signal(syscall.SIGTERM)
	p.signal(syscall.SIGCONT)
}

// signal signals this very process, not one that has got its pid since: what FindProcess opens stays with one
// process (a pidfd, where the kernel has them), and is compared before it is used.
func (p member) signal(sig syscall.Signal) {
	process, err := os.FindProcess(p.pid)
	if err != nil {
		return
	}
	defer process.Release()
	if now, ok := readStat(p.pid); ok && now.started == p.started {
		process.Signal(sig)
	}
}

// commandLine returns the arguments of the process as one short, printable line; its name in brackets if it has none.
func (p member) commandLine() string {
	f, err := os.Open(procFile(p.pid, "cmdline"))
	if err != nil {
		return "[" + printable(p.name) + "]"
	}
	defer f.Close()
	line, _ := io.ReadAll(io.LimitReader(f, 2*maxCommandLine))
	line = bytes.TrimRight(line, "\x00 ")
	if len(line) == 0 {
		return "[" + printable(p.name) + "]"
	}
	return printable(string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
}

// holds reports whether the process has the pipe open.
func (p member) holds(pipe uint64) bool {
	folder := procFile(p.pid, "fd")
	entries, _ := os.ReadDir(folder)
	want := fmt.Sprintf("pipe:[%d]", pipe)
	for _, e := range entries {
		if target, err := os.Readlink(filepath.Join(folder, e.Name())); err == nil && target == want {
			return true
		}
	}
	return false
}

// pids returns who there is at the moment.
func pids() map[int]bool {
	all := map[int]bool{}
	folder, err := os.Open("/proc")
	if err != nil {
		return all
	}
	defer folder.Close()
	names, _ := folder.Readdirnames(-1)
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			all[pid] = true
		}
	}
	return all
}

// readStat reads without package os, which would ask for the size, and whether the file can be polled: every process of
// the machine is looked at, and this is most of what that costs.
func readStat(pid int) (member, bool) {
	fd, err := unix.Open(procFile(pid, "stat"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return member{}, false
	}
	defer unix.Close(fd)
	var line [1024]byte // a name of at most 64 bytes and 51 numbers, the ones that matter at the beginning
	n, err := unix.Read(fd, line[:])
	if err != nil {
		return member{}, false
	}
	p, err := parseStat(string(line[:n]))
	return p, err == nil && p.pid == pid
}

var errStat = errors.New("not a line of /proc/PID/stat")

// parseStat reads /proc/PID/stat: "PID (NAME) STATE PPID PGRP …", where NAME may hold anything, parentheses and spaces too.
func parseStat(text string) (member, error) {
	opened, closed := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if opened < 0 || closed < opened {
		return member{}, errStat
	}
	const state, ppid, pgrp, utime, cstime, starttime, rss = 0, 1, 2, 11, 14, 19, 21 // after the name
	fields := strings.Fields(text[closed+1:])
	if len(fields) <= rss {
		return member{}, errStat
	}
	p := member{
		name: text[opened+1 : closed],
		dead: fields[state] == "Z" || fields[state] == "X" || fields[state] == "x",
	}
	var errs [4]error
	p.pid, errs[0] = strconv.Atoi(strings.TrimSpace(text[:opened]))
	p.parent, errs[1] = strconv.Atoi(fields[ppid])
	p.group, errs[2] = strconv.Atoi(fields[pgrp])
	p.started, errs[3] = strconv.ParseUint(fields[starttime], 10, 64)
	for _, ticks := range fields[utime : cstime+1] {
		n, _ := strconv.ParseInt(ticks, 10, 64)
		p.cpu += time.Duration(n) * tick
	}
	pages, _ := strconv.ParseInt(fields[rss], 10, 64)
	p.resident = pages * int64(os.Getpagesize())
	return p, errors.Join(errs[:]...)
}

func procFile(pid int, name string) string { return "/proc/" + strconv.Itoa(pid) + "/" + name }

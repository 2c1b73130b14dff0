package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tree finds the processes of a run in /proc, in three ways: by their group, by their parents (we are the subreaper, so
// orphans become our children), and by the marker in their environment.
//
// Being PID 1 changes nothing: processes of the run descend from us; a process from outside (docker exec) has no parent
// in this namespace, and is left alone.
type tree struct {
	leader   int
	started  uint64       // start of the leader, in clock ticks since boot
	before   map[int]bool // pids in use when it started
	marker   []byte
	self     int
	ourGroup int
	noProc   bool // /proc is not mounted, or shows another pid namespace
}

// member is a process as it was at the time of a scan.
type member struct {
	pid, parent, group int
	started            uint64 // clock ticks since boot; together with the pid it identifies the process
	name               string
	dead               bool // a zombie
	suspended          bool // by a signal such as STOP

	cpu      time.Duration // of the process and of the children it has waited for
	resident int64         // bytes
}

func newTree(leader int, marker string, before map[int]bool) *tree {
	t := &tree{leader: leader, before: before, marker: []byte(marker), self: os.Getpid(), ourGroup: syscall.Getpgrp()}
	if p, ok := readStat(leader); ok {
		t.started = p.started
	}
	self, err := os.Readlink("/proc/self")
	t.noProc = err != nil || self != strconv.Itoa(t.self)
	return t
}

// groupOnly reports whether processes cannot be listed, so that only the command's group can be signalled.
func (t *tree) groupOnly() bool { return t.noProc }

// scan returns the living processes of the run in the order of their pids, and those of our children of the run that
// wait to be reaped.
func (t *tree) scan() (living, dead []member) {
	if t.noProc {
		return nil, nil
	}
	all := map[int]member{}
	for pid := range pids() {
		if p, ok := readStat(pid); ok {
			all[pid] = p
		}
	}
	lineage := t.lineage(all)
	for pid, p := range all {
		switch {
		case lineage[pid]: // we and our ancestors, even with the marker
		case !t.descends(p, all) && !t.escaped(p, all):
		case !p.dead:
			living = append(living, p)
		case p.parent == t.self:
			dead = append(dead, p)
		}
	}
	sort.Slice(living, func(i, j int) bool { return living[i].pid < living[j].pid })
	return living, dead
}

// usage adds up the memory and the CPU time of the living processes. Shared memory is counted for each of them.
func (t *tree) usage() (memory int64, cpu time.Duration, ok bool) {
	living, _ := t.scan()
	for _, p := range living {
		memory += p.resident
		cpu += p.cpu
	}
	return memory, cpu, len(living) > 0
}

// tick is the unit of times in /proc: USER_HZ, which is 100 on all architectures in use.
const tick = time.Second / 100

// lineage returns ourselves and our ancestors.
func (t *tree) lineage(all map[int]member) map[int]bool {
	line := map[int]bool{t.self: true}
	for pid := all[t.self].parent; pid != 0 && !line[pid]; pid = all[pid].parent {
		line[pid] = true
	}
	return line
}

// descends reports whether p is of the command's group, or its parents lead to us.
func (t *tree) descends(p member, all map[int]member) bool {
	for range len(all) { // parents were read one by one, so they could form a circle
		switch {
		case t.old(p):
			return false
		case p.pid == t.leader || p.group == t.leader:
			return true
		case p.parent == t.self:
			// The command leads a session of its own, from which no process can enter our group: our children that
			// are in our group were started by other parts of this program.
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

// escaped reports whether p does not descend from us any longer, and has the marker of the run: a process that existed
// before the command has it from an earlier one, so its environment, as that of most of the machine, is not read.
func (t *tree) escaped(p member, all map[int]member) bool {
	return !p.dead && !t.old(p) && t.marked(p.pid) && !t.isKept(p, all)
}

// isKept reports whether p, or a process that it descends from, was kept after an earlier command of the run, such as a
// server that a hook has started: it existed before the command, and has the marker.
func (t *tree) isKept(p member, all map[int]member) bool {
	for range len(all) {
		if t.old(p) {
			return t.marked(p.pid)
		}
		parent, ok := all[p.parent]
		if !ok || p.parent == t.self || p.pid == t.self {
			return false
		}
		p = parent
	}
	return false
}

// old reports whether p existed before the command. Ticks are coarse and pids are reused, but not within one tick.
func (t *tree) old(p member) bool {
	return p.started < t.started || p.started == t.started && t.before[p.pid]
}

// marked reports whether the environment of a process is readable and has the marker.
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

// terminate sends TERM, and CONT so that a suspended process receives it.
func (p member) terminate() {
	p.signal(syscall.SIGTERM)
	p.signal(syscall.SIGCONT)
}

// signal signals this process, and not a later one with the same pid: FindProcess opens a pidfd, and the start time is
// compared before it is used.
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

// pids returns the pids in use.
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

// readStat reads without package os, which would ask for the file's size and whether it can be polled: a scan reads
// this file of every process of the machine.
func readStat(pid int) (member, bool) {
	fd, err := unix.Open(procFile(pid, "stat"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return member{}, false
	}
	defer unix.Close(fd)
	var line [1024]byte // a name of at most 64 bytes and 51 numbers, of which the first ones are needed
	n, err := unix.Read(fd, line[:])
	if err != nil {
		return member{}, false
	}
	p, err := parseStat(string(line[:n]))
	return p, err == nil && p.pid == pid
}

var errStat = errors.New("not a line of /proc/PID/stat")

// parseStat reads /proc/PID/stat: "PID (NAME) STATE PPID PGRP …", where NAME may hold anything, parentheses and
// spaces too.
func parseStat(text string) (member, error) {
	opened, closed := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if opened < 0 || closed < opened {
		return member{}, errStat
	}
	const state, ppid, pgrp, utime, cstime, starttime, rss = 0, 1, 2, 11, 14, 19, 21 // after the name
	var fields [rss + 1]string
	n := 0
	for field := range strings.FieldsSeq(text[closed+1:]) {
		if fields[n] = field; n == rss {
			break
		}
		n++
	}
	if n < rss {
		return member{}, errStat
	}
	p := member{
		name:      text[opened+1 : closed],
		dead:      fields[state] == "Z" || fields[state] == "X" || fields[state] == "x",
		suspended: fields[state] == "T", // "t" is for processes that a debugger has stopped
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

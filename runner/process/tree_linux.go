package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const fionread = unix.TIOCINQ // how many bytes a pipe holds

// adoptOrphans makes this process the parent of what its descendants leave behind. PID 1 is that anyway.
func adoptOrphans() { unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// sacrifice has the kernel prefer the command to us when memory runs out: somebody has to tell of it.
func sacrifice(pid int) {
	os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("500"), 0)
}

func enlarge(pipe *os.File) { unix.FcntlInt(pipe.Fd(), unix.F_SETPIPE_SZ, pipeSize) }

func pipeName(fd uintptr) string {
	name, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	return name
}

// heldBy reports whether the process has our pipe open.
func (o *output) heldBy(pid int) bool {
	dir := fmt.Sprintf("/proc/%d/fd/", pid)
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if target, err := os.Readlink(dir + e.Name()); err == nil && target == o.name {
			return true
		}
	}
	return false
}

// maxRSS is in bytes; Linux counts it in KiB.
func maxRSS(u syscall.Rusage) int64 { return u.Maxrss << 10 }

// member is a process of the run.
type member struct{ pid, parent, group int }

// members finds the living processes of the run in three ways: by their group, by parentage (orphans are our children now),
// and by the marker in their environment, for those who have another parent.
func (s *supervisor) members() []member {
	all := processes()
	ours := map[int]bool{}
	self := os.Getpid()
	for _, p := range all { // a parent may come after its child in the list, so this goes up from each
		ours[p.pid] = s.descends(p, all, self)
	}
	var found []member
	for _, p := range all {
		if p.pid == self || s.strays[p.pid] || ancestor(self, p.pid, all) {
			continue
		}
		if ours[p.pid] || p.group == s.pid && !s.ended || s.marked(p.pid) {
			found = append(found, p)
		}
	}
	return found
}

// descends reports whether the way up from p leads to us, other than through children that we had before.
func (s *supervisor) descends(p member, all map[int]member, self int) bool {
	for range len(all) {
		if s.strays[p.pid] {
			return false
		}
		if p.parent == self {
			return true
		}
		parent, ok := all[p.parent]
		if !ok {
			return false
		}
		p = parent
	}
	return false
}

func ancestor(self, pid int, all map[int]member) bool {
	for p, ok := all[self]; ok; p, ok = all[p.parent] {
		if p.parent == pid {
			return true
		}
	}
	return false
}

// marked reads the environment with which the process was started; where that is not allowed, it is not ours.
func (s *supervisor) marked(pid int) bool {
	if s.command.Marker == "" {
		return false
	}
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false
	}
	marker := []byte(s.command.Marker)
	for entry := range bytes.SplitSeq(env, []byte{0}) {
		if bytes.Equal(entry, marker) {
			return true
		}
	}
	return false
}

// processes reads the table of all that are alive: a zombie has ended, it only waits to be reaped.
func processes() map[int]member {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	all := make(map[int]member, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue
		}
		// pid (command) state parent group …; the command may hold spaces and parentheses.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) < 3 || fields[0] == "Z" || fields[0] == "X" {
			continue
		}
		parent, _ := strconv.Atoi(fields[1])
		group, _ := strconv.Atoi(fields[2])
		all[pid] = member{pid: pid, parent: parent, group: group}
	}
	return all
}

// strangers are children that this process had before the run, by pid.
type strangers map[int]bool

func existingChildren() strangers {
	threads, _ := os.ReadDir("/proc/self/task")
	var found strangers
	for _, t := range threads {
		list, _ := os.ReadFile("/proc/self/task/" + t.Name() + "/children")
		for _, text := range strings.Fields(string(list)) {
			if pid, err := strconv.Atoi(text); err == nil {
				if found == nil {
					found = strangers{}
				}
				found[pid] = true
			}
		}
	}
	return found
}

// maxCommandLine bounds what is shown of a command line, in bytes.
const maxCommandLine = 200

// commandLine is for people: on one line, printable and short.
func commandLine(pid int) string {
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	text := strings.TrimRight(string(line), "\x00")
	if text == "" {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		return "[" + strings.TrimSpace(string(name)) + "]"
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "�"))
	if len(text) > maxCommandLine {
		text = strings.ToValidUTF8(text[:maxCommandLine], "") + "…"
	}
	return text
}

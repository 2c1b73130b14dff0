package process

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxRSSUnit is the unit of Rusage.Maxrss in bytes.
const maxRSSUnit = 1024

// ended reports whether the leader has ended. Its status stays where it is.
func (s *supervisor) ended() bool {
	return s.reaped || HasEnded(s.leader)
}

// HasEnded reports whether a child of this process has ended. Its status stays where it is.
func HasEnded(pid int) bool {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			// No such child: another part of this program has reaped it. Its status is lost, but it has ended.
			return err != nil || info.Signo == int32(unix.SIGCHLD)
		}
	}
}

// becomeSubreaper makes orphans of the run our children. It stays set after a Run, for processes that outlive it.
func becomeSubreaper() { unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// preferAsVictim makes the kernel's OOM killer choose the command and its children over the runner, so that the runner
// can report it.
func preferAsVictim(pid int) {
	const score = 500
	file := procFile(pid, "oom_score_adj")
	if text, err := os.ReadFile(file); err == nil {
		if now, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && now >= score {
			return
		}
	}
	os.WriteFile(file, []byte(strconv.Itoa(score)), 0) // best effort
}

// enlarge sets the capacity of a pipe, if that is permitted.
func enlarge(pipe *os.File, size int) { unix.FcntlInt(pipe.Fd(), unix.F_SETPIPE_SZ, size) }

// signalGroup signals the group of the leader, which must not have been reaped.
func signalGroup(leader int, sig syscall.Signal) { syscall.Kill(-leader, sig) }

// DiskUsed returns how many bytes are in use on the file system of a folder, and how many unprivileged users have
// there;
// 0 if unknown.
func DiskUsed(dir string) (used, size int64) {
	if dir == "" {
		dir = "."
	}
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil || fs.Bfree > fs.Blocks {
		return 0, 0
	}
	used = int64(fs.Blocks-fs.Bfree) * fs.Bsize
	return used, used + int64(fs.Bavail)*fs.Bsize // not counting what is reserved for root
}

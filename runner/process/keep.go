package process

import (
	"runtime"
	"syscall"
	"time"
)

// keeps reports whether the processes that the command has left are kept. The command has ended, but is not reaped.
func (s *supervisor) keeps() bool {
	return s.command.Keep && runtime.GOOS == "linux" && !s.tree.groupOnly() && s.stopCause == nil
}

// EndKept ends the processes that commands with this marker were allowed to keep, with TERM and, after the grace,
// KILL. No command of the run may be running.
func EndKept(marker string, grace time.Duration) {
	if runtime.GOOS != "linux" {
		return
	}
	// There is no command: no process has this pid or group, so that every process of the run is found by its parents
	// or by the marker. The supervisor is used for reaping and waiting only; it has no group to signal.
	const nothing = -1
	over := make(chan struct{})
	close(over)
	s := &supervisor{leader: nothing, tree: newTree(nothing, marker, nil), output: &output{over: over}}
	if s.tree.groupOnly() {
		return
	}
	left := s.sweep()
	for _, p := range left {
		p.terminate()
	}
	if len(left) > 0 {
		s.wait(time.After(grace), s.nothingLeft)
	}
	for end := time.Now().Add(killTimeout); ; {
		left = s.sweep()
		if len(left) == 0 || time.Now().After(end) {
			break
		}
		for _, p := range left {
			p.signal(syscall.SIGKILL)
		}
		s.wait(time.After(pollInterval), s.nothingLeft)
	}
	s.wait(time.After(leftoverGrace), func() bool { s.sweep(); return s.dying == 0 })
}

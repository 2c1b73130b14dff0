package process

import (
	"errors"
	"syscall"
	"time"
)

// sweep returns the living processes of the run, and reaps the dead ones that are our children.
func (s *supervisor) sweep() []member {
	living, dead := s.tree.scan()
	s.dying = 0
	for _, p := range dead {
		if p.pid != s.leader {
			if _, reaped := s.reap(p.pid); !reaped {
				s.dying++
			}
		}
	}
	return living
}

// reapLeader takes the status of the command, and reaps the rest of its group where that cannot be found otherwise.
func (s *supervisor) reapLeader() {
	if !s.reaped {
		s.status, s.reaped = s.reap(s.leader)
	}
	if s.tree.groupOnly() {
		s.wait(time.After(killTimeout), s.reapGroup)
	}
}

// reapGroup reaps dead children in the command's group, and reports whether no child is left there.
func (s *supervisor) reapGroup() bool {
	for {
		var used syscall.Rusage
		pid, err := syscall.Wait4(-s.leader, nil, syscall.WNOHANG, &used)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return true
		case pid == 0:
			return false
		default:
			s.usage.add(used)
		}
	}
}

// reap takes the status of one child that has ended.
func (s *supervisor) reap(pid int) (syscall.WaitStatus, bool) {
	var status syscall.WaitStatus
	var used syscall.Rusage
	for {
		got, err := syscall.Wait4(pid, &status, syscall.WNOHANG, &used)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil || got != pid:
			return 0, false
		default:
			s.usage.add(used)
			return status, true
		}
	}
}

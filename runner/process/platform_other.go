//go:build !linux

package process

import (
	"os"
	"syscall"
)

// maxRSSUnit is the unit of Rusage.Maxrss in bytes.
const maxRSSUnit = 1

// ended reports whether the leader has ended. It cannot find that out without taking the status.
func (s *supervisor) ended() bool {
	if !s.reaped {
		s.status, s.reaped = s.reap(s.leader)
	}
	return s.reaped
}

// HasEnded cannot find that out on this system without taking the status of the child.
func HasEnded(int) bool { return false }

func becomeSubreaper() {}

func preferAsVictim(int) {}

func enlarge(*os.File, int) {}

func signalGroup(leader int, sig syscall.Signal) { syscall.Kill(-leader, sig) }

// DiskUsed is unknown on this system.
func DiskUsed(string) (used, size int64) { return 0, 0 }

// Protect does nothing on systems without /proc.
func Protect(...string) error { return nil }

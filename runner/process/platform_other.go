//go:build !linux

package process

import (
	"os"
	"syscall"
)

// maxRSSUnit is the unit of Rusage.Maxrss in bytes.
const maxRSSUnit = 1

// ended reports whether the leader has ended. There is no way to see that without taking its status.
func (s *supervisor) ended() bool {
	s.reapLeader()
	return s.reaped
}

func becomeSubreaper() {}

func preferAsVictim(int) {}

func enlarge(*os.File, int) {}

func signalGroup(leader int, sig syscall.Signal) { syscall.Kill(-leader, sig) }

// DiskUsed is not known here.
func DiskUsed(string) (used, size int64) { return 0, 0 }

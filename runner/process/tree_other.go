//go:build !linux

package process

import (
	"fmt"
	"syscall"
	"time"
)

// tree knows the command's group only: without /proc and a subreaper there is nothing better.
type tree struct{ leader int }

// member is the group as a whole; its pid is the negative number of the group.
type member struct{ pid, group int }

func newTree(leader int, _ string, _ map[int]bool) *tree { return &tree{leader} }

func (t *tree) look() (living, dead []member) {
	if syscall.Kill(-t.leader, 0) == nil {
		living = append(living, member{-t.leader, t.leader})
	}
	return living, nil
}

// taken is not known here.
func (t *tree) taken() (memory int64, cpu time.Duration, ok bool) { return 0, 0, false }

func (p member) terminate() {
	p.signal(syscall.SIGTERM)
	p.signal(syscall.SIGCONT)
}

func (p member) signal(sig syscall.Signal) { syscall.Kill(p.pid, sig) }

func (p member) commandLine() string { return fmt.Sprintf("[process group %d]", p.group) }

func (p member) holds(uint64) bool { return false }

func pids() map[int]bool { return nil }

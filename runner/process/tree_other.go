//go:build !linux

package process

import (
	"fmt"
	"syscall"
	"time"
)

// tree knows the command's process group only, as there is neither /proc nor a subreaper.
type tree struct{ leader int }

// member is the group as a whole; its pid is the negative number of the group.
type member struct {
	pid, group int
	suspended  bool
}

func newTree(leader int, _ string, _ map[int]bool) *tree { return &tree{leader} }

// groupOnly is false, since scan returns the group.
func (t *tree) groupOnly() bool { return false }

func (t *tree) scan() (living, dead []member) {
	if syscall.Kill(-t.leader, 0) == nil {
		living = append(living, member{pid: -t.leader, group: t.leader})
	}
	return living, nil
}

// usage is unknown on this system.
func (t *tree) usage() (memory int64, cpu time.Duration, ok bool) { return 0, 0, false }

func (p member) terminate() {
	p.signal(syscall.SIGTERM)
	p.signal(syscall.SIGCONT)
}

func (p member) signal(sig syscall.Signal) { syscall.Kill(p.pid, sig) }

func (p member) commandLine() string { return fmt.Sprintf("[process group %d]", p.group) }

func (p member) holds(uint64) bool { return false }

func pids() map[int]bool { return nil }

package process

import (
	"errors"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

const (
	// settling is given to what outlives the command with no claim on its output: the last of a pipeline is often
	// only milliseconds behind.
	settling = 100 * time.Millisecond
	// leaving is the most that a leftover gets between TERM and KILL. Its command is done, so nobody waits for its
	// work; it may remove a lock file or a socket, no more.
	leaving = 2 * time.Second
	// patience is how long the death of those who were sent KILL is waited for: a process that hangs in the kernel (a dead
	// network disk), or that is not ours to kill, must not hang us as well.
	patience = 5 * time.Second
	// reaping is how long orphans wait to be reaped while the command runs. A scan of all processes for each of them
	// would be a high price when they come by the thousand.
	reaping = 100 * time.Millisecond
	// looking is how often we look whether the last process has gone when no SIGCHLD would say so: it is not our child.
	looking = 50 * time.Millisecond
	// maxLeftovers bounds what is told: a fork bomb is one finding, not a million.
	maxLeftovers = 100
)

// supervisor holds what happens during one Run. Its methods all run in one goroutine:
//
//  1. await runs until the command has ended, and stops it if it must.
//  2. clear ends what the command has left behind.
//  3. output.finish lets the last of the output arrive.
//  4. reapLeader takes the status of the command.
//
// Its exit is seen in 1, but its status is only taken in 4. In between it stays a zombie on purpose: that keeps its pid,
// and with it the number of its group, from being given to anybody else while we still signal that group.
//
// Children are never waited for by wait4(-1), which would take those of others in this process; each is waited for by
// its pid after it was recognized as one of the run's, by the same look at all processes that finds the living.
type supervisor struct {
	command  Command
	signals  <-chan os.Signal
	children chan os.Signal // SIGCHLD
	unwatch  func()

	leader  int
	started time.Time
	tree    *tree
	output  *output
	drained time.Time // when output held open by others is no longer waited for

	cause     error            // why we stop the run, or nil
	heard     bool             // there was a signal
	kill      <-chan time.Time // when KILL is due
	killed    bool
	leftovers []Leftover

	dying  int // children that had ended, but not with all their threads, at the last sweep
	status syscall.WaitStatus
	reaped bool  // the leader
	usage  usage // of all that were reaped
}

func (s *supervisor) start() error {
	output, writeEnd, err := newOutput()
	if err != nil {
		return &StartError{Path: "the command", Err: err}
	}
	s.output = output
	before := pids()
	s.children = make(chan os.Signal, 1) // one that waits says all: we look at every child then
	signal.Notify(s.children, syscall.SIGCHLD)
	s.unwatch = func() { signal.Stop(s.children) }

	s.started = time.Now()
	s.leader, err = spawn(s.command, writeEnd)
	writeEnd.Close()
	if err != nil {
		s.unwatch()
		output.pipe.Close()
		return err
	}
	preferAsVictim(s.leader)
	s.tree = newTree(s.leader, s.command.Marker, before)
	go output.deliver(s.command.Output)
	return nil
}

// await returns when the command has ended, or was sent KILL.
func (s *supervisor) await() {
	deadline := at(s.command.Deadline)
	var sweep <-chan time.Time
	for !s.ended() {
		select {
		case sig, open := <-s.signals:
			switch {
			case !open:
				s.signals = nil
			case !stops(sig) || s.ended(): // in that order of events, it ended by itself
			case s.heard:
				s.kill = time.After(0)
			default:
				s.heard = true
				s.stop(&CancelledError{Signal: number(sig)})
			}
		case <-deadline:
			if !s.ended() {
				s.stop(&TimeoutError{Limit: s.command.Deadline.Sub(s.started)})
			}
		case <-s.kill:
			if s.ended() {
				s.kill = time.After(0) // for those it has left
				return
			}
			s.kill, s.killed = nil, true
			s.killAll()
			return
		case <-s.children:
			if sweep == nil {
				sweep = time.After(reaping)
			}
		case <-sweep:
			sweep = nil
			s.sweep()
		}
	}
}

// stop asks everything to end, unless it has been asked already. It does not wait.
func (s *supervisor) stop(cause error) {
	if s.cause != nil {
		return
	}
	s.cause = cause
	s.kill = time.After(s.command.Grace)
	signalGroup(s.leader, syscall.SIGTERM)
	signalGroup(s.leader, syscall.SIGCONT) // a stopped process does not hear TERM
	for _, p := range s.sweep() {
		if p.group != s.leader {
			p.terminate()
		}
	}
}

// killAll kills what is there now. Who was forked meanwhile is met in the next round.
func (s *supervisor) killAll() {
	signalGroup(s.leader, syscall.SIGKILL)
	for _, p := range s.sweep() {
		p.signal(syscall.SIGKILL)
	}
}

// clear ends what is there after the command. It returns when nothing is left, or nothing can be done about it.
func (s *supervisor) clear() {
	s.drained = time.Now().Add(s.command.Drain)
	if s.cause != nil {
		s.eradicate(s.clearStopped())
	} else {
		s.eradicate(s.clearEnded())
	}
	// A process of several threads is a zombie when its first has ended, and can be reaped when its last has. What it used
	// is known then, and not before.
	s.wait(time.After(leaving), func() bool { s.sweep(); return s.dying == 0 })
}

// clearStopped leaves the rest of the grace to those who were told to stop, though their parent has gone: a shell or a
// package manager dies of TERM at once, while the tool that it has started still releases its lock.
func (s *supervisor) clearStopped() (left []member) {
	if s.kill == nil {
		return s.sweep() // KILL was sent to all of them
	}
	s.wait(s.kill, s.nothingLeft)
	left = s.sweep()
	if len(left) > 0 {
		s.killed = true
		s.name(left)
	}
	return left
}

// clearEnded asks those to end who outlived a command that ended by itself.
func (s *supervisor) clearEnded() (left []member) {
	// 1. The output may be held open by something that is just about to end.
	hurried := s.wait(at(s.drained), s.output.isOver)
	// 2. So may anything else be.
	left = s.sweep()
	if len(left) > 0 && !hurried && time.Now().Before(s.drained) {
		s.wait(time.After(min(settling, s.command.Drain)), s.nothingLeft)
		left = s.sweep()
	}
	if len(left) == 0 {
		return nil
	}
	// 3. What is left now has no reason to be there.
	s.name(left)
	for _, p := range left {
		p.terminate()
	}
	s.wait(time.After(min(s.command.Grace, leaving)), s.nothingLeft)
	return s.sweep()
}

// name makes the processes known as leftovers, while there still is something to be read about them.
func (s *supervisor) name(left []member) {
	for _, p := range left {
		known := slices.ContainsFunc(s.leftovers, func(l Leftover) bool { return l.PID == p.pid })
		if !known && len(s.leftovers) < maxLeftovers {
			s.leftovers = append(s.leftovers, Leftover{PID: p.pid, Command: p.commandLine(), HeldOutput: p.holds(s.output.inode)})
		}
	}
}

// eradicate kills until nothing is left: what forks while we look is found the next time.
func (s *supervisor) eradicate(left []member) {
	for end := time.Now().Add(patience); len(left) > 0; left = s.sweep() {
		survived := time.Now().After(end)
		if survived {
			s.name(left)
		}
		for i := range s.leftovers {
			l := &s.leftovers[i]
			if slices.ContainsFunc(left, func(p member) bool { return p.pid == l.PID }) {
				l.Killed, l.Survived = true, survived
			}
		}
		if survived {
			return
		}
		s.killAll()
		s.wait(time.After(looking), s.nothingLeft)
	}
}

// wait returns when done says so, at the given end, or, hurried, with a signal.
func (s *supervisor) wait(end <-chan time.Time, done func() bool) (hurried bool) {
	look := time.NewTicker(looking)
	defer look.Stop()
	over := s.output.over
	for !done() {
		select {
		case sig, open := <-s.signals:
			switch {
			case !open:
				s.signals = nil
			case !stops(sig):
			case s.cause != nil && !s.heard: // the deadline came first; the grace that it started goes on
				s.heard = true
			default:
				s.heard = true
				return true
			}
		case <-end:
			return false
		case <-over:
			over = nil
		case <-s.children:
		case <-look.C:
		}
	}
	return false
}

func (s *supervisor) nothingLeft() bool { return len(s.sweep()) == 0 }

// sweep returns the living processes of the run, and reaps the dead who are our children.
func (s *supervisor) sweep() []member {
	living, dead := s.tree.look()
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

func (s *supervisor) reapLeader() {
	if !s.reaped {
		s.status, s.reaped = s.reap(s.leader)
	}
}

// reap waits for one child that has ended.
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

func (s *supervisor) exitCode() int {
	if !s.reaped {
		return -1
	}
	return s.status.ExitStatus() // -1 after a signal
}

func (s *supervisor) signal() syscall.Signal {
	if s.reaped && s.status.Signaled() {
		return s.status.Signal()
	}
	return 0
}

// stops reports whether a signal is meant for the run. The others come by themselves: from the Go runtime, children,
// closed pipes and terminals.
func stops(sig os.Signal) bool {
	switch sig {
	case syscall.SIGURG, syscall.SIGCHLD, syscall.SIGPIPE, syscall.SIGWINCH, syscall.SIGCONT:
		return false
	default:
		return true
	}
}

func number(sig os.Signal) syscall.Signal {
	if n, ok := sig.(syscall.Signal); ok {
		return n
	}
	return syscall.SIGTERM
}

// at returns a channel that fires at t, never if t is zero.
func at(t time.Time) <-chan time.Time {
	if t.IsZero() {
		return nil
	}
	return time.After(time.Until(t))
}

package process

import (
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

const (
	// settleTime is granted to processes that outlive the command without holding its output: the last one of a
	// pipeline often ends only milliseconds later.
	settleTime = 100 * time.Millisecond
	// leftoverGrace is the longest time between TERM and KILL for a leftover. Its command has ended, so nothing waits
	// for its work; it may remove a lock file or a socket.
	leftoverGrace = 2 * time.Second
	// killTimeout is how long to wait for processes to die of KILL: a process that hangs in the kernel (a dead network
	// disk) or that belongs to another user must not hang the runner.
	killTimeout = 5 * time.Second
	// sweepDelay collects the deaths of orphans while the command runs, as a scan of all processes for each of
	// thousands would be expensive.
	sweepDelay = 100 * time.Millisecond
	// suspendedCheckInterval is how often the processes of a running command are checked for suspended ones.
	suspendedCheckInterval = 10 * time.Second
	// suspendedDelay is how long a process has to be suspended before it is reported.
	suspendedDelay = time.Second
	// pollInterval is for the end of processes that are not our children, for which there is no SIGCHLD.
	pollInterval = 50 * time.Millisecond
	// maxReported bounds the lists of processes: a fork bomb is one finding, not a million.
	maxReported = 100
)

// supervisor is the state of one Run. Its methods all run in one goroutine:
//
//  1. await returns when the command has ended, and stops it if necessary.
//  2. clear ends the processes that the command left behind.
//  3. output.finish waits for the last of the output.
//  4. reapLeader takes the exit status of the command.
//
// The command's exit is detected in 1, but its status is taken in 4. In between it stays a zombie on purpose: that
// reserves its pid, and with it the number of its process group, while we still signal that group.
//
// Children are never reaped by wait4(-1), which would take those of other parts of this program. Each is reaped by its
// pid once the scan of all processes, which also finds the living ones, has identified it as one of the run's.
type supervisor struct {
	command  Command
	signals  <-chan os.Signal
	children chan os.Signal // SIGCHLD
	unwatch  func()

	leader  int // pid of the command, which leads a session and a process group
	started time.Time
	tree    *tree
	output  *output
	drained time.Time // when output held open by others is no longer waited for

	filter    SignalFilter
	stopCause error            // why we stop the run, or nil
	signalled bool             // a stop signal has arrived
	kill      <-chan time.Time // when KILL is due
	killed    bool
	leftovers []Leftover
	suspended suspensions

	dying  int // children that had ended, but not with all their threads, at the last sweep
	status syscall.WaitStatus
	reaped bool  // the leader
	usage  usage // of all reaped processes
}

func (s *supervisor) start() error {
	output, writeEnd, err := newOutput()
	if err != nil {
		return &StartError{Path: commandName(s.command), Resource: "a pipe for its output", Err: err}
	}
	s.output = output
	before := pids()
	s.children = make(chan os.Signal, 1) // one pending notification is enough: a sweep looks at all children
	signal.Notify(s.children, syscall.SIGCHLD)
	s.unwatch = func() { signal.Stop(s.children) }

	s.started = time.Now()
	if s.leader, err = spawn(s.command, writeEnd); err == nil && s.command.OnStarted != nil {
		s.command.OnStarted(s.leader)
	}
	writeEnd.Close()
	if err != nil {
		s.unwatch()
		output.pipe.Close()
		return err
	}
	s.tree = newTree(s.leader, s.command.Marker, before)
	if !s.tree.groupOnly() { // otherwise /proc may be that of other processes
		preferAsVictim(s.leader)
	}
	go output.deliver(s.command.Output)
	return nil
}

// await returns when the command has ended, or KILL was sent.
func (s *supervisor) await() {
	deadline := channelAt(s.command.Deadline)
	checkSuspended := time.NewTicker(suspendedCheckInterval)
	defer checkSuspended.Stop()
	var sweep <-chan time.Time
	for !s.ended() {
		select {
		case sig, open := <-s.signals:
			s.receive(sig, open)
		case <-deadline:
			if !s.ended() {
				s.stop(&TimeoutError{Limit: s.command.Deadline.Sub(s.started), Suspended: suspendedNow(s.sweep())})
			}
		case <-s.kill:
			if s.ended() {
				s.kill = time.After(0) // for the processes that it has left
				return
			}
			s.kill, s.killed = nil, true
			s.killAll()
			return
		case <-s.children:
			if sweep == nil {
				sweep = time.After(sweepDelay)
			}
		case <-sweep:
			sweep = s.watch()
		case <-checkSuspended.C:
			if sweep == nil {
				sweep = s.watch()
			}
		}
	}
}

// watch sweeps, reports suspended processes, and returns when to look again for those that may have to be reported.
func (s *supervisor) watch() (again <-chan time.Time) {
	living := s.sweep()
	if s.stopCause != nil {
		return nil
	}
	report, pending := s.suspended.update(living, time.Now())
	for _, p := range report {
		if s.command.OnSuspended != nil {
			s.command.OnSuspended(p)
		}
	}
	if pending {
		return time.After(suspendedDelay)
	}
	return nil
}

// receive handles a signal while the command runs.
func (s *supervisor) receive(sig os.Signal, open bool) {
	switch {
	case !open:
		s.signals = nil
	case !isStopSignal(sig) || s.ended(): // in that order of events, it ended by itself
	case s.filter.IsDuplicate(sig, time.Now()):
	case s.signalled:
		s.kill = time.After(0)
	default:
		s.signalled = true
		s.stop(&CancelledError{Signal: signalNumber(sig)})
	}
}

// stop sends TERM to all processes, unless that has been done already. It does not wait.
func (s *supervisor) stop(cause error) {
	if s.stopCause != nil {
		return
	}
	s.stopCause = cause
	s.kill = time.After(s.command.Grace)
	signalGroup(s.leader, syscall.SIGTERM)
	signalGroup(s.leader, syscall.SIGCONT) // a suspended process does not receive TERM
	for _, p := range s.sweep() {
		if p.group != s.leader {
			p.terminate()
		}
	}
}

// killAll kills all processes that exist now. Those forked meanwhile are found by the next round.
func (s *supervisor) killAll() {
	signalGroup(s.leader, syscall.SIGKILL)
	for _, p := range s.sweep() {
		p.signal(syscall.SIGKILL)
	}
}

// clear ends the processes that are left after the command. It returns when none is left, or none can be ended.
func (s *supervisor) clear() {
	s.drained = time.Now().Add(s.command.Drain)
	switch {
	case s.tree.groupOnly():
		s.clearGroup()
	case s.stopCause != nil:
		s.eradicate(s.clearStopped())
	default:
		s.eradicate(s.clearEnded())
	}
	// A process with several threads is a zombie once its first thread has ended, but can be reaped only after its last
	// one has. Its usage is known then, and not before.
	if s.dying > 0 {
		s.wait(time.After(leftoverGrace), func() bool { s.sweep(); return s.dying == 0 })
	}
}

// clearGroup ends the command's process group where processes cannot be listed. The group cannot be asked whether it is
// empty, because the command itself is in it, as a zombie; output that is closed suggests that it is.
func (s *supervisor) clearGroup() {
	switch {
	case s.stopCause == nil:
		s.wait(channelAt(s.drained), s.output.isOver)
	case s.kill != nil:
		s.wait(s.kill, s.output.isOver)
	}
	signalGroup(s.leader, syscall.SIGTERM)
	signalGroup(s.leader, syscall.SIGCONT)
	s.wait(time.After(settleTime), func() bool { return false })
	s.wait(time.After(min(s.command.Grace, leftoverGrace)), s.output.isOver)
	signalGroup(s.leader, syscall.SIGKILL)
}

// clearStopped leaves the rest of the grace to processes that got TERM though their parent has ended: a shell or a
// package manager dies of TERM at once, while the tool that it has started still releases its lock.
func (s *supervisor) clearStopped() (left []member) {
	if s.kill == nil {
		return s.sweep() // KILL was sent to all of them
	}
	s.wait(s.kill, s.nothingLeft)
	left = s.sweep()
	if len(left) > 0 {
		s.killed = true
		s.recordLeftovers(left)
	}
	return left
}

// clearEnded sends TERM to processes that outlived a command which ended by itself.
func (s *supervisor) clearEnded() (left []member) {
	// 1. The output may be held open by a process that is about to end.
	hurried := s.wait(channelAt(s.drained), s.output.isOver)
	// 2. Other processes may be about to end as well.
	left = s.sweep()
	if len(left) > 0 && !hurried && time.Now().Before(s.drained) {
		s.wait(time.After(min(settleTime, s.command.Drain)), s.nothingLeft)
		left = s.sweep()
	}
	if len(left) == 0 {
		return nil
	}
	// 3. The rest is not going to end by itself.
	s.recordLeftovers(left)
	for _, p := range left {
		p.terminate()
	}
	s.wait(time.After(min(s.command.Grace, leftoverGrace)), s.nothingLeft)
	return s.sweep()
}

// recordLeftovers describes the processes while they still exist.
func (s *supervisor) recordLeftovers(left []member) {
	for _, p := range left {
		known := slices.ContainsFunc(s.leftovers, func(l Leftover) bool { return l.PID == p.pid })
		if !known && len(s.leftovers) < maxReported {
			s.leftovers = append(s.leftovers, Leftover{
				Process: Process{PID: p.pid, Command: p.commandLine()}, HeldOutput: p.holds(s.output.inode),
			})
		}
	}
}

// eradicate kills until nothing is left: processes forked during one scan are found by the next.
func (s *supervisor) eradicate(left []member) {
	for end := time.Now().Add(killTimeout); len(left) > 0; left = s.sweep() {
		survived := time.Now().After(end)
		if survived {
			s.recordLeftovers(left)
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
		s.wait(time.After(pollInterval), s.nothingLeft)
	}
}

// wait returns when done returns true, at the end, or, hurried, on a signal.
func (s *supervisor) wait(end <-chan time.Time, done func() bool) (hurried bool) {
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	outputOver := s.output.over
	for !done() {
		select {
		case sig, open := <-s.signals:
			switch {
			case !open:
				s.signals = nil
			case !isStopSignal(sig), s.filter.IsDuplicate(sig, time.Now()):
			case s.stopCause != nil && !s.signalled: // the deadline came first; the grace that it started goes on
				s.signalled = true
			default:
				s.signalled = true
				return true
			}
		case <-end:
			return false
		case <-outputOver:
			outputOver = nil
		case <-s.children:
		case <-poll.C:
		}
	}
	return false
}

func (s *supervisor) nothingLeft() bool { return len(s.sweep()) == 0 }

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

// channelAt returns a channel that fires at t, or never if t is zero.
func channelAt(t time.Time) <-chan time.Time {
	if t.IsZero() {
		return nil
	}
	return time.After(time.Until(t))
}

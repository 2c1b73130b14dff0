package process

import (
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

const (
	// patience is how long a process that outlived the command has between TERM and KILL, at most.
	patience = 2 * time.Second
	// glance is how often a dying process tree is looked at again: a process that forks while it is killed leaves a child.
	glance = 20 * time.Millisecond
	// resignation bounds the wait for processes that do not die of KILL, as those in uninterruptible sleep.
	resignation = 10 * time.Second
)

// supervisor is the state of a run.
//
// Three things happen at once: the output is read (its own goroutine), children end (SIGCHLD), and we are asked to stop
// (signals, the deadline). All but the first is handled in one loop, so none of this state is shared:
//
//  1. attend waits for the command itself. The first signal or the deadline sends TERM to the whole tree and starts the
//     grace; its end, or a second signal, sends KILL until the command is reaped.
//  2. finish then gives the output a short time to be closed by whoever still holds it (drain),
//  3. ends the processes that are left, by TERM and KILL (clear),
//  4. and collects what is still in the pipe.
type supervisor struct {
	command  Command
	result   Result
	pid      int // of the command, which leads its group
	cgroup   cgroup
	before   counters
	children chan os.Signal // SIGCHLD
	output   *output
	strays   strangers // children that we had before

	ended  bool
	status syscall.WaitStatus
	alone  bool // we have no children left
	cpu    time.Duration
	peak   int64

	cause   error // what we stopped the command for
	stopped time.Time
	termed  map[int]bool // who has got TERM: a second one makes some programs give up what they were saving
}

func start(c Command) (*supervisor, error) {
	if c.Drain == 0 {
		c.Drain = DefaultDrain
	}
	path, err := find(c)
	if err != nil {
		return nil, err
	}
	s := &supervisor{command: c, cgroup: ownCgroup(), children: make(chan os.Signal, 1), strays: existingChildren(), termed: map[int]bool{}}
	s.before = s.cgroup.read()
	adoptOrphans()

	out, write, err := newOutput(c.Output)
	if err != nil {
		return nil, &StartError{Path: c.Args[0], Err: err}
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		out.close()
		write.Close()
		return nil, &StartError{Path: c.Args[0], Err: err}
	}
	defer null.Close()
	defer write.Close()

	signal.Notify(s.children, syscall.SIGCHLD)
	s.result.Started = time.Now()
	s.pid, err = syscall.ForkExec(path, c.Args, &syscall.ProcAttr{
		Dir: c.Dir, Env: c.Env,
		Files: []uintptr{null.Fd(), write.Fd(), write.Fd()},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		signal.Stop(s.children)
		out.close()
		return nil, startError(path, err)
	}
	sacrifice(s.pid)
	s.output = out
	go out.copy()
	return s, nil
}

// attend is the time in which the command lives.
func (s *supervisor) attend(signals <-chan os.Signal) {
	var deadline, grace <-chan time.Time
	if !s.command.Deadline.IsZero() {
		t := time.NewTimer(time.Until(s.command.Deadline))
		defer t.Stop()
		deadline = t.C
	}
	stop := func(cause error) {
		s.cause, s.stopped = cause, time.Now()
		s.terminate()
		t := time.NewTimer(s.command.Grace)
		grace = t.C
	}
	var kill <-chan time.Time // repeated, for what is forked meanwhile
	for s.reap(); !s.ended; s.reap() {
		select {
		case <-s.children:
		case <-deadline:
			deadline = nil
			if s.cause == nil {
				stop(&TimeoutError{Limit: s.command.Deadline.Sub(s.result.Started)})
			}
		case sig := <-signals:
			n, asked := stopSignal(sig)
			if !asked {
				continue
			}
			if s.cause == nil {
				stop(&CancelledError{Signal: n})
			} else {
				kill = closed
			}
		case <-grace:
			grace, kill = nil, closed
		case <-kill:
			s.result.Killed = true
			s.kill()
			kill = time.After(glance)
		}
	}
}

// closed is ready at once, and always.
var closed = func() <-chan time.Time { c := make(chan time.Time); close(c); return c }()

// stopSignal tells the signals that ask us to stop from those that the kernel and Go's runtime send.
func stopSignal(sig os.Signal) (syscall.Signal, bool) {
	n, ok := sig.(syscall.Signal)
	return n, ok && n != syscall.SIGCHLD && n != syscall.SIGURG && n != syscall.SIGPIPE
}

// finish is what comes after the command.
func (s *supervisor) finish(signals <-chan os.Signal) (Result, error) {
	s.result.Wall = time.Since(s.result.Started)
	hurry := s.result.Killed
	if s.cause == nil {
		hurry = s.drain(signals)
	}
	s.clear(signals, hurry)
	s.result.OutputErr = s.output.finish()
	signal.Stop(s.children)
	return s.judge()
}

// drain waits until the output is closed by everybody, for a short time. It reports whether we were told to hurry.
// A reader of the output that is slower than the command looks the same from here, and is not disturbed by what follows.
func (s *supervisor) drain(signals <-chan os.Signal) (hurry bool) {
	enough := time.NewTimer(s.command.Drain)
	defer enough.Stop()
	for {
		select {
		case <-s.output.done:
			return false
		case <-enough.C:
			return false
		case <-s.children:
			s.reap()
		case sig := <-signals:
			if _, asked := stopSignal(sig); asked {
				return true
			}
		}
	}
}

// clear ends every process that is left of the run. After a stop they have what is left of the grace, as the command had;
// after a command that ended by itself they are leftovers: noted, and given a moment to leave.
func (s *supervisor) clear(signals <-chan os.Signal, hurry bool) {
	killAt := time.Now().Add(min(s.command.Grace, patience))
	if s.cause != nil {
		killAt = s.stopped.Add(s.command.Grace)
	}
	for end := killAt.Add(resignation); time.Now().Before(end); {
		s.reap()
		if s.alone {
			return
		}
		left := s.members()
		if len(left) == 0 {
			s.reap() // who ended since is a zombie, and no zombie is left behind
			return
		}
		force := hurry || time.Now().After(killAt)
		if s.cause == nil || force {
			s.note(left)
		}
		for _, p := range left {
			switch {
			case force:
				s.markKilled(p.pid)
				syscall.Kill(p.pid, syscall.SIGKILL)
			case !s.termed[p.pid]:
				s.termed[p.pid] = true
				syscall.Kill(p.pid, syscall.SIGTERM)
			}
		}
		select {
		case <-s.children:
		case <-time.After(glance):
		case sig := <-signals:
			if _, asked := stopSignal(sig); asked {
				hurry = true
			}
		}
	}
}

// note puts processes on record the first time they are seen after the command's end.
func (s *supervisor) note(left []member) {
	for _, p := range left {
		known := slices.ContainsFunc(s.result.Leftovers, func(l Leftover) bool { return l.PID == p.pid })
		if !known && p.pid > 0 && len(s.result.Leftovers) < maxLeftovers {
			s.result.Leftovers = append(s.result.Leftovers, Leftover{PID: p.pid, Command: commandLine(p.pid), HeldOutput: s.output.heldBy(p.pid)})
		}
	}
}

// maxLeftovers bounds the list: a fork bomb is one finding, not a million.
const maxLeftovers = 100

func (s *supervisor) markKilled(pid int) {
	s.result.Killed = s.result.Killed || s.cause != nil
	for i := range s.result.Leftovers {
		if s.result.Leftovers[i].PID == pid {
			s.result.Leftovers[i].Killed = true
		}
	}
}

// terminate asks the command's group to end, and whoever left it for a group or a session of its own.
func (s *supervisor) terminate() {
	left := s.members()
	syscall.Kill(-s.pid, syscall.SIGTERM)
	for _, p := range left {
		s.termed[p.pid] = true
		if p.group != s.pid {
			syscall.Kill(p.pid, syscall.SIGTERM)
		}
	}
}

// kill ends them. The command is not reaped yet, so its number is still its own.
func (s *supervisor) kill() {
	syscall.Kill(-s.pid, syscall.SIGKILL)
	for _, p := range s.members() {
		syscall.Kill(p.pid, syscall.SIGKILL)
	}
}

// reap collects every child that has ended, the command among them. It is the only place that waits for children.
func (s *supervisor) reap() {
	for {
		var status syscall.WaitStatus
		var usage syscall.Rusage
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, &usage)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			s.alone = err == syscall.ECHILD
			return
		case pid == 0:
			s.alone = false
			return
		}
		// A child's usage has in it what its own children used, if it waited for them; if it did not, they are ours to add.
		s.cpu += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		s.peak = max(s.peak, maxRSS(usage))
		if pid == s.pid {
			s.ended, s.status = true, status
		}
	}
}

// judge says why the command ended. What we did ourselves comes first, then what the kernel says, then the command's own word.
func (s *supervisor) judge() (Result, error) {
	r := &s.result
	after := s.cgroup.read()
	r.Usage = s.usage(after)
	r.OOMKills = max(0, after.oomKills-s.before.oomKills)
	r.ExitCode = -1
	if s.status.Exited() {
		r.ExitCode = s.status.ExitStatus()
	} else {
		r.Signal = s.status.Signal()
	}
	switch cause := s.cause.(type) {
	case *TimeoutError:
		cause.Killed = r.Killed
		return *r, cause
	case *CancelledError:
		cause.Killed = r.Killed
		return *r, cause
	}
	switch {
	case r.ExitCode == 0:
		return *r, nil
	case r.OOMKills > 0:
		return *r, &OOMError{Limit: r.Usage.MemoryLimit, Peak: r.Usage.PeakMemory}
	case r.Signal != 0:
		return *r, &SignalError{Signal: r.Signal}
	default:
		return *r, &ExitError{Code: r.ExitCode}
	}
}

// usage prefers the cgroup's figures where the cgroup is a container's, which its limit shows. A laptop's cgroup holds
// the whole session: there, what the reaped children used is ours, and nothing else.
func (s *supervisor) usage(after counters) Usage {
	u := Usage{CPU: s.cpu, PeakMemory: s.peak, MemoryLimit: after.memoryLimit, CPULimit: after.cpuLimit, Source: "rusage"}
	if after.memoryLimit > 0 && after.peak > 0 {
		u.PeakMemory, u.Source = after.peak, s.cgroup.version
		if used := after.cpu - s.before.cpu; used > 0 {
			u.CPU = used
		}
	}
	return u
}

// Package process runs one command to its end, leaves no process of it behind, and reports why it ended.
//
// It is the only part of the program that may wait for children: no reaper may run beside it, and only one Run may be
// active in a process at a time.
package process

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// Command is a command to run. It gets nothing of the caller's environment or standard input.
type Command struct {
	Args []string // argv; the first is looked up in the PATH of Env, not of the caller, unless it contains a slash
	Dir  string   // working directory; empty: the caller's
	Env  []string // the whole environment, KEY=VALUE

	// Output receives stdout and stderr in the order in which they were written, from one goroutine, in blocks as they
	// were read. A slow writer slows the command down; nothing is lost, and Run does not return before the last Write
	// has returned. After a failed Write the rest of the output is read and discarded, so that the command goes on.
	Output io.Writer

	Deadline time.Time     // when the command is stopped; zero: never
	Grace    time.Duration // between TERM and KILL
	Drain    time.Duration // how long to wait for output held open by others after the command ended; 0: DefaultDrain

	// Marker is an entry of Env, KEY=VALUE, that no other process on the machine has. It identifies processes of the
	// run that have left both the session and the family of the command.
	Marker string

	// Meter, if not nil, supplies usage that the runner's own cgroup does not show.
	Meter Meter

	// Keep leaves processes alone that are still running when the command has ended; EndKept ends them. Until then no
	// other command of the run ends them. It has no effect where processes cannot be listed.
	Keep bool

	// OnSuspended, if not nil, is called for each process of the run that has been suspended (SIGSTOP, SIGTTIN) for
	// about a second. It is called from the goroutine of Run.
	OnSuspended func(Process)

	// OnStarted, if not nil, is called with the id of the command's process, which is that of its process group.
	OnStarted func(group int)

	// OnEnded, if not nil, is called once the command has ended, or KILL was sent to it, before Run waits for the rest
	// of the output and for other processes.
	OnEnded func()
}

// DefaultDrain is the default of Command.Drain.
const DefaultDrain = 2 * time.Second

// Process identifies one process of a run.
type Process struct {
	PID     int
	Command string // its command line, printable, at most a line long
}

// Result is what was observed. It is filled as far as the run got, whatever the error.
type Result struct {
	ExitCode        int            // -1 if the command died of a signal, did not start, or could not be ended
	Signal          syscall.Signal // that the command died of, or 0
	Killed          bool           // KILL was needed to stop the run
	Started         time.Time
	Wall            time.Duration // from the start to the end of the command, without the time to end leftovers
	Usage           Usage
	OOMKills        int        // processes that the kernel killed for memory in our cgroup
	Leftovers       []Leftover // processes that outlived the command and had to be ended
	OutputErr       error      // the first error of Output
	OutputTruncated bool       // an unknown process held the output open; reading it was abandoned

	// OutputOver is set if processes were kept: it is closed once all of them have closed the output, which is written
	// to Output until then.
	OutputOver <-chan struct{} `json:"-"`
	GroupOnly  bool            // /proc is not readable: only the command's process group could be ended
}

// Usage is what the run used.
type Usage struct {
	CPU         time.Duration // user and system, of all processes
	PeakMemory  int64         // bytes without page cache, of all processes; else of the cgroup or the largest process
	MemoryLimit int64         // bytes; 0: no visible limit
	CPULimit    float64       // cores; 0: no visible limit
	PeakDisk    int64         // highest number of bytes in use on the disk of Command.Dir, by anyone; 0: unknown, as below
	DiskGrowth  int64         // bytes that PeakDisk is above what was in use before
	DiskSize    int64         // bytes of that disk
	Source      string        // of CPU and PeakMemory: "cgroup v2", "cgroup v1", "rusage", a meter's name, or one of each
	Samples     []Sample      // over time; empty for a short run
}

// Leftover is a process that outlived the command.
type Leftover struct {
	Process
	HeldOutput bool // it had the command's output open
	Killed     bool // TERM was not enough
	Survived   bool // KILL was not enough: it belongs to another user, or hangs in the kernel
}

// Run runs the command to its end. The error is nil if it exited with 0 by itself; otherwise it is a *StartError,
// *ExitError, *SignalError, *OOMError, *TimeoutError or *CancelledError.
//
// The first of signals, or the deadline, sends TERM to all processes that the command has started, and KILL after
// Grace; a second signal sends KILL at once, unless it is a duplicate (SignalFilter). A signal that arrives after the
// command has ended only shortens the rest of the work.
func Run(c Command, signals <-chan os.Signal) (Result, error) {
	if c.Drain <= 0 {
		c.Drain = DefaultDrain
	}
	if c.Output == nil {
		c.Output = io.Discard
	}
	if err := checkStoppedBefore(c, signals); err != nil {
		return Result{ExitCode: -1, Started: time.Now()}, err
	}

	becomeSubreaper()
	account := openAccount("/")
	account.meter = c.Meter
	account.disk.measure(c.Dir)
	s := &supervisor{command: c, signals: signals, unwatch: func() {}}
	if err := s.start(); err != nil {
		return Result{ExitCode: -1, Started: time.Now()}, err
	}
	defer s.unwatch()
	sampler := account.sample(s.tree, c.Dir, s.started)

	s.await()
	wall := time.Since(s.started)
	if c.OnEnded != nil {
		c.OnEnded()
	}
	samples := sampler.stop()
	kept := s.keeps()
	if !kept {
		s.clear()
		s.output.finish(s.drained)
	}
	s.reapLeader()

	result := Result{
		ExitCode: s.exitCode(), Signal: s.signal(), Killed: s.killed,
		Started: s.started, Wall: wall, Leftovers: s.leftovers, GroupOnly: s.tree.groupOnly(),
	}
	if kept {
		result.OutputOver = s.output.over
	} else {
		result.OutputErr, result.OutputTruncated = s.output.err, s.output.truncated
	}
	result.Usage, result.OOMKills = account.close(s.usage, samples)
	return result, s.verdict(result)
}

// errStatusTaken can only occur if another part of this program waits for any child (wait4(-1)) during a Run.
var errStatusTaken = errors.New("the exit status of the command was taken by another part of this program")

// checkStoppedBefore returns an error if the command must not be started any more.
func checkStoppedBefore(c Command, signals <-chan os.Signal) error {
	for {
		select {
		case sig, open := <-signals:
			if open && isStopSignal(sig) {
				return &CancelledError{Signal: signalNumber(sig)}
			}
			if open {
				continue
			}
		default:
		}
		if !c.Deadline.IsZero() && !time.Now().Before(c.Deadline) {
			return &TimeoutError{}
		}
		return nil
	}
}

// verdict returns the error of the run. A stop by us takes precedence: whatever the command returned after our TERM, it
// was stopped. That holds after an OOM kill too, because the command went on after it; Result.OOMKills has the count.
func (s *supervisor) verdict(r Result) error {
	switch stop := s.stopCause.(type) {
	case *CancelledError:
		stop.Killed = s.killed
		return stop
	case *TimeoutError:
		stop.Killed, stop.OOMKills = s.killed, r.OOMKills
		return stop
	}
	switch {
	case r.ExitCode == 0:
		return nil
	case r.OOMKills > 0: // whatever the code: a shell exits with 137, node with 134, make with 2
		return &OOMError{Limit: r.Usage.MemoryLimit, Peak: r.Usage.PeakMemory}
	case !s.reaped:
		return errStatusTaken
	case r.Signal != 0:
		return &SignalError{Signal: r.Signal}
	default:
		return &ExitError{Code: r.ExitCode, Advice: explainExit(s.command, r.ExitCode)}
	}
}

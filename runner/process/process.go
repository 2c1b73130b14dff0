// Package process runs one command to its end, lets nothing that it started survive it, and says why it ended.
// It is the only one that waits for children: no reaper may run beside it, and one Run at a time is all a process may have.
package process

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// Command is a command to run. Nothing of our own environment or input reaches it but what is said here.
type Command struct {
	Args []string // argv; the first is looked up in the PATH of Env, not in ours, unless it has a slash
	Dir  string   // where it runs; empty: our own directory
	Env  []string // its whole environment, KEY=VALUE

	// Output gets what is written to stdout and stderr, in the order it was written, from one goroutine, in blocks
	// as they were read. A slow writer slows the command down; nothing is lost, and Run does not return before the
	// last Write has. After a Write has failed the rest is read and thrown away, so that the command is not hurt.
	Output io.Writer

	Deadline time.Time     // when it is stopped; zero: never
	Grace    time.Duration // between TERM and KILL
	Drain    time.Duration // how long output held open by others is waited for once the command has ended; 0: DefaultDrain

	// Marker is an entry of Env, KEY=VALUE, that nothing else on the machine has. By it a process of the run is known
	// even if it has left both the group and the family.
	Marker string

	// Meter, if it is not nil, is asked for what our own cgroup does not tell.
	Meter Meter
}

// DefaultDrain is the patience with those who hold the output of a command that has ended.
const DefaultDrain = 2 * time.Second

// Result is what was observed. It is filled as far as the run got, whatever the error.
type Result struct {
	ExitCode        int            // -1 if it died of a signal, did not start, or could not be ended
	Signal          syscall.Signal // that the command died of, or 0
	Killed          bool           // KILL was needed to stop the run
	Started         time.Time
	Wall            time.Duration // from the start to the end of the command; what was left behind does not count
	Usage           Usage
	OOMKills        int        // by the kernel in our cgroup during the run; they are no error if the command exited 0
	Leftovers       []Leftover // what outlived the command, and had to be ended
	OutputErr       error      // the first error of Output
	OutputTruncated bool       // Output was given up while somebody unknown to us still held it open
}

// Usage is what the run used.
type Usage struct {
	CPU         time.Duration // user and system, of all processes
	PeakMemory  int64         // bytes; of all processes together, less page cache, as far as we have looked in time; else of the cgroup since it was made, or of the largest process
	MemoryLimit int64         // bytes; 0: none that we can see
	CPULimit    float64       // cores; 0: none that we can see
	PeakDisk    int64         // bytes in use at most of the disk that the command's directory is on, whoever uses it; 0: not known, as below
	DiskGrowth  int64         // bytes that PeakDisk is more than what was in use before
	DiskSize    int64         // bytes of that disk
	Source      string        // where CPU and PeakMemory are from: "cgroup v2", "cgroup v1", "rusage", a meter's name, or one of each
	Samples     []Sample      // over time; none of a run that was over at once
}

// Leftover is a process that outlived the command.
type Leftover struct {
	PID        int
	Command    string // its command line, printable, at most a line long
	HeldOutput bool   // it had the command's output open
	Killed     bool   // TERM was not enough
	Survived   bool   // neither was KILL: it belongs to somebody else, or hangs in the kernel
}

// Run runs the command to its end. The error is nil if it exited 0 by itself; otherwise it is a *StartError, *ExitError,
// *SignalError, *OOMError, *TimeoutError or *CancelledError.
//
// The first of signals, or the deadline, sends TERM to all that the command has started, and KILL after Grace; a second
// signal sends KILL at once. Signals that come when the command has already ended only hurry what is left to do.
func Run(c Command, signals <-chan os.Signal) (Result, error) {
	if c.Drain <= 0 {
		c.Drain = DefaultDrain
	}
	if c.Output == nil {
		c.Output = io.Discard
	}
	if err := tooLate(c, signals); err != nil {
		return Result{ExitCode: -1, Started: time.Now()}, err
	}

	becomeSubreaper()
	account := openAccount("/")
	account.meter = c.Meter
	account.disk.look(c.Dir)
	s := &supervisor{command: c, signals: signals, unwatch: func() {}}
	if err := s.start(); err != nil {
		return Result{ExitCode: -1, Started: time.Now()}, err
	}
	defer s.unwatch()
	sampler := account.sample(s.tree, c.Dir, s.started)

	s.await()
	wall := time.Since(s.started)
	samples := sampler.stop()
	s.clear()
	s.output.finish(s.drained)
	s.reapLeader()

	result := Result{
		ExitCode: s.exitCode(), Signal: s.signal(), Killed: s.killed,
		Started: s.started, Wall: wall, Leftovers: s.leftovers,
		OutputErr: s.output.err, OutputTruncated: s.output.cut,
	}
	result.Usage, result.OOMKills = account.close(s.usage, samples)
	return result, s.verdict(result)
}

// errTaken can only be met if somebody waits for any child, wait4(-1), while a Run is on.
var errTaken = errors.New("the command has ended, but its status was taken by another part of this program")

// tooLate returns why the command is not to be started at all.
func tooLate(c Command, signals <-chan os.Signal) error {
	for {
		select {
		case sig, open := <-signals:
			if open && stops(sig) {
				return &CancelledError{Signal: number(sig)}
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

// verdict makes the error. What we did ourselves comes first: whatever the command said after our TERM, it was stopped.
// That holds when the kernel killed something for memory too, for then the command went on, or was told to stop,
// after that had happened; Result.OOMKills keeps it.
func (s *supervisor) verdict(r Result) error {
	switch stop := s.cause.(type) {
	case *CancelledError:
		stop.Killed = s.killed
		return stop
	case *TimeoutError:
		stop.Killed = s.killed
		return stop
	}
	switch {
	case r.ExitCode == 0:
		return nil
	case r.OOMKills > 0: // whatever the code: a shell says 137, node 134, make 2
		return &OOMError{Limit: r.Usage.MemoryLimit, Peak: r.Usage.PeakMemory}
	case !s.reaped:
		return errTaken
	case r.Signal != 0:
		return &SignalError{Signal: r.Signal}
	default:
		return &ExitError{Code: r.ExitCode}
	}
}

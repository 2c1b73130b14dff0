// Package process runs one command to its end and says why it ended.
//
// The command gets a process group of its own, and whatever it starts is found again and ended with it:
// this process adopts its orphans (as PID 1, or as a child subreaper), and it alone waits for children.
package process

import (
	"io"
	"os"
	"syscall"
	"time"
)

// Command is what to run, and how it is to be ended.
type Command struct {
	Args     []string      // argv; Args[0] is looked up in the PATH of Env unless it has a slash
	Dir      string        // where it runs
	Env      []string      // its whole environment
	Output   io.Writer     // gets stdout and stderr, in the order they were written, from one goroutine
	Deadline time.Time     // when it is stopped; zero for never
	Grace    time.Duration // between TERM and KILL
	Drain    time.Duration // how long others may keep the output open after the command ended; 0 is DefaultDrain
	Marker   string        // an entry of Env by which processes of this run are known, as in "RUN_ID=x"
}

// DefaultDrain is the patience with those who hold the output of a command that has ended.
const DefaultDrain = 2 * time.Second

// Result is what was observed of a run, whether it went well or not.
type Result struct {
	ExitCode  int            // of the command; -1 if it died of a signal or never started
	Signal    syscall.Signal // that it died of; 0 if it exited
	Killed    bool           // KILL was needed to end the command
	Started   time.Time
	Wall      time.Duration
	Usage     Usage
	OOMKills  int // how many processes of our cgroup the kernel killed for want of memory meanwhile
	Leftovers []Leftover
	OutputErr error // the first error of Output; the rest of the output was read and dropped
}

// Usage is what the command and everything that it started took.
type Usage struct {
	CPU         time.Duration
	PeakMemory  int64   // bytes: of the cgroup if it has a limit, else of the largest process
	MemoryLimit int64   // bytes; 0 for none
	CPULimit    float64 // cores; 0 for none
	Source      string  // "cgroup v2", "cgroup v1" or "rusage"
}

// Leftover is a process that outlived the command.
type Leftover struct {
	PID        int
	Command    string // its command line
	HeldOutput bool   // it had the command's output open
	Killed     bool   // KILL was needed to end it
}

// Run starts the command and returns when it and everything that it started is gone. The first of the signals stops it:
// TERM to all, KILL after the grace; a second one kills at once. SIGCHLD and SIGURG among them are passed over.
//
// The error is nil if the command exited with 0. Otherwise it is one of *StartError, *ExitError, *SignalError, *OOMError,
// *TimeoutError, *CancelledError. While Run works nobody else in this process may wait for children, for it reaps them all.
func Run(c Command, signals <-chan os.Signal) (Result, error) {
	s, err := start(c)
	if err != nil {
		return Result{ExitCode: -1, Started: time.Now()}, err
	}
	s.attend(signals)
	return s.finish(signals)
}

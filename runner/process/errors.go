package process

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// StartError says that the command could not be started.
type StartError struct {
	Path     string
	NotFound bool // it is not there; otherwise it is there and cannot be executed
	Err      error
}

func (e *StartError) Error() string {
	if e.NotFound {
		return e.Path + ": not found: " + e.Err.Error()
	}
	return e.Path + ": cannot be executed: " + e.Err.Error()
}

func (e *StartError) Unwrap() error { return e.Err }

// Hint says what to look at.
func (e *StartError) Hint() string {
	if e.NotFound {
		return "see that it is installed in this image and on PATH"
	}
	return "see its mode (chmod +x), its first line (#!) and what machine it was built for"
}

// ExitError says that the command exited with a code other than 0.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("the command exited with %d", e.Code) }

// SignalError says that the command died of a signal that was not sent from here.
type SignalError struct{ Signal syscall.Signal }

func (e *SignalError) Error() string {
	return fmt.Sprintf("the command died of %s, which was not sent from here", unix.SignalName(e.Signal))
}

// TimeoutError says that the deadline passed.
type TimeoutError struct {
	Limit  time.Duration // from the start to the deadline
	Killed bool          // TERM was not enough
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("the command did not end within %s%s", e.Limit.Round(time.Millisecond), killedText(e.Killed))
}

// Hint says where the deadline comes from.
func (e *TimeoutError) Hint() string {
	return "raise RUNNER_TIMEOUT or timeout: in runner.yaml, or find out what it was waiting for"
}

// CancelledError says that we were told to stop.
type CancelledError struct {
	Signal syscall.Signal // the first that came
	Killed bool           // TERM was not enough
}

func (e *CancelledError) Error() string {
	return fmt.Sprintf("the run was stopped by %s%s", unix.SignalName(e.Signal), killedText(e.Killed))
}

func killedText(killed bool) string {
	if killed {
		return ", and the command had to be killed"
	}
	return ""
}

// OOMError says that the kernel killed for want of memory, by the cgroup's own count.
type OOMError struct{ Limit, Peak int64 } // bytes; 0 for unknown

func (e *OOMError) Error() string {
	var known []string
	if e.Limit > 0 {
		known = append(known, fmt.Sprintf("limit %d MiB", e.Limit>>20))
	}
	if e.Peak > 0 {
		known = append(known, fmt.Sprintf("peak %d MiB", e.Peak>>20))
	}
	if known == nil {
		return "the kernel's OOM killer ended the command"
	}
	return "the kernel's OOM killer ended the command (" + strings.Join(known, ", ") + ")"
}

// Hint says what helps.
func (e *OOMError) Hint() string { return "give the task more memory, or the command fewer workers" }

package process

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// StartError says that the command could not be started.
type StartError struct {
	Path     string // the command as it was found, or else as it was named
	Dir      string // set if it is the directory that cannot be used
	NotFound bool   // it is not there; otherwise it is there and cannot be executed
	Err      error
}

func (e *StartError) Error() string {
	switch {
	case e.Dir != "":
		return fmt.Sprintf("%s: cannot be started in the directory %s: %v", e.Path, e.Dir, e.Err)
	case e.NotFound:
		return fmt.Sprintf("%s: not found: %v", e.Path, e.Err)
	default:
		return fmt.Sprintf("%s: cannot be executed: %v", e.Path, e.Err)
	}
}

func (e *StartError) Unwrap() error { return e.Err }

// Hint says what to look at.
func (e *StartError) Hint() string {
	switch {
	case e.Dir != "":
		return "see that it is there, that it is a folder, and who may enter it"
	case e.NotFound && strings.Contains(e.Path, "/"):
		return "see that the file is in this image, at this place"
	case e.NotFound:
		return "see that it is installed in this image and on PATH"
	case errors.Is(e.Err, syscall.EACCES):
		return "make it executable (chmod +x), on a file system that allows that"
	case errors.Is(e.Err, syscall.ENOENT):
		return "install what its first line (#!) names; a binary may have been built for another C library"
	case errors.Is(e.Err, syscall.ENOEXEC):
		return "a script needs a first line such as #!/bin/sh, and a binary must be built for this machine"
	case errors.Is(e.Err, syscall.E2BIG):
		return "hand over less by arguments and variables"
	case errors.Is(e.Err, syscall.EAGAIN), errors.Is(e.Err, syscall.ENOMEM):
		return "give the task more memory, or allow it more processes"
	default:
		return "see its mode, its first line (#!), its arguments, and what machine it was built for"
	}
}

// ExitError says that the command exited with a code other than 0.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("the command exited with %d", e.Code) }

// SignalError says that the command died of a signal that was not sent from here.
type SignalError struct{ Signal syscall.Signal }

func (e *SignalError) Error() string {
	return fmt.Sprintf("the command died of %s, which was not sent from here", signalName(e.Signal))
}

// TimeoutError says that the deadline passed.
type TimeoutError struct {
	Limit  time.Duration // from the start to the deadline; 0: it had passed before, and nothing was started
	Killed bool          // TERM was not enough
}

func (e *TimeoutError) Error() string {
	if e.Limit <= 0 {
		return "the time was up before the command was started"
	}
	return fmt.Sprintf("the command did not end within %s%s", e.Limit.Round(time.Millisecond), byForce(e.Killed))
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
	return fmt.Sprintf("the run was stopped by %s%s", signalName(e.Signal), byForce(e.Killed))
}

// OOMError says that the command failed, and that by the cgroup's own count the kernel had killed for want of memory.
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

func byForce(killed bool) string {
	if killed {
		return ", and the command had to be killed"
	}
	return ""
}

func signalName(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", int(s)) // a real-time one
}

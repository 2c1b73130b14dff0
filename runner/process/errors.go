package process

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"
)

// StartError reports that the command could not be started.
type StartError struct {
	Path     string // of the command if it was found, otherwise its name
	Dir      string // set if the working directory cannot be used
	Resource string // set if something that every command needs is missing, such as /dev/null
	NotFound bool   // the command does not exist; otherwise it exists and cannot be executed
	Err      error
}

func (e *StartError) Error() string {
	switch {
	case e.Resource != "":
		return fmt.Sprintf("%s: cannot be started: %s cannot be opened: %v", e.Path, e.Resource, e.Err)
	case e.Dir != "":
		return fmt.Sprintf("%s: cannot be started in the directory %s: %v", e.Path, e.Dir, e.Err)
	case e.NotFound:
		return fmt.Sprintf("%s: not found: %v", e.Path, e.Err)
	default:
		return fmt.Sprintf("%s: cannot be executed: %v", e.Path, e.Err)
	}
}

func (e *StartError) Unwrap() error { return e.Err }

// Hint returns what to check.
func (e *StartError) Hint() string {
	var size *sizeError
	var interpreter *interpreterError
	switch {
	case errors.Is(e.Err, syscall.EMFILE), errors.Is(e.Err, syscall.ENFILE):
		return "raise the limit of open files: ulimit -n, or ulimits (nofile) in the task definition"
	case errors.Is(e.Err, syscall.EAGAIN), errors.Is(e.Err, syscall.ENOMEM):
		return "give the task more memory, or allow it more processes"
	case e.Resource != "":
		return "check that /dev is mounted in this container, and that the file is a device that may be read"
	case e.Dir != "":
		return "check that it exists, that it is a folder, and its permissions"
	case e.NotFound && strings.Contains(e.Path, "/"):
		return "check that the file is in this image, at this place"
	case e.NotFound:
		return "check that it is installed in this image and on PATH"
	case errors.As(e.Err, &size):
		return size.advice
	case errors.As(e.Err, &interpreter) && interpreter.crlf:
		return crlfAdvice
	case errors.As(e.Err, &interpreter):
		return "install what its first line (#!) names; a binary may have been built for another C library"
	case errors.Is(e.Err, syscall.EACCES):
		return "make it executable (chmod +x), on a file system that allows that"
	case errors.Is(e.Err, syscall.ENOEXEC):
		return "a script needs a first line such as #!/bin/sh, and a binary must be built for this machine"
	default:
		return "check its mode, its first line (#!), its arguments, and the machine it was built for"
	}
}

// ExitError reports that the command exited with a code other than 0.
type ExitError struct {
	Code   int
	Advice string // what the code means for this command, or ""
}

func (e *ExitError) Error() string { return fmt.Sprintf("the command exited with %d", e.Code) }

// Hint returns the advice.
func (e *ExitError) Hint() string { return e.Advice }

// SignalError reports that the command died of a signal that the runner did not send.
type SignalError struct {
	Signal syscall.Signal
	Advice string // what it means for this command, or ""
}

// Hint returns the advice.
func (e *SignalError) Hint() string { return e.Advice }

func (e *SignalError) Error() string {
	return fmt.Sprintf("the command died of SIG%s, which was not sent from here", SignalName(e.Signal))
}

// TimeoutError reports that the deadline passed.
type TimeoutError struct {
	Limit     time.Duration // from the start to the deadline; 0: it had passed before, and nothing was started
	Killed    bool          // TERM was not enough
	OOMKills  int           // processes that the kernel killed for memory before
	Suspended []Process     // processes that were suspended at the deadline
}

func (e *TimeoutError) Error() string {
	if e.Limit <= 0 {
		return "the time was up before the command was started"
	}
	return fmt.Sprintf("the command did not end within %s%s", e.Limit.Round(time.Millisecond), killSuffix(e.Killed))
}

// Hint returns the most likely reason why the command did not end.
func (e *TimeoutError) Hint() string {
	switch {
	case e.OOMKills > 0:
		return "the kernel's OOM killer ended " + countProcesses(
			e.OOMKills,
		) + " of the command, which may have waited for it: " +
			memoryAdvice
	case len(e.Suspended) > 0:
		return fmt.Sprintf("process %d (%s) was suspended by a signal such as STOP: find out what sends it",
			e.Suspended[0].PID, e.Suspended[0].Command)
	}
	return "raise RUNNER_TIMEOUT or timeout: in runner.yaml, or find out what it was waiting for"
}

// CancelledError reports that a signal stopped the run.
type CancelledError struct {
	Signal syscall.Signal // the first one
	Killed bool           // TERM was not enough
}

func (e *CancelledError) Error() string {
	return fmt.Sprintf("the run was stopped by SIG%s%s", SignalName(e.Signal), killSuffix(e.Killed))
}

// OOMError reports that the command failed after the kernel, by the cgroup's count, had killed a process for memory.
type OOMError struct{ Limit, Peak int64 } // bytes; 0: unknown

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

// Hint returns what helps.
func (e *OOMError) Hint() string { return memoryAdvice }

const memoryAdvice = "give the task more memory, or the command fewer workers"

func countProcesses(n int) string {
	if n == 1 {
		return "1 process"
	}
	return fmt.Sprintf("%d processes", n)
}

func killSuffix(killed bool) string {
	if killed {
		return ", and the command had to be killed"
	}
	return ""
}

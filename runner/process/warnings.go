package process

import (
	"bytes"
	"errors"
	"fmt"
)

// Warning is a message for the log with attributes, as slog takes them.
type Warning struct {
	Message string
	Args    []any
}

// Warnings returns what a person should know beside the error with which the run ended.
func (r Result) Warnings(err error) (all []Warning) {
	var oom *OOMError
	if r.OOMKills > 0 && !errors.As(err, &oom) {
		all = append(all, Warning{
			"the kernel's OOM killer ended processes of the command",
			[]any{"processes", r.OOMKills, "hint", memoryAdvice},
		})
	}
	if r.OutputTruncated {
		all = append(all, Warning{Message: "an unknown process holds the command's output open; it is no longer read"})
	}
	if r.GroupOnly {
		all = append(all, Warning{
			"/proc does not show this process: only the command's process group could be ended",
			[]any{"hint", "mount /proc of this pid namespace in the container"},
		})
	}
	for _, l := range r.Leftovers {
		message := "a process outlived the command and was ended"
		switch {
		case l.Survived:
			message = "a process outlived the command and could not be ended"
		case l.HeldOutput:
			message = "a process outlived the command, holding its output open, and was ended"
		}
		all = append(all, Warning{message, []any{"pid", l.PID, "command", l.Command}})
	}
	return all
}

// SuspendedWarning returns the warning for a process that Command.OnSuspended reports.
func SuspendedWarning(p Process) Warning {
	return Warning{
		"a process of the command is suspended by a signal such as STOP", []any{"pid", p.PID, "command", p.Command},
	}
}

// heapExhausted is what V8 writes when a heap is full; node then exits with 134 or dies of ABRT.
const heapExhausted = "JavaScript heap out of memory"

// AdviseHeap adds advice to an *ExitError or a *SignalError of a command whose output says that node ran out of heap.
// The limit is that of the memory in bytes; 0: unknown.
func AdviseHeap(err error, output []byte, limit int64) {
	var exit *ExitError
	var signal *SignalError
	if !errors.As(err, &exit) && !errors.As(err, &signal) || !bytes.Contains(output, []byte(heapExhausted)) {
		return
	}
	advice := "node ran out of heap: raise it with NODE_OPTIONS=--max-old-space-size=MIB, below the task's memory"
	if mib := limit >> 20; mib > 0 {
		advice = fmt.Sprintf("node ran out of heap: raise it, as in NODE_OPTIONS=--max-old-space-size=%d (there are "+
			"%d MiB of memory), "+
			"or give the task more memory", mib*3/4, mib)
	}
	if exit != nil {
		exit.Advice = advice
		return
	}
	signal.Advice = advice
}

package process

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// duplicateWindow is how far apart two signals may be to count as one.
const duplicateWindow = time.Second

// SignalFilter recognizes a signal that was sent twice for one reason: timeout(1), npm and shells signal both a process
// and its group. The zero value is ready for use.
type SignalFilter struct {
	last os.Signal
	at   time.Time
}

// IsDuplicate reports whether the same signal was accepted less than a second before now. A signal that is not a
// duplicate is accepted.
func (f *SignalFilter) IsDuplicate(sig os.Signal, now time.Time) bool {
	if f.last == sig && now.Sub(f.at) < duplicateWindow {
		return true
	}
	f.last, f.at = sig, now
	return false
}

// isStopSignal reports whether a signal asks the run to stop. The others are sent by the Go runtime, children, closed
// pipes and terminals.
func isStopSignal(sig os.Signal) bool {
	switch sig {
	case syscall.SIGURG, syscall.SIGCHLD, syscall.SIGPIPE, syscall.SIGWINCH, syscall.SIGCONT:
		return false
	default:
		return true
	}
}

func signalNumber(sig os.Signal) syscall.Signal {
	if n, ok := sig.(syscall.Signal); ok {
		return n
	}
	return syscall.SIGTERM
}

// SignalName returns the name of a signal as kill(1) takes it: TERM, or the number of one without a name.
func SignalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return strings.TrimPrefix(name, "SIG")
	}
	return strconv.Itoa(int(sig))
}

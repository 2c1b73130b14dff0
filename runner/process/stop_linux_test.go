package process

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	sigINT  = syscall.SIGINT
	sigTERM = syscall.SIGTERM
)

func within(d time.Duration) func(*Command) {
	return func(c *Command) { c.Deadline = time.Now().Add(d) }
}

func grace(d time.Duration) func(*Command) { return func(c *Command) { c.Grace = d } }

// timedOut runs with a deadline that is long enough for the command to print "set", even on a busy machine.
func timedOut(run func(deadline func(*Command)) (Result, string, error)) (Result, string, error) {
	for soon := 200 * time.Millisecond; ; soon *= 3 {
		r, out, err := run(within(soon))
		if strings.Contains(out, "set\n") || soon > 30*time.Second {
			return r, out, err
		}
	}
}

func TestTheDeadline(t *testing.T) {
	const moment = 200 * time.Millisecond
	for name, c := range map[string]struct {
		line   string
		grace  time.Duration
		killed bool
		prints string
	}{
		"TERM is enough": {"echo set; sleep 100", time.Minute, false, ""},
		"KILL is needed": {
			"trap '' TERM; echo set; while :; do sleep 0.1; done", moment, true, "",
		},
		"there is no grace": {"trap '' TERM; echo set; while :; do sleep 0.1; done", 0, true, ""},
		"the command exits with 0 on TERM": {
			"trap 'echo saved; exit 0' TERM; echo set; while :; do sleep 0.05; done", time.Minute, false, "saved",
		},
		"the command is suspended": {"echo set; kill -STOP $$", time.Minute, false, ""},
		"a process of another group gets TERM": {
			"setsid sh -c \"trap 'sleep 0.2; echo saved; exit 0' TERM; echo set; while :; do sleep 0.05; done\"& wait",
			time.Minute, false, "saved",
		},
		"a process of another group is killed": {
			"setsid sh -c \"trap '' TERM; echo set; while :; do sleep 0.05; done\" & sleep 100", moment, true, "",
		},
		"the command forks while it is killed": {
			"trap '' TERM; f() { (trap '' TERM; sleep 0.02; f) & }; f; f; echo set; while :; do sleep 0.1; done",
			moment, true, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, out, err := timedOut(func(deadline func(*Command)) (Result, string, error) {
				return runShell(t, c.line, deadline, grace(c.grace))
			})
			var timeout *TimeoutError
			if !errors.As(err, &timeout) || timeout.Killed != c.killed || r.Killed != c.killed ||
				!strings.Contains(out, c.prints) {
				t.Errorf("%v %+v %q", err, r, out)
			}
			if timeout != nil && timeout.Limit <= 0 {
				t.Errorf("the limit is %v", timeout.Limit)
			}
			checkNothingLeft(t)
		})
	}
	t.Run("the output's writer stalls", func(t *testing.T) {
		release := make(chan bool)
		time.AfterFunc(time.Second, func() { close(release) })
		var got int
		_, _, err := runShell(t, "yes", within(moment), func(c *Command) {
			c.Output = writerFunc(func(p []byte) (int, error) { <-release; got += len(p); return len(p), nil })
		})
		var timeout *TimeoutError
		if !errors.As(err, &timeout) || got == 0 {
			t.Errorf("%v, %d bytes", err, got)
		}
	})
	t.Run("it does not count while leftovers are ended", func(t *testing.T) {
		_, _, err := runShell(
			t,
			"sleep 100 & exit 0",
			within(2*time.Second),
			func(c *Command) { c.Drain = 3 * time.Second },
		)
		if err != nil {
			t.Error(err)
		}
	})
	const saves = "trap 'echo ready; sleep 0.5; echo saved; exit 1' TERM; echo set; while :; do sleep 0.05; done"
	for name, line := range map[string]string{
		"a signal does not shorten the grace":               saves,
		"nor that of a child whose parent died of the TERM": "(" + saves + ") & wait",
	} {
		t.Run(name, func(t *testing.T) {
			_, out, err := timedOut(func(deadline func(*Command)) (Result, string, error) {
				return runSignalled(t, line, []syscall.Signal{sigTERM}, deadline)
			})
			var timeout *TimeoutError
			if !errors.As(err, &timeout) || timeout.Killed || !strings.Contains(out, "saved") {
				t.Errorf("%v %q", err, out)
			}
		})
	}
	t.Run("two signals shorten it", func(t *testing.T) {
		_, out, err := timedOut(func(deadline func(*Command)) (Result, string, error) {
			line := "trap 'echo ready; echo ready' TERM; echo set; while :; do sleep 0.05; done"
			return runSignalled(t, line, []syscall.Signal{sigTERM, sigINT}, deadline, grace(time.Hour))
		})
		var timeout *TimeoutError
		if !errors.As(err, &timeout) || !timeout.Killed {
			t.Errorf("%v %q", err, out)
		}
	})
}

func TestStopSignals(t *testing.T) {
	const ignores = "trap '' TERM INT; echo ready; echo ready; while :; do sleep 0.1; done"
	for name, c := range map[string]struct {
		line    string
		grace   time.Duration
		signals []syscall.Signal
		killed  bool
		prints  string
	}{
		"TERM ends it": {"echo ready; sleep 100", time.Minute, []syscall.Signal{sigTERM}, false, ""},
		"INT is passed on as TERM": {
			"trap 'echo got TERM; exit 9' TERM; trap '' INT; echo ready; while :; do sleep 0.05; done", time.Minute,
			[]syscall.Signal{sigINT},
			false, "got TERM",
		},
		"HUP is passed on as TERM": {
			"trap 'echo got TERM; exit 9' TERM; trap '' HUP; echo ready; while :; do sleep 0.05; done", time.Minute,
			[]syscall.Signal{syscall.SIGHUP},
			false, "got TERM",
		},
		"QUIT is passed on as TERM": {
			"trap 'echo got TERM; exit 9' TERM; echo ready; while :; do sleep 0.05; done", time.Minute,
			[]syscall.Signal{syscall.SIGQUIT},
			false, "got TERM",
		},
		"ignoring TERM, it is killed": {ignores, 200 * time.Millisecond, []syscall.Signal{sigTERM}, true, ""},
		"a second signal kills":       {ignores, time.Hour, []syscall.Signal{sigTERM, sigINT}, true, ""},
		"the same signal twice at once is one": {
			"trap 'sleep 0.3; echo saved; exit 0' TERM; echo ready; echo ready; while :; do sleep 0.05; done",
			time.Minute,
			[]syscall.Signal{sigTERM, sigTERM},
			false, "saved",
		},
		"the same signal again more than a second later kills": {
			"trap 'sleep 1.1; echo ready' TERM; echo ready; while :; do sleep 0.05; done",
			time.Hour,
			[]syscall.Signal{sigTERM, sigTERM},
			true, "",
		},
		"the command dies, and its child has the grace": {
			"(trap 'sleep 0.5; echo saved; exit 0' TERM; echo ready; while :; do sleep 0.05; done) & wait",
			time.Minute,
			[]syscall.Signal{
				sigTERM,
			},
			false, "saved",
		},
		"the command dies, and a second signal kills its child": {
			"(trap 'echo ready' TERM; echo ready; while :; do sleep 0.05; done) & wait", time.Hour, []syscall.Signal{
				sigTERM, sigINT,
			}, true, "",
		},
		"TERM is sent once": {
			"n=0; trap 'n=$((n+1))' TERM; echo ready; i=0; while [ $i -lt 10 ]; do sleep 0.05; i=$((i+1)); done; " +
				"echo received $n",
			time.Minute,
			[]syscall.Signal{
				sigTERM,
			},
			false, "received 1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, out, err := runSignalled(t, c.line, c.signals, grace(c.grace))
			var cancelled *CancelledError
			if !errors.As(err, &cancelled) || cancelled.Signal != c.signals[0] || cancelled.Killed != c.killed ||
				r.Killed != c.killed ||
				!strings.Contains(out, c.prints) {
				t.Errorf("%v %+v %q", err, r, out)
			}
			checkNothingLeft(t)
		})
	}
	t.Run("signals of the system stop nothing", func(t *testing.T) {
		_, _, err := runSignalled(t, "echo ready; echo ready; echo ready; echo ready; sleep 0.3; exit 0",
			[]syscall.Signal{syscall.SIGURG, syscall.SIGCHLD, syscall.SIGPIPE, syscall.SIGWINCH})
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("after the end of the command a signal ends leftovers at once", func(t *testing.T) {
		r, _, err := runSignalled(
			t,
			"(sleep 0.3; echo ready; sleep 1000) & exit 0",
			[]syscall.Signal{sigTERM},
			func(c *Command) { c.Drain = time.Hour },
		)
		if err != nil || len(r.Leftovers) == 0 {
			t.Errorf("%v %+v", err, r)
		}
	})
}

// A process with several threads is a zombie before it can be reaped, and its usage is known only then.
func TestAProcessWithThreadsIsReapedAndCounted(t *testing.T) {
	for range 3 {
		r, _, err := runSignalled(t, "node -e 'console.log(`ready`); for (;;);'; :", []syscall.Signal{sigTERM})
		var cancelled *CancelledError
		if !errors.As(err, &cancelled) ||
			r.Usage.CPU < 10*time.Millisecond { // node has used more by the time it is ready
			t.Errorf("%v, %s of CPU", err, r.Usage.CPU)
		}
		if children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", os.Getpid(), os.Getpid())); len(
			children,
		) > 0 {
			t.Errorf("children are left: %s", children)
		}
	}
}

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

// timedOut runs with a deadline that leaves the command the time to say "set", however busy the machine is.
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
		says   string
	}{
		"TERM is enough":                       {"echo set; sleep 100", time.Minute, false, ""},
		"KILL is needed":                       {"trap '' TERM; echo set; while :; do sleep 0.1; done", moment, true, ""},
		"there is no grace":                    {"trap '' TERM; echo set; while :; do sleep 0.1; done", 0, true, ""},
		"the command exits well when told":     {"trap 'echo saved; exit 0' TERM; echo set; while :; do sleep 0.05; done", time.Minute, false, "saved"},
		"the command is stopped":               {"echo set; kill -STOP $$", time.Minute, false, ""},
		"who left the group is told too":       {"setsid sh -c \"trap 'sleep 0.2; echo saved; exit 0' TERM; echo set; while :; do sleep 0.05; done\"& wait", time.Minute, false, "saved"},
		"who left the group is killed too":     {"setsid sh -c \"trap '' TERM; echo set; while :; do sleep 0.05; done\" & sleep 100", moment, true, ""},
		"the command forks while it is killed": {"trap '' TERM; f() { (trap '' TERM; sleep 0.02; f) & }; f; f; echo set; while :; do sleep 0.1; done", moment, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, out, err := timedOut(func(deadline func(*Command)) (Result, string, error) {
				return outcome(t, c.line, deadline, grace(c.grace))
			})
			var timeout *TimeoutError
			if !errors.As(err, &timeout) || timeout.Killed != c.killed || r.Killed != c.killed || !strings.Contains(out, c.says) {
				t.Errorf("%v %+v %q", err, r, out)
			}
			if timeout != nil && timeout.Limit <= 0 {
				t.Errorf("the limit is %v", timeout.Limit)
			}
			nobodyLeft(t)
		})
	}
	t.Run("the output's writer stalls", func(t *testing.T) {
		release := make(chan bool)
		time.AfterFunc(time.Second, func() { close(release) })
		var got int
		_, _, err := outcome(t, "yes", within(moment), func(c *Command) {
			c.Output = writerFunc(func(p []byte) (int, error) { <-release; got += len(p); return len(p), nil })
		})
		var timeout *TimeoutError
		if !errors.As(err, &timeout) || got == 0 {
			t.Errorf("%v, %d bytes", err, got)
		}
	})
	t.Run("it does not pass while leftovers are ended", func(t *testing.T) {
		_, _, err := outcome(t, "sleep 100 & exit 0", within(2*time.Second), func(c *Command) { c.Drain = 3 * time.Second })
		if err != nil {
			t.Error(err)
		}
	})
	const saves = "trap 'echo ready; sleep 0.5; echo saved; exit 1' TERM; echo set; while :; do sleep 0.05; done"
	for name, line := range map[string]string{
		"a signal does not shorten the grace that it began":        saves,
		"nor that of a child whose parent has ended with the TERM": "(" + saves + ") & wait",
	} {
		t.Run(name, func(t *testing.T) {
			_, out, err := timedOut(func(deadline func(*Command)) (Result, string, error) {
				return signalled(t, line, []syscall.Signal{sigTERM}, deadline)
			})
			var timeout *TimeoutError
			if !errors.As(err, &timeout) || timeout.Killed || !strings.Contains(out, "saved") {
				t.Errorf("%v %q", err, out)
			}
		})
	}
	t.Run("two signals do", func(t *testing.T) {
		_, out, err := timedOut(func(deadline func(*Command)) (Result, string, error) {
			line := "trap 'echo ready; echo ready' TERM; echo set; while :; do sleep 0.05; done"
			return signalled(t, line, []syscall.Signal{sigTERM, sigTERM}, deadline, grace(time.Hour))
		})
		var timeout *TimeoutError
		if !errors.As(err, &timeout) || !timeout.Killed {
			t.Errorf("%v %q", err, out)
		}
	})
}

func TestBeingToldToStop(t *testing.T) {
	const deaf = "trap '' TERM INT; echo ready; echo ready; while :; do sleep 0.1; done"
	for name, c := range map[string]struct {
		line    string
		grace   time.Duration
		signals []syscall.Signal
		killed  bool
		says    string
	}{
		"TERM ends it":                {"echo ready; sleep 100", time.Minute, []syscall.Signal{sigTERM}, false, ""},
		"INT is TERM to it":           {"trap 'echo told; exit 9' TERM; trap '' INT; echo ready; while :; do sleep 0.05; done", time.Minute, []syscall.Signal{sigINT}, false, "told"},
		"HUP is TERM to it":           {"trap 'echo told; exit 9' TERM; trap '' HUP; echo ready; while :; do sleep 0.05; done", time.Minute, []syscall.Signal{syscall.SIGHUP}, false, "told"},
		"QUIT is TERM to it":          {"trap 'echo told; exit 9' TERM; echo ready; while :; do sleep 0.05; done", time.Minute, []syscall.Signal{syscall.SIGQUIT}, false, "told"},
		"what ignores TERM is killed": {deaf, 200 * time.Millisecond, []syscall.Signal{sigTERM}, true, ""},
		"a second signal kills":       {deaf, time.Hour, []syscall.Signal{sigTERM, sigINT}, true, ""},
		"the command dies, its child has the grace": {
			"(trap 'sleep 0.5; echo saved; exit 0' TERM; echo ready; while :; do sleep 0.05; done) & wait", time.Minute, []syscall.Signal{sigTERM}, false, "saved",
		},
		"the command dies, its child hears a second one": {
			"(trap 'echo ready' TERM; echo ready; while :; do sleep 0.05; done) & wait", time.Hour, []syscall.Signal{sigTERM, sigTERM}, true, "",
		},
		"TERM is sent once": {
			"n=0; trap 'n=$((n+1))' TERM; echo ready; i=0; while [ $i -lt 10 ]; do sleep 0.05; i=$((i+1)); done; echo told $n times", time.Minute, []syscall.Signal{sigTERM}, false, "told 1 times",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, out, err := signalled(t, c.line, c.signals, grace(c.grace))
			var cancelled *CancelledError
			if !errors.As(err, &cancelled) || cancelled.Signal != c.signals[0] || cancelled.Killed != c.killed || r.Killed != c.killed || !strings.Contains(out, c.says) {
				t.Errorf("%v %+v %q", err, r, out)
			}
			nobodyLeft(t)
		})
	}
	t.Run("signals that come by themselves stop nothing", func(t *testing.T) {
		_, _, err := signalled(t, "echo ready; echo ready; echo ready; echo ready; sleep 0.3; exit 0",
			[]syscall.Signal{syscall.SIGURG, syscall.SIGCHLD, syscall.SIGPIPE, syscall.SIGWINCH})
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("after its end a signal only hurries", func(t *testing.T) {
		r, _, err := signalled(t, "(sleep 0.3; echo ready; sleep 1000) & exit 0", []syscall.Signal{sigTERM}, func(c *Command) { c.Drain = time.Hour })
		if err != nil || len(r.Leftovers) == 0 {
			t.Errorf("%v %+v", err, r)
		}
	})
}

// A process of several threads is a zombie before it can be reaped, and its usage is known only then.
func TestAStoppedProcessOfSeveralThreadsIsReapedAndCounted(t *testing.T) {
	for range 3 {
		r, _, err := signalled(t, "node -e 'console.log(`ready`); for (;;);'; :", []syscall.Signal{sigTERM})
		var cancelled *CancelledError
		if !errors.As(err, &cancelled) || r.Usage.CPU < 10*time.Millisecond { // node has used more by the time it is ready
			t.Errorf("%v, %s of CPU", err, r.Usage.CPU)
		}
		if children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", os.Getpid(), os.Getpid())); len(children) > 0 {
			t.Errorf("children are left: %s", children)
		}
	}
}

package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// others returns all other processes of our pid namespace.
func others() (list []string) {
	for pid := range pids() {
		if p, ok := readStat(pid); ok && pid != os.Getpid() {
			list = append(list, fmt.Sprintf("%d %s %v", pid, p.commandLine(), p.dead))
		}
	}
	return list
}

// checkNothingLeft checks that the command of this test has left no process, and that we have no child, living or dead.
func checkNothingLeft(t *testing.T) {
	t.Helper()
	marked := newTree(-1, "MARK="+t.Name(), nil)
	marked.started = 1 << 62 // so that the marker alone counts
	living, _ := marked.scan()
	for _, p := range living {
		t.Errorf("still there: %d %s", p.pid, p.commandLine())
	}
	for pid := range pids() {
		if p, ok := readStat(pid); ok && p.parent == os.Getpid() {
			t.Errorf("our child: %d %s, dead: %v", pid, p.name, p.dead)
		}
	}
}

func TestLeftoversAreReportedAndEnded(t *testing.T) {
	for name, c := range map[string]struct {
		line   string
		held   bool
		killed bool
	}{
		"in its group": {"sleep 4711 & echo done", true, false},
		"in a session of its own, holding the output": {"setsid sleep 4711 & echo done", true, false},
		"not holding the output":                      {"setsid sleep 4711 >/dev/null 2>&1 & echo done", false, false},
		"without our environment":                     {"env -i setsid sleep 4711 & echo done", true, false},
		"a grandchild without our environment": {
			"(env -i setsid sh -c 'sleep 4711 & exit' &) ; sleep 0.3; echo done", true, false,
		},
		"ignoring TERM": {
			"(trap '' TERM; setsid sh -c 'sleep 4711; :' &) ; sleep 0.3; echo done", true, true,
		},
		"suspended": {
			"sleep 4711 & sleep 0.2; kill -STOP $!; echo done", true, false,
		},
		"while its output was closed by the command": {"sleep 4711 & echo done; exec >&- 2>&-; exit 0", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			r, out, err := runShell(
				t,
				c.line,
				func(c *Command) { c.Drain, c.Grace = 200*time.Millisecond, 500*time.Millisecond },
			)
			if err != nil || out != "done\n" || r.Killed || r.OutputTruncated {
				t.Fatalf("%v %q %+v", err, out, r)
			}
			found := 0
			for _, l := range r.Leftovers {
				if strings.Contains(l.Command, "sleep 4711") {
					found++
					if l.HeldOutput != c.held || l.Killed != c.killed || l.Survived {
						t.Errorf("it is reported as %+v", l)
					}
				}
			}
			if found == 0 {
				t.Errorf("it is not reported: %+v", r.Leftovers)
			}
			checkNothingLeft(t)
		})
	}
}

func TestAProcessAboutToEndIsNotALeftover(t *testing.T) {
	var r Result
	for range 20 { // a busy machine may need longer than settleTime
		if r, _, _ = runShell(t, "(exec >&- 2>&-; sleep 0.02) & exit 0"); len(r.Leftovers) == 0 {
			return
		}
	}
	t.Errorf("%+v", r.Leftovers)
}

func TestAGrandchildThatKeepsWritingDoesNotDelayTheRun(t *testing.T) {
	r, out, err := runShell(
		t,
		"(while :; do echo more; sleep 0.01; done) & echo done; exit 0",
		func(c *Command) { c.Drain = time.Second },
	)
	held := slices.ContainsFunc(
		r.Leftovers,
		func(l Leftover) bool { return l.HeldOutput },
	) // the loop; its sleep may just have ended
	if err != nil || !strings.Contains(out, "done") || !strings.Contains(out, "more") || !held {
		t.Errorf("%v %+v %q", err, r.Leftovers, out[:min(len(out), 200)])
	}
	checkNothingLeft(t)
}

func TestTheExitCodeIsNotConfusedWithThoseOfOrphans(t *testing.T) {
	t.Run("orphans that end while it runs", func(t *testing.T) {
		_, out, err := runShell(t, `i=0; while [ $i -lt 500 ]; do (sh -c 'exit 3' &); i=$((i+1)); done
			for t in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
				sleep 0.2; z=$(cat /proc/[0-9]*/stat 2>/dev/null | grep -c ") Z $RUNNER "); [ $z = 0 ] && break
			done; echo $z zombies; exit 6`)
		var exit *ExitError
		if !errors.As(err, &exit) || exit.Code != 6 || out != "0 zombies\n" {
			t.Errorf("%v %q", err, out)
		}
		checkNothingLeft(t)
	})
	t.Run("dead children that it leaves behind", func(t *testing.T) {
		_, _, err := runShell(
			t,
			`i=0; while [ $i -lt 500 ]; do sh -c 'exit 3' & i=$((i+1)); done; exec sh -c 'sleep 0.5; exit 6'`,
		)
		var exit *ExitError
		if !errors.As(err, &exit) || exit.Code != 6 {
			t.Error(err)
		}
		checkNothingLeft(t)
	})
}

// Children of other parts of this program are neither killed nor reaped.
func TestOtherChildrenAreLeftAlone(t *testing.T) {
	before := exec.Command("sh", "-c", "read x; exit 7")
	stdin, _ := before.StdinPipe()
	before.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	dead := exec.Command("sh", "-c", "exit 8")
	dead.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	for _, c := range []*exec.Cmd{before, dead} {
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
	}
	var during, living *exec.Cmd
	r, _, err := runShell(t, "(sleep 1 &); echo; sleep 0.5; sleep 1000 & exit 0", func(c *Command) {
		c.Drain = 100 * time.Millisecond
		c.Output = writerFunc(func(p []byte) (int, error) {
			during, living = exec.Command("sh", "-c", "exit 9"), exec.Command("sleep", "1000")
			return len(p), errors.Join(during.Start(), living.Start())
		})
	})
	if err != nil || r.OutputErr != nil || len(r.Leftovers) == 0 {
		t.Fatalf("%v %+v", err, r)
	}
	for _, l := range r.Leftovers {
		if l.PID == before.Process.Pid || l.PID == living.Process.Pid {
			t.Errorf("%+v was not the command's", l)
		}
	}
	stdin.Close()
	living.Process.Signal(syscall.SIGINT)
	before.Wait()
	dead.Wait()
	during.Wait()
	living.Wait()
	if got := fmt.Sprint(
		before.ProcessState, dead.ProcessState, during.ProcessState, living.ProcessState,
	); got != "exit status 7 exit status 8 exit status 9 signal: interrupt" {
		t.Error(got)
	}
}

// A process with the marker belongs to the run, even if another process started it; one that holds the output without
// the marker is not found.
func TestProcessesThatHoldTheOutput(t *testing.T) {
	for name, c := range map[string]struct {
		mark  bool
		found bool
	}{
		"one with the marker is ended":            {true, true},
		"one that is unknown only delays the end": {false, false},
	} {
		t.Run(name, func(t *testing.T) {
			hold := "echo held > /proc/$pid/fd/1; exec 3> /proc/$pid/fd/1; echo ok; exec sleep 1000"
			line := "read pid; " + hold
			if c.mark { // a process without it, from before the command, starts one with it
				line = "read pid; export pid; MARK=" + t.Name() + " sh -c '" + hold + "' & wait"
			}
			holder := exec.Command("sh", "-c", line)
			holder.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			stdin, _ := holder.StdinPipe()
			stdout, _ := holder.StdoutPipe()
			if err := holder.Start(); err != nil {
				t.Fatal(err)
			}
			defer holder.Wait()
			defer holder.Process.Kill()
			var out buffer
			open := filepath.Join(t.TempDir(), "open")
			r, _, err := runShell(t, "echo $$; while [ ! -e "+open+" ]; do sleep 0.05; done", func(command *Command) {
				command.Drain = 200 * time.Millisecond
				first := true
				command.Output = writerFunc(func(p []byte) (int, error) {
					if first {
						first = false
						stdin.Write(p)
						io.ReadFull(stdout, make([]byte, 3))
						os.WriteFile(open, nil, 0o644)
					}
					return out.Write(p)
				})
			})
			if err != nil || r.OutputTruncated == c.found || len(r.Leftovers) > 0 != c.found ||
				!strings.Contains(out.String(), "held") {
				t.Errorf("%v %+v %q", err, r, out.String())
			}
			if c.found && (r.Leftovers[0].Command != "sleep 1000" || !r.Leftovers[0].HeldOutput) {
				t.Errorf("%+v", r.Leftovers)
			}
		})
	}
}

func TestNoDescriptorOrGoroutineIsLeaked(t *testing.T) {
	runShell(t, "exit 0") // for what is created once
	open := func() int { l, _ := os.ReadDir("/proc/self/fd"); return len(l) }
	fds, routines := open(), runtime.NumGoroutine()
	for range 8 {
		runShell(t, "echo x; exit 3")
		runShell(t, "sleep 1000 >/dev/null 2>&1 & exit 3")
		runShell(t, "sleep 1000", within(10*time.Millisecond))
		Run(Command{Args: []string{"no-such-program-anywhere"}}, nil)
		Run(Command{Args: []string{"true"}, Dir: "/no/such/directory"}, nil)
	}
	for range 100 {
		if runtime.NumGoroutine() <= routines {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if n := open(); n > fds {
		t.Errorf("%d descriptors, %d before", n, fds)
	}
	if n := runtime.NumGoroutine(); n > routines {
		t.Errorf("%d goroutines, %d before", n, routines)
	}
}

func TestTheOOMKillerPrefersTheCommand(t *testing.T) {
	_, out, _ := runShell(t, "sleep 0.3; cat /proc/self/oom_score_adj")
	if out != "500\n" {
		t.Errorf("its oom_score_adj is %q", out)
	}
}

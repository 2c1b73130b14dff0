package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// outcome runs a line of sh.
func outcome(t *testing.T, line string, change ...func(*Command)) (Result, string, error) {
	t.Helper()
	var out buffer
	c := Command{Args: []string{"sh", "-c", line}, Env: []string{"PATH=" + os.Getenv("PATH"), "MARK=" + t.Name()}, Marker: "MARK=" + t.Name(), Output: &out, Grace: 5 * time.Second}
	for _, f := range change {
		f(&c)
	}
	result, err := Run(c, nil)
	return result, out.String(), err
}

// buffer can be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestTheCommandsOwnEnd(t *testing.T) {
	for name, c := range map[string]struct {
		line string
		code int
		sig  syscall.Signal
	}{
		"it exits with 0":         {"exit 0", 0, 0},
		"it exits with 1":         {"exit 1", 1, 0},
		"it exits with 255":       {"exit 255", 255, 0},
		"its child died of KILL":  {"sh -c 'kill -KILL $$'; exit $?", 137, 0},
		"it died of SEGV":         {"kill -SEGV $$", -1, syscall.SIGSEGV},
		"it killed itself":        {"kill -KILL $$", -1, syscall.SIGKILL},
		"it ended itself by TERM": {"kill -TERM $$", -1, syscall.SIGTERM},
	} {
		t.Run(name, func(t *testing.T) {
			r, _, err := outcome(t, c.line)
			if r.ExitCode != c.code || r.Signal != c.sig {
				t.Errorf("ended with %d, signal %v", r.ExitCode, r.Signal)
			}
			var exit *ExitError
			var sig *SignalError
			switch {
			case c.code == 0 && err != nil,
				c.code > 0 && (!errors.As(err, &exit) || exit.Code != c.code),
				c.sig != 0 && (!errors.As(err, &sig) || sig.Signal != c.sig):
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestACommandThatCannotBeStarted(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "plain"), []byte("x"), 0o644)
	os.WriteFile(filepath.Join(dir, "text"), []byte("no program"), 0o755)
	os.WriteFile(filepath.Join(dir, "orphan"), []byte("#!/no/such/interpreter\n"), 0o755)
	for name, c := range map[string]struct {
		program  string
		notFound bool
	}{
		"it is not on PATH":            {"no-such-program-anywhere", true},
		"it is not at its path":        {"./nothing", true},
		"a part of its path is none":   {"./plain/x", true},
		"it has no x bit":              {"./plain", false},
		"it is a folder":               {dir, false},
		"it is text":                   {"./text", false},
		"its interpreter is missing":   {"./orphan", false},
		"there is no command at all":   {"", true},
		"it is there, but not on PATH": {"plain", true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Run(Command{Args: []string{c.program}, Dir: dir, Env: []string{"PATH=/usr/bin:/bin"}}, nil)
			var start *StartError
			if !errors.As(err, &start) || start.NotFound != c.notFound {
				t.Errorf("error is %v (%+v)", err, start)
			}
		})
	}
	if _, err := Run(Command{Args: []string{"true"}, Dir: dir + "/gone", Env: []string{"PATH=/usr/bin:/bin"}}, nil); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("a directory that is not there is not named: %v", err)
	}
}

func TestStdoutAndStderrComeInTheirOrderAndStdinIsEmpty(t *testing.T) {
	_, out, err := outcome(t, "for i in 1 2 3; do echo out$i; echo err$i >&2; done; cat; echo end")
	if want := "out1\nerr1\nout2\nerr2\nout3\nerr3\nend\n"; err != nil || out != want {
		t.Errorf("%v: %q", err, out)
	}
}

func TestTheDeadline(t *testing.T) {
	soon := func(c *Command) { c.Deadline = time.Now().Add(200 * time.Millisecond) }
	t.Run("TERM is enough", func(t *testing.T) {
		r, _, err := outcome(t, "sleep 100", soon)
		var timeout *TimeoutError
		if !errors.As(err, &timeout) || timeout.Killed || r.Killed {
			t.Errorf("%v %+v", err, r)
		}
	})
	t.Run("KILL is needed", func(t *testing.T) {
		r, _, err := outcome(t, "trap '' TERM; while :; do sleep 0.1; done", soon, func(c *Command) { c.Grace = 200 * time.Millisecond })
		var timeout *TimeoutError
		if !errors.As(err, &timeout) || !timeout.Killed || !r.Killed {
			t.Errorf("%v %+v", err, r)
		}
	})
	t.Run("the command exits well when it is told", func(t *testing.T) {
		_, out, err := outcome(t, "trap 'echo saved; exit 0' TERM; while :; do sleep 0.05; done", soon)
		var timeout *TimeoutError
		if !errors.As(err, &timeout) || !strings.HasSuffix(out, "saved\n") {
			t.Errorf("%v %q", err, out)
		}
	})
	t.Run("a writer that stalls does not stop it", func(t *testing.T) {
		release := make(chan bool)
		time.AfterFunc(time.Second, func() { close(release) })
		var got int
		_, _, err := outcome(t, "yes", soon, func(c *Command) {
			c.Output = writerFunc(func(p []byte) (int, error) { <-release; got += len(p); return len(p), nil })
		})
		var timeout *TimeoutError
		if !errors.As(err, &timeout) || got < pipeSize {
			t.Errorf("%v, %d bytes", err, got)
		}
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// stopped runs a line and signals it once it has said "ready".
func stopped(t *testing.T, line string, grace time.Duration, signals ...syscall.Signal) (Result, string, error) {
	t.Helper()
	c := make(chan os.Signal, 4)
	var out buffer
	sent := false
	result, err := Run(Command{
		Args: []string{"sh", "-c", line}, Env: []string{"PATH=" + os.Getenv("PATH"), "MARK=" + t.Name()}, Marker: "MARK=" + t.Name(), Grace: grace,
		Output: writerFunc(func(p []byte) (int, error) {
			if !sent && bytes.Contains(p, []byte("ready")) {
				sent = true
				for _, s := range signals {
					c <- s
				}
			}
			return out.Write(p)
		}),
	}, c)
	return result, out.String(), err
}

func TestBeingToldToStop(t *testing.T) {
	const deaf = "trap '' TERM INT; echo ready; while :; do sleep 0.1; done"
	for name, c := range map[string]struct {
		line    string
		grace   time.Duration
		signals []syscall.Signal
		killed  bool
	}{
		"TERM ends it":                  {"echo ready; sleep 100", time.Minute, []syscall.Signal{syscall.SIGTERM}, false},
		"INT is TERM to it":             {"trap 'exit 9' TERM; trap '' INT; echo ready; while :; do sleep 0.05; done", time.Minute, []syscall.Signal{syscall.SIGINT}, false},
		"what ignores TERM is killed":   {deaf, 200 * time.Millisecond, []syscall.Signal{syscall.SIGTERM}, true},
		"a second signal kills at once": {deaf, time.Hour, []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM}, true},
		"its child outlives it a while and has the grace": {
			"(trap 'sleep 0.5; echo child saved; exit 0' TERM; echo ready; while :; do sleep 0.05; done) & wait", time.Minute, []syscall.Signal{syscall.SIGTERM}, false,
		},
		"the kernel's and Go's own signals stop nothing": {
			"trap 'exit 3' TERM; echo ready; sleep 0.3", time.Minute, []syscall.Signal{syscall.SIGURG, syscall.SIGCHLD, syscall.SIGPIPE}, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, out, err := stopped(t, c.line, c.grace, c.signals...)
			var cancelled *CancelledError
			if c.signals[0] == syscall.SIGURG {
				if err != nil {
					t.Errorf("error is %v", err)
				}
				return
			}
			if !errors.As(err, &cancelled) || cancelled.Signal != c.signals[0] || cancelled.Killed != c.killed || r.Killed != c.killed {
				t.Errorf("%v %+v\n%s", err, r, out)
			}
			if strings.Contains(c.line, "child saved") && !strings.Contains(out, "child saved") {
				t.Errorf("the child was killed before its grace was over: %q", out)
			}
		})
	}
}

func TestWhatOutlivesTheCommandIsNamedAndEnded(t *testing.T) {
	for name, c := range map[string]struct {
		line   string
		held   bool
		killed bool
	}{
		"in a session of its own, holding the output": {"setsid sleep 4711 & echo done", true, false},
		"holding nothing":                 {"setsid sleep 4711 >/dev/null 2>&1 & echo done", false, false},
		"with nothing of our environment": {"env -i setsid sleep 4711 & echo done", true, false},
		"twice removed":                   {"(setsid sh -c 'sleep 4711 & exit' &) ; sleep 0.3; echo done", true, false},
		"deaf to TERM":                    {"(trap '' TERM; setsid sh -c 'sleep 4711; :' &) ; sleep 0.2; echo done", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			r, out, err := outcome(t, c.line, func(c *Command) { c.Drain, c.Grace = 200*time.Millisecond, 300*time.Millisecond })
			if err != nil || !strings.Contains(out, "done\n") {
				t.Fatalf("%v %q", err, out)
			}
			found := false
			for _, l := range r.Leftovers {
				if strings.Contains(l.Command, "sleep 4711") {
					found = true
					if l.HeldOutput != c.held || l.Killed != c.killed {
						t.Errorf("it is on record as %+v", l)
					}
					if syscall.Kill(l.PID, 0) == nil {
						t.Errorf("%d is still there", l.PID)
					}
				}
			}
			if !found {
				t.Errorf("it is not on record: %+v", r.Leftovers)
			}
		})
	}
}

func TestAGrandchildThatWritesOnDoesNotHoldTheRun(t *testing.T) {
	r, out, err := outcome(t, "(while :; do echo more; sleep 0.01; done) & echo done; exit 0", func(c *Command) { c.Drain = 300 * time.Millisecond })
	if err != nil || !strings.Contains(out, "done") || !strings.Contains(out, "more") || len(r.Leftovers) == 0 {
		t.Errorf("%v %+v %q", err, r.Leftovers, out[:min(len(out), 200)])
	}
}

func TestACommandThatClosesItsOutputIsWaitedFor(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	_, _, err := outcome(t, "exec >&- 2>&-; sleep 0.3; : > "+mark+"; exit 5")
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Code != 5 {
		t.Errorf("error is %v", err)
	}
	if _, err := os.Stat(mark); err != nil {
		t.Error("it did not come to its end")
	}
}

func TestOrphansAreReapedAndTheCommandsCodeIsNotLostAmongTheirs(t *testing.T) {
	_, out, err := outcome(t, `i=0; while [ $i -lt 500 ]; do (sh -c 'exit 3' &); i=$((i+1)); done
		for t in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
			sleep 0.2; z=$(cat /proc/[0-9]*/stat 2>/dev/null | grep -c "(sh) Z"); [ $z = 0 ] && break
		done; echo $z zombies; exit 6`)
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Code != 6 || !strings.Contains(out, "0 zombies") {
		t.Errorf("%v %q", err, out)
	}
}

func TestAWriterThatFailsDoesNotHarmTheCommand(t *testing.T) {
	full := errors.New("full")
	r, _, err := outcome(t, "head -c 3000000 /dev/zero && echo unharmed >&2", func(c *Command) {
		c.Output = writerFunc(func([]byte) (int, error) { return 0, full })
	})
	if err != nil || !errors.Is(r.OutputErr, full) {
		t.Errorf("%v %v", err, r.OutputErr)
	}
}

func TestASlowWriterLosesNothing(t *testing.T) {
	var got int
	_, _, err := outcome(t, "head -c 3000000 /dev/zero", func(c *Command) {
		c.Drain = 10 * time.Millisecond
		c.Output = writerFunc(func(p []byte) (int, error) { time.Sleep(30 * time.Millisecond); got += len(p); return len(p), nil })
	})
	if err != nil || got != 3000000 {
		t.Errorf("%v: %d of 3000000 bytes", err, got)
	}
}

func TestNothingIsLeftOpenOrRunningInThisProcess(t *testing.T) {
	outcome(t, "exit 0") // what is made once
	open := func() int { l, _ := os.ReadDir("/proc/self/fd"); return len(l) }
	fds, routines := open(), runtime.NumGoroutine()
	for range 20 {
		outcome(t, "echo x; exit 3")
		Run(Command{Args: []string{"no-such-program-anywhere"}}, nil)
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

func TestUsageIsCounted(t *testing.T) {
	r, _, _ := outcome(t, "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'")
	if r.Usage.CPU < 50*time.Millisecond || r.Usage.PeakMemory < 100<<10 || r.Usage.Source == "" {
		t.Errorf("%+v", r.Usage)
	}
}

func TestCgroupsAreReadAsTheyAreRecorded(t *testing.T) {
	write := func(t *testing.T, root string, files map[string]string) {
		for name, text := range files {
			path := filepath.Join(root, name)
			os.MkdirAll(filepath.Dir(path), 0o755)
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  counters
		kind  string
	}{
		"version 2 in a namespace of its own": {
			map[string]string{
				"membership":                  "0::/\n",
				"mountinfo":                   "30 20 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n",
				"sys/fs/cgroup/memory.events": "low 0\nhigh 0\nmax 12\noom 2\noom_kill 2\noom_group_kill 0\n",
				"sys/fs/cgroup/memory.peak":   "104857600\n",
				"sys/fs/cgroup/memory.max":    "536870912\n",
				"sys/fs/cgroup/cpu.stat":      "usage_usec 2500000\nuser_usec 1\n",
				"sys/fs/cgroup/cpu.max":       "50000 100000\n",
			},
			counters{2, 104857600, 536870912, 2500 * time.Millisecond, 0.5},
			"cgroup v2",
		},
		"version 2 without limits, seen from the host": {
			map[string]string{
				"membership": "0::/user.slice/x.scope\n",
				"mountinfo":  "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
				"sys/fs/cgroup/user.slice/x.scope/memory.events": "oom_kill 0\n",
				"sys/fs/cgroup/user.slice/x.scope/memory.max":    "max\n",
				"sys/fs/cgroup/user.slice/x.scope/cpu.max":       "max 100000\n",
			},
			counters{},
			"cgroup v2",
		},
		"version 1 with version 2 beside it": {
			map[string]string{
				"membership": "9:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/docker/abc\n",
				"mountinfo": "31 20 0:27 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n" +
					"32 20 0:28 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n" +
					"33 20 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
				"sys/fs/cgroup/memory/memory.oom_control":        "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
				"sys/fs/cgroup/memory/memory.max_usage_in_bytes": "1048576\n",
				"sys/fs/cgroup/memory/memory.limit_in_bytes":     "9223372036854771712\n",
				"sys/fs/cgroup/cpu,cpuacct/cpuacct.usage":        "1500000000\n",
				"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us":     "-1\n",
				"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us":    "100000\n",
				"sys/fs/cgroup/unified/cgroup.procs":             "",
			},
			counters{3, 1048576, 0, 1500 * time.Millisecond, 0},
			"cgroup v1",
		},
		"none at all": {map[string]string{"membership": "", "mountinfo": ""}, counters{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			write(t, root, c.files)
			g := findCgroup(filepath.Join(root, "membership"), filepath.Join(root, "mountinfo"), root)
			if got := g.read(); got != c.want || g.version != c.kind {
				t.Errorf("%s in %+v: %+v, want %+v", g.version, g, got, c.want)
			}
		})
	}
}

func BenchmarkRun(b *testing.B) {
	for b.Loop() {
		if _, err := Run(Command{Args: []string{"/bin/true"}}, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleRun() {
	r, err := Run(Command{Args: []string{"sh", "-c", "exit 7"}, Env: []string{"PATH=/usr/bin:/bin"}, Output: os.Stdout}, nil)
	fmt.Println(r.ExitCode, err)
	// Output: 7 the command exited with 7
}

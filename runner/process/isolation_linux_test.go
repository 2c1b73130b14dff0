package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inNamespace returns a command that starts a program in a mount namespace of its own, after a line of sh.
func inNamespace(line string) []string {
	by := []string{"unshare", "--mount"}
	if os.Getuid() != 0 {
		by = append(by, "--user", "--map-root-user")
	}
	return append(by, "sh", "-c", line+` && exec "$0"`)
}

// A command on a terminal that asks for a password would be suspended for reading from the background.
func TestTheCommandHasNoControllingTerminal(t *testing.T) {
	terminal, device := openTerminal(t)
	defer terminal.Close()
	defer device.Close()
	t.Setenv("LIMIT", "30s")
	script := `(read answer < /dev/tty) 2>&1; echo "code $?"; cut -d" " -f 6 /proc/$$/stat; echo $$`
	c := nestedCommand(t, script, "env")
	c.Stdin = device
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	r := runNested(t, c)
	lines := strings.Split(strings.TrimSpace(r.Output), "\n")
	if len(lines) != 4 || !strings.Contains(lines[0], "No such device") || lines[1] == "code 0" ||
		lines[2] != lines[3] ||
		r.Error != "" {
		t.Errorf("%+v", r)
	}
}

// openTerminal returns both ends of a pseudoterminal.
func openTerminal(t *testing.T) (terminal, device *os.File) {
	t.Helper()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(terminal.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		device, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return terminal, device
}

func TestASuspendedCommandIsReported(t *testing.T) {
	var reported []Process
	_, _, err := timedOut(func(deadline func(*Command)) (Result, string, error) {
		reported = nil
		return runShell(t, "echo set; sleep 0.1; kill -STOP $$", deadline, func(c *Command) {
			c.Deadline = c.Deadline.Add(3 * time.Second)
			c.OnSuspended = func(p Process) { reported = append(reported, p) }
		})
	})
	var timeout *TimeoutError
	if !errors.As(err, &timeout) || len(timeout.Suspended) != 1 || !strings.Contains(timeout.Hint(), "was suspended") {
		t.Errorf("%+v", err)
	}
	if len(reported) != 1 || !strings.Contains(reported[0].Command, "kill -STOP") {
		t.Errorf("%+v", reported)
	}
}

func TestWhenASuspendedProcessIsReported(t *testing.T) {
	var s suspensions
	suspended := member{pid: 1 << 30, name: "x", suspended: true}
	now := time.Now()
	for i, c := range []struct {
		after   time.Duration
		living  []member
		report  int
		pending bool
	}{
		{0, []member{suspended, {pid: 2}}, 0, true},
		{suspendedDelay / 2, []member{suspended}, 0, true},
		{suspendedDelay, []member{suspended}, 1, false},
		{2 * suspendedDelay, []member{suspended}, 0, false},
		{3 * suspendedDelay, []member{{pid: suspended.pid}}, 0, false},
		{4 * suspendedDelay, []member{suspended}, 0, true},
		{9 * suspendedDelay, []member{suspended}, 0, false}, // it was reported before
	} {
		report, pending := s.update(c.living, now.Add(c.after))
		if len(report) != c.report || pending != c.pending {
			t.Errorf("update %d: %v, pending: %v", i, report, pending)
		}
	}
}

// spy tries what a command may try with its parent, and prints what worked.
const spy = `
	p=$PPID
	cat /proc/$p/environ >/dev/null && echo environ
	readlink /proc/$p/fd/1 >/dev/null && echo fd
	echo x >/proc/$p/fd/1 && echo stdout
	cat /proc/$p/maps >/dev/null && echo maps
	head -c 1 /proc/$p/mem >/dev/null && echo mem
	readlink /proc/$p/cwd >/dev/null && echo cwd
	head -c 1 /proc/$$/environ >/dev/null && echo own
	cat /proc/$$/oom_score_adj
	setsid sleep 4711 & exit 0`

// containerCapabilities are those of root in a container of Docker and Fargate.
const containerCapabilities = "-all,+chown,+dac_override,+fsetid,+fowner,+mknod,+net_raw,+setgid,+setuid,+setfcap,+setpcap," +
	"+net_bind_service,+sys_chroot,+kill,+audit_write"

func TestTheCommandCannotReadItsParent(t *testing.T) {
	t.Setenv("PROTECTED", "1")
	by := map[string][]string{"the same user": {"env"}}
	if os.Getuid() == 0 {
		drop := func(list string) []string { return []string{"setpriv", "--bounding-set", list, "--inh-caps", list} }
		by = map[string][]string{
			"the same user":               {"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"},
			"root in a container":         drop(containerCapabilities),
			"root without any capability": drop("-all"),
			"root without CAP_SYS_PTRACE and those that include it": drop("-sys_ptrace,-sys_admin,-perfmon"),
		}
	}
	for name, by := range by {
		t.Run(name, func(t *testing.T) {
			r := nested(t, spy, by...)
			worked := strings.Join(strings.Fields(withoutErrors(r.Output)), " ")
			if worked != "own 500" {
				t.Errorf("it could use: %s\n%s", worked, r.Output)
			}
			// The runner itself can still do its work.
			ended := len(r.Result.Leftovers) == 1 && strings.Contains(r.Result.Leftovers[0].Command, "sleep 4711")
			if r.Error != "" || !ended || r.Result.GroupOnly || r.Result.Usage.PeakMemory == 0 {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestWhatTheRunnerWasStartedWithIsCleared(t *testing.T) {
	t.Setenv("PROTECTED", "cleared")
	t.Setenv("SOME_TOKEN", "private")
	t.Setenv("KEPT", "public")
	const script = `tr '\0' '\n' </proc/$PPID/environ | grep .; echo "code $?"; echo "own $MARK"`
	if r := nested(t, script, "env"); r.Output != "KEPT=public\ncode 0\nown nested\n" || r.Error != "" {
		t.Errorf("%s %q", r.Error, r.Output)
	}
	if os.Getuid() != 0 {
		return
	}
	t.Setenv("PROTECTED", "1") // root, with all capabilities that this test has
	if r := nested(t, script, "env"); strings.Contains(r.Output, "TOKEN=") || !strings.HasSuffix(r.Output, "own nested\n") {
		t.Errorf("%s %q", r.Error, r.Output)
	}
}

// withoutErrors removes the messages of programs.
func withoutErrors(output string) string {
	var kept []string
	for line := range strings.Lines(output) {
		if !strings.Contains(line, ": ") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

func TestWithoutProcTheProcessGroupIsEnded(t *testing.T) {
	mark := fmt.Sprint(40000 + os.Getpid())
	for name, mount := range map[string]string{
		"/proc is empty":                     "mount -t tmpfs none /proc",
		"/proc shows another pid namespace ": "true",
	} {
		t.Run(name, func(t *testing.T) {
			by := inNamespace(mount)
			if mount == "true" {
				by = append([]string{by[0], "--pid", "--fork"}, by[1:]...)
			}
			r := nested(t, "sleep "+mark+" & echo done; exit 3", by...)
			if r.Error != "*process.ExitError the command exited with 3" || !r.Result.GroupOnly ||
				r.Output != "done\n" ||
				r.Result.OutputTruncated {
				t.Errorf("%+v", r)
			}
			for end := time.Now().Add(10 * time.Second); running("sleep " + mark); time.Sleep(20 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the command's child is still running")
				}
			}
		})
	}
}

// running reports whether there is a living process with this command line.
func running(commandLine string) bool {
	for pid := range pids() {
		if p, ok := readStat(pid); ok && !p.dead && p.commandLine() == commandLine {
			return true
		}
	}
	return false
}

func TestMissingResourcesAreNotBlamedOnTheCommand(t *testing.T) {
	t.Run("no /dev/null", func(t *testing.T) {
		r := nested(t, "exit 0", inNamespace("mount -t tmpfs none /dev")...)
		if !strings.Contains(r.Error, "/dev/null cannot be opened: no such file") ||
			!strings.Contains(r.Hint, "/dev is mounted") {
			t.Errorf("%+v", r)
		}
	})
	t.Run("no file descriptors", func(t *testing.T) {
		runShell(t, "exit 0") // opens what stays open
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		lowered := limit
		lowered.Cur = 50
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lowered); err != nil {
			t.Fatal(err)
		}
		var files []*os.File
		for {
			f, err := os.Open("/")
			if err != nil {
				break
			}
			files = append(files, f)
		}
		_, err := Run(Command{Args: []string{"/bin/true"}}, nil)
		for _, f := range files {
			f.Close()
		}
		if e := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); e != nil {
			t.Fatal(e)
		}
		var start *StartError
		if !errors.As(err, &start) || start.Resource == "" || !strings.Contains(start.Hint(), "ulimit -n") {
			t.Errorf("%v", err)
		}
	})
}

func TestWhatIsTooLongIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		command Command
		message string
	}{
		"a variable": {
			Command{Args: []string{"/bin/true"}, Env: []string{"A=1", "BIG=" + strings.Repeat("x", 200<<10)}},
			"the variable BIG is 200 KiB long, and Linux allows 128 KiB for one string",
		},
		"an argument": {
			Command{Args: []string{"/bin/true", strings.Repeat("x", 130<<10)}},
			"argument 1 is 130 KiB long, and Linux allows 128 KiB for one string",
		},
		"all together": {
			Command{
				Args: append(
					[]string{"/bin/true"}, strings.Fields(strings.Repeat(strings.Repeat("x", 100<<10)+" ", 80))...,
				),
			},
			"its arguments and variables are 8000 KiB long together",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Run(c.command, nil)
			var start *StartError
			if !errors.As(err, &start) || !errors.Is(err, syscall.E2BIG) || !strings.Contains(err.Error(), c.message) ||
				start.Hint() == "" {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAShellsExitCodeForAScriptWithWindowsLineEndsIsExplained(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "build.sh"), []byte("#!/bin/sh\r\necho x\r\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for line, explained := range map[string]bool{
		"./build.sh --fast":    true,
		"true; (./build.sh)":   true,
		"./build.sh || exit 1": false,
		"/no/such/file":        false,
		"exit 127":             false,
	} {
		t.Run(line, func(t *testing.T) {
			_, _, err := runShell(t, line, func(c *Command) { c.Dir = dir })
			var exit *ExitError
			if !errors.As(err, &exit) || strings.Contains(exit.Hint(), "Windows line ends") != explained {
				t.Errorf("%v: %+v", err, exit)
			}
		})
	}
}

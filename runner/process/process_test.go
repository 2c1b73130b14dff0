package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestExitCodesAndSignals(t *testing.T) {
	for name, c := range map[string]struct {
		line string
		code int
		sig  syscall.Signal
	}{
		"exit code 0":                 {"exit 0", 0, 0},
		"exit code 1":                 {"exit 1", 1, 0},
		"exit code 126":               {"exit 126", 126, 0},
		"a program that is not found": {"no-such-program-anywhere", 127, 0},
		"exit code 255":               {"exit 255", 255, 0},
		"a child died of KILL":        {"sh -c 'kill -KILL $$'; exit $?", 137, 0},
		"it died of SEGV":             {"kill -SEGV $$", -1, syscall.SIGSEGV},
		"it killed itself":            {"kill -KILL $$", -1, syscall.SIGKILL},
		"it sent itself TERM":         {"kill -TERM $$", -1, syscall.SIGTERM},
		"it killed its own group":     {"sleep 100 & kill -KILL 0", -1, syscall.SIGKILL},
		"it suspended itself shortly": {"(sleep 0.1; kill -CONT $$) & kill -STOP $$; exit 4", 4, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r, _, err := runShell(t, c.line)
			if r.ExitCode != c.code || r.Signal != c.sig || r.Killed {
				t.Errorf("ended with %d, signal %v, killed: %v", r.ExitCode, r.Signal, r.Killed)
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

func TestStartErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		path := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(path), 0o755)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("plain", "x", 0o644)
	write("text", "no program", 0o755)
	write("orphan", "#!/no/such/interpreter\n", 0o755)
	write("windows", "#!/bin/sh\r\necho\r\n", 0o755)
	write("a/tool", "x", 0o644)
	for name, c := range map[string]struct {
		program  string
		notFound bool
		says     string
	}{
		"it is not on PATH":            {"no-such-program-anywhere", true, "no-such-program-anywhere: not found"},
		"the path does not exist":      {"./nothing", true, "./nothing: not found"},
		"a part of its path is a file": {"./plain/x", true, "not found"},
		"it has no x bit":              {"./plain", false, "./plain: cannot be executed: permission denied"},
		"it has no x bit, on PATH":     {"tool", false, "a/tool: cannot be executed: permission denied"},
		"it is a folder":               {dir, false, "permission denied"},
		"it is text":                   {"./text", false, "exec format error"},
		"its interpreter is missing":   {"./orphan", false, "its interpreter /no/such/interpreter does not exist"},
		"it has Windows line ends":     {"./windows", false, "its first line has Windows line ends"},
		"there is no command":          {"", true, "it is empty"},
		"it is there, but not on PATH": {"plain", true, "not found"},
		"its name has a NUL":           {"./pl\x00ain", false, "invalid argument"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Run(Command{Args: []string{c.program}, Dir: dir, Env: []string{"PATH=/usr/bin:/bin:a"}}, nil)
			var start *StartError
			if !errors.As(err, &start) || start.NotFound != c.notFound || !strings.Contains(err.Error(), c.says) ||
				start.Hint() == "" {
				t.Errorf("error is %v (%+v)", err, start)
			}
			if r.ExitCode != -1 || r.Started.IsZero() {
				t.Errorf("result is %+v", r)
			}
		})
	}
	for name, d := range map[string]string{
		"no such directory": dir + "/gone", "a file for a directory": dir + "/plain",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Run(Command{Args: []string{"true"}, Dir: d, Env: []string{"PATH=/usr/bin:/bin"}}, nil)
			var start *StartError
			if !errors.As(err, &start) || start.Dir != d || start.NotFound ||
				!strings.Contains(err.Error(), "in the directory "+d) {
				t.Errorf("error is %v (%+v)", err, start)
			}
		})
	}
	t.Run("too much is handed over", func(t *testing.T) {
		_, err := Run(Command{Args: []string{"/bin/true", strings.Repeat("x", 3<<20)}}, nil)
		var start *StartError
		if !errors.As(err, &start) || start.NotFound || !errors.Is(err, syscall.E2BIG) {
			t.Errorf("error is %v", err)
		}
	})
}

func TestTheCommandIsLookedUpInItsOwnPath(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"here/tool": "echo here", "there/tool": "echo there", "denied/tool": "-", "sub/here/tool": "echo sub",
	} {
		path := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(path), 0o755)
		mode := os.FileMode(0o755)
		if text == "-" {
			mode = 0o644
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+"/there") // the runner's own, which must not be used
	for name, c := range map[string]struct{ path, dir, program, want string }{
		"its PATH, not ours": {dir + "/here", "", "tool", "here"},
		"the first that can be executed": {
			dir + "/denied:" + dir + "/here:" + dir + "/there", "", "tool", "here",
		},
		"a relative folder, from its directory":   {"here", dir, "tool", "here"},
		"an empty folder is its directory":        {"/nowhere:", dir + "/there", "tool", "there"},
		"a name with a slash, from its directory": {"", dir + "/sub", "here/tool", "sub"},
		"its directory is one below":              {"./here", dir + "/sub", "tool", "sub"},
	} {
		t.Run(name, func(t *testing.T) {
			var out buffer
			_, err := Run(
				Command{Args: []string{c.program}, Dir: c.dir, Env: []string{"PATH=" + c.path}, Output: &out},
				nil,
			)
			if err != nil || out.String() != c.want+"\n" {
				t.Errorf("%v %q", err, out.String())
			}
		})
	}
	t.Run("with no PATH at all, where shells look", func(t *testing.T) {
		if _, err := Run(Command{Args: []string{"true"}}, nil); err != nil {
			t.Error(err)
		}
	})
}

func TestTheCommandGetsItsOwnEnvironmentDirectoryAndNoInput(t *testing.T) {
	dir, _ := filepath.EvalSymlinks(t.TempDir())
	t.Setenv("OURS", "1")
	var out buffer
	_, err := Run(Command{
		Args: []string{"/bin/sh", "-c", `echo "$OURS$THEIRS"; pwd; cat; echo "$0 $1"`, "zero", "a b"},
		Env:  []string{"PATH=/usr/bin:/bin", "THEIRS=2"}, Dir: dir, Output: &out,
	}, nil)
	if want := "2\n" + dir + "\nzero a b\n"; err != nil || out.String() != want {
		t.Errorf("%v: %q, want %q", err, out.String(), want)
	}
}

func TestNothingIsStartedAfterAStop(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "started")
	c := Command{Args: []string{"touch", mark}, Env: environment("")}
	t.Run("after the deadline", func(t *testing.T) {
		c := c
		c.Deadline = time.Now().Add(-time.Second)
		var timeout *TimeoutError
		if _, err := Run(c, nil); !errors.As(err, &timeout) {
			t.Error(err)
		}
	})
	t.Run("after a signal", func(t *testing.T) {
		signals := make(chan os.Signal, 2)
		signals <- syscall.SIGURG
		signals <- syscall.SIGTERM
		var cancelled *CancelledError
		if _, err := Run(c, signals); !errors.As(err, &cancelled) || cancelled.Signal != syscall.SIGTERM {
			t.Error(err)
		}
	})
	if _, err := os.Stat(mark); err == nil {
		t.Error("the command was started")
	}
	t.Run("other signals and a closed channel do not count", func(t *testing.T) {
		signals := make(chan os.Signal, 1)
		signals <- syscall.SIGCHLD
		close(signals)
		if _, err := Run(c, signals); err != nil {
			t.Error(err)
		}
	})
}

func ExampleRun() {
	r, err := Run(
		Command{Args: []string{"sh", "-c", "exit 7"}, Env: []string{"PATH=/usr/bin:/bin"}, Output: os.Stdout},
		nil,
	)
	fmt.Println(r.ExitCode, err)
	// Output: 7 the command exited with 7
}

// Both start /bin/true, read its output to the end, and wait for it.
func BenchmarkTrue(b *testing.B) {
	b.Run("Run", func(b *testing.B) {
		for b.Loop() {
			if _, err := Run(Command{Args: []string{"/bin/true"}, Marker: "MARK=benchmark"}, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("os/exec", func(b *testing.B) {
		for b.Loop() {
			c := exec.Command("/bin/true")
			c.Stdout = new(strings.Builder)
			if err := c.Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

package process

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestStdoutAndStderrKeepTheirOrder(t *testing.T) {
	_, out, err := runShell(t, "for i in 1 2 3; do echo out$i; echo err$i >&2; done; echo end")
	if want := "out1\nerr1\nout2\nerr2\nout3\nerr3\nend\n"; err != nil || out != want {
		t.Errorf("%v: %q", err, out)
	}
}

func TestASlowWriterLosesNothing(t *testing.T) {
	var got int
	r, _, err := runShell(t, "head -c 3000000 /dev/zero", func(c *Command) {
		c.Drain = 10 * time.Millisecond // much shorter than the writer takes
		c.Output = writerFunc(
			func(p []byte) (int, error) { time.Sleep(30 * time.Millisecond); got += len(p); return len(p), nil },
		)
	})
	if err != nil || got != 3000000 || r.OutputTruncated {
		t.Errorf("%v: %d of 3000000 bytes, truncated: %v", err, got, r.OutputTruncated)
	}
}

func TestABurstFitsIntoThePipe(t *testing.T) {
	// The writer blocks until the command has written everything, for which 64 KiB would not be enough.
	mark := filepath.Join(t.TempDir(), "written")
	var got int
	_, _, err := runShell(t, "echo; head -c 1000000 /dev/zero; : > "+mark, func(c *Command) {
		c.Output = writerFunc(func(p []byte) (int, error) {
			for i := 0; i < 1000; i++ {
				if _, err := os.Stat(mark); err == nil {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			got += len(p)
			return len(p), nil
		})
	})
	if _, missing := os.Stat(mark); err != nil || missing != nil || got != 1000001 {
		t.Errorf("%v %v %d", err, missing, got)
	}
}

func TestAFailingWriterDoesNotHarmTheCommand(t *testing.T) {
	full := errors.New("full")
	calls := 0
	r, _, err := runShell(t, "head -c 3000000 /dev/zero && echo unharmed >&2", func(c *Command) {
		c.Output = writerFunc(func([]byte) (int, error) { calls++; return 0, full })
	})
	if err != nil || !errors.Is(r.OutputErr, full) || calls != 1 {
		t.Errorf("%v %v after %d calls", err, r.OutputErr, calls)
	}
	r, _, err = runShell(t, "echo 12345", func(c *Command) {
		c.Output = writerFunc(func([]byte) (int, error) { return 1, nil })
	})
	if err != nil || !errors.Is(r.OutputErr, io.ErrShortWrite) {
		t.Errorf("%v %v", err, r.OutputErr)
	}
}

func TestACommandThatClosesItsOutputIsWaitedFor(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	_, _, err := runShell(t, "exec >&- 2>&-; sleep 0.3; : > "+mark+"; exit 5")
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Code != 5 {
		t.Errorf("error is %v", err)
	}
	if _, err := os.Stat(mark); err != nil {
		t.Error("the command was ended early")
	}
}

func TestTheEndOfAPipelineIsNotLost(t *testing.T) {
	// The command has ended, while its output is still passing through another process.
	r, out, err := runShell(
		t,
		"(sleep 0.3; echo late; exit 0) & echo early; exit 0",
		func(c *Command) { c.Drain = time.Minute },
	)
	if err != nil || out != "early\nlate\n" || len(r.Leftovers) > 0 {
		t.Errorf("%v %q %+v", err, out, r.Leftovers)
	}
}

func TestWhenReadingTheOutputIsAbandoned(t *testing.T) {
	for name, c := range map[string]struct {
		end       func(writeEnd *os.File)
		more      bool // an unknown process goes on writing
		truncated bool
	}{
		"never, if all writers have closed it":    {func(w *os.File) { w.Close() }, false, false},
		"when an unknown process holds it open":   {func(*os.File) {}, false, true},
		"when an unknown process goes on writing": {func(*os.File) {}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			o, w, err := newOutput()
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			in := make(chan bool)
			var got bytes.Buffer
			go o.deliver(writerFunc(func(p []byte) (int, error) {
				<-in
				if c.more {
					time.Sleep(5 * time.Millisecond) // slow enough that the pipe is never empty
				}
				return got.Write(p)
			}))
			w.WriteString("first ")
			in <- true // the first block; the rest stays in the pipe meanwhile
			w.WriteString(strings.Repeat("x", 500_000))
			if c.more {
				go func() {
					for err := error(nil); err == nil; {
						_, err = w.Write(make([]byte, 64<<10))
					}
				}()
			}
			c.end(w)
			close(in)
			o.finish(time.Unix(1, 0))
			if o.truncated != c.truncated || !strings.HasPrefix(got.String(), "first "+strings.Repeat("x", 500_000)) {
				t.Errorf("truncated: %v, %d bytes", o.truncated, got.Len())
			}
		})
	}
}

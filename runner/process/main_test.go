package process

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// buffer can be read while it is written to.
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

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func environment(mark string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "RUNNER=" + fmt.Sprint(os.Getpid()), "MARK=" + mark}
}

// runShell runs a line of sh.
func runShell(t testing.TB, line string, change ...func(*Command)) (Result, string, error) {
	t.Helper()
	var out buffer
	c := Command{
		Args:   []string{"sh", "-c", line},
		Env:    environment(t.Name()),
		Marker: "MARK=" + t.Name(),
		Output: &out,
		Grace:  5 * time.Second,
	}
	for _, f := range change {
		f(&c)
	}
	result, err := Run(c, nil)
	if t.Failed() {
		t.Logf("%+v %v\n%s", result, err, out.String())
	}
	return result, out.String(), err
}

// runSignalled runs a line of sh, and sends the next of the signals each time the command prints "ready".
func runSignalled(
	t *testing.T,
	line string,
	signals []syscall.Signal,
	change ...func(*Command),
) (Result, string, error) {
	t.Helper()
	c := make(chan os.Signal, 4)
	var out buffer
	command := Command{
		Args:   []string{"sh", "-c", line},
		Env:    environment(t.Name()),
		Marker: "MARK=" + t.Name(),
		Grace:  time.Minute,
		Output: writerFunc(func(p []byte) (int, error) {
			for range bytes.Count(p, []byte("ready")) {
				if len(signals) > 0 {
					c <- signals[0]
					signals = signals[1:]
				}
			}
			return out.Write(p)
		}),
	}
	for _, f := range change {
		f(&command)
	}
	result, err := Run(command, c)
	return result, out.String(), err
}

package process

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// server starts a process that outlives its command, and returns its pid.
func server(t *testing.T, c Command, script string) (int, Result) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pid")
	c.Args = []string{"sh", "-c", strings.ReplaceAll(script, "PID", file)}
	result, err := Run(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return pid, result
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func TestAKeptProcessLivesUntilEndKept(t *testing.T) {
	for name, script := range map[string]string{
		"in the background":  "sleep 60 >/dev/null 2>&1 & echo $! >PID",
		"in its own session": "setsid sleep 60 >/dev/null 2>&1 & sleep 0.2; pgrep -f '^sleep 60$' -n >PID",
		"with a child":       "sh -c 'sleep 60 & wait' >/dev/null 2>&1 & echo $! >PID; sleep 0.2",
		"holding the output": "sleep 60 & echo $! >PID",
		"that ignores TERM":  "trap '' TERM; sleep 60 >/dev/null 2>&1 & echo $! >PID",
	} {
		t.Run(name, func(t *testing.T) {
			marker := "RUN_ID=keep-" + strconv.FormatInt(time.Now().UnixNano(), 36)
			c := Command{
				Env: []string{"PATH=" + os.Getenv("PATH"), marker}, Marker: marker, Grace: time.Second,
				Drain: 100 * time.Millisecond,
			}
			keep := c
			keep.Keep = true
			pid, result := server(t, keep, script)
			defer syscall.Kill(pid, syscall.SIGKILL)
			if !alive(pid) || len(result.Leftovers) > 0 {
				t.Fatalf("after the hook it is gone: %+v", result.Leftovers)
			}
			other, result := server(t, c, "sleep 50 >/dev/null 2>&1 & echo $! >PID")
			if !alive(pid) {
				t.Error("another command ended it")
			}
			if alive(other) || len(result.Leftovers) != 1 {
				t.Errorf("what the other command left is not ended: %+v", result.Leftovers)
			}
			EndKept(marker, 200*time.Millisecond)
			if alive(pid) {
				t.Error("it outlives EndKept")
			}
		})
	}
}

func TestTheOutputOfAKeptProcessIsDelivered(t *testing.T) {
	marker := "RUN_ID=kept-output"
	var output lockedBuffer
	pid, result := server(t, Command{
		Env: []string{"PATH=" + os.Getenv("PATH"), marker}, Marker: marker, Keep: true, Output: &output,
	}, "(sleep 0.3; echo later; sleep 60) & echo $! >PID; echo first")
	defer syscall.Kill(pid, syscall.SIGKILL)
	for end := time.Now().Add(10 * time.Second); !strings.Contains(
		output.String(), "later",
	) && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	if got := output.String(); got != "first\nlater\n" {
		t.Errorf("the output is %q", got)
	}
	EndKept(marker, time.Second)
	select {
	case <-result.OutputOver:
	case <-time.After(10 * time.Second):
		t.Error("the output is not over")
	}
}

// lockedBuffer can be read while it is written to.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

//go:build unix

package lease

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/folder"
)

// leaseHolder makes the test binary a holder of the lock in the store it names: TestLeaseHolder is its main.
const leaseHolder = "ARTIFACTS_TEST_LEASE_HOLDER"

// shortRequest is for tests that take the time it takes.
func shortRequest(owner string) Request {
	c := waiting(requestOf(owner), hang)
	c.TTL, c.Heartbeat, c.Poll = 3*time.Second, 0, 50*time.Millisecond
	return c
}

// TestLeaseHolder does nothing unless it is started by startHolder. It says "held", and what happens next, until its
// input ends.
func TestLeaseHolder(t *testing.T) {
	dir := os.Getenv(leaseHolder)
	if dir == "" {
		return
	}
	s, err := folder.New(dir)
	artifactstest.Must(t, err)
	l := acquire(t, s, shortRequest("child"))
	fmt.Println("held")
	ended := make(chan struct{})
	go func() {
		bufio.NewReader(os.Stdin).ReadString('\n')
		close(ended)
	}()
	select {
	case <-l.Context().Done():
		var lost *LostError
		if errors.As(context.Cause(l.Context()), &lost) {
			fmt.Println("lost")
		}
	case <-ended:
		fmt.Println("kept")
	}
	if err := l.Release(context.WithoutCancel(t.Context())); err != nil {
		fmt.Println("released lost")
		return
	}
	fmt.Println("released")
}

// holder is another process.
type holder struct {
	*exec.Cmd
	says  *bufio.Reader
	close func() error // of its input
}

func startHolder(t *testing.T, dir string) holder {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestLeaseHolder$")
	cmd.Env = append(os.Environ(), leaseHolder+"="+dir)
	out, err := cmd.StdoutPipe()
	artifactstest.Must(t, err)
	in, err := cmd.StdinPipe()
	artifactstest.Must(t, err)
	artifactstest.Must(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return holder{cmd, bufio.NewReader(out), in.Close}
}

func TestLockOfAKilledProcessIsTakenOver(t *testing.T) {
	t.Parallel() // it hardly does anything but wait
	s, dir := newStore(t)
	h := startHolder(t, dir)
	artifactstest.Expect(t, h.says, "held\n")
	_, tag, err := s.Load(t.Context(), lockName)
	artifactstest.Must(t, err)
	if _, err := Acquire(t.Context(), s, requestOf("b")); err == nil {
		t.Fatal("there are two holders")
	}
	for { // until a heartbeat has come
		_, now, err := s.Load(t.Context(), lockName)
		artifactstest.Must(t, err)
		if now != tag {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	before := loadRecord(t, s)
	artifactstest.Must(t, h.Process.Kill())
	h.Wait()
	l := acquire(t, s, shortRequest("b"))
	if l.Fence() != before.Fence+1 {
		t.Errorf("fence %d follows %d", l.Fence(), before.Fence)
	}
	release(t, l)
}

func TestSuspendedProcessLosesItsLock(t *testing.T) {
	t.Parallel() // it hardly does anything but wait
	s, dir := newStore(t)
	h := startHolder(t, dir)
	artifactstest.Expect(t, h.says, "held\n")
	artifactstest.Must(t, h.Process.Signal(syscall.SIGSTOP))
	l := acquire(t, s, shortRequest("b"))
	artifactstest.Must(t, h.Process.Signal(syscall.SIGCONT))
	artifactstest.Expect(t, h.says, "lost\n")
	artifactstest.Expect(t, h.says, "released lost\n")
	if r := loadRecord(t, s); !r.heldBy(l.id) {
		t.Errorf("it is not ours any more: %+v", r)
	}
	release(t, l)
	next := startHolder(t, dir)
	artifactstest.Expect(t, next.says, "held\n")
	artifactstest.Must(t, next.close())
	artifactstest.Expect(t, next.says, "kept\n")
	artifactstest.Expect(t, next.says, "released\n")
}

func loadRecord(t *testing.T, s Store) lockRecord {
	t.Helper()
	r, _, err := slot{s, lockName}.load(t.Context(), hang)
	artifactstest.Must(t, err)
	return r
}

// rival makes the test binary one of several processes that compete: TestLeaseRival is its main.
const rival = "ARTIFACTS_TEST_LEASE_RIVAL"

// TestLeaseRival does nothing unless it is started by TestRivalProcesses. While it has the lock, there is a file with
// its process id: it must not meet that of another process that lives.
func TestLeaseRival(t *testing.T) {
	dir := os.Getenv(rival)
	if dir == "" {
		return
	}
	s, err := folder.New(dir)
	artifactstest.Must(t, err)
	witness := filepath.Join(filepath.Dir(dir), "witness")
	for range 10 {
		l := acquire(t, s, shortRequest("rival"))
		if other, err := os.ReadFile(witness); err == nil {
			var pid int
			fmt.Sscan(string(other), &pid)
			if syscall.Kill(pid, 0) == nil {
				fmt.Printf("there are two: %s is there, too\n", other)
				os.Exit(1)
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			artifactstest.Must(t, err)
		}
		artifactstest.Must(t, os.WriteFile(witness, fmt.Append(nil, os.Getpid()), 0o644))
		fmt.Println("turn", l.Fence())
		sleep(l.Context(), rand.N(20*time.Millisecond))
		artifactstest.Must(t, os.Remove(witness))
		if err := l.Release(t.Context()); err != nil {
			fmt.Println(err)
		}
	}
}

func TestRivalProcesses(t *testing.T) {
	t.Parallel() // it hardly does anything but wait
	_, dir := newStore(t)
	var mu sync.Mutex
	fences := map[string]bool{}
	turn := func(fence string) {
		mu.Lock()
		defer mu.Unlock()
		if fences[fence] {
			t.Errorf("two turns have the fence %s", fence)
		}
		fences[fence] = true
	}
	var wg sync.WaitGroup
	for _, lives := range [][]int{{2, 3, 0}, {0}, {0}} { // in which turn the process is killed; 0 is never
		wg.Go(func() {
			for _, last := range lives {
				if err := runRival(dir, last, turn); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if len(fences) < 30 {
		t.Errorf("there were %d turns", len(fences))
	}
}

// runRival tells of each turn, and kills the process in the last one.
func runRival(dir string, last int, turn func(fence string)) error {
	cmd := exec.Command(os.Args[0], "-test.run=^TestLeaseRival$")
	cmd.Env = append(os.Environ(), rival+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var said []string
	turns := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if fence, ok := strings.CutPrefix(lines.Text(), "turn "); ok {
			turn(fence)
			if turns++; turns == last {
				cmd.Process.Kill()
			}
		} else {
			said = append(said, lines.Text())
		}
	}
	if err := cmd.Wait(); last == 0 && err != nil {
		return fmt.Errorf("%w: %q", err, said)
	}
	return nil
}

// TestFiftyWaiters is in a bubble, so that it does not take the time that polling every few seconds takes.
func TestFiftyWaiters(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		testTurns(t, func() Store {
			s, err := folder.New(dir)
			artifactstest.Must(t, err)
			t.Cleanup(func() { s.Close() })
			return s
		}, 50, waiting(requestOf(""), time.Hour))
		within(t, "50 turns", time.Since(began), 0, 5*time.Minute)
		t.Logf("50 turns took %v", time.Since(began))
	})
}

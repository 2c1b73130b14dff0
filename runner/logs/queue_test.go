package logs

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pausable is a reader of the log that takes nothing while it is paused.
type pausable struct {
	gate  chan struct{} // full while paused, or while it reads
	got   bytes.Buffer
	delay time.Duration // of each write
}

func newPausable(delay time.Duration) *pausable {
	return &pausable{gate: make(chan struct{}, 1), delay: delay}
}

func (p *pausable) pause()  { p.gate <- struct{}{} }
func (p *pausable) resume() { <-p.gate }

func (p *pausable) Write(b []byte) (int, error) {
	time.Sleep(p.delay)
	p.pause()
	defer p.resume()
	return p.got.Write(b)
}

// lockedBuffer is a file that can be looked at while others write to it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestAStalledReaderHoldsUpNothingButTheWritesToIt(t *testing.T) {
	for _, format := range []Format{JSON, Text} {
		synctest.Test(t, func(t *testing.T) {
			var file lockedBuffer
			reader := newPausable(0)
			reader.pause()
			s := New(reader, Options{Format: format, File: &file})
			c := s.Command()
			var callers sync.WaitGroup
			for _, call := range []func(){
				func() { feed(t, c, "of the command\n") },
				func() { slog.New(s.Handler()).Info("of the runner") },
				func() { _ = s.Raw([]byte(`{"_aws":{}}`)) },
			} {
				callers.Go(call)
				synctest.Wait() // it is stuck
			}
			for _, want := range []string{"of the command", "of the runner", "_aws"} {
				if !strings.Contains(file.String(), want) {
					t.Errorf("%v: the file misses %q", format, want)
				}
			}
			reader.resume()
			callers.Wait()
			if err := s.Flush(); err != nil || s.Dropped() != 0 {
				t.Errorf("%v: %v, %d lines were dropped", format, err, s.Dropped())
			}
			if n := strings.Count(reader.got.String(), "of the"); n != 2 {
				t.Errorf("%v: the reader got\n%s", format, &reader.got)
			}
		})
	}
}

func TestAStoppingRunDoesNotWaitForAStalledReader(t *testing.T) {
	for name, c := range map[string]struct{ until, want time.Duration }{
		"a second at most":      {time.Minute, stalled},
		"not past its deadline": {300 * time.Millisecond, 300 * time.Millisecond},
		"not at all if late":    {-time.Second, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			var file lockedBuffer
			reader := newPausable(0)
			reader.pause()
			s := New(reader, Options{Format: Text, Live: true, File: &file})
			command := s.Command()
			written := make(chan time.Time)
			go func() {
				feed(t, command, "stuck\n")
				written <- time.Now()
			}()
			synctest.Wait()
			time.Sleep(time.Hour) // a slow reader slows the command down
			select {
			case <-written:
				t.Fatalf("%s: the command was not held up", name)
			default:
			}
			begun := time.Now()
			s.Stopping(begun.Add(c.until))
			if took := (<-written).Sub(begun); took != c.want {
				t.Errorf("%s: the command was held up for %v", name, took)
			}

			begun = time.Now()
			feed(t, command, "after\n", "unfinished")
			slog.New(s.Handler()).Info("record")
			_ = s.Raw([]byte("{}"))
			s.Print("summary")
			s.Status("working")
			_ = command.Close()
			_ = s.Flush()
			if took := time.Since(begun); took != 0 {
				t.Errorf("%s: what came later took %v", name, took)
			}
			for _, want := range []string{"stuck", "after", "unfinished", "record", "{}"} {
				if !strings.Contains(file.String(), want) {
					t.Errorf("%s: the file misses %q", name, want)
				}
			}
			if got := s.Dropped(); got != 5 { // stuck, after, unfinished, record, summary
				t.Errorf("%s: %d lines are missing", name, got)
			}
			reader.resume()
			synctest.Wait()
			if s.Dropped() != 0 || !strings.HasSuffix(reader.got.String(), "summary\nunfinished\n") {
				t.Errorf("%s: a reader that goes on misses %d lines:\n%q", name, s.Dropped(), &reader.got)
			}
		})
	}
}

func TestAStoppingRunWaitsForASlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := newPausable(stalled * 9 / 10)
		s := New(reader, Options{Format: Text})
		s.Stopping(time.Now().Add(time.Hour))
		begun := time.Now()
		feed(t, s.Command(), strings.Repeat("a line of the log\n", 10*pieceSize/18))
		if took := time.Since(begun); took < 9*time.Second || s.Dropped() != 0 {
			t.Errorf("%v, %d lines are missing", took, s.Dropped())
		}
		s.Stopping(time.Now().Add(2 * time.Second))
		begun = time.Now()
		feed(t, s.Command(), strings.Repeat("a line of the log\n", 10*pieceSize/18))
		if took := time.Since(begun); took != 2*time.Second || s.Dropped() == 0 {
			t.Errorf("%v, %d lines are missing", took, s.Dropped())
		}
		synctest.Wait()
		time.Sleep(time.Hour)
	})
}

func TestAnEndingRunWaitsForAStalledReaderInFlushOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := newPausable(0)
		s := New(reader, Options{Format: Text})
		reader.pause()
		s.Ending()
		begun := time.Now()
		log := slog.New(s.Handler())
		for i := range 5 {
			log.Info("record", "i", i)
		}
		s.Print("summary")
		if took := time.Since(begun); took != stalled || s.Dropped() != 0 {
			t.Errorf("records took %v, %d lines are missing", took, s.Dropped())
		}
		time.AfterFunc(patience/2, reader.resume)
		_ = s.Flush()
		if took := time.Since(begun); took != stalled+patience/2 || s.Dropped() != 0 {
			t.Errorf("all took %v, %d lines are missing", took, s.Dropped())
		}
		var order []string
		for l := range strings.Lines(reader.got.String()) {
			order = append(order, strings.TrimSpace(l[len(l)-2:]))
		}
		if got := fmt.Sprint(order); got != "[0 1 2 3 4 y]" {
			t.Errorf("the order is %s", got)
		}
		reader.pause()
		log.Info("record")
		time.AfterFunc(2*stalled, func() { s.Stopping(time.Now().Add(time.Minute)) })
		begun = time.Now()
		_ = s.Flush()
		if took := time.Since(begun); took != 2*stalled || s.Dropped() != 1 {
			t.Errorf("a run that has to stop flushed for %v, %d lines are missing", took, s.Dropped())
		}
		reader.resume()
	})
}

func TestAReaderThatTakesNothingIsAbandonedWhileNoCommandRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var file lockedBuffer
		reader := newPausable(0)
		reader.pause()
		s := New(reader, Options{Format: Text, File: &file})
		command := s.Command()
		var running sync.WaitGroup
		running.Go(func() { feed(t, command, "of a command that has ended\n") })
		time.Sleep(time.Hour) // of the command
		begun := time.Now()
		s.Idle()
		running.Wait()
		if took := time.Since(begun); took != patience {
			t.Errorf("the end of its output took %v", took)
		}
		s.Running() // which does not bring the reader back
		feed(t, command, "of another command\n")
		s.Idle()
		slog.New(s.Handler()).Info("of the runner")
		s.Ending()
		_ = s.Flush()
		if took := time.Since(begun); took != patience {
			t.Errorf("all took %v", took)
		}
		if s.Dropped() != 3 || strings.Count(file.String(), "\n") != 3 {
			t.Errorf("%d lines are missing, the file has\n%s", s.Dropped(), &file)
		}
		reader.resume()
		synctest.Wait()
		if s.Dropped() != 0 || strings.Count(reader.got.String(), "\n") != 3 {
			t.Errorf("a reader that goes on misses %d lines:\n%q", s.Dropped(), &reader.got)
		}
	})
}

func TestAReaderThatComesBackSlowsTheCommandDownAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := newPausable(0)
		reader.pause()
		s := New(reader, Options{Format: Text})
		s.Idle()
		log := slog.New(s.Handler())
		log.Info("abandoned")
		reader.resume()
		synctest.Wait()
		s.Running()
		reader.pause()
		time.AfterFunc(time.Hour, reader.resume)
		begun := time.Now()
		feed(t, s.Command(), "held up\n")
		if took := time.Since(begun); took != time.Hour || s.Dropped() != 0 {
			t.Errorf("%v, %d lines are missing", took, s.Dropped())
		}
	})
}

func TestASlowReaderGetsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := newPausable(patience * 9 / 10)
		s := New(reader, Options{Format: Text})
		s.Idle()
		command := s.Command()
		for range 3 {
			feed(t, command, strings.Repeat("a line of the log\n", 10*pieceSize/18))
			time.Sleep(2 * patience) // what comes after a pause is waited for as well
		}
		if err := s.Flush(); err != nil || s.Dropped() != 0 {
			t.Errorf("%v, %d lines are missing", err, s.Dropped())
		}
		if n := strings.Count(reader.got.String(), "\n"); n != 3*(10*pieceSize/18) {
			t.Errorf("the reader has %d lines", n)
		}
	})
}

func TestTheBoundOfWaitsIsNotWidened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := newPausable(0)
		reader.pause()
		s := New(reader, Options{})
		s.Stopping(time.Now().Add(time.Hour))
		s.Ending()
		s.Idle()
		s.Running()
		begun := time.Now()
		slog.New(s.Handler()).Info("record")
		_ = s.Flush()
		if took := time.Since(begun); took != stalled {
			t.Errorf("%v", took)
		}
		reader.resume()
	})
}

func TestWhatExceedsTheQueueIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var file lockedBuffer
		reader := newPausable(0)
		reader.pause()
		s := New(reader, Options{File: &file})
		s.Stopping(time.Now())
		c := s.Command()
		const lines = 50_000
		for i := range lines {
			feed(t, c, fmt.Sprintf("line %d\n", i))
		}
		slog.New(s.Handler()).Error("the end")
		if got := s.Dropped(); got != lines+1 {
			t.Errorf("%d lines are missing of a reader that has none", got)
		}
		if s.queue.size > maxQueued {
			t.Errorf("%d bytes are queued", s.queue.size)
		}
		if n := strings.Count(file.String(), "\n"); n != lines+1 {
			t.Errorf("the file has %d lines", n)
		}
		reader.resume()
		synctest.Wait()
		got := strings.Split(strings.TrimSuffix(reader.got.String(), "\n"), "\n")
		if len(got)+s.Dropped() != lines+1 {
			t.Errorf("the reader has %d lines, %d are missing", len(got), s.Dropped())
		}
		if !strings.Contains(got[len(got)-1], "the end") {
			t.Errorf("lines of the command leave no room for the runner's last: %s", got[len(got)-1])
		}
	})
}

func TestDroppedCountsWhatABrokenReaderMisses(t *testing.T) {
	s := New(&failing{room: 100, err: io.ErrClosedPipe}, Options{Format: Text})
	c := s.Command()
	for range 30 {
		feed(t, c, "123456789\n")
	}
	if got := s.Dropped(); got != 20 {
		t.Errorf("%d lines are missing", got)
	}
}

func TestMemoryOfAStalledReaderIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := newPausable(0)
		reader.pause()
		s := New(reader, Options{})
		done := make(chan struct{})
		go func() {
			feed(t, s.Command(), strings.Repeat("\n", 1<<17)) // in JSON that is a hundred times as much
			close(done)
		}()
		synctest.Wait()
		if s.queue.size > 3*bufferSize {
			t.Errorf("%d bytes are queued", s.queue.size)
		}
		reader.resume()
		<-done
		if n := len(jsonLines(t, reader.got.Bytes())); n != 1<<17 {
			t.Errorf("%d lines", n)
		}
	})
}

// Whatever lines look like, their order and number are the same by every way to the reader.
func TestQueueKeepsTheOrder(t *testing.T) {
	for seed := range uint64(6) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			reader := newPausable(0)
			s := New(reader, Options{})
			c := s.Command()
			n := 0
			for range 100 {
				switch rnd.IntN(4) {
				case 0:
					reader.pause()
					var all sync.WaitGroup
					all.Go(func() { feed(t, c, fmt.Sprintf("line %d\n", n)) })
					synctest.Wait()
					reader.resume()
					all.Wait()
				case 1:
					feed(t, c, strings.Repeat("x\n", rnd.IntN(500)), "y")
					feed(t, c, "\n")
				default:
					slog.New(s.Handler()).Info("record")
				}
				n++
			}
			jsonLines(t, reader.got.Bytes()) // looks at seq
		})
	}
}

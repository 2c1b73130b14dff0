package lease

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts/artifactstest"
)

// lossOf waits for the loss of a lease.
func lossOf(t testing.TB, l *Lease) *LostError {
	t.Helper()
	select {
	case <-l.Context().Done():
	case <-time.After(time.Hour):
		t.Fatal("the lease is not lost")
	}
	var lost *LostError
	if !errors.As(context.Cause(l.Context()), &lost) || lost.Fence != l.Fence() || lost.Key != lockName ||
		lost.Hint() == "" {
		t.Fatalf("the cause is %v", context.Cause(l.Context()))
	}
	return lost
}

func TestLeasesAreKept(t *testing.T) {
	bubble(t, "by a heartbeat every 15 seconds", func(t *testing.T, s *unreliable) {
		l := acquire(t, s, requestOf("a"))
		time.Sleep(61 * time.Second)
		if r := s.record(lockName); r.Writes != 5 || r.Expires.Sub(r.Acquired) != 2*time.Minute ||
			r.Fence != l.Fence() {
			t.Errorf("%+v", r)
		}
		release(t, l)
		time.Sleep(time.Hour)
		if r := s.record(lockName); r.Writes != 6 || r.Released.Sub(r.Acquired) != 61*time.Second {
			t.Errorf("%+v", r)
		}
	})
	for name, f := range map[string]fate{
		"an outage":             {err: errTransient, drop: true},
		"lost answers":          {err: errTransient},
		"denied access":         {err: errForbidden, drop: true},
		"conflicts about which": {err: fs.ErrExist, drop: true},
		"a store that hangs":    {lag: time.Hour},
	} {
		bubble(t, "through "+name+" that ends before the margin", func(t *testing.T, s *unreliable) {
			l := acquire(t, s, requestOf("a"))
			end := time.Now().Add(37 * time.Second)
			s.meets(func(string) fate {
				if time.Now().Before(end) {
					return f
				}
				return fate{}
			})
			time.Sleep(10 * time.Minute)
			artifactstest.Must(t, l.Context().Err())
			release(t, l)
		})
	}
	bubble(t, "while what runs under them stops, though their context has ended", func(t *testing.T, s *unreliable) {
		ctx, cancel := context.WithCancelCause(t.Context())
		l, err := Acquire(ctx, s, requestOf("a"))
		artifactstest.Must(t, err)
		cause := errors.New("the run was cancelled")
		cancel(cause)
		<-l.Context().Done()
		if got := context.Cause(l.Context()); got != cause {
			t.Errorf("the cause is %v", got)
		}
		if _, err := Acquire(t.Context(), s, waiting(requestOf("b"), 10*time.Minute)); err == nil {
			t.Error("it was taken over")
		}
		release(t, l)
		release(t, acquire(t, s, requestOf("b")))
	})
	bubble(t, "whatever times are asked for", func(t *testing.T, s *unreliable) {
		c := requestOf("a")
		c.TTL, c.Heartbeat, c.Poll = 1, time.Hour, -1
		l := acquire(t, s, c)
		time.Sleep(10 * time.Second)
		artifactstest.Must(t, l.Context().Err())
		if ttl := s.record(lockName).ttl(); ttl != minTTL {
			t.Errorf("the TTL is %v", ttl)
		}
		release(t, l)
		c = Request{Key: lockName}.withDefaults()
		if c.TTL != time.Minute || c.Heartbeat != 15*time.Second || c.Poll != time.Second {
			t.Errorf("the defaults are %+v", c)
		}
	})
}

func TestLeasesAreLost(t *testing.T) {
	for name, f := range map[string]fate{
		"the store is away":               {err: errTransient, drop: true},
		"the store does not let us":       {err: errForbidden, drop: true},
		"no answer ever comes":            {lag: time.Hour},
		"the store hangs and cannot stop": {lag: 10 * time.Hour, stuck: true},
		"every answer is too late":        {slow: time.Hour},
	} {
		bubble(t, "when "+name+", before anybody can take them over", func(t *testing.T, s *unreliable) {
			l := acquire(t, s, requestOf("a"))
			time.Sleep(20 * time.Second)
			sent := lastSent(l)
			s.meets(func(string) fate { return f })
			lost := lossOf(t, l)
			within(t, "losing", time.Since(sent), 45*time.Second, 45*time.Second)
			if lost.By != nil || !strings.Contains(lost.Error(), "not renewed since 2000-01-01 00:00:15 UTC") {
				t.Errorf("%v", lost)
			}
			if f.err != nil && !errors.Is(lost, f.err) {
				t.Errorf("%v does not say %v", lost, f.err)
			}
			s.meets(func(string) fate { return fate{} })
			if f.stuck {
				time.Sleep(10 * time.Hour)
			}
			if err := l.Release(t.Context()); !errors.Is(err, lost) {
				t.Errorf("release: %v", err)
			}
			// What was lost, and ours still, was given back all the same.
			release(t, acquire(t, s, requestOf("b")))
		})
	}
	bubble(t, "when no write is ever confirmed, though every one happens", func(t *testing.T, s *unreliable) {
		l := acquire(t, s, requestOf("a"))
		s.meets(func(op string) fate {
			if op == "swap" {
				return fate{err: errTransient}
			}
			return fate{}
		})
		began := time.Now()
		lossOf(t, l)
		within(t, "losing", time.Since(began), 45*time.Second, 45*time.Second)
		s.meets(func(string) fate { return fate{} })
		_ = l.Release(t.Context())
	})
	bubble(
		t,
		"counting from when the last write was sent, not from when it was answered",
		func(t *testing.T, s *unreliable) {
			slowly := func(lag time.Duration) {
				s.meets(func(op string) fate {
					if op == "swap" {
						s.next = func(string) fate { return fate{err: errTransient, drop: true} }
						return fate{lag: lag}
					}
					return fate{}
				})
			}
			slowly(10 * time.Second)
			began := time.Now()
			l := acquire(t, s, requestOf("a"))
			lossOf(t, l)
			within(t, "losing", time.Since(began), 45*time.Second, 45*time.Second)
			s.meets(func(string) fate { return fate{} })
			_ = l.Release(t.Context())

			l = acquire(t, s, requestOf("a"))
			began = time.Now()
			slowly(4 * time.Second)
			lossOf(t, l)
			within(t, "losing", time.Since(began), time.Minute, time.Minute)
			s.meets(func(string) fate { return fate{} })
			_ = l.Release(t.Context())
		},
	)
	bubble(t, "but not by an alarm that a heartbeat has forestalled", func(t *testing.T, s *unreliable) {
		l := acquire(t, s, requestOf("a"))
		l.expire()
		artifactstest.Must(t, l.Context().Err())
		release(t, l)
	})
	bubble(t, "when another owner has taken them over, which keeps the lock", func(t *testing.T, s *unreliable) {
		l := acquire(t, s, requestOf("a"))
		theirs := s.record(lockName).taken("other", requestOf("b").withDefaults())
		body, err := theirs.encode()
		artifactstest.Must(t, err)
		s.set(lockName, string(body))
		began := time.Now()
		lost := lossOf(t, l)
		within(t, "finding out", time.Since(began), 0, 15*time.Second)
		if lost.By == nil || lost.By.Name != "b" || !strings.Contains(lost.Error(), `taken over by "b"`) {
			t.Errorf("%v", lost)
		}
		for range 2 {
			if err := l.Release(t.Context()); !errors.Is(err, lost) {
				t.Errorf("release: %v", err)
			}
		}
		if s.objects[lockName] != string(body) {
			t.Errorf("it is now %s", s.objects[lockName])
		}
	})
	for name, content := range map[string]string{"is deleted": "", "is replaced by something else": "{}"} {
		bubble(t, "when their record "+name, func(t *testing.T, s *unreliable) {
			l := acquire(t, s, requestOf("a"))
			s.set(lockName, content)
			lost := lossOf(t, l)
			if lost.By != nil || lost.Err == nil {
				t.Errorf("%v", lost)
			}
			if err := l.Release(t.Context()); !errors.Is(err, lost) {
				t.Errorf("release: %v", err)
			}
			if s.objects[lockName] != content {
				t.Errorf("it is now %s", s.objects[lockName])
			}
		})
		bubble(t, "and Release says so when their record "+name, func(t *testing.T, s *unreliable) {
			l := acquire(t, s, requestOf("a"))
			s.set(lockName, content)
			var lost *LostError
			if err := l.Release(t.Context()); !errors.As(err, &lost) {
				t.Errorf("release: %v", err)
			}
		})
	}
	bubble(t, "while the machine sleeps, which it notices when it wakes", func(t *testing.T, s *unreliable) {
		var slept atomic.Int64 // what the wall clock has gone on by, while the other one stood still
		c := requestOf("a")
		c.wall = func() time.Time { return time.Now().Add(time.Duration(slept.Load())) }
		l := acquire(t, s, c)
		time.Sleep(2 * time.Second)
		theirs := s.record(lockName).taken("other", requestOf("b").withDefaults())
		body, err := theirs.encode()
		artifactstest.Must(t, err)
		s.set(lockName, string(body))
		slept.Store(int64(time.Hour))
		woke := time.Now()
		lossOf(t, l)
		within(t, "noticing", time.Since(woke), 0, 2*time.Second)
		_ = l.Release(t.Context())
	})
}

func TestRelease(t *testing.T) {
	bubble(t, "ends the context, and what comes after does nothing", func(t *testing.T, s *unreliable) {
		l := acquire(t, s, requestOf("a"))
		release(t, l)
		if err := context.Cause(l.Context()); !errors.Is(err, context.Canceled) {
			t.Errorf("the cause is %v", err)
		}
		next := acquire(t, s, requestOf("b"))
		release(t, l)
		time.Sleep(time.Hour)
		artifactstest.Must(t, next.Context().Err())
		release(t, next)
		if next.Fence() != l.Fence()+1 {
			t.Errorf("%d follows %d", next.Fence(), l.Fence())
		}
	})
	bubble(t, "can be tried again", func(t *testing.T, s *unreliable) {
		l := acquire(t, s, requestOf("a"))
		s.meetsNext("swap", slices.Repeat([]fate{{err: errTransient, drop: true}}, quickAttempts)...)
		if err := l.Release(t.Context()); !errors.Is(err, errTransient) {
			t.Errorf("release: %v", err)
		}
		release(t, l)
		release(t, acquire(t, s, requestOf("b")))
	})
	bubble(t, "while a heartbeat is on its way", func(t *testing.T, s *unreliable) {
		for _, f := range []fate{{lag: 5 * time.Second}, {slow: 5 * time.Second}, {lag: 5 * time.Second, stuck: true}} {
			l := acquire(t, s, requestOf("a"))
			s.meetsNext("swap", f)
			time.Sleep(17 * time.Second)
			release(t, l)
			time.Sleep(time.Minute)
			release(t, acquire(t, s, requestOf("b")))
		}
	})
	bubble(t, "heeds its context", func(t *testing.T, s *unreliable) {
		l := acquire(t, s, requestOf("a"))
		s.meets(func(string) fate { return fate{lag: time.Hour} })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := l.Release(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("release: %v", err)
		}
		within(t, "giving up", time.Since(began), time.Second, time.Second)
		s.meets(func(string) fate { return fate{} })
		release(t, l)
	})
}

package lease

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

const lockName = "locks/production/deploy-web.json"

// requestOf is a request with the defaults written out, as the tests count with them.
func requestOf(owner string) Request {
	return Request{
		Key: lockName, TTL: time.Minute, Heartbeat: 15 * time.Second, Poll: time.Second,
		Owner: Owner{
			Name:    owner,
			RunID:   "run-" + owner,
			Step:    "deploy",
			SHA:     artifactstest.SHA1,
			Branch:  "main",
			Purpose: "deploy of stack web",
		},
	}
}

func waiting(c Request, limit time.Duration) Request {
	c.Wait = limit
	return c
}

func acquire(t testing.TB, s Store, c Request) *Lease {
	t.Helper()
	l, err := Acquire(t.Context(), s, c)
	artifactstest.Must(t, err)
	return l
}

func release(t testing.TB, l *Lease) {
	t.Helper()
	artifactstest.Must(t, l.Release(context.WithoutCancel(t.Context())))
}

// die is what kill -9 does to a holder.
func die(l *Lease) {
	l.stop()
	<-l.stopped
	l.expiry.Stop()
}

func lastSent(l *Lease) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent
}

// within checks a duration of the bubble's clock, which is exact.
func within(t testing.TB, what string, got, least, most time.Duration) {
	t.Helper()
	if got < least || got > most {
		t.Errorf("%s took %v, want %v to %v", what, got, least, most)
	}
}

// bubble runs a test with a store and a clock of its own.
func bubble(t *testing.T, name string, test func(t *testing.T, s *unreliable)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, newUnreliable(t)) })
	})
}

func TestAcquire(t *testing.T) {
	bubble(t, "a lock that was never held is taken, and its record says by whom", func(t *testing.T, s *unreliable) {
		began := time.Now().UTC()
		l := acquire(t, s, requestOf("a"))
		defer release(t, l)
		var got map[string]any
		artifactstest.Must(t, json.Unmarshal([]byte(s.objects[lockName]), &got))
		for name, want := range map[string]any{
			"version": 1.0, "owner": "a", "run_id": "run-a", "step": "deploy", "sha": artifactstest.SHA1, "branch": "main", "purpose": "deploy of stack web",
			"acquired": began.Format(time.RFC3339), "renewed": began.Format(time.RFC3339),
			"expires": began.Add(time.Minute).Format(time.RFC3339), "fence": float64(l.Fence()), "id": l.id, "writes": 1.0,
		} {
			if got[name] != want {
				t.Errorf("%s is %v, want %v", name, got[name], want)
			}
			delete(got, name)
		}
		if len(got) > 0 {
			t.Errorf("there is also %v", got)
		}
	})
	bubble(t, "a lock that is held is refused at once to who does not wait", func(t *testing.T, s *unreliable) {
		l := acquire(t, s, requestOf("a"))
		defer release(t, l)
		c := requestOf("b")
		c.OnWait = func(Holder) { t.Error("it waits") }
		began := time.Now()
		_, err := Acquire(t.Context(), s, c)
		var held *HeldError
		if !errors.As(err, &held) || held.Holder.Name != "a" || held.Holder.Fence != l.Fence() {
			t.Fatalf("the error is %v", err)
		}
		within(t, "refusing", time.Since(began), 0, 0)
		for _, part := range []string{lockName, `"a"`, "run run-a", "step deploy", artifactstest.SHA1, `"main"`, "since 2000-01-01 00:00:00 UTC", "until 2000-01-01 00:01:00 UTC"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q does not say %s", err, part)
			}
		}
		if !strings.Contains(held.Hint(), "1m15s") {
			t.Errorf("the hint is %q", held.Hint())
		}
	})
	bubble(
		t,
		"a wait ends at its limit, and tells every half minute who is waited for",
		func(t *testing.T, s *unreliable) {
			l := acquire(t, s, requestOf("a"))
			defer release(t, l)
			var notified []time.Duration
			began := time.Now()
			c := waiting(requestOf("b"), 2*time.Minute)
			c.OnWait = func(h Holder) {
				notified = append(notified, time.Since(began))
				if h.Name != "a" || !h.Expires.After(time.Now()) {
					t.Errorf("notified of %+v", h)
				}
			}
			_, err := Acquire(t.Context(), s, c)
			var held *HeldError
			if !errors.As(err, &held) || held.Waited != 2*time.Minute || !strings.Contains(err.Error(), "waited 2m0s") {
				t.Errorf("the error is %v", err)
			}
			within(t, "waiting", time.Since(began), 2*time.Minute, 2*time.Minute)
			if len(notified) != 4 || notified[0] != 0 || notified[1] < remindEvery || notified[3] > 2*time.Minute {
				t.Errorf("notified after %v", notified)
			}
		},
	)
	bubble(t, "a lock that is given back goes to who waits, and the fence grows", func(t *testing.T, s *unreliable) {
		var fences []int64
		var notified []string
		for _, owner := range []string{"a", "b", "c"} {
			c := waiting(requestOf(owner), time.Hour)
			c.OnWait = func(h Holder) { notified = append(notified, owner+" waits for "+h.Name) }
			l := acquire(t, s, c)
			fences = append(fences, l.Fence())
			time.AfterFunc(3*time.Minute, func() { release(t, l) })
		}
		within(
			t,
			"two turns",
			time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)),
			6*time.Minute,
			6*time.Minute+13*time.Second,
		)
		if fences[1] != fences[0]+1 || fences[2] != fences[0]+2 {
			t.Errorf("the fences are %v", fences)
		}
		if len(notified) != 12 || notified[0] != "b waits for a" || notified[6] != "c waits for b" {
			t.Errorf("notified: %q", notified)
		}
		time.Sleep(4 * time.Minute)
	})
	bubble(t, "a new holder is reported at once", func(t *testing.T, s *unreliable) {
		l := acquire(t, s, requestOf("a"))
		time.AfterFunc(10*time.Second, func() {
			s.set(lockName, "")
			l2 := acquire(t, s, requestOf("b"))
			time.AfterFunc(20*time.Second, func() { release(t, l2) })
		})
		var notified []string
		c := waiting(requestOf("c"), time.Hour)
		c.OnWait = func(h Holder) { notified = append(notified, h.Name) }
		release(t, acquire(t, s, c))
		if !slices.Equal(notified, []string{"a", "b"}) {
			t.Errorf("notified of %q", notified)
		}
		if err := l.Release(t.Context()); err == nil {
			t.Error("a has lost it without noticing")
		}
	})
	bubble(t, "the fence grows even if the record was deleted", func(t *testing.T, s *unreliable) {
		l := acquire(t, s, requestOf("a"))
		release(t, l)
		time.Sleep(time.Second)
		s.set(lockName, "")
		next := acquire(t, s, requestOf("b"))
		defer release(t, next)
		if next.Fence() <= l.Fence() {
			t.Errorf("%d follows %d", next.Fence(), l.Fence())
		}
	})
	bubble(t, "a context that ends ends the wait", func(t *testing.T, s *unreliable) {
		defer release(t, acquire(t, s, requestOf("a")))
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(1234*time.Millisecond, func() { cancel(errors.New("the run was cancelled")) })
		began := time.Now()
		_, err := Acquire(ctx, s, waiting(requestOf("b"), time.Hour))
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "the run was cancelled") {
			t.Errorf("the error is %v", err)
		}
		within(t, "stopping", time.Since(began), 1234*time.Millisecond, 1234*time.Millisecond)
	})
	bubble(t, "a bad key", func(t *testing.T, s *unreliable) {
		c := requestOf("a")
		c.Key = "../x"
		var bad *artifacts.KeyError
		if _, err := Acquire(t.Context(), s, c); !errors.As(err, &bad) {
			t.Errorf("the error is %v", err)
		}
	})
	bubble(t, "names that are too long or no text do no harm", func(t *testing.T, s *unreliable) {
		c := requestOf(strings.Repeat("ü", 4000))
		c.Purpose = "a\xffb"
		release(t, acquire(t, s, c))
		if r := s.record(lockName); len(r.Name) != keys.MaxKey || r.Purpose != "ab" {
			t.Errorf("%d bytes of owner, purpose %q", len(r.Name), r.Purpose)
		}
	})
}

func TestTakeover(t *testing.T) {
	const stale = 75 * time.Second
	killed := func(t *testing.T, s *unreliable) time.Time {
		l := acquire(t, s, requestOf("a"))
		time.Sleep(40 * time.Second) // two heartbeats
		die(l)
		return s.record(lockName).Renewed
	}
	bubble(t, "a killed holder is waited for until its lock is surely expired", func(t *testing.T, s *unreliable) {
		killed(t, s)
		began := time.Now()
		l := acquire(t, s, waiting(requestOf("b"), time.Hour))
		defer release(t, l)
		within(t, "taking over", time.Since(began), stale, stale+2*time.Millisecond)
	})
	bubble(t, "who was waiting before counts from the last heartbeat", func(t *testing.T, s *unreliable) {
		l := acquire(t, s, requestOf("a"))
		time.AfterFunc(10*time.Minute, func() { die(l) })
		next := acquire(t, s, waiting(requestOf("b"), time.Hour))
		defer release(t, next)
		within(t, "taking over", time.Since(lastSent(l)), stale, stale+7500*time.Millisecond)
	})
	bubble(
		t,
		"a holder that lives keeps its lock, whatever TTL the waiter has in mind",
		func(t *testing.T, s *unreliable) {
			l := acquire(t, s, requestOf("a"))
			c := waiting(requestOf("b"), time.Hour)
			c.TTL = time.Second
			if _, err := Acquire(t.Context(), s, c); err == nil {
				t.Error("it was taken over")
			}
			artifactstest.Must(t, l.Context().Err())
			release(t, l)
		},
	)
	for name, tt := range map[string]struct {
		skew        time.Duration // of the waiter's clock
		least, most time.Duration
	}{
		"a clock that is 20 minutes fast does not shorten the wait": {20 * time.Minute, stale, stale + 2*time.Millisecond},
		"a clock that is a day slow does not prolong the wait":      {-24 * time.Hour, stale, stale + 2*time.Millisecond},
		"a record that expired long ago is taken over at once":      {maxSkew + time.Minute, 0, 0},
	} {
		bubble(t, name, func(t *testing.T, s *unreliable) {
			killed(t, s)
			began := time.Now()
			c := waiting(requestOf("b"), time.Hour)
			c.wall = func() time.Time { return time.Now().Add(tt.skew) }
			defer release(t, acquire(t, s, c))
			within(t, "taking over", time.Since(began), tt.least, tt.most)
		})
	}
	bubble(t, "without a wait, the error says that the holder looks dead", func(t *testing.T, s *unreliable) {
		killed(t, s)
		time.Sleep(5 * time.Minute)
		_, err := Acquire(t.Context(), s, requestOf("b"))
		var held *HeldError
		if !errors.As(err, &held) || held.Overdue < 4*time.Minute || !strings.Contains(held.Hint(), "abandoned") ||
			!strings.Contains(held.Hint(), "1m15s") {
			t.Errorf("the error is %v", err)
		}
		time.Sleep(maxSkew)
		release(t, acquire(t, s, requestOf("b")))
	})
	bubble(t, "a stale lock whose holder has not ended is not taken over", func(t *testing.T, s *unreliable) {
		killed(t, s)
		began, asked := time.Now(), 0
		c := waiting(requestOf("b"), time.Hour)
		c.HasEnded = func(_ context.Context, h Holder) bool {
			asked++
			return time.Since(began) > 10*time.Minute && h.Name == "a"
		}
		defer release(t, acquire(t, s, c))
		within(t, "taking over", time.Since(began), 10*time.Minute, 10*time.Minute+10*time.Second)
		if asked < 10 || asked > 1000 {
			t.Errorf("the holder was checked %d times", asked)
		}
	})
	bubble(t, "of many who wait for a dead one, one takes over", func(t *testing.T, s *unreliable) {
		killed(t, s)
		testTurns(t, func() Store { return s }, 20, waiting(requestOf(""), time.Hour))
	})
}

func TestLostResponses(t *testing.T) {
	for name, f := range map[string]fate{
		"a write that happened, with an error for an answer":     {err: errTransient},
		"a write that happened, and was tried twice":             {err: fs.ErrExist},
		"a write that did not happen":                            {err: errTransient, drop: true},
		"a conflict without a known reason":                      {err: fs.ErrExist, drop: true},
		"a write that happened after its caller had gone":        {lag: 20 * time.Second},
		"a write that happened at once, and whose answer is lag": {slow: time.Hour},
	} {
		bubble(t, name, func(t *testing.T, s *unreliable) {
			before := acquire(t, s, requestOf("z"))
			release(t, before)
			s.meetsNext("swap", f, f, f)
			l := acquire(t, s, waiting(requestOf("a"), 10*time.Minute))
			if l.Fence() != before.Fence()+1 || s.record(lockName).ID != l.id {
				t.Errorf("fence %d after %d, %+v", l.Fence(), before.Fence(), s.record(lockName))
			}
			time.Sleep(10 * time.Minute)
			artifactstest.Must(t, l.Context().Err())
			s.meetsNext("swap", f, f, f)
			time.Sleep(10 * time.Minute)
			artifactstest.Must(t, l.Context().Err())
			s.meetsNext("swap", f, f, f)
			release(t, l)
			release(t, acquire(t, s, requestOf("b")))
		})
	}
	bubble(t, "what is never confirmed is not a lease, and is released", func(t *testing.T, s *unreliable) {
		s.meetsNext("swap", slices.Repeat([]fate{{err: errTransient}}, quickAttempts+1)...)
		began := time.Now()
		if _, err := Acquire(t.Context(), s, requestOf("a")); !errors.Is(err, errTransient) {
			t.Errorf("the error is %v", err)
		}
		within(t, "giving up", time.Since(began), 0, 5*time.Second)
		release(t, acquire(t, s, requestOf("b")))
	})
	bubble(t, "a caller that is cancelled while it writes leaves no lock", func(t *testing.T, s *unreliable) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		s.meetsNext("swap", fate{slow: time.Hour})
		if _, err := Acquire(ctx, s, requestOf("a")); !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
		release(t, acquire(t, s, requestOf("b")))
	})
	bubble(t, "an outage is waited out", func(t *testing.T, s *unreliable) {
		until := time.Now().Add(5 * time.Minute)
		s.meets(func(string) fate {
			if time.Now().Before(until) {
				return fate{err: errTransient, drop: true}
			}
			return fate{}
		})
		release(t, acquire(t, s, waiting(requestOf("a"), 10*time.Minute)))
		within(t, "waiting", time.Since(until), 0, 10*time.Second)
	})
	bubble(t, "an outage that outlasts the wait", func(t *testing.T, s *unreliable) {
		s.meets(func(string) fate { return fate{lag: time.Hour} })
		began := time.Now()
		_, err := Acquire(t.Context(), s, waiting(requestOf("a"), time.Minute))
		var store *artifacts.StoreError
		if !errors.As(err, &store) || !store.Retryable() || !strings.Contains(err.Error(), "no response in time") {
			t.Errorf("the error is %v", err)
		}
		within(t, "giving up", time.Since(began), time.Minute, 3*time.Minute)
	})
	bubble(t, "what will not get better is not tried again", func(t *testing.T, s *unreliable) {
		for _, op := range []string{"load", "swap"} {
			s.meetsNext(op, fate{err: errForbidden, drop: true})
			began := time.Now()
			if _, err := Acquire(t.Context(), s, waiting(requestOf("a"), time.Hour)); !errors.Is(
				err,
				fs.ErrPermission,
			) {
				t.Errorf("%s: the error is %v", op, err)
			}
			within(t, op, time.Since(began), 0, 0)
		}
	})
}

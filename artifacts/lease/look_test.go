package lease

import (
	"errors"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts/artifactstest"
)

// A lock that is taken as it was seen has not been held in between, whatever has happened to the requests.
func TestALockIsTakenAsItWasSeen(t *testing.T) {
	look := func(t *testing.T, s Store) *Seen {
		t.Helper()
		seen, err := Look(t.Context(), s, lockName)
		artifactstest.Must(t, err)
		return seen
	}
	with := func(owner string, seen *Seen) Request {
		r := requestOf(owner)
		r.Seen = seen
		return r
	}
	bubble(t, "by one request", func(t *testing.T, s *unreliable) {
		for _, first := range []bool{true, false} {
			seen := look(t, s)
			if seen.New() != first {
				t.Errorf("new: %v", seen.New())
			}
			s.meetsNext("load", fate{err: errForbidden}) // there is to be none
			l := acquire(t, s, with("a", seen))
			if !l.AsSeen() {
				t.Error("it is not as it was seen")
			}
			release(t, l) // neither here
			s.meetsNext("")
		}
	})
	bubble(t, "not if it was held and released since", func(t *testing.T, s *unreliable) {
		for range 2 {
			seen := look(t, s)
			release(t, acquire(t, s, requestOf("b")))
			l := acquire(t, s, with("a", seen))
			if l.AsSeen() {
				t.Error("AsSeen reports true for a lock that was held")
			}
			release(t, l)
		}
	})
	bubble(t, "not if it is held: without time to wait that is an error", func(t *testing.T, s *unreliable) {
		seen := look(t, s)
		b := acquire(t, s, requestOf("b"))
		var held *HeldError
		if _, err := Acquire(t.Context(), s, with("a", seen)); !errors.As(err, &held) || held.Holder.Name != "b" {
			t.Errorf("it is taken: %v", err)
		}
		if _, err := Acquire(t.Context(), s, with("a", look(t, s))); !errors.As(err, &held) {
			t.Errorf("it is taken: %v", err)
		}
		release(t, b)
	})
	bubble(t, "not from a holder that was killed after it was seen", func(t *testing.T, s *unreliable) {
		die(acquire(t, s, requestOf("b")))
		seen := look(t, s)
		time.Sleep(75 * time.Second)
		l := acquire(t, s, with("a", seen))
		if l.AsSeen() {
			t.Error("AsSeen reports true for a lock that was held")
		}
		release(t, l)
	})
	bubble(t, "a lost response is no proof", func(t *testing.T, s *unreliable) {
		seen := look(t, s)
		s.meetsNext("swap", fate{err: errTransient}) // it was stored
		r := with("a", seen)
		r.Wait = time.Minute
		l := acquire(t, s, r)
		if l.AsSeen() {
			t.Error("it is as it was seen, it says")
		}
		release(t, l)
	})
	bubble(t, "a release whose response is lost is repeated", func(t *testing.T, s *unreliable) {
		l := acquire(t, s, requestOf("a"))
		s.meetsNext("swap", fate{err: errTransient})
		release(t, l)
		release(t, acquire(t, s, requestOf("b")))
	})
}

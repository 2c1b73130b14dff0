package lease

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"

	randv2 "math/rand/v2"
)

// Acquire takes a lock, and keeps it by heartbeats until Release. While somebody else has it, Acquire waits for up to
// c.Wait, and then returns a *HeldError. Other errors are *LockRecordError, *KeyError, the context's and the store's;
// those of the store that may pass are waited out.
//
// Two machines never compare their clocks, since those differ. With TTL T (60s by default), after a heartbeat is sent:
//
//	 T/4  the next one is (15s); what fails is tried again
//	3T/4  no heartbeat having come through, the holder takes its lock for lost, and stops what runs under it (45s)
//	5T/4  a waiter that has seen no change for so long, by its own clock, takes the lock over (75s)
//
// The waiter begins to count when it first sees what the holder has sent, so 5T/4 is the earliest it can be, and the
// holder has T/2 (30s) to stop. The one exception is a record that has been expired for longer than clocks can differ
// unnoticed, half an hour: it is taken over at once. What no lock can exclude is a holder that is stopped, machine and
// all, and goes on after a waiter has taken over: it finds out at its next heartbeat, and Lease.Fence is for those who
// have to know before.
//
// Of a write whose answer is lost it is not known whether it has happened, or still will. So nothing counts but a
// write that was confirmed: whoever finds that the lock is its own without knowing it writes once more. What Acquire
// leaves undecided when it fails it gives back, or that expires.
func Acquire(ctx context.Context, s artifacts.Swapper, c Request) (*Lease, error) {
	if err := keys.Check(c.Key); err != nil {
		return nil, err
	}
	a := acquisition{claim: c.withDefaults(), slot: slot{s, c.Key}, id: rand.Text(), began: time.Now()}
	l, err := a.run(ctx)
	if err != nil && a.unsure {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonIn)
		defer cancel()
		a.slot.release(ctx, a.id, a.claim)
	}
	return l, err
}

const (
	// quickTries is how often something is tried that conflicts, or fails in passing, when there is no time to wait.
	quickTries = 5
	// abandonIn limits what is done for others when the caller wants to go.
	abandonIn = 5 * time.Second
)

// acquisition is one Acquire.
type acquisition struct {
	claim Request
	slot  slot
	id    string
	began time.Time

	record lockRecord // as it was last seen
	tag    string
	since  time.Time // when it was first seen so
	unsure bool      // whether something was written without an answer that says so

	told     string    // ID of the holder that Waiting was last called with
	toldTime time.Time // when
}

func (a *acquisition) run(ctx context.Context) (*Lease, error) {
	poll := a.claim.Poll
	failures := 0
	for {
		err := a.look(ctx)
		if err == nil && a.mayTake() {
			var l *Lease
			if l, err = a.take(ctx); err == nil {
				return l, nil
			}
		}
		if err := artifacts.ContextError(ctx); err != nil {
			return nil, err
		}
		left := a.claim.Wait - time.Since(a.began)
		var pause time.Duration
		switch {
		case err == nil && left <= 0:
			return nil, a.held()
		case err == nil:
			failures = 0
			a.tell()
			pause = min(jitter(poll), left, max(time.Until(a.since.Add(a.record.patience())), 0)+time.Millisecond)
			poll = min(poll*3/2, a.claim.Poll*pollGrowth)
		case !passing(err), left <= 0 && failures >= quickTries:
			return nil, err
		default:
			pause = min(backOff(failures), jitter(a.claim.Poll*pollGrowth))
			failures++
		}
		if !sleep(ctx, pause) {
			return nil, artifacts.ContextError(ctx)
		}
	}
}

// look reads the record. Its age counts from after the first reading of it, so it is never taken for older than it is.
func (a *acquisition) look(ctx context.Context) error {
	r, tag, err := a.slot.load(ctx, a.claim.Heartbeat)
	if err != nil {
		return err
	}
	if tag != a.tag {
		a.record, a.tag, a.since = r, tag, time.Now()
	}
	return nil
}

func (a *acquisition) mayTake() bool {
	switch r := a.record; {
	case a.tag == "": // nobody ever had it
	case !r.Released.IsZero():
	case r.ID == a.id: // we have it, and the answer was lost
	case time.Since(a.since) >= r.patience():
	case a.overdue() >= maxSkew:
	default:
		return false
	}
	return true
}

// overdue compares the holder's clock to ours.
func (a *acquisition) overdue() time.Duration { return a.claim.now().Sub(a.record.Expires) }

// take writes a record of our own over the one that was looked at. The lease counts from before that.
func (a *acquisition) take(ctx context.Context) (*Lease, error) {
	next := a.record.taken(a.id, a.claim)
	if a.record.ID == a.id {
		next = a.record.renewed(a.claim)
	}
	sent := time.Now()
	tag, err := a.slot.swap(ctx, a.claim.Heartbeat, next, a.tag)
	if err != nil {
		a.unsure = true
		return nil, err
	}
	return newLease(ctx, a.slot, a.claim, next, tag, sent), nil
}

func (a *acquisition) held() error {
	return &HeldError{Key: a.claim.Key, Holder: a.record.Holder, Waited: time.Since(a.began), Overdue: a.overdue()}
}

func (a *acquisition) tell() {
	if a.told != a.record.ID || time.Since(a.toldTime) >= remindEvery {
		a.told, a.toldTime = a.record.ID, time.Now()
		a.claim.OnWait(a.record.Holder)
	}
}

// passing tells whether an error of a store may be gone the next time. A lost race is.
func passing(err error) bool {
	var r interface{ Retryable() bool }
	return errors.Is(err, fs.ErrExist) || errors.As(err, &r) && r.Retryable()
}

// backOff is the pause after a number of failures that came before the last one.
func backOff(before int) time.Duration { return jitter(50 * time.Millisecond << min(before, 7)) }

// jitter keeps those who wait for the same thing from marching in step.
func jitter(d time.Duration) time.Duration { return d*3/4 + randv2.N(d/2+1) }

// sleep returns false when the context ends it.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

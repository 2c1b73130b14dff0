package lease

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/retry"
)

// Acquire takes a lock, and renews it by heartbeats until Release. While the lock is held, Acquire waits for up to
// r.Wait, and then returns a *HeldError. Other errors are *RecordError, *keys.Error, the context's and the store's;
// transient ones of the store are retried.
//
// Two machines never compare their clocks, since those differ. With TTL T (60s by default), after a heartbeat is sent:
//
//	 T/4  the next one is due (15s); one that fails is retried
//	3T/4  no heartbeat having succeeded, the holder considers its lock lost, and stops what runs under it (45s)
//	5T/4  a waiter that has seen no change for so long, by its own clock, takes the lock over (75s)
//
// The waiter begins to count when it first sees what the holder has sent, so 5T/4 is the earliest it can be, and the
// holder has T/2 (30s) to stop. The one exception is a record that has been expired for longer than clocks can differ
// unnoticed, half an hour: it is taken over at once. What no lock can exclude is a holder that is suspended, machine
// and all, and resumes after a waiter has taken over: it finds out at its next heartbeat, and Lease.Fence is for those
// who have to know before.
//
// If the response to a write is lost, the write may have happened, or may still. So only a confirmed write counts: a
// claimant that finds its own record without having had a response writes once more. What Acquire leaves undecided
// when it fails it releases, or that expires.
func Acquire(ctx context.Context, s Store, r Request) (*Lease, error) {
	if err := keys.Check(r.Key); err != nil {
		return nil, err
	}
	r = r.withDefaults()
	a := acquisition{
		request: r, slot: slot{s, r.Key}, id: rand.Text(), began: time.Now(),
		polls: retry.New(r.Poll, r.Poll*pollGrowth), failurePauses: retry.New(failurePause, r.Poll*pollGrowth),
	}
	if r.Seen != nil {
		a.record, a.tag, a.since, a.looked = r.Seen.record, r.Seen.tag, r.Seen.at, true
	}
	l, err := a.run(ctx)
	if err != nil && a.unsure {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
		defer cancel()
		_, _ = a.slot.release(ctx, a.id, r, lockRecord{}, "")
	}
	return l, err
}

const (
	// quickAttempts is how often an operation is tried that conflicts, or fails transiently, without time to wait.
	quickAttempts = 5
	failurePause  = 50 * time.Millisecond // the first one
	// releaseTimeout limits the release of what a caller leaves behind whose context has ended.
	releaseTimeout = 5 * time.Second
)

// acquisition is one Acquire.
type acquisition struct {
	request Request
	slot    slot
	id      string
	began   time.Time

	record lockRecord // as last seen
	tag    string
	since  time.Time // when it was first seen so
	looked bool      // whether that is from Request.Seen, so that the first attempt need not read it
	alive  bool      // whether the record is stale, and its holder has not ended
	unsure bool      // whether something was written without a response that confirms it

	failures             int // in a row
	polls, failurePauses backoff.BackOff

	notified     string // ID of the holder that OnWait was last called with
	notifiedTime time.Time
}

func (a *acquisition) run(ctx context.Context) (*Lease, error) {
	var l *Lease
	err := retry.Do(ctx, retry.Policy{Retryable: a.retryable, Pause: a.pause}, func() (err error) {
		l, err = a.attempt(ctx)
		return err
	})
	if ended := artifacts.ContextError(ctx); err != nil && ended != nil {
		return nil, ended
	}
	return l, err
}

// attempt takes the lock if it is free. If it is not, the error is a *HeldError.
func (a *acquisition) attempt(ctx context.Context) (l *Lease, err error) {
	if err = a.look(ctx); err == nil {
		if !a.mayTake(ctx) {
			a.failures = 0
			a.failurePauses.Reset()
			return nil, &HeldError{
				Key: a.request.Key, Holder: a.record.Holder, Waited: time.Since(a.began), Overdue: a.overdue(),
			}
		}
		l, err = a.take(ctx)
	}
	if err != nil {
		a.failures++
	}
	return l, err
}

// retryable reports whether there is time left to wait for the holder. Conflicts and transient errors are worth a few
// attempts even without.
func (a *acquisition) retryable(err error) bool {
	var held *HeldError
	if errors.As(err, &held) {
		return a.left() > 0
	}
	return isRetryable(err) && (a.left() > 0 || a.failures <= quickAttempts)
}

// pause ends with the time to wait, and when the lock may be taken over.
func (a *acquisition) pause(err error, _ time.Duration) time.Duration {
	var held *HeldError
	if !errors.As(err, &held) {
		return a.failurePauses.NextBackOff()
	}
	a.notify()
	if a.alive {
		return min(a.polls.NextBackOff(), a.left())
	}
	takeover := max(time.Until(a.since.Add(a.record.staleAfter())), 0) + time.Millisecond
	return min(a.polls.NextBackOff(), a.left(), takeover)
}

func (a *acquisition) left() time.Duration { return a.request.Wait - time.Since(a.began) }

// look reads the record. Its age counts from after the first read of it, so it is never overestimated.
func (a *acquisition) look(ctx context.Context) error {
	if a.looked {
		a.looked = false
		return nil
	}
	r, tag, err := a.slot.load(ctx, a.request.Heartbeat)
	if err != nil {
		return err
	}
	if tag != a.tag {
		a.record, a.tag, a.since = r, tag, time.Now()
	}
	return nil
}

func (a *acquisition) mayTake(ctx context.Context) bool {
	a.alive = false
	switch r := a.record; {
	case a.tag == "": // it has never been held
	case !r.Released.IsZero():
	case r.ID == a.id: // it is ours, and the response was lost
	case time.Since(a.since) >= r.staleAfter(), a.overdue() >= maxSkew:
		a.alive = a.request.HasEnded != nil && !a.request.HasEnded(ctx, r.Holder)
		return !a.alive
	default:
		return false
	}
	return true
}

// overdue compares the holder's clock to ours.
func (a *acquisition) overdue() time.Duration { return a.request.now().Sub(a.record.Expires) }

// take writes a record of our own over the one that was read. The lease counts from before that.
func (a *acquisition) take(ctx context.Context) (*Lease, error) {
	next := a.record.taken(a.id, a.request)
	if a.record.ID == a.id {
		next = a.record.renewed(a.request)
	}
	sent := time.Now()
	tag, err := a.slot.swap(ctx, a.request.Heartbeat, next, a.tag)
	if err != nil {
		a.unsure = true
		return nil, err
	}
	l := newLease(ctx, a.slot, a.request, next, tag, sent)
	l.asSeen = a.request.Seen.free() && a.request.Seen.tag == a.tag
	return l, nil
}

func (a *acquisition) notify() {
	if a.notified != a.record.ID || time.Since(a.notifiedTime) >= remindEvery {
		a.notified, a.notifiedTime = a.record.ID, time.Now()
		a.request.OnWait(a.record.Holder)
	}
}

// isRetryable reports whether an operation on a store may succeed later. One that lost a race against another may.
func isRetryable(err error) bool {
	var r interface{ Retryable() bool }
	return errors.Is(err, fs.ErrExist) || errors.As(err, &r) && r.Retryable()
}

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

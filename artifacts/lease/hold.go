package lease

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
)

// Lease is a lock that is held. Release must be called on it.
type Lease struct {
	slot  slot
	claim Request
	id    string
	fence int64

	ctx    context.Context // of what runs under the lock
	cancel context.CancelCauseFunc

	stop    context.CancelFunc // ends the heartbeat, which must go on when ctx ends, until what ran under the lock has
	stopped chan struct{}      // it has ended

	mu     sync.Mutex
	record lockRecord // as it was last written, or found to have been
	tag    string
	sent   time.Time   // when the last write that was confirmed was begun
	expiry *time.Timer // calls expire at the end of the margin
	failed error       // of the last heartbeat
	lost   *LostError

	releasing sync.Mutex
	released  bool
}

func newLease(ctx context.Context, s slot, c Request, r lockRecord, tag string, sent time.Time) *Lease {
	l := &Lease{slot: s, claim: c, id: r.ID, fence: r.Fence, record: r, tag: tag, sent: sent, stopped: make(chan struct{})}
	beating, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	l.mu.Lock()
	l.expiry = time.AfterFunc(time.Until(l.end()), l.expire)
	l.mu.Unlock()
	go l.beat(beating)
	return l
}

// Context ends when the one given to Acquire does, when the lease is released, and when it is lost: the cause is a
// *LostError then. What runs under the lock has to stop within half a TTL.
func (l *Lease) Context() context.Context { return l.ctx }

// Fence grows with every holder of the lock and never goes back. Whoever keeps the greatest one it has seen can turn away
// a holder that does not know yet that its lock is lost.
func (l *Lease) Fence() int64 { return l.fence }

// Release gives the lock back, once nothing runs under it any longer; the heartbeats end with it. Without that, as
// after an error of the store, the lock is free once it has expired. It may be called again: after such an error it
// tries again, otherwise it does nothing. The error is the *LostError if the lock had been lost.
func (l *Lease) Release(ctx context.Context) error {
	l.releasing.Lock()
	defer l.releasing.Unlock()
	l.stop()
	l.cancel(nil)
	if !l.released {
		select {
		case <-l.stopped:
		case <-ctx.Done():
			return artifacts.ContextError(ctx)
		}
		was, err := l.slot.release(ctx, l.id, l.claim)
		var corrupt *RecordError
		switch {
		case errors.As(err, &corrupt) || err == nil && was.ID != l.id:
			l.lose(l.lostTo(was, err))
		case err != nil:
			return err
		}
		l.released = true
		l.mu.Lock()
		l.expiry.Stop()
		l.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost != nil {
		return l.lost
	}
	return nil
}

// end is when the lease is lost unless it is renewed. It needs the mutex.
func (l *Lease) end() time.Time { return l.sent.Add(l.claim.TTL - quarter(l.claim.TTL)) }

// expire ends the lease, unless a heartbeat came through just now. It does not wait for the store to answer.
func (l *Lease) expire() {
	l.mu.Lock()
	late := time.Until(l.end()) <= 0
	lost := &LostError{Key: l.claim.Key, Fence: l.fence, Err: l.failed, Since: l.sent}
	l.mu.Unlock()
	if late {
		l.lose(lost)
	}
}

func (l *Lease) lose(e *LostError) {
	l.mu.Lock()
	if l.lost == nil {
		l.lost = e
	}
	e = l.lost
	l.mu.Unlock()
	l.cancel(e)
	l.stop()
}

// lostTo is the loss of the lock to another record, or to something that is none.
func (l *Lease) lostTo(r lockRecord, err error) *LostError {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := &LostError{Key: l.claim.Key, Fence: l.fence, Err: err, Since: l.sent}
	switch {
	case r.ID != "" && r.ID != l.id:
		e.By = &r.Holder
	case err == nil:
		e.Err = errGone
	}
	return e
}

var errGone = errors.New("its record was deleted")

// beat renews the lease until it is stopped or lost.
func (l *Lease) beat(ctx context.Context) {
	defer close(l.stopped)
	for failures := 0; ; {
		if failures == 0 && !l.untilDue(ctx) || failures > 0 && !sleep(ctx, min(backOff(failures-1), jitter(l.claim.Heartbeat/8))) {
			return
		}
		err := l.renew(ctx)
		failures++
		if err == nil {
			failures = 0
		}
		l.mu.Lock()
		l.failed = err
		l.mu.Unlock()
	}
}

// untilDue waits for the time of the next heartbeat, by the machine's clock too: the other one stands still while the
// machine sleeps, and the lock may be somebody else's when it wakes.
func (l *Lease) untilDue(ctx context.Context) bool {
	l.mu.Lock()
	sent, renewed := l.sent, l.record.Renewed
	l.mu.Unlock()
	for {
		left := l.claim.Heartbeat - max(time.Since(sent), l.claim.now().Sub(renewed))
		if left <= 0 {
			return ctx.Err() == nil
		}
		if !sleep(ctx, min(left, l.claim.Heartbeat/15+time.Millisecond)) {
			return false
		}
	}
}

// renew sends one heartbeat. It gives each question to the store a third of the time there is to the next one, so that
// one that hangs leaves time for others.
func (l *Lease) renew(ctx context.Context) error {
	l.mu.Lock()
	next, tag := l.record.renewed(l.claim), l.tag
	l.mu.Unlock()
	timeout := l.claim.Heartbeat / 3
	sent := time.Now()
	newTag, err := l.slot.swap(ctx, timeout, next, tag)
	if err == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.record, l.tag, l.sent = next, newTag, sent
		l.expiry.Reset(time.Until(l.end()))
		return nil
	}
	// It may have been written all the same, or one before it only now: ours is then the record to go on from.
	r, tag, lookErr := l.slot.load(ctx, timeout)
	var corrupt *RecordError
	switch {
	case errors.As(lookErr, &corrupt) || lookErr == nil && !r.heldBy(l.id):
		if ctx.Err() == nil {
			l.lose(l.lostTo(r, lookErr))
		}
	case lookErr == nil:
		l.mu.Lock()
		l.record, l.tag = r, tag
		l.mu.Unlock()
	}
	return err
}

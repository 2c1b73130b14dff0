package lease

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/retry"
)

// Lease is a lock that is held. Its owner must call Release.
type Lease struct {
	slot    slot
	request Request
	id      string
	fence   int64
	asSeen  bool

	ctx    context.Context // of what runs under the lock
	cancel context.CancelCauseFunc

	stop    context.CancelFunc // ends the heartbeats, which outlive ctx until Release
	stopped chan struct{}      // closed when they have ended

	mu     sync.Mutex
	record lockRecord // as last written, or found to have been
	tag    string
	sent   time.Time   // when the last confirmed write began
	expiry *time.Timer // calls expire at the end of the margin
	failed error       // of the last heartbeat
	lost   *LostError

	releasing sync.Mutex
	released  bool
}

func newLease(ctx context.Context, s slot, r Request, record lockRecord, tag string, sent time.Time) *Lease {
	l := &Lease{
		slot: s, request: r, id: record.ID, fence: record.Fence, record: record, tag: tag, sent: sent,
		stopped: make(chan struct{}),
	}
	beating, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	l.mu.Lock()
	l.expiry = time.AfterFunc(time.Until(l.end()), l.expire)
	l.mu.Unlock()
	go l.heartbeat(beating)
	return l
}

// Context ends when the one given to Acquire does, when the lease is released, and when it is lost: the cause is a
// *LostError then. What runs under the lock has to stop within half a TTL.
func (l *Lease) Context() context.Context { return l.ctx }

// Fence grows with every holder of the lock and never decreases. A resource that keeps the greatest fence it has seen
// can refuse a holder that does not know yet that its lock is lost.
func (l *Lease) Fence() int64 { return l.fence }

// AsSeen reports whether the lock was free as Request.Seen had found it, and had no other holder in between.
func (l *Lease) AsSeen() bool { return l.asSeen }

// Release frees the lock, once nothing runs under it any longer, and ends the heartbeats. If the store fails, the lock
// is free once it has expired. Release may be called again: after such an error it tries again, otherwise it does
// nothing. The error is the *LostError if the lock had been lost.
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
		l.mu.Lock()
		known, tag := l.record, l.tag
		l.mu.Unlock()
		was, err := l.slot.release(ctx, l.id, l.request, known, tag)
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
func (l *Lease) end() time.Time { return l.sent.Add(l.request.TTL - quarter(l.request.TTL)) }

// expire ends the lease, unless a heartbeat succeeded just now. It does not wait for the store.
func (l *Lease) expire() {
	l.mu.Lock()
	late := time.Until(l.end()) <= 0
	lost := &LostError{Key: l.request.Key, Fence: l.fence, Err: l.failed, Since: l.sent}
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

// lostTo is the loss of the lock to another record, or to an object that is not a record.
func (l *Lease) lostTo(r lockRecord, err error) *LostError {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := &LostError{Key: l.request.Key, Fence: l.fence, Err: err, Since: l.sent}
	switch {
	case r.ID != "" && r.ID != l.id:
		e.By = &r.Holder
	case err == nil:
		e.Err = errDeleted
	}
	return e
}

var errDeleted = errors.New("its record was deleted")

// heartbeat renews the lease until it is stopped or lost.
func (l *Lease) heartbeat(ctx context.Context) {
	defer close(l.stopped)
	longest := l.request.Heartbeat / 8
	pauses := retry.New(min(failurePause, longest), longest)
	for failed := false; ; {
		if failed && !sleep(ctx, pauses.NextBackOff()) || !failed && !l.untilDue(ctx) {
			return
		}
		err := l.renew(ctx)
		if failed = err != nil; !failed {
			pauses.Reset()
		}
		l.mu.Lock()
		l.failed = err
		l.mu.Unlock()
	}
}

// untilDue waits for the time of the next heartbeat. It looks at the wall clock as well, because the monotonic one
// stands still while the machine is suspended, and the lock may have been taken over when it resumes.
func (l *Lease) untilDue(ctx context.Context) bool {
	l.mu.Lock()
	sent, renewed := l.sent, l.record.Renewed
	l.mu.Unlock()
	for {
		left := l.request.Heartbeat - max(time.Since(sent), l.request.now().Sub(renewed))
		if left <= 0 {
			return ctx.Err() == nil
		}
		if !sleep(ctx, min(left, l.request.Heartbeat/15+time.Millisecond)) {
			return false
		}
	}
}

// renew sends one heartbeat. Each request to the store may take a third of the time until the next one, so that one
// that hangs leaves time for others.
func (l *Lease) renew(ctx context.Context) error {
	l.mu.Lock()
	next, tag := l.record.renewed(l.request), l.tag
	l.mu.Unlock()
	timeout := l.request.Heartbeat / 3
	sent := time.Now()
	newTag, err := l.slot.swap(ctx, timeout, next, tag)
	if err == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.record, l.tag, l.sent = next, newTag, sent
		l.expiry.Reset(time.Until(l.end()))
		return nil
	}
	// This write may have succeeded all the same, or one before it only now: then the next one continues from there.
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

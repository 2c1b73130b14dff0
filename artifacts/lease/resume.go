package lease

import (
	"context"
	"errors"
	"time"

	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/retry"
)

// ID identifies the lease to Resume.
func (l *Lease) ID() string { return l.id }

// Resume continues a lease of another process, which has ended and cannot renew it any longer. Of the request only
// Key, TTL and Heartbeat count; the owner stays. The error is a *LostError if the lock is no longer held by that lease,
// else as that of Acquire.
func Resume(ctx context.Context, s Store, r Request, id string) (*Lease, error) {
	if err := keys.Check(r.Key); err != nil {
		return nil, err
	}
	r = r.withDefaults()
	where := slot{s, r.Key}
	var resumed *Lease
	policy := retry.Policy{
		Attempts: quickAttempts, First: failurePause, Longest: time.Second,
		Retryable: func(err error) bool {
			var lost *LostError
			return !errors.As(err, &lost) && isRetryable(err)
		},
	}
	err := retry.Do(ctx, policy, func() error {
		record, tag, err := where.load(ctx, r.Heartbeat)
		if err != nil {
			return err
		}
		if !record.heldBy(id) {
			return &LostError{Key: r.Key, Fence: record.Fence, By: &record.Holder, Since: record.Renewed}
		}
		sent, next := time.Now(), record.renewed(r)
		if tag, err = where.swap(ctx, r.Heartbeat, next, tag); err != nil {
			return err
		}
		resumed = newLease(ctx, where, r, next, tag, sent)
		return nil
	})
	return resumed, err
}

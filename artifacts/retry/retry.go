// Package retry repeats an operation that failed for a passing reason, with exponential backoff and jitter.
package retry

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Policy says which errors are worth another attempt, how many attempts there are, and how long the pauses between
// them last.
type Policy struct {
	Attempts       int           // at most; 0 means until ctx ends
	First, Longest time.Duration // pauses double from First to Longest; each is randomised by half its length
	// Retryable reports whether an operation that failed with err may succeed later.
	Retryable func(err error) bool
	// Pause adjusts the next pause after err, for example to honour a Retry-After header. It may be nil.
	Pause func(err error, next time.Duration) time.Duration
	// Notify is called before each pause. It may be nil.
	Notify func(err error, pause time.Duration)
}

// Do calls operation until it succeeds, fails for good, or ctx ends. It returns the error of the last call, even if it
// was ctx that ended the attempts.
func Do(ctx context.Context, p Policy, operation func() error) error {
	var last error
	attempt := func() (struct{}, error) {
		last = operation()
		if last != nil && !p.Retryable(last) {
			return struct{}{}, backoff.Permanent(last)
		}
		return struct{}{}, last
	}
	pauses := &pauses{BackOff: New(p.First, p.Longest), adjust: func(next time.Duration) time.Duration {
		if p.Pause == nil {
			return next
		}
		return p.Pause(last, next)
	}}
	options := []backoff.RetryOption{
		backoff.WithBackOff(pauses), backoff.WithMaxTries(uint(max(p.Attempts, 0))), backoff.WithMaxElapsedTime(0),
	}
	if p.Notify != nil {
		options = append(options, backoff.WithNotify(p.Notify))
	}
	_, _ = backoff.Retry(ctx, attempt, options...)
	return last
}

// New returns pauses that double from first to longest, each randomised by half its length.
func New(first, longest time.Duration) backoff.BackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval: first, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: longest,
	}
}

// pauses lets the last error adjust a pause.
type pauses struct {
	backoff.BackOff
	adjust func(next time.Duration) time.Duration
}

func (p *pauses) NextBackOff() time.Duration { return p.adjust(p.BackOff.NextBackOff()) }

package s3

import (
	"context"
	"sync"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
)

// Limits of the requests in progress. A set of a few hundred small files takes two turns: half of it at once, and the
// rest as the first responses arrive.
const (
	minRequests   = 1
	firstRequests = 128
	maxRequests   = 256
)

// limiter determines how many requests a service handles at a time. It starts with what S3 has always taken from one
// client; it grows with every response that takes about as long as the fastest one, and slowly after the first that
// takes longer, as each connection costs a handshake; it halves when the service asks for fewer requests.
type limiter struct {
	mu      sync.Mutex
	waiting []chan struct{}
	limit   float64
	active  int
	fastest time.Duration // response; it ages slowly
	steady  bool          // growth is by one per round trip, not by one per response
	cut     time.Time     // time of the last halving, which requests sent before must not repeat
}

func newLimiter() *limiter { return &limiter{limit: firstRequests} }

// acquire waits for a free slot.
func (l *limiter) acquire(ctx context.Context) error {
	l.mu.Lock()
	if l.active < int(l.limit) && len(l.waiting) == 0 {
		l.active++
		l.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	l.waiting = append(l.waiting, turn)
	l.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, w := range l.waiting {
		if w == turn {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			return artifacts.ContextError(ctx)
		}
	}
	l.active-- // the slot was given at the same moment
	l.wake()
	return artifacts.ContextError(ctx)
}

// outcome is what a response says about the load of the service.
type outcome int

const (
	responded outcome = iota
	throttled         // the service asked for fewer requests
	noResponse
)

// slow is the factor over the fastest response from which more requests would only queue.
const slow = 3

// release returns a slot.
func (l *limiter) release(o outcome, began time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active--
	took := time.Since(began)
	switch {
	case o == throttled || o == noResponse:
		if began.After(l.cut) {
			l.limit, l.steady, l.cut = max(minRequests, l.limit/2), true, time.Now()
		}
	case l.fastest == 0 || took < l.fastest:
		l.fastest = took
		l.grow()
	default:
		l.fastest += (took - l.fastest) / 8192
		if took > slow*l.fastest {
			l.steady = true
		} else {
			l.grow()
		}
	}
	l.wake()
}

func (l *limiter) grow() {
	if float64(l.active+1) < l.limit/2 {
		return // the limit is not the bottleneck
	}
	step := 1.0
	if l.steady {
		step = 1 / l.limit
	}
	l.limit = min(maxRequests, l.limit+step)
}

func (l *limiter) wake() {
	for l.active < int(l.limit) && len(l.waiting) > 0 {
		close(l.waiting[0])
		l.waiting = l.waiting[1:]
		l.active++
	}
}

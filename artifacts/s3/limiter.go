package s3

import (
	"context"
	"sync"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
)

// Bounds of the requests under way at a time.
const (
	minRequests   = 1
	firstRequests = 16
	maxRequests   = 64
)

// limiter finds out how many requests a service takes at a time. It begins low, since each connection costs a
// handshake; it grows with every answer that comes about as fast as the fastest did, slowly after the first that does not;
// it halves when the service asks for less.
type limiter struct {
	mu      sync.Mutex
	waiting []chan struct{}
	limit   float64
	active  int
	fastest time.Duration // of the answers, slowly forgotten
	steady  bool          // growth is by one a round, not by one an answer
	cut     time.Time     // of the last halving, as requests under way then tell no news
}

func newLimiter() *limiter { return &limiter{limit: firstRequests} }

// acquire waits for a turn.
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
	l.active-- // it came at the same moment
	l.wake()
	return artifacts.ContextError(ctx)
}

// outcome is what an answer says about the service.
type outcome int

const (
	responded  outcome = iota
	throttled          // it asked for fewer requests
	noResponse         // there was no answer
)

// slow is the factor over the fastest answer from which more requests would only wait in a queue.
const slow = 3

// release gives a turn back.
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
		return // it is not the limit that holds things up
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

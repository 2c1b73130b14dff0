package s3

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carlin-cicd/runner/artifacts/artifactstest"
)

// serve simulates a service that takes a given time per request, and counts requests in progress.
func serve(t *testing.T, l *limiter, n int, took func(active int) time.Duration, says func(i int) outcome) (most int) {
	t.Helper()
	active, done := 0, make(chan struct{})
	for i := range n {
		go func() {
			defer func() { done <- struct{}{} }()
			if err := l.acquire(t.Context()); err != nil {
				t.Error(err)
				return
			}
			began := time.Now()
			l.mu.Lock()
			active++
			most = max(most, active)
			wait := took(active)
			l.mu.Unlock()
			time.Sleep(wait)
			l.mu.Lock()
			active--
			l.mu.Unlock()
			l.release(says(i), began)
		}()
	}
	for range n {
		<-done
	}
	return most
}

func TestLimiterAdaptsToTheService(t *testing.T) {
	constant := func(int) time.Duration { return 15 * time.Millisecond }
	well := func(int) outcome { return responded }
	t.Run("they grow while answers are quick", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLimiter()
			if most := serve(t, l, 2000, constant, well); most != maxRequests {
				t.Errorf("at most %d were under way", most)
			}
		})
	})
	t.Run("they do not grow where that only makes a queue", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLimiter()
			queue := func(active int) time.Duration { return time.Duration(max(1, active/4)) * 15 * time.Millisecond }
			if most := serve(t, l, 2000, queue, well); most > firstRequests*5/4 {
				t.Errorf("%d were under way, of which a few could be served", most)
			}
		})
	})
	t.Run("they halve when the service asks for less, once for all that were under way", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLimiter()
			serve(t, l, firstRequests, constant, func(int) outcome { return throttled })
			if l.limit != firstRequests/2 {
				t.Errorf("the limit is %g", l.limit)
			}
			for range 10 {
				time.Sleep(time.Second)
				serve(t, l, 1, constant, func(int) outcome { return throttled })
			}
			if l.limit != minRequests {
				t.Errorf("the limit is %g", l.limit)
			}
		})
	})
	t.Run("a cancelled wait takes no slot", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLimiter()
			for range firstRequests {
				artifactstest.Must(t, l.acquire(t.Context()))
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := l.acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
			l.release(responded, time.Now())
			artifactstest.Must(t, l.acquire(t.Context()))
		})
	})
}

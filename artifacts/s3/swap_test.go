package s3

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/artifacts/s3test"
)

func TestSwapper(t *testing.T) {
	for _, b := range s3test.Buckets(t) {
		t.Run(b.Server, func(t *testing.T) {
			var turn sync.Mutex
			artifactstest.TestSwapper(t, func() artifacts.Swapper {
				s := inBucket(t, b, "prefix")
				if strings.HasPrefix(b.Server, "moto") {
					return inTurns{s, &turn}
				}
				return s
			})
		})
	}
}

// inTurns swaps one at a time. moto looks at a condition and stores in two steps, between which another request may
// come; S3 and versitygw do both at once.
type inTurns struct {
	*Store
	turn *sync.Mutex
}

func (s inTurns) Swap(ctx context.Context, o artifacts.Object, tag string) (string, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	return s.Store.Swap(ctx, o, tag)
}

func TestConcurrentPublishersWaitForTheLock(t *testing.T) {
	b := s3test.Buckets(t)[2]
	one, two := inBucket(t, b, ""), inBucket(t, b, "")
	one.options.LockOwner = lease.Owner{Name: "task/1", RunID: "run-1"}
	notified := make(chan lease.Holder, 1)
	two.options.OnLockWait = func(h lease.Holder) { notified <- h }
	_, release, err := one.Lock(t.Context(), "builds/main/"+artifactstest.SHA1)
	artifactstest.Must(t, err)
	got := make(chan error)
	go func() {
		_, free, err := two.Lock(t.Context(), "builds/main/"+artifactstest.SHA1)
		if err == nil {
			free()
		}
		got <- err
	}()
	if h := <-notified; h.Name != "task/1" || h.RunID != "run-1" ||
		!strings.Contains(h.String(), "publishing builds/main/") {
		t.Errorf("it waits for %v", h)
	}
	select {
	case err := <-got:
		t.Fatalf("it does not wait: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	release()
	artifactstest.Must(t, <-got)
}

package lease

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts/folder"
)

func TestALeaseIsResumedByAnotherProcess(t *testing.T) {
	store, err := folder.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	request := Request{Key: "locks/staging/migrate.json", Owner: Owner{Name: "first", RunID: "1"}, TTL: time.Minute}
	killed, cancel := context.WithCancel(t.Context())
	first, err := Acquire(killed, store, request)
	if err != nil {
		t.Fatal(err)
	}
	first.stop() // no heartbeats any longer
	cancel()
	resumed, err := Resume(t.Context(), store, Request{Key: request.Key, TTL: time.Minute}, first.ID())
	if err != nil {
		t.Fatal(err)
	}
	if resumed.Fence() != first.Fence() || resumed.record.Name != "first" || resumed.record.Writes != 2 {
		t.Errorf("%+v", resumed.record)
	}
	second := Request{Key: request.Key, Owner: Owner{Name: "second"}}
	var held *HeldError
	if _, err := Acquire(t.Context(), store, second); !errors.As(err, &held) {
		t.Errorf("a second one: %v", err)
	}
	if err := resumed.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := Acquire(t.Context(), store, second)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release(t.Context())
	var lost *LostError
	if _, err := Resume(t.Context(), store, request, first.ID()); !errors.As(err, &lost) || lost.By == nil || lost.By.Name != "second" {
		t.Errorf("a lock that another one holds: %v", err)
	}
}

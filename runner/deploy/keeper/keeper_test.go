package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/artifacts/lease"
)

const key = "locks/staging/migrate.json"

// held is a store with a lock whose holder no longer renews it, and the request that its runner has sent.
func held(t *testing.T) (*folder.Store, string) {
	t.Helper()
	store, err := folder.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l, err := lease.Acquire(t.Context(), store, lease.Request{Key: key, Owner: lease.Owner{Name: "killed"}})
	if err != nil {
		t.Fatal(err)
	}
	request, err := json.Marshal(Request{
		Variables: map[string]string{"A": "b"}, RunID: "1", TTL: time.Minute, Locks: map[string]string{key: l.ID()},
	})
	if err != nil {
		t.Fatal(err)
	}
	return store, string(request)
}

func isFree(t *testing.T, store *folder.Store) bool {
	t.Helper()
	l, err := lease.Acquire(t.Context(), store, lease.Request{Key: key})
	var taken *lease.HeldError
	if errors.As(err, &taken) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Release(t.Context())
	return true
}

func TestTheLocksOfAKilledRunnerAreHeldWhileItsCommandWorks(t *testing.T) {
	store, request := held(t)
	looks := 0
	err := Serve(t.Context(), strings.NewReader(request+`{"Group": 5}{"Group": 7}`), func(_ context.Context, v map[string]string) (artifacts.Store, error) {
		if v["A"] != "b" {
			t.Errorf("the variables are %v", v)
		}
		return store, nil
	}, func(runID string, group int) bool {
		if looks++; runID != "1" || group != 7 || isFree(t, store) {
			t.Errorf("at look %d for run %s the lock is free", looks, runID)
		}
		return looks < 2
	})
	if err != nil || looks != 2 || !isFree(t, store) {
		t.Errorf("%v after %d looks; free: %v", err, looks, isFree(t, store))
	}
}

func TestADismissedKeeperDoesNothing(t *testing.T) {
	store, request := held(t)
	unused := func(context.Context, map[string]string) (artifacts.Store, error) {
		t.Error("the store is opened")
		return store, nil
	}
	dismissed, _ := json.Marshal(note{Dismissed: true})
	in := io.MultiReader(strings.NewReader(request+`{"Group": 7}`), strings.NewReader(string(dismissed)))
	if err := Serve(t.Context(), in, unused, nil); err != nil || isFree(t, store) {
		t.Errorf("%v", err)
	}
	if err := Serve(t.Context(), strings.NewReader("x"), unused, nil); err == nil {
		t.Error("what is no request is accepted")
	}
	var none *Keeper
	none.Dismiss()
}

func TestALockThatAnotherRunHasTakenIsLeftToIt(t *testing.T) {
	store, request := held(t)
	request = strings.Replace(request, `"Locks":{"`+key+`":"`, `"Locks":{"`+key+`":"x`, 1)
	err := Serve(t.Context(), strings.NewReader(request), func(context.Context, map[string]string) (artifacts.Store, error) {
		return store, nil
	}, func(string, int) bool { return true })
	var lost *lease.LostError
	if !errors.As(err, &lost) || isFree(t, store) {
		t.Errorf("%v", err)
	}
}

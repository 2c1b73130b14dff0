package retry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carlin-cicd/runner/artifacts/retry"
)

var (
	errBusy  = errors.New("busy")
	errFinal = errors.New("final")
)

func policy() retry.Policy {
	return retry.Policy{
		Attempts: 5, First: 100 * time.Millisecond, Longest: 400 * time.Millisecond,
		Retryable: func(err error) bool { return errors.Is(err, errBusy) },
	}
}

func TestDo(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fails []error // of the attempts, in order; nil afterwards
		calls int
		want  error
	}{
		{"the first attempt succeeds", nil, 1, nil},
		{"a later attempt succeeds", []error{errBusy, errBusy}, 3, nil},
		{"the attempts are used up", []error{errBusy, errBusy, errBusy, errBusy, errBusy, errBusy}, 5, errBusy},
		{"an error that will not pass ends the attempts", []error{errBusy, errFinal}, 2, errFinal},
		{"the last attempt fails for good", []error{errBusy, errBusy, errBusy, errBusy, errFinal}, 5, errFinal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				err := retry.Do(t.Context(), policy(), func() error {
					calls++
					if calls <= len(tt.fails) {
						return tt.fails[calls-1]
					}
					return nil
				})
				if err != tt.want || calls != tt.calls {
					t.Errorf("%d calls, %v; want %d, %v", calls, err, tt.calls, tt.want)
				}
			})
		})
	}
}

func TestPausesDoubleUpToTheLongest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy()
		var pauses []time.Duration
		p.Notify = func(_ error, pause time.Duration) { pauses = append(pauses, pause) }
		began := time.Now()
		_ = retry.Do(t.Context(), p, func() error { return errBusy })
		want := []time.Duration{100, 200, 400, 400}
		var sum time.Duration
		for i, pause := range pauses {
			middle := want[i] * time.Millisecond
			if sum += pause; pause < middle/2 || pause > middle*3/2+1 {
				t.Errorf("pause %d is %v, want %v give or take a half", i, pause, middle)
			}
		}
		if len(pauses) != len(want) || time.Since(began) != sum {
			t.Errorf("%d pauses of %v together, took %v", len(pauses), sum, time.Since(began))
		}
	})
}

func TestAnErrorMayLengthenThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy()
		p.Attempts = 2
		p.Pause = func(_ error, next time.Duration) time.Duration { return max(next, time.Minute) }
		began := time.Now()
		_ = retry.Do(t.Context(), p, func() error { return errBusy })
		if took := time.Since(began); took != time.Minute {
			t.Errorf("took %v, want a minute", took)
		}
	})
}

func TestTheContextEndsAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p := policy()
		p.Attempts, p.First, p.Longest = 0, time.Hour, time.Hour
		began := time.Now()
		if err := retry.Do(ctx, p, func() error { return errBusy }); err != errBusy {
			t.Errorf("%v, want the operation's error", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %v, want a second", took)
		}
	})
}

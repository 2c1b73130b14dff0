package main

import (
	"context"
	"errors"
	"syscall"
	"testing"

	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/remote"
)

func TestTriggerError(t *testing.T) {
	running := &remote.Error{Message: "task 1 is running"}
	other := errors.New("context canceled")
	stopped := &process.CancelledError{Signal: syscall.SIGTERM}
	for name, c := range map[string]struct {
		signalled bool
		err       error
		code      int
		message   string
	}{
		"a request that AWS refused":            {false, running, 125, running.Message},
		"any other error before a start":        {false, other, 125, other.Error()},
		"a signal with a task that was started": {true, running, 143, running.Message},
		"a signal before a task was started":    {true, other, 143, stopped.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if c.signalled {
				cancel(stopped)
			}
			err := triggerError(ctx, c.err)
			if code := exitCode(err); code != c.code || err.Error() != c.message {
				t.Errorf("exit code %d and %q, want %d and %q", code, err, c.code, c.message)
			}
		})
	}
}

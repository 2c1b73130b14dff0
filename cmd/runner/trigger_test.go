package main

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
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

// The task definition has a time limit for all steps: that of the step, or of the caller, wins over it.
func TestATaskGetsTheTimeLimitOfItsStep(t *testing.T) {
	workspace := t.TempDir()
	file := "version: 1\nsteps:\n  slow: { command: sleep 60, timeout: 90s }\n  other: { command: sleep 60 }\n"
	if err := os.WriteFile(filepath.Join(workspace, "runner.yaml"), []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		variables map[string]string
		want      string
	}{
		"of the step":       {map[string]string{"PIPELINE_STEP": "slow"}, "1m30s"},
		"of the caller":     {map[string]string{"PIPELINE_STEP": "slow", "RUNNER_TIMEOUT": "5m"}, "5m0s"},
		"none of its own":   {map[string]string{"PIPELINE_STEP": "other"}, ""},
		"not in this clone": {map[string]string{"PIPELINE_STEP": "unknown"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			variables := map[string]string{
				"RUNNER_WORKSPACE": workspace, "BRANCH": "main", "GIT_SHA": "0123456789abcdef0123456789abcdef01234567",
			}
			maps.Copy(variables, c.variables)
			r, err := (&options{stderr: os.Stderr}).request(t.Context(), variables)
			if err != nil || r.Variables["RUNNER_TIMEOUT"] != c.want {
				t.Errorf("%q %v, want %q", r.Variables["RUNNER_TIMEOUT"], err, c.want)
			}
		})
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/steps"
)

func TestExit(t *testing.T) {
	var (
		denied     = &artifacts.StoreError{Op: "get", Err: fs.ErrPermission}
		badKind    = &artifacts.KeyError{Part: "kind", Value: "x"}
		badSetting = &outcome.ConfigError{Message: "no", Advice: "yes"}
		badFile    = &steps.FileError{Path: "runner.yaml", Message: "bad"}
		badUsage   = &usageError{"no", "yes"}
		empty      = &artifacts.MissingError{Path: "dist", Reason: "is empty"}
	)
	for name, c := range map[string]struct {
		signal os.Signal
		err    error
		code   int
		output string // a part of it; empty: none
	}{
		"success":                               {nil, nil, 0, ""},
		"a set that does not exist":             {nil, &absentError{"there are none"}, 1, "runner: there are none\nhint: "},
		"a failure of the store":                {nil, fmt.Errorf("fetch: %w", denied), 1, "hint: "},
		"a name that artifacts refuse":          {nil, fmt.Errorf("publish: %w", badKind), 125, "runner: publish: kind"},
		"a setting that is refused":             {nil, badSetting, 125, "hint: yes"},
		"a bad runner.yaml":                     {nil, badFile, 125, "runner.yaml: bad"},
		"a folder that cannot be published":     {nil, empty, 125, "dist is empty"},
		"a bad command line":                    {nil, badUsage, 125, "runner: no\nhint: yes\n"},
		"any error of the input":                {nil, outcome.Refused(fs.ErrPermission), 125, "permission denied"},
		"a reader that went away":               {nil, outputError{syscall.EPIPE}, 141, ""},
		"a broken pipe of the store":            {nil, syscall.EPIPE, 1, "broken pipe"},
		"stdout on a full disk":                 {nil, outputError{syscall.ENOSPC}, 1, "no space"},
		"a run that reported its failure":       {nil, &exitError{code: 3}, 3, ""},
		"an exit code for an error":             {nil, &exitError{1, badUsage}, 1, "runner: no\nhint: yes\n"},
		"a signal":                              {syscall.SIGTERM, errors.New("cut short"), 143, "stopped by SIGTERM"},
		"a signal after the work was done":      {syscall.SIGINT, nil, 0, ""},
		"a signal to one whose reader went":     {syscall.SIGTERM, outputError{syscall.EPIPE}, 141, ""},
		"a signal before the input was refused": {syscall.SIGTERM, badUsage, 143, "stopped by SIGTERM"},
	} {
		t.Run(name, func(t *testing.T) {
			var output bytes.Buffer
			signals := make(chan os.Signal, 2)
			o := options{stdout: &output, stderr: &output, signals: signals}
			signals <- syscall.SIGPIPE // stops nothing by itself
			err := o.interruptible(t.Context(), func(ctx context.Context) error {
				if c.signal != nil {
					signals <- c.signal
					<-ctx.Done()
				}
				return c.err
			})
			if code := o.exit(err); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if !strings.Contains(output.String(), c.output) || c.output == "" && output.Len() > 0 {
				t.Errorf("printed %q, want %q", &output, c.output)
			}
		})
	}
}

// closedPipe is a stdout whose reader went away.
type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestHelpToAClosedPipe(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"help", "run"}, {"completion", "bash"}, {"--version"}, {"schema"}} {
		var output bytes.Buffer
		code := execute(t.Context(), &options{args: args, stdout: closedPipe{}, stderr: &output})
		if code != 128+int(syscall.SIGPIPE) || output.Len() > 0 {
			t.Errorf("runner %s exits with %d and prints %q", strings.Join(args, " "), code, &output)
		}
	}
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/carlin-cicd/runner/runner/outcome"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/steps"
)

func TestHowACommandEnds(t *testing.T) {
	for name, c := range map[string]struct {
		signal os.Signal
		err    error
		code   int
		said   string // in what is said
	}{
		"well":                                {nil, nil, 0, ""},
		"what was asked for is not there":     {nil, &absentError{"there are none"}, 1, "runner: there are none\nhint: "},
		"the store failed":                    {nil, fmt.Errorf("fetch: %w", &artifacts.StoreError{Op: "get", Err: fs.ErrPermission}), 1, "hint: see who may"},
		"the input was refused":               {nil, fmt.Errorf("publish: %w", &artifacts.KeyError{Part: "kind", Value: "x"}), 125, "runner: publish: kind"},
		"a setting was":                       {nil, &outcome.ConfigError{Message: "no", Advice: "yes"}, 125, "hint: yes"},
		"runner.yaml was":                     {nil, &steps.FileError{Path: "runner.yaml", Message: "bad"}, 125, "runner.yaml: bad"},
		"the folder to publish was":           {nil, &artifacts.MissingError{Path: "dist", Reason: "is empty"}, 125, "dist is empty"},
		"whoever read it has seen enough":     {nil, outputError{syscall.EPIPE}, 141, ""},
		"a pipe of the store's is another":    {nil, syscall.EPIPE, 1, "broken pipe"},
		"nobody can write what was asked for": {nil, outputError{syscall.ENOSPC}, 1, "no space"},
		"somebody said stop":                  {syscall.SIGTERM, errors.New("cut short"), 143, "stopped by SIGTERM"},
		"somebody said stop too late":         {syscall.SIGINT, nil, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var said bytes.Buffer
			signals := make(chan os.Signal, 2)
			k := console{stdout: &said, stderr: &said, signals: signals}
			ctx, stop := k.interruptible(t.Context())
			defer stop()
			signals <- syscall.SIGPIPE // ends nothing by itself
			if c.signal != nil {
				signals <- c.signal
				<-ctx.Done()
			}
			if code := k.end(ctx, c.err); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if !strings.Contains(said.String(), c.said) || c.said == "" && said.Len() > 0 {
				t.Errorf("said %q, want %q", &said, c.said)
			}
		})
	}
}

package main

import (
	"context"
	"errors"
	"os"
	"syscall"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/steps"
)

const (
	exitFailure = 1   // the command did its work, and the result is bad
	exitInput   = 125 // the input was refused, and nothing was started
)

// exitCode maps the error of a command to the exit code of the process.
func exitCode(err error) int {
	var (
		exit      *exitError
		output    outputError
		cancelled *process.CancelledError
	)
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &output) && errors.Is(output, syscall.EPIPE):
		return 128 + int(syscall.SIGPIPE) // like a program that does not catch the signal: the reader has seen enough
	case errors.As(err, &cancelled):
		return 128 + int(cancelled.Signal)
	case isInputError(err):
		return exitInput
	default:
		return exitFailure
	}
}

// isInputError reports whether the input was at fault.
func isInputError(err error) bool {
	var (
		usage    *usageError
		config   *outcome.ConfigError
		file     *steps.FileError
		key      *artifacts.KeyError
		location *artifacts.LocationError
		missing  *artifacts.MissingError
		link     *artifacts.LinkError
		special  *artifacts.FileError
		linked   *artifacts.FolderError
		selected *artifacts.SelectionError
	)
	return errors.As(err, &usage) || errors.As(err, &config) || errors.As(err, &file) ||
		errors.As(err, &key) || errors.As(err, &location) ||
		errors.As(err, &missing) || errors.As(err, &link) || errors.As(err, &special) ||
		errors.As(err, &linked) || errors.As(err, &selected)
}

// exit prints the error, if any, and returns the exit code.
func (o *options) exit(err error) int {
	code := exitCode(err)
	var exit *exitError
	switch {
	case err == nil, code == 128+int(syscall.SIGPIPE), errors.As(err, &exit) && exit.err == nil:
		return code
	}
	o.note("runner: %s", err)
	if hint := outcome.Hint(err); hint != "" {
		o.note("hint: %s", hint)
	}
	return code
}

// usageError is a command line or a variable that cannot be accepted.
type usageError struct{ message, hint string }

func (e *usageError) Error() string { return e.message }

// Hint says what would be accepted.
func (e *usageError) Hint() string { return e.hint }

// exitError ends the process with its code. Without an error, everything has been reported already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// outputError is a result that could not be written to stdout.
type outputError struct{ error }

func (e outputError) Unwrap() error { return e.error }

// interruptible calls f with a context that ends with the first signal to stop. If f fails after that, its error is the
// *process.CancelledError, unless the reader of stdout went away.
func (o *options) interruptible(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go cancelOnSignal(ctx, o.signals, cancel)
	err := f(ctx)
	var cancelled *process.CancelledError
	if err == nil || errors.Is(err, syscall.EPIPE) || !errors.As(context.Cause(ctx), &cancelled) {
		return err
	}
	return cancelled
}

func cancelOnSignal(ctx context.Context, signals <-chan os.Signal, cancel context.CancelCauseFunc) {
	for {
		select {
		case sig := <-signals:
			if n, ok := sig.(syscall.Signal); ok && n != syscall.SIGPIPE { // the write that caused it fails as well
				cancel(&process.CancelledError{Signal: n})
			}
		case <-ctx.Done():
			return
		}
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/carlin-cicd/runner/runner/outcome"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/steps"
)

// How a command that runs no step ends.

// interruptible returns a context that ends with the first signal to stop, whose cause is a *process.CancelledError.
func (c console) interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		for {
			select {
			case sig := <-c.signals:
				if n, ok := sig.(syscall.Signal); ok && n != syscall.SIGPIPE { // the write that it is about fails as well
					cancel(&process.CancelledError{Signal: n})
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// end tells of the error, if any, and returns the exit code for it.
func (c console) end(ctx context.Context, err error) int {
	var (
		cancelled *process.CancelledError
		output    outputError
	)
	switch {
	case err == nil:
		return 0
	case errors.As(err, &output) && errors.Is(output, syscall.EPIPE):
		return 128 + int(syscall.SIGPIPE) // as whoever does not catch the signal: the reader has seen enough
	case errors.As(context.Cause(ctx), &cancelled):
		return c.fail(128+int(cancelled.Signal), cancelled.Error(), "")
	case refused(err):
		return c.fail(exitUsage, err.Error(), outcome.Hint(err))
	default:
		return c.fail(1, err.Error(), outcome.Hint(err))
	}
}

// refused reports whether it is the input that was at fault.
func refused(err error) bool {
	var (
		config   *outcome.ConfigError
		file     *steps.FileError
		key      *artifacts.KeyError
		location *artifacts.LocationError
		missing  *artifacts.MissingError
		link     *artifacts.LinkError
		special  *artifacts.FileError
	)
	return errors.As(err, &config) || errors.As(err, &file) || errors.As(err, &key) || errors.As(err, &location) ||
		errors.As(err, &missing) || errors.As(err, &link) || errors.As(err, &special)
}

// outputError is that nobody takes what was asked for.
type outputError struct{ error }

func (e outputError) Unwrap() error { return e.error }

// say writes what was asked for.
func (c console) say(format string, args ...any) error {
	if _, err := fmt.Fprintf(c.stdout, format, args...); err != nil {
		return outputError{err}
	}
	return nil
}

// print is say for a command that does nothing else.
func (c console) print(text string) int {
	var err error
	if _, e := io.WriteString(c.stdout, text); e != nil {
		err = outputError{e}
	}
	return c.end(context.Background(), err)
}

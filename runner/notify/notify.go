// Package notify sends what package present rendered: a message to Slack, a status and a check of a commit to GitHub.
//
// Its errors are for the log; a run never fails because of them.
package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/carlin-cicd/runner/artifacts/retry"
)

// Timeout bounds all requests to a service together.
const Timeout = 10 * time.Second

// Error is a failure to notify a service. It never holds the URL, which is a secret in the case of Slack.
type Error struct {
	Service string // "Slack", "GitHub"
	Status  int    // of HTTP; 0 if there was no answer
	Err     error
	Name    string // of an error of Slack's API, as in channel_not_found
	Advice  string
}

func (e *Error) Error() string {
	if e.Status != 0 && e.Name == "" {
		return fmt.Sprintf("%s answered %d: %v", e.Service, e.Status, e.Err)
	}
	return fmt.Sprintf("%s: %v", e.Service, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *Error) Hint() string { return e.Advice }

// Refused reports whether the service rejected the credentials or their permissions, which another attempt does
// not change.
func (e *Error) Refused() bool {
	return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden || e.Status == http.StatusNotFound
}

// confidential reports whether requests to a URL are encrypted or stay on this machine.
func confidential(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// withoutURL returns an error of HTTP without its URL.
func withoutURL(err error) error {
	var sent *url.Error
	if errors.As(err, &sent) {
		return sent.Err
	}
	return err
}

// sentError says that there was no response to a request, which may have arrived.
type sentError struct{ error }

func (e sentError) Unwrap() error { return e.error }

// neverSent reports whether a request failed before there was a connection.
func neverSent(err error) bool {
	var at *net.OpError
	return errors.As(err, &at) && at.Op == "dial"
}

// attemptError is one failed attempt to notify a service.
type attemptError struct {
	status     int // of HTTP; 0 without a response
	retryAfter time.Duration
	err        error
}

func (e *attemptError) Error() string { return e.err.Error() }
func (e *attemptError) Unwrap() error { return e.err }

// withRetry makes a second attempt if the first failed for a reason that may pass. A request that may have
// arrived is not repeated.
func withRetry(
	ctx context.Context, do func() (status int, retryAfter time.Duration, err error),
) (status int, err error) {
	policy := retry.Policy{
		Attempts: 2, First: 500 * time.Millisecond, Longest: 500 * time.Millisecond,
		Retryable: func(err error) bool {
			failed := err.(*attemptError)
			var sent sentError
			return failed.status == 0 && !errors.As(err, &sent) ||
				failed.status == http.StatusTooManyRequests || failed.status >= 500
		},
		Pause: func(err error, next time.Duration) time.Duration {
			return min(max(err.(*attemptError).retryAfter, next), 3*time.Second)
		},
	}
	err = retry.Do(ctx, policy, func() error {
		var wait time.Duration
		var err error
		if status, wait, err = do(); err != nil {
			return &attemptError{status, wait, err}
		}
		return nil
	})
	var failed *attemptError
	if errors.As(err, &failed) {
		return status, failed.err
	}
	return status, nil
}

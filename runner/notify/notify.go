// Package notify tells people how a run went: a message in Slack, a status and a check on GitHub's commit.
//
// It is handed what to say, without secrets. Whatever goes wrong is an error for the log; a run never fails for it.
package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/carlin-cicd/runner/artifacts/retry"

	"github.com/carlin-cicd/runner/runner/units"
)

// Run is what there is to tell.
type Run struct {
	ID, Step, Environment string
	Branch, SHA           string
	Repository            string // owner/name on GitHub, or ""
	RepositoryURL         string // where a browser finds the repository, or ""
	Actor                 string // who has caused the run, or ""

	Passed    bool
	Recovered bool   // it passes now, and did not when it ran on this branch before
	Cancelled bool   // it was told to stop
	Blocked   bool   // it never began: bad input, no secret, a lock
	Reason    string // as the record of the run has it
	ExitCode  int
	Error     string
	Hint      string
	Started   time.Time
	Duration  time.Duration

	Tests         *Tests
	Report        string    // a link that needs no login, or ""
	ReportExpires time.Time // when that link ends
	Record        string    // where the run's record is, in words
	Coverage      string    // "83.1 % (-1.2)", or ""
	Stack         string    // what became of the stack that was deployed: "web: rolled back", or ""
}

// Tests is what the reports said.
type Tests struct {
	Total, Passed, Failed, Skipped, Flaky int
	Failures                              []Failure
}

// Failure is one failing test.
type Failure struct {
	Name    string
	File    string // relative to the repository, slash-separated; "" if nobody knows
	Line    int    // from 1; 0 if nobody knows
	Message string
	Details string
}

// Timeout is for all of a service's requests together: people can wait for the news less than the task for its end.
const Timeout = 10 * time.Second

// title is the news in one line: "test failed on main".
func (r Run) title() string {
	what := r.Step
	if r.Environment != "" {
		what += " · " + r.Environment
	}
	verb := "failed"
	switch {
	case r.Passed && r.Recovered:
		verb = "passes again"
	case r.Passed:
		verb = "passed"
	case r.Cancelled:
		verb = "was stopped"
	}
	if r.Branch == "" { // what was refused may have been the branch itself
		return what + " " + verb
	}
	return fmt.Sprintf("%s %s on %s", what, verb, r.Branch)
}

// summary says why, or how much: "failure, exit code 1 after 2m3s: 2 of 214 tests failed".
func (r Run) summary() string {
	text := "after " + units.Duration(r.Duration)
	if !r.Passed {
		text = fmt.Sprintf("%s, exit code %d %s", r.Reason, r.ExitCode, text)
	}
	if t := r.Tests; t != nil {
		switch {
		case t.Failed > 0:
			text += fmt.Sprintf(": %d of %d tests failed", t.Failed, t.Total)
		default:
			text += fmt.Sprintf(": %d tests passed", t.Passed)
		}
		if t.Flaky > 0 {
			text += fmt.Sprintf(", %d flaky", t.Flaky)
		}
	}
	return text
}

// Error is a service that could not be told. It never holds the address, which is a secret of its own for Slack.
type Error struct {
	Service string // "Slack", "GitHub"
	Status  int    // of HTTP; 0 if there was no answer
	Err     error
	Advice  string
}

func (e *Error) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("%s answered %d: %v", e.Service, e.Status, e.Err)
	}
	return fmt.Sprintf("%s could not be told: %v", e.Service, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *Error) Hint() string { return e.Advice }

// Refused reports whether the service does not know us, or does not let us: another try would end the same.
func (e *Error) Refused() bool {
	return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden || e.Status == http.StatusNotFound
}

// confidential reports whether what is sent to an address is encrypted, or stays on this machine.
func confidential(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// bare is an error of HTTP without the URL that it is about.
func bare(err error) error {
	var sent *url.Error
	if errors.As(err, &sent) {
		return sent.Err
	}
	return err
}

// sentError is that there was no answer to what was sent: whether it has arrived nobody knows.
type sentError struct{ error }

func (e sentError) Unwrap() error { return e.error }

// neverSent reports whether an error of HTTP came before there was anybody to send to.
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

// withRetry makes a second attempt if the first failed for a reason that may pass. What may have arrived is not sent again.
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

// clip shortens text to at most limit bytes, on a rune boundary.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const dots = "…"
	limit -= len(dots)
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return strings.TrimSpace(s[:max(limit, 0)]) + dots
}

package awsjson

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

// APIError is an answer that says no.
type APIError struct {
	Status  int    // of HTTP
	Code    string // AWS's, without name spaces; "" if whoever answered is no AWS
	Message string
}

func (e *APIError) Error() string {
	switch {
	case e.Code != "":
		return strings.TrimSuffix(e.Code+": "+e.Message, ": ")
	case e.Message != "":
		return e.Message
	}
	return fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
}

// ErrorCode is what the SDK's retryer judges by, as HTTPStatusCode is.
func (e *APIError) ErrorCode() string { return e.Code }

// HTTPStatusCode is the answer's.
func (e *APIError) HTTPStatusCode() int { return e.Status }

// TimeoutError is a try that was given up for its time.
type TimeoutError struct {
	Endpoint string
	After    time.Duration
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("%s does not answer within %s", Host(e.Endpoint), e.After)
}

// Timeout and RetryableError are what the SDK's retryer asks for.
func (e *TimeoutError) Timeout() bool { return true }

// RetryableError is always true: the next one may be answered.
func (e *TimeoutError) RetryableError() bool { return true }

// CredentialsError says that there is nothing to sign a request with.
type CredentialsError struct{ Err error }

func (e *CredentialsError) Error() string { return e.Err.Error() }
func (e *CredentialsError) Unwrap() error { return e.Err }

// RetryableError is always false: the credentials have been tried for already.
func (e *CredentialsError) RetryableError() bool { return false }

// ConnectionError is an answer that did not arrive, or not whole.
type ConnectionError struct {
	Endpoint string
	Err      error
}

func (e *ConnectionError) Error() string { return e.Err.Error() }
func (e *ConnectionError) Unwrap() error { return e.Err }

// RetryableError is what the SDK's retryer asks for. Connections break and listeners restart; names that do not exist
// and certificates that are wrong stay so.
func (e *ConnectionError) RetryableError() bool {
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	return !errors.As(e.Err, &certificate) && !(errors.As(e.Err, &dns) && dns.IsNotFound)
}

// IsTransient reports whether a later try may well succeed: the SDK's own judgement.
func IsTransient(err error) bool {
	var no *APIError
	return retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err).Bool() ||
		errors.As(err, &no) && no.Status == http.StatusTooManyRequests
}

// HasCode reports whether err is an answer with one of the codes.
func HasCode(err error, codes ...string) bool {
	var no *APIError
	return errors.As(err, &no) && slices.Contains(codes, no.Code)
}

// Host is the host of a URL, for people.
func Host(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return address
}

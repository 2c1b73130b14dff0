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
	"github.com/aws/smithy-go"
)

// APIError is an error response.
type APIError struct {
	Status  int    // of HTTP
	Code    string // AWS's, without namespace; "" if the responder is not AWS
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

// ErrorCode implements what the SDK's retryer asks for.
func (e *APIError) ErrorCode() string { return e.Code }

// ErrorMessage implements smithy.APIError.
func (e *APIError) ErrorMessage() string { return e.Message }

// ErrorFault implements smithy.APIError.
func (e *APIError) ErrorFault() smithy.ErrorFault {
	if e.Status >= http.StatusInternalServerError {
		return smithy.FaultServer
	}
	return smithy.FaultClient
}

// HTTPStatusCode implements what the SDK's retryer asks for.
func (e *APIError) HTTPStatusCode() int { return e.Status }

// TimeoutError reports an attempt without a response in time.
type TimeoutError struct {
	Endpoint string
	After    time.Duration
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("%s did not respond within %s", Host(e.Endpoint), e.After)
}

// Timeout implements what the SDK's retryer asks for.
func (e *TimeoutError) Timeout() bool { return true }

// RetryableError implements what the SDK's retryer asks for.
func (e *TimeoutError) RetryableError() bool { return true }

// CredentialsError reports that a request could not be signed.
type CredentialsError struct{ Err error }

func (e *CredentialsError) Error() string { return e.Err.Error() }
func (e *CredentialsError) Unwrap() error { return e.Err }

// RetryableError is false: the credential providers have retried already.
func (e *CredentialsError) RetryableError() bool { return false }

// ConnectionError reports that no response arrived, or only a part of one.
type ConnectionError struct {
	Endpoint string
	Err      error
}

func (e *ConnectionError) Error() string { return e.Err.Error() }
func (e *ConnectionError) Unwrap() error { return e.Err }

// RetryableError is false for names that do not resolve and for certificates that are not trusted: a retry does not
// change either.
func (e *ConnectionError) RetryableError() bool {
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	return !errors.As(e.Err, &certificate) && !(errors.As(e.Err, &dns) && dns.IsNotFound)
}

// IsTransient reports whether a later attempt may succeed, by the SDK's own rules.
func IsTransient(err error) bool {
	var api *APIError
	return retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err).Bool() ||
		errors.As(err, &api) && api.Status == http.StatusTooManyRequests
}

// HasCode reports whether err is an APIError with one of the codes.
func HasCode(err error, codes ...string) bool {
	var api *APIError
	return errors.As(err, &api) && slices.Contains(codes, api.Code)
}

// Host returns the host of a URL, for messages.
func Host(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return address
}

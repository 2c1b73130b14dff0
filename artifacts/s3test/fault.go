package s3test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/carlin-cicd/runner/runner/awstest/recorded"
)

// Fault is what a Proxy does to a request that matches a Rule.
type Fault interface {
	name() string
	do(*exchange)
}

type fault struct {
	text string
	act  func(*exchange)
}

func (f fault) name() string   { return f.text }
func (f fault) do(e *exchange) { f.act(e) }

// Respond reads the whole request and responds with an error of S3. The server does not receive the request.
func Respond(e Error) Fault {
	return fault{e.Code, func(x *exchange) {
		_, _ = io.Copy(io.Discard, x.r.Body)
		x.refuse(e)
	}}
}

// RespondEarly responds before the request's body is read and closes the connection, as an overloaded S3 does.
func RespondEarly(e Error) Fault {
	return fault{e.Code + " early", func(x *exchange) {
		x.w.Header().Set("Connection", "close")
		x.refuse(e)
	}}
}

func (x *exchange) refuse(e Error) {
	x.status(e.Status)
	answer := failed(&e, x.r.URL.Path)
	answer.write(x.w, x.r)
}

// recordedError is an error of S3 as it was recorded, or as it is documented.
func recordedError(about string) Error {
	r := recorded.Of("s3", about)
	return Error{r.Status, r.Code, r.Message}
}

// Errors of S3 that a client must handle, in S3's wording.
var (
	SlowDown           = Error{503, "SlowDown", "Please reduce your request rate."}
	InternalError      = Error{500, "InternalError", "We encountered an internal error. Please try again."}
	ServiceUnavailable = Error{503, "ServiceUnavailable", "Please reduce your request rate."}
	RequestTimeout     = Error{
		400,
		"RequestTimeout",
		"Your socket connection to the server was not read from or written to within the timeout period. " +
			"Idle connections will be closed.",
	}
	ExpiredToken  = Error{400, "ExpiredToken", "The provided token has expired."}
	TimeTooSkewed = Error{
		403,
		"RequestTimeTooSkewed",
		"The difference between the request time and the current time is too large.",
	}
	AccessDenied = recordedError("a policy that denies")
	missing      = recordedError("no object")
	unmet        = recordedError("an object that exists")
	noUpload     = recordedError("no upload")
	Conflict     = Error{
		409,
		"ConditionalRequestConflict",
		"The conditional request cannot succeed due to a conflicting operation against this resource.",
	}
	BadDigest = Error{400, "BadDigest", "The Content-MD5 you specified did not match what we received."}
)

// ResetRequest resets the connection after n bytes of the request's body. The server does not receive the request.
func ResetRequest(n int64) Fault {
	return fault{fmt.Sprintf("reset after %d bytes", n), func(e *exchange) {
		_, _ = io.CopyN(io.Discard, e.r.Body, n)
		e.drop(true)
	}}
}

// ResetResponse resets the connection after n bytes of the response's body; a negative n also suppresses its header.
// The server has processed the request.
func ResetResponse(n int64) Fault {
	return fault{fmt.Sprintf("answer reset after %d bytes", n), func(e *exchange) {
		e.forward(e.r.Body, func(a *http.Response) {
			if n >= 0 {
				e.part(a, n)
			}
			e.drop(true)
		})
	}}
}

// Truncate ends the response after n bytes of its body, fewer than its Content-Length.
func Truncate(n int64) Fault {
	return fault{fmt.Sprintf("truncated to %d bytes", n), func(e *exchange) {
		e.forward(e.r.Body, func(a *http.Response) {
			e.part(a, n)
			e.drop(false)
		})
	}}
}

// Stall reads the whole request and never responds. The server does not receive the request.
func Stall() Fault {
	return fault{"stalled", func(e *exchange) {
		_, _ = io.Copy(io.Discard, e.r.Body)
		e.stall()
	}}
}

// StallRequest stops reading after n bytes of the request's body. A client notices it before it waits for the response
// only if the body is larger than the connection's buffers, some megabytes.
func StallRequest(n int64) Fault {
	return fault{fmt.Sprintf("stalled after reading %d bytes", n), func(e *exchange) {
		_, _ = io.CopyN(io.Discard, e.r.Body, n)
		e.stall()
	}}
}

// StallResponse sends n bytes of the response's body, and no more.
func StallResponse(n int64) Fault {
	return fault{fmt.Sprintf("stalled after sending %d bytes", n), func(e *exchange) {
		e.forward(e.r.Body, func(a *http.Response) {
			e.part(a, n)
			e.stall()
		})
	}}
}

// Flip inverts one bit of byte n of the response's body, counted from 0. A shorter body is not changed.
func Flip(n int64) Fault {
	return fault{fmt.Sprintf("byte %d flipped", n), func(e *exchange) {
		e.forward(e.r.Body, func(a *http.Response) {
			e.head(a)
			_, _ = io.Copy(e.w, &flipper{a.Body, n})
		})
	}}
}

// FlipRequest does the same to the request's body.
func FlipRequest(n int64) Fault {
	return fault{fmt.Sprintf("byte %d of the request flipped", n), func(e *exchange) {
		e.forward(&flipper{e.r.Body, n}, nil)
	}}
}

// Delay delays a request.
func Delay(d time.Duration) Fault {
	return fault{"delayed by " + d.String(), func(e *exchange) {
		select {
		case <-time.After(d):
			e.forward(e.r.Body, nil)
		case <-e.p.closed:
		}
	}}
}

// part sends the header and at most n bytes of a response's body.
func (e *exchange) part(a *http.Response, n int64) {
	if a.ContentLength >= 0 {
		// The server may not have sent it in the header.
		a.Header.Set("Content-Length", strconv.FormatInt(a.ContentLength, 10))
	}
	e.head(a)
	if _, err := io.CopyN(e.w, a.Body, n); err != nil && !errors.Is(err, io.EOF) {
		return
	}
	_ = http.NewResponseController(e.w).Flush()
}

type flipper struct {
	from io.Reader
	left int64 // bytes before the one to flip
}

func (f *flipper) Read(p []byte) (int, error) {
	n, err := f.from.Read(p)
	if f.left >= 0 && f.left < int64(n) {
		p[f.left] ^= 1
	}
	f.left -= int64(n)
	return n, err
}

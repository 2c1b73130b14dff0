// Package awsjson calls AWS services that speak JSON over POST, with the SDK's credentials, signer and retryer.
//
// The SDK's own clients build tables of all operations of a service in every program that links them. Each start of the
// runner would pay for that, and it uses a handful of operations.
package awsjson

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// Service is how one of AWS's services is addressed.
type Service struct {
	Name    string // in signatures, and in host names
	Host    string // in host names, if it is another one
	ID      string // in AWS_ENDPOINT_URL_…, with blanks
	Target  string // the prefix of X-Amz-Target, before the operation's name
	Version string // of the JSON protocol; "" is 1.1
}

// Client calls one service in one region. Make one with New, or fill in what several clients share.
type Client struct {
	Service        Service
	Region         string
	Endpoint       string
	Config         aws.Config // for the credentials
	HTTP           aws.HTTPClient
	Retryer        *retry.Standard
	AttemptTimeout time.Duration
	InFlight       chan struct{} // holds a token for each request in flight; nil: no limit
}

const (
	// MaxAttempts is how often one call is attempted.
	MaxAttempts = 6
	// MaxTimeouts is how many attempts of one call may time out: a service that does not respond is given up sooner
	// than one that is busy.
	MaxTimeouts = 3
	// DefaultAttemptTimeout is the AttemptTimeout that New sets.
	DefaultAttemptTimeout = 10 * time.Second

	// maxResponse bounds a response, in bytes: 20 secrets of 64 KiB, every byte of them escaped.
	maxResponse = 20*6*(64<<10) + 1<<20

	userAgent = "carlin-cicd-runner"
)

// New returns a client for the configuration's region. The error is a *RegionError.
func New(ctx context.Context, config aws.Config, service Service) (*Client, error) {
	endpoint, err := Endpoint(ctx, config, service, config.Region)
	if err != nil {
		return nil, err
	}
	c := &Client{
		Service: service, Region: config.Region, Endpoint: endpoint, Config: config, HTTP: config.HTTPClient,
		AttemptTimeout: DefaultAttemptTimeout,
	}
	if c.HTTP == nil {
		c.HTTP = awshttp.NewBuildableClient()
	}
	c.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = max(MaxAttempts, config.RetryMaxAttempts)
	})
	return c, nil
}

// Call sends input as JSON and decodes the response into output, unless that is nil. It retries transient errors until
// ctx ends. The error is the context's, or one of this package's.
func (c *Client) Call(ctx context.Context, operation string, input, output any) error {
	body, err := json.Marshal(input)
	if err != nil {
		return err
	}
	return c.Send(ctx, Request{
		Header: map[string]string{
			"Content-Type": "application/x-amz-json-" + cmp.Or(c.Service.Version, "1.1"),
			"X-Amz-Target": c.Service.Target + "." + operation,
		},
		Body: body,
		Read: func(response *http.Response, text []byte) error {
			switch {
			case response.StatusCode != http.StatusOK:
				return parseAPIError(response, text)
			case output != nil && json.Unmarshal(text, output) != nil: // the JSON error could quote a secret
				return &APIError{Status: response.StatusCode, Message: "the response is not valid JSON"}
			}
			return nil
		},
	})
}

// Request is a request as it is sent at every attempt.
type Request struct {
	Method string // "" is POST
	Path   string // after the endpoint, with its query
	Header map[string]string
	Body   []byte
	Read   func(response *http.Response, text []byte) error // returns an *APIError for a response that is one
}

// Send sends a request, whatever protocol it speaks. It retries transient errors until ctx ends. The error is the
// context's, or one of this package's.
func (c *Client) Send(ctx context.Context, r Request) error {
	releaseToken := func(error) error { return nil } // returns the retry token if the retry succeeded
	for attempt, timeouts := 1, 0; ; attempt++ {
		err := c.attempt(ctx, r)
		_ = releaseToken(err)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var timeout *TimeoutError
		if errors.As(err, &timeout) {
			timeouts++
		}
		if attempt == c.Retryer.MaxAttempts() || timeouts == MaxTimeouts || !c.Retryer.IsErrorRetryable(err) {
			return err
		}
		delay, e := c.Retryer.RetryDelay(attempt, err)
		if e != nil {
			return err
		}
		if releaseToken, e = c.Retryer.GetRetryToken(ctx, err); e != nil { // the retry quota is used up
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(delay):
		}
	}
}

// attempt sends one request.
func (c *Client) attempt(ctx context.Context, r Request) error {
	if c.Config.Credentials == nil {
		return &CredentialsError{errors.New("no credentials are configured")}
	}
	credentials, err := c.Config.Credentials.Retrieve(ctx) // which has retries and limits of its own
	if err != nil {
		return &CredentialsError{err}
	}
	request, err := http.NewRequestWithContext(
		ctx, cmp.Or(r.Method, http.MethodPost), strings.TrimSuffix(c.Endpoint, "/")+r.Path, bytes.NewReader(r.Body),
	)
	if err != nil {
		return err
	}
	for name, value := range r.Header {
		request.Header.Set(name, value)
	}
	request.Header.Set("User-Agent", userAgent)
	hash := sha256.Sum256(r.Body)
	err = v4.NewSigner().SignHTTP(
		ctx, credentials, request, hex.EncodeToString(hash[:]), c.Service.Name, c.Region, time.Now(),
	)
	if err != nil {
		return &CredentialsError{err}
	}
	response, err := c.Do(request)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	return r.Read(response, text)
}

// Do sends one request within the client's limits, so that the client can be the aws.HTTPClient of an SDK client. The
// response is read whole, so that a body that stalls is a failed attempt.
func (c *Client) Do(request *http.Request) (*http.Response, error) {
	ctx := request.Context()
	if c.InFlight != nil {
		select {
		case c.InFlight <- struct{}{}:
			defer func() { <-c.InFlight }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	timeout := &TimeoutError{c.Endpoint, c.AttemptTimeout}
	ctx, cancel := context.WithTimeoutCause(ctx, c.AttemptTimeout, timeout)
	defer cancel()
	var text []byte
	response, err := c.HTTP.Do(request.WithContext(ctx))
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(response.Body, maxResponse))
		response.Body.Close()
	}
	if err != nil {
		return nil, c.transportError(ctx, timeout, err)
	}
	response.Body = io.NopCloser(bytes.NewReader(text))
	return response, nil
}

// transportError distinguishes a timeout of the attempt from a failed connection.
func (c *Client) transportError(ctx context.Context, timeout *TimeoutError, err error) error {
	if errors.Is(context.Cause(ctx), timeout) {
		return timeout
	}
	if withURL := (*url.Error)(nil); errors.As(err, &withURL) {
		err = withURL.Err // its URL is the endpoint
	}
	return &ConnectionError{c.Endpoint, err}
}

// parseAPIError reads the error code and message from a response.
func parseAPIError(response *http.Response, text []byte) *APIError {
	var body struct {
		Type    string `json:"__type"`
		Message string `json:"message"` // or Message: encoding/json takes either
	}
	_ = json.Unmarshal(text, &body)
	code := cmp.Or(response.Header.Get("X-Amzn-ErrorType"), body.Type)
	// Some services put a namespace before the code and a URL after it: com.amazonaws.ssm#InvalidKeyId:http://…
	code, _, _ = strings.Cut(code, ":")
	if i := strings.LastIndexByte(code, '#'); i >= 0 {
		code = code[i+1:]
	}
	return &APIError{Status: response.StatusCode, Code: code, Message: body.Message}
}

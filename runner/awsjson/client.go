// Package awsjson calls those of AWS's services that speak JSON over POST, with the SDK's credentials, signer and retryer.
//
// The SDK's own clients build tables of all of a service's operations in every program that links them, which costs each
// start of the runner more than the rest of the SDK does, and it uses a handful of operations.
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
	Name    string // in host names and signatures
	ID      string // in AWS_ENDPOINT_URL_…, with blanks
	Target  string // before an operation's name
	Version string // of the protocol; "" is 1.1
}

// Client calls one service in one region. Make one with New, or fill in what several clients share.
type Client struct {
	Service        Service
	Region         string
	Endpoint       string
	Config         aws.Config // for the credentials
	HTTP           aws.HTTPClient
	Retryer        *retry.Standard
	AttemptTimeout time.Duration // for one try
	InFlight       chan struct{} // holds a token for every request under way; nil: no limit
}

const (
	MaxAttempts           = 6                // Tries of one call, for a service that is busy
	MaxTimeouts           = 3                // Stalls of one call, tries that take all of their time: who does not answer will not for long
	DefaultAttemptTimeout = 10 * time.Second // Patience with one try

	// maxAnswer bounds an answer, in bytes: 20 secrets of 64 KiB, every byte of them escaped.
	maxAnswer = 20*6*(64<<10) + 1<<20
)

// New returns a client for the configuration's region. The error is a *RegionError.
func New(ctx context.Context, config aws.Config, service Service) (*Client, error) {
	endpoint, err := Endpoint(ctx, config, service, config.Region)
	if err != nil {
		return nil, err
	}
	c := &Client{Service: service, Region: config.Region, Endpoint: endpoint, Config: config, HTTP: config.HTTPClient, AttemptTimeout: DefaultAttemptTimeout}
	if c.HTTP == nil {
		c.HTTP = awshttp.NewBuildableClient()
	}
	c.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = max(MaxAttempts, config.RetryMaxAttempts) })
	return c, nil
}

// Call sends input as JSON and reads the answer into output, unless that is nil. It tries again what is worth it until
// ctx ends. The error is the context's, or one of this package's.
func (c *Client) Call(ctx context.Context, operation string, input, output any) error {
	body, err := json.Marshal(input)
	if err != nil {
		return err
	}
	release := func(error) error { return nil } // gives back what the last try has cost, if it went well
	for try, stalled := 1, 0; ; try++ {
		err := c.try(ctx, operation, body, output)
		_ = release(err)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var stall *TimeoutError
		if errors.As(err, &stall) {
			stalled++
		}
		if try == c.Retryer.MaxAttempts() || stalled == MaxTimeouts || !c.Retryer.IsErrorRetryable(err) {
			return err
		}
		delay, e := c.Retryer.RetryDelay(try, err)
		if e != nil {
			return err
		}
		if release, e = c.Retryer.GetRetryToken(ctx, err); e != nil { // too much has been tried again already
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(delay):
		}
	}
}

// try sends one request.
func (c *Client) try(ctx context.Context, operation string, body []byte, output any) error {
	if c.Config.Credentials == nil {
		return &CredentialsError{errors.New("none are set")}
	}
	credentials, err := c.Config.Credentials.Retrieve(ctx) // which has retries and limits of its own
	if err != nil {
		return &CredentialsError{err}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-amz-json-"+cmp.Or(c.Service.Version, "1.1"))
	request.Header.Set("X-Amz-Target", c.Service.Target+"."+operation)
	request.Header.Set("User-Agent", userAgent)
	hash := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, credentials, request, hex.EncodeToString(hash[:]), c.Service.Name, c.Region, time.Now()); err != nil {
		return &CredentialsError{err}
	}
	answer, err := c.Do(request)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return err
	case answer.StatusCode != http.StatusOK:
		return refusal(answer, text)
	case output != nil && json.Unmarshal(text, output) != nil: // what is wrong with it could quote a secret
		return &APIError{Status: answer.StatusCode, Message: "the answer is not understood"}
	}
	return nil
}

// Do is one try within the client's limits, so that the client can be the aws.HTTPClient of one of the SDK's. The answer
// is read whole: a body that stalls is a try that has failed.
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
	stall := &TimeoutError{c.Endpoint, c.AttemptTimeout}
	ctx, cancel := context.WithTimeoutCause(ctx, c.AttemptTimeout, stall)
	defer cancel()
	var text []byte
	answer, err := c.HTTP.Do(request.WithContext(ctx))
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
		answer.Body.Close()
	}
	if err != nil {
		return nil, c.lost(ctx, stall, err)
	}
	answer.Body = io.NopCloser(bytes.NewReader(text))
	return answer, nil
}

// lost tells an answer that did not come in time from one that did not come.
func (c *Client) lost(ctx context.Context, stall *TimeoutError, err error) error {
	if errors.Is(context.Cause(ctx), stall) {
		return stall
	}
	if named := (*url.Error)(nil); errors.As(err, &named) {
		err = named.Err // its URL is the endpoint
	}
	return &ConnectionError{c.Endpoint, err}
}

const userAgent = "carlin-cicd-runner"

// refusal reads why a request was refused.
func refusal(answer *http.Response, text []byte) error {
	var body struct {
		Type    string `json:"__type"`
		Message string `json:"message"` // or Message: encoding/json takes either
	}
	_ = json.Unmarshal(text, &body)
	code := answer.Header.Get("X-Amzn-ErrorType")
	if code == "" {
		code = body.Type
	}
	// Some put a name space before the code and a URL after it: com.amazonaws.ssm#InvalidKeyId:http://…
	code, _, _ = strings.Cut(code, ":")
	if i := strings.LastIndexByte(code, '#'); i >= 0 {
		code = code[i+1:]
	}
	return &APIError{Status: answer.StatusCode, Code: code, Message: body.Message}
}

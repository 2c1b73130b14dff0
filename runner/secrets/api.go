package secrets

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// api calls one service in one region. For Parameter Store it speaks AWS's JSON 1.1 protocol itself, with the SDK's
// credentials, signer and retryer: the SDK's client builds tables of all of the service's 150 operations in every program
// that links it, which costs every start of the runner more than the rest of the SDK does, and two operations of it are
// used here. For Secrets Manager it lends its limits to the SDK's client, see manager.
type api struct {
	service  service
	region   string
	endpoint string
	config   aws.Config
	client   aws.HTTPClient
	retryer  *retry.Standard
	patience time.Duration // for one try
	underWay chan struct{} // holds a token for every request under way
}

const (
	tries    = 6                // of one call, for a service that is busy
	stalls   = 3                // of one call, that may take all of their time: who does not answer will not for long
	patience = 10 * time.Second // for one try
	atOnce   = 8                // requests

	// maxAnswer bounds an answer, in bytes: 20 secrets of 64 KiB, every byte of them escaped.
	maxAnswer = 20*6*(64<<10) + 1<<20
)

// answerError is an answer that says no.
type answerError struct {
	Status  int    // of HTTP
	Code    string // AWS's, without name spaces; "" if whoever answered is no AWS
	Message string
}

func (e *answerError) Error() string {
	switch {
	case e.Code != "":
		return strings.TrimSuffix(e.Code+": "+e.Message, ": ")
	case e.Message != "":
		return e.Message
	}
	return fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
}

// ErrorCode and HTTPStatusCode are what the SDK's retryer judges by.
func (e *answerError) ErrorCode() string   { return e.Code }
func (e *answerError) HTTPStatusCode() int { return e.Status }

// stallError is a try that was given up for its time.
type stallError struct {
	endpoint string
	after    time.Duration
}

func (e *stallError) Error() string {
	return fmt.Sprintf("%s does not answer within %s", hostOf(e.endpoint), e.after)
}
func (e *stallError) Timeout() bool        { return true }
func (e *stallError) RetryableError() bool { return true }

// credentialsError says that there is nothing to sign a request with.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string        { return e.err.Error() }
func (e *credentialsError) Unwrap() error        { return e.err }
func (e *credentialsError) RetryableError() bool { return false }

// call sends input as JSON and reads the answer into output. It tries again what is worth it until ctx ends.
func (a *api) call(ctx context.Context, operation string, input, output any) error {
	body, err := json.Marshal(input)
	if err != nil {
		return err
	}
	release := func(error) error { return nil } // gives back what the last try has cost, if it went well
	for try, stalled := 1, 0; ; try++ {
		err := a.try(ctx, operation, body, output)
		_ = release(err)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var stall *stallError
		if errors.As(err, &stall) {
			stalled++
		}
		if try == a.retryer.MaxAttempts() || stalled == stalls || !a.retryer.IsErrorRetryable(err) {
			return err
		}
		delay, e := a.retryer.RetryDelay(try, err)
		if e != nil {
			return err
		}
		if release, e = a.retryer.GetRetryToken(ctx, err); e != nil { // too much has been tried again already
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
func (a *api) try(ctx context.Context, operation string, body []byte, output any) error {
	select {
	case a.underWay <- struct{}{}:
		defer func() { <-a.underWay }()
	case <-ctx.Done():
		return ctx.Err()
	}
	stall := &stallError{a.endpoint, a.patience}
	answer, text, err := a.send(ctx, stall, operation, body)
	switch {
	case err != nil:
		return err
	case answer.StatusCode != http.StatusOK:
		return refusal(answer, text)
	case json.Unmarshal(text, output) != nil: // what is wrong with it could quote a secret
		return &answerError{Status: answer.StatusCode, Message: "the answer is not understood"}
	}
	return nil
}

// lostError is an answer that did not arrive, or not whole.
type lostError struct {
	endpoint string
	err      error
}

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

// RetryableError is what the SDK's retryer asks for. Connections break and listeners restart; names that do not exist
// and certificates that are wrong stay so.
func (e *lostError) RetryableError() bool {
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	return !errors.As(e.err, &certificate) && !(errors.As(e.err, &dns) && dns.IsNotFound)
}

// send signs a request, sends it and reads the answer, all of it within a.patience but for the credentials, which have
// retries and limits of their own.
func (a *api) send(ctx context.Context, stall *stallError, operation string, body []byte) (*http.Response, []byte, error) {
	if a.config.Credentials == nil {
		return nil, nil, &credentialsError{errors.New("none are set")}
	}
	credentials, err := a.config.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, nil, &credentialsError{err}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, a.patience, stall)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", a.service.target+"."+operation)
	request.Header.Set("User-Agent", userAgent)
	hash := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, credentials, request, hex.EncodeToString(hash[:]), a.service.name, a.region, time.Now()); err != nil {
		return nil, nil, &credentialsError{err}
	}
	var text []byte
	answer, err := a.client.Do(request)
	if err == nil {
		defer answer.Body.Close()
		text, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	}
	if err != nil {
		return nil, nil, a.lost(ctx, stall, err)
	}
	return answer, text, nil
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
	return &answerError{Status: answer.StatusCode, Code: code, Message: body.Message}
}

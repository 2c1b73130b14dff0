package secrets

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
)

// manager is the SDK's client of Secrets Manager, with the limits and the retries of the api.
func (a *api) manager() *secretsmanager.Client {
	config := a.config.Copy()
	config.HTTPClient = transport{a}
	config.Credentials = identity{a.config.Credentials}
	config.Region = a.region
	config.Retryer = func() aws.Retryer { return retryer{a.retryer} }
	return secretsmanager.NewFromConfig(config, func(o *secretsmanager.Options) { o.BaseEndpoint = &a.endpoint })
}

// transport sends each try of the SDK's within the api's limits.
type transport struct{ a *api }

// Do implements aws.HTTPClient. The answer is read whole, so that a body that stalls is a try that has failed.
func (t transport) Do(request *http.Request) (*http.Response, error) {
	ctx := request.Context()
	select {
	case t.a.underWay <- struct{}{}:
		defer func() { <-t.a.underWay }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	stall := &stallError{t.a.endpoint, t.a.patience}
	ctx, cancel := context.WithTimeoutCause(ctx, t.a.patience, stall)
	defer cancel()
	var text []byte
	answer, err := t.a.client.Do(request.WithContext(ctx))
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
		answer.Body.Close()
	}
	if err != nil {
		return nil, t.a.lost(ctx, stall, err)
	}
	answer.Body = io.NopCloser(bytes.NewReader(text))
	return answer, nil
}

// lost tells an answer that did not come in time from one that did not come.
func (a *api) lost(ctx context.Context, stall *stallError, err error) error {
	if errors.Is(context.Cause(ctx), stall) {
		return stall
	}
	if named := (*url.Error)(nil); errors.As(err, &named) {
		err = named.Err // its URL is the endpoint
	}
	return &lostError{a.endpoint, err}
}

// identity tells credentials that cannot be had from an answer that says no.
type identity struct{ aws.CredentialsProvider }

// Retrieve implements aws.CredentialsProvider.
func (i identity) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if i.CredentialsProvider == nil {
		return aws.Credentials{}, &credentialsError{errors.New("none are set")}
	}
	c, err := i.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		err = &credentialsError{err}
	}
	return c, err
}

// retryer gives up on whoever does not answer sooner than on whoever is busy.
type retryer struct{ *retry.Standard }

// RetryDelay implements aws.Retryer.
func (r retryer) RetryDelay(attempt int, err error) (time.Duration, error) {
	var stall *stallError
	if attempt >= stalls && errors.As(err, &stall) {
		return 0, err
	}
	return r.Standard.RetryDelay(attempt, err)
}

// plain makes an error of the SDK's the api's own: what the SDK adds to it helps nobody.
func plain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var (
		stall       *stallError
		lost        *lostError
		credentials *credentialsError
		garbled     *smithy.DeserializationError
		no          smithy.APIError
		response    *awshttp.ResponseError
	)
	status := 0
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	switch {
	case errors.As(err, &stall):
		return stall
	case errors.As(err, &lost):
		return lost
	case errors.As(err, &credentials):
		return credentials
	case errors.As(err, &garbled): // what is wrong with it could quote a secret
		return &answerError{Status: status, Message: "the answer is not understood"}
	case errors.As(err, &no):
		const unknown = "UnknownError" // the SDK's word for what an answer does not say
		return &answerError{Status: status, Code: without(no.ErrorCode(), unknown), Message: without(no.ErrorMessage(), unknown)}
	}
	return err
}

func without(text, none string) string {
	if text == none {
		return ""
	}
	return text
}

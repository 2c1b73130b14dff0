package secrets

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"github.com/carlin-cicd/runner/runner/awsjson"
)

// newManager returns the SDK's client of Secrets Manager with the limits and retries of another client.
func newManager(a *awsjson.Client) *secretsmanager.Client {
	config := a.Config.Copy()
	config.HTTPClient = a
	config.Credentials = markedCredentials{a.Config.Credentials}
	config.Region = a.Region
	config.Retryer = func() aws.Retryer { return retryer{a.Retryer} }
	return secretsmanager.NewFromConfig(config, func(o *secretsmanager.Options) { o.BaseEndpoint = &a.Endpoint })
}

// markedCredentials makes errors of the credentials distinguishable from error responses.
type markedCredentials struct{ aws.CredentialsProvider }

// Retrieve implements aws.CredentialsProvider.
func (i markedCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if i.CredentialsProvider == nil {
		return aws.Credentials{}, &awsjson.CredentialsError{Err: errors.New("no credentials are configured")}
	}
	c, err := i.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		err = &awsjson.CredentialsError{Err: err}
	}
	return c, err
}

// retryer gives up sooner on a service that does not respond than on one that is busy.
type retryer struct{ *retry.Standard }

// RetryDelay implements aws.Retryer.
func (r retryer) RetryDelay(attempt int, err error) (time.Duration, error) {
	var timeout *awsjson.TimeoutError
	if attempt >= awsjson.MaxTimeouts && errors.As(err, &timeout) {
		return 0, err
	}
	return r.Standard.RetryDelay(attempt, err)
}

// convertError converts an error of the SDK to one of package awsjson, without the SDK's own details.
func convertError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var (
		timeout     *awsjson.TimeoutError
		connection  *awsjson.ConnectionError
		credentials *awsjson.CredentialsError
		malformed   *smithy.DeserializationError
		api         smithy.APIError
		response    *awshttp.ResponseError
	)
	status := 0
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	switch {
	case errors.As(err, &timeout):
		return timeout
	case errors.As(err, &connection):
		return connection
	case errors.As(err, &credentials):
		return credentials
	case errors.As(err, &malformed): // its text could quote a secret
		return &awsjson.APIError{Status: status, Message: "the response is not valid JSON"}
	case errors.As(err, &api):
		const unknown = "UnknownError" // the SDK's text for what a response leaves out
		return &awsjson.APIError{
			Status:  status,
			Code:    without(api.ErrorCode(), unknown),
			Message: without(api.ErrorMessage(), unknown),
		}
	}
	return err
}

// without returns the text, or "" for a placeholder.
func without(text, placeholder string) string {
	if text == placeholder {
		return ""
	}
	return text
}

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

// manager is the SDK's client of Secrets Manager, with the limits and the retries of the other.
func manager(a *awsjson.Client) *secretsmanager.Client {
	config := a.Config.Copy()
	config.HTTPClient = a
	config.Credentials = identity{a.Config.Credentials}
	config.Region = a.Region
	config.Retryer = func() aws.Retryer { return retryer{a.Retryer} }
	return secretsmanager.NewFromConfig(config, func(o *secretsmanager.Options) { o.BaseEndpoint = &a.Endpoint })
}

// identity tells credentials that cannot be had from an answer that says no.
type identity struct{ aws.CredentialsProvider }

// Retrieve implements aws.CredentialsProvider.
func (i identity) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if i.CredentialsProvider == nil {
		return aws.Credentials{}, &awsjson.CredentialsError{Err: errors.New("no credentials are configured")}
	}
	c, err := i.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		err = &awsjson.CredentialsError{Err: err}
	}
	return c, err
}

// retryer gives up on whoever does not answer sooner than on whoever is busy.
type retryer struct{ *retry.Standard }

// RetryDelay implements aws.Retryer.
func (r retryer) RetryDelay(attempt int, err error) (time.Duration, error) {
	var stall *awsjson.TimeoutError
	if attempt >= awsjson.MaxTimeouts && errors.As(err, &stall) {
		return 0, err
	}
	return r.Standard.RetryDelay(attempt, err)
}

// plain makes an error of the SDK's one of ours: what the SDK adds to it helps nobody.
func plain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var (
		stall       *awsjson.TimeoutError
		lost        *awsjson.ConnectionError
		credentials *awsjson.CredentialsError
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
		return &awsjson.APIError{Status: status, Message: "the answer is not understood"}
	case errors.As(err, &no):
		const unknown = "UnknownError" // the SDK's word for what an answer does not say
		return &awsjson.APIError{Status: status, Code: without(no.ErrorCode(), unknown), Message: without(no.ErrorMessage(), unknown)}
	}
	return err
}

func without(text, none string) string {
	if text == none {
		return ""
	}
	return text
}

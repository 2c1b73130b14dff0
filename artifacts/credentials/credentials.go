// Package credentials explains why AWS credentials cannot be had, for every client of AWS alike.
package credentials

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/smithy-go"
)

// Error reports that there are no credentials to sign a request with. It hides its cause from errors.As: that STS
// denies a role says nothing about the service that was to be called.
type Error struct{ err error }

func (e *Error) Error() string { return "no AWS credentials: " + Message(e.err) }

// Hint says what to do next.
func (e *Error) Hint() string {
	return cmp.Or(Hint(e.err), "give the task a role, or set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
}

// RetryableError implements what the SDK's retryer asks for.
func (e *Error) RetryableError() bool {
	return retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(e.err) == aws.TrueTernary
}

// Explain returns a provider whose errors are *Error, to tell them from those of requests. The provider may be nil.
func Explain(p aws.CredentialsProvider) aws.CredentialsProvider {
	if explained, ok := p.(provider); ok {
		return explained
	}
	return provider{p}
}

type provider struct{ aws.CredentialsProvider }

// Retrieve implements aws.CredentialsProvider.
func (p provider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if p.CredentialsProvider == nil {
		return aws.Credentials{}, &Error{errors.New("no credentials are configured")}
	}
	c, err := p.CredentialsProvider.Retrieve(ctx)
	var known *Error
	switch {
	case err == nil:
		return c, nil
	case errors.As(err, &known):
		return c, known
	}
	return c, &Error{err}
}

// Message returns the text of an error of the SDK's configuration or of its credentials, in one line and without what
// a credential_process printed, which would be credentials.
func Message(err error) string {
	var known *Error
	if errors.As(err, &known) {
		err = known.err
	}
	text := strings.ReplaceAll(err.Error(), "failed to refresh cached credentials, ", "")
	if before, _, found := strings.Cut(text, "parse failed of process output"); found {
		text = before + "what it printed is not the JSON of credentials"
	}
	return strings.Join(strings.Fields(text), " ")
}

// Hint says what to do about an error of the SDK's configuration or of its credentials; "" if that is not known.
func Hint(err error) string {
	var (
		known   *Error
		source  config.SharedConfigAssumeRoleError
		profile config.SharedConfigProfileNotExistError
		mfa     config.AssumeRoleTokenProviderNotSetError
		sso     *ssocreds.InvalidTokenError
		process *processcreds.ProviderError
		call    *smithy.OperationError
	)
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch {
	case errors.As(err, &known):
		return known.Hint()
	case errors.As(err, &source) && errors.As(source.Err, &profile):
		return fmt.Sprintf("correct source_profile of the AWS profile: there is no profile %q", profile.Profile)
	case errors.As(err, &profile):
		return fmt.Sprintf(
			"correct or unset AWS_PROFILE: there is no profile %q; aws configure list-profiles lists them",
			profile.Profile,
		)
	case errors.As(err, &mfa):
		return "the profile asks for an MFA code: run this on a terminal, or export the credentials of a session: " +
			"aws configure export-credentials"
	case errors.As(err, &sso), strings.Contains(text, "SSO token"):
		return "the login has expired, or there was none: run aws sso login with the same AWS_PROFILE"
	case strings.Contains(text, "login token"):
		return "the login has expired, or there was none: run aws login with the same AWS_PROFILE"
	case errors.As(err, &process):
		return "the credential_process of the profile fails: run its command by hand and see what it says"
	case strings.Contains(text, "retrieve jwt"):
		return "the web identity token cannot be read: check the path in AWS_WEB_IDENTITY_TOKEN_FILE or the profile"
	case errors.As(err, &call) && strings.HasPrefix(call.Operation(), "AssumeRole"):
		return adviseOnRole(text)
	}
	return ""
}

// adviseOnRole says what to do about a role that is not assumed.
func adviseOnRole(text string) string {
	switch {
	case strings.Contains(text, "MultiFactorAuthentication failed"):
		return "the MFA code was refused: start again with the next code of the device"
	case strings.Contains(text, "get identity: get credentials"):
		return "the credentials that the role is assumed with cannot be had: check source_profile or " +
			"credential_source of the profile"
	}
	return "the role cannot be assumed: check its ARN, and that its trust policy and your permissions allow " +
		"sts:AssumeRole"
}

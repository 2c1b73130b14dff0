package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/smithy-go"
)

// marked makes errors of a provider *credentialsError, to tell them from those of requests.
type marked struct{ aws.CredentialsProvider }

// Retrieve implements aws.CredentialsProvider.
func (m marked) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if m.CredentialsProvider == nil {
		return aws.Credentials{}, &credentialsError{errors.New("no credentials are configured")}
	}
	c, err := m.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return c, &credentialsError{err}
	}
	return c, nil
}

// credentialsError reports that there are no credentials to sign a request with. It hides its cause from errors.As:
// that STS denies a role says nothing about the bucket.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return "no AWS credentials: " + e.err.Error() }

// Hint says what to do next.
func (e *credentialsError) Hint() string {
	if hint := CredentialsHint(e.err); hint != "" {
		return hint
	}
	return "give the task a role, or set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
}

// CredentialsHint says what to do about an error of the SDK's configuration or of its credentials; "" if that is not
// known.
func CredentialsHint(err error) string {
	var (
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
		return "the role of the profile cannot be assumed: check its role_arn, and that its trust policy and your " +
			"permissions allow sts:AssumeRole"
	}
	return ""
}

package remote

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// CallerARN returns the ARN of the caller: of the user, or of the role with the session's name. The error is an *Error
// or the context's.
func CallerARN(ctx context.Context, config aws.Config) (string, error) {
	caller, err := sts.NewFromConfig(config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "", unanswered("could not find out whose credentials these are", "STS", err)
	}
	return aws.ToString(caller.Arn), nil
}

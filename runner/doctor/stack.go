package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/smithy-go"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/session"
)

// examineStack describes a stack. One that does not exist is a warning: the first deploy creates it.
func examineStack(ctx context.Context, aws session.AWS, name string) artifacts.Finding {
	found := artifacts.Finding{Subject: "stack " + name, Severity: artifacts.Failure}
	config, err := aws(ctx)
	if err == nil && config.Region == "" {
		err = errors.New("no region is configured")
	}
	if err != nil {
		found.Problem, found.Advice = "cannot be described: "+err.Error(), "set AWS_REGION, or AWS_PROFILE"
		return found
	}
	out, err := cloudformation.NewFromConfig(config).DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	var api smithy.APIError
	switch {
	case err == nil && len(out.Stacks) > 0 && strings.HasSuffix(string(out.Stacks[0].StackStatus), "_IN_PROGRESS"):
		found.Severity, found.Problem, found.Advice = artifacts.Warning, fmt.Sprintf("is busy: %s", out.Stacks[0].StackStatus), "wait for it, or a deploy will"
	case err == nil && len(out.Stacks) > 0:
		found.Severity, found.Problem = artifacts.OK, fmt.Sprintf("is %s in %s", out.Stacks[0].StackStatus, config.Region)
	case errors.As(err, &api) && strings.Contains(api.ErrorMessage(), "does not exist"):
		found.Severity, found.Problem = artifacts.Warning, "does not exist in "+config.Region
		found.Advice = "the first deploy creates it; otherwise correct STACK_NAME or AWS_REGION"
	case errors.As(err, &api) && strings.Contains(api.ErrorCode(), "AccessDenied"):
		found.Problem, found.Advice = "may not be described: "+api.ErrorMessage(), "allow cloudformation:DescribeStacks on it"
	case errors.As(err, &api):
		found.Problem, found.Advice = api.ErrorCode()+": "+api.ErrorMessage(), "check that the credentials are those of the account"
	case err == nil:
		found.Problem, found.Advice = "is not in the response", "correct STACK_NAME"
	default:
		found.Problem, found.Advice = "cannot be reached: "+err.Error(), "check that the network lets this machine reach CloudFormation, and that there are credentials"
	}
	return found
}

// Package remote runs a step on the cluster: it starts the task, follows its log, and returns its exit code.
package remote

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/smithy-go"
)

// Cluster is a cluster in an account: the outputs of a stack of infra/cicd.yaml.
type Cluster struct {
	Stack   string
	Outputs map[string]string
}

// Error reports a request that the cluster cannot fulfil, or a task that never ran.
type Error struct {
	Message, Advice string
	Err             error // of AWS, or nil
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// Hint returns the advice.
func (e *Error) Hint() string { return e.Advice }

// FindCluster reads the outputs of a stack. The error is an *Error, or the context's.
func FindCluster(ctx context.Context, config aws.Config, stack string) (Cluster, error) {
	if config.Region == "" {
		return Cluster{}, &Error{Message: "there is no AWS region", Advice: "set AWS_REGION, or AWS_PROFILE"}
	}
	found, err := cloudformation.NewFromConfig(
		config,
	).DescribeStacks(
		ctx,
		&cloudformation.DescribeStacksInput{StackName: &stack},
	)
	var api smithy.APIError
	switch {
	case err == nil && len(found.Stacks) == 1:
	case ctx.Err() != nil:
		return Cluster{}, ctx.Err()
	case err == nil, errors.As(err, &api) && strings.Contains(api.ErrorMessage(), "does not exist"):
		return Cluster{}, &Error{
			Message: fmt.Sprintf("there is no stack %s in %s", stack, config.Region),
			Advice:  "name the stack that was made from cicd.yaml, as in --stack ci, and its region in AWS_REGION",
		}
	case errors.As(err, &api) && strings.Contains(api.ErrorCode(), "AccessDenied"):
		return Cluster{}, &Error{
			Message: fmt.Sprintf("the stack %s may not be described", stack),
			Advice:  "allow cloudformation:DescribeStacks on it",
			Err:     errors.New(api.ErrorMessage()),
		}
	case errors.As(err, &api):
		return Cluster{}, &Error{
			Message: fmt.Sprintf("the stack %s cannot be described", stack),
			Advice:  "check that the credentials are those of the account",
			Err:     fmt.Errorf("%s: %s", api.ErrorCode(), api.ErrorMessage()),
		}
	default:
		return Cluster{}, &Error{
			Message: fmt.Sprintf("the stack %s cannot be described", stack),
			Advice:  "check that the network lets this machine reach CloudFormation, and that there are credentials",
			Err:     err,
		}
	}
	c := Cluster{Stack: stack, Outputs: map[string]string{}}
	for _, o := range found.Stacks[0].Outputs {
		c.Outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	return c, nil
}

// output returns an output that must exist.
func (c Cluster) output(name string) (string, error) {
	if v := c.Outputs[name]; v != "" {
		return v, nil
	}
	return "", &Error{
		Message: fmt.Sprintf("the stack %s has no output %s", c.Stack, name),
		Advice:  "name the stack that was made from cicd.yaml, and update it if it is an old one",
	}
}

// definition returns the output with the task definition of a step. A project's own steps run with that of test, and its
// permissions.
func (c Cluster) definition(step, environment string) (name string, own bool, err error) {
	switch step {
	case "build", "test":
		return title(step) + "TaskDefinitionArn", false, nil
	case "deploy", "migrate":
		if environment == "" {
			return "", false, &Error{
				Message: "ENVIRONMENT is required for step " + step,
				Advice:  "name it, as in --environment staging",
			}
		}
		name := title(step) + title(environment) + "TaskDefinitionArn"
		if c.Outputs[name] == "" {
			return "", false, &Error{
				Message: fmt.Sprintf("the stack %s has no task that can %s to %s", c.Stack, step, environment),
				Advice:  "it has those for staging and production",
			}
		}
		return name, false, nil
	}
	return "TestTaskDefinitionArn", true, nil
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

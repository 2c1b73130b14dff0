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
	client := cloudformation.NewFromConfig(config)
	found, err := client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &stack})
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
		return Cluster{}, unanswered(fmt.Sprintf("the stack %s cannot be described", stack), "CloudFormation", err)
	}
	c := Cluster{Stack: stack, Outputs: map[string]string{}}
	for _, o := range found.Stacks[0].Outputs {
		c.Outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	return c, nil
}

// unanswered is a request that a service did not answer: without credentials it was never sent, which the error of the
// credentials says without the SDK's words around it.
func unanswered(message, service string, err error) *Error {
	var unsigned interface {
		error
		Hint() string
	}
	if errors.As(err, &unsigned) {
		return &Error{Message: message, Advice: unsigned.Hint(), Err: unsigned}
	}
	return &Error{
		Message: message, Err: err,
		Advice: "check that the network lets this machine reach " + service + ", and that there are credentials",
	}
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

// taskSettings is what runs a step: its task definition, and its network where that is not the cluster's.
type taskSettings struct {
	Definition string   `json:"definition"`
	Subnets    []string `json:"subnets"`
	Groups     []string `json:"groups"`
	PublicIP   string   `json:"public"`

	own    bool // a step of the project's own, which runs as test does
	branch bool // with the rights of a branch other than the main one
}

// checkSettings returns the settings of build, test and the steps of a project's own, which run as test does, with the
// rights of test. Branches other than the main one have task definitions of their own.
func (c Cluster) checkSettings(step, branch string) (taskSettings, error) {
	kind, s := "Test", taskSettings{own: step != "test" && step != "build"}
	if step == "build" {
		kind = "Build"
	}
	name := kind + "TaskDefinitionArn"
	if c.Outputs["Branch"+name] != "" && branch != c.Outputs["MainBranch"] {
		name, s.branch = "Branch"+name, true
	}
	var err error
	s.Definition, err = c.output(name)
	if subnets := c.Outputs[kind+"SubnetIds"]; subnets != "" {
		s.Subnets = strings.Split(subnets, ",")
	}
	s.Groups = []string{c.Outputs[kind+"SecurityGroupId"]}
	return s, err
}

// completeNetwork fills in the network of the cluster where the step has none of its own.
func (c Cluster) completeNetwork(s *taskSettings) error {
	set := func(value []string) bool { return len(value) > 0 && value[0] != "" }
	if !set(s.Subnets) {
		subnets, err := c.output("SubnetIds")
		if err != nil {
			return err
		}
		s.Subnets = strings.Split(subnets, ",")
	}
	if !set(s.Groups) {
		group, err := c.output("SecurityGroupId")
		if err != nil {
			return err
		}
		s.Groups = []string{group}
	}
	if s.PublicIP == "" {
		public, err := c.output("AssignPublicIp")
		if err != nil {
			return err
		}
		s.PublicIP = public
	}
	return nil
}

// storedBranch is the branch as its artifacts and records are kept: one that begins like a release tag is below heads/,
// as branches may not write what belongs to release tags.
func (c Cluster) storedBranch(branch string) string {
	if prefix := c.Outputs["TagPrefix"]; prefix != "" && strings.HasPrefix(branch, prefix) {
		return "heads/" + branch
	}
	return branch
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

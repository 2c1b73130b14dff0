package awsquery

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
)

// CloudFormation implements the methods of the SDK's client that are used here. It ignores their options.
type CloudFormation struct{ client *Client }

type options = func(*cloudformation.Options)

// NewCloudFormation returns a client for the configuration's region; an endpoint that is not nil is used as it is. The
// error is a *awsjson.RegionError.
func NewCloudFormation(ctx context.Context, config aws.Config, endpoint *string) (*CloudFormation, error) {
	if endpoint != nil {
		config.BaseEndpoint, config.ConfigSources = endpoint, nil
	}
	c, err := New(ctx, config, Service{Name: "cloudformation", ID: "CloudFormation", Version: "2010-05-15"})
	if err != nil {
		return nil, err
	}
	c.client.AttemptTimeout = time.Minute // it reads large templates first
	return &CloudFormation{c}, nil
}

// call calls an operation.
func call[Output any](ctx context.Context, c *CloudFormation, action string, input any) (*Output, error) {
	output := new(Output)
	if err := c.client.Call(ctx, action, input, output); err != nil {
		return nil, err
	}
	return output, nil
}

// DescribeStacks calls the operation of this name.
func (c *CloudFormation) DescribeStacks(
	ctx context.Context, in *cloudformation.DescribeStacksInput, _ ...options,
) (*cloudformation.DescribeStacksOutput, error) {
	return call[cloudformation.DescribeStacksOutput](ctx, c, "DescribeStacks", in)
}

// DescribeStackEvents calls the operation of this name.
func (c *CloudFormation) DescribeStackEvents(
	ctx context.Context, in *cloudformation.DescribeStackEventsInput, _ ...options,
) (*cloudformation.DescribeStackEventsOutput, error) {
	return call[cloudformation.DescribeStackEventsOutput](ctx, c, "DescribeStackEvents", in)
}

// GetTemplate calls the operation of this name.
func (c *CloudFormation) GetTemplate(
	ctx context.Context, in *cloudformation.GetTemplateInput, _ ...options,
) (*cloudformation.GetTemplateOutput, error) {
	return call[cloudformation.GetTemplateOutput](ctx, c, "GetTemplate", in)
}

// ListStacks calls the operation of this name.
func (c *CloudFormation) ListStacks(
	ctx context.Context, in *cloudformation.ListStacksInput, _ ...options,
) (*cloudformation.ListStacksOutput, error) {
	return call[cloudformation.ListStacksOutput](ctx, c, "ListStacks", in)
}

// UpdateStack calls the operation of this name.
func (c *CloudFormation) UpdateStack(
	ctx context.Context, in *cloudformation.UpdateStackInput, _ ...options,
) (*cloudformation.UpdateStackOutput, error) {
	return call[cloudformation.UpdateStackOutput](ctx, c, "UpdateStack", in)
}

// RollbackStack calls the operation of this name.
func (c *CloudFormation) RollbackStack(
	ctx context.Context, in *cloudformation.RollbackStackInput, _ ...options,
) (*cloudformation.RollbackStackOutput, error) {
	return call[cloudformation.RollbackStackOutput](ctx, c, "RollbackStack", in)
}

// ContinueUpdateRollback calls the operation of this name.
func (c *CloudFormation) ContinueUpdateRollback(
	ctx context.Context, in *cloudformation.ContinueUpdateRollbackInput, _ ...options,
) (*cloudformation.ContinueUpdateRollbackOutput, error) {
	return call[cloudformation.ContinueUpdateRollbackOutput](ctx, c, "ContinueUpdateRollback", in)
}

// CreateStack calls the operation of this name.
func (c *CloudFormation) CreateStack(
	ctx context.Context, in *cloudformation.CreateStackInput, _ ...options,
) (*cloudformation.CreateStackOutput, error) {
	return call[cloudformation.CreateStackOutput](ctx, c, "CreateStack", in)
}

// DeleteStack calls the operation of this name.
func (c *CloudFormation) DeleteStack(
	ctx context.Context, in *cloudformation.DeleteStackInput, _ ...options,
) (*cloudformation.DeleteStackOutput, error) {
	return call[cloudformation.DeleteStackOutput](ctx, c, "DeleteStack", in)
}

// CreateChangeSet calls the operation of this name.
func (c *CloudFormation) CreateChangeSet(
	ctx context.Context, in *cloudformation.CreateChangeSetInput, _ ...options,
) (*cloudformation.CreateChangeSetOutput, error) {
	return call[cloudformation.CreateChangeSetOutput](ctx, c, "CreateChangeSet", in)
}

// DescribeChangeSet calls the operation of this name.
func (c *CloudFormation) DescribeChangeSet(
	ctx context.Context, in *cloudformation.DescribeChangeSetInput, _ ...options,
) (*cloudformation.DescribeChangeSetOutput, error) {
	return call[cloudformation.DescribeChangeSetOutput](ctx, c, "DescribeChangeSet", in)
}

// ExecuteChangeSet calls the operation of this name.
func (c *CloudFormation) ExecuteChangeSet(
	ctx context.Context, in *cloudformation.ExecuteChangeSetInput, _ ...options,
) (*cloudformation.ExecuteChangeSetOutput, error) {
	return call[cloudformation.ExecuteChangeSetOutput](ctx, c, "ExecuteChangeSet", in)
}

// DeleteChangeSet calls the operation of this name.
func (c *CloudFormation) DeleteChangeSet(
	ctx context.Context, in *cloudformation.DeleteChangeSetInput, _ ...options,
) (*cloudformation.DeleteChangeSetOutput, error) {
	return call[cloudformation.DeleteChangeSetOutput](ctx, c, "DeleteChangeSet", in)
}

// DetectStackDrift calls the operation of this name.
func (c *CloudFormation) DetectStackDrift(
	ctx context.Context, in *cloudformation.DetectStackDriftInput, _ ...options,
) (*cloudformation.DetectStackDriftOutput, error) {
	return call[cloudformation.DetectStackDriftOutput](ctx, c, "DetectStackDrift", in)
}

// DescribeStackDriftDetectionStatus calls the operation of this name.
func (c *CloudFormation) DescribeStackDriftDetectionStatus(
	ctx context.Context, in *cloudformation.DescribeStackDriftDetectionStatusInput, _ ...options,
) (*cloudformation.DescribeStackDriftDetectionStatusOutput, error) {
	return call[cloudformation.DescribeStackDriftDetectionStatusOutput](ctx, c, "DescribeStackDriftDetectionStatus", in)
}

// DescribeStackResourceDrifts calls the operation of this name.
func (c *CloudFormation) DescribeStackResourceDrifts(
	ctx context.Context, in *cloudformation.DescribeStackResourceDriftsInput, _ ...options,
) (*cloudformation.DescribeStackResourceDriftsOutput, error) {
	return call[cloudformation.DescribeStackResourceDriftsOutput](ctx, c, "DescribeStackResourceDrifts", in)
}

package stack

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/carlin-cicd/runner/runner/record"
)

// maxTemplate is the size in bytes of a template that a request may carry.
const maxTemplate = 51200

// macros matches a template that CloudFormation expands before it is used.
var macros = regexp.MustCompile(`(^|[\s{,"])(Fn::)?Transform"?\s*:|!Transform`)

func (r *restoration) token(action record.Action) *string {
	if r.Token == "" {
		return nil
	}
	return aws.String(r.Token + "-" + strings.ReplaceAll(string(action), "_", "-"))
}

func (r *restoration) rollBackFailedUpdate(ctx context.Context, state State) error {
	_, err := r.Client.RollbackStack(
		ctx,
		&cloudformation.RollbackStackInput{StackName: &state.ID, ClientRequestToken: r.token(record.Resumed)},
	)
	return r.checkResponse(ctx, "cloudformation:RollbackStack", err)
}

func (r *restoration) continueRollback(ctx context.Context, state State) error {
	_, err := r.Client.ContinueUpdateRollback(
		ctx,
		&cloudformation.ContinueUpdateRollbackInput{
			StackName:          &state.ID,
			ClientRequestToken: r.token(record.Continued),
		},
	)
	return r.checkResponse(ctx, "cloudformation:ContinueUpdateRollback", err)
}

func (r *restoration) applySnapshot(ctx context.Context, state State) error {
	in := &cloudformation.UpdateStackInput{
		StackName: &state.ID, ClientRequestToken: r.token(record.Reapplied), Tags: []types.Tag{},
	}
	if !slices.Contains(r.Before.Altered, "notification ARN") { // else they stay as they are
		in.NotificationARNs = r.Before.Notifications
	}
	if r.Before.RoleARN != "" && !slices.Contains(r.Before.Altered, "role") {
		in.RoleARN = &r.Before.RoleARN
	}
	if err := r.addTemplate(ctx, in); err != nil {
		return err
	}
	if err := r.addParameters(in, state); err != nil {
		return err
	}
	for key, value := range r.Before.Tags {
		if !slices.Contains(r.Before.Altered, "tag "+key) {
			in.Tags = append(in.Tags, types.Tag{Key: aws.String(key), Value: aws.String(value)})
		}
	}
	for _, c := range r.Before.Capabilities {
		in.Capabilities = append(in.Capabilities, types.Capability(c))
	}
	// A stack that was deployed by a change set does not have this capability, since a change set does not need it.
	if macros.MatchString(r.Before.Template) &&
		!slices.Contains(in.Capabilities, types.CapabilityCapabilityAutoExpand) {
		in.Capabilities = append(in.Capabilities, types.CapabilityCapabilityAutoExpand)
	}
	_, err := r.Client.UpdateStack(ctx, in)
	if isValidationError(err, "No updates are to be performed") {
		return nil // the comparison that follows finds differences that CloudFormation does not see
	}
	return r.checkResponse(ctx, "cloudformation:UpdateStack", err)
}

func (r *restoration) addTemplate(ctx context.Context, in *cloudformation.UpdateStackInput) error {
	template := &r.Before.Template
	switch {
	case slices.Contains(r.Before.Altered, "template"):
		return r.fail(
			record.Failed, "cannot be restored: the recorded template contained secrets, which were not stored",
			"deploy the earlier commit again, with --force",
		)
	case len(*template) <= maxTemplate:
		in.TemplateBody = template
		return nil
	case r.Upload == nil:
		return r.fail(
			record.Failed,
			"cannot be restored: its template is too large for a request, and there is no bucket for it",
			"set ARTIFACT_BUCKET to a bucket",
		)
	}
	url, err := r.Upload(ctx, *template)
	var known *RestoreError
	if errors.As(err, &known) {
		return known
	}
	if err != nil {
		return fmt.Errorf("the template of stack %s cannot be stored where CloudFormation can read it: %w", r.Name, err)
	}
	in.TemplateURL = &url
	return nil
}

func (r *restoration) addParameters(in *cloudformation.UpdateStackInput, state State) error {
	for _, p := range r.Before.Parameters {
		exists := slices.ContainsFunc(
			state.found.Parameters,
			func(now types.Parameter) bool { return aws.ToString(now.ParameterKey) == p.Key },
		)
		if p.Hidden && !exists {
			return r.fail(
				record.Failed,
				"cannot be restored: the value of parameter "+p.Key+" was hidden, and the update removed it",
				"deploy the earlier commit again, with --force",
			)
		}
		parameter := types.Parameter{ParameterKey: aws.String(p.Key), ParameterValue: aws.String(p.Value)}
		if p.Hidden {
			parameter.ParameterValue, parameter.UsePreviousValue = nil, aws.Bool(true)
		}
		in.Parameters = append(in.Parameters, parameter)
	}
	return nil
}

// checkResponse interprets the response to a request that changes the stack.
func (r *restoration) checkResponse(ctx context.Context, action string, err error) error {
	switch {
	case err == nil,
		errorCode(err) == "TokenAlreadyExistsException": // an earlier request was accepted, and its response was lost
		r.requests++
		return nil
	case isValidationError(err, "_IN_PROGRESS state"):
		return r.fail(
			record.Superseded, "is being changed by another party",
			"wait until that is done, look at the result, and run runner rollback if the stack is still to be restored",
		)
	}
	failed := r.serviceError(ctx, action, err)
	var service *ServiceError
	if !errors.As(failed, &service) {
		return failed
	}
	return &RestoreError{
		Stack:   r.Name,
		Action:  record.Failed,
		Message: "could not be restored",
		Advice:  service.Hint(),
		Err:     service,
	}
}

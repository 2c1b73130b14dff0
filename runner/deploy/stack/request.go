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

// macros tells a template that CloudFormation has expanded before it is used.
var macros = regexp.MustCompile(`(^|[\s{,"])(Fn::)?Transform"?\s*:|!Transform`)

func (w *way) token(action record.Action) *string {
	if w.Token == "" {
		return nil
	}
	return aws.String(w.Token + "-" + strings.ReplaceAll(string(action), "_", "-"))
}

func (w *way) resume(ctx context.Context, state State) error {
	_, err := w.Client.RollbackStack(ctx, &cloudformation.RollbackStackInput{StackName: &state.ID, ClientRequestToken: w.token(record.Resumed)})
	return w.judge(ctx, "cloudformation:RollbackStack", err)
}

func (w *way) carryOn(ctx context.Context, state State) error {
	_, err := w.Client.ContinueUpdateRollback(ctx, &cloudformation.ContinueUpdateRollbackInput{StackName: &state.ID, ClientRequestToken: w.token(record.Continued)})
	return w.judge(ctx, "cloudformation:ContinueUpdateRollback", err)
}

func (w *way) reapply(ctx context.Context, state State) error {
	if slices.Contains(w.Before.Altered, "template") {
		return w.refuse(record.Failed, "cannot be brought back: the template in the record held secrets, which were not stored", "deploy the earlier commit again, with --force")
	}
	in := &cloudformation.UpdateStackInput{
		StackName: &state.ID, ClientRequestToken: w.token(record.Reapplied), Tags: []types.Tag{}, NotificationARNs: w.Before.Notifications,
	}
	if w.Before.RoleARN != "" {
		in.RoleARN = &w.Before.RoleARN
	}
	if len(w.Before.Template) <= maxTemplate {
		in.TemplateBody = &w.Before.Template
	} else {
		if w.Upload == nil {
			return w.refuse(record.Failed, "cannot be brought back: its template is larger than a request may be, and there is no bucket for it", "set ARTIFACT_BUCKET to a bucket")
		}
		url, err := w.Upload(ctx, w.Before.Template)
		var known *RestoreError
		if errors.As(err, &known) {
			return known
		}
		if err != nil {
			return fmt.Errorf("the template of stack %s cannot be put where CloudFormation can read it: %w", w.Name, err)
		}
		in.TemplateURL = &url
	}
	for _, p := range w.Before.Parameters {
		if p.Hidden && !slices.ContainsFunc(state.found.Parameters, func(now types.Parameter) bool { return aws.ToString(now.ParameterKey) == p.Key }) {
			return w.refuse(record.Failed, "cannot be brought back: the value of parameter "+p.Key+" was hidden, and the stack has it no longer", "deploy the earlier commit again, with --force")
		}
		one := types.Parameter{ParameterKey: aws.String(p.Key), ParameterValue: aws.String(p.Value)}
		if p.Hidden {
			one.ParameterValue, one.UsePreviousValue = nil, aws.Bool(true)
		}
		in.Parameters = append(in.Parameters, one)
	}
	for key, value := range w.Before.Tags {
		if !slices.Contains(w.Before.Altered, "tag "+key) {
			in.Tags = append(in.Tags, types.Tag{Key: aws.String(key), Value: aws.String(value)})
		}
	}
	for _, c := range w.Before.Capabilities {
		in.Capabilities = append(in.Capabilities, types.Capability(c))
	}
	// A change set asks for no such thing, so a stack that was deployed by one does not have it.
	if macros.MatchString(w.Before.Template) && !slices.Contains(in.Capabilities, types.CapabilityCapabilityAutoExpand) {
		in.Capabilities = append(in.Capabilities, types.CapabilityCapabilityAutoExpand)
	}
	_, err := w.Client.UpdateStack(ctx, in)
	if says(err, "No updates are to be performed") {
		return nil // CloudFormation sees no difference; the comparison that follows says what it does not see
	}
	return w.judge(ctx, "cloudformation:UpdateStack", err)
}

// judge judges the answer to a request that changes the stack.
func (w *way) judge(ctx context.Context, action string, err error) error {
	switch {
	case err == nil, codeOf(err) == "TokenAlreadyExistsException": // it was asked before, and the answer was lost
		w.asked++
		return nil
	case says(err, "_IN_PROGRESS state"):
		return w.refuse(record.Superseded, "is being changed by somebody else", "wait for it, look at what it did, and run runner rollback if that is wanted after all")
	}
	failed := w.failed(ctx, action, err)
	var service *ServiceError
	if !errors.As(failed, &service) {
		return failed
	}
	return &RestoreError{Stack: w.Name, Action: record.Failed, Message: "could not be brought back", Advice: service.Hint(), Err: service}
}

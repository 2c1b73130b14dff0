package cluster

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/carlin-cicd/runner/runner/deploy/stack"
)

// request is what a stack is made of.
type request struct {
	name       string
	body, url  string // of the template: one of them
	previous   bool   // the template stays as it is
	role       string // that CloudFormation uses for the stack, or ""
	parameters []types.Parameter
}

func (r request) template() (body, url *string) {
	switch {
	case r.previous:
		return nil, nil
	case r.url != "":
		return nil, &r.url
	}
	return &r.body, nil
}

// parametersOf returns the parameters of a request: those that are set, and all others as the stack has them.
func parametersOf(t *Template, set map[string]string, current stack.Snapshot) []types.Parameter {
	var all []types.Parameter
	for _, name := range slices.Sorted(maps.Keys(set)) {
		all = append(all, types.Parameter{ParameterKey: aws.String(name), ParameterValue: aws.String(set[name])})
	}
	for _, p := range current.Parameters {
		if _, isSet := set[p.Key]; isSet {
			continue
		}
		if _, known := t.Parameters[p.Key]; !known {
			continue // an earlier version had it
		}
		kept := types.Parameter{ParameterKey: aws.String(p.Key), ParameterValue: aws.String(p.Value)}
		if p.Hidden {
			kept.ParameterValue, kept.UsePreviousValue = nil, aws.Bool(true)
		}
		all = append(all, kept)
	}
	return all
}

var capabilities = []types.Capability{types.CapabilityCapabilityIam}

// Change is what an update does to a resource.
type Change struct {
	Action      string `json:"action"` // Add, Modify, Remove, Import
	Resource    string `json:"resource"`
	Type        string `json:"type"`
	Replacement string `json:"replacement,omitempty"` // True, False, Conditional
}

// Replaces reports whether the resource may be made anew.
func (c Change) Replaces() bool { return c.Replacement == "True" || c.Replacement == "Conditional" }

// changeSet is a change set that CloudFormation has computed.
type changeSet struct {
	id      string
	changes []Change
}

// changes makes a change set for a stack that exists; nil if nothing would change.
func (a *Account) changes(ctx context.Context, r request, now time.Time) (*changeSet, error) {
	body, url := r.template()
	name := "runner-" + now.UTC().Format("20060102-150405")
	in := &cloudformation.CreateChangeSetInput{
		StackName: &r.name, ChangeSetName: &name, ChangeSetType: types.ChangeSetTypeUpdate, Capabilities: capabilities,
		TemplateBody: body, TemplateURL: url, Parameters: r.parameters, ClientToken: aws.String(rand.Text()),
	}
	if r.role != "" {
		in.RoleARN = &r.role
	}
	if r.previous {
		in.UsePreviousTemplate = &r.previous
	}
	made, err := a.stacks.CreateChangeSet(ctx, in)
	switch {
	case says(err, "No updates are to be performed"):
		return nil, nil
	case err != nil:
		return nil, requestError(ctx, "cloudformation:CreateChangeSet", r.name, err)
	}
	set := &changeSet{id: aws.ToString(made.Id)}
	for {
		page := &cloudformation.DescribeChangeSetInput{ChangeSetName: made.Id, StackName: &r.name}
		found, err := a.stacks.DescribeChangeSet(ctx, page)
		if err != nil {
			return nil, requestError(ctx, "cloudformation:DescribeChangeSet", r.name, err)
		}
		switch found.Status {
		case types.ChangeSetStatusCreateComplete:
			return set, a.readChanges(ctx, r.name, found, set)
		case types.ChangeSetStatusFailed:
			a.discard(ctx, r.name, set)
			reason := aws.ToString(found.StatusReason)
			if strings.Contains(reason, "didn't contain changes") || strings.Contains(reason, "No updates are to be performed") {
				return nil, nil
			}
			return nil, &Error{
				Message: fmt.Sprintf("CloudFormation made no change set for stack %s: %s", r.name, reason),
				Advice:  "correct the parameter that it names, and run the command again",
			}
		}
		if err := a.pause(ctx); err != nil {
			return nil, err
		}
	}
}

// readChanges reads all pages of a change set.
func (a *Account) readChanges(
	ctx context.Context, name string, page *cloudformation.DescribeChangeSetOutput, set *changeSet,
) error {
	for {
		for _, c := range page.Changes {
			if r := c.ResourceChange; r != nil {
				set.changes = append(set.changes, Change{
					Action: string(r.Action), Resource: aws.ToString(r.LogicalResourceId),
					Type: aws.ToString(r.ResourceType), Replacement: string(r.Replacement),
				})
			}
		}
		if page.NextToken == nil {
			return nil
		}
		var err error
		page, err = a.stacks.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{
			ChangeSetName: &set.id, StackName: &name, NextToken: page.NextToken,
		})
		if err != nil {
			return requestError(ctx, "cloudformation:DescribeChangeSet", name, err)
		}
	}
}

// discard deletes a change set that is not executed. One that stays behind changes nothing.
func (a *Account) discard(ctx context.Context, name string, set *changeSet) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, _ = a.stacks.DeleteChangeSet(ctx, &cloudformation.DeleteChangeSetInput{ChangeSetName: &set.id, StackName: &name})
}

func (a *Account) pause(ctx context.Context) error {
	wait := a.Poll
	if wait == 0 {
		wait = 2 * time.Second
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(wait):
		return nil
	}
}

// create creates a stack and waits for it. One whose creation failed is deleted.
func (a *Account) create(ctx context.Context, r request, emit func(stack.Event)) error {
	body, url := r.template()
	in := &cloudformation.CreateStackInput{
		StackName: &r.name, TemplateBody: body, TemplateURL: url, Parameters: r.parameters, Capabilities: capabilities,
		ClientRequestToken: aws.String(rand.Text()), // for a request that is repeated
	}
	if r.role != "" {
		in.RoleARN = &r.role
	}
	if _, err := a.stacks.CreateStack(ctx, in); err != nil {
		return requestError(ctx, "cloudformation:CreateStack", r.name, err)
	}
	state, failed, err := a.follow(ctx, r.name, stack.Snapshot{}, emit)
	if err != nil {
		return err
	}
	if state.Status == string(types.StackStatusCreateComplete) {
		return nil
	}
	explained := explainFailure("creation", r.name, state, failed)
	if err := a.remove(ctx, r.name, emit); err != nil {
		explained.Message += "; what was made of it could not be deleted: " + err.Error()
		return explained
	}
	explained.Message += "; what was made of it is deleted again"
	return explained
}

// execute executes a change set and waits for the stack.
func (a *Account) execute(ctx context.Context, name string, set *changeSet, emit func(stack.Event)) error {
	before, err := a.stack(name).Snapshot(ctx)
	if err != nil {
		return err
	}
	_, err = a.stacks.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{ChangeSetName: &set.id, StackName: &name})
	if err != nil {
		return requestError(ctx, "cloudformation:ExecuteChangeSet", name, err)
	}
	state, failed, err := a.follow(ctx, name, before, emit)
	switch {
	case err != nil:
		return err
	case state.Status == string(types.StackStatusUpdateComplete):
		return nil
	}
	explained := explainFailure("update", name, state, failed)
	if state.Status == string(types.StackStatusUpdateRollbackComplete) {
		explained.Message += "; the stack is as it was before"
	}
	return explained
}

// remove deletes a stack and waits until it is gone.
func (a *Account) remove(ctx context.Context, name string, emit func(stack.Event)) error {
	s := a.stack(name)
	state, err := s.WaitUntilIdle(ctx, func(busy stack.State) { // CloudFormation deletes no stack that it updates
		if a.Note != nil {
			a.Note(fmt.Sprintf("waiting for stack %s, which is %s", name, busy.Status))
		}
	})
	if err != nil || state.Status == stack.Absent {
		return noAnswer(name, state.Status, err)
	}
	s.Name = state.ID // a deleted stack is found by its id only
	before := stack.Snapshot{ID: state.ID}
	if before.LastEvent, err = s.LastEvent(ctx, before, false); err != nil {
		return err
	}
	if _, err := a.stacks.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &state.ID}); err != nil {
		return requestError(ctx, "cloudformation:DeleteStack", name, err)
	}
	state, failed, err := a.follow(ctx, state.ID, before, emit)
	switch {
	case err != nil:
		return err
	case state.Missing():
		return nil
	}
	return explainFailure("deletion", name, state, failed)
}

// follow emits the events of a stack until CloudFormation has finished its work on it. It returns the first event that
// tells why the work failed.
func (a *Account) follow(
	ctx context.Context, name string, before stack.Snapshot, emit func(stack.Event),
) (state stack.State, failed stack.Event, err error) {
	s := a.stack(name)
	note := func(e stack.Event) {
		if e.Failed() && !e.OfStack && failed.ID == "" && !isConsequence(e.Reason) {
			failed = e
		}
		emit(e)
	}
	last := before.LastEvent
	for {
		seen := state.Status
		state, err = s.DescribeAgain(ctx)
		if err != nil {
			return state, failed, noAnswer(name, seen, err)
		}
		last = s.EmitEvents(ctx, before, last, note)
		if !state.Busy() {
			return state, failed, nil
		}
		if err := a.pause(ctx); err != nil {
			return state, failed, interrupted(name, err)
		}
	}
}

// interrupted says that CloudFormation goes on without us.
func interrupted(name string, err error) error {
	return fmt.Errorf("CloudFormation goes on with stack %s; run the command again to see how it ended: %w", name, err)
}

// isConsequence reports whether a resource failed only because another one did.
func isConsequence(reason string) bool {
	return strings.HasPrefix(reason, "Resource creation cancelled") || strings.HasPrefix(reason, "Resource update cancelled")
}

// explainFailure says why CloudFormation failed, and what to do.
func explainFailure(what, name string, state stack.State, failed stack.Event) *Error {
	e := &Error{Message: fmt.Sprintf("the %s of stack %s ended as %s", what, name, state.Status)}
	reason := failed.Reason
	if failed.ID != "" {
		e.Message += fmt.Sprintf(": %s (%s) failed: %s", failed.Resource, failed.Type, reason)
	} else if reason = state.Reason; reason != "" {
		e.Message += ": " + reason
	}
	e.Advice = adviceFor(reason)
	return e
}

// adviceFor says what to do about a reason of CloudFormation.
func adviceFor(reason string) string {
	for _, known := range []struct{ words, advice string }{
		{"service linked role", "run the command again: the account had no role for ECS, and IAM takes a moment; else set EcsServiceLinkedRole: create below parameters: pipeline:"},
		{"service-linked role", "run the command again: the account had no role for ECS, and IAM takes a moment; else set EcsServiceLinkedRole: create below parameters: pipeline:"},
		{"not authorized to perform", "use credentials with the right that is named; who deploys the cluster makes roles and needs the rights of an administrator"},
		{"AccessDenied", "use credentials with the right that is named; who deploys the cluster makes roles and needs the rights of an administrator"},
		{"is not in state available", "run the command again in a minute"},
		{"Rate exceeded", "run the command again in a minute: AWS limits the requests of an account"},
		{"Throttl", "run the command again in a minute: AWS limits the requests of an account"},
		{"limit", "ask for more in Service Quotas, or remove what is not needed any more; then run the command again"},
		{"LimitExceeded", "ask for more in Service Quotas, or remove what is not needed any more; then run the command again"},
		{"provider for token.actions", "set GitHubOidcProviderArn below parameters: pipeline: to the account's provider, of which there can be one only"},
		{"already exists", "something of this name is left over: remove it, or choose another --stack; then run the command again"},
		{"cannot exceed quota", "ask for more in Service Quotas, or remove what is not needed any more; then run the command again"},
	} {
		if strings.Contains(reason, known.words) {
			return known.advice
		}
	}
	return "correct what the reason names, and run the command again; it goes on where it stopped"
}

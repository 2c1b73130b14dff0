package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/account"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps"
)

// Examine reports for doctor whether the stacks of a step can be deployed to, where its command works. Stacks whose
// names are unknown are left out.
func Examine(
	ctx context.Context,
	s *session.Session,
	step steps.Step,
	variables map[string]string,
) []artifacts.Finding {
	failure := func(subject string, err error) []artifacts.Finding {
		return []artifacts.Finding{
			{Subject: subject, Severity: artifacts.Failure, Problem: err.Error(), Advice: outcome.Hint(err)},
		}
	}
	d := New(s, step)
	var err error
	if d.account, err = account.Of(s, step, variables); err != nil {
		return failure("step "+step.Name, err)
	}
	var found []artifacts.Finding
	if d.account.Account != "" {
		if err := d.account.CheckAccount(ctx); err != nil {
			return failure("account", err)
		}
		found = append(
			found,
			artifacts.Finding{Subject: "account", Severity: artifacts.OK, Problem: "is " + d.account.Account},
		)
	}
	if len(d.targets) == 0 {
		names, err := d.resolveStacks(variables)
		if err != nil {
			return append(found, failure("stacks of "+step.Name, err)...)
		}
		for _, name := range names {
			d.targets = append(d.targets, newTarget(d, name))
		}
	}
	for _, t := range d.targets {
		if t.stack != "" {
			found = append(found, t.examine(ctx))
		}
	}
	return found
}

// examine describes the stack. One that does not exist is a warning, since the first deploy creates it, unless the step
// insists on its rollback.
func (t *target) examine(ctx context.Context) artifacts.Finding {
	d := t.run
	found := artifacts.Finding{Subject: "stack " + t.stack, Severity: artifacts.Failure}
	if err := checkStackName(t.stack); err != nil {
		found.Problem, found.Advice = err.Error(), outcome.Hint(err)
		return found
	}
	config, err := d.account.AWS(ctx)
	if err == nil && config.Region == "" {
		err = errors.New("no region is configured")
	}
	if err != nil {
		found.Problem, found.Advice = "cannot be described: "+err.Error(), "set AWS_REGION, or AWS_PROFILE"
		return found
	}
	s, err := t.open(ctx)
	var state stack.State
	if err == nil {
		state, err = s.Describe(ctx)
	}
	problem, advice := stack.Snapshot{Status: state.Status}.Blocked(t.stack)
	var service *stack.ServiceError
	switch {
	case errors.As(err, &service) && service.Denied():
		found.Problem, found.Advice = "may not be described: "+service.Message(), "allow cloudformation:DescribeStacks on it"
	case errors.As(err, &service) && service.Message() != "":
		found.Problem, found.Advice = service.Message(), "check that the credentials are those of the account"
	case err != nil:
		found.Problem = "cannot be reached: " + cmp.Or(errors.Unwrap(err), err).Error()
		found.Advice = "check that the network lets this machine reach CloudFormation, and that there are credentials"
	case problem != "":
		found.Severity, found.Problem, found.Advice = artifacts.Warning, fmt.Sprintf(
			"is %s in %s: %s", state.Status, d.account, problem,
		), advice
	case state.Missing() && d.insistsOnRollback():
		found.Problem, found.Advice = fmt.Sprintf(
			"does not exist in %s, so %s is refused", d.account, d.step.Name,
		), adviceOnAbsent
	case state.Missing():
		found.Severity, found.Problem = artifacts.Warning, "does not exist in "+d.account.String()
		found.Advice = "the first deploy creates it; otherwise correct STACK_NAME, or the region and the account of the step"
	case state.Busy():
		found.Severity, found.Problem, found.Advice = artifacts.Warning, "is busy: "+state.Status, "wait for it, or a deploy will"
	default:
		found.Severity, found.Problem = artifacts.OK, fmt.Sprintf("is %s in %s", state.Status, d.account)
	}
	return found
}

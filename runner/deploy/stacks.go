package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/account"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/steps/pattern"
)

// stackName is CloudFormation's rule for names.
var stackName = pattern.New(`^[A-Za-z][A-Za-z0-9-]{0,127}$`)

// checkStackName returns a *outcome.ConfigError for a name that no stack can have.
func checkStackName(name string) error {
	switch {
	case name == "", stackName.MatchString(name):
		return nil
	case len(name) > 128:
		return &outcome.ConfigError{
			Message: fmt.Sprintf(
				"the stack's name has %d characters, and CloudFormation allows 128: %s", len(name), name,
			),
			Advice: "shorten STACK_NAME",
		}
	}
	return &outcome.ConfigError{
		Message: fmt.Sprintf("%q cannot be the name of a stack", name),
		Advice:  "use letters, digits and dashes, and begin with a letter",
	}
}

// isGlob reports whether an entry of stacks: is a pattern.
func isGlob(pattern string) bool { return strings.ContainsAny(pattern, "*?[") }

// patterns returns the entries of stacks: with their variables replaced.
func (d *Deployment) patterns(variables map[string]string) (patterns []string, err error) {
	for _, text := range d.step.Stacks {
		pattern, err := account.Expand("stacks", text, d.step.Name, variables)
		if err != nil {
			return nil, err
		}
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, &outcome.ConfigError{
				Message: fmt.Sprintf("stacks: %q is not a pattern", pattern),
				Advice:  "write a name or a pattern such as net-*",
			}
		}
		patterns = append(patterns, pattern)
	}
	return patterns, nil
}

// resolveStacks returns the names of the stacks that stacks: names, sorted, as far as they exist where it has patterns.
func (d *Deployment) resolveStacks(variables map[string]string) ([]string, error) {
	patterns, err := d.patterns(variables)
	if err != nil {
		return nil, err
	}
	var existing []string
	switch hasGlob := slices.ContainsFunc(patterns, isGlob); {
	case !hasGlob:
	case d.byRecords:
		if existing, err = d.recordedStacks(); err != nil {
			return nil, outcome.ArtifactsError{Err: err}
		}
	default:
		listed, err := d.listStacks(d.Stop.Work)
		if err != nil {
			return nil, &outcome.GuardError{
				Message: "could not list the stacks for stacks: " + err.Error(),
				Advice:  "allow cloudformation:ListStacks, or name the stacks without a pattern",
			}
		}
		existing = slices.Collect(maps.Keys(listed))
	}
	return d.match(patterns, existing)
}

// recordedStacks returns the stacks that have records in the environment.
func (d *Deployment) recordedStacks() ([]string, error) {
	lister, ok := d.Store.(artifacts.Lister)
	if !ok {
		return nil, errors.New(d.Place + " cannot be listed")
	}
	var names []string
	prefix := keys.DeploymentScopes(d.Config.Environment)
	for entry, err := range lister.List(d.Stop.Work, prefix) {
		if err != nil {
			return nil, err
		}
		scope, _, _ := strings.Cut(strings.TrimPrefix(entry.Key, prefix), "/")
		if name := strings.TrimSuffix(scope, keys.Mark); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// match returns the names of the patterns, and those of the existing stacks that match one. That a pattern matches
// none is worth a warning; with rollback: true it is refused.
func (d *Deployment) match(patterns, existing []string) ([]string, error) {
	var names []string
	for _, pattern := range patterns {
		if !isGlob(pattern) {
			names = append(names, pattern)
			continue
		}
		matching := slices.DeleteFunc(slices.Clone(existing), func(name string) bool { return !matches(pattern, name) })
		if len(matching) == 0 && d.insistsOnRollback() && !d.Config.Force && !d.byRecords {
			return nil, &outcome.GuardError{
				Message: fmt.Sprintf(
					"no stack matches %s in %s, so it could not be restored", pattern, d.account,
				),
				Advice: adviceOnAbsent,
			}
		}
		if len(matching) == 0 && !d.byRecords {
			d.Log.Warn("no stack matches the pattern", "stacks", pattern, "place", d.account.String())
		}
		names = append(names, matching...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func matches(pattern, name string) bool {
	ok, _ := path.Match(pattern, name)
	return ok
}

// listedStack is a stack in a list of all.
type listedStack struct {
	id      string
	status  types.StackStatus
	updated time.Time // or created
}

func (s listedStack) same(o listedStack) bool {
	return s.id == o.id && s.status == o.status && s.updated.Equal(o.updated)
}

const (
	maxListPages = 50 // of 100 stacks each
	listTimeout  = 10 * time.Second
)

// listStacks returns the account's stacks in the command's region, without those that are nested in others.
func (d *Deployment) listStacks(ctx context.Context) (map[string]listedStack, error) {
	client, err := d.cloudFormation(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	in := &cloudformation.ListStacksInput{}
	for _, status := range types.StackStatus("").Values() {
		if status != types.StackStatusDeleteComplete { // it is listed for 90 days
			in.StackStatusFilter = append(in.StackStatusFilter, status)
		}
	}
	listed := map[string]listedStack{}
	for range maxListPages {
		out, err := client.ListStacks(ctx, in)
		if err != nil {
			return nil, &stack.ServiceError{Stack: "*", Action: "cloudformation:ListStacks", Err: err}
		}
		for _, s := range out.StackSummaries {
			if s.ParentId != nil {
				continue
			}
			updated := aws.ToTime(s.CreationTime)
			if s.LastUpdatedTime != nil {
				updated = *s.LastUpdatedTime
			}
			listed[aws.ToString(s.StackName)] = listedStack{aws.ToString(s.StackId), s.StackStatus, updated}
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return listed, nil
		}
	}
	return nil, errors.New("the account has too many stacks")
}

// listBefore keeps the account's stacks, to see which others the command changes. Without the permission it does
// nothing.
func (d *Deployment) listBefore() {
	if !slices.ContainsFunc(d.targets, func(t *target) bool { return t.stack != "" }) {
		return
	}
	var err error
	if d.listed, err = d.listStacks(d.Stop.Work); err != nil {
		d.Log.Debug(
			"could not list the stacks, so changes of others than the step's are not noticed", "error", err.Error(),
		)
	}
}

// compareStacks finds the stacks that changed while the command ran and are not among the targets, and logs them.
func (d *Deployment) compareStacks(variables map[string]string, failed bool) {
	if d.listed == nil || d.Stop.Work.Err() != nil {
		return
	}
	now, err := d.listStacks(d.Stop.Work)
	if err != nil {
		d.Log.Debug("could not list the stacks", "error", err.Error())
		return
	}
	patterns, _ := d.patterns(variables) // were correct before
	for _, name := range slices.Sorted(maps.Keys(now)) {
		before, existed := d.listed[name]
		switch {
		case slices.ContainsFunc(d.targets, func(t *target) bool { return t.stack == name }),
			existed && before.same(now[name]):
		case !existed && slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pattern, name) }):
			d.created = append(d.created, name)
		default:
			d.others = append(d.others, name)
		}
	}
	for name := range d.listed {
		if _, exists := now[name]; !exists &&
			!slices.ContainsFunc(d.targets, func(t *target) bool { return t.stack == name }) {
			d.others = append(d.others, name)
		}
	}
	slices.Sort(d.others)
	if len(d.created) > 0 {
		d.Log.Info("the command created stacks", "stacks", strings.Join(d.created, ", "))
	}
	if len(d.others) > 0 {
		message := "stacks changed while the command ran that are not restored after a failure"
		if failed {
			message = "stacks changed while the command ran and are not restored"
		}
		d.Log.Warn(
			message, "stacks", strings.Join(d.others, ", "),
			"hint", "if the command changes them, name them in stacks: of the step",
		)
	}
}

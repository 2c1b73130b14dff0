package cluster

import (
	"context"
	"fmt"
	"strings"

	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
)

// Removal is what Destroy removes, and what it keeps.
type Removal struct {
	Stacks  []string `json:"stacks"`  // in this order
	Removed []string `json:"removed"` // what is removed besides the stacks
	Kept    []string `json:"kept"`    // and how to remove it

	parts                          []doomed
	buckets, repositories, secrets []string
	hook                           string // at GitHub, its path
}

// doomed is a stack that is removed.
type doomed struct {
	account *Account
	name    string
}

// Removal finds out what would be removed. All also removes what a stack keeps when it is deleted, and the base, unless
// other pipelines of the account use it.
func (d *Deployment) Removal(ctx context.Context, all bool) (*Removal, error) {
	r := &Removal{}
	if err := d.removeEnvironments(ctx, r); err != nil {
		return nil, err
	}
	hook, err := d.add(ctx, r, d.Account, d.Settings.WebhookStack(), webhookTemplate, "")
	if err != nil {
		return nil, err
	}
	d.findHook(ctx, r, hook.Outputs["Url"])
	pipeline, err := d.add(ctx, r, d.Account, d.Settings.Stack, pipelineTemplate, "")
	if err != nil {
		return nil, err
	}
	used := r.chooseWhatIsLeft(hook, pipeline, all)
	if !all {
		if len(r.parts) > 0 {
			r.Kept = append(r.Kept, "stack "+d.Settings.Base+", which the pipelines of the account share")
		}
		return r, nil
	}
	base, err := d.owned(ctx, r, d.Account, d.Settings.Base, baseTemplate, "")
	if err != nil {
		return nil, err
	}
	users, err := d.otherUsers(ctx, base)
	if err != nil {
		return nil, err
	}
	if len(users) > 0 {
		r.Kept = append(r.Kept, fmt.Sprintf("stack %s, which %s uses, too: runner cluster destroy --stack %s --all deletes it with the last of them",
			d.Settings.Base, strings.Join(users, ", "), users[0]))
		return r, d.addLeftovers(ctx, r, used, d.Settings.Stack, d.Settings.WebhookStack())
	}
	if base.Status != stack.Absent {
		r.removeStack(d.Account, d.Settings.Base)
	}
	if bucket := base.Outputs["TemplateBucket"]; bucket != "" {
		r.remove(leftover{bucketKind, bucket}, " with the templates")
	}
	if key := base.Outputs["KmsKeyArn"]; key != "" {
		r.Kept = append(r.Kept, "the key "+key+": aws kms schedule-key-deletion --key-id "+lastPart(key))
	}
	return r, d.addLeftovers(ctx, r, used, d.Settings.Stack, d.Settings.WebhookStack(), d.Settings.Base)
}

// add adds a stack to what is removed, if it is there and of this pipeline.
func (d *Deployment) add(ctx context.Context, r *Removal, a *Account, name, template, environment string) (stack.Snapshot, error) {
	current, err := d.owned(ctx, r, a, name, template, environment)
	if err == nil && current.Status != stack.Absent {
		r.removeStack(a, name)
	}
	return current, err
}

// removeStack adds a stack to what is removed.
func (r *Removal) removeStack(a *Account, name string) {
	r.parts = append(r.parts, doomed{a, name})
	r.Stacks = append(r.Stacks, name)
}

// owned reads a stack of this pipeline. One of another project is absent, and noted as kept.
func (d *Deployment) owned(ctx context.Context, r *Removal, a *Account, name, template, environment string) (stack.Snapshot, error) {
	current, err := a.stack(name).Snapshot(ctx)
	switch {
	case err != nil || current.Status == stack.Absent:
		return current, err
	case current.Missing():
		r.Kept = append(r.Kept, "stack "+name+", of which there is nothing but a change set that was never executed: aws cloudformation delete-stack --stack-name "+name)
		return stack.Snapshot{Status: stack.Absent}, nil
	case !d.isOwn(template, environment, valuesOf(current)):
		r.keepOther(name)
		return stack.Snapshot{Status: stack.Absent}, nil
	}
	return current, nil
}

// keepOther names a stack of another project.
func (r *Removal) keepOther(name string) {
	r.Kept = append(r.Kept, "stack "+name+", which is not of this pipeline: its name only looks like it")
}

// removeEnvironments adds the stacks of all environments: those of the settings, and those that earlier settings have
// left in the account.
func (d *Deployment) removeEnvironments(ctx context.Context, r *Removal) error {
	s := &d.Settings
	keepProject := func(values map[string]string) {
		if name := values["StackName"]; name != "" {
			r.Kept = append(r.Kept, "stack "+name+", which the pipeline deployed: aws cloudformation delete-stack --stack-name "+name)
		}
	}
	for _, e := range s.Environments {
		there, known := d.Targets[e.Name]
		if known {
			if _, err := d.add(ctx, r, there, s.TargetStack(e.Name), targetTemplate, e.Name); err != nil {
				return err
			}
		}
		// It attaches policies to the machine's role, so it goes before the pipeline.
		environment, err := d.add(ctx, r, d.Account, s.EnvironmentStack(e.Name), environmentTemplate, e.Name)
		if err != nil {
			return err
		}
		if !known {
			r.keepTarget(s.TargetStack(e.Name), e.Name, valuesOf(environment))
		}
		keepProject(valuesOf(environment))
	}
	ours, others, err := d.strays(ctx)
	for _, left := range ours {
		r.removeStack(left.account, left.name)
		if left.template == targetTemplate {
			continue
		}
		if account, _ := targetOf(left.values); account != d.Account.ID {
			r.keepTarget(s.TargetStack(left.environment), left.environment, left.values)
		}
		keepProject(left.values)
	}
	for _, name := range others {
		r.keepOther(name)
	}
	return err
}

// keepTarget names the stack of an environment that is elsewhere, whose credentials were not named.
func (r *Removal) keepTarget(name, environment string, have map[string]string) {
	account, region := targetOf(have)
	if account == "" {
		return
	}
	r.Kept = append(r.Kept, fmt.Sprintf(
		"stack %s in account %s, %s: name its profile below cluster: in runner.yaml, as that of environment %s",
		name, account, region, environment,
	))
}

// chooseWhatIsLeft decides on what stacks keep when they are deleted. A bucket or a repository of the user's own, which
// is a parameter, is never removed: it returns these.
func (r *Removal) chooseWhatIsLeft(hook, pipeline stack.Snapshot, all bool) (used []string) {
	for _, c := range []struct {
		kind, name string
		own        string // the parameter that names one of the user's own
		what       string // it is
		later      string
	}{
		{bucketKind, pipeline.Outputs["ArtifactBucket"], valuesOf(pipeline)["ArtifactBucket"], "the bucket %s with builds and records", "it"},
		{repositoryKind, pipeline.Outputs["RepositoryName"], valuesOf(pipeline)["RepositoryName"], "the images in %s", "them"},
		{secretKind, hook.Outputs["SecretArn"], valuesOf(hook)["SecretArn"], "the webhook's secret %s", "it"},
	} {
		switch {
		case c.name == "":
		case c.own != "":
			used = append(used, c.own)
			r.Kept = append(r.Kept, fmt.Sprintf(c.what, c.name)+": it is a parameter of the pipeline, and yours")
		case all:
			r.remove(leftover{c.kind, c.name}, " with builds and records")
		default:
			r.Kept = append(r.Kept, fmt.Sprintf(c.what, c.name)+": runner cluster destroy --all deletes "+c.later)
		}
	}
	if len(r.parts) > 0 {
		r.Kept = append(r.Kept, "old revisions of task definitions, which cost nothing, and the role of ECS")
	}
	return used
}

// Destroy removes what Removal found.
func (d *Deployment) Destroy(ctx context.Context, r *Removal) error {
	for _, p := range r.parts {
		d.note("deleting stack " + p.name)
		err := p.account.remove(ctx, p.name, func(e stack.Event) {
			if e.OfStack || e.Failed() {
				d.note(eventLine(p.name, e))
			}
		})
		if err != nil {
			return err
		}
	}
	for _, bucket := range r.buckets {
		d.note("deleting bucket " + bucket)
		if err := d.Account.removeBucket(ctx, bucket, d.note); err != nil {
			return err
		}
	}
	for _, repository := range r.repositories {
		d.note("deleting the images in " + repository)
		err := d.Account.call(ctx, ecrService, "DeleteRepository", map[string]any{"repositoryName": repository, "force": true}, nil)
		if err != nil && !awsjson.HasCode(err, "RepositoryNotFoundException") {
			return requestError(ctx, "ecr:DeleteRepository", repository, err)
		}
	}
	for _, secret := range r.secrets {
		err := d.Account.call(ctx, secretsService, "DeleteSecret", map[string]any{"SecretId": secret}, nil)
		if err != nil && !awsjson.HasCode(err, "ResourceNotFoundException") {
			return requestError(ctx, "secretsmanager:DeleteSecret", secret, err)
		}
		d.note(fmt.Sprintf("the secret %s is deleted in 30 days; aws secretsmanager restore-secret restores it until then", secret))
	}
	return d.removeHook(ctx, r.hook)
}

// Empty reports whether nothing would be removed.
func (r *Removal) Empty() bool { return len(r.Stacks) == 0 && len(r.Removed) == 0 }

// callOnce calls a service that is called by nothing else.
func (d *Deployment) callOnce(ctx context.Context, s awsjson.Service, operation string, input, output any) error {
	return d.Account.call(ctx, s, operation, input, output)
}

// String is the removal for people.
func (r *Removal) String() string {
	var b strings.Builder
	write := func(title string, lines []string) {
		for n, line := range lines {
			if n > 0 {
				title = ""
			}
			fmt.Fprintf(&b, "%-8s %s\n", title, line)
		}
	}
	var stacks []string
	for _, name := range r.Stacks {
		stacks = append(stacks, "stack "+name)
	}
	write("deletes", append(stacks, r.Removed...))
	write("keeps", r.Kept)
	return b.String()
}

package cluster

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/deploy/stack"
)

// Apply does what was planned. It returns the outputs of the stacks, by the stacks' names. The first failure ends it;
// what was deployed before stays, and the next deployment goes on from there.
func (d *Deployment) Apply(ctx context.Context, plan *Plan) (map[string]map[string]string, error) {
	outputs := map[string]map[string]string{}
	for _, planned := range plan.Stacks {
		if err := d.applyPart(ctx, planned, outputs); err != nil {
			return outputs, err
		}
		planned.change = nil
		current, err := planned.part.account.stack(planned.Stack).Snapshot(ctx)
		if err != nil {
			return outputs, err
		}
		outputs[planned.Stack] = current.Outputs
		if err := d.makeEmptyStack(ctx, planned.part, current.Outputs); err != nil {
			return outputs, err
		}
	}
	if plan.Webhook == "" {
		return outputs, nil
	}
	return outputs, d.addHook(ctx, plan.Webhook, outputs[d.Settings.WebhookStack()])
}

// applyPart deploys one stack.
func (d *Deployment) applyPart(ctx context.Context, planned *Planned, outputs map[string]map[string]string) error {
	p := planned.part
	emit := func(e stack.Event) { d.note(eventLine(p.stack, e)) }
	if planned.Action == Recreate {
		if err := p.account.remove(ctx, p.stack, emit); err != nil {
			return err
		}
	}
	current, err := d.current(ctx, p)
	if err != nil {
		return err
	}
	set, _, err := d.parameters(p, current, outputs)
	if err != nil {
		return err
	}
	r, err := d.requestUnlessKept(ctx, planned, set, current)
	if err != nil || r == nil {
		return err
	}
	if p.template.Name == webhookTemplate && d.Settings.Zip != nil {
		if err := d.uploadZip(ctx, set["LambdaS3Bucket"]); err != nil {
			return err
		}
	}
	if current.Missing() {
		if missing := p.template.missing(set); len(missing) > 0 {
			return &Error{
				Message: fmt.Sprintf("%s needs a value for %s", p.template.Name, strings.Join(missing, ", ")),
				Advice:  "set it below parameters: of cluster: in runner.yaml",
			}
		}
		if current.Status == "REVIEW_IN_PROGRESS" { // a name without a stack, which CloudFormation does not give again
			if err := p.account.remove(ctx, p.stack, emit); err != nil {
				return err
			}
		}
		d.note("creating stack " + p.stack)
		return p.account.create(ctx, *r, emit)
	}
	change := planned.change
	if change == nil || !maps.Equal(set, planned.set) {
		if change != nil {
			p.account.discard(ctx, p.stack, change)
		}
		if change, err = p.account.changes(ctx, *r, time.Now()); err != nil || change == nil {
			return err
		}
	}
	d.note("updating stack " + p.stack)
	return p.account.execute(ctx, p.stack, change, emit)
}

// requestUnlessKept returns the request for a part, or nil if the stack is as it should be.
func (d *Deployment) requestUnlessKept(
	ctx context.Context, planned *Planned, set map[string]string, current stack.Snapshot,
) (*request, error) {
	if !current.Missing() && planned.change == nil {
		now := *planned
		if now.set = set; !d.differs(&now, current) {
			return nil, nil
		}
	}
	r, err := d.request(ctx, planned.part, set, current)
	return &r, err
}

// request makes the request for a part. A template that is too large for it is uploaded to the bucket of the base.
func (d *Deployment) request(
	ctx context.Context, p part, set map[string]string, current stack.Snapshot,
) (request, error) {
	r := request{name: p.stack, body: p.template.Text, role: current.RoleARN, parameters: parametersOf(p.template, set, current)}
	if len(r.body) <= maxBody {
		return r, nil
	}
	bucket, err := d.templateBucket(ctx)
	if err != nil {
		return r, err
	}
	key, err := d.Account.upload(ctx, bucket, "templates", ".yaml", strings.NewReader(p.template.Text))
	r.body, r.url = "", d.Account.objectURL(bucket, key)
	return r, err
}

// templateBucket returns the bucket of the base.
func (d *Deployment) templateBucket(ctx context.Context) (string, error) {
	base, err := d.Account.stack(d.Settings.Base).Snapshot(ctx)
	if err != nil {
		return "", err
	}
	if bucket := base.Outputs["TemplateBucket"]; bucket != "" {
		return bucket, nil
	}
	return "", &Error{
		Message: fmt.Sprintf("stack %s has no output TemplateBucket", d.Settings.Base),
		Advice:  "name the stack that was made from base.yaml: --base, or base: below cluster: in runner.yaml",
	}
}

// makeEmptyStack makes the stack of a project, unless it exists: with nothing in it, and with the role that every later
// deployment acts by.
func (d *Deployment) makeEmptyStack(ctx context.Context, p part, outputs map[string]string) error {
	if p.empty == nil || outputs["StackRoleArn"] == "" {
		return nil
	}
	state, err := p.account.stack(p.empty.name).DescribeAgain(ctx)
	if err != nil || !state.Missing() {
		return noAnswer(p.empty.name, "", err)
	}
	d.note(fmt.Sprintf("creating stack %s with nothing in it, for the first deployment", p.empty.name))
	r := request{name: p.empty.name, body: emptyTemplate, role: outputs["StackRoleArn"]}
	return p.account.create(ctx, r, func(e stack.Event) { d.note(eventLine(p.empty.name, e)) })
}

// eventLine is an event for people.
func eventLine(name string, e stack.Event) string {
	line := fmt.Sprintf("%s  %s  %-27s %s", e.Time.UTC().Format(time.TimeOnly), name, e.Status, e.Resource)
	if !e.OfStack {
		line += " (" + e.Type + ")"
	}
	if e.Reason != "" && (e.Failed() || e.OfStack) {
		line += ": " + e.Reason
	}
	return line
}

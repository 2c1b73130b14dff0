package cluster

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/deploy/stack"
)

// Deployment deploys a cluster.
type Deployment struct {
	Settings Settings
	Account  *Account
	Targets  map[string]*Account // of the environments that are in another account or region, by their names
	Adopted  map[string]bool     // environments of which only what is deployed says that they are elsewhere
	GitHub   *GitHub             // nil: no webhook is registered
	// Downgrade lets templates of this runner replace those of a newer one.
	Downgrade bool
	Note      func(line string) // called with what happens meanwhile
}

// Action is what is done to a stack.
type Action string

// The actions.
const (
	Create   Action = "create"
	Recreate Action = "create again" // its first creation failed
	Update   Action = "update"
	Keep     Action = "no changes"
	Later    Action = "update later" // what it is updated with is made on the way
)

// Plan is what a deployment will do, in this order.
type Plan struct {
	Account string     `json:"account"`
	Region  string     `json:"region"`
	Stacks  []*Planned `json:"stacks"`
	Cost    []Price    `json:"cost"`
	Webhook string     `json:"webhook,omitempty"` // the repository at GitHub in which the webhook is registered
	Notes   []string   `json:"notes,omitempty"`   // what a pipeline will fail by, and what is left of earlier settings
}

// Planned is what is done to one stack.
type Planned struct {
	Label     string   `json:"label"`
	Stack     string   `json:"stack"`
	Template  string   `json:"template"`
	Account   string   `json:"account"`
	Region    string   `json:"region"`
	Action    Action   `json:"action"`
	Resources []Count  `json:"resources,omitempty"` // of a stack that is created
	Changes   []Change `json:"changes,omitempty"`   // of a stack that is updated
	Because   string   `json:"because,omitempty"`

	part   part
	set    map[string]string // the parameters that were planned with
	change *changeSet
}

// Changes reports whether anything would be done.
func (p *Plan) Changes() bool {
	return p.Webhook != "" || slices.ContainsFunc(p.Stacks, func(s *Planned) bool { return s.Action != Keep && s.Action != Later }) ||
		slices.ContainsFunc(p.Stacks, func(s *Planned) bool { return s.Action == Later && s.Because != "" })
}

// Plan finds out what a deployment will do. It changes nothing, except for templates that it uploads and change sets,
// which Apply executes and Discard deletes.
func (d *Deployment) Plan(ctx context.Context) (*Plan, error) {
	around, err := d.lookAround(ctx)
	if err != nil {
		return nil, err
	}
	parts, err := d.parts(around)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Account: d.Account.ID, Region: d.Account.Region}
	outputs := map[string]map[string]string{}
	for _, p := range parts {
		planned, current, err := d.planPart(ctx, p, outputs)
		if err != nil {
			d.Discard(ctx, plan)
			return nil, err
		}
		outputs[p.stack] = current.Outputs
		if planned.Action == Create || planned.Action == Recreate || planned.Action == Later {
			outputs[p.stack] = nil // they are known afterwards
		}
		if !p.again {
			plan.Cost = append(plan.Cost, pricesOf(p.template.resources(planned.set, p.account.Region))...)
		}
		plan.Stacks = append(plan.Stacks, planned)
		plan.noteMissingPolicy(p, planned.set, current)
	}
	plan.Cost = sumPrices(plan.Cost)
	err = d.planHook(ctx, plan, outputs[d.Settings.WebhookStack()])
	if err == nil {
		err = d.noteStrays(ctx, plan)
	}
	if err != nil {
		d.Discard(ctx, plan)
		return nil, err
	}
	return plan, nil
}

// noteMissingPolicy notes that the role of a project's stack may do nothing.
func (p *Plan) noteMissingPolicy(part part, set map[string]string, current stack.Snapshot) {
	if part.empty == nil || part.environment == "" || cmp.Or(set["StackPolicyArn"], valuesOf(current)["StackPolicyArn"]) != "" {
		return
	}
	p.Notes = append(p.Notes, fmt.Sprintf(
		"CloudFormation may do nothing for stack %s, so its deployments fail: --policy ARN, or policy: of environment %s below cluster: in runner.yaml",
		part.empty.name, part.environment,
	))
}

// planPart plans one stack. Outputs are those of the stacks before it; nil are those of a stack that is not made yet.
func (d *Deployment) planPart(
	ctx context.Context, p part, outputs map[string]map[string]string,
) (*Planned, stack.Snapshot, error) {
	planned := &Planned{
		Label: p.label, Stack: p.stack, Template: p.template.Name, Account: p.account.ID, Region: p.account.Region, part: p,
	}
	current, err := d.current(ctx, p)
	if err != nil {
		return nil, current, err
	}
	if err := d.checkOwner(p, current); err != nil {
		return nil, current, err
	}
	if have, own := current.Outputs[versionOutput], p.template.Version(); Newer(have, own) && !d.Downgrade {
		return nil, current, &Error{
			Message: fmt.Sprintf("stack %s is of runner %s, which is newer than this one, %s", p.stack, have, own),
			Advice:  "use runner " + have + "; to go back nevertheless: runner cluster deploy --downgrade",
		}
	}
	set, pending, err := d.parameters(p, current, outputs)
	if err != nil {
		return nil, current, err
	}
	planned.set = set
	switch {
	case p.again && (current.Missing() || pending):
		planned.Action, planned.Because = Later, "the roles are made on the way"
		return planned, current, nil
	case current.Missing():
		planned.Action, planned.Resources = Create, countByType(p.template.resources(set, p.account.Region))
		if current.Status == "REVIEW_IN_PROGRESS" {
			planned.Because = "there is only a change set of the name, which was never executed and is deleted"
		}
		return planned, current, nil
	case needsRecreation(current):
		planned.Action, planned.Resources = Recreate, countByType(p.template.resources(set, p.account.Region))
		planned.Because = "its first creation failed: " + current.Status
		return planned, current, nil
	}
	if problem, advice := current.Blocked(p.stack); problem != "" {
		return nil, current, &Error{Message: fmt.Sprintf("stack %s cannot be updated: %s", p.stack, problem), Advice: advice}
	}
	if pending {
		planned.Action, planned.Because = Later, "what it is connected to is made on the way"
		return planned, current, nil
	}
	return planned, current, d.planUpdate(ctx, planned, current)
}

// planUpdate makes the change set of a stack that exists.
func (d *Deployment) planUpdate(ctx context.Context, planned *Planned, current stack.Snapshot) error {
	planned.Action = Keep
	if !d.differs(planned, current) {
		return nil
	}
	r, err := d.request(ctx, planned.part, planned.set, current)
	if err != nil {
		return err
	}
	planned.change, err = planned.part.account.changes(ctx, r, time.Now())
	if planned.change != nil {
		planned.Action, planned.Changes = Update, planned.change.changes
	}
	return err
}

// differs reports whether a stack has another template or other parameters than it is to have. A change set costs a
// request and some seconds for each stack.
func (d *Deployment) differs(planned *Planned, current stack.Snapshot) bool {
	if strings.TrimSpace(current.Template) != strings.TrimSpace(planned.part.template.Text) {
		return true
	}
	values := valuesOf(current)
	for name, value := range planned.set {
		if have, ok := values[name]; !ok && value != defaultOf(planned.part.template, name) || ok && have != value {
			return true
		}
	}
	return false
}

func defaultOf(t *Template, name string) string {
	if p := t.Parameters[name]; p.Default != nil {
		return fmt.Sprint(p.Default)
	}
	return ""
}

func valuesOf(s stack.Snapshot) map[string]string {
	values := map[string]string{}
	for _, p := range s.Parameters {
		if !p.Hidden {
			values[p.Key] = p.Value
		}
	}
	return values
}

// needsRecreation reports whether a stack was never made whole, so that it can only be deleted.
func needsRecreation(s stack.Snapshot) bool {
	switch s.Status {
	case "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED":
		return true
	}
	return false
}

// current reads a stack, after CloudFormation has finished its work on it.
func (d *Deployment) current(ctx context.Context, p part) (stack.Snapshot, error) {
	s := p.account.stack(p.stack)
	last, err := s.WaitUntilIdle(ctx, func(state stack.State) {
		d.note(fmt.Sprintf("waiting for stack %s, which is %s", p.stack, state.Status))
	})
	if err != nil {
		return stack.Snapshot{}, noAnswer(p.stack, last.Status, err)
	}
	return s.Snapshot(ctx)
}

// parameters returns the parameters of a part: those of the settings, the outputs of the stacks before it, and those
// that are set once. Pending are outputs of stacks that are not made yet.
func (d *Deployment) parameters(
	p part, current stack.Snapshot, outputs map[string]map[string]string,
) (set map[string]string, pending bool, err error) {
	set = map[string]string{}
	for _, from := range p.from {
		known := outputs[from]
		pending = pending || known == nil
		for name, value := range p.template.takes(known) {
			_, ofTarget := targetOutputs[name]
			if p.only == nil && (!ofTarget || p.again) || p.only[name] {
				set[name] = value
			}
		}
	}
	if p.template.Name == webhookTemplate {
		if err := d.webhookParameters(set, outputs); err != nil {
			return nil, false, err
		}
	}
	maps.Copy(set, p.set)
	for name, value := range p.once {
		if _, isSet := set[name]; !isSet && (current.Missing() || needsRecreation(current)) {
			set[name] = value()
		}
	}
	return set, pending, nil
}

// Discard deletes the change sets of a plan.
func (d *Deployment) Discard(ctx context.Context, p *Plan) {
	for _, planned := range p.Stacks {
		if planned.change != nil {
			planned.part.account.discard(ctx, planned.Stack, planned.change)
		}
	}
}

func (d *Deployment) note(line string) {
	if d.Note != nil {
		d.Note(line)
	}
}

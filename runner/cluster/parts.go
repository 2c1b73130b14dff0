package cluster

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"github.com/carlin-cicd/runner/steps"
)

// part is a stack of the cluster, and how its parameters are found.
type part struct {
	label    string // for people: "the base", "environment staging"
	stack    string
	template *Template
	account  *Account
	set      map[string]string // parameters that are known before anything is deployed
	from     []string          // stacks whose outputs are parameters, as far as the template has them
	only     map[string]bool   // nil: all of these outputs
	once     map[string]func() string
	again    bool // a second pass over a stack, which is made by the first one
	empty    *emptyStack

	environment    string // whose stack this makes the role of
	forEnvironment string // that the stack is of; "" is none
}

// emptyStack is the stack of a project before the first deployment: CloudFormation keeps the role that a stack was
// created with.
type emptyStack struct{ name string }

// emptyTemplate is a template with nothing in it.
const emptyTemplate = `{"Resources":{"Nothing":{"Type":"AWS::CloudFormation::WaitConditionHandle"}}}`

// targetOutputs are what an environment takes of its target.
var targetOutputs = map[string]bool{
	"TargetRoleArn": true, "TargetMigrateRoleArn": true, "TargetExternalId": true, "TargetRegion": true,
}

// parts returns the stacks in the order in which they are deployed.
func (d *Deployment) parts(f facts) ([]part, error) {
	s := &d.Settings
	templates := map[string]*Template{}
	for _, name := range []string{baseTemplate, pipelineTemplate, environmentTemplate, targetTemplate, webhookTemplate} {
		t, err := LoadTemplate(name)
		if err != nil {
			return nil, err
		}
		templates[name] = t
	}
	parts := []part{
		{label: "the base", stack: s.Base, template: templates[baseTemplate], account: d.Account, set: s.baseParameters()},
		{
			label: "the pipeline", stack: s.Stack, template: templates[pipelineTemplate], account: d.Account,
			set: s.pipelineParameters(), from: []string{s.Base}, once: d.pipelineDefaults(f),
		},
	}
	for _, e := range s.Environments {
		more, err := d.environmentParts(e, templates)
		if err != nil {
			return nil, err
		}
		parts = append(parts, more...)
	}
	if s.Door.Webhook() {
		parts = append(parts, part{
			label: "the webhook", stack: s.WebhookStack(), template: templates[webhookTemplate], account: d.Account,
			set: s.webhookParameters(), from: []string{s.Base, s.Stack},
		})
	}
	for _, p := range parts {
		if unknown := unknownParameter(p); unknown != "" {
			return nil, &Error{
				Message: fmt.Sprintf("%s has no parameter %s", p.template.Name, unknown),
				Advice:  "infra/README.md lists the parameters; correct parameters: below cluster: in runner.yaml",
			}
		}
	}
	return parts, nil
}

// environmentParts are the stacks of an environment. One in another account or region has a stack there; the stack here
// is made before it, since it has the roles that the other one trusts, and learns of it afterwards.
func (d *Deployment) environmentParts(e steps.ClusterEnvironment, templates map[string]*Template) ([]part, error) {
	s := &d.Settings
	elsewhere := s.Elsewhere(e, d.Account.ID, d.Account.Region)
	here := part{
		label: "environment " + e.Name, stack: s.EnvironmentStack(e.Name), template: templates[environmentTemplate],
		account: d.Account, set: s.environmentParameters(e, elsewhere), from: []string{s.Stack},
		forEnvironment: e.Name,
	}
	if !elsewhere {
		here.empty, here.environment = &emptyStack{e.Stack}, e.Name
		return []part{here}, nil
	}
	there, ok := d.Targets[e.Name]
	if !ok {
		return nil, &Error{
			Message: fmt.Sprintf("environment %s is in another account or region, and there are no credentials for it", e.Name),
			Advice:  "name a profile: profile: of the environment, below cluster: in runner.yaml",
		}
	}
	target := part{
		label: "environment " + e.Name + " in its own account", stack: s.TargetStack(e.Name), template: templates[targetTemplate],
		account: there, set: s.targetParameters(e), from: []string{here.stack},
		only:  map[string]bool{"DeployRoleArn": true, "MigrateRoleArn": true},
		once:  map[string]func() string{"ExternalId": newExternalID},
		empty: &emptyStack{e.Stack}, environment: e.Name, forEnvironment: e.Name,
	}
	again := here
	again.label, again.again = here.label+", with the roles there", true
	again.from, again.only = []string{s.Stack, target.stack}, nil
	return []part{here, target, again}, nil
}

// NoImage is the tag of the pipeline before there is an image.
const NoImage = "none"

// newExternalID is what both sides of an assumed role know. It keeps one customer of a third party from using the role
// of another one, and is no secret.
func newExternalID() string {
	random := make([]byte, 16)
	_, _ = rand.Read(random) // it never fails
	return hex.EncodeToString(random)
}

// unknownParameter returns a parameter that the template does not have.
func unknownParameter(p part) string {
	for name := range p.set {
		if _, ok := p.template.Parameters[name]; !ok {
			return name
		}
	}
	return ""
}

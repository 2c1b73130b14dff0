package cluster

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/runner/awsquery"
	"github.com/carlin-cicd/runner/steps"
)

// Adopt fills in what the settings leave open by what is deployed, so that a deployment changes only what is said. It
// reports whether there is a pipeline.
func (d *Deployment) Adopt(ctx context.Context) (deployed bool, err error) {
	s := &d.Settings
	name := s.Stack
	if name == "" {
		name = DefaultStack
	}
	pipeline, err := d.Account.stack(name).Snapshot(ctx)
	if err != nil || pipeline.Missing() || needsRecreation(pipeline) {
		return false, err
	}
	have := valuesOf(pipeline)
	if s.Repository == "" {
		s.Repository = have["GitHubRepository"]
	}
	if s.Door == "" {
		if s.Door, err = d.deployedDoor(ctx, name, have); err != nil {
			return true, err
		}
	}
	if len(s.Environments) == 0 && have["Environments"] != "" {
		approved := strings.Split(have["ApprovalEnvironments"], ",")
		for environment := range strings.SplitSeq(have["Environments"], ",") {
			e := steps.ClusterEnvironment{Name: environment, Approval: slices.Contains(approved, environment)}
			s.Environments = append(s.Environments, e)
		}
	}
	for i := range s.Environments {
		if err := d.adoptEnvironment(ctx, name, &s.Environments[i]); err != nil {
			return true, err
		}
	}
	return true, nil
}

// adoptEnvironment fills in which stack an environment deploys and where, unless the settings say it.
func (d *Deployment) adoptEnvironment(ctx context.Context, pipeline string, e *steps.ClusterEnvironment) error {
	current, err := d.Account.stack(pipeline + "-" + e.Name).Snapshot(ctx)
	if err != nil || !isFrom(environmentTemplate, valuesOf(current)) {
		return err
	}
	have := valuesOf(current)
	e.Stack = cmp.Or(e.Stack, have["StackName"])
	if e.Account != "" || e.Region != "" || e.Profile != "" {
		return nil
	}
	if e.Account, e.Region = targetOf(have); e.Account != "" {
		if d.Adopted == nil {
			d.Adopted = map[string]bool{}
		}
		d.Adopted[e.Name] = true
	}
	return nil
}

// deployedDoor returns the door of a pipeline that is deployed.
func (d *Deployment) deployedDoor(ctx context.Context, name string, have map[string]string) (steps.Door, error) {
	hook, err := d.Account.stack(name + "-webhook").DescribeAgain(ctx)
	switch {
	case err != nil:
		return "", noAnswer(name+"-webhook", "", err)
	case have["GitHubRoles"] != "true":
		return steps.WebhookDoor, nil
	case hook.Missing():
		return steps.WorkflowDoor, nil
	}
	return steps.BothDoors, nil
}

// facts are what the account has already, of which there can be one only. A pipeline that is made uses them.
type facts struct {
	noECSRole    bool
	oidcProvider string // ARN
}

// iamService is IAM.
var iamService = awsquery.Service{Name: "iam", ID: "IAM", Version: "2010-05-08", Global: true}

// gitHubIssuer is what the ARN of the provider of GitHub's tokens ends with.
const gitHubIssuer = "oidc-provider/token.actions.githubusercontent.com"

// lookAround finds out the facts. Who may not read them gets the templates' defaults.
func (d *Deployment) lookAround(ctx context.Context) (facts, error) {
	var f facts
	iam, err := awsquery.New(ctx, d.Account.config, iamService)
	if err != nil {
		return f, err
	}
	err = iam.Call(ctx, "GetRole", &struct{ RoleName string }{"AWSServiceRoleForECS"}, nil)
	f.noECSRole = awsjson.HasCode(err, "NoSuchEntity")
	var providers struct {
		OpenIDConnectProviderList []struct{ Arn string }
	}
	if err := iam.Call(ctx, "ListOpenIDConnectProviders", &struct{}{}, &providers); err != nil {
		return f, ctx.Err()
	}
	for _, p := range providers.OpenIDConnectProviderList {
		if strings.HasSuffix(p.Arn, gitHubIssuer) {
			f.oidcProvider = p.Arn
		}
	}
	return f, ctx.Err()
}

// pipelineDefaults are parameters that are set when the pipeline is made, and kept from then on.
func (d *Deployment) pipelineDefaults(f facts) map[string]func() string {
	once := map[string]func() string{"ImageTag": func() string { return NoImage }}
	if f.noECSRole {
		once["EcsServiceLinkedRole"] = func() string { return "create" }
	}
	if f.oidcProvider != "" && d.Settings.Door.Workflow() {
		once["GitHubOidcProviderArn"] = func() string { return f.oidcProvider }
	}
	return once
}

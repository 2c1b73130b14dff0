package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/steps"
)

// marks are parameters that every version of a template has, and templates of other projects do not have together.
var marks = map[string][]string{
	baseTemplate:        {"VpcId", "SubnetIds", "VpcCidr", "CreateKey"},
	pipelineTemplate:    {"GitHubRepository", "Environments", "ApprovalEnvironments", "ImageTag"},
	environmentTemplate: {"Pipeline", "EnvironmentName", "StackName", "MachineRoleName"},
	targetTemplate:      {"Pipeline", "EnvironmentName", "StackName", "ExternalId"},
	webhookTemplate:     {"EventBusName", "Repositories", "LambdaS3Key"},
}

// isFrom reports whether a stack was made from one of the templates. Its name is no proof: stacks of other projects have
// names that begin like ours.
func isFrom(template string, values map[string]string) bool {
	return !slices.ContainsFunc(marks[template], func(name string) bool {
		_, ok := values[name]
		return !ok
	})
}

// isOwn reports whether a stack that was made from a template is of this pipeline, and of an environment if the template
// is of one. A target trusts the roles of one account: another account may have a pipeline of the same name.
func (d *Deployment) isOwn(template, environment string, values map[string]string) bool {
	if template == environmentTemplate || template == targetTemplate {
		return isFrom(template, values) && values["Pipeline"] == d.Settings.Stack && values["EnvironmentName"] == environment &&
			(template == environmentTemplate || strings.Contains(values["DeployRoleArn"], "::"+d.Account.ID+":"))
	}
	return isFrom(template, values)
}

// stray is a stack of the pipeline whose environment is not in the settings.
type stray struct {
	account           *Account
	name, environment string
	template          string
	values            map[string]string
}

// at names a stack, and where it is unless that is where the pipeline is.
func (s stray) at(here *Account) string {
	if s.account.ID == here.ID && s.account.Region == here.Region {
		return "stack " + s.name
	}
	return fmt.Sprintf("stack %s in account %s, %s", s.name, s.account.ID, s.account.Region)
}

// why says what the stack is left of.
func (s stray) why(settings *Settings) string {
	if slices.ContainsFunc(settings.Environments, func(e steps.ClusterEnvironment) bool { return e.Name == s.environment }) {
		return "is a second one of environment " + s.environment
	}
	return "is left of environment " + s.environment + ", which is not in the settings"
}

// FindTarget finds the stack of an environment in its own account or region, which may have been made by hand under
// another name than ours.
func (d *Deployment) FindTarget(ctx context.Context, environment string, there *Account) error {
	s, found := &d.Settings, ""
	err := there.eachStack(ctx, func(name string, values, _ map[string]string) {
		if d.isOwn(targetTemplate, environment, values) && (found == "" || name == s.TargetStack(environment)) {
			found = name
		}
	})
	if found != "" {
		if s.targets == nil {
			s.targets = map[string]string{}
		}
		s.targets[environment] = found
	}
	return err
}

// command deletes the stack.
func (s stray) command() string {
	return "aws cloudformation delete-stack --stack-name " + s.name + " --region " + s.account.Region
}

// strays returns the stacks of this pipeline that the settings do not name, those of targets first, and the names of
// stacks that only begin like its own.
func (d *Deployment) strays(ctx context.Context) (ours []stray, others []string, err error) {
	s := &d.Settings
	known := map[string]bool{s.Base: true, s.WebhookStack(): true}
	for _, e := range s.Environments {
		known[e.Stack], known[s.EnvironmentStack(e.Name)], known[s.TargetStack(e.Name)] = true, true, true
	}
	roles := map[string]bool{} // of the environments here, which a target of theirs trusts
	accounts := []*Account{d.Account}
	for _, name := range sortedKeys(d.Targets) {
		accounts = appendAccount(accounts, d.Targets[name])
	}
	for n := 0; n < len(accounts); n++ { // a stray may name another region of the account
		a := accounts[n]
		err := a.eachStack(ctx, func(name string, values, outputs map[string]string) {
			if n == 0 && outputs["DeployRoleArn"] != "" {
				roles[outputs["DeployRoleArn"]] = true
			}
			if known[name] {
				return
			}
			found := stray{account: a, name: name, environment: values["EnvironmentName"], values: values}
			switch {
			case d.isOwn(targetTemplate, found.environment, values) && (n == 0 || roles[values["DeployRoleArn"]]):
				found.template = targetTemplate
				ours = slices.Insert(ours, 0, found)
			case n == 0 && d.isOwn(environmentTemplate, found.environment, values):
				found.template = environmentTemplate
				ours = append(ours, found)
				if account, region := targetOf(values); account == a.ID && region != "" {
					accounts = appendAccount(accounts, a.in(region))
				}
			case strings.HasPrefix(name, s.Stack+"-"):
				others = append(others, name)
			}
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return ours, others, nil
}

// otherUsers returns the other pipelines whose tasks are in the base's network.
func (d *Deployment) otherUsers(ctx context.Context, base stack.Snapshot) (pipelines []string, err error) {
	group := base.Outputs["SecurityGroupId"]
	if group == "" {
		return nil, nil
	}
	err = d.Account.eachStack(ctx, func(name string, values, _ map[string]string) {
		if name != d.Settings.Stack && values["SecurityGroupId"] == group && isFrom(pipelineTemplate, values) {
			pipelines = append(pipelines, name)
		}
	})
	return pipelines, err
}

// appendAccount appends an account and region, once.
func appendAccount(all []*Account, a *Account) []*Account {
	if slices.ContainsFunc(all, func(b *Account) bool { return a.ID == b.ID && a.Region == b.Region }) {
		return all
	}
	return append(all, a)
}

// in returns another region of the account.
func (a *Account) in(region string) *Account {
	there := *a
	there.Region, there.config.Region = region, region
	there.stacks = cloudformation.NewFromConfig(there.config)
	return &there
}

// targetOf returns the account and the region that an environment is deployed to, by the parameters of its stack; "" if
// these are the pipeline's.
func targetOf(values map[string]string) (account, region string) {
	arn := strings.Split(values["TargetRoleArn"], ":")
	if len(arn) < 6 {
		return "", ""
	}
	return arn[4], values["TargetRegion"]
}

// eachStack calls f with every stack of the account and region.
func (a *Account) eachStack(ctx context.Context, f func(name string, parameters, outputs map[string]string)) error {
	in := &cloudformation.DescribeStacksInput{}
	for {
		page, err := a.stacks.DescribeStacks(ctx, in)
		if err != nil {
			return requestError(ctx, "cloudformation:DescribeStacks", "all stacks", err)
		}
		for _, s := range page.Stacks {
			if s.StackStatus == types.StackStatusReviewInProgress || s.StackStatus == types.StackStatusDeleteComplete {
				continue
			}
			values := map[string]string{}
			for _, p := range s.Parameters {
				values[aws.ToString(p.ParameterKey)] = aws.ToString(p.ParameterValue)
			}
			outputs := map[string]string{}
			for _, o := range s.Outputs {
				outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
			}
			f(aws.ToString(s.StackName), values, outputs)
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			return nil
		}
	}
}

// noteStrays notes what earlier settings have left: nothing else says that it is there.
func (d *Deployment) noteStrays(ctx context.Context, p *Plan) error {
	ours, _, err := d.strays(ctx)
	if err != nil {
		return err
	}
	for _, s := range ours {
		p.Notes = append(p.Notes, s.at(d.Account)+" "+s.why(&d.Settings)+": "+s.command())
	}
	if d.Settings.Door.Webhook() {
		return nil
	}
	hook, err := d.Account.stack(d.Settings.WebhookStack()).Snapshot(ctx)
	if err == nil && !hook.Missing() && isFrom(webhookTemplate, valuesOf(hook)) {
		p.Notes = append(p.Notes, fmt.Sprintf("stack %s is left of the webhook, and the door is %s: %s", d.Settings.WebhookStack(),
			d.Settings.Door, stray{account: d.Account, name: d.Settings.WebhookStack()}.command()))
	}
	return err
}

// checkOwner refuses to change a stack that was made from something else.
func (d *Deployment) checkOwner(p part, current stack.Snapshot) error {
	if current.Missing() || d.isOwn(p.template.Name, p.forEnvironment, valuesOf(current)) {
		return nil
	}
	return &Error{
		Message: fmt.Sprintf("stack %s exists, and was not made from %s of this pipeline; it stays as it is", p.stack, p.template.Name),
		Advice:  "choose another name: --stack, --base, or another name of the environment",
	}
}

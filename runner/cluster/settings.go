package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/carlin-cicd/runner/steps"
)

// DefaultStack is the name of the pipeline's stack where none is set.
const DefaultStack = "carlin-cicd"

// Settings say what is deployed: the cluster of runner.yaml, with what the command line adds.
type Settings struct {
	steps.Cluster
	Policy   string // what CloudFormation may do for the stacks of environments that name no policy; "" keeps what they have
	ImageTag string // a commit; "" keeps that of the stack
	Zip      *Zip   // the webhook's function; nil: it is not known here, and the one that is deployed stays

	targets map[string]string // stacks of environments elsewhere that were found under these names
}

// Complete fills in the defaults. The error is an *Error.
func (s *Settings) Complete() error {
	s.Stack = cmp.Or(s.Stack, DefaultStack)
	s.Base = cmp.Or(s.Base, DefaultStack+"-base")
	s.Door = cmp.Or(s.Door, steps.WebhookDoor)
	if len(s.Environments) == 0 {
		s.Environments = []steps.ClusterEnvironment{{Name: "staging"}, {Name: "production", Approval: true}}
	}
	if !steps.IsRepositoryName(s.Repository) {
		return &Error{
			Message: fmt.Sprintf("%q is not the name of a repository", s.Repository),
			Advice:  "write it as owner/name: --repository, or repository: below cluster: in runner.yaml",
		}
	}
	for i := range s.Environments {
		e := &s.Environments[i]
		if e.Stack == "" {
			e.Stack = stackNameOf(s.Repository, e.Name)
		}
		if slices.Contains([]string{"schedule", "forks", "artifacts", "checks"}, e.Name) {
			return &Error{
				Message: fmt.Sprintf("an environment cannot be called %s, which means something else to the pipeline", e.Name),
				Advice:  "give it another name",
			}
		}
	}
	return s.CheckSizes()
}

// stackNameOf returns the name of an environment's stack: Shop-Staging for acme/shop and staging.
func stackNameOf(repository, environment string) string {
	_, name, _ := strings.Cut(repository, "/")
	name, _, _ = strings.Cut(name, "@")
	words := strings.FieldsFunc(name+"-"+environment, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	})
	for i, word := range words {
		words[i] = strings.ToUpper(word[:1]) + word[1:]
	}
	joined := strings.Join(words, "-")
	if joined == "" || joined[0] >= '0' && joined[0] <= '9' {
		joined = "Stack-" + joined
	}
	return joined
}

// CheckSizes refuses sizes that the templates do not have. The error is an *Error.
func (s *Settings) CheckSizes() error {
	t, err := LoadTemplate(pipelineTemplate)
	if err != nil {
		return err
	}
	sizes := t.Mappings["Sizes"]
	for _, size := range []string{s.Sizes.Build, s.Sizes.Test, s.Sizes.Migrate, s.Sizes.Deploy} {
		if _, ok := sizes[size]; size != "" && !ok {
			cpu, _, _ := strings.Cut(size, "-")
			var near []string
			for _, known := range slices.Sorted(maps.Keys(sizes)) {
				if strings.HasPrefix(known, cpu+"-") {
					near = append(near, known)
				}
			}
			if near == nil {
				near = slices.Sorted(maps.Keys(sizes))
			}
			return &Error{
				Message: fmt.Sprintf("a task cannot have the size %s", size), Advice: "write one of " + strings.Join(near, ", "),
			}
		}
	}
	return nil
}

// EnvironmentStack is the name of the stack with the tasks of an environment.
func (s *Settings) EnvironmentStack(environment string) string { return s.Stack + "-" + environment }

// TargetStack is the name of the stack with the roles of an environment in its own account or region.
func (s *Settings) TargetStack(environment string) string {
	return cmp.Or(s.targets[environment], s.Stack+"-"+environment+"-target")
}

// WebhookStack is the name of the stack with the webhook.
func (s *Settings) WebhookStack() string { return s.Stack + "-webhook" }

// Elsewhere reports whether an environment is in another account or region than the pipeline.
func (s *Settings) Elsewhere(e steps.ClusterEnvironment, account, region string) bool {
	return e.Account != "" && e.Account != account || e.Region != "" && e.Region != region
}

// baseParameters are the parameters of base.yaml that the settings name.
func (s *Settings) baseParameters() map[string]string {
	p := map[string]string{}
	if n := s.Network; n.VPC != "" {
		p["VpcId"], p["SubnetIds"], p["RouteTableIds"] = n.VPC, strings.Join(n.Subnets, ","), strings.Join(n.RouteTables, ",")
		p["AssignPublicIp"] = "ENABLED"
		if n.PublicIP != nil && !*n.PublicIP {
			p["AssignPublicIp"] = "DISABLED"
		}
	}
	return override(p, s.Parameters.Base)
}

// pipelineParameters are the parameters of cicd.yaml that the settings name.
func (s *Settings) pipelineParameters() map[string]string {
	var names, approved []string
	for _, e := range s.Environments {
		names = append(names, e.Name)
		if e.Approval {
			approved = append(approved, e.Name)
		}
	}
	p := map[string]string{
		"GitHubRepository":     s.Repository,
		"Environments":         strings.Join(names, ","),
		"ApprovalEnvironments": strings.Join(approved, ","),
		"ReleaseEnvironments":  names[len(names)-1],
		"GitHubRoles":          strconv.FormatBool(s.Door.Workflow()),
	}
	setUnlessEmpty(p, "BuildSize", s.Sizes.Build)
	setUnlessEmpty(p, "TestSize", s.Sizes.Test)
	setUnlessEmpty(p, "AlarmEmail", s.AlarmEmail)
	setUnlessEmpty(p, "ImageTag", s.ImageTag)
	return override(p, s.Parameters.Pipeline)
}

// environmentParameters are the parameters of environment.yaml that the settings name.
func (s *Settings) environmentParameters(e steps.ClusterEnvironment, elsewhere bool) map[string]string {
	p := map[string]string{"EnvironmentName": e.Name, "StackName": e.Stack}
	setUnlessEmpty(p, "MigrateSize", s.Sizes.Migrate)
	setUnlessEmpty(p, "DeploySize", s.Sizes.Deploy)
	if !elsewhere {
		setUnlessEmpty(p, "StackPolicyArn", cmp.Or(e.Policy, s.Policy))
	}
	return override(p, s.Parameters.Environment)
}

// targetParameters are the parameters of target.yaml that the settings name.
func (s *Settings) targetParameters(e steps.ClusterEnvironment) map[string]string {
	p := map[string]string{"Pipeline": s.Stack, "EnvironmentName": e.Name, "StackName": e.Stack}
	setUnlessEmpty(p, "StackPolicyArn", e.Policy)
	return override(p, s.Parameters.Target)
}

// webhookParameters are the parameters of webhook.yaml that the settings name.
func (s *Settings) webhookParameters() map[string]string {
	return override(map[string]string{"Repositories": s.repositoryName()}, s.Parameters.Webhook)
}

// repositoryName is owner/name, without GitHub's ids, which a webhook does not name.
func (s *Settings) repositoryName() string {
	owner, name, _ := strings.Cut(s.Repository, "/")
	owner, _, _ = strings.Cut(owner, "@")
	name, _, _ = strings.Cut(name, "@")
	return owner + "/" + name
}

func setUnlessEmpty(p map[string]string, name, value string) {
	if value != "" {
		p[name] = value
	}
}

// override returns the parameters with those that are set by name.
func override(p, by map[string]string) map[string]string {
	maps.Copy(p, by)
	return p
}

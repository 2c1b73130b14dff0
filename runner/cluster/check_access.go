package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/runner/awsquery"
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/reference"
)

var (
	secretsService    = awsjson.Service{Name: "secretsmanager", ID: "Secrets Manager", Target: "secretsmanager"}
	parametersService = awsjson.Service{Name: "ssm", ID: "SSM", Target: "AmazonSSM"}
	networkService    = awsquery.Service{Name: "ec2", ID: "EC2", Version: "2016-11-15", EC2: true}
)

// linkedRole is a role that a service of AWS acts by, one in an account.
type linkedRole struct{ name, service, without string }

// checkLinkedRoles looks for the roles by which ECS makes network interfaces, and EventBridge calls GitHub.
func (i *Inspection) checkLinkedRoles(ctx context.Context) ([]artifacts.Finding, error) {
	roles := []linkedRole{{"AWSServiceRoleForECS", "ecs.amazonaws.com", "no task starts"}}
	t, err := LoadTemplate(pipelineTemplate)
	if err != nil {
		return nil, err
	}
	// Whether there is a URL of Slack is hidden: CloudFormation shows no value of it.
	for _, r := range t.resources(i.values, i.Account.Region) {
		if r.Type == "AWS::Events::ApiDestination" {
			roles = append(roles, linkedRole{
				"AWSServiceRoleForAmazonEventBridgeApiDestinations", "apidestinations.events.amazonaws.com", "no message leaves AWS",
			})
			break
		}
	}
	var found []artifacts.Finding
	for _, r := range roles {
		err := i.query(ctx, iamService, "GetRole", &struct{ RoleName string }{r.name}, nil)
		switch {
		case awsjson.HasCode(err, "NoSuchEntity"):
			found = append(found, broken("the account has no role "+r.name+", so that "+r.without,
				"aws iam create-service-linked-role --aws-service-name "+r.service))
		case err != nil:
			return found, err
		default:
			found = append(found, ok("%s is there", r.name))
		}
	}
	return found, nil
}

// checkTokens looks whether workflows of GitHub can become the roles of the pipeline.
func (i *Inspection) checkTokens(ctx context.Context) ([]artifacts.Finding, error) {
	if i.values["GitHubRoles"] != "true" {
		return []artifacts.Finding{ok("workflows of GitHub have no roles")}, nil
	}
	arn := cmp.Or(i.values["GitHubOidcProviderArn"],
		"arn:"+awsjson.Partition(i.Account.Region)+":iam::"+i.Account.ID+":"+gitHubIssuer)
	var provider struct {
		ClientIDList []string
	}
	err := i.query(ctx, iamService, "GetOpenIDConnectProvider", &struct{ OpenIDConnectProviderArn string }{arn}, &provider)
	audience := "sts.amazonaws.com"
	if awsjson.Partition(i.Account.Region) == "aws-cn" {
		audience += ".cn"
	}
	switch {
	case awsjson.HasCode(err, "NoSuchEntity"):
		return []artifacts.Finding{broken("the account has no provider for GitHub's tokens, so that workflows get no role",
			"runner cluster deploy makes it, unless GitHubOidcProviderArn names one that is gone")}, nil
	case err != nil:
		return nil, err
	case !slices.Contains(provider.ClientIDList, audience):
		return []artifacts.Finding{broken("the provider for GitHub's tokens does not take the audience "+audience,
			"aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn "+arn+" --client-id "+audience)}, nil
	}
	return []artifacts.Finding{ok("GitHub's tokens are taken")}, nil
}

// checkSecrets looks whether the secrets of the steps are there, where their roles may read them.
func (i *Inspection) checkSecrets(ctx context.Context) ([]artifacts.Finding, error) {
	var found []artifacts.Finding
	number := 0
	for _, name := range []string{"GitHubTokenArn", "ForkTokenArn", "SlackWebhookArn"} {
		if arn := i.values[name]; arn != "" {
			number++
			problem, err := i.missingSecret(ctx, arn)
			if err != nil {
				return found, err
			}
			if problem != "" {
				found = append(found, broken(name+" names "+arn+", which "+problem, "store it again, or name another one"))
			}
		}
	}
	for _, s := range i.stepSecrets() {
		number++
		f, err := i.checkSecret(ctx, s)
		if err != nil {
			return found, err
		}
		found = append(found, f...)
	}
	if found == nil {
		found = append(found, ok("%d secrets are there", number))
	}
	return found, nil
}

// stepSecret is a secret of a step.
type stepSecret struct {
	step, variable string
	role           string // the last part of its prefix: build, deploy-staging
	id             string
	parameter      bool // of Parameter Store
}

// stepSecrets are the secrets that the workspace's steps read, on the cluster.
func (i *Inspection) stepSecrets() []stepSecret {
	var all []stepSecret
	for _, step := range i.Steps {
		kind := cmp.Or(step.Task, step.Name)
		roles := []string{"test"}
		switch kind {
		case steps.BuildTask:
			roles = []string{"build"}
		case steps.MigrateTask, steps.DeployTask:
			roles = nil
			for _, e := range i.Settings.Environments {
				roles = append(roles, kind+"-"+e.Name)
			}
		}
		for _, values := range []map[string]string{step.Environment, step.Secrets} {
			for _, variable := range sortedKeys(values) {
				r, is := reference.Parse(values[variable], false)
				if !is {
					continue
				}
				for _, role := range roles {
					_, environment, _ := strings.Cut(role, "-")
					id := strings.NewReplacer("${ENVIRONMENT}", environment, "$ENVIRONMENT", environment).Replace(secretID(r))
					s := stepSecret{step.Name, variable, role, id, r.Kind == reference.ParameterStore}
					if !slices.Contains(all, s) {
						all = append(all, s)
					}
				}
			}
		}
	}
	return all
}

// secretID is the name or ARN of a reference, without a key, a stage or a version.
func secretID(r reference.Reference) string {
	if strings.HasPrefix(r.Text, "arn:") {
		parts := strings.SplitN(r.Text, ":", 8)
		if r.Kind == reference.SecretsManager && len(parts) > 6 {
			return strings.Join(parts[:7], ":")
		}
		return r.Text
	}
	_, id, _ := strings.Cut(r.Text, ":")
	id, _, _ = strings.Cut(id, ":")
	return id
}

// checkSecret checks one secret of a step.
func (i *Inspection) checkSecret(ctx context.Context, s stepSecret) ([]artifacts.Finding, error) {
	what := fmt.Sprintf("%s of step %s", s.variable, s.step)
	prefix := cmp.Or(i.out("SecretsPrefix"), i.Settings.Stack) + "/" + s.role + "/"
	name := strings.TrimPrefix(s.id, "/")
	if strings.HasPrefix(s.id, "arn:") {
		_, name, _ = strings.Cut(s.id, map[bool]string{true: ":parameter/", false: ":secret:"}[s.parameter])
	}
	if !strings.HasPrefix(name, prefix) {
		return []artifacts.Finding{broken(
			fmt.Sprintf("%s is %s, which its role may not read: it reads below %s only", what, s.id, prefix),
			"store it as "+prefix+lastPart(name)+", and name that in runner.yaml",
		)}, nil
	}
	missing := i.missingSecret
	if s.parameter {
		missing = i.missingParameter
	}
	problem, err := missing(ctx, s.id)
	if err != nil || problem == "" {
		return nil, err
	}
	return []artifacts.Finding{broken(
		fmt.Sprintf("%s is %s, which %s", what, s.id, problem), "store it; runner cluster deploy makes no secrets of steps",
	)}, nil
}

// missingSecret says why a secret cannot be read; "" if it can. Its value is not read.
func (i *Inspection) missingSecret(ctx context.Context, id string) (problem string, err error) {
	var secret struct{ DeletedDate *float64 }
	err = i.call(ctx, secretsService, "DescribeSecret", map[string]any{"SecretId": id}, &secret)
	switch {
	case awsjson.HasCode(err, "ResourceNotFoundException"):
		return "does not exist", nil
	case err == nil && secret.DeletedDate != nil:
		return "is scheduled for deletion", nil
	}
	return "", err
}

// missingParameter says why a parameter cannot be read; "" if it can. Its value is not read.
func (i *Inspection) missingParameter(ctx context.Context, id string) (problem string, err error) {
	filter := map[string]any{"Key": "Name", "Option": "Equals", "Values": []string{id}}
	if path, is := strings.CutSuffix(id, "/*"); is {
		filter = map[string]any{"Key": "Path", "Option": "Recursive", "Values": []string{path}}
	}
	var list struct{ Parameters []struct{ Name string } }
	err = i.call(ctx, parametersService, "DescribeParameters", map[string]any{"ParameterFilters": []any{filter}}, &list)
	if err == nil && len(list.Parameters) == 0 {
		return "does not exist", nil
	}
	return "", err
}

// fewAddresses is when a subnet is nearly full.
const fewAddresses = 16

type (
	subnet struct {
		SubnetId, VpcId, AvailabilityZone string
		AvailableIpAddressCount           int32
	}
	filter struct {
		Name  string
		Value []string
	}
)

// checkNetwork looks whether tasks get addresses, and reach the internet.
func (i *Inspection) checkNetwork(ctx context.Context) ([]artifacts.Finding, error) {
	ids := strings.Split(i.out("SubnetIds"), ",")
	var list struct{ SubnetSet []subnet }
	err := i.query(ctx, networkService, "DescribeSubnets", &struct{ SubnetId []string }{ids}, &list)
	if awsjson.HasCode(err, "InvalidSubnetID.NotFound") {
		return []artifacts.Finding{broken("a subnet of the pipeline is gone: "+i.out("SubnetIds"),
			"runner cluster deploy --network VPC:SUBNET,SUBNET, or with --network new")}, nil
	}
	if err != nil {
		return nil, err
	}
	var found []artifacts.Finding
	zones := map[string]bool{}
	for _, s := range list.SubnetSet {
		zones[s.AvailabilityZone] = true
		if s.AvailableIpAddressCount < fewAddresses {
			found = append(found, warning(fmt.Sprintf("subnet %s has %d addresses left, and a task takes one", s.SubnetId, s.AvailableIpAddressCount),
				"give the pipeline larger subnets"))
		}
		f, err := i.checkRoutes(ctx, s)
		if err != nil {
			return found, err
		}
		found = append(found, f...)
	}
	if len(zones) < 2 {
		found = append(found, warning("all subnets are in one zone: if it fails, nothing runs", "add a subnet of another zone"))
	}
	if found == nil {
		found = append(found, ok("%d subnets in %d zones, with a way to the internet", len(list.SubnetSet), len(zones)))
	}
	return found, nil
}

// checkRoutes looks where a subnet sends what is for the internet.
func (i *Inspection) checkRoutes(ctx context.Context, s subnet) ([]artifacts.Finding, error) {
	var list struct {
		RouteTableSet []struct {
			AssociationSet []struct {
				SubnetId string
				Main     bool
			}
			RouteSet []struct{ DestinationCidrBlock, GatewayId, NatGatewayId, TransitGatewayId, NetworkInterfaceId, State string }
		}
	}
	input := &struct{ Filter []filter }{[]filter{{"vpc-id", []string{s.VpcId}}}}
	if err := i.query(ctx, networkService, "DescribeRouteTables", input, &list); err != nil {
		return nil, err
	}
	table := -1
	for n, t := range list.RouteTableSet {
		for _, a := range t.AssociationSet {
			if a.SubnetId == s.SubnetId || a.Main && table < 0 {
				table = n
			}
		}
	}
	public := i.out("AssignPublicIp") == "ENABLED"
	if table >= 0 {
		for _, r := range list.RouteTableSet[table].RouteSet {
			switch {
			case r.DestinationCidrBlock != "0.0.0.0/0" || r.State == "blackhole":
			case strings.HasPrefix(r.GatewayId, "igw-") && !public:
				return []artifacts.Finding{broken(
					fmt.Sprintf("subnet %s leads to an internet gateway, and tasks have no public address: they reach nothing", s.SubnetId),
					"AssignPublicIp: ENABLED below parameters: base:, and runner cluster deploy",
				)}, nil
			default:
				return nil, nil
			}
		}
	}
	return []artifacts.Finding{warning(fmt.Sprintf("subnet %s has no way to the internet", s.SubnetId),
		"add a NAT gateway or an internet gateway; or endpoints of all services, and a proxy for GitHub")}, nil
}

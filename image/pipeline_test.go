//go:build container

package image

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cftypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/goccy/go-yaml"

	"github.com/carlin-cicd/runner/infra/ecs"
	"github.com/carlin-cicd/runner/runner/awstest"
	"github.com/carlin-cicd/runner/runner/notify/notifytest"
)

// chain is the pipeline, deployed.
type chain struct {
	project
	cloud    *ecs.Server
	registry *registry
	clone    shopRepository
	github   *notifytest.GitHub
	hub      string   // its address
	before   []string // what the account had
	zip      string   // of the webhook
	hook     *function
	hookKey  string // GitHub's copy of the webhook's secret
	started  string // a queue: events that start the machine
	told     string // a queue with the events of notifications
	statuses string // a queue with the statuses of commits that the machine sets
	machine  string
	table    string
	runner   string
	store    store
	stacks   *cloudformation.Client
}

// project is a repository with a pipeline of its own.
type project struct {
	name       string // of the pipeline's stack
	repository string
	bucket     string
	// The parameters of each environment's stack, by its name, beside those that the pipeline's outputs are.
	environments map[string]map[string]string
	approvals    string // environments that wait for one
}

// newCloud starts an AWS whose tasks are containers, for this test and what it starts. An image replaces that of every task.
// To the containers github.com is a local server, and carlin's old SDK gets the endpoint.
func newCloud(t *testing.T, e *engine, image, github string) *ecs.Server {
	t.Helper()
	for _, entry := range e.env {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "CONTAINERS_") {
			t.Setenv(name, value)
		}
	}
	options := ecs.Options{Driver: "podman", Image: image, Layers: "http://" + e.registry}
	if github != "" {
		configuration := filepath.Join(t.TempDir(), "gitconfig")
		if err := os.WriteFile(configuration, fmt.Appendf(nil, "[url %q]\n\tinsteadOf = https://github.com/\n", github+"/"), 0o644); err != nil {
			t.Fatal(err)
		}
		options.Mounts = []string{configuration + ":/etc/gitconfig", filepath.Join(top(t), "infra/test/carlin/endpoint.cjs") + ":/endpoint.cjs"}
		options.Variables = []string{"NODE_OPTIONS=--require=/endpoint.cjs --no-warnings"}
	}
	cloud, err := ecs.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cloud.Close()
		e.empty(t)
	})
	for _, entry := range cloud.Environment() {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
	return cloud
}

// newBase deploys base.yaml, and returns its outputs.
func newBase(t *testing.T, cloud *ecs.Server) map[string]string {
	t.Helper()
	c := &chain{cloud: cloud, stacks: cloudformation.NewFromConfig(settings(t))}
	return c.deploy(t, "ci-base", "base.yaml", "KmsKeyArn")
}

func settings(t *testing.T) aws.Config {
	t.Helper()
	c, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newPipeline deploys the pipeline of a project on a base, and its webhook.
func newPipeline(t *testing.T, cloud *ecs.Server, base map[string]string, p project) *chain {
	t.Helper()
	settings := settings(t)
	c := &chain{project: p, cloud: cloud, stacks: cloudformation.NewFromConfig(settings), hookKey: hookKey}
	c.store = newBucket(t, settings, p.bucket)
	if _, err := c.store.client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: &p.bucket, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled},
	}); err != nil {
		t.Fatal(err)
	}
	c.runner = filepath.Join(t.TempDir(), "runner")
	build(t, c.runner, "./cmd/runner")

	names := strings.Join(slices.Sorted(maps.Keys(p.environments)), ",")
	outputs := c.deploy(t, p.name, "cicd.yaml", "", base, map[string]string{
		"ArtifactBucket": p.bucket, "GitHubRepository": p.repository, "ImageTag": "0123abc",
		// moto requires a name, does not split the defaults of lists, and resolves outputs whose condition is false.
		"RepositoryName": "ci/" + p.name, "Environments": names, "ApprovalEnvironments": p.approvals,
		"ReleaseEnvironments": "production", "OperatorApprovals": "staging,forks", "OwnSteps": "lint",
		"GitHubRoles": "true", "GitHubOidcProviderArn": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com",
	})
	for environment, parameters := range p.environments {
		without := ""
		if parameters["TargetRoleArn"] != "" {
			without = "StackRoleArn"
		}
		c.deploy(t, p.name+"-"+environment, "environment.yaml", without, outputs, parameters, map[string]string{"EnvironmentName": environment})
	}
	c.connect(t, outputs)

	secret, err := secretsmanager.NewFromConfig(
		settings,
	).CreateSecret(
		t.Context(),
		&secretsmanager.CreateSecretInput{Name: aws.String(p.name + "-hook"), SecretString: aws.String(hookKey)},
	)
	if err != nil {
		t.Fatal(err)
	}
	makeWebhook(t)
	c.hook = startFunction(
		t,
		append(cloud.Environment(), "EVENT_BUS_NAME="+outputs["EventBusName"], "WEBHOOK_SECRET_ARN="+*secret.ARN, "REPOSITORIES="+p.repository),
		"qemu-aarch64", filepath.Join(top(t), "bin/bootstrap"),
	)
	return c
}

// connect puts queues where the events of a pipeline come out, which has these outputs.
func (c *chain) connect(t *testing.T, outputs map[string]string) {
	t.Helper()
	c.machine, c.table = outputs["StateMachineArn"], outputs["TableName"]
	c.started, c.told, c.statuses = c.newQueue(t, c.name+"-started"), c.newQueue(t, c.name+"-told"), c.newQueue(t, c.name+"-statuses")
	c.divert(t, eventbridge.NewFromConfig(settings(t)), outputs["EventBusName"])
}

// deploy creates a stack of a template in infra. Parameters that the template does not have are left out. It returns
// the outputs, except for the one that is left out: moto resolves those whose condition is false, too.
func (c *chain) deploy(t *testing.T, stack, name, without string, parameters ...map[string]string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top(t), "infra", name))
	if err != nil {
		t.Fatal(err)
	}
	if without != "" {
		text = regexp.MustCompile(`(?m)^  `+without+`:.*\n(    .*\n)*`).ReplaceAll(text, nil)
	}
	var template struct {
		Parameters map[string]any `yaml:"Parameters"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	input := &cloudformation.CreateStackInput{
		StackName:    &stack,
		TemplateBody: aws.String(string(text)),
		Capabilities: []cftypes.Capability{cftypes.CapabilityCapabilityIam},
	}
	for _, p := range parameters {
		for key, value := range p {
			if _, ok := template.Parameters[key]; ok {
				input.Parameters = append(input.Parameters, cftypes.Parameter{ParameterKey: aws.String(key), ParameterValue: aws.String(value)})
			}
		}
	}
	if _, err := c.stacks.CreateStack(t.Context(), input); err != nil {
		t.Fatal(err)
	}
	return c.outputs(t, stack)
}

// disconnect removes what connect has made.
func (c *chain) disconnect(t *testing.T) {
	t.Helper()
	bridge, bus, name := eventbridge.NewFromConfig(settings(t)), c.outputs(t, c.name)["EventBusName"], c.name+"-statuses"
	if _, err := bridge.RemoveTargets(t.Context(), &eventbridge.RemoveTargetsInput{EventBusName: &bus, Rule: &name, Ids: []string{"queue"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := bridge.DeleteRule(t.Context(), &eventbridge.DeleteRuleInput{EventBusName: &bus, Name: &name}); err != nil {
		t.Fatal(err)
	}
	for _, queue := range []string{c.started, c.told, c.statuses} {
		c.call(t, "sqs", "AmazonSQS.DeleteQueue", map[string]any{"QueueUrl": queue}, nil)
	}
}

// divert puts queues into the places of what the rules' events go to: moto delivers to nothing else.
func (c *chain) divert(t *testing.T, bridge *eventbridge.Client, bus string) {
	t.Helper()
	rules, err := bridge.ListRules(t.Context(), &eventbridge.ListRulesInput{EventBusName: &bus})
	if err != nil {
		t.Fatal(err)
	}
	starting := 0
	for _, rule := range rules.Rules {
		there, err := bridge.ListTargetsByRule(
			t.Context(),
			&eventbridge.ListTargetsByRuleInput{EventBusName: &bus, Rule: rule.Name},
		)
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range there.Targets {
			queue := c.name + "-told"
			if *target.Arn == c.machine {
				queue, starting = c.name+"-started", starting+1
			}
			if _, err := bridge.PutTargets(t.Context(), &eventbridge.PutTargetsInput{
				EventBusName: &bus, Rule: rule.Name,
				Targets: []ebtypes.Target{{Id: target.Id, Arn: aws.String("arn:aws:sqs:" + awstest.Region + ":123456789012:" + queue)}},
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if starting == 0 {
		t.Fatal("no rule starts the machine")
	}
	// The rule of the template sends them to GitHub, which moto does not.
	name := c.name + "-statuses"
	if _, err := bridge.PutRule(t.Context(), &eventbridge.PutRuleInput{
		EventBusName: &bus, Name: &name, EventPattern: aws.String(`{"source":["ci.pipeline"],"detail-type":["commit status"]}`),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := bridge.PutTargets(t.Context(), &eventbridge.PutTargetsInput{
		EventBusName: &bus, Rule: &name,
		Targets: []ebtypes.Target{{Id: aws.String("queue"), Arn: aws.String("arn:aws:sqs:" + awstest.Region + ":123456789012:" + name)}},
	}); err != nil {
		t.Fatal(err)
	}
}

func build(t *testing.T, out, what string) {
	t.Helper()
	c := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-o", out, what)
	c.Dir, c.Env = top(t), append(os.Environ(), "CGO_ENABLED=0")
	if said, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
}

func (c *chain) outputs(t *testing.T, stack string) map[string]string {
	t.Helper()
	found, err := c.stacks.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: &stack})
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]string{}
	for _, o := range found.Stacks[0].Outputs {
		outputs[*o.OutputKey] = *o.OutputValue
	}
	return outputs
}

// stack is what a stack is made of: its resources, and its template.
func (c *chain) stack(t *testing.T, name string) string {
	t.Helper()
	found, err := c.stacks.ListStackResources(t.Context(), &cloudformation.ListStackResourcesInput{StackName: &name})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range found.StackResourceSummaries {
		all = append(all, *r.LogicalResourceId+" "+*r.ResourceType)
	}
	slices.Sort(all)
	written, err := c.stacks.GetTemplate(t.Context(), &cloudformation.GetTemplateInput{StackName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, ", ") + "\n" + *written.TemplateBody
}

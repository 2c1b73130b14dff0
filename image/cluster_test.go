//go:build container

package image

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/carlin-cicd/runner/runner/notify/notifytest"
)

// stackPolicy is what CloudFormation may do for the shop's stacks.
const stackPolicy = "arn:aws:iam::aws:policy/PowerUserAccess"

// newCluster makes what a person has before the first command: a clone, an account with nothing in it, a registry, podman.
func newCluster(t *testing.T, e *engine, r shopRepository) *chain {
	t.Helper()
	registry := e.serveECR(t)
	c := &chain{project: project{name: pipeline, repository: shop}, registry: registry, cloud: newCloud(t, e, "", r.url), clone: r}
	registry.cloud = c.cloud
	c.stacks = cloudformation.NewFromConfig(settings(t))
	c.github = &notifytest.GitHub{Token: "ghp_" + strings.Repeat("hook", 9), Repository: shop, Private: true}
	address, stop := c.github.Start()
	t.Cleanup(stop)
	c.hub = address
	c.runner = filepath.Join(t.TempDir(), "runner")
	build(t, c.runner, "./cmd/runner")
	t.Setenv("BUILDAH_ISOLATION", "chroot") // for podman, in a container
	t.Setenv("RUNNER_STACK_POLL", "100ms")
	return c
}

// cluster runs a command below runner cluster in the clone.
func (c *chain) cluster(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), c.runner, append([]string{"cluster"}, args...)...)
	command.Dir, command.Env = c.clone.dir, append(os.Environ(), "GITHUB_API_URL="+c.hub, "GITHUB_TOKEN="+c.github.Token)
	command.WaitDelay = time.Second
	var out, said bytes.Buffer
	command.Stdout, command.Stderr = &out, &said
	began := time.Now()
	defer func() { t.Logf("runner cluster %s took %v", args[0], time.Since(began).Round(time.Second)) }()
	if err := command.Run(); err != nil {
		t.Fatalf("runner cluster %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), tail(said.String()))
	}
	return out.String(), said.String()
}

// makes deploys the cluster into the empty account, and its image.
func (c *chain) makes(t *testing.T) {
	c.before = c.account(t)
	c.zip = makeWebhook(t) // a release downloads it

	out, said := c.cluster(t, "deploy", "--yes", "--webhook-zip", c.zip, "--policy", stackPolicy)
	for _, want := range []string{"create         stack carlin-cicd: the pipeline", "create         stack carlin-cicd-webhook: the webhook", "\nnext     runner cluster image,"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not print %q\n%s\n%s", want, out, tail(said))
		}
	}
	t.Cleanup(func() { c.registry.engine.forget(c.registry.pushes()) })
	hooks := c.github.Hooks()
	if len(hooks) != 1 || hooks[0].Config.URL != c.outputs(t, c.name+"-webhook")["Url"] {
		t.Fatalf("GitHub has the webhooks %+v", hooks)
	}
	c.hookKey = hooks[0].Config.Secret
	if strings.Contains(out+said, c.hookKey) {
		t.Error("deploy prints the secret of the webhook")
	}
	out, said = c.cluster(t, "image")
	if !strings.HasPrefix(out, "every step runs the image "+c.clone.git(t, "rev-parse", "HEAD")+"\nnext     git push") || len(c.registry.pushes()) != 1 {
		t.Errorf("it pushed %q, and printed\n%s\n%s", c.registry.pushes(), out, tail(said))
	}

	outputs := c.outputs(t, c.name)
	c.store = storeOf(settings(t), outputs["ArtifactBucket"])
	c.connect(t, outputs)
	c.startWebhook(t)
}

// changesNothing runs the commands again.
func (c *chain) changesNothing(t *testing.T) {
	before := c.account(t)
	out, said := c.cluster(t, "deploy", "--yes", "--webhook-zip", c.zip)
	if !strings.HasPrefix(out, "no changes: the 5 stacks") || said != "" {
		t.Errorf("deploy says %s%s", out, said)
	}
	out, said = c.cluster(t, "image")
	if !strings.HasPrefix(out, "every step runs the image") || !strings.HasSuffix(said, " is there already\n") || strings.Count(said, "\n") != 1 || len(c.registry.pushes()) != 1 {
		t.Errorf("image pushed %q and says %s%s", c.registry.pushes(), out, said)
	}
	if said := c.clone.git(t, "push", "origin", "main"); said != "" && !strings.Contains(said, "up-to-date") {
		t.Errorf("git push says %s", said)
	}
	if after := c.account(t); !slices.Equal(after, before) {
		t.Errorf("the account has\n%s\nand had\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
}

// startWebhook runs the function that is deployed: its zip, with its variables, as its role. GitHub has its secret.
func (c *chain) startWebhook(t *testing.T) {
	t.Helper()
	stack := c.name + "-webhook"
	name := c.physical(t, stack, "AWS::Lambda::Function")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.cloud.Endpoint+"/2015-03-31/functions/"+name+"/configuration", nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := answerOf(request, "lambda")
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Role        string
		Environment struct{ Variables map[string]string }
	}
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	role, err := sts.NewFromConfig(settings(t)).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &f.Role, RoleSessionName: aws.String(name)})
	if err != nil {
		t.Fatal(err)
	}
	environment := append(c.cloud.Environment(), "AWS_ACCESS_KEY_ID="+*role.Credentials.AccessKeyId,
		"AWS_SECRET_ACCESS_KEY="+*role.Credentials.SecretAccessKey, "AWS_SESSION_TOKEN="+*role.Credentials.SessionToken)
	for key, value := range f.Environment.Variables {
		environment = append(environment, key+"="+value)
	}
	bootstrap := c.unzip(t, c.parameters(t, stack))
	c.hook = startFunction(t, environment, "qemu-aarch64", bootstrap)
}

// unzip returns the program in the zip that the webhook's stack names.
func (c *chain) unzip(t *testing.T, of map[string]string) string {
	t.Helper()
	object, err := c.store.client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(of["LambdaS3Bucket"]), Key: aws.String(of["LambdaS3Key"])})
	if err != nil {
		t.Fatal(err)
	}
	defer object.Body.Close()
	text, err := io.ReadAll(object.Body)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	program, err := packed.Open("bootstrap")
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	path := filepath.Join(t.TempDir(), "bootstrap")
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if _, err := io.Copy(to, program); err != nil {
		t.Fatal(err)
	}
	return path
}

// physical is the name of the first resource of a type.
func (c *chain) physical(t *testing.T, stack, kind string) string {
	t.Helper()
	found, err := c.stacks.ListStackResources(t.Context(), &cloudformation.ListStackResourcesInput{StackName: &stack})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range found.StackResourceSummaries {
		if *r.ResourceType == kind {
			return *r.PhysicalResourceId
		}
	}
	t.Fatalf("stack %s has no %s", stack, kind)
	return ""
}

// parameters are those of a stack.
func (c *chain) parameters(t *testing.T, stack string) map[string]string {
	t.Helper()
	found, err := c.stacks.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: &stack})
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for _, p := range found.Stacks[0].Parameters {
		values[*p.ParameterKey] = *p.ParameterValue
	}
	return values
}

// beyondMoto are the findings of runner cluster check that no account of moto is without: it has no addresses on the internet,
// no quotas and no drift, and the test gives neither an address for alarms nor a token of GitHub.
var beyondMoto = []string{"deliveries", "drift", "quotas", "receivers", "webhook"}

// checks asks runner cluster check what is wrong with what is deployed: nothing that could be right.
func (c *chain) checks(t *testing.T) {
	command := exec.CommandContext(t.Context(), c.runner, "cluster", "check", "--json")
	command.Dir, command.Env = c.clone.dir, append(os.Environ(), "GITHUB_API_URL="+c.hub, "GITHUB_TOKEN="+c.github.Token)
	out, err := command.Output()
	if command.ProcessState == nil || command.ProcessState.ExitCode() != 1 { // for the webhook
		t.Errorf("it ends with %v", err)
	}
	fine := 0
	for line := range strings.Lines(string(out)) {
		var f struct{ Subject, Severity string }
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		switch {
		case f.Severity == "ok":
			fine++
		case f.Subject != "" && !slices.Contains(beyondMoto, f.Subject):
			t.Errorf("%s", line)
		}
	}
	if fine < 15 {
		t.Errorf("%d things are as they should be\n%s", fine, out)
	}
}

// destroys removes the cluster, and compares what is left with what the command says that it keeps.
func (c *chain) destroys(t *testing.T) {
	c.disconnect(t)
	bucket, images := c.store.bucket, c.outputs(t, c.name)["RepositoryName"]
	said, _ := c.cluster(t, "destroy", "--yes")
	_, kept, _ := strings.Cut(said, "keeps ")
	left := c.since(t)
	for _, name := range []string{"s3 " + bucket, "ecr " + images, "cloudformation carlin-cicd-base", "cloudformation Shop-Production"} {
		if !slices.Contains(left, name) || !strings.Contains(kept, name[strings.Index(name, " ")+1:]) {
			t.Errorf("%s is gone, or is not said to be kept", name)
		}
	}
	c.leaves(t, left, kept)
	if hooks := c.github.Hooks(); len(hooks) > 0 {
		t.Errorf("GitHub has the webhooks %+v", hooks)
	}

	said, _ = c.cluster(t, "destroy", "--all", "--yes")
	left = c.since(t)
	c.leaves(t, left, kept+said)
	for _, line := range left {
		if !strings.HasPrefix(line, "cloudformation Shop-") && !c.isOf(t, line, "Shop-Staging") && !c.isOf(t, line, "Shop-Production") && line != ecsRole {
			t.Errorf("destroy --all leaves %s\n%s", line, said)
		}
	}
	if out, _ := c.cluster(t, "destroy", "--all"); !strings.HasPrefix(out, "there is nothing to delete") {
		t.Error(out)
	}
}

// ecsRole is an account's, not the cluster's.
const ecsRole = "iam AWSServiceRoleForECS"

// leaves fails for what is left, is not named among what is kept, and is of no stack that is.
func (c *chain) leaves(t *testing.T, left []string, kept string) {
	t.Helper()
	for _, line := range left {
		_, name, _ := strings.Cut(line, " ")
		switch {
		case strings.Contains(kept, name), line == ecsRole && strings.Contains(kept, "the role of ECS"):
		case slices.ContainsFunc(left, func(other string) bool {
			stack, isStack := strings.CutPrefix(other, "cloudformation ")
			return isStack && strings.Contains(kept, "stack "+stack) && c.isOf(t, line, stack)
		}):
		default:
			t.Errorf("destroy leaves %s, and says that it keeps %s", line, kept)
		}
	}
}

// isOf reports whether a thing of the account is a resource of a stack, or came with its network.
func (c *chain) isOf(t *testing.T, line, stack string) bool {
	t.Helper()
	found, err := c.stacks.ListStackResources(t.Context(), &cloudformation.ListStackResourcesInput{StackName: &stack})
	if err != nil {
		t.Fatal(err)
	}
	_, name, _ := strings.Cut(line, " ")
	for _, r := range found.StackResourceSummaries {
		if id := aws.ToString(r.PhysicalResourceId); id != "" && strings.HasSuffix(name, id) {
			return true
		}
		// A VPC has a route table and a security group from the start.
		if *r.ResourceType == "AWS::EC2::VPC" && (strings.HasPrefix(line, "ec2 rtb-") || strings.HasPrefix(line, "ec2 sg-")) {
			return true
		}
	}
	return false
}

//go:build container

package image

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

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
)

// One chain, as nothing of it is played: what GitHub sends, signed, comes to the Lambda's own binary; its event passes
// the rule of the deployed infra/cicd.yaml; the machine that was deployed with it runs; its tasks are containers of the
// image, which check out the commit, test and build it, migrate, and deploy it with carlin. AWS is moto. Run by make
// test-e2e.

const (
	shop     = "acme/shop"
	hookKey  = "It's a Secret to Everybody"
	pipeline = "ci"
)

func TestTheChain(t *testing.T) {
	e := newEngine(t)
	e.bases(t)
	repository := newShop(t)
	e.build(t, "runner", "localhost/runner-chain:base", "--build-arg", "CARLIN_VERSION="+carlinVersion)
	e.sidecar(t)
	c := newChain(t, e, e.derive(t, "localhost/runner-chain:base", repository.url))

	// Each goes on from what the one before has left.
	green := repository.commit(t, "a shop", nil)
	replaced := repository.commit(t, "a shop whose build is replaced", map[string]string{"README.md": "# Shop\n"})
	red := repository.commit(t, "a test that fails", map[string]string{
		"packages/core/src/red.test.ts": "test('adds up', () => { expect(1 + 1).toBe(3); });\n",
	})
	unfit := repository.commit(t, "a deployment that does not work", map[string]string{
		"packages/core/src/red.test.ts": "",
		"src/cloudformation.yml":        template("Queue"),
		"runner.yaml":                   steps("echo not well; exit 1"),
	})
	for _, part := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"a good commit goes all the way, and waits for approval before production", func(t *testing.T) { c.allTheWay(t, green) }},
		{"a build that is replaced between approval and deployment is not deployed", func(t *testing.T) { c.replaced(t, replaced) }},
		{"a commit whose test fails goes nowhere", func(t *testing.T) { c.nowhere(t, red) }},
		{"a deployment that does not work is rolled back", func(t *testing.T) { c.takenBack(t, unfit) }},
		{"tests are divided between two tasks, and what has not changed is left out", func(t *testing.T) { c.divided(t, repository, unfit) }},
		{"steps are run by hand", func(t *testing.T) { c.triggers(t, green, red) }},
	} {
		if !t.Run(part.name, part.run) {
			return
		}
	}
}

func (c *chain) allTheWay(t *testing.T, green string) {
	ran := c.push(t, green, approve)
	if ran.Status != "SUCCEEDED" ||
		ran.families() != "ci-Build ci-Test ci-Migrate-staging ci-Deploy-staging ci-Migrate-production ci-Deploy-production" {
		t.Fatalf("%s\n%s", ran.text, c.logs(t, ran))
	}
	for _, task := range ran.Tasks {
		if task.ExitCode == nil || *task.ExitCode != 0 {
			t.Errorf("%+v", task)
		}
	}
	for _, step := range []string{"build", "test", "migrate@staging", "deploy@staging", "migrate@production", "deploy@production"} {
		if f := c.store.of(t, "main", green, step); !f.Passed || f.Reason != "success" {
			t.Errorf("%s: %+v", step, f)
		}
	}
	if f := c.store.of(t, "main", green, "test"); f.Tests.Total == 0 || f.Tests.Failed != 0 {
		t.Errorf("tests: %+v", f.Tests)
	}
	for _, key := range []string{"builds/main/" + green + "/server.js", "manifests/builds/main/" + green + ".json", "coverage/main/" + green + "/lcov.info", "coverage/main/latest/lcov.info"} {
		if !slices.Contains(c.store.keys(t), key) {
			t.Errorf("there is no %s", key)
		}
	}
	c.lines(t, ran, "ci-Test", `"msg":"step passed"`, `"_aws"`)
	c.hasBeside(t, ran, green, "miss", "saved")
	c.tells(t, "approval needed", green)
	c.unlocked(t)
}

// replaced puts another build in the place of the one that waits for approval, as only a person with rights to the
// bucket can, and approves then.
func (c *chain) replaced(t *testing.T, sha string) {
	before := c.stack(t, "Shop-Production")
	ran := c.push(t, sha, func(running context.Context, t *testing.T, c *chain, address, execution string) {
		if c.token(running, t, "production", execution) == "" {
			return // it ended without asking: what it printed says why
		}
		other := t.TempDir()
		if err := os.WriteFile(filepath.Join(other, "server.js"), []byte("// not what was approved\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		put := exec.CommandContext(running, c.runner, "artifacts", "put", "--force", "builds", other)
		put.Env = append(os.Environ(), "ARTIFACT_BUCKET="+c.store.bucket, "BRANCH=main", "GIT_SHA="+sha)
		if said, err := put.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		approve(running, t, c, address, execution)
	})
	if ran.Status != "FAILED" || !strings.HasSuffix(ran.families(), "ci-Deploy-staging ci-Migrate-production ci-Deploy-production") {
		t.Fatalf("%s\n%s", ran.text, c.logs(t, ran))
	}
	c.hasBeside(t, ran, sha, "exact", "unchanged")
	if f := c.store.of(t, "main", sha, "deploy@staging"); !f.Passed {
		t.Errorf("what was built is not deployed to staging: %+v", f)
	}
	if f := c.store.of(t, "main", sha, "deploy@production"); f.Passed || f.Reason != "guard" || f.ExitCode != 125 {
		t.Errorf("%+v", f)
	}
	c.lines(t, ran, "ci-Deploy-production", "are not those that were approved")
	c.tells(t, "approval needed", sha)
	c.tells(t, "pipeline failed", sha)
	if after := c.stack(t, "Shop-Production"); after != before {
		t.Errorf("the stack was %s and is %s", before, after)
	}
	c.unlocked(t)
}

func (c *chain) nowhere(t *testing.T, red string) {
	before := c.stack(t, "Shop-Staging")
	ran := c.push(t, red, nil)
	if ran.Status != "FAILED" || ran.families() != "ci-Build ci-Test" || *ran.Tasks[1].ExitCode != 1 {
		t.Fatalf("%s\n%s", ran.text, c.logs(t, ran))
	}
	if f := c.store.of(t, "main", red, "test"); f.Passed || f.Reason != "failure" || f.Tests.Failed != 1 {
		t.Errorf("%+v", f)
	}
	c.tells(t, "pipeline failed", red)
	if after := c.stack(t, "Shop-Staging"); after != before {
		t.Errorf("the stack was %s and is %s", before, after)
	}
	for _, key := range c.store.keys(t) {
		if strings.Contains(key, red+"/deploy") || strings.Contains(key, red+"/migrate") {
			t.Errorf("there is a %s", key)
		}
	}
}

func (c *chain) takenBack(t *testing.T, unfit string) {
	before := c.stack(t, "Shop-Staging")
	ran := c.push(t, unfit, nil)
	if ran.Status != "FAILED" || ran.families() != "ci-Build ci-Test ci-Migrate-staging ci-Deploy-staging" ||
		*ran.Tasks[3].ExitCode != 1 {
		t.Fatalf("%s\n%s", ran.text, c.logs(t, ran))
	}
	f := c.store.of(t, "main", unfit, "deploy@staging")
	if f.Passed || f.Delivery == nil || f.Delivery.Rollback == nil || f.Delivery.Problem != "" {
		t.Errorf("%+v", f)
	}
	c.lines(t, ran, "ci-Deploy-staging", "not well")
	c.tells(t, "pipeline failed", unfit)
	if after := c.stack(t, "Shop-Staging"); after != before {
		t.Errorf("the stack was %s and is %s\n%s", before, after, c.logs(t, ran))
	}
	c.unlocked(t)
}

// divided pushes a commit whose pipeline divides the tests by two, and has a step whose paths have not changed since it
// passed. The commit before has passed that step, and all of the tests in one task.
func (c *chain) divided(t *testing.T, r shopRepository, before string) {
	lint := exec.Command(c.runner, "lint")
	lint.Dir, lint.Env = r.dir, append(os.Environ(), "ARTIFACT_BUCKET="+c.store.bucket, "BRANCH=main", "GIT_SHA="+before)
	if said, err := lint.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	sha := r.commit(t, "a change of the prices", map[string]string{
		"packages/core/src/price.ts": "// Prices.\n" + r.read(t, "packages/core/src/price.ts"),
		"runner.yaml": steps("true") + `pipeline:
  - build
  - [{ step: test, parallel: 2, paths: ["packages/**"] }, { step: lint, paths: ["scripts/**"] }]
`,
	})
	ran := c.push(t, sha, nil)
	if ran.Status != "SUCCEEDED" || ran.families() != "ci-Build ci-Test ci-Test" {
		t.Fatalf("%s\n%s\ndenied: %v", ran.text, c.logs(t, ran), refusals(t, c.cloud))
	}
	whole, merged := c.store.of(t, "main", before, "test"), c.store.of(t, "main", sha, "test")
	if !merged.Passed || merged.Tests != whole.Tests || merged.Tests.Total == 0 {
		t.Errorf("the shards together: %+v, and in one task: %+v", merged, whole)
	}
	all := c.store.keys(t)
	for _, key := range []string{"coverage/main/" + sha + "/lcov.info", "runs/main/" + sha + "/build/plan-push.json"} {
		if !slices.Contains(all, key) {
			t.Errorf("there is no %s", key)
		}
	}
	found := func(part string) (n int) {
		for _, key := range all {
			if strings.HasPrefix(key, "runs/main/"+sha+"/"+part) && strings.HasSuffix(key, ".json") {
				n++
			}
		}
		return n
	}
	if plan := string(c.store.get(t, "runs/main/"+sha+"/build/plan-push.json")); !strings.Contains(plan, "nothing of scripts/** has changed since") ||
		!strings.Contains(plan, "packages/core/src/price.ts has changed since") {
		t.Errorf("the plan is %s", plan)
	}
	if found("lint") != 0 || found("test~shards/") == 0 {
		t.Errorf("there are %d files of lint and %d of shards", found("lint"), found("test~shards/"))
	}
	for _, d := range refusals(t, c.cloud) {
		// No role deletes, so that the lifecycle removes what a set no longer has.
		if d.Action != "s3:DeleteObject" && (strings.Contains(d.Role, "ShardRole") || strings.Contains(d.Role, "MachineRole")) {
			t.Errorf("%s was refused %s on %s (%v)", d.Role, d.Action, d.Resource, d.Context)
		}
	}
}

// triggers runs steps by hand, from a shell: the same tasks, their logs live, their exit codes.
func (c *chain) triggers(t *testing.T, green, red string) {
	t.Helper()
	for _, run := range []struct {
		step, sha string
		code      int
		says      string
	}{
		{"test", green, 0, "Tests: "},
		{"test", red, 1, "Tests: "},
		{"seven", green, 7, "seven"},
		{"hungry", green, 137, "reason=oom"},
		{"wait", green, 143, "reason=cancelled"},
	} {
		t.Run(fmt.Sprintf("%s of %.7s ends with %d", run.step, run.sha, run.code), func(t *testing.T) {
			t.Parallel() // mostly they wait
			trigger := exec.CommandContext(
				t.Context(),
				c.runner,
				"trigger",
				"--step",
				run.step,
				"--branch",
				"main",
				"--sha",
				run.sha,
				"--stack",
				pipeline,
			)
			trigger.Env = append(
				os.Environ(),
				"GITHUB_REPOSITORY="+shop,
				"RUNNER_TASK_POLL=500ms",
			) // often enough to see each of them run
			var said lines
			trigger.Stdout, trigger.Stderr = &said, &said
			if err := trigger.Start(); err != nil {
				t.Fatal(err)
			}
			if run.step == "wait" {
				for deadline := time.Now().Add(4 * time.Minute); !strings.Contains(said.String(), "waiting for a signal"); time.Sleep(100 * time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatal(said.String())
					}
				}
				if err := trigger.Process.Signal(os.Interrupt); err != nil {
					t.Fatal(err)
				}
			}
			_ = trigger.Wait()
			if code := trigger.ProcessState.ExitCode(); code != run.code ||
				!strings.Contains(said.String(), "the task is running") ||
				!strings.Contains(said.String(), run.says) {
				t.Errorf("exit code %d, want %d\n%s", code, run.code, tail(said.String()))
			}
		})
	}
}

// shopRepository is the project behind the pipeline: the sample, with a stack.
type shopRepository struct{ dir, url string }

func newShop(t *testing.T) shopRepository {
	t.Helper()
	r := shopRepository{dir: filepath.Join(t.TempDir(), shop+".git")}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	tracked := exec.Command(
		"sh",
		"-c",
		`git ls-files -z sample | tar --null -T - -cf - | tar -C "$0" --strip-components 1 -xf -`,
		r.dir,
	)
	if out, err := tracked.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r.git(t, "init", "-q", "-b", "main")
	r.write(
		t,
		map[string]string{
			"carlin.yml":             "{}\n",
			"src/cloudformation.yml": template("Bucket"),
			"runner.yaml":            steps("test -f .carlin/latest-deploy.json"),
		},
	)

	r.url = serveRepositories(t, filepath.Dir(filepath.Dir(r.dir)))
	return r
}

// serveRepositories serves the repositories below a folder, as github.com does, and returns the address.
func serveRepositories(t *testing.T, root string) string {
	t.Helper()
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"), Stderr: io.Discard,
		Env: []string{
			"GIT_PROJECT_ROOT=" + root,
			"GIT_HTTP_EXPORT_ALL=1",
			"GIT_CONFIG_NOSYSTEM=1",
			"GIT_CONFIG_GLOBAL=/dev/null",
		},
	})
	t.Cleanup(server.Close)
	return server.URL
}

// steps are the runner.yaml of the shop: the built-in deploy step, which is carlin's, what shows that it works, and
// steps that end in other ways.
func steps(verify string) string {
	return fmt.Sprintf(`version: 1
steps:
  deploy: { needs: [test, build], fetch: [builds], verify: %q }
  seven: { command: "echo seven; exit 7" }
  hungry: { command: [node, -e, "const all = []; for (;;) all.push(Buffer.alloc(64 << 20, 1))"] }
  wait: { command: "echo waiting for a signal; sleep 300" }
  lint: { command: "true" }
`+besideSteps, verify)
}

// template is a stack with one more resource than a topic.
func template(more string) string {
	kind := map[string]string{"Bucket": "AWS::S3::Bucket", "Queue": "AWS::SQS::Queue"}[more]
	return fmt.Sprintf(
		"AWSTemplateFormatVersion: \"2010-09-09\"\nResources:\n  Topic: { Type: AWS::SNS::Topic }\n  %s: { Type: %s }\n",
		more,
		kind,
	)
}

func (r shopRepository) git(t *testing.T, args ...string) string {
	t.Helper()
	c := exec.Command("git", args...)
	c.Dir = r.dir
	c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r shopRepository) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// write writes files; an empty text removes one.
func (r shopRepository) write(t *testing.T, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(r.dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if text == "" {
			err = os.Remove(path)
		} else if err == nil {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (r shopRepository) commit(t *testing.T, message string, files map[string]string) string {
	t.Helper()
	r.write(t, files)
	r.git(t, "add", "--all")
	r.git(t, "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", message)
	return r.git(t, "rev-parse", "HEAD")
}

// derive builds the image of a test from an unchanged one: github.com is a local server, and carlin's old SDK gets the
// endpoint.
func (e *engine) derive(t *testing.T, from, github string) string {
	t.Helper()
	dir := t.TempDir()
	endpoint, err := os.ReadFile(filepath.Join(top(t), "infra/test/carlin/endpoint.cjs"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"endpoint.cjs": string(endpoint),
		"gitconfig":    fmt.Sprintf("[url %q]\n\tinsteadOf = https://github.com/\n", github+"/"),
		"Dockerfile":   "FROM " + from + "\nCOPY endpoint.cjs /endpoint.cjs\nCOPY gitconfig /etc/gitconfig\nENV NODE_OPTIONS=\"--require=/endpoint.cjs --no-warnings\"\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const tag = "localhost/runner-chain:test"
	e.podman(t, "build", "--quiet", "--isolation", "chroot", "--tag", tag, dir)
	return tag
}

// chain is the pipeline, deployed.
type chain struct {
	project
	cloud    *ecs.Server
	hook     *function
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
	services     string // beside tests
}

func newChain(t *testing.T, e *engine, image string) *chain {
	t.Helper()
	cloud := newCloud(t, e, image)
	return newPipeline(t, cloud, newBase(t, cloud), project{pipeline, shop, "shop-artifacts", map[string]map[string]string{
		"staging": {"StackName": "Shop-Staging"}, "production": {"StackName": "Shop-Production"},
	}, "production", "web=" + sidecarImage + ":" + sidecarPort})
}

// newCloud starts an AWS whose tasks run the image, for this test and what it starts.
func newCloud(t *testing.T, e *engine, image string) *ecs.Server {
	t.Helper()
	for _, entry := range e.env {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "CONTAINERS_") {
			t.Setenv(name, value)
		}
	}
	cloud, err := ecs.Start(ecs.Options{Driver: "podman", Image: image})
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
	c := &chain{project: p, cloud: cloud, stacks: cloudformation.NewFromConfig(settings)}
	c.store = newBucket(t, settings, p.bucket)
	if _, err := c.store.client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: &p.bucket, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled},
	}); err != nil {
		t.Fatal(err)
	}
	c.runner = filepath.Join(t.TempDir(), "runner")
	build(t, c.runner, "./cmd/runner")

	names := strings.Join(slices.Sorted(maps.Keys(p.environments)), ",")
	if len(p.environments) > 1 {
		names = "staging,production"
	}
	outputs := c.deploy(t, p.name, "cicd.yaml", "", base, map[string]string{
		"ArtifactBucket": p.bucket, "GitHubRepository": p.repository, "ImageTag": "0123abc",
		// moto requires a name, does not split the defaults of lists, and resolves outputs whose condition is false.
		"RepositoryName": "ci/" + p.name, "Environments": names, "ApprovalEnvironments": p.approvals, "TestServices": p.services,
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
	c.machine, c.table = outputs["StateMachineArn"], outputs["TableName"]

	bus := outputs["EventBusName"]
	c.started, c.told, c.statuses = c.newQueue(t, p.name+"-started"), c.newQueue(t, p.name+"-told"), c.newQueue(t, p.name+"-statuses")
	c.divert(t, eventbridge.NewFromConfig(settings), bus)

	secret, err := secretsmanager.NewFromConfig(
		settings,
	).CreateSecret(
		t.Context(),
		&secretsmanager.CreateSecretInput{Name: aws.String(p.name + "-hook"), SecretString: aws.String(hookKey)},
	)
	if err != nil {
		t.Fatal(err)
	}
	bootstrap := filepath.Join(t.TempDir(), "bootstrap")
	build(t, bootstrap, "./cmd/webhook")
	c.hook = startFunction(
		t,
		bootstrap,
		append(cloud.Environment(), "EVENT_BUS_NAME="+bus, "WEBHOOK_SECRET_ARN="+*secret.ARN, "REPOSITORIES="+p.repository),
	)
	return c
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

func (c *chain) newQueue(t *testing.T, name string) (url string) {
	t.Helper()
	var made struct {
		QueueURL string `json:"QueueUrl"`
	}
	c.call(t, "sqs", "AmazonSQS.CreateQueue", map[string]any{"QueueName": name}, &made)
	return made.QueueURL
}

// receive takes the next message out of a queue.
func (c *chain) receive(t *testing.T, queue string) string {
	t.Helper()
	var received struct {
		Messages []struct{ Body, ReceiptHandle string }
	}
	for deadline := time.Now().Add(time.Minute); len(received.Messages) == 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing comes into %s", queue)
		}
		c.call(t, "sqs", "AmazonSQS.ReceiveMessage", map[string]any{"QueueUrl": queue}, &received)
	}
	message := received.Messages[0]
	c.call(
		t,
		"sqs",
		"AmazonSQS.DeleteMessage",
		map[string]any{"QueueUrl": queue, "ReceiptHandle": message.ReceiptHandle},
		nil,
	)
	return message.Body
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

// call speaks AWS's JSON protocol.
func (c *chain) call(t *testing.T, service, target string, input, output any) {
	t.Helper()
	body, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	request, _ := http.NewRequestWithContext(
		context.WithoutCancel(t.Context()),
		http.MethodPost,
		c.cloud.Endpoint,
		bytes.NewReader(body),
	)
	request.Header.Set("X-Amz-Target", target)
	request.Header.Set("Content-Type", "application/x-amz-json-1.0")
	request.Header.Set(
		"Authorization",
		"AWS4-HMAC-SHA256 Credential=x/20260101/"+awstest.Region+"/"+service+"/aws4_request, SignedHeaders=host, Signature=x",
	)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v %s", target, answer.Status, err, text)
	}
	if output != nil {
		if err := json.Unmarshal(text, output); err != nil {
			t.Fatal(err)
		}
	}
}

// execution is how the machine ended.
type execution struct {
	Status  string
	Visited []string
	Tasks   []struct {
		ARN      string `json:"arn"`
		Family   string
		ExitCode *int
		StopCode string
		Reason   string
	}
	text string
}

func (x execution) families() string {
	var all []string
	for _, task := range x.Tasks {
		all = append(all, task.Family)
	}
	return strings.Join(all, " ")
}

// push is a push to main, from GitHub's request to the machine's end.
func (c *chain) push(
	t *testing.T,
	sha string,
	meanwhile func(running context.Context, t *testing.T, c *chain, address, execution string),
) execution {
	t.Helper()
	return c.run(t, c.send(t, "push", "push.json", "6113728f27ae82c7b1a177c8d03f9e96e0adf246", sha), meanwhile)
}

// send lets GitHub send an event of a recorded payload, with the words in it replaced. It returns the message that
// starts the machine.
func (c *chain) send(t *testing.T, event, payload string, replace ...string) string {
	t.Helper()
	recorded, err := os.ReadFile(filepath.Join(top(t), "cmd/webhook/testdata", payload))
	if err != nil {
		t.Fatal(err)
	}
	body := strings.NewReplacer(append(replace, "Codertocat/Hello-World", c.repository)...).Replace(string(recorded))
	mac := hmac.New(sha256.New, []byte(hookKey))
	mac.Write([]byte(body))
	request := map[string]any{
		"version": "2.0", "rawPath": "/", "body": body,
		"headers": map[string]string{
			"content-type": "application/json", "x-github-event": event, "x-github-delivery": "72d3162e-cc78-11e3-81ab-" + replace[1][:12],
			"x-hub-signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil)),
		},
		"requestContext": map[string]any{"http": map[string]string{"method": "POST"}},
	}
	answer := c.hook.invoke(t, request)
	for range 5 { // on a slow machine moto takes longer than the function waits: it says to redeliver
		if !strings.Contains(answer, `"statusCode":502`) {
			break
		}
		answer = c.hook.invoke(t, request)
	}
	if !strings.Contains(answer, `"statusCode":202`) {
		t.Fatalf("the webhook answers %s", answer)
	}
	return c.receive(t, c.started)
}

// run runs the machine with a message to its end.
func (c *chain) run(
	t *testing.T,
	message string,
	meanwhile func(running context.Context, t *testing.T, c *chain, address, execution string),
) execution {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	machine := exec.CommandContext(
		ctx,
		"node",
		filepath.Join(top(t), "infra/test/cloud.mjs"),
		c.cloud.Endpoint,
		c.machine,
	)
	machine.Stdin = strings.NewReader(message)
	out, err := machine.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	machine.Stderr = &said
	if err := machine.Start(); err != nil {
		t.Fatal(err)
	}
	answers := json.NewDecoder(out)
	var first struct{ Address, Execution string }
	var text json.RawMessage
	err = answers.Decode(&first)
	running, stopped := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		defer stopped()
		done <- errors.Join(answers.Decode(&text), machine.Wait())
	}()
	if err == nil && meanwhile != nil {
		meanwhile(running, t, c, first.Address, first.Execution)
	}
	if err := errors.Join(err, <-done); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	var ended execution
	if err := json.Unmarshal(text, &ended); err != nil {
		t.Fatal(err)
	}
	ended.text = string(text)
	return ended
}

// token waits for the token of the approval for production. It is "" if the machine ends before.
func (c *chain) token(running context.Context, t *testing.T, environment, execution string) string {
	t.Helper()
	var got struct {
		Item map[string]struct{ S string }
	}
	for ; got.Item == nil; time.Sleep(300 * time.Millisecond) {
		if running.Err() != nil {
			return ""
		}
		c.call(
			t,
			"dynamodb",
			"DynamoDB_20120810.GetItem",
			map[string]any{
				"TableName": c.table,
				"Key":       map[string]any{"id": map[string]string{"S": "token#" + environment + "#" + execution}},
			},
			&got,
		)
	}
	return got.Item["token"].S
}

// approve waits for the request for approval and grants it, unless the machine ends before.
func approve(running context.Context, t *testing.T, c *chain, address, execution string) {
	t.Helper()
	token := c.token(running, t, "production", execution)
	if token == "" {
		return // it ended without asking: what it printed says why
	}
	decide := exec.CommandContext(
		running,
		c.runner,
		"pipeline",
		"approve",
		execution,
		"--yes",
		"--stack",
		c.name,
		"--reason",
		"it is green",
	)
	decide.Env = append(os.Environ(), "AWS_ENDPOINT_URL_SFN="+address, "USER=octocat", "BRANCH=main")
	said, err := decide.CombinedOutput()
	if err != nil || !strings.Contains(string(said), "approved for production, by arn:") ||
		!strings.Contains(string(said), ", builds sha256 ") || strings.Contains(string(said), token) {
		t.Errorf("%v: %s", err, said)
	}
}

// events are what a task has written to CloudWatch Logs.
func (c *chain) events(t *testing.T, arn, family string) string {
	t.Helper()
	var described struct {
		TaskDefinition struct {
			ContainerDefinitions []struct {
				LogConfiguration struct{ Options map[string]string }
			}
		}
	}
	c.call(
		t,
		"ecs",
		"AmazonEC2ContainerServiceV20141113.DescribeTaskDefinition",
		map[string]any{"taskDefinition": family},
		&described,
	)
	options := described.TaskDefinition.ContainerDefinitions[0].LogConfiguration.Options
	stream := options["awslogs-stream-prefix"] + "/runner/" + arn[strings.LastIndexByte(arn, '/')+1:]
	var all strings.Builder
	for token := ""; ; {
		input := map[string]any{
			"logGroupName":  options["awslogs-group"],
			"logStreamName": stream,
			"startFromHead": true,
		}
		if token != "" {
			input["nextToken"] = token
		}
		var page struct {
			Events           []struct{ Message string }
			NextForwardToken string `json:"nextForwardToken"`
		}
		c.call(t, "logs", "Logs_20140328.GetLogEvents", input, &page)
		for _, event := range page.Events {
			all.WriteString(event.Message + "\n")
		}
		if page.NextForwardToken == token {
			return all.String()
		}
		token = page.NextForwardToken
	}
}

// logs is what the last task of an execution has to say.
func (c *chain) logs(t *testing.T, x execution) string {
	if len(x.Tasks) == 0 {
		return ""
	}
	last := x.Tasks[len(x.Tasks)-1]
	return tail(c.events(t, last.ARN, last.Family))
}

// lines fails unless the log of a task has all the texts.
func (c *chain) lines(t *testing.T, x execution, family string, texts ...string) {
	t.Helper()
	for _, task := range x.Tasks {
		if task.Family != family {
			continue
		}
		said := c.events(t, task.ARN, family)
		for _, text := range texts {
			if !strings.Contains(said, text) {
				t.Errorf("the log of %s lacks %s\n%s", family, text, tail(said))
			}
		}
	}
}

// tells fails unless this is the next notification.
func (c *chain) tells(t *testing.T, what, sha string) {
	t.Helper()
	if said := c.receive(t, c.told); !strings.Contains(said, what) || !strings.Contains(said, sha) {
		t.Errorf("the notification is %s", said)
	}
}

// unlocked fails if a lock is held.
func (c *chain) unlocked(t *testing.T) {
	t.Helper()
	for _, key := range c.store.keys(t) {
		if !strings.HasPrefix(key, "locks/") {
			continue
		}
		var lock struct{ Expires, Released time.Time }
		if err := json.Unmarshal(c.store.get(t, key), &lock); err != nil || lock.Released.IsZero() {
			t.Errorf("%s is held: %s %v", key, c.store.get(t, key), err)
		}
	}
}

// function is the Lambda's process, with Lambda's runtime API before it.
type function struct {
	requests chan []byte
	answers  chan string
	ended    chan error
	said     bytes.Buffer
}

func startFunction(t *testing.T, bootstrap string, environment []string) *function {
	t.Helper()
	f := &function{requests: make(chan []byte), answers: make(chan string), ended: make(chan error, 1)}
	serving, stop := context.WithCancel(context.Background())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case body := <-f.requests:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", fmt.Sprint(time.Now().UnixNano()))
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
			w.Write(body)
		case <-serving.Done():
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/{kind}", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		select {
		case f.answers <- string(body):
		case <-serving.Done():
		}
	})
	server := httptest.NewServer(mux)
	c := exec.CommandContext(serving, bootstrap)
	c.Env = append(
		environment,
		"AWS_LAMBDA_FUNCTION_NAME=hook",
		"PATH="+os.Getenv("PATH"),
		"AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(server.URL, "http://"),
	)
	c.Stdout, c.Stderr = &f.said, &f.said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { f.ended <- c.Wait() }()
	t.Cleanup(func() {
		stop()
		<-f.ended
		server.Close()
	})
	return f
}

// invoke calls the function's URL.
func (f *function) invoke(t *testing.T, request any) string {
	t.Helper()
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	hang := time.After(2 * time.Minute)
	select {
	case f.requests <- body:
	case err := <-f.ended:
		f.ended <- err
		t.Fatalf("the function ended: %v: %s", err, f.said.String())
	case <-hang:
		t.Fatal("the function asks for nothing")
	}
	select {
	case answer := <-f.answers:
		return answer
	case err := <-f.ended:
		f.ended <- err
		t.Fatalf("the function ended: %v: %s", err, f.said.String())
	case <-hang:
		t.Fatal("the function answers nothing")
	}
	return ""
}

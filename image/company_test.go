//go:build container

package image

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cftypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/carlin-cicd/runner/infra/ecs"
)

const (
	otherAccount = "222222222222"
	externalID   = "books-in-production"
	shopSecret   = "npm-token-of-the-shop"
)

// Two repositories on one base, at once: the shop deploys to the account of the pipeline, the books to another one. In
// between come pull requests from forks of the shop: one that tries what it can and is good, and one that asks for a
// secret. Roles may do what the deployed policies say: see infra/ecs/iam.py.
func TestTheChainOfACompany(t *testing.T) {
	e := newEngine(t)
	e.bases(t)
	e.build(t, "runner-base", projectBase(t), "--build-arg", "CARLIN_VERSION="+carlinVersion)
	root := t.TempDir()
	shopCode, booksCode := newCode(t, root, shop), newCode(t, root, "acme/books")
	cloud := newCloud(t, e, projectBase(t), serveRepositories(t, root))
	base := newBase(t, cloud)

	shops := newPipeline(t, cloud, base, project{"shop", shop, "shop-artifacts", map[string]map[string]string{
		"staging": {"StackName": "Shop-Staging"},
	}, "none"})
	target := deployTarget(t, cloud, "books")
	target["StackName"] = "Books"
	books := newPipeline(t, cloud, base, project{"books", "acme/books", "books-artifacts", map[string]map[string]string{"abroad": target}, "none"})
	books.trust(t, target)
	for _, name := range []string{"shop/test/npm", "books/test/npm"} {
		if _, err := secretsmanager.NewFromConfig(settings(t)).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
			Name: &name, SecretString: aws.String(shopSecret),
		}); err != nil {
			t.Fatal(err)
		}
	}

	ofShop, ofBooks := shopCode.commit(t, "a shop", code("shop")), booksCode.commit(t, "books", code("books"))
	guest := shopCode.pull(t, "5", "a change by a guest", map[string]string{"runner.yaml": guestSteps(""), "carlin.yml": ""})
	thief := shopCode.pull(t, "6", "a change by a thief", map[string]string{
		"runner.yaml": guestSteps("environment: { STOLEN: \"secretsmanager:shop/test/npm\" }, "),
	})
	const recorded = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
	ran := map[string]execution{}
	runs := map[string]func(t *testing.T) execution{}
	for name, run := range map[string]struct {
		c       *chain
		message string
		approve bool
	}{
		"the shop":  {shops, shops.send(t, "push", "push.json", "6113728f27ae82c7b1a177c8d03f9e96e0adf246", ofShop), false},
		"the guest": {shops, shops.send(t, "pull_request", "pull_request_of_a_fork.json", recorded, guest), true},
		"the books": {books, books.send(t, "push", "push.json", "6113728f27ae82c7b1a177c8d03f9e96e0adf246", ofBooks), false},
		"the thief": {shops, shops.send(t, "pull_request", "pull_request_of_a_fork.json", recorded, thief, `"number": 5`, `"number": 6`), true},
	} {
		meanwhile := approveFork
		if !run.approve {
			meanwhile = nil
		}
		runs[name] = func(t *testing.T) execution { return run.c.run(t, run.message, meanwhile) }
	}
	t.Run("at once", func(t *testing.T) {
		ended := make(chan struct {
			name string
			ran  execution
		}, len(runs))
		for name, run := range runs {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				ended <- struct {
					name string
					ran  execution
				}{name, run(t)}
			})
		}
		t.Cleanup(func() {
			close(ended)
			for one := range ended {
				ran[one.name] = one.ran
			}
		})
	})

	green := func(c *chain, name, families string) {
		if x := ran[name]; x.Status != "SUCCEEDED" || x.families() != families {
			t.Fatalf("%s: %s\n%s\ndenied: %s", name, x.text, c.logs(t, x), refusals(t, cloud))
		}
	}
	green(shops, "the shop", "shop-Build shop-Test shop-Migrate-staging shop-Deploy-staging")
	green(books, "the books", "books-Build books-Test books-Migrate-abroad books-Deploy-abroad")
	green(shops, "the guest", "shop-Fork shop-Fork")
	if x := ran["the thief"]; x.Status != "FAILED" || x.families() != "shop-Fork shop-Fork" {
		t.Errorf("the thief: %s\n%s", x.text, shops.logs(t, x))
	}

	t.Run("nothing of one repository is kept by the other", func(t *testing.T) {
		apart(t, shops, "main", ofShop, ofBooks)
		apart(t, books, "main", ofBooks, ofShop)
	})
	t.Run("the books are in the other account only", func(t *testing.T) { books.isAbroad(t) })
	t.Run("a fork leaves what it made below its number", func(t *testing.T) {
		shops.keepsForks(t, map[string]string{"5": guest, "6": thief})
	})
	t.Run("a fork reads no secret", func(t *testing.T) { shops.keepsSecrets(t, thief) })
	t.Run("statuses of forks are set by the machine", func(t *testing.T) { shops.setsStatuses(t, guest, thief) })
	t.Run("no role needed more than it has", func(t *testing.T) {
		for _, d := range refusals(t, cloud) {
			// The thief's secret; and no role deletes, so that the lifecycle removes what a set no longer has.
			if d.Action != "s3:DeleteObject" && !strings.Contains(d.Role, "ForkRole") {
				t.Errorf("%s was refused %s on %s (%v)", d.Role, d.Action, d.Resource, d.Context)
			}
		}
	})
}

// keepsSecrets fails if the secret of the shop is anywhere in its bucket, or if the thief's test was not refused it.
func (c *chain) keepsSecrets(t *testing.T, thief string) {
	t.Helper()
	for _, line := range strings.Split(c.store.everything(t), "\n") {
		if strings.Contains(line, shopSecret) {
			t.Error(line)
		}
	}
	f := c.fork(t, "6", thief, "test")
	if f.Passed || f.Reason != "secrets" || f.ExitCode != 125 {
		t.Errorf("the thief's test ended as %+v", f)
	}
	if all := refusals(t, c.cloud); !slices.ContainsFunc(all, func(d refusal) bool {
		return strings.Contains(d.Role, "ForkRole") && strings.HasPrefix(d.Action, "secretsmanager:")
	}) {
		t.Errorf("the thief was refused nothing: %v", all)
	}
}

// setsStatuses fails unless the machine has set these statuses of both pull requests: their tasks have no token.
func (c *chain) setsStatuses(t *testing.T, guest, thief string) {
	t.Helper()
	want := []string{
		"carlin-cicd/build pending " + guest, "carlin-cicd/build success " + guest,
		"carlin-cicd/test pending " + guest, "carlin-cicd/test success " + guest,
		"carlin-cicd/build pending " + thief, "carlin-cicd/build success " + thief,
		"carlin-cicd/test pending " + thief, "carlin-cicd/test failure " + thief,
	}
	var got []string
	for range want {
		var event struct {
			Detail struct{ Context, State, SHA string }
		}
		if err := json.Unmarshal([]byte(c.receive(t, c.statuses)), &event); err != nil {
			t.Fatal(err)
		}
		got = append(got, event.Detail.Context+" "+event.Detail.State+" "+event.Detail.SHA)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the statuses are %q", got)
	}
}

func roleOf(name string) string { return "arn:aws:iam::" + otherAccount + ":role/" + name }

// newCode makes an empty repository that is served as owner/name.
func newCode(t *testing.T, root, name string) shopRepository {
	t.Helper()
	r := shopRepository{dir: filepath.Join(root, name+".git")}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r.git(t, "init", "-q", "-b", "main")
	return r
}

// pull makes a commit that only a pull request from a fork has, as GitHub keeps it in the base repository.
func (r shopRepository) pull(t *testing.T, number, message string, files map[string]string) string {
	t.Helper()
	r.git(t, "checkout", "-q", "--detach", "main")
	sha := r.commit(t, message, files)
	r.git(t, "update-ref", "refs/pull/"+number+"/head", sha)
	r.git(t, "checkout", "-q", "main")
	return sha
}

// tested is a test step that leaves a report and coverage.
const tested = `mkdir -p coverage; echo TN: > coverage/lcov.info; ` +
	`printf '<testsuites><testsuite name="sums" tests="1"><testcase classname="sums" name="adds up"/></testsuite></testsuites>' > junit.xml`

// code is a project without packages to install: what is built, tested, migrated and deployed is small.
func code(name string) map[string]string {
	return map[string]string{
		"package.json":           `{"name":"` + name + `","version":"1.0.0","private":true}`,
		"carlin.yml":             "{}\n",
		"src/cloudformation.yml": template("Bucket"),
		"scripts/migrate.js":     "console.log('migrated');\n",
		"runner.yaml": `version: 1
setup: false
steps:
  build: { command: "mkdir -p dist; echo ` + name + ` > dist/server.js" }
  test: { command: "test -n \"$NPM_TOKEN\"; ` + strings.ReplaceAll(tested, `"`, `\"`) + `", environment: { NPM_TOKEN: "secretsmanager:` + name + `/test/npm" } }
  deploy: { needs: [test, build], fetch: [builds], verify: "test -f .carlin/latest-deploy.json" }
`,
	}
}

// guestSteps are what a fork wants to be run: it looks for credentials, those of the runner too.
func guestSteps(more string) string {
	return `version: 1
setup: false
steps:
  build:
    command: |
      if env | grep -E '^(AWS_CONTAINER|AWS_ACCESS|AWS_SECRET|AWS_SESSION|GITHUB_TOKEN)'; then exit 8; fi
      if cat /proc/1/environ | tr '\0' '\n' | grep -E '^AWS_CONTAINER'; then exit 9; fi
      mkdir -p dist; echo guest > dist/server.js
  test: { ` + more + `command: "` + strings.ReplaceAll(tested, `"`, `\"`) + `" }
`
}

// deployTarget deploys target.yaml in the other account and returns its outputs. Whom the roles there trust is known once
// the environment's stack is deployed, which needs their names: trust updates the stack.
func deployTarget(t *testing.T, cloud *ecs.Server, pipeline string) map[string]string {
	t.Helper()
	there := &chain{cloud: cloud, stacks: cloudformation.NewFromConfig(abroad(t))}
	return there.deploy(t, "books-target", "target.yaml", "", targetParameters(pipeline, map[string]string{
		"DeployRoleArn": "arn:aws:iam::123456789012:role/later", "MigrateRoleArn": "arn:aws:iam::123456789012:role/later",
	}))
}

func targetParameters(pipeline string, roles map[string]string) map[string]string {
	return map[string]string{
		"Pipeline": pipeline, "EnvironmentName": "abroad", "StackName": "Books", "ExternalId": externalID,
		"DeployRoleArn": roles["DeployRoleArn"], "MigrateRoleArn": roles["MigrateRoleArn"],
	}
}

// trust updates the stack of target.yaml with the roles of the environment's stack.
func (c *chain) trust(t *testing.T, target map[string]string) {
	t.Helper()
	there := &chain{cloud: c.cloud, stacks: cloudformation.NewFromConfig(abroad(t))}
	input := &cloudformation.UpdateStackInput{
		StackName: aws.String("books-target"), UsePreviousTemplate: aws.Bool(true), Capabilities: []cftypes.Capability{cftypes.CapabilityCapabilityIam},
	}
	for key, value := range targetParameters(c.name, c.outputs(t, c.name+"-abroad")) {
		input.Parameters = append(input.Parameters, cftypes.Parameter{ParameterKey: aws.String(key), ParameterValue: aws.String(value)})
	}
	if _, err := there.stacks.UpdateStack(t.Context(), input); err != nil {
		t.Fatal(err)
	}
	if now := there.outputs(t, "books-target"); now["TargetRoleArn"] != target["TargetRoleArn"] {
		t.Fatalf("the roles are others now: %v", now)
	}
}

// abroad returns the configuration of an administrator of the other account.
func abroad(t *testing.T) aws.Config {
	t.Helper()
	c := settings(t)
	c.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(c), roleOf("administrator")))
	return c
}

// isAbroad fails unless the stack is in the other account, and nowhere else.
func (c *chain) isAbroad(t *testing.T) {
	t.Helper()
	for account, want := range map[string]bool{"123456789012": false, otherAccount: true} {
		of := settings(t)
		if want {
			of = abroad(t)
		}
		found, err := cloudformation.NewFromConfig(of).ListStacks(t.Context(), &cloudformation.ListStacksInput{})
		if err != nil {
			t.Fatal(err)
		}
		has := false
		for _, s := range found.StackSummaries {
			has = has || *s.StackName == "Books"
		}
		if has != want {
			t.Errorf("the stack is in account %s: %v, want %v", account, has, want)
		}
	}
}

// approveFork waits for the request for approval of a fork, and grants it.
func approveFork(running context.Context, t *testing.T, c *chain, address, execution string) {
	t.Helper()
	if c.token(running, t, "forks", execution) == "" {
		return
	}
	decide := exec.CommandContext(running, c.runner, "pipeline", "approve", execution, "--yes", "--stack", c.name)
	decide.Env = append(os.Environ(), "AWS_ENDPOINT_URL_SFN="+address, "BRANCH=main")
	if said, err := decide.CombinedOutput(); err != nil || !strings.Contains(string(said), "approved for forks") {
		t.Errorf("%v: %s", err, said)
	}
}

// apart fails if a bucket lacks what the repository's pipeline keeps, or has something of the other's commit.
func apart(t *testing.T, c *chain, branch, own, other string) {
	t.Helper()
	all := c.store.keys(t)
	for _, key := range []string{
		"builds/" + branch + "/" + own + "/server.js", "manifests/builds/" + branch + "/latest.json",
		"coverage/" + branch + "/latest/lcov.info", "manifests/coverage/" + branch + "/latest.json",
		"tests/" + branch + "/history-test.json.gz", "runs/" + branch + "/" + own + "/test/latest.json",
	} {
		if !slices.Contains(all, key) {
			t.Errorf("%s has no %s", c.bucket, key)
		}
	}
	locks := 0
	for _, key := range all {
		if strings.Contains(key, other) {
			t.Errorf("%s has %s", c.bucket, key)
		}
		if strings.HasPrefix(key, "locks/") {
			locks++
		}
	}
	if text := c.store.everything(t); strings.Contains(text, other) || locks == 0 {
		t.Errorf("%s has %d locks, and names the other's commit: %v", c.bucket, locks, strings.Contains(text, other))
	}
	c.unlocked(t)
}

// keepsForks fails if anything of a fork's commit is elsewhere than below the number of its pull request.
func (c *chain) keepsForks(t *testing.T, forks map[string]string) {
	t.Helper()
	all := c.store.keys(t)
	for number, sha := range forks {
		for _, key := range all {
			if strings.Contains(key, sha) && !strings.HasPrefix(key, "pr/"+number+"/") {
				t.Errorf("%s is not below pr/%s/", key, number)
			}
		}
		if f := c.fork(t, number, sha, "build"); !f.Passed {
			t.Errorf("the build of pull request %s: %+v", number, f)
		}
	}
	for _, key := range all {
		if !strings.HasPrefix(key, "pr/") && strings.Contains(key, "pr/") {
			t.Errorf("there is a %s", key)
		}
	}
}

// fork is the record of a step of a pull request from a fork.
func (c *chain) fork(t *testing.T, number, sha, step string) record {
	t.Helper()
	prefix := "pr/" + number + "/"
	var latest struct{ Key string }
	if err := json.Unmarshal(c.store.get(t, prefix+"runs/pr/"+number+"/"+sha+"/"+step+"/latest.json"), &latest); err != nil {
		t.Fatal(err)
	}
	var f record
	if err := json.Unmarshal(c.store.get(t, prefix+latest.Key+"/finished.json"), &f); err != nil {
		t.Fatal(err)
	}
	return f
}

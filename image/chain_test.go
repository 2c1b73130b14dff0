//go:build container

package image

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// One chain, as nothing of it is played: runner cluster deploys into an empty account, builds the project's image by podman
// and pushes it to the account's registry. What GitHub sends, signed, comes to the function of the zip that was deployed, which
// runs as its role; its event passes the deployed rule; the deployed machine runs; its tasks are containers of the image,
// which check out the commit, test and build it, migrate, and deploy it with carlin. AWS is moto. Run by make test-e2e.

const (
	shop     = "acme/shop"
	hookKey  = "It's a Secret to Everybody"
	pipeline = "carlin-cicd" // the name of its stack, by default
)

func TestTheChain(t *testing.T) {
	e := newEngine(t)
	e.bases(t)
	e.build(t, "runner-base", projectBase(t), "--build-arg", "CARLIN_VERSION="+carlinVersion)
	e.sidecar(t)
	r := newShop(t)
	green := r.commit(t, "a shop", nil)
	c := newCluster(t, e, r)
	c.makes(t)

	// Each goes on from what the one before has left.
	var red, unfit string
	for _, part := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"a good commit goes all the way, and waits for approval before production", func(t *testing.T) { c.allTheWay(t, green) }},
		{"the same commands again change nothing", c.changesNothing},
		{"a build that is replaced between approval and deployment is not deployed", func(t *testing.T) {
			c.replaced(t, r.commit(t, "a shop whose build is replaced", map[string]string{"README.md": "# Shop\n"}))
		}},
		{"a commit whose test fails goes nowhere", func(t *testing.T) {
			red = r.commit(t, "a test that fails", map[string]string{
				"packages/core/src/red.test.ts": "test('adds up', () => { expect(1 + 1).toBe(3); });\n",
			})
			c.nowhere(t, red)
		}},
		{"a deployment that does not work is rolled back", func(t *testing.T) {
			unfit = r.commit(t, "a deployment that does not work", map[string]string{
				"packages/core/src/red.test.ts": "",
				"src/cloudformation.yml":        template("Queue"),
				"runner.yaml":                   steps("echo not well; exit 1"),
			})
			c.takenBack(t, unfit)
		}},
		{"tests are divided between two tasks, and what has not changed is left out", func(t *testing.T) { c.divided(t, r, unfit) }},
		{"steps are run by hand", func(t *testing.T) { c.triggers(t, green, red) }},
		{"what is deployed is checked", c.checks},
		{"destroy leaves only what it says", c.destroys},
	} {
		if !t.Run(part.name, part.run) {
			return
		}
	}
}

func (c *chain) allTheWay(t *testing.T, green string) {
	ran := c.push(t, green, approve)
	if ran.Status != "SUCCEEDED" ||
		ran.families() != "carlin-cicd-Build carlin-cicd-Test carlin-cicd-Migrate-staging carlin-cicd-Deploy-staging carlin-cicd-Migrate-production carlin-cicd-Deploy-production" {
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
	c.lines(t, ran, "carlin-cicd-Test", `"msg":"step passed"`, `"_aws"`)
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
	if ran.Status != "FAILED" || !strings.HasSuffix(ran.families(), "carlin-cicd-Deploy-staging carlin-cicd-Migrate-production carlin-cicd-Deploy-production") {
		t.Fatalf("%s\n%s", ran.text, c.logs(t, ran))
	}
	c.hasBeside(t, ran, sha, "exact", "unchanged")
	if f := c.store.of(t, "main", sha, "deploy@staging"); !f.Passed {
		t.Errorf("what was built is not deployed to staging: %+v", f)
	}
	if f := c.store.of(t, "main", sha, "deploy@production"); f.Passed || f.Reason != "guard" || f.ExitCode != 125 {
		t.Errorf("%+v", f)
	}
	c.lines(t, ran, "carlin-cicd-Deploy-production", "are not those that were approved")
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
	if ran.Status != "FAILED" || ran.families() != "carlin-cicd-Build carlin-cicd-Test" || *ran.Tasks[1].ExitCode != 1 {
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
	if ran.Status != "FAILED" || ran.families() != "carlin-cicd-Build carlin-cicd-Test carlin-cicd-Migrate-staging carlin-cicd-Deploy-staging" ||
		*ran.Tasks[3].ExitCode != 1 {
		t.Fatalf("%s\n%s", ran.text, c.logs(t, ran))
	}
	f := c.store.of(t, "main", unfit, "deploy@staging")
	if f.Passed || f.Delivery == nil || f.Delivery.Rollback == nil || f.Delivery.Problem != "" {
		t.Errorf("%+v", f)
	}
	c.lines(t, ran, "carlin-cicd-Deploy-staging", "not well")
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
	if ran.Status != "SUCCEEDED" || ran.families() != "carlin-cicd-Build carlin-cicd-Test carlin-cicd-Test" {
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

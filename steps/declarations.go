package steps

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// reservedKinds are the store's own top folders.
var reservedKinds = []string{"manifests", "runs", "deployments", "locks", "tests"}

// retryReasons are the reasons to start a command again, and retryDefault those without on:. A cancelled run cannot
// start anything again itself: whatever started it may, as retry_allowed in finished.json says.
var (
	retryDefault = []string{"oom", "infrastructure"}
	retryReasons = []string{"oom", "infrastructure", "cancelled"}
)

// namesOf is a list of names.
func namesOf(name kind[string]) kind[[]string] { return listOf(name, "name") }

func stepNames() kind[[]string] {
	return namesOf(matching(stepName, "use lower-case letters, digits, dots, dashes and underscores"))
}

func artifactKind() kind[string] {
	return matching(kindName, "use lower-case letters, digits and dashes")
}

func variableNames() kind[[]string] {
	return namesOf(matching(variableName, "use letters, digits and underscores, and begin with no digit"))
}

// stepObject are the keys of a step. They are declared once, as they are many, and asked for by each step of a file.
var stepObject = sync.OnceValue(declareStep)

func declareStep() object[Step] {
	line, lines := command().ref("command"), hook(command().ref("command")).ref("hook")
	line.read, lines.read = command().read, hook(command()).read
	wait := duration()
	return object[Step]{keys: []key[Step]{
		newKey(
			"command",
			"What the step runs.",
			line,
			func(s *Step) *Command { return &s.Command },
		).alias("run", "cmd", "script", "commands"),
		newKey("shell", "What runs the lines of the step: its command, hooks, verify and rerun.", shell(),
			func(s *Step) *[]string { return &s.Shell }).otherwise("sh"),
		newKey(
			"directory",
			"Where it runs, relative to the workspace.",
			localPath(),
			func(s *Step) *string { return &s.Directory },
		).otherwise(".").alias("cwd", "dir", "workdir", "working-directory", "working_directory"),
		newKey("timeout", "How long it may take; RUNNER_TIMEOUT and --timeout win over it.", duration(),
			func(s *Step) *time.Duration { return &s.Timeout }).otherwise("1h"),
		newKey("environment", "Variables for the command. A value may be a reference to a secret.", variables(scalar()),
			func(s *Step) *map[string]string { return &s.Environment }).alias("env", "envs", "variables", "vars"),
		newKey(
			"secrets",
			"Variables for the command whose values are kept elsewhere. They are resolved just before the command, for this "+
				"step only, and redacted from everything that leaves.",
			variables(secretReference()),
			func(s *Step) *map[string]string { return &s.Secrets },
		),
		newKey(
			"credentials",
			"Which AWS credentials the command gets: those of the task, or none.",
			oneOf(TaskCredentials, NoCredentials),
			func(s *Step) *Credentials { return &s.Credentials },
		).otherwise(TaskCredentials),
		newKey(
			"account",
			"The AWS account that the command must work in; the step is refused if its credentials are those of another. Account, "+
				"region, role and stacks may contain variables of the step: ${NAME}.",
			matching(accountForm, "write the 12 digits of an account, or a variable such as ${ACCOUNT}"),
			func(s *Step) *string { return &s.Account },
		),
		newKey(
			"region",
			"The AWS region of the command: AWS_REGION, AWS_DEFAULT_REGION and, for carlin, CARLIN_REGION.",
			matching(regionForm, "write a region such as eu-west-1, or a variable such as ${REGION}"),
			func(s *Step) *string { return &s.Region },
		).alias("aws_region"),
		newKey(
			"role",
			"The ARN of an IAM role that the runner assumes for the step: for the command, the snapshot of the stack and the "+
				"rollback.",
			matching(roleForm, "write the ARN of a role, or a variable such as ${DEPLOY_ROLE}"),
			func(s *Step) *string { return &s.Role },
		).alias("role_arn", "assume_role"),
		newKey(
			"stacks",
			"Names or globs of the CloudFormation stacks that the command deploys. Each is locked, and rolled back after a failure; "+
				"without the key it is the one of STACK_NAME.",
			listOf(matching(stackForm, "write a stack's name or a glob such as net-*"), "stack"),
			func(s *Step) *[]string { return &s.Stacks },
		),
		requiredKey(),
		newKey(
			"reports",
			"Globs of JUnit reports, relative to the directory; ** crosses folders.",
			listOf(globKind(), "glob"),
			func(s *Step) *[]string { return &s.Reports },
		).alias("junit", "test_reports"),
		newKey(
			"allow_empty",
			"Whether the step may pass without having run a test; by default test may not, and others cause a warning.",
			optionalBoolean(),
			func(s *Step) **bool { return &s.AllowEmpty },
		),
		newKey(
			"cache",
			"Folders that are kept between runs: restored before dependencies are installed, saved after the command.",
			cacheKind(),
			func(s *Step) *[]Cache { return &s.Caches },
		).alias("caches"),
		newKey(
			"services",
			"Processes and containers beside the command, by their names: ready before before:, stopped after after:.",
			servicesKind(),
			func(s *Step) *[]Service { return &s.Services },
		).alias("service", "sidecars"),
		newKey("artifacts", "Folders that are published after the command.", artifactList(),
			func(s *Step) *[]Artifact { return &s.Artifacts }),
		newKey(
			"retry",
			"Starts the command again after some reasons.",
			retryObject().kind(),
			func(s *Step) *Retry { return &s.Retry },
		),
		newKey("needs", "Steps that must be on record as passed for this same commit.", stepNames(),
			func(s *Step) *[]string { return &s.Needs }).alias("depends_on", "depends-on", "dependsOn", "requires"),
		newKey(
			"inputs",
			"Variables that the step takes from the outputs (RUNNER_OUTPUT) of the steps that it needs.",
			variableNames(),
			func(s *Step) *[]string { return &s.Inputs },
		),
		newKey(
			"fetch",
			"Kinds of artifacts of this commit that are brought into the workspace before the command, checksums verified.",
			namesOf(artifactKind()),
			func(s *Step) *[]string { return &s.Fetch },
		),
		newKey(
			"verify",
			"Run after the command passed; the step fails if it fails.",
			line,
			func(s *Step) *Command { return &s.Verify },
		),
		newKey(
			"rerun",
			"Runs the failed tests again; the step passes if they pass, and lists them as flaky.",
			rerunObject().kind(),
			func(s *Step) *Rerun { return &s.Rerun },
		),
		newKey(
			"quarantine",
			"Tests whose failure does not fail the step, for a while.",
			listOf(quarantineObject().kind(), "entry"),
			func(s *Step) *[]Quarantine { return &s.Quarantine },
		),
		newKey(
			"coverage",
			"Limits for line coverage.",
			coverageObject().kind(),
			func(s *Step) *Coverage { return &s.Coverage },
		),
		newKey("split", "How its tests are divided where the pipeline or --shard splits it; by default as its tool does it: jest, "+
			"vitest, playwright, mocha, pytest and go test are known.", splitObject().kind(),
			func(s *Step) *Split { return &s.Split }),
		newKey(
			"before",
			"Run before the command, within its timeout; if one fails, the step fails with its exit code and the command does "+
				"not run.",
			lines,
			func(s *Step) *[]Command { return &s.Hooks.Before },
		).alias("before_script", "pre"),
		newKey(
			"after",
			"Run after the command and its reruns, whether they passed or not, before artifacts are published; a passed step "+
				"fails if one fails.",
			lines,
			func(s *Step) *[]Command { return &s.Hooks.After },
		).alias("after_script", "post", "finally"),
		newKey("on_failure", "Run once the step has failed, before after; not if the run was cancelled.", lines,
			func(s *Step) *[]Command { return &s.Hooks.OnFailure }),
		newKey(
			"lock",
			"What one run at a time may change: a stack of the environment, or the environment. By default deploy locks its "+
				"stack, migrate its environment.",
			oneOf(LockStack, LockEnvironment, lockNone),
			func(s *Step) *LockScope { return &s.Lock },
		),
		newKey("wait", "How long to wait for the lock, and for a stack that is busy.", wait,
			func(s *Step) *time.Duration { return &s.Wait }).otherwise("10m"),
		newKey(
			"rollback",
			"Whether the stack is rolled back after a failure. True: a deploy that could not be rolled back is refused; by "+
				"default the stack is rolled back where that is possible.",
			optionalBoolean(),
			func(s *Step) **bool { return &s.Rollback },
		),
		newKey("checkout", "How much of the repository the step gets, where that differs from the other steps.",
			checkoutObject().kind().ref("checkout"), func(s *Step) *Checkout { return &s.Checkout }),
		newKey("grace", "Time between TERM and KILL when stopping; RUNNER_GRACE and --grace win over it.", duration(),
			func(s *Step) *time.Duration { return &s.Grace }).otherwise("20s"),
		newKey("task", "The kind of its task on the cluster, whose rights it gets: that of a built-in step, else test.",
			oneOf(BuildTask, TestTask, MigrateTask, DeployTask), func(s *Step) *string { return &s.Task }),
		newKey("size", "vCPU and GB of its task on the cluster, as Fargate has them; by default those of the task definition.",
			taskSizeKind(), func(s *Step) *Size { return &s.Size }),
		newKey("spot", "Whether its task on the cluster runs on Fargate Spot; by default as the cluster says.", optionalBoolean(),
			func(s *Step) **bool { return &s.Spot }),
	}}
}

// requiredKey adds to the variables that a built-in step requires: a file cannot remove a guard.
func requiredKey() key[Step] {
	k := newKey("required", "Variables that must be set and not empty before anything starts.", variableNames(),
		func(s *Step) *[]string { return &s.Required })
	k.copy = func(to, from *Step) { to.Required = slices.Concat(to.Required, from.Required) }
	return k
}

// artifactList refuses two artifacts of one name: the second would replace the first in the store.
func artifactList() kind[[]Artifact] {
	list := listOf(artifactObject().kind(), "artifact")
	read := list.read
	list.read = func(d *decoder, n ast.Node, what string, to *[]Artifact) error {
		if err := read(d, n, what, to); err != nil {
			return err
		}
		for i, a := range *to {
			if slices.ContainsFunc((*to)[:i], func(b Artifact) bool { return a.Name == b.Name }) {
				return d.errorf(
					d.item(n, i),
					"give each artifact a name of its own",
					"two artifacts have the name %q",
					a.Name,
				)
			}
		}
		return nil
	}
	return list
}

func artifactObject() object[Artifact] {
	name := artifactKind()
	name.schema.Not = &schema{}
	for _, reserved := range reservedKinds {
		name.schema.Not.Enum = append(name.schema.Not.Enum, reserved)
	}
	read := name.read
	name.read = func(d *decoder, n ast.Node, what string, to *string) error {
		err := read(d, n, what, to)
		if err == nil && slices.Contains(reservedKinds, *to) {
			return d.invalid(n, what, *to, strings.Join(reservedKinds, ", ")+" are folders of the store itself")
		}
		return err
	}
	return object[Artifact]{
		what:     "an artifact",
		start:    Artifact{When: OnSuccess},
		required: []string{"name", "path"},
		example:  "{ name: coverage, path: coverage }",
		keys: []key[Artifact]{
			newKey(
				"name",
				"The kind: the first part of the stored keys.",
				name,
				func(a *Artifact) *string { return &a.Name },
			),
			newKey(
				"path",
				"A folder inside the step's directory.",
				localPath(),
				func(a *Artifact) *string { return &a.Path },
			),
			newKey("when", "After which ends of the command it is published.", oneOf(Always, OnSuccess, OnFailure),
				func(a *Artifact) *When { return &a.When }).otherwise(OnSuccess),
			newKey(
				"mirror",
				"Keeps a second copy under latest/ that every run replaces.",
				oneOf("latest"),
				func(a *Artifact) *string { return &a.Mirror },
			),
			newKey(
				"optional",
				"Whether a step may pass without having made it.",
				boolean(),
				func(a *Artifact) *bool { return &a.Optional },
			).otherwise(false),
			newKey(
				"include",
				"Globs of files to publish although their names begin with a dot, which are left out otherwise.",
				listOf(globKind(), "pattern"),
				func(a *Artifact) *[]string { return &a.Include },
			),
			newKey(
				"redact",
				"Whether files that contain secrets are rewritten before they are published; by default all but those of builds, "+
					"which only cause a warning.",
				optionalBoolean(),
				func(a *Artifact) **bool { return &a.Redact },
			),
		},
	}
}

func retryObject() object[Retry] {
	return object[Retry]{start: Retry{Attempts: 1, On: retryDefault}, keys: []key[Retry]{
		newKey(
			"attempts",
			"Starts beyond the first.",
			integer(0, 10),
			func(r *Retry) *int { return &r.Attempts },
		).otherwise(1),
		newKey(
			"on",
			"The reasons to start again; cancelled (Spot) is for what started the run, as retry_allowed in finished.json says.",
			listOf(oneOf(retryReasons...), "reason"),
			func(r *Retry) *[]string { return &r.On },
		),
	}}
}

func rerunObject() object[Rerun] {
	line := command().ref("command")
	line.read = readRerunCommand
	return object[Rerun]{
		start: Rerun{Attempts: usualAttempts, AtMost: usualAtMost}, check: checkRerun,
		anyOf: []schema{
			{Required: []string{"command"}},
			{Required: []string{"attempts"}, Properties: properties{{"attempts", schema{Const: 0}}}},
		},
		keys: []key[Rerun]{
			newKey(
				"command",
				"{files} stands for the failed test files, {packages} for their Go packages, {tests} for an expression as "+
					"go test -run takes it; names are quoted.",
				line,
				func(r *Rerun) *Command { return &r.Command },
			),
			newKey("attempts", "How often failed tests are run again; 0 for not at all.", integer(0, maxAttempts),
				func(r *Rerun) *int { return &r.Attempts }).otherwise(usualAttempts),
			newKey("at_most", "If more tests failed, none is run again.", integer(0, maxAtMost),
				func(r *Rerun) *int { return &r.AtMost }).otherwise(usualAtMost),
			newKey(
				"pattern",
				"A regular expression whose one group is the test's file, in its file, class or name.",
				regexKind(),
				func(r *Rerun) **regexp.Regexp { return &r.Pattern },
			),
		},
	}
}

func quarantineObject() object[Quarantine] {
	test := text()
	test.schema.Pattern = `[^*? ]`
	test.read = func(d *decoder, n ast.Node, what string, to *string) error {
		err := d.text(n, what, to)
		if err == nil && strings.Trim(*to, "*? ") == "" {
			return d.invalid(n, what, *to, "write the name of a test, or a part of it with *: this would be every test")
		}
		return err
	}
	return object[Quarantine]{
		what:     "an entry of quarantine",
		required: []string{"test", "until"},
		example:  `{ test: "basket › adds up", until: 2026-12-31, reason: "…" }`,
		keys: []key[Quarantine]{
			newKey(
				"test",
				`Its name, also after its class or file and " › "; * stands for any characters, ? for one.`,
				test,
				func(q *Quarantine) *string { return &q.Test },
			),
			newKey("until", "The last day of it, UTC.", lastDay(), func(q *Quarantine) *time.Time { return &q.Until }),
			newKey(
				"reason",
				"Why, for readers of the log.",
				scalar(),
				func(q *Quarantine) *string { return &q.Reason },
			),
		},
	}
}

func coverageObject() object[Coverage] {
	return object[Coverage]{keys: []key[Coverage]{
		newKey(
			"path",
			"The folder or file of the reports; by default the folder of the artifact called coverage.",
			localPath(),
			func(c *Coverage) *string { return &c.Path },
		),
		newKey("minimum", "Percent of the lines.", percent(), func(c *Coverage) *float64 { return &c.Minimum }),
		newKey(
			"drop",
			"Percentage points that it may be under the branch's last passed run.",
			percent(),
			func(c *Coverage) *float64 { return &c.Drop },
		),
	}}
}

// setupKind is a command, or false for none.
func setupKind() kind[Setup] {
	line := command()
	s := schema{OneOf: []schema{line.ref("command").schema, {Const: false}}}
	return kind[Setup]{schema: s, read: func(d *decoder, n ast.Node, what string, to *Setup) error {
		to.Origin = d.origin(n)
		if node, ok := d.resolve(n).(*ast.BoolNode); ok {
			if node.Value {
				return d.errorf(
					n,
					"remove the key for what the lockfile calls for, or write the command",
					"%s cannot be true",
					what,
				)
			}
			to.Command = Command{}
			return nil
		}
		return line.read(d, n, what, &to.Command)
	}}
}

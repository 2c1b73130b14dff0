package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/outcome"

	"github.com/spf13/pflag"

	"github.com/carlin-cicd/runner/runner"
	"github.com/carlin-cicd/runner/steps"
)

// The rules of what is said here:
//   - what was asked for goes to stdout, everything else to stderr;
//   - an error is one line that begins with the program's name, and a hint says what to do next;
//   - no capital at the beginning, no full stop at the end.

// console is the runner as it is seen from a shell.
type console struct {
	args           []string
	environ        []string
	stdin          io.Reader
	stdout, stderr io.Writer
	signals        chan os.Signal
	started        time.Time
	terminal       bool
}

// exitUsage is for words that cannot be understood: as with all bad input, nothing was started.
const exitUsage = 125

// option is a flag and the variable that says the same. The variable's value is what the runner sees of either.
// Without a value it is true or false.
type option struct{ flag, variable, value, usage string }

var options = []option{
	{"step", "PIPELINE_STEP", "name", "the step to run (default build)"},
	{"environment", "ENVIRONMENT", "name", "where to, as in staging; deploy and migrate need it"},
	{"stack-name", "STACK_NAME", "name", "the CloudFormation stack to deploy"},
	{"branch", "BRANCH", "name", "the branch (default GITHUB_REF_NAME, else the workspace's)"},
	{"sha", "GIT_SHA", "commit", "the commit (default GITHUB_SHA, else the workspace's)"},
	{"artifact-bucket", "ARTIFACT_BUCKET", "place", "file:///folder (default .runner/artifacts in the workspace)"},
	{"workspace", "RUNNER_WORKSPACE", "folder", "the checkout (default the current folder)"},
	{"config", "RUNNER_CONFIG", "file", "the steps' settings (default runner.yaml in the workspace)"},
	{"timeout", "RUNNER_TIMEOUT", "duration", "how long the step may take (default the step's own, else 1h)"},
	{"grace", "RUNNER_GRACE", "duration", "time between TERM and KILL when stopping (default 20s)"},
	{"stop-budget", "RUNNER_STOP_BUDGET", "duration", "stopTimeout of the task definition (default 30s)"},
	{"retries", "RUNNER_RETRIES", "number", "more starts of the command for reasons that allow it (default the step's own)"},
	{"log-format", "RUNNER_LOG_FORMAT", "format", "auto, text or json (default auto: text on a terminal)"},
	{"log-level", "RUNNER_LOG_LEVEL", "level", "debug, info, warn or error (default info)"},
	{"from", "RUNNER_FROM", "name", "promote: the environment in which the commit has proved itself"},
	{"to", "RUNNER_TO", "name", "promote: the environment to go to; rollback: the run to take back, with all after it"},
	{"force", "RUNNER_FORCE", "", "deploy and migrate although a newer commit is live; init: write over what is there"},
	{"dry-run", "RUNNER_DRY_RUN", "", "print the plan and run nothing"},
	{"stack", "RUNNER_CLUSTER_STACK", "name", "trigger and pipeline: the stack that was made from cicd.yaml (default carlin-cicd)"},
	{"tag", "RUNNER_TAG", "", "pipeline start: the branch is a tag"},
	{"follow", "RUNNER_FOLLOW", "", "pipeline start and status: until it ends, and exit with 1 if it does not end well"},
	{"reason", "RUNNER_REASON", "text", "pipeline approve, reject and cancel: why"},
	{"yes", "RUNNER_YES", "", "pipeline approve, reject and cancel: without asking"},
	{"spot", "RUNNER_SPOT", "", "trigger: on Spot, which costs less and may be taken back"},
	{"detach", "RUNNER_DETACH", "", "trigger: start the task and leave it to itself"},
	{"wait-start", "RUNNER_WAIT_START", "duration", "trigger: how long to wait for capacity, and for the task to come up (default 10m)"},
	{rightSize, "RUNNER_RIGHT_SIZE", "", "tell which size of Fargate fits the step's last runs on record, and run nothing"},
	{asJSON, "RUNNER_JSON", "", "artifacts ls, doctor and --right-size: one JSON object a line"},
	{"limit", "RUNNER_LIMIT", "number", "artifacts ls: how many sets at most, 0 for all; --right-size: how many runs (default 20)"},
	{"mirror", "RUNNER_MIRROR", "latest", "artifacts put: keep a copy of the newest set there"},
}

const (
	asJSON    = "json"
	rightSize = "right-size"
)

// only names the commands of the flags that not all have.
var only = map[string][]string{
	asJSON:    {"artifacts ls", "doctor", "--right-size"},
	"limit":   {"artifacts ls", "--right-size"},
	"mirror":  {"artifacts put"},
	rightSize: {"--right-size"},
	"from":    {"promote"},
	"to":      {"promote", "rollback"},

	"stack":      {"trigger", "pipeline"},
	"tag":        {"pipeline start"},
	"follow":     {"pipeline start", "pipeline status"},
	"reason":     {"pipeline approve", "pipeline reject", "pipeline cancel"},
	"yes":        {"pipeline approve", "pipeline reject", "pipeline cancel"},
	"spot":       {"trigger"},
	"detach":     {"trigger"},
	"wait-start": {"trigger"},
}

func (c console) route(ctx context.Context) int {
	flags := pflag.NewFlagSet("runner", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.SortFlags = false
	for _, o := range options {
		if o.value == "" {
			flags.Bool(o.flag, false, o.usage)
		} else {
			flags.String(o.flag, "", o.usage)
		}
	}
	help := flags.BoolP("help", "h", false, "")
	if err := flags.Parse(c.args); err != nil {
		return c.fail(exitUsage, err.Error(), "runner --help lists the flags")
	}

	variables := c.variables(flags)
	words := flags.Args()
	if len(words) > 0 && words[0] == "help" {
		*help, words = true, words[1:]
	}
	if *help {
		return c.help(words)
	}
	command, sizing := words, false
	if len(words) == 0 {
		var err error
		if sizing, err = truth(variables, "RUNNER_RIGHT_SIZE"); err != nil {
			return c.refuse(err)
		}
		if sizing {
			command = []string{"--" + rightSize}
		}
	}
	for _, o := range options {
		if flags.Lookup(o.flag).Changed && !o.suits(command) {
			return c.fail(exitUsage, fmt.Sprintf("--%s is no flag of this command", o.flag), "it is one of runner "+strings.Join(only[o.flag], " and runner "))
		}
	}
	switch {
	case sizing:
		return c.rightSize(ctx, variables)
	case len(words) == 0:
		return c.step(ctx, variables)
	case words[0] == "artifacts":
		return c.artifacts(ctx, variables, words[1:])
	case words[0] == "pipeline":
		return c.pipeline(ctx, variables, words[1:])
	case words[0] == "secrets":
		return c.secrets(ctx, variables, words[1:])
	case len(words) > 1:
		return c.fail(exitUsage, fmt.Sprintf("unexpected argument %q", words[1]), "runner --help lists the commands")
	case words[0] == "steps":
		return c.steps(variables)
	case words[0] == "schema":
		return c.print(string(steps.Schema()))
	case words[0] == "version":
		return c.print(version())
	case words[0] == "doctor":
		return c.doctor(ctx, variables)
	case words[0] == "init":
		return c.init(variables)
	case words[0] == "rollback":
		return c.rollback(ctx, variables)
	case words[0] == "trigger":
		return c.trigger(ctx, variables)
	case words[0] == "promote":
		return c.promote(ctx, variables)
	default:
		return c.fail(exitUsage, fmt.Sprintf("unknown command %q", words[0]), fmt.Sprintf("to run a step: runner --step %s", words[0]))
	}
}

// suits reports whether the command that the words name has the flag.
func (o option) suits(words []string) bool {
	command := strings.Join(words, " ") + " "
	commands, limited := only[o.flag]
	return !limited || slices.ContainsFunc(commands, func(of string) bool { return strings.HasPrefix(command, of+" ") })
}

// variables lays the flags over the environment.
func (c console) variables(flags *pflag.FlagSet) map[string]string {
	variables := make(map[string]string, len(c.environ))
	for _, entry := range c.environ {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" {
			variables[name] = value
		}
	}
	given := map[string]string{}
	for _, o := range options {
		if f := flags.Lookup(o.flag); f.Changed {
			given[o.variable] = f.Value.String()
		}
	}
	maps.Copy(variables, given)
	return variables
}

func (c console) step(ctx context.Context, variables map[string]string) int {
	return runner.Run(ctx, c.invocation(variables)).ExitCode
}

func (c console) invocation(variables map[string]string) runner.Invocation {
	in := runner.Invocation{
		Variables: variables, Stdout: c.stdout, Stderr: c.stderr, Terminal: c.terminal, Color: c.color(variables),
		Signals: c.signals, Version: release(), Started: c.started, Frugal: frugal,
	}
	if c.terminal && variables["TERM"] != "dumb" {
		in.Width = func() int { return width(c.stdout) }
	}
	return in
}

// color reports whether stdout is for eyes that want it.
func (c console) color(variables map[string]string) bool {
	return c.terminal && variables["NO_COLOR"] == "" && variables["TERM"] != "dumb"
}

// wantsJSON reads the variable of --json.
func wantsJSON(variables map[string]string) (bool, error) { return truth(variables, "RUNNER_JSON") }

func (c console) steps(variables map[string]string) int {
	config, err := config.Read(variables)
	if err == nil {
		err = runner.PrintSteps(c.stdout, config)
	}
	if err != nil {
		return c.refuse(err)
	}
	return 0
}

// secrets check tells what is behind the references of a step, but for the values.
func (c console) secrets(ctx context.Context, variables map[string]string, words []string) int {
	if len(words) != 1 || words[0] != "check" {
		return c.fail(exitUsage, "secrets needs a word that it knows", "runner secrets check [--step name]")
	}
	ctx, stop := c.interruptible(ctx)
	defer stop()
	config, err := config.Read(variables)
	if err == nil {
		err = runner.CheckSecrets(ctx, c.stdout, variables, config)
	}
	var missing *outcome.SecretsError
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		return c.end(ctx, ctx.Err())
	case errors.As(err, &missing):
		return c.fail(exitUnsound, err.Error(), outcome.Hint(err))
	}
	return c.refuse(err)
}

func (c console) fail(code int, message, hint string) int {
	fmt.Fprintf(c.stderr, "runner: %s\n", message)
	if hint != "" {
		fmt.Fprintf(c.stderr, "hint: %s\n", hint)
	}
	return code
}

// refuse is fail for an error of the input.
func (c console) refuse(err error) int { return c.fail(exitUsage, err.Error(), outcome.Hint(err)) }

// help explains a command, or all of them.
func (c console) help(words []string) int {
	var b strings.Builder
	row := func(flag, variable, usage string) { fmt.Fprintf(&b, "  %-24s $%-20s %s\n", flag, variable, usage) }
	command := ""
	if len(words) > 0 && words[0] == "artifacts" {
		command = words[0]
		b.WriteString(artifactsHelp)
	} else {
		b.WriteString(generalHelp)
	}
	for _, o := range options {
		if command == "" || slices.Contains(artifactsFlags, o.flag) {
			row(strings.TrimSpace("--"+o.flag+" "+o.value), o.variable, o.usage)
		}
	}
	if command == "" {
		b.WriteString(exitCodesHelp)
	}
	return c.print(b.String())
}

const generalHelp = `runner runs one step of a pipeline: in a container, or right here.

usage:
  runner [--step name] [flags]   run the step
  runner [--step name] --right-size
                                 tell which size of Fargate fits the step's last runs, and what a run costs on it
  runner init                    write a runner.yaml that fits the workspace; with --dry-run, show it
  runner steps                   list the steps and where their settings come from
  runner doctor                  examine the set-up before anything runs; with --step, for that step
  runner secrets check           resolve a step's secrets and show all but their values
  runner trigger [--step name]   run the step on the cluster: start the task, follow its log, exit as it does
  runner pipeline start          start the pipeline for a commit; status shows it, approve, reject and cancel decide
  runner promote --sha COMMIT --from NAME --to NAME
                                 deploy what has proved itself in one environment to another; --dry-run says why not
  runner rollback                bring a stack back to what the last deploy found, or with --to RUN, to what that run found
  runner artifacts ls            list what is stored: the sets, or with a KIND, the files of one
  runner artifacts get KIND      fetch a set, its checksums verified
  runner artifacts verify KIND   compare a set with its manifest
  runner artifacts put KIND DIR  store a folder as a set
  runner schema                  print the JSON Schema of runner.yaml
  runner version                 print the version
  runner help artifacts          explain runner artifacts

flags, each with the variable that says the same (the flag wins):
`

const exitCodesHelp = `
exit codes: the command's own; 1 red reports; 124 timeout; 125 the run ended before the command, or its artifacts
were not published; 126 not executable; 127 not found; 128+n a signal. The reason is in the log and in finished.json.
`

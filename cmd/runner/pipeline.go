package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/runner"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/remote"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/terminal"
	"github.com/carlin-cicd/runner/steps"
)

var (
	tagFlag    = flagSpec{"tag", "RUNNER_TAG", "", "the branch is a tag"}
	followFlag = flagSpec{"follow", "RUNNER_FOLLOW", "", "until the pipeline ends; exit with 1 unless it succeeds"}
	// Not those of a run: a pipeline that is started from within a task is not one of its step.
	startStepFlag     = flagSpec{"step", "RUNNER_START_STEP", "NAME", "run this step alone"}
	startParallelFlag = flagSpec{"parallel", "RUNNER_START_PARALLEL", "N", "with --step: divide its tests among N tasks"}

	reasonFlag = flagSpec{"reason", "RUNNER_REASON", "TEXT", "why"}
	yesFlag    = flagSpec{"yes", "RUNNER_YES", "", "do not ask"}
)

func newPipelineCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "pipeline",
		GroupID: groupCluster,
		Short:   "start the pipeline on the cluster, follow it, approve it; or run it here",
		Long: "runner pipeline works on the pipeline of the cluster; plan and run on that of this workspace.\n" +
			"An EXECUTION is a run on the cluster; without one, the newest execution of the branch is meant.",
		Args: cobra.ArbitraryArgs,
		RunE: requireSubcommand,
	}
	start := &cobra.Command{
		Use:     "start",
		Short:   "start the pipeline, or one of its steps, for a commit",
		Example: "runner pipeline start --follow\nrunner pipeline start --branch v1.2.0 --tag\nrunner pipeline start --step e2e --parallel 4",
		Args:    arguments(0),
		RunE:    o.withPipeline(clusterPipeline.start),
	}
	declare(
		start, startStepFlag, startParallelFlag, branchFlag, shaFlag, tagFlag, environmentFlag, forceFlag.describe("even if a newer commit is live"),
		followFlag, clusterFlag,
	)
	status := &cobra.Command{
		Use:     "status [EXECUTION]",
		Short:   "show stages, steps and shards of an execution, and where their reports are",
		Example: "runner pipeline status --follow",
		Args:    arguments(0, "EXECUTION"),
		RunE:    o.withPipeline(clusterPipeline.status),
	}
	declare(status, branchFlag, followFlag, clusterFlag)
	retry := &cobra.Command{
		Use:   "retry [EXECUTION]",
		Short: "go on from the stage at which an execution failed",
		Long: "runner pipeline retry starts an execution that goes on at the stage at which another one failed, timed out\n" +
			"or was cancelled: of the same commit, with the same plan and builds. Its jobs are all run again.",
		Example: "runner pipeline retry --follow",
		Args:    arguments(0, "EXECUTION"),
		RunE:    o.withPipeline(clusterPipeline.retry),
	}
	declare(retry, branchFlag, followFlag, clusterFlag)
	cmd.AddCommand(start, status, retry)
	for _, c := range []struct {
		name, short, example string
		run                  func(clusterPipeline, context.Context) error
	}{
		{"approve", "approve an execution that waits", `runner pipeline approve --reason "looks good"`, clusterPipeline.approve},
		{"reject", "reject an execution that waits", "runner pipeline reject --yes", clusterPipeline.reject},
		{"cancel", "stop an execution and its tasks", "runner pipeline cancel", clusterPipeline.cancel},
	} {
		sub := &cobra.Command{
			Use: c.name + " [EXECUTION]", Short: c.short, Example: c.example, Args: arguments(0, "EXECUTION"),
			RunE: o.withPipeline(c.run),
		}
		declare(sub, branchFlag, reasonFlag, yesFlag, clusterFlag)
		cmd.AddCommand(sub)
	}
	cmd.AddCommand(localPipelineCommands(o)...)
	for _, sub := range cmd.Commands() {
		declare(sub, checkoutFlags...)
	}
	return cmd
}

// clusterPipeline is the cluster's pipeline and what the command line says about it.
type clusterPipeline struct {
	*options
	remote    *remote.Pipeline
	variables map[string]string
	config    config.Config
	caller    func(context.Context) (string, error) // the ARN of the caller
	execution string                                // its name; empty: the newest of the branch
	yes       bool
	follow    bool
	tag       bool
	interval  time.Duration // between two looks at the execution
}

// withPipeline is the body of a command below runner pipeline. A request that AWS refuses has started nothing, so it
// counts as input.
func (o *options) withPipeline(f func(clusterPipeline, context.Context) error) func(*cobra.Command, []string) error {
	return o.withSignals(func(ctx context.Context, variables map[string]string, args []string) error {
		p, err := o.connectPipeline(ctx, variables)
		if err == nil {
			if len(args) == 1 {
				p.execution = args[0]
			}
			err = f(p, ctx)
		}
		var refused *remote.Error
		if errors.As(err, &refused) {
			return outcome.Refused(err)
		}
		return err
	})
}

func (o *options) connectPipeline(ctx context.Context, variables map[string]string) (clusterPipeline, error) {
	p := clusterPipeline{options: o, variables: variables, interval: 2 * time.Second}
	var err error
	if p.config, err = config.Read(variables); err != nil {
		return p, err
	}
	for f, to := range map[flagSpec]*bool{yesFlag: &p.yes, followFlag: &p.follow, tagFlag: &p.tag} {
		if *to, err = boolean(variables, f.variable); err != nil {
			return p, err
		}
	}
	interval, err := duration(variables, "RUNNER_TASK_POLL")
	if err != nil {
		return p, err
	}
	p.interval = cmp.Or(interval, p.interval)
	awsConfig, err := session.NewAWS(nil)(ctx)
	if err != nil {
		return p, err
	}
	p.caller = func(ctx context.Context) (string, error) { return remote.CallerARN(ctx, awsConfig) }
	cluster, err := remote.FindCluster(ctx, awsConfig, clusterStack(variables))
	if err != nil {
		return p, err
	}
	p.remote, err = remote.NewPipeline(ctx, awsConfig, cluster)
	return p, err
}

// clusterStack is the name of the stack that was deployed from cicd.yaml.
func clusterStack(variables map[string]string) string {
	return cmp.Or(variables[clusterFlag.variable], "carlin-cicd")
}

// actor is who starts the pipeline, for notifications. Decisions are recorded with the caller's ARN.
func (p clusterPipeline) actor() string {
	return cmp.Or(p.variables["GITHUB_ACTOR"], p.variables["USER"], "unknown")
}

func (p clusterPipeline) start(ctx context.Context) error {
	ref, dirty, err := runner.Identify(ctx, p.variables, p.config)
	if err != nil {
		return err
	}
	if strings.Trim(ref.SHA, "0") == "" {
		return &usageError{"the commit is not known", "runner pipeline start --branch main --sha COMMIT"}
	}
	if dirty {
		p.note("runner: the workspace has changes that are not in the commit, and the pipeline will not have them")
	}
	step, parallel, err := p.oneStep()
	if err != nil {
		return err
	}
	name, err := p.remote.Start(ctx, remote.StartRequest{
		Step: step, Parallel: parallel, Repository: p.config.GitHubName, Branch: ref.Branch, SHA: ref.SHA, Tag: p.tag, Environment: p.config.Environment,
		Force: p.config.Force, StartedBy: p.actor(),
	})
	if err != nil {
		return err
	}
	return p.started(ctx, name, ref.Branch, ref.SHA)
}

// started prints the name of an execution, and follows it if that was asked for.
func (p clusterPipeline) started(ctx context.Context, name, branch, sha string) error {
	if err := p.print("%s\n", name); err != nil || !p.follow {
		return err
	}
	// An execution that has just been started may not be listed everywhere yet.
	return p.show(ctx, remote.Execution{Name: name, Status: "RUNNING", Started: time.Now(), SHA: sha, Ref: branch})
}

// oneStep returns the step that alone is to run, and among how many tasks its tests are divided.
func (p clusterPipeline) oneStep() (step string, parallel int, err error) {
	step = p.variables[startStepFlag.variable]
	text := p.variables[startParallelFlag.variable]
	switch {
	case strings.Contains(step, ","):
		return "", 0, &usageError{"one step can be started alone, not " + step, "start them one by one, or the whole pipeline"}
	case text == "":
		return step, 0, nil
	case step == "":
		return "", 0, &usageError{"--parallel needs --step", "name the step whose tests are divided"}
	}
	parallel, err = strconv.Atoi(text)
	if err != nil || parallel < 1 || parallel > steps.MaxParallel {
		return "", 0, &usageError{
			fmt.Sprintf("%s cannot be %q", startParallelFlag.variable, text),
			fmt.Sprintf("write a whole number from 1 to %d", steps.MaxParallel),
		}
	}
	return step, parallel, nil
}

// retry goes on from an execution.
func (p clusterPipeline) retry(ctx context.Context) error {
	e, err := p.find(ctx, p.remote.Latest)
	if err != nil {
		return err
	}
	name, from, err := p.remote.Retry(ctx, e, p.actor())
	if err != nil {
		return err
	}
	p.note("runner: attempt %d of %s goes on at %s", from.Number+1, cmp.Or(from.First, e.Name), from.What)
	return p.started(ctx, name, from.Ref, from.SHA)
}

// find returns the execution that was named, else the one of the branch that choose finds.
func (p clusterPipeline) find(
	ctx context.Context, choose func(ctx context.Context, branch string) (remote.Execution, error),
) (remote.Execution, error) {
	if p.execution != "" {
		return p.remote.Describe(ctx, p.execution)
	}
	ref, _, err := runner.Identify(ctx, p.variables, p.config)
	if err != nil {
		return remote.Execution{}, err
	}
	if ref.Branch == "detached" {
		return remote.Execution{}, &usageError{
			"neither an execution nor a branch is known",
			"name the execution, or a branch with --branch",
		}
	}
	return choose(ctx, ref.Branch)
}

// status shows the steps. When it follows them, the exit code tells how the pipeline ended.
func (p clusterPipeline) status(ctx context.Context) error {
	e, err := p.find(ctx, p.remote.Latest)
	if err != nil {
		return err
	}
	return p.show(ctx, e)
}

func (p clusterPipeline) approve(ctx context.Context) error {
	return p.decide(ctx, "approve", "approved")
}

func (p clusterPipeline) reject(ctx context.Context) error {
	return p.decide(ctx, "reject", "rejected")
}

func (p clusterPipeline) decide(ctx context.Context, verb, done string) error {
	e, err := p.find(ctx, p.remote.AwaitingApproval)
	if err != nil {
		return err
	}
	a, err := p.remote.Approval(ctx, e.Name)
	if err != nil {
		return err
	}
	sets := terminal.Escape(a.Sets())
	if !p.confirm(ctx, fmt.Sprintf("%s %.12s of %s for %s%s?", verb, a.SHA, a.Ref, a.Environment, sets)) {
		return &usageError{"nothing was decided", "answer y, or use --yes"}
	}
	caller, err := p.caller(ctx)
	if err != nil {
		return err
	}
	if err := p.remote.Decide(ctx, a, verb == "approve", caller, p.variables[reasonFlag.variable]); err != nil {
		return err
	}
	return p.print("%s: %s for %s, by %s%s\n", e.Name, done, a.Environment, caller, sets)
}

func (p clusterPipeline) cancel(ctx context.Context) error {
	e, err := p.find(ctx, p.remote.Latest)
	switch {
	case err != nil:
		return err
	case !e.Running():
		return &usageError{e.Name + " has ended already: " + strings.ToLower(e.Status), ""}
	case !p.confirm(ctx, "cancel "+e.Name+"? The tasks that run are stopped."):
		return &usageError{"nothing was cancelled", "answer y, or use --yes"}
	}
	caller, err := p.caller(ctx)
	if err != nil {
		return err
	}
	reason := strings.TrimSuffix("by "+caller+": "+p.variables[reasonFlag.variable], ": ")
	stopped, err := p.remote.Cancel(ctx, e.Name, reason)
	names := make([]string, len(stopped))
	for i, s := range stopped {
		names[i] = s.Name
	}
	text := ""
	if len(names) > 0 {
		text = ", stopped " + strings.Join(names, ", ")
	}
	if printErr := p.print("%s: cancelled%s\n", e.Name, terminal.Escape(text)); err == nil {
		return printErr
	}
	return err
}

// confirm asks unless --yes was given.
func (p clusterPipeline) confirm(ctx context.Context, question string) bool {
	return p.yes || p.options.confirm(ctx, question)
}

// confirm asks the person at the terminal. Without a terminal, and after Ctrl-C, the answer is no.
func (o *options) confirm(ctx context.Context, question string) bool {
	if !o.terminal {
		return false
	}
	o.ask("%s [y/N] ", question)
	answers, typed := make(chan string, 1), o.answers()
	go func() {
		answer, _ := typed.ReadString('\n')
		answers <- strings.ToLower(strings.TrimSpace(answer))
	}()
	select {
	case answer := <-answers:
		return answer == "y" || answer == "yes"
	case <-ctx.Done():
		o.note("")
		return false
	}
}

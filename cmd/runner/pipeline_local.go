package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/pipeline"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/source"
	"github.com/carlin-cicd/runner/runner/terminal"
)

var (
	eventFlag = flagSpec{"event", "RUNNER_EVENT", "NAME", "push, tag, schedule, manual or pull_request (default push)"}
	untilFlag = flagSpec{"until", "RUNNER_UNTIL", "NAME", "the step or environment to end with"}
)

// localPipelineCommands work on the pipeline of the workspace, without the cluster.
func localPipelineCommands(o *options) []*cobra.Command {
	plan := &cobra.Command{
		Use:   "plan",
		Short: "show what the pipeline of this workspace would run, and why",
		Long: "runner pipeline plan resolves pipeline: of runner.yaml for the branch, the event and what has changed since\n" +
			"each step last passed.",
		Example: "runner pipeline plan\nrunner pipeline plan --branch v1.2.0 --event tag",
		Args:    arguments(0),
		RunE:    o.withSignals(o.showPlan),
	}
	declare(plan, branchFlag, shaFlag, storeFlag, eventFlag, jsonFlag)
	run := &cobra.Command{
		Use:   "run",
		Short: "run the pipeline of this workspace on this machine",
		Long: "runner pipeline run runs the plan here: stage after stage, the jobs of a stage side by side in the same\n" +
			"workspace. Steps of an environment run only with --environment.",
		Example: "runner pipeline run\nrunner pipeline run --until test\nrunner pipeline run --environment staging",
		Args:    arguments(0),
		RunE:    o.withSignals(o.runPlan),
	}
	declare(
		run, branchFlag, shaFlag, storeFlag, eventFlag, untilFlag,
		environmentFlag.describe("the environment whose steps run, too"), yesFlag.describe("approve without asking"), jsonFlag,
	)
	return []*cobra.Command{plan, run}
}

// resolvePlan returns the plan of the workspace.
func resolvePlan(ctx context.Context, variables map[string]string) (pipeline.Plan, error) {
	settings, err := config.Read(variables)
	if err != nil {
		return pipeline.Plan{}, outcome.Refused(err)
	}
	catalogue, err := config.LoadSteps(settings)
	if err != nil {
		return pipeline.Plan{}, outcome.Refused(err)
	}
	s := session.New(ctx, variables, settings)
	if err := s.Identify(); err != nil {
		return pipeline.Plan{}, err
	}
	if err := s.CheckHere(); err != nil {
		return pipeline.Plan{}, err
	}
	event := pipeline.Event{
		Name: settings.Event, Branch: s.Ref.Branch, SHA: s.Ref.SHA, MainBranch: settings.MainBranch,
	}
	if err := s.OpenStore(ctx, s.LockOwner("plan"), func(lease.Holder) {}); err != nil {
		return pipeline.Plan{}, err
	}
	stages := catalogue.Pipeline()
	if len(stages) == 0 {
		stages = pipeline.Default()
	}
	compare := pipeline.Since(s, func(ctx context.Context, earlier string) ([]string, error) {
		return source.Changed(ctx, s.Git, source.Options{Dir: settings.Workspace, SHA: s.Ref.SHA}, earlier)
	})
	plan := pipeline.Resolve(ctx, stages, event, compare)
	plan.Apply(catalogue)
	return plan, nil
}

func (o *options) showPlan(ctx context.Context, variables map[string]string, _ []string) error {
	asJSON, err := boolean(variables, jsonFlag.variable)
	if err != nil {
		return err
	}
	plan, err := resolvePlan(ctx, variables)
	if err != nil {
		return err
	}
	if asJSON {
		text, err := json.Marshal(plan)
		if err != nil {
			return err
		}
		return o.print("%s\n", text)
	}
	return o.print("%s", renderPlan(plan))
}

// renderPlan draws a plan: a line for each job, with the number of its stage, then what does not run.
func renderPlan(p pipeline.Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s at %.12s\n", p.Event, terminal.Escape(p.Branch), p.SHA)
	row := func(stage, what, more string) {
		line := fmt.Sprintf("  %-3s %-22s %s", stage, terminal.Escape(what), terminal.Escape(more))
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	for i, s := range p.Stages {
		number := fmt.Sprint(i + 1)
		switch {
		case s.Environment != "":
			row(number, s.Environment, strings.Join(s.Steps, ", "))
		case s.Approval != "":
			row(number, s.Approval, "waits for approval")
		}
		for _, job := range s.Jobs {
			what := strings.Join(job.Steps, ",")
			if job.Shards > 1 {
				what += fmt.Sprintf(" in %d shards", job.Shards)
			}
			row(number, what, job.Reason)
			number = ""
		}
	}
	for _, s := range p.Skipped {
		row("-", s.String(), s.Reason)
	}
	return b.String()
}

// runPlan runs the plan of the workspace. The exit code is that of the first step that failed.
func (o *options) runPlan(ctx context.Context, variables map[string]string, _ []string) error {
	yes, err := boolean(variables, yesFlag.variable)
	if err != nil {
		return err
	}
	asJSON, err := boolean(variables, jsonFlag.variable)
	if err != nil {
		return err
	}
	plan, err := resolvePlan(ctx, variables)
	if err != nil {
		return err
	}
	local := pipeline.Local{Environment: variables[environmentFlag.variable], Until: variables[untilFlag.variable]}
	for _, name := range []string{local.Environment, local.Until} {
		if name != "" && !plan.Has(name) {
			return &usageError{plan.Missing(name), "runner pipeline plan shows what it has"}
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	view := newPlanView(o, variables, plan, asJSON)
	defer view.close()
	local.Observe = view.observe
	local.Approve = func(ctx context.Context, environment string) bool {
		return yes || o.confirm(ctx, "deploy to "+environment+"?")
	}
	children := newChildren(ctx, o.signals)
	defer children.stop()
	local.Execute = func(ctx context.Context, t pipeline.Task) int {
		return view.show(t, func(out io.Writer) int { return executeSteps(ctx, children, self, variables, t, out) })
	}
	tasks, code := local.Run(ctx, plan)
	if err := view.summarize(tasks); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if code != 0 {
		return &exitError{code: code}
	}
	return nil
}

// executeSteps runs steps in a process of their own. Only the signals that are passed on reach it: the terminal would
// send Ctrl-C to it as well, and a second signal kills.
func executeSteps(
	ctx context.Context, children *children, self string, variables map[string]string, t pipeline.Task, out io.Writer,
) (exitCode int) {
	environment := map[string]string{}
	for name, value := range variables {
		environment[name] = value
	}
	for _, f := range []flagSpec{jsonFlag, yesFlag, eventFlag, untilFlag, environmentFlag, shardFlag, parallelFlag, mergeShardsFlag} {
		delete(environment, f.variable)
	}
	environment[stepFlag.variable] = strings.Join(t.Steps, ",")
	if t.Environment != "" {
		environment[environmentFlag.variable] = t.Environment
	}
	if t.Shards > 1 {
		environment[parallelFlag.variable] = fmt.Sprint(t.Shards)
	}
	environment[logFormatFlag.variable] = cmp.Or(environment[logFormatFlag.variable], "text")
	cmd := exec.CommandContext(ctx, self, "run")
	cmd.Env = session.Entries(environment)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute // more than its own budget to stop
	wait, err := children.start(cmd)
	if err == nil {
		err = wait()
	}
	switch {
	case cmd.ProcessState != nil && cmd.ProcessState.ExitCode() >= 0:
		return cmd.ProcessState.ExitCode()
	case err != nil:
		fmt.Fprintf(out, "runner: %s: %v\n", strings.Join(t.Steps, ","), err)
		return exitFailure
	}
	return 0
}

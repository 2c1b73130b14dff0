package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/runner"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/logs"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/remote"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/source"
)

var (
	spotFlag      = flagSpec{"spot", "RUNNER_SPOT", "", "run on Spot, which costs less and may be interrupted"}
	detachFlag    = flagSpec{"detach", "RUNNER_DETACH", "", "start the task and do not wait for it"}
	waitStartFlag = flagSpec{
		"wait-start",
		"RUNNER_WAIT_START",
		"DURATION",
		"how long to wait for the task to start (default 10m)",
	}
)

func newTriggerCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "trigger",
		GroupID: groupCluster,
		Short:   "run a step on the cluster",
		Long: "runner trigger runs a step on the cluster: it starts the task, shows its log and exits with its exit\n" +
			"code. Ctrl-C asks before it stops the task; TERM stops it.",
		Example: "runner trigger --step test\nrunner trigger --step deploy --environment staging",
		Args:    arguments(0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.trigger(cmd.Context(), o.variables(cmd)) },
	}
	declare(
		cmd, stepFlag, environmentFlag, branchFlag, shaFlag, spotFlag, detachFlag, waitStartFlag,
		forceFlag, logFormatFlag.describe("text or json (default text)"), clusterFlag,
	)
	declare(cmd, checkoutFlags...)
	return cmd
}

// trigger starts a task, shows its log, and exits as it does.
func (o *options) trigger(ctx context.Context, variables map[string]string) error {
	format, err := logs.ParseFormat(cmp.Or(variables[logFormatFlag.variable], "text"), o.terminal)
	if err != nil {
		return outcome.Refused(err)
	}
	detach, err := boolean(variables, detachFlag.variable)
	if err != nil {
		return err
	}
	view := remote.NewView(o.stdout, format, o.color(variables))
	defer view.Close()

	t := triggered{options: o, view: view, started: make(chan struct{}), stop: make(chan string, 1)}
	following, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	starting, giveUp := context.WithCancelCause(following)
	defer giveUp(nil)
	go t.handleSignals(following, giveUp, leave)

	task, err := t.start(starting, variables)
	close(t.started)
	if err != nil {
		return triggerError(starting, err)
	}
	if detach && starting.Err() == nil {
		return nil
	}
	end, err := t.client.Follow(following, task, t.stop, view)
	view.Close()
	if err != nil {
		return triggerError(following, err)
	}
	if end.Reason != "" {
		view.Notice(end.Reason)
	}
	if end.ExitCode != 0 {
		return &exitError{code: end.ExitCode}
	}
	return nil
}

// triggerError is the error of a task whose end is not known. Before a signal it is one of the input.
func triggerError(ctx context.Context, err error) error {
	var refused *remote.Error
	var cancelled *process.CancelledError
	switch {
	case !errors.As(context.Cause(ctx), &cancelled):
		return outcome.Refused(err)
	case errors.As(err, &refused): // it says what was started before the signal
		return &exitError{128 + int(cancelled.Signal), err}
	}
	return cancelled
}

// triggered is a step that was started on the cluster.
type triggered struct {
	*options
	view    *remote.View
	client  *remote.Client
	started chan struct{} // closed when there is a task, or will be none
	stop    chan string   // why the task is to be stopped
}

func (t *triggered) start(ctx context.Context, variables map[string]string) (remote.Task, error) {
	request, err := t.request(ctx, variables)
	if err != nil {
		return remote.Task{}, err
	}
	if t.client, err = newClusterClient(ctx, variables); err != nil {
		return remote.Task{}, err
	}
	task, err := t.client.Start(ctx, request, func(reason string) { t.view.Notice("waiting to start: " + reason) })
	if err == nil {
		t.view.Notice(
			fmt.Sprintf("started step %s of %s as task %s", request.Step, request.Variables["GIT_SHA"], task.ID()),
		)
	}
	return task, err
}

// handleSignals stops the task on a signal. On Ctrl-C a person is asked first, as the task may be meant to go on: the
// second Ctrl-C stops it, the third leaves it alone. Before there is a task, every signal prevents it.
func (t *triggered) handleSignals(ctx context.Context, giveUp, leave context.CancelCauseFunc) {
	confirmed := !t.terminal
	var filter process.SignalFilter
	for stopping := false; ; {
		var sig os.Signal
		select {
		case sig = <-t.signals:
		case <-ctx.Done():
			return
		}
		n, ok := sig.(syscall.Signal)
		if !ok || n == syscall.SIGPIPE || filter.IsDuplicate(n, time.Now()) {
			continue
		}
		select {
		case <-t.started:
		default:
			confirmed = true
		}
		switch {
		case n == syscall.SIGINT && !confirmed:
			t.view.Notice("the task continues: press Ctrl-C again to stop it, or twice to leave it running")
			confirmed = true
		case !stopping:
			stopping = true
			t.stop <- "runner trigger received SIG" + process.SignalName(n)
			giveUp(&process.CancelledError{Signal: n})
		default:
			leave(&process.CancelledError{Signal: n})
			return
		}
	}
}

// request says what to run on the cluster.
func (o *options) request(ctx context.Context, variables map[string]string) (remote.Request, error) {
	settings, err := config.Read(variables)
	if err != nil {
		return remote.Request{}, err
	}
	ref, dirty, err := runner.Identify(ctx, variables, settings)
	if err != nil {
		return remote.Request{}, err
	}
	if dirty {
		o.note("runner: the workspace has changes that are not in the commit, and the task will not have them")
	}
	r := remote.Request{
		Step: settings.Step, Environment: settings.Environment, StartedBy: startedBy(variables),
		Variables: map[string]string{"BRANCH": ref.Branch, "GIT_SHA": ref.SHA},
	}
	if actor := cmp.Or(settings.Actor, variables["USER"]); actor != "" { // notifications name the actor
		r.Variables["GITHUB_ACTOR"] = actor
	}
	if r.Spot, err = boolean(variables, spotFlag.variable); err != nil {
		return r, err
	}
	if r.Spot { // the task cannot find out by itself, and reports what it costs
		r.Variables["RUNNER_CAPACITY_PROVIDER"] = config.SpotProvider
	}
	if limit := cmp.Or(settings.Timeout, ownTimeout(settings)); limit > 0 { // the task definition has one for all steps, which wins
		r.Variables["RUNNER_TIMEOUT"] = limit.String()
	}
	if settings.Force {
		r.Variables[forceFlag.variable] = "true"
	}
	if settings.GitHubName != "" {
		r.Variables["GITHUB_REPOSITORY"] = settings.GitHubName
		r.Variables["REPOSITORY_URL"] = "https://github.com/" + settings.GitHubName + ".git"
	}
	if settings.Repository != "" { // a task's variables can be read by everyone who may describe tasks
		r.Variables["REPOSITORY_URL"], err = source.PublicURL(settings.Repository)
	}
	return r, err
}

// ownTimeout is the time limit that the workspace's runner.yaml gives the step; 0 if it does not. The task reports what is
// wrong with the file.
func ownTimeout(settings config.Config) time.Duration {
	all, err := config.LoadSteps(settings)
	if err != nil {
		return 0
	}
	step, err := all.Find(settings.Step)
	if err != nil {
		return 0
	}
	return step.Timeout
}

func newClusterClient(ctx context.Context, variables map[string]string) (*remote.Client, error) {
	awsConfig, err := session.NewAWS(nil)(ctx)
	if err != nil {
		return nil, err
	}
	cluster, err := remote.FindCluster(ctx, awsConfig, clusterStack(variables))
	if err != nil {
		return nil, err
	}
	client, err := remote.NewClient(ctx, awsConfig, cluster)
	if err != nil {
		return nil, err
	}
	for name, to := range map[string]*time.Duration{
		waitStartFlag.variable: &client.StartTimeout, "RUNNER_TASK_POLL": &client.PollInterval,
	} {
		given, err := duration(variables, name)
		if err != nil {
			return nil, err
		}
		*to = cmp.Or(given, *to)
	}
	return client, nil
}

// startedBy names the workflow's run, else the user.
func startedBy(variables map[string]string) string {
	if run := variables["GITHUB_RUN_ID"]; run != "" {
		return "github-" + run
	}
	return variables["USER"]
}

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/carlin-cicd/runner/runner"
	"github.com/carlin-cicd/runner/runner/logs"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/remote"
)

// trigger runs a step on the cluster: it starts the task, shows its log, and exits as it does.
func (c console) trigger(ctx context.Context, variables map[string]string) int {
	r, client, err := c.remotely(ctx, variables)
	if err != nil {
		return c.refuse(err)
	}
	config, err := runner.Configure(variables)
	if err != nil {
		return c.refuse(err)
	}
	format, err := logs.ParseFormat(cmp.Or(variables["RUNNER_LOG_FORMAT"], "text"), c.terminal)
	if err != nil {
		return c.refuse(err)
	}
	detach, err := truth(variables, "RUNNER_DETACH")
	if err != nil {
		return c.refuse(err)
	}
	view := remote.NewView(c.stdout, format, c.color(variables))
	defer view.Close()

	starting, stop := c.interruptible(ctx)
	task, err := client.Start(starting, r, func(reason string) { view.Tell("waiting for capacity: " + reason) })
	told := starting.Err() != nil
	stop()
	if err != nil {
		if told {
			return c.end(starting, err)
		}
		return c.fail(exitUsage, err.Error(), runner.HintOf(err))
	}
	view.Tell(fmt.Sprintf("started step %s of %s as task %s", config.Step, r.Variables["GIT_SHA"], task.ID()))
	if detach {
		return 0
	}

	following, ended := context.WithCancelCause(ctx)
	defer ended(nil)
	stopping := make(chan string, 1)
	go c.passOn(following, ended, view, stopping)
	end, err := client.Follow(following, task, stopping, view)
	view.Close()
	if err != nil {
		if following.Err() != nil {
			return c.end(following, err)
		}
		return c.fail(exitUsage, err.Error(), runner.HintOf(err))
	}
	if end.Reason != "" {
		view.Tell(end.Reason)
	}
	return end.ExitCode
}

// passOn has the task stopped when we are told to stop. A person is asked first, for what is started by the way may be
// meant to go on: by a second Ctrl-C. The one after that leaves the task to itself.
func (c console) passOn(ctx context.Context, leave context.CancelCauseFunc, view *remote.View, stopping chan<- string) {
	asked := !c.terminal
	for told := false; ; {
		var sig os.Signal
		select {
		case sig = <-c.signals:
		case <-ctx.Done():
			return
		}
		n, ok := sig.(syscall.Signal)
		switch {
		case !ok || n == syscall.SIGPIPE:
		case n == syscall.SIGINT && !asked:
			view.Tell("the task goes on: press Ctrl-C again to stop it, or twice to leave it to itself")
			asked = true
		case !told:
			told = true
			stopping <- fmt.Sprintf("runner trigger was told to stop by SIG%s", map[syscall.Signal]string{syscall.SIGINT: "INT", syscall.SIGTERM: "TERM", syscall.SIGHUP: "HUP", syscall.SIGQUIT: "QUIT"}[n])
		default:
			leave(&process.CancelledError{Signal: n})
			return
		}
	}
}

// remotely finds the cluster, and says what is to be run on it.
func (c console) remotely(ctx context.Context, variables map[string]string) (r remote.Request, client *remote.Client, err error) {
	config, err := runner.Configure(variables)
	if err != nil {
		return r, nil, err
	}
	ref, dirty, err := runner.Identify(ctx, variables, config)
	if err != nil {
		return r, nil, err
	}
	if dirty {
		fmt.Fprintln(c.stderr, "runner: the workspace has changes that are not in the commit, and the task will not have them")
	}
	r = remote.Request{Step: config.Step, Environment: config.Environment, StartedBy: variables["USER"], Variables: map[string]string{"BRANCH": ref.Branch, "GIT_SHA": ref.SHA}}
	if r.Spot, err = truth(variables, "RUNNER_SPOT"); err != nil {
		return r, nil, err
	}
	if r.Spot { // the task cannot find out by itself, and tells what it costs
		r.Variables["RUNNER_CAPACITY_PROVIDER"] = runner.SpotProvider
	}
	if config.Force {
		r.Variables["RUNNER_FORCE"] = "true"
	}
	if config.GitHubName != "" {
		r.Variables["GITHUB_REPOSITORY"] = config.GitHubName
		r.Variables["REPOSITORY_URL"] = "https://github.com/" + config.GitHubName + ".git"
	}
	if config.Repository != "" {
		r.Variables["REPOSITORY_URL"] = config.Repository
	}
	settings, err := runner.NewAWS()(ctx)
	if err != nil {
		return r, nil, err
	}
	cluster, err := remote.FindCluster(ctx, settings, cmp.Or(variables["RUNNER_CLUSTER_STACK"], "carlin-cicd"))
	if err != nil {
		return r, nil, err
	}
	if client, err = remote.NewClient(ctx, settings, cluster); err != nil {
		return r, nil, err
	}
	for name, d := range map[string]*time.Duration{"RUNNER_WAIT_START": &client.Patience, "RUNNER_TASK_POLL": &client.Poll} {
		if v := variables[name]; v != "" {
			if *d, err = time.ParseDuration(v); err != nil || *d <= 0 {
				return r, nil, &runner.ConfigError{Message: fmt.Sprintf("%s cannot be %q", name, v), Advice: "write a duration such as 90s, 15m or 1h30m"}
			}
		}
	}
	return r, client, nil
}

// truth reads a variable that is true or false.
func truth(variables map[string]string, name string) (bool, error) {
	v := variables[name]
	if v == "" {
		return false, nil
	}
	is, err := strconv.ParseBool(v)
	if err != nil {
		return false, &runner.ConfigError{Message: fmt.Sprintf("%s cannot be %q", name, v), Advice: "write true or false"}
	}
	return is, nil
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/session"

	"github.com/carlin-cicd/runner/runner"
	"github.com/carlin-cicd/runner/runner/logs"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/remote"
	"github.com/carlin-cicd/runner/runner/source"
)

// trigger runs a step on the cluster: it starts the task, shows its log, and exits as it does.
func (c console) trigger(ctx context.Context, variables map[string]string) int {
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

	o := order{console: c, view: view, begun: make(chan struct{}), stopping: make(chan string, 1)}
	following, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	starting, giveUp := context.WithCancelCause(following)
	defer giveUp(nil)
	go o.attend(following, giveUp, leave)

	task, err := o.start(starting, variables)
	close(o.begun)
	if err != nil {
		return c.untriggered(starting, err)
	}
	if detach && starting.Err() == nil {
		return 0
	}
	end, err := o.client.Follow(following, task, o.stopping, view)
	view.Close()
	if err != nil {
		return c.untriggered(following, err)
	}
	if end.Reason != "" {
		view.Notice(end.Reason)
	}
	return end.ExitCode
}

// untriggered tells why there is no end to exit with.
func (c console) untriggered(ctx context.Context, err error) int {
	var told *remote.Error
	var cancelled *process.CancelledError
	switch {
	case !errors.As(context.Cause(ctx), &cancelled):
		return c.refuse(err)
	case errors.As(err, &told): // what was begun when we were told to stop
		return c.fail(128+int(cancelled.Signal), err.Error(), outcome.Hint(err))
	}
	return c.end(ctx, err)
}

// order is a step that somebody has ordered from the cluster.
type order struct {
	console
	view     *remote.View
	client   *remote.Client
	begun    chan struct{} // closed once there is a task, or none to come
	stopping chan string   // why the task is to be stopped
}

func (o *order) start(ctx context.Context, variables map[string]string) (remote.Task, error) {
	r, client, err := o.remotely(ctx, variables)
	if err != nil {
		return remote.Task{}, err
	}
	o.client = client
	task, err := client.Start(ctx, r, func(reason string) { o.view.Notice("waiting to start: " + reason) })
	if err == nil {
		o.view.Notice(fmt.Sprintf("started step %s of %s as task %s", r.Step, r.Variables["GIT_SHA"], task.ID()))
	}
	return task, err
}

// attend has the task stopped when we are told to stop. A person is asked first, for what is started by the way may be
// meant to go on: by a second Ctrl-C. The one after that leaves the task to itself. As long as there is none, none is to come.
func (o *order) attend(ctx context.Context, giveUp, leave context.CancelCauseFunc) {
	asked := !o.terminal
	for told := false; ; {
		var sig os.Signal
		select {
		case sig = <-o.signals:
		case <-ctx.Done():
			return
		}
		n, ok := sig.(syscall.Signal)
		if !ok || n == syscall.SIGPIPE {
			continue
		}
		select {
		case <-o.begun:
		default:
			asked = true
		}
		switch {
		case n == syscall.SIGINT && !asked:
			o.view.Notice("the task goes on: press Ctrl-C again to stop it, or twice to leave it to itself")
			asked = true
		case !told:
			told = true
			o.stopping <- fmt.Sprintf("runner trigger was told to stop by SIG%s", map[syscall.Signal]string{syscall.SIGINT: "INT", syscall.SIGTERM: "TERM", syscall.SIGHUP: "HUP", syscall.SIGQUIT: "QUIT"}[n])
			giveUp(&process.CancelledError{Signal: n})
		default:
			leave(&process.CancelledError{Signal: n})
			return
		}
	}
}

// remotely finds the cluster, and says what is to be run on it.
func (c console) remotely(ctx context.Context, variables map[string]string) (r remote.Request, client *remote.Client, err error) {
	given, err := config.Read(variables)
	if err != nil {
		return r, nil, err
	}
	ref, dirty, err := runner.Identify(ctx, variables, given)
	if err != nil {
		return r, nil, err
	}
	if dirty {
		fmt.Fprintln(c.stderr, "runner: the workspace has changes that are not in the commit, and the task will not have them")
	}
	r = remote.Request{Step: given.Step, Environment: given.Environment, StartedBy: startedBy(variables), Variables: map[string]string{"BRANCH": ref.Branch, "GIT_SHA": ref.SHA}}
	if actor := cmp.Or(given.Actor, variables["USER"]); actor != "" { // whom people are told of
		r.Variables["GITHUB_ACTOR"] = actor
	}
	if r.Spot, err = truth(variables, "RUNNER_SPOT"); err != nil {
		return r, nil, err
	}
	if r.Spot { // the task cannot find out by itself, and tells what it costs
		r.Variables["RUNNER_CAPACITY_PROVIDER"] = config.SpotProvider
	}
	if given.Force {
		r.Variables["RUNNER_FORCE"] = "true"
	}
	if given.GitHubName != "" {
		r.Variables["GITHUB_REPOSITORY"] = given.GitHubName
		r.Variables["REPOSITORY_URL"] = "https://github.com/" + given.GitHubName + ".git"
	}
	if given.Repository != "" { // whoever may look at tasks sees what they were told
		if r.Variables["REPOSITORY_URL"], err = source.PublicURL(given.Repository); err != nil {
			return r, nil, err
		}
	}
	settings, err := session.NewAWS()(ctx)
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
	for name, d := range map[string]*time.Duration{"RUNNER_WAIT_START": &client.StartTimeout, "RUNNER_TASK_POLL": &client.PollInterval} {
		if v := variables[name]; v != "" {
			if *d, err = time.ParseDuration(v); err != nil || *d <= 0 {
				return r, nil, &outcome.ConfigError{Message: fmt.Sprintf("%s cannot be %q", name, v), Advice: "write a duration such as 90s, 15m or 1h30m"}
			}
		}
	}
	return r, client, nil
}

// startedBy names the workflow's run, else whoever types.
func startedBy(variables map[string]string) string {
	if run := variables["GITHUB_RUN_ID"]; run != "" {
		return "github-" + run
	}
	return variables["USER"]
}

// truth reads a variable that is true or false.
func truth(variables map[string]string, name string) (bool, error) {
	v := variables[name]
	if v == "" {
		return false, nil
	}
	is, err := strconv.ParseBool(v)
	if err != nil {
		return false, &outcome.ConfigError{Message: fmt.Sprintf("%s cannot be %q", name, v), Advice: "write true or false"}
	}
	return is, nil
}

package remote

import (
	"context"
	"errors"

	"github.com/carlin-cicd/runner/runner/awsjson"
)

// Cancel stops an execution and the tasks that it has started, and returns those that still ran. The error is an *Error;
// if it is a *LeftTasksError, the execution has been stopped.
func (p *Pipeline) Cancel(ctx context.Context, name, cause string) (stopped []Step, err error) {
	err = p.states.Call(
		ctx,
		"StopExecution",
		map[string]string{"executionArn": p.arn(name), "error": "Cancelled", "cause": cause},
		nil,
	)
	if awsjson.HasCode(err, "ExecutionDoesNotExist") {
		return nil, &Error{
			Message: "there is no execution " + name,
			Advice:  "runner pipeline status, without a name, shows the newest",
		}
	}
	if err := p.explain(ctx, "the execution cannot be cancelled", "states:StopExecution", err); err != nil {
		return nil, err
	}
	stopped, err = p.stopTasks(ctx, name, "cancelled "+cause)
	if err != nil {
		return stopped, &LeftTasksError{name, err}
	}
	return stopped, nil
}

// LeftTasksError is that an execution was stopped, but perhaps not all of its tasks.
type LeftTasksError struct {
	execution string
	err       error
}

func (e *LeftTasksError) Error() string {
	return e.execution + " is cancelled, but its tasks may still run: " + e.err.Error()
}

// Hint says what to do about it.
func (e *LeftTasksError) Hint() string {
	const otherwise = "Step Functions stops them as far as it can; look for those that still run: aws ecs list-tasks"
	var why *Error
	if errors.As(e.err, &why) && why.Advice != "" {
		return why.Advice + ". " + otherwise
	}
	return otherwise
}

// maxReason is how long a reason of StopTask may be.
const maxReason = 255

// stopTasks stops the tasks of an execution that has been stopped. Step Functions does so, too, as far as it can: it
// promises no more. The history is read after the end of the execution, so that no task is missing from it.
func (p *Pipeline) stopTasks(ctx context.Context, name, reason string) (stopped []Step, err error) {
	cluster, err := p.Cluster.output("ClusterArn")
	if err != nil {
		return nil, err
	}
	events, err := p.history(ctx, name)
	if err != nil {
		return nil, err
	}
	byTask := map[string]Step{}
	var ids []string
	for _, s := range stepsOf(events) {
		if s.Task != "" && s.Status != "passed" && s.Status != "failed" {
			ids, byTask[s.Task] = append(ids, s.Task), s
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	running, err := p.runningTasks(ctx, cluster, ids)
	if err != nil {
		return nil, err
	}
	var failed error
	for _, arn := range running {
		input := map[string]string{"cluster": cluster, "task": arn, "reason": reason[:min(len(reason), maxReason)]}
		err := p.explain(ctx, "a task cannot be stopped", "ecs:StopTask", p.ecs.Call(ctx, "StopTask", input, nil))
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		stopped = append(stopped, byTask[Task{ARN: arn}.ID()])
	}
	return stopped, failed
}

// maxDescribed is how many tasks ECS describes at once.
const maxDescribed = 100

// runningTasks returns the ARNs of those that do not stop already.
func (p *Pipeline) runningTasks(ctx context.Context, cluster string, ids []string) (running []string, err error) {
	for len(ids) > 0 {
		some := ids[:min(len(ids), maxDescribed)]
		ids = ids[len(some):]
		var output struct {
			Tasks []struct{ TaskArn, DesiredStatus string }
		}
		err := p.ecs.Call(ctx, "DescribeTasks", map[string]any{"cluster": cluster, "tasks": some}, &output)
		if err := p.explain(ctx, "the tasks cannot be described", "ecs:DescribeTasks", err); err != nil {
			return nil, err
		}
		for _, t := range output.Tasks {
			if t.DesiredStatus != "STOPPED" {
				running = append(running, t.TaskArn)
			}
		}
	}
	return running, nil
}

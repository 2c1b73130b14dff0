package remote

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Step is one state of an execution that does work: a task, or an approval.
type Step struct {
	Name    string
	Status  string // running, waiting, passed, failed, stopped
	Started time.Time
	Ended   time.Time
	Reason  string // why it failed
	Task    string // the id of its task, once it is known
}

// historyEvent has the fields of an event that are used.
type historyEvent struct {
	ID, PreviousEventID int64
	Type                string
	Timestamp           stamp
	Entered             struct{ Name string }                   `json:"stateEnteredEventDetails"`
	Exited              struct{ Name string }                   `json:"stateExitedEventDetails"`
	Scheduled           struct{ ResourceType, Resource string } `json:"taskScheduledEventDetails"`
	Submitted           struct{ Output string }                 `json:"taskSubmittedEventDetails"`
	Failed              struct{ Error, Cause string }           `json:"taskFailedEventDetails"`
	TimedOut            struct{ Error, Cause string }           `json:"taskTimedOutEventDetails"`
	SubmitFailed        struct{ Error, Cause string }           `json:"taskSubmitFailedEventDetails"`
	StartFailed         struct{ Error, Cause string }           `json:"taskStartFailedEventDetails"`
}

// Status returns an execution and its steps so far, in the order of their start. The error is an *Error.
func (p *Pipeline) Status(ctx context.Context, name string) (Execution, []Step, error) {
	e, err := p.Describe(ctx, name)
	if err != nil {
		return Execution{}, nil, err
	}
	events, err := p.history(ctx, name)
	if err != nil {
		return Execution{}, nil, err
	}
	// A superseded or duplicate execution succeeds without running its steps.
	if e.Status == "SUCCEEDED" {
		for _, event := range events {
			switch event.Entered.Name {
			case "Superseded":
				e.Status, e.Cause = Superseded, "a newer commit replaced it"
			case "Duplicate":
				e.Status, e.Cause = Duplicate, "its event had been handled before"
			}
		}
	}
	return e, stepsOf(events), nil
}

// history returns all events of an execution. The error is an *Error.
func (p *Pipeline) history(ctx context.Context, name string) ([]historyEvent, error) {
	var events []historyEvent
	input := map[string]any{"executionArn": p.arn(name), "maxResults": 1000, "includeExecutionData": true}
	for {
		var page struct {
			Events    []historyEvent
			NextToken string
		}
		err := p.states.Call(ctx, "GetExecutionHistory", input, &page)
		if err := p.explain(ctx, "the history of the execution cannot be read", "states:GetExecutionHistory", err); err != nil {
			return nil, err
		}
		events = append(events, page.Events...)
		if page.NextToken == "" {
			return events, nil
		}
		input["nextToken"] = page.NextToken
	}
}

// stepsOf derives the steps from a history: each event names its predecessor in the same branch, and thereby its state.
func stepsOf(events []historyEvent) []Step {
	var steps []*Step
	state := map[int64]string{} // the state of an event
	under := map[int64]*Step{}  // the step of an event, once its state is known to be one
	for _, e := range events {
		name, step := state[e.PreviousEventID], under[e.PreviousEventID]
		at := e.Timestamp.time()
		switch {
		case strings.HasSuffix(e.Type, "StateEntered"):
			name, step = e.Entered.Name, nil
		case e.Type == "TaskScheduled" && (e.Scheduled.ResourceType == "ecs" || strings.HasSuffix(e.Scheduled.Resource, "waitForTaskToken")):
			if step == nil { // another attempt belongs to the same step
				step = &Step{Name: name, Started: at}
				steps = append(steps, step)
			}
			step.Status, step.Reason, step.Ended = "running", "", time.Time{}
			if e.Scheduled.ResourceType != "ecs" {
				step.Status = "waiting"
			}
		case step == nil:
		case e.Type == "TaskSubmitted":
			step.Task = taskOf(e.Submitted.Output)
		case e.Type == "TaskSucceeded":
			step.Status, step.Ended = "passed", at
		case e.Type == "TaskFailed",
			e.Type == "TaskTimedOut",
			e.Type == "TaskSubmitFailed",
			e.Type == "TaskStartFailed":
			step.Status, step.Ended = "failed", at
			for _, why := range []struct{ Error, Cause string }{e.Failed, e.TimedOut, e.SubmitFailed, e.StartFailed} {
				if why.Error != "" {
					step.Reason = reasonOf(why.Error, why.Cause)
				}
			}
		}
		if strings.HasSuffix(e.Type, "StateExited") {
			step = nil
		}
		state[e.ID], under[e.ID] = name, step
		switch e.Type {
		case "ExecutionAborted",
			"ExecutionTimedOut",
			"ExecutionFailed",
			"ExecutionSucceeded": // parallel steps are stopped
			for _, s := range steps {
				if s.Ended.IsZero() {
					s.Status, s.Ended = "stopped", at
				}
			}
		}
	}
	all := make([]Step, len(steps))
	for i, s := range steps {
		all[i] = *s
	}
	return all
}

// taskOf returns the id of the task in a response of RunTask.
func taskOf(output string) string {
	var response struct {
		Tasks []struct{ TaskArn string }
	}
	if json.Unmarshal([]byte(output), &response) != nil || len(response.Tasks) == 0 {
		return ""
	}
	return Task{ARN: response.Tasks[0].TaskArn}.ID()
}

// reasonOf returns why a task failed: the cause is the task as ECS describes it, or text.
func reasonOf(name, cause string) string {
	var task struct {
		StopCode, StoppedReason string
		Containers              []struct {
			ExitCode *int
			Reason   string
		}
	}
	if json.Unmarshal([]byte(cause), &task) != nil || len(task.Containers) == 0 {
		return strings.TrimSuffix(strings.TrimPrefix(name, "States.")+": "+cause, ": ")
	}
	c := task.Containers[0]
	if c.ExitCode == nil {
		s := status{StopCode: task.StopCode, StoppedReason: task.StoppedReason}
		return neverRan(s, c.Reason).Error()
	}
	text := "exit code " + strconv.Itoa(*c.ExitCode)
	if c.Reason != "" {
		text += ": " + c.Reason
	} else if task.StopCode != "EssentialContainerExited" {
		text += ": " + task.StoppedReason
	}
	return text
}

package pipeline

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// State is how far a job of a plan is.
type State string

// The states of a job.
const (
	Waiting State = "waiting"
	Running State = "running"
	Passed  State = "passed"
	Failed  State = "failed"
	Left    State = "skipped" // not selected, or after a failure
)

// cancelled is the reason of a task that a signal stopped, or kept from starting.
const cancelled = "cancelled"

// Task is one job, or one step of an environment, while a plan runs.
type Task struct {
	Stage       int      `json:"stage"` // from 1
	Steps       []string `json:"steps,omitempty"`
	Shards      int      `json:"shards,omitempty"`
	Environment string   `json:"environment,omitempty"`
	Approval    string   `json:"approval,omitempty"`
	State       State    `json:"state"`
	ExitCode    int      `json:"exit_code"`
	Reason      string   `json:"reason,omitempty"` // why it was left out, or cancelled

	Started time.Time `json:"started,omitzero"`
	Seconds float64   `json:"seconds,omitempty"`
}

// Local runs a plan on this machine.
type Local struct {
	Execute     func(ctx context.Context, t Task) (exitCode int)
	Approve     func(ctx context.Context, environment string) bool
	Observe     func(tasks []Task, changed int) // after each change; calls do not overlap
	Environment string                          // the one whose steps run; "" for none
	Until       string                          // a step or an environment: the last stage that runs is the one that has it
}

// Run runs the stages one after the other and the jobs of a stage side by side. After a failed stage none is started. It
// returns the tasks and the exit code of the first one, in the plan's order, that failed.
func (l Local) Run(ctx context.Context, p Plan) (tasks []Task, exitCode int) {
	tasks = l.tasks(p)
	var mu sync.Mutex
	set := func(i int, change func(*Task)) {
		mu.Lock()
		defer mu.Unlock()
		change(&tasks[i])
		l.Observe(tasks, i)
	}
	for stage := 1; stage <= len(p.Stages); stage++ {
		var side sync.WaitGroup
		for i := range tasks {
			if tasks[i].Stage != stage || tasks[i].State != Waiting {
				continue
			}
			switch {
			case ctx.Err() != nil:
				set(i, func(t *Task) { t.State, t.Reason = Left, cancelled })
			case exitCode != 0:
				set(i, func(t *Task) { t.State, t.Reason = Left, "an earlier step failed" })
			case p.Stages[stage-1].Environment != "" || p.Stages[stage-1].Approval != "":
				exitCode = l.run(ctx, tasks[i], i, set)
			default:
				t := tasks[i]
				side.Go(func() { l.run(ctx, t, i, set) })
			}
		}
		side.Wait()
		for _, t := range tasks {
			if exitCode == 0 && t.State == Failed {
				exitCode = t.ExitCode
			}
		}
	}
	return tasks, exitCode
}

func (l Local) run(ctx context.Context, t Task, i int, set func(int, func(*Task))) (exitCode int) {
	started := time.Now()
	set(i, func(t *Task) { t.State, t.Started = Running, started })
	if t.Approval != "" {
		if !l.Approve(ctx, t.Approval) {
			exitCode = 1
		}
	} else {
		exitCode = l.Execute(ctx, t)
	}
	set(i, func(t *Task) {
		t.State, t.ExitCode, t.Seconds = Passed, exitCode, time.Since(started).Round(time.Millisecond).Seconds()
		if exitCode != 0 {
			t.State = Failed
			if ctx.Err() != nil {
				t.Reason = cancelled
			}
		}
	})
	return exitCode
}

// tasks are the tasks of a plan: those that are not selected are left out from the start.
func (l Local) tasks(p Plan) (tasks []Task) {
	over := false
	for i, s := range p.Stages {
		all := []Task{{Approval: s.Approval}}
		switch {
		case s.Environment != "":
			all = nil
			for _, name := range s.Steps {
				all = append(all, Task{Steps: []string{name}, Environment: s.Environment})
			}
		case s.Approval == "":
			all = nil
			for _, job := range s.Jobs {
				all = append(all, Task{Steps: job.Steps, Shards: job.Shards})
			}
		}
		last := over
		for _, t := range all {
			t.Stage, t.State = i+1, Waiting
			place := max(t.Environment, t.Approval)
			switch {
			case over:
				t.State, t.Reason = Left, "after "+l.Until
			case place != "" && place != l.Environment:
				t.State, t.Reason = Left, "runs with --environment "+place
			}
			last = last || l.Until != "" && (t.Environment == l.Until || slices.Contains(t.Steps, l.Until))
			tasks = append(tasks, t)
		}
		over = last
	}
	return tasks
}

// Has reports whether a plan has a step or an environment.
func (p Plan) Has(name string) bool {
	return slices.ContainsFunc(p.Stages, func(s Stage) bool {
		return s.Environment == name || slices.Contains(s.Steps, name) ||
			slices.ContainsFunc(s.Jobs, func(j Job) bool { return slices.Contains(j.Steps, name) })
	})
}

// Missing says that the plan does not have a step or an environment, and why if it was left out.
func (p Plan) Missing(name string) string {
	for _, s := range p.Skipped {
		if s.Environment == name || slices.Contains(s.Steps, name) {
			return fmt.Sprintf("the plan leaves %s out: %s", name, s.Reason)
		}
	}
	return fmt.Sprintf("the plan has no %q", name)
}

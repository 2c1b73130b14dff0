package remote

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Step is a task of an execution, or an approval that it asks for.
type Step struct {
	Name    string // such as "build", "deploy staging" and "approval production"
	Status  string // queued, running, waiting, passed, failed, stopped
	Started time.Time
	Ended   time.Time
	Reason  string // why it failed or is queued, in words
	Task    string // the id of its task, once that is known

	Stage         int    // from 1; 0 for what is of no stage
	Steps         string // what its task runs: a step, or several separated by commas; "" for an approval
	Environment   string
	Shard, Shards int // 2 of 4; of a task that merges 0 of 4; else 0
}

// Stage is a stage that has not begun.
type Stage struct {
	Number int    // from 1
	Name   string // "approval production", "migrate staging, deploy staging"
}

// Progress is how far an execution has come.
type Progress struct {
	Steps  []Step  // in the order of their start
	Coming []Stage // as far as the machine knows them
	Stages int     // 0 if it knows none

	verdicts map[string]verdict
}

// verdict is what the machine made of a job: of a divided step, what its merge says.
type verdict struct {
	Label, Reason string
	Passed        bool
}

// Verdict returns how a job has ended; known is false while it runs.
func (p Progress) Verdict(label string) (passed bool, reason string, known bool) {
	v, known := p.verdicts[label]
	return v.Passed, v.Reason, known
}

// historyEvent is the part of an event that is read.
type historyEvent struct {
	ID, PreviousEventID int64
	Type                string
	Timestamp           stamp
	Entered             struct{ Name, Input string }            `json:"stateEnteredEventDetails"`
	Exited              struct{ Name, Output string }           `json:"stateExitedEventDetails"`
	Scheduled           struct{ ResourceType, Resource string } `json:"taskScheduledEventDetails"`
	Submitted           struct{ Output string }                 `json:"taskSubmittedEventDetails"`
	Succeeded           struct{ Output string }                 `json:"taskSucceededEventDetails"`
	Failed              struct{ Error, Cause string }           `json:"taskFailedEventDetails"`
	TimedOut            struct{ Error, Cause string }           `json:"taskTimedOutEventDetails"`
	SubmitFailed        struct{ Error, Cause string }           `json:"taskSubmitFailedEventDetails"`
	StartFailed         struct{ Error, Cause string }           `json:"taskStartFailedEventDetails"`
}

// Status returns an execution and how far it has come. The error is an *Error.
func (p *Pipeline) Status(ctx context.Context, name string) (Execution, Progress, error) {
	e, err := p.Describe(ctx, name)
	if err != nil {
		return Execution{}, Progress{}, err
	}
	events, err := p.history(ctx, name)
	if err != nil {
		return Execution{}, Progress{}, err
	}
	// An execution that ends early for a good reason succeeds, but has not passed.
	if e.Status == "SUCCEEDED" {
		for _, event := range events {
			switch event.Entered.Name {
			case "Superseded":
				e.Status, e.Cause = Superseded, "a newer commit replaced it"
			case "Outdated":
				e.Status, e.Cause = Superseded, "a newer commit of the branch came before it"
			case "Duplicate":
				e.Status, e.Cause = Duplicate, "its event had been handled before"
			case "ForkNotApproved":
				e.Status, e.Cause = NotApproved, "the pull request from a fork was not approved"
			}
		}
	}
	return e, progressOf(events), nil
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

// stepsOf reads a history: every event names the one before it in its own branch, and so the state that it belongs to.
func stepsOf(events []historyEvent) []Step { return progressOf(events).Steps }

func progressOf(events []historyEvent) Progress {
	h := historyReader{state: map[int64]stateOf{}, under: map[int64]*Step{}, verdicts: map[string]verdict{}}
	for _, e := range events {
		h.read(e)
	}
	p := Progress{Stages: h.number(len(h.stages)), verdicts: h.verdicts}
	for _, s := range h.steps {
		p.Steps = append(p.Steps, *s)
	}
	for i := h.stage; i < len(h.stages) && h.stage > 0; i++ {
		if name := h.stages[i].name(); name != "" {
			p.Coming = append(p.Coming, Stage{h.number(i + 1), name})
		}
	}
	return p
}

// historyReader collects the steps of a history.
type historyReader struct {
	steps []*Step
	state map[int64]stateOf // the step of the state that an event belongs to
	under map[int64]*Step   // the step that an event belongs to, once the step has begun

	stage    int // the one under way, from 1; 0 before the first
	stages   []stageInput
	verdicts map[string]verdict
}

// number is the number of a stage among those that run something: between the checks and the environments, the machine
// has one in which it only begins the delivery.
func (h *historyReader) number(position int) int {
	n := 0
	for _, s := range h.stages[:min(position, len(h.stages))] {
		if s.name() != "" {
			n++
		}
	}
	return n
}

// exited reads what the machine has decided in a state.
func (h *historyReader) exited(state, output string) {
	switch state {
	case "Stage":
		var at struct {
			Position int
			Stages   []stageInput
		}
		if json.Unmarshal([]byte(output), &at) == nil && at.Position > 0 {
			h.stage, h.stages = at.Position, at.Stages
		}
	case "Verdict":
		var at struct{ Results []verdict }
		_ = json.Unmarshal([]byte(output), &at) // a machine of an earlier release has none
		for _, v := range at.Results {
			h.verdicts[v.Label] = v
		}
	}
}

func (h *historyReader) read(e historyEvent) {
	name, step := h.state[e.PreviousEventID], h.under[e.PreviousEventID]
	at := e.Timestamp.time()
	h.exited(e.Exited.Name, e.Exited.Output)
	switch {
	case strings.HasSuffix(e.Type, "StateEntered"):
		name, step = readState(e.Entered.Name, e.Entered.Input), nil
		if e.Entered.Name == "Queued" {
			step = h.step(name, at)
			step.Status, step.Reason, step.Task, step.Ended = "queued", queueReason(e.Entered.Input), "", time.Time{}
		}
	case e.Type == "TaskScheduled" && (e.Scheduled.ResourceType == "ecs" || strings.HasSuffix(e.Scheduled.Resource, "waitForTaskToken")):
		step = h.step(name, at)
		step.Status, step.Reason, step.Task, step.Ended = "running", "", "", time.Time{}
		if e.Scheduled.ResourceType != "ecs" {
			step.Status = "waiting"
		}
	case e.Type == "TaskScheduled" && e.Scheduled.ResourceType == "codebuild":
		step = h.step(name, at)
		step.Status, step.Reason, step.Ended = "running", "", time.Time{}
		h.awaitImage()
	case step != nil:
		step.apply(e)
	}
	if strings.HasSuffix(e.Type, "StateExited") {
		step = nil
	}
	h.state[e.ID], h.under[e.ID] = name, step
	switch e.Type {
	case "ExecutionAborted", "ExecutionTimedOut", "ExecutionFailed", "ExecutionSucceeded": // parallel tasks are stopped
		for _, s := range h.steps {
			if s.Ended.IsZero() {
				s.Status, s.Ended = "stopped", at
			}
		}
	}
}

// awaitImage puts the first step back, which has asked for another image and is started again with it.
func (h *historyReader) awaitImage() {
	for _, s := range h.steps {
		if s.Steps == "build" && s.Status == "failed" {
			s.Status, s.Reason, s.Task, s.Ended = "queued", "its image is built anew", "", time.Time{}
			delete(h.verdicts, s.Name)
		}
	}
}

// step returns the step of a name. Another attempt, on demand or after the queue, belongs to the same step.
func (h *historyReader) step(of stateOf, at time.Time) *Step {
	for _, s := range h.steps {
		if s.Name == of.name {
			return s
		}
	}
	s := &Step{Name: of.name, Started: at, Stage: h.number(h.stage), Steps: of.steps, Environment: of.environment, Shard: of.shard, Shards: of.shards}
	h.steps = append(h.steps, s)
	return s
}

// apply changes the step by an event of its task.
func (s *Step) apply(e historyEvent) {
	switch e.Type {
	case "TaskSubmitted":
		s.Task = taskOf(e.Submitted.Output)
	case "TaskSucceeded":
		s.Status, s.Ended = "passed", e.Timestamp.time()
		if newer := supersededBy(e.Succeeded.Output); newer != "" {
			s.Status, s.Reason = "stopped", "superseded by "+newer
		}
	case "TaskFailed", "TaskTimedOut", "TaskSubmitFailed", "TaskStartFailed":
		s.Status, s.Ended = "failed", e.Timestamp.time()
		for _, why := range []struct{ Error, Cause string }{e.Failed, e.TimedOut, e.SubmitFailed, e.StartFailed} {
			if why.Error != "" {
				s.Reason = reasonOf(why.Error, why.Cause)
			}
		}
	}
}

// stateOf is the step that a state belongs to.
type stateOf struct {
	name               string
	steps, environment string
	shard, shards      int
}

// readState returns the step that a state belongs to: the machine's input to it says which.
func readState(state, input string) stateOf {
	var in struct {
		Label string
		Task  struct {
			Step, Environment string
			Shard, Shards     int
		}
		Stage struct{ Type, Environment string }
	}
	_ = json.Unmarshal([]byte(input), &in)
	switch {
	case in.Label != "" && in.Task.Shards > 1:
		return stateOf{in.Label, in.Task.Step, in.Task.Environment, in.Task.Shard, in.Task.Shards}
	case in.Label != "":
		return stateOf{name: in.Label, steps: in.Task.Step, environment: in.Task.Environment}
	case in.Stage.Type == "approval":
		return stateOf{name: "approval " + in.Stage.Environment}
	case in.Stage.Type == "image":
		return stateOf{name: "image"}
	}
	return stateOf{name: state}
}

// stageInput is a stage as the machine has it.
type stageInput struct {
	Type, Environment string
	Tasks             []struct {
		Step, Environment string
		Shards            int
	}
}

// name is the stage in words; "" for one that runs nothing.
func (s stageInput) name() string {
	if s.Type == "approval" {
		return "approval " + s.Environment
	}
	var names []string
	for _, t := range s.Tasks {
		name := strings.TrimSuffix(t.Step+" "+t.Environment, " ")
		if t.Shards > 1 {
			name += " in " + strconv.Itoa(t.Shards) + " shards"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// queueReason returns why a task is queued, from the input of the state.
func queueReason(input string) string {
	var in struct{ Reason struct{ Text string } }
	_ = json.Unmarshal([]byte(input), &in)
	return in.Reason.Text
}

// supersededBy returns the newer execution that ended an approval, or "".
func supersededBy(output string) string {
	var answer struct{ Superseded string }
	_ = json.Unmarshal([]byte(output), &answer)
	return answer.Superseded
}

// taskOf returns the id of the task in an answer of RunTask.
func taskOf(output string) string {
	var response struct {
		Tasks []struct{ TaskArn string }
	}
	if json.Unmarshal([]byte(output), &response) != nil || len(response.Tasks) == 0 {
		return ""
	}
	return Task{ARN: response.Tasks[0].TaskArn}.ID()
}

// buildReason says why a build of CodeBuild failed; "" if the cause is something else.
func buildReason(cause string) string {
	type build struct {
		BuildStatus string
		Phases      []struct {
			PhaseType, PhaseStatus string
			Contexts               []struct{ Message string }
		}
	}
	var given struct {
		build
		Build build
	}
	if json.Unmarshal([]byte(cause), &given) != nil {
		return ""
	}
	b := given.build
	if b.BuildStatus == "" {
		b = given.Build
	}
	text := b.BuildStatus
	for _, phase := range b.Phases {
		if phase.PhaseStatus == "" || phase.PhaseStatus == "SUCCEEDED" {
			continue
		}
		text += " in " + phase.PhaseType
		if len(phase.Contexts) > 0 && phase.Contexts[0].Message != "" {
			text += ": " + phase.Contexts[0].Message
		}
		break
	}
	return text
}

// reasonOf says why a task failed. The cause is the task as ECS describes it, or a text.
func reasonOf(name, cause string) string {
	var task struct {
		StopCode, StoppedReason string
		Containers              []containerStatus
	}
	if reason := buildReason(cause); reason != "" {
		return reason
	}
	if json.Unmarshal([]byte(cause), &task) != nil || len(task.Containers) == 0 {
		return strings.TrimSuffix(strings.TrimPrefix(name, "States.")+": "+cause, ": ")
	}
	s := status{StopCode: task.StopCode, StoppedReason: task.StoppedReason, Containers: task.Containers}
	c := s.container(containerName)
	if c.ExitCode == nil {
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

package remote

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// told is a history that a test writes state by state: each event is of the state before it.
type told struct {
	events []string
	id     int
}

func (h *told) event(kind, more string) {
	h.id++
	h.events = append(h.events, fmt.Sprintf(
		`{"id":%d,"previousEventId":%d,"timestamp":%d,"type":%q%s}`, h.id, h.id-1, 1763900000+h.id, kind, more))
}

func (h *told) exit(state, output string) {
	text, _ := json.Marshal(output)
	h.event("PassStateExited", fmt.Sprintf(`,"stateExitedEventDetails":{"name":%q,"output":%s}`, state, text))
}

// task begins a task; end is how it ended, "" if it runs.
func (h *told) task(label, task, arn, end string) {
	input, _ := json.Marshal(fmt.Sprintf(`{"label":%q,"task":%s}`, label, task))
	h.event("TaskStateEntered", fmt.Sprintf(`,"stateEnteredEventDetails":{"name":"RunTask","input":%s}`, input))
	h.event("TaskScheduled", `,"taskScheduledEventDetails":{"resourceType":"ecs","resource":"runTask.sync"}`)
	output, _ := json.Marshal(fmt.Sprintf(`{"Tasks":[{"TaskArn":"arn:aws:ecs:eu-west-1:1:task/ci/%s"}]}`, arn))
	h.event("TaskSubmitted", fmt.Sprintf(`,"taskSubmittedEventDetails":{"output":%s}`, output))
	if end != "" {
		h.event(end, "")
	}
}

func (h *told) String() string { return `{"events":[` + strings.Join(h.events, ",") + `]}` }

const threeStages = `{"position":%d,"stages":[{"type":"tasks","environment":"","tasks":[{"step":"build","environment":"","shards":1}]},` +
	`{"type":"tasks","environment":"","tasks":[{"step":"lint","environment":""},{"step":"e2e","environment":"","shards":2}]},` +
	`{"type":"approval","environment":"production","tasks":[]},{"type":"deliver","environment":"","tasks":[]},` +
	`{"type":"tasks","environment":"production","tasks":[{"step":"deploy","environment":"production"}]}]}`

// atShards is a history of which the first shard has passed, and the second runs.
func atShards() *told {
	h := &told{}
	h.exit("Stage", fmt.Sprintf(threeStages, 1))
	h.task("build", `{"step":"build","environment":""}`, "aaaa", "TaskSucceeded")
	h.exit("Stage", fmt.Sprintf(threeStages, 2))
	h.task("e2e 1/2", `{"step":"e2e","environment":"","shard":1,"shards":2}`, "bbbb", "TaskSucceeded")
	h.task("e2e 2/2", `{"step":"e2e","environment":"","shard":2,"shards":2}`, "cccc", "")
	return h
}

func TestProgressHasStagesAndShards(t *testing.T) {
	var history struct{ Events []historyEvent }
	h := atShards()
	if err := json.Unmarshal([]byte(h.String()), &history); err != nil {
		t.Fatal(err)
	}
	p := progressOf(history.Events)
	var steps []string
	for _, s := range p.Steps {
		steps = append(steps, fmt.Sprintf("%d %s %s %d/%d %s", s.Stage, s.Name, s.Steps, s.Shard, s.Shards, s.Status))
	}
	want := []string{"1 build build 0/0 passed", "2 e2e 1/2 e2e 1/2 passed", "2 e2e 2/2 e2e 2/2 running"}
	if !slices.Equal(steps, want) {
		t.Errorf("%q", steps)
	}
	if got, want := fmt.Sprint(p.Stages, p.Coming), "4 [{3 approval production} {4 deploy production}]"; got != want {
		t.Errorf("to come: %s, want %s", got, want)
	}
	if _, _, known := p.Verdict("e2e"); known {
		t.Error("e2e has a verdict while it runs")
	}
	h.exit("Verdict", `{"results":[{"label":"e2e","passed":false,"reason":"shard 2 of 2 failed"}]}`)
	if err := json.Unmarshal([]byte(h.String()), &history); err != nil {
		t.Fatal(err)
	}
	if passed, reason, known := progressOf(history.Events).Verdict("e2e"); passed || !known || reason != "shard 2 of 2 failed" {
		t.Errorf("%t %s %t", passed, reason, known)
	}
}

// While its image is built anew, the first step waits: it has not failed.
func TestProgressShowsThatAnImageIsBuilt(t *testing.T) {
	h := &told{}
	h.exit("Stage", fmt.Sprintf(threeStages, 1))
	h.task("build", `{"step":"build","environment":""}`, "aaaa", "")
	h.event("TaskFailed", `,"taskFailedEventDetails":{"error":"States.TaskFailed","cause":"{\"Containers\":[{\"Name\":\"runner\",\"ExitCode\":125}]}"}`)
	h.exit("Verdict", `{"results":[{"label":"build","passed":false,"reason":"exit code 125"}]}`)
	h.event("TaskStateEntered", `,"stateEnteredEventDetails":{"name":"BuildImage","input":"{\"stage\":{\"type\":\"image\"}}"}`)
	h.event("TaskScheduled", `,"taskScheduledEventDetails":{"resourceType":"codebuild","resource":"startBuild.sync"}`)
	look := func() (Progress, string) {
		var history struct{ Events []historyEvent }
		if err := json.Unmarshal([]byte(h.String()), &history); err != nil {
			t.Fatal(err)
		}
		p := progressOf(history.Events)
		var steps []string
		for _, s := range p.Steps {
			steps = append(steps, fmt.Sprintf("%d %s %s (%s)", s.Stage, s.Name, s.Status, s.Reason))
		}
		return p, strings.Join(steps, "; ")
	}
	p, steps := look()
	if _, _, known := p.Verdict("build"); known || steps != "1 build queued (its image is built anew); 1 image running ()" {
		t.Errorf("%s, a verdict: %t", steps, known)
	}
	whole := *h
	h.event("TaskFailed", `,"taskFailedEventDetails":{"error":"States.TaskFailed","cause":"{\"BuildStatus\":\"FAILED\",\"Phases\":[{\"PhaseType\":\"BUILD\",\"PhaseStatus\":\"FAILED\",\"Contexts\":[{\"Message\":\"exit status 1\"}]}]}"}`)
	h.event("ExecutionFailed", "")
	if _, steps = look(); steps != "1 build stopped (its image is built anew); 1 image failed (FAILED in BUILD: exit status 1)" {
		t.Error(steps)
	}
	*h = whole
	h.event("TaskSucceeded", "")
	h.exit("Stage", fmt.Sprintf(threeStages, 1))
	h.task("build", `{"step":"build","environment":""}`, "bbbb", "TaskSucceeded")
	if _, steps = look(); steps != "1 build passed (); 1 image passed ()" {
		t.Error(steps)
	}
}

func TestCancelStopsTheTasksThatStillRun(t *testing.T) {
	for name, c := range map[string]struct {
		described, stop string
		stopped, err    string
	}{
		"one that runs":             {`{"tasks":[{"taskArn":"arn:aws:ecs:eu-west-1:1:task/ci/cccc","desiredStatus":"RUNNING"}]}`, "{}", "e2e 2/2", ""},
		"Step Functions was faster": {`{"tasks":[{"taskArn":"arn:aws:ecs:eu-west-1:1:task/ci/cccc","desiredStatus":"STOPPED"}]}`, "{}", "", ""},
		"no right to it":            {`{"tasks":[{"taskArn":"arn:aws:ecs:eu-west-1:1:task/ci/cccc","desiredStatus":"RUNNING"}]}`, "!AccessDeniedException", "", "main-1 is cancelled, but its tasks may still run"},
		"nor to look":               {"!AccessDeniedException", "{}", "", "main-1 is cancelled, but its tasks may still run"},
	} {
		t.Run(name, func(t *testing.T) {
			h := atShards()
			h.event("ExecutionAborted", "")
			p := &played{answers: map[string][]string{
				"StopExecution": {"{}"}, "GetExecutionHistory": {h.String()}, "DescribeTasks": {c.described}, "StopTask": {c.stop},
			}}
			m := machine(t, p)
			m.Cluster.Outputs["ClusterArn"] = "arn:cluster/ci"
			stopped, err := m.Cancel(t.Context(), "main-1", "by ana: wrong")
			var names []string
			for _, s := range stopped {
				names = append(names, s.Name)
			}
			if strings.Join(names, ",") != c.stopped || (err == nil) != (c.err == "") || err != nil && !strings.HasPrefix(err.Error(), c.err) {
				t.Errorf("%v, %v", names, err)
			}
			if got := p.inputs["DescribeTasks"][0]; got != `{"cluster":"arn:cluster/ci","tasks":["cccc"]}` {
				t.Errorf("only what had not ended is looked at: %s", got)
			}
			if c.stopped != "" && !strings.Contains(p.inputs["StopTask"][0], `"reason":"cancelled by ana: wrong"`) {
				t.Errorf("%s", p.inputs["StopTask"])
			}
			if p.asked[0] != "StopExecution" {
				t.Errorf("the history was read before the end: %v", p.asked)
			}
		})
	}
}

func TestRetryGoesOnFromWhatTheMachineKeeps(t *testing.T) {
	const item = `{"Item":{"id":{"S":"run#main-1"},"ref":{"S":"refs/heads/release/1"},"sha":{"S":"0123456789abcdef0123456789abcdef01234567"},` +
		`"what":{"S":"test, e2e"},"stage":{"N":"1"},"stages":{"N":"5"},"attempt":{"N":"2"},"first":{"S":"main-0"}}}`
	for name, c := range map[string]struct{ status, item, want string }{
		"one that failed":       {"FAILED", item, ""},
		"one that was stopped":  {"ABORTED", item, ""},
		"one that runs":         {"RUNNING", item, "main-1 still runs"},
		"one that passed":       {"SUCCEEDED", item, "main-1 has not failed: succeeded"},
		"one without an item":   {"FAILED", "{}", "there is nothing on record that main-1 could be gone on from"},
		"one that may not read": {"FAILED", "!AccessDeniedException", "could not read what is kept of main-1"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &played{answers: map[string][]string{"GetItem": {c.item}, "StartExecution": {"{}"}}}
			started, a, err := machine(t, p).Retry(t.Context(), Execution{Name: "main-1", Status: c.status}, "ana")
			if c.want != "" {
				if err == nil || !strings.HasPrefix(err.Error(), c.want) || len(p.inputs["StartExecution"]) > 0 {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil || !strings.HasPrefix(started, "release-1-0123456-") || a.Number != 2 || a.Stage != 2 || a.First != "main-0" {
				t.Fatalf("%s %+v %v", started, a, err)
			}
			var input struct{ Name, Input string }
			if err := json.Unmarshal([]byte(p.inputs["StartExecution"][0]), &input); err != nil {
				t.Fatal(err)
			}
			want := `{"source":"ci.manual","detail-type":"manual","detail":{"after":"0123456789abcdef0123456789abcdef01234567",` +
				`"ref":"refs/heads/release/1","retry":"main-1","sender":"ana","version":"1"}}`
			if input.Input != want || input.Name != started {
				t.Errorf("%s\nwant %s", input.Input, want)
			}
		})
	}
}

func TestOneStepIsStartedAlone(t *testing.T) {
	p := &played{answers: map[string][]string{"StartExecution": {"{}"}}}
	_, err := machine(t, p).Start(t.Context(), StartRequest{Branch: "main", SHA: "01", Step: "e2e", Parallel: 4, StartedBy: "ana"})
	if got := p.inputs["StartExecution"]; err != nil || !strings.Contains(got[0], `\"parallel\":\"4\",\"ref\":\"refs/heads/main\",\"sender\":\"ana\",\"step\":\"e2e\"`) {
		t.Errorf("%s, %v", got, err)
	}
}

package remote

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// A history as Step Functions writes it: a build, a test that a Spot task was taken from and that was tried again, and failed;
// and the same up to the approval.
const history = `[
 {"id":1,"previousEventId":0,"timestamp":1763900000,"type":"ExecutionStarted"},
 {"id":2,"previousEventId":0,"timestamp":1763900001,"type":"TaskStateEntered","stateEnteredEventDetails":{"name":"TakeTurn"}},
 {"id":3,"previousEventId":2,"timestamp":1763900001,"type":"TaskScheduled","taskScheduledEventDetails":{"resourceType":"dynamodb","resource":"putItem"}},
 {"id":4,"previousEventId":3,"timestamp":1763900002,"type":"TaskSucceeded"},
 {"id":5,"previousEventId":4,"timestamp":1763900002,"type":"TaskStateExited","stateExitedEventDetails":{"name":"TakeTurn"}},
 {"id":6,"previousEventId":5,"timestamp":1763900002,"type":"TaskStateEntered","stateEnteredEventDetails":{"name":"Build"}},
 {"id":7,"previousEventId":6,"timestamp":1763900002,"type":"TaskScheduled","taskScheduledEventDetails":{"resourceType":"ecs","resource":"runTask.sync"}},
 {"id":8,"previousEventId":7,"timestamp":1763900003,"type":"TaskStarted"},
 {"id":9,"previousEventId":8,"timestamp":1763900004,"type":"TaskSubmitted","taskSubmittedEventDetails":{"output":"{\"Tasks\":[{\"TaskArn\":\"arn:aws:ecs:eu-west-1:123456789012:task/ci/aaaa\"}]}"}},
 {"id":10,"previousEventId":9,"timestamp":1763900062,"type":"TaskSucceeded"},
 {"id":11,"previousEventId":10,"timestamp":1763900062,"type":"TaskStateExited","stateExitedEventDetails":{"name":"Build"}},
 {"id":12,"previousEventId":11,"timestamp":1763900062,"type":"TaskStateEntered","stateEnteredEventDetails":{"name":"Test"}},
 {"id":13,"previousEventId":12,"timestamp":1763900062,"type":"TaskScheduled","taskScheduledEventDetails":{"resourceType":"ecs","resource":"runTask.sync"}},
 {"id":14,"previousEventId":13,"timestamp":1763900063,"type":"TaskSubmitFailed","taskSubmitFailedEventDetails":{"error":"AmazonECS.Unknown","cause":"no capacity"}},
 {"id":15,"previousEventId":14,"timestamp":1763900078,"type":"TaskScheduled","taskScheduledEventDetails":{"resourceType":"ecs","resource":"runTask.sync"}},
 {"id":16,"previousEventId":15,"timestamp":1763900079,"type":"TaskSubmitted","taskSubmittedEventDetails":{"output":"{\"Tasks\":[{\"TaskArn\":\"arn:aws:ecs:eu-west-1:123456789012:task/ci/bbbb\"}]}"}},
 END
]`

func read(t *testing.T, end string) []Step {
	t.Helper()
	var events []historyEvent
	if err := json.Unmarshal([]byte(strings.Replace(history, "END", end, 1)), &events); err != nil {
		t.Fatal(err)
	}
	return stepsOf(events)
}

func TestAHistoryIsReadAsSteps(t *testing.T) {
	for name, c := range map[string]struct {
		end                  string
		status, reason, task string
	}{
		"one under way":          {`{"id":17,"previousEventId":16,"timestamp":1763900080,"type":"X"}`, "running", "", "bbbb"},
		"one that failed":        {`{"id":17,"previousEventId":16,"timestamp":1763900080,"type":"TaskFailed","taskFailedEventDetails":{"error":"States.TaskFailed","cause":"{\"Containers\":[{\"ExitCode\":1}],\"StopCode\":\"EssentialContainerExited\"}"}}`, "failed", "exit code 1", "bbbb"},
		"out of memory":          {`{"id":17,"previousEventId":16,"timestamp":1763900080,"type":"TaskFailed","taskFailedEventDetails":{"error":"States.TaskFailed","cause":"{\"Containers\":[{\"ExitCode\":137,\"Reason\":\"OutOfMemoryError: Container killed due to memory usage\"}],\"StopCode\":\"EssentialContainerExited\"}"}}`, "failed", "exit code 137: OutOfMemoryError: Container killed due to memory usage", "bbbb"},
		"one that never ran":     {`{"id":17,"previousEventId":16,"timestamp":1763900080,"type":"TaskFailed","taskFailedEventDetails":{"error":"States.TaskFailed","cause":"{\"Containers\":[{}],\"StopCode\":\"TaskFailedToStart\",\"StoppedReason\":\"CannotPullContainerError: gone\"}"}}`, "failed", "the task never ran: CannotPullContainerError: gone", "bbbb"},
		"one that took too long": {`{"id":17,"previousEventId":16,"timestamp":1763900080,"type":"TaskTimedOut","taskTimedOutEventDetails":{"error":"States.Timeout","cause":""}}`, "failed", "Timeout", "bbbb"},
		"one that was cut off":   {`{"id":17,"previousEventId":16,"timestamp":1763900080,"type":"ExecutionAborted"}`, "stopped", "", "bbbb"},
	} {
		t.Run(name, func(t *testing.T) {
			steps := read(t, c.end)
			if len(steps) != 2 || steps[0].Name != "Build" || steps[0].Status != "passed" || steps[0].Task != "aaaa" ||
				steps[0].Ended.Sub(steps[0].Started).Seconds() != 60 {
				t.Fatalf("%+v", steps)
			}
			if s := steps[1]; s.Name != "Test" || s.Status != c.status || s.Reason != c.reason || s.Task != c.task {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestAnApprovalIsAStep(t *testing.T) {
	steps := read(t, `{"id":17,"previousEventId":16,"timestamp":1763900080,"type":"TaskSucceeded"},
 {"id":18,"previousEventId":17,"timestamp":1763900080,"type":"TaskStateExited"},
 {"id":19,"previousEventId":18,"timestamp":1763900081,"type":"TaskStateEntered","stateEnteredEventDetails":{"name":"Approval"}},
 {"id":20,"previousEventId":19,"timestamp":1763900081,"type":"TaskScheduled","taskScheduledEventDetails":{"resourceType":"aws-sdk:dynamodb","resource":"putItem.waitForTaskToken"}}`)
	if len(steps) != 3 || steps[2].Name != "Approval" || steps[2].Status != "waiting" {
		t.Errorf("%+v", steps)
	}
}

// machine is a Step Functions that says what a test wants it to.
func machine(t *testing.T, p *played) *Pipeline {
	t.Helper()
	c := client(t, p)
	pipeline, err := NewPipeline(
		t.Context(),
		c.ecs.Config,
		Cluster{
			Stack: "ci",
			Outputs: map[string]string{
				"StateMachineArn": "arn:aws:states:eu-west-1:1:stateMachine:ci",
				"TableName":       "ci",
			},
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	return pipeline
}

func described(name, status, more string) string {
	return fmt.Sprintf(
		`{"name":%q,"status":%q,"startDate":1763900000,"input":"{\"detail\":{\"ref\":\"refs/heads/main\",\"after\":\"0\"}}"%s}`,
		name,
		status,
		more,
	)
}

func entered(state string) string {
	return fmt.Sprintf(
		`{"events":[{"id":2,"previousEventId":0,"timestamp":1763900001,"type":"X","stateEnteredEventDetails":{"name":%q}}]}`,
		state,
	)
}

const asked = `{"events":[{"id":2,"previousEventId":0,"timestamp":1763900001,"type":"TaskStateEntered","stateEnteredEventDetails":{"name":"Approval"}},
 {"id":3,"previousEventId":2,"timestamp":1763900001,"type":"TaskScheduled","taskScheduledEventDetails":{"resourceType":"aws-sdk:dynamodb","resource":"putItem.waitForTaskToken"}}]}`

func TestWhatWasNotRunHasNotPassed(t *testing.T) {
	for _, c := range []struct{ status, more, state, want string }{
		{"SUCCEEDED", "", "Done", "SUCCEEDED"},
		{"SUCCEEDED", "", "Superseded", Superseded},
		{"SUCCEEDED", "", "Duplicate", Duplicate},
		{"ABORTED", `,"error":"Superseded","cause":"by b, for 1"`, "Debounce", Superseded},
		{"ABORTED", `,"error":"Cancelled"`, "Build", "ABORTED"},
		{"RUNNING", "", "Build", "RUNNING"},
	} {
		p := &played{
			answers: map[string][]string{
				"DescribeExecution":   {described("a", c.status, c.more)},
				"GetExecutionHistory": {entered(c.state)},
			},
		}
		e, _, err := machine(t, p).Status(t.Context(), "a")
		if err != nil || e.Status != c.want || (e.Status == Superseded || e.Status == Duplicate) && e.Cause == "" {
			t.Errorf("%s in %s is %+v, %v", c.status, c.state, e, err)
		}
	}
}

func TestWhoIsAskedForIsTheOneThatWaits(t *testing.T) {
	const listed = `{"executions":[{"executionArn":"arn:aws:states:eu-west-1:1:execution:ci:new"},{"executionArn":"arn:aws:states:eu-west-1:1:execution:ci:old"}]}`
	for name, c := range map[string]struct {
		histories []string
		want, say string
	}{
		"the older one, while the newer is tested": {[]string{entered("Test"), asked}, "old", ""},
		"none":              {[]string{entered("Test")}, "", "no execution of main waits for approval"},
		"it cannot be told": {[]string{asked}, "", "2 executions of main wait for approval"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &played{answers: map[string][]string{
				"ListExecutions": {
					listed,
				}, "DescribeExecution": {described("new", "RUNNING", ""), described("old", "RUNNING", "")}, "GetExecutionHistory": c.histories,
			}}
			e, err := machine(t, p).AwaitingApproval(t.Context(), "main")
			if e.Name != c.want || (err == nil) != (c.say == "") || err != nil && err.Error() != c.say {
				t.Errorf("%+v, %v", e, err)
			}
			if !strings.Contains(p.inputs["ListExecutions"][0], `"statusFilter":"RUNNING"`) {
				t.Errorf("asked is %s", p.inputs["ListExecutions"][0])
			}
		})
	}
}

func TestADecisionIsPassedOnWithWhoAndWhy(t *testing.T) {
	const item = `{"Item":{"token":{"S":"AQC-the-token"},"environment":{"S":"production"},"ref":{"S":"refs/heads/main"},"sha":{"S":"0123"}}}`
	for name, c := range map[string]struct {
		yes             bool
		reason          string
		operation, want string
	}{
		"yes":              {true, "it is green", "SendTaskSuccess", `{"output":"{\"approved\":\"by octocat: it is green\"}","taskToken":"AQC-the-token"}`},
		"no":               {false, "not today", "SendTaskFailure", `{"cause":"by octocat: not today","error":"Rejected","taskToken":"AQC-the-token"}`},
		"without a reason": {false, "", "SendTaskFailure", `{"cause":"by octocat","error":"Rejected","taskToken":"AQC-the-token"}`},
	} {
		t.Run(name, func(t *testing.T) {
			p := &played{
				answers: map[string][]string{
					"GetItem":   {item},
					c.operation: {"{}", "!TaskTimedOut", "!AccessDeniedException"},
				},
			}
			m := machine(t, p)
			a, err := m.Approval(t.Context(), "main-1")
			if err != nil || a.Environment != "production" || a.SHA != "0123" {
				t.Fatalf("%+v, %v", a, err)
			}
			for _, want := range []string{"", "no longer waits for an approval", "cannot be passed on"} {
				err := m.Decide(t.Context(), a, c.yes, "octocat", c.reason)
				if (err == nil) != (want == "") ||
					err != nil &&
						(!strings.Contains(err.Error(), want) || strings.Contains(fmt.Sprintf("%v %+v", err, err), "AQC")) {
					t.Errorf("%v, not %q", err, want)
				}
			}
			if got := p.inputs[c.operation][0]; got != c.want {
				t.Errorf("%s, not %s", got, c.want)
			}
		})
	}
	p := &played{answers: map[string][]string{"GetItem": {`{}`}}}
	if _, err := machine(t, p).Approval(t.Context(), "main-1"); err == nil ||
		err.Error() != "main-1 does not wait for an approval" {
		t.Error(err)
	}
}

func TestAnExecutionsNameIsLegal(t *testing.T) {
	for _, branch := range []string{"main", "feature/a_b.c", strings.Repeat("x/", 90), "…"} {
		name := executionName(branch, "0123456789abcdef")
		if len(name) > 80 || unfitForNames.MatchString(name) {
			t.Errorf("%q becomes %q", branch, name)
		}
	}
}

func TestATaskThatNeverRanSaysWhatToDo(t *testing.T) {
	for reason, advice := range map[string]string{
		"CannotPullContainerError: pull image manifest has been retried 1 time(s)":                 "push the image",
		"ResourceInitializationError: unable to pull secrets or registry auth":                     "create the secret",
		"ResourceInitializationError: failed to validate logger args: create stream: no log group": "create the log group",
		"ResourceInitializationError: unable to reach":                                             "check that the subnets reach",
		"Capacity is unavailable at this time":                                                     "try again later",
		"something else":                                                                           "see the stopped task",
	} {
		var e *Error
		if err := neverRan(status{StoppedReason: reason}, ""); !asError(err, &e) ||
			!strings.HasPrefix(e.Advice, advice) ||
			!strings.Contains(e.Error(), reason) {
			t.Errorf("%s: %v, %s", reason, err, e.Advice)
		}
	}
}

func asError(err error, e **Error) bool {
	found, ok := err.(*Error)
	*e = found
	return ok
}

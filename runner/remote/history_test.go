package remote

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// history is one as Step Functions writes it: a build, then a test for which Spot had no capacity and that was started
// again.
const history = `[
 {"id":1,"previousEventId":0,"timestamp":1763900000,"type":"ExecutionStarted"},
 {"id":2,"previousEventId":0,"timestamp":1763900001,"type":"TaskStateEntered","stateEnteredEventDetails":{"name":"TakeTurn"}},
 {"id":3,"previousEventId":2,"timestamp":1763900001,"type":"TaskScheduled","taskScheduledEventDetails":{"resourceType":"dynamodb","resource":"putItem"}},
 {"id":4,"previousEventId":3,"timestamp":1763900002,"type":"TaskSucceeded"},
 {"id":5,"previousEventId":4,"timestamp":1763900002,"type":"TaskStateExited","stateExitedEventDetails":{"name":"TakeTurn"}},
 {"id":6,"previousEventId":5,"timestamp":1763900002,"type":"TaskStateEntered","stateEnteredEventDetails":{"name":"RunTask","input":"{\"label\":\"build\"}"}},
 {"id":7,"previousEventId":6,"timestamp":1763900002,"type":"TaskScheduled","taskScheduledEventDetails":{"resourceType":"ecs","resource":"runTask.sync"}},
 {"id":8,"previousEventId":7,"timestamp":1763900003,"type":"TaskStarted"},
 {"id":9,"previousEventId":8,"timestamp":1763900004,"type":"TaskSubmitted","taskSubmittedEventDetails":{"output":"{\"Tasks\":[{\"TaskArn\":\"arn:aws:ecs:eu-west-1:123456789012:task/ci/aaaa\"}]}"}},
 {"id":10,"previousEventId":9,"timestamp":1763900062,"type":"TaskSucceeded"},
 {"id":11,"previousEventId":10,"timestamp":1763900062,"type":"TaskStateExited","stateExitedEventDetails":{"name":"RunTask"}},
 {"id":12,"previousEventId":11,"timestamp":1763900062,"type":"TaskStateEntered","stateEnteredEventDetails":{"name":"RunTask","input":"{\"label\":\"test\"}"}},
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

func TestStepsOfAHistory(t *testing.T) {
	for name, c := range map[string]struct {
		end                  string
		status, reason, task string
	}{
		"running":       {`{"id":17,"previousEventId":16,"timestamp":1763900080,"type":"X"}`, "running", "", "bbbb"},
		"failed":        {`{"id":17,"previousEventId":16,"timestamp":1763900080,"type":"TaskFailed","taskFailedEventDetails":{"error":"States.TaskFailed","cause":"{\"Containers\":[{\"Name\":\"aws-guardduty-agent\",\"ExitCode\":137},{\"Name\":\"runner\",\"ExitCode\":1}],\"StopCode\":\"EssentialContainerExited\"}"}}`, "failed", "exit code 1", "bbbb"},
		"out of memory": {`{"id":17,"previousEventId":16,"timestamp":1763900080,"type":"TaskFailed","taskFailedEventDetails":{"error":"States.TaskFailed","cause":"{\"Containers\":[{\"ExitCode\":137,\"Reason\":\"OutOfMemoryError: Container killed due to memory usage\"}],\"StopCode\":\"EssentialContainerExited\"}"}}`, "failed", "exit code 137: OutOfMemoryError: Container killed due to memory usage", "bbbb"},
		"never started": {`{"id":17,"previousEventId":16,"timestamp":1763900080,"type":"TaskFailed","taskFailedEventDetails":{"error":"States.TaskFailed","cause":"{\"Containers\":[{}],\"StopCode\":\"TaskFailedToStart\",\"StoppedReason\":\"CannotPullContainerError: gone\"}"}}`, "failed", "the task never ran: CannotPullContainerError: gone", "bbbb"},
		"timed out":     {`{"id":17,"previousEventId":16,"timestamp":1763900080,"type":"TaskTimedOut","taskTimedOutEventDetails":{"error":"States.Timeout","cause":""}}`, "failed", "Timeout", "bbbb"},
		"aborted":       {`{"id":17,"previousEventId":16,"timestamp":1763900080,"type":"ExecutionAborted"}`, "stopped", "", "bbbb"},
	} {
		t.Run(name, func(t *testing.T) {
			steps := read(t, c.end)
			if len(steps) != 2 || steps[0].Name != "build" || steps[0].Status != "passed" || steps[0].Task != "aaaa" || steps[0].Ended.Sub(steps[0].Started).Seconds() != 60 {
				t.Fatalf("%+v", steps)
			}
			if s := steps[1]; s.Name != "test" || s.Status != c.status || s.Reason != c.reason || s.Task != c.task {
				t.Errorf("%+v", s)
			}
		})
	}
}

const testPassed = `{"id":17,"previousEventId":16,"timestamp":1763900080,"type":"TaskSucceeded"},
 {"id":18,"previousEventId":17,"timestamp":1763900080,"type":"TaskStateExited"},`

func TestApprovalIsAStep(t *testing.T) {
	const entered = testPassed + `{"id":19,"previousEventId":18,"timestamp":1763900081,"type":"TaskStateEntered","stateEnteredEventDetails":{"name":"Approval","input":"{\"stage\":{\"type\":\"approval\",\"environment\":\"production\"}}"}},
 {"id":20,"previousEventId":19,"timestamp":1763900081,"type":"TaskScheduled","taskScheduledEventDetails":{"resourceType":"aws-sdk:dynamodb","resource":"putItem.waitForTaskToken"}}`
	for end, want := range map[string]string{
		"": "waiting ",
		`,{"id":21,"previousEventId":20,"timestamp":1763900082,"type":"TaskSucceeded","taskSucceededEventDetails":{"output":"{\"approved\":\"by a\"}"}}`:     "passed ",
		`,{"id":21,"previousEventId":20,"timestamp":1763900082,"type":"TaskSucceeded","taskSucceededEventDetails":{"output":"{\"superseded\":\"main-2\"}"}}`: "stopped superseded by main-2",
		`,{"id":21,"previousEventId":20,"timestamp":1763900082,"type":"TaskFailed","taskFailedEventDetails":{"error":"Rejected","cause":"by a"}}`:            "failed Rejected: by a",
	} {
		steps := read(t, entered+end)
		if len(steps) != 3 || steps[2].Name != "approval production" || steps[2].Status+" "+steps[2].Reason != want {
			t.Errorf("%+v, want %s", steps, want)
		}
	}
}

func TestQueuedTaskIsOneStepUntilItsEnd(t *testing.T) {
	const queued = testPassed + `{"id":19,"previousEventId":0,"timestamp":1763900081,"type":"WaitStateEntered","stateEnteredEventDetails":{"name":"Queued","input":"{\"label\":\"lint\",\"reason\":{\"text\":\"You've reached the limit on the number of vCPUs\"}}"}}`
	steps := read(t, queued)
	if len(steps) != 3 || steps[2].Name != "lint" || steps[2].Status != "queued" || !strings.Contains(steps[2].Reason, "limit on the number of vCPUs") {
		t.Fatalf("%+v", steps)
	}
	steps = read(t, queued+`,{"id":20,"previousEventId":19,"timestamp":1763900111,"type":"WaitStateExited"},
 {"id":21,"previousEventId":20,"timestamp":1763900111,"type":"TaskStateEntered","stateEnteredEventDetails":{"name":"RunTask","input":"{\"label\":\"lint\"}"}},
 {"id":22,"previousEventId":21,"timestamp":1763900111,"type":"TaskScheduled","taskScheduledEventDetails":{"resourceType":"ecs","resource":"runTask.sync"}}`)
	if len(steps) != 3 || steps[2].Status != "running" || steps[2].Reason != "" || steps[2].Started.Unix() != 1763900081 {
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

func TestExecutionThatRanNothingHasNotPassed(t *testing.T) {
	for _, c := range []struct{ status, more, state, want string }{
		{"SUCCEEDED", "", "Done", "SUCCEEDED"},
		{"SUCCEEDED", "", "Superseded", Superseded},
		{"SUCCEEDED", "", "Outdated", Superseded},
		{"SUCCEEDED", "", "Duplicate", Duplicate},
		{"SUCCEEDED", "", "ForkNotApproved", NotApproved},
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
		if err != nil || e.Status != c.want || e.Status != c.status && e.Status != "ABORTED" && e.Cause == "" {
			t.Errorf("%s in %s is %+v, %v", c.status, c.state, e, err)
		}
	}
}

func TestAwaitingApprovalFindsTheOneThatWaits(t *testing.T) {
	const listed = `{"executions":[{"executionArn":"arn:aws:states:eu-west-1:1:execution:ci:new"},{"executionArn":"arn:aws:states:eu-west-1:1:execution:ci:old"}]}`
	for name, c := range map[string]struct {
		histories []string
		want, say string
	}{
		"the older one, while the newer is tested": {[]string{entered("Test"), asked}, "old", ""},
		"none":      {[]string{entered("Test")}, "", "no execution of main waits for approval"},
		"ambiguous": {[]string{asked}, "", "2 executions of main wait for approval"},
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

func TestDecisionIsSentWithCallerAndReason(t *testing.T) {
	const approval = `{"Item":{"environment":{"S":"production"},"ref":{"S":"refs/heads/main"},"sha":{"S":"0123"},"expires":{"N":"1800000000"}}}`
	const token = `{"Item":{"token":{"S":"AQC-the-token"}}}`
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
			p := &played{answers: map[string][]string{"GetItem": {approval, token}, "PutItem": {"{}"}, c.operation: {"{}", "!TaskTimedOut", "!AccessDeniedException"}}}
			m := machine(t, p)
			a, err := m.Approval(t.Context(), "main-1")
			if err != nil || a.Environment != "production" || a.SHA != "0123" || !strings.Contains(p.inputs["GetItem"][1], `"token#production#main-1"`) {
				t.Fatalf("%+v, %v, %v", a, err, p.inputs["GetItem"])
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
			if c.yes != (len(p.inputs["PutItem"]) > 0) {
				t.Errorf("recorded: %q", p.inputs["PutItem"])
			}
		})
	}
}

// The answer is written before the token is used, since the machine reads it at once.
func TestApprovalIsWrittenUnderTheNameOfItsEnvironment(t *testing.T) {
	asked := func() *played {
		return &played{answers: map[string][]string{
			"GetItem":         {`{"Item":{"environment":{"S":"production"},"expires":{"N":"1800000000"}}}`, `{"Item":{"token":{"S":"x"}}}`},
			"SendTaskSuccess": {"{}"}, "PutItem": {"{}"},
		}}
	}
	p := asked()
	m := machine(t, p)
	a, err := m.Approval(t.Context(), "main-1")
	if err == nil {
		err = m.Decide(t.Context(), a, true, "octocat", "")
	}
	want := `"Item":{"decision":{"S":"{\"approved\":\"by octocat\"}"},"expires":{"N":"1800000000"},"id":{"S":"answer#production#main-1"}}`
	if err != nil || !strings.Contains(p.inputs["PutItem"][0], want) || !slices.Equal(p.asked[2:], []string{"PutItem", "SendTaskSuccess"}) {
		t.Errorf("%v, %v, %s", err, p.asked, p.inputs["PutItem"])
	}

	p = asked()
	p.answers["PutItem"] = []string{"!AccessDeniedException"}
	m = machine(t, p)
	if a, err = m.Approval(t.Context(), "main-1"); err == nil {
		err = m.Decide(t.Context(), a, true, "octocat", "")
	}
	var e *Error
	if !asError(err, &e) || e.Message != "the approval cannot be recorded" || !strings.Contains(e.Advice, "answer#production#main-1") || slices.Contains(p.asked, "SendTaskSuccess") {
		t.Errorf("%v, %v", err, p.asked)
	}
}

func TestApprovalSaysWhatTheBuildPublished(t *testing.T) {
	digest := strings.Repeat("0123456789abcdef", 4)
	for digests, want := range map[string]string{
		"":                             "",
		"none":                         ", no build on record",
		"builds=" + digest:             ", builds sha256 0123456789ab",
		"a=" + digest + ",b=" + digest: ", a sha256 0123456789ab, b sha256 0123456789ab",
	} {
		item := `{"Item":{"environment":{"S":"production"},"digests":{"S":"` + digests + `"}}}`
		p := &played{answers: map[string][]string{"GetItem": {item, `{"Item":{"token":{"S":"x"}}}`}}}
		if a, err := machine(t, p).Approval(t.Context(), "main-1"); err != nil || a.Sets() != want {
			t.Errorf("%q: %q, %v", digests, a.Sets(), err)
		}
	}
}

func TestNoApproval(t *testing.T) {
	const asked = `{"Item":{"environment":{"S":"production"}}}`
	for name, c := range map[string]struct {
		items []string
		want  string
	}{
		"not asked for yet":                {[]string{`{}`}, "main-1 does not wait for an approval"},
		"answered":                         {[]string{`{"Item":{"environment":{"S":"production"},"decision":{"S":"{}"}}}`}, "main-1 does not wait for an approval"},
		"superseded before it had a token": {[]string{asked, `{"Item":{"superseded":{"S":"main-2"}}}`}, "main-1 does not wait for an approval"},
		"not allowed":                      {[]string{asked, "!AccessDeniedException"}, "could not read the token that approves for production"},
	} {
		p := &played{answers: map[string][]string{"GetItem": c.items}}
		if _, err := machine(t, p).Approval(t.Context(), "main-1"); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefOfAForksExecutionIsItsPullRequest(t *testing.T) {
	p := &played{answers: map[string][]string{"DescribeExecution": {`{"name":"a","status":"RUNNING","input":"{\"detail-type\":\"pull_request\",\"detail\":{\"ref\":\"refs/heads/main\",\"number\":\"7\"}}"}`}}}
	if e, err := machine(t, p).Describe(t.Context(), "a"); err != nil || e.Ref != "refs/pull/7/head" {
		t.Errorf("%+v, %v", e, err)
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

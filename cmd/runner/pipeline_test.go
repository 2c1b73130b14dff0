package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/carlin-cicd/runner/runner/remote"
	"github.com/carlin-cicd/runner/runner/terminal"
)

// snapshots are the answers of Step Functions about an execution, one request after the other; the last one is
// repeated.
type snapshots []struct{ execution, history string }

func (m *snapshots) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := (*m)[0]
	if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), "GetExecutionHistory") {
		fmt.Fprint(w, now.execution)
		return
	}
	fmt.Fprint(w, now.history)
	if len(*m) > 1 {
		*m = (*m)[1:]
	}
}

func watch(t *testing.T, m snapshots, out io.Writer, terminal bool) error {
	t.Helper()
	server := httptest.NewServer(&m)
	t.Cleanup(server.Close)
	p, err := remote.NewPipeline(t.Context(), aws.Config{
		Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	}, remote.Cluster{Outputs: map[string]string{"StateMachineArn": "arn:aws:states:eu-west-1:1:stateMachine:ci", "TableName": "ci"}})
	if err != nil {
		t.Fatal(err)
	}
	watched := clusterPipeline{
		options: &options{
			stdout:   out,
			terminal: terminal,
		}, remote: p, execution: "main-1", follow: true, interval: time.Millisecond,
	}
	return watched.status(t.Context())
}

const (
	running = `{"name":"main-1","status":"RUNNING","startDate":1763900000,` +
		`"input":"{\"detail\":{\"ref\":\"refs/heads/main\",\"after\":\"0123456789abcdef\"}}"}`
	succeeded = `{"name":"main-1","status":"SUCCEEDED","startDate":1763900000,"stopDate":1763900100,"input":"{}"}`
	building  = `{"id":2,"previousEventId":0,"timestamp":1763900001,"type":"TaskStateEntered",` +
		`"stateEnteredEventDetails":{"name":"Build"}},{"id":3,"previousEventId":2,"timestamp":1763900002,"type":"TaskScheduled",` +
		`"taskScheduledEventDetails":{"resourceType":"ecs","resource":"runTask.sync"}}`
	built      = building + `,{"id":4,"previousEventId":3,"timestamp":1763900062,"type":"TaskSucceeded"}`
	superseded = built + `,{"id":5,"previousEventId":4,"timestamp":1763900063,"type":"SucceedStateEntered",` +
		`"stateEnteredEventDetails":{"name":"Superseded"}}`
)

func events(list string) string { return `{"events":[` + list + `]}` }

func TestFollowingAPipelinePrintsEachChangeOnce(t *testing.T) {
	var out bytes.Buffer
	answers := snapshots{
		{running, events(building)}, {running, events(building)}, {running, events(built)}, {succeeded, events(built)},
	}
	if err := watch(t, answers, &out, false); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "Build running\nBuild              passed   1m0s\nmain-1  succeeded, 1m40s\n"+
		"  console   https://console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/arn:aws:states:eu-west-1:1:execution:ci:main-1\n"; got != want {
		t.Errorf("printed\n%s, want\n%s", got, want)
	}
}

func TestATerminalRedrawsThePipeline(t *testing.T) {
	var out bytes.Buffer
	answers := snapshots{{running, events("")}, {running, events(building)}, {succeeded, events(built)}}
	if err := watch(t, answers, &out, true); err != nil {
		t.Fatal(err)
	}
	drawings := strings.Split(out.String(), "\x1b[J")
	if len(drawings) != 3 || !strings.HasSuffix(drawings[0], "\x1b[1A") ||
		!strings.HasSuffix(drawings[1], "\x1b[2A") ||
		!strings.HasPrefix(drawings[2], "main-1  succeeded, 1m40s\n  Build              passed   1m0s\n  console ") {
		t.Errorf("%q", drawings)
	}
}

// The commit was not delivered, and a script that waits with --follow must not go on.
func TestASupersededPipelineFails(t *testing.T) {
	var out bytes.Buffer
	err := watch(t, snapshots{{running, events(built)}, {succeeded, events(superseded)}}, &out, false)
	if err == nil || err.Error() != "the pipeline ended as superseded" ||
		!strings.Contains(out.String(), "superseded, 1m40s  a newer commit replaced it") {
		t.Errorf("%v: %s", err, out.String())
	}
}

func TestTextOfAnExecutionCannotMoveTheCursor(t *testing.T) {
	e := remote.Execution{
		Name:   "a",
		Status: "FAILED",
		Error:  "E",
		Cause:  "one\ntwo\x1b[2Jthree\u202e\u009b " + strings.Repeat("ü", 200),
	}
	lines := statusLines(e, remote.Progress{Steps: []remote.Step{{Name: "Test", Status: "failed", Reason: "a\r\nb\u2066"}}})
	if text := strings.Join(lines, ""); strings.ContainsFunc(text, terminal.IsUnsafe) {
		t.Errorf("%q", text)
	}
	for _, width := range []int{0, 1, 2, 40, 80} {
		for _, line := range truncate(append([]string{}, lines...), width) {
			if n := utf8.RuneCountInString(line); width > 0 && n >= max(width, 2) {
				t.Errorf("%d columns in %d: %s", n, width, line)
			}
		}
	}
}

func TestStatusHasStagesAndShards(t *testing.T) {
	began := time.Unix(1763900000, 0)
	step := func(name string, stage, shard, shards int, status string) remote.Step {
		s := remote.Step{Name: name, Steps: "e2e", Stage: stage, Shard: shard, Shards: shards, Status: status, Started: began}
		if status == "passed" {
			s.Ended = began.Add(time.Minute)
		}
		return s
	}
	p := remote.Progress{Stages: 4, Coming: []remote.Stage{{Number: 3, Name: "approval production"}}, Steps: []remote.Step{
		step("build", 1, 0, 0, "passed"), step("lint", 2, 0, 0, "passed"), step("e2e 1/3", 2, 1, 3, "passed"), step("e2e 2/3", 2, 2, 3, "running"),
		step("e2e 3/3", 2, 3, 3, "queued"),
	}}
	p.Steps[4].Reason = "MaxConcurrentTasks are running"
	running := remote.Execution{Name: "main-1", Status: "RUNNING", Started: began, Retries: "main-0"}
	text := strings.Join(statusLines(running, p), "\n")
	for _, want := range []string{
		"  goes on from main-0\n", "\n  1  build              passed   1m0s\n", "\n  2  lint               passed   1m0s\n",
		"\n     e2e                running  3 shards: 1 passed, 1 running, 1 queued\n", "\n       e2e 1/3            passed   1m0s\n",
		"\n       e2e 3/3            queued   for ", "  MaxConcurrentTasks are running\n", "\n  3  approval production to come",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the status has no %q:\n%s", want, text)
		}
	}
	// Of many shards only those that have not passed have a line.
	p.Steps = nil
	for i := range 10 {
		p.Steps = append(p.Steps, step(fmt.Sprintf("e2e %d/10", i+1), 1, i+1, 10, "passed"))
	}
	p.Steps[6].Status = "failed"
	if lines := statusLines(running, p); len(lines) != 4 || !strings.Contains(lines[1], "10 shards: 9 passed, 1 failed") || !strings.Contains(lines[2], "e2e 7/10") {
		t.Errorf("%q", lines)
	}
}

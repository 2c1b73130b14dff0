package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/carlin-cicd/runner/runner/logs"
)

// played is an ECS and a CloudWatch Logs that say what a test wants them to, call by call; the last answer stays.
type played struct {
	mu      sync.Mutex
	answers map[string][]string // by operation; "!code" is a refusal, "" is a connection that is cut
	asked   []string
}

func (p *played) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	p.mu.Lock()
	p.asked = append(p.asked, operation)
	answers := p.answers[operation]
	answer := answers[0]
	if len(answers) > 1 {
		p.answers[operation] = answers[1:]
	}
	p.mu.Unlock()
	code, refused := strings.CutPrefix(answer, "!")
	switch {
	case answer == "":
		panic(http.ErrAbortHandler)
	case refused:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"__type":%q,"message":"no"}`, code)
	default:
		fmt.Fprint(w, answer)
	}
}

func task(status, more string) string {
	return fmt.Sprintf(`{"tasks":[{"lastStatus":%q%s}]}`, status, more)
}

func events(token string, lines ...string) string {
	type event struct {
		Message string `json:"message"`
	}
	page := struct {
		Events []event `json:"events"`
		Token  string  `json:"nextForwardToken"`
	}{Token: token, Events: []event{}}
	for _, line := range lines {
		page.Events = append(page.Events, event{line})
	}
	text, _ := json.Marshal(page)
	return string(text)
}

func client(t *testing.T, p *played) *Client {
	t.Helper()
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	c, err := NewClient(t.Context(), aws.Config{
		Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	}, Cluster{Stack: "ci", Outputs: map[string]string{
		"ClusterArn": "arn:cluster/ci", "SubnetIds": "subnet-a,subnet-b", "SecurityGroupId": "sg-1", "AssignPublicIp": "ENABLED", "TestTaskDefinitionArn": "ci-Test:1",
	}})
	if err != nil {
		t.Fatal(err)
	}
	c.Poll = time.Millisecond
	return c
}

// viewed keeps what is shown.
type viewed struct{ lines, told []string }

func (v *viewed) Line(text string) bool { v.lines = append(v.lines, text); return text == "last" }
func (v *viewed) Tell(message string)   { v.told = append(v.told, message) }

const (
	passed = `,"stopCode":"EssentialContainerExited","containers":[{"exitCode":0}]`
	failed = `,"stopCode":"EssentialContainerExited","containers":[{"exitCode":7}]`
)

func TestTheLogIsReadToItsEndAndNoLineTwice(t *testing.T) {
	p := &played{answers: map[string][]string{
		"DescribeTasks": {task("PENDING", ""), task("RUNNING", ""), task("RUNNING", ""), task("STOPPED", failed)},
		"GetLogEvents": {
			"!ResourceNotFoundException", events("1", "one", "two"), events("1"), events("2", "three"), events("2"),
			events("2"), events("2"), events("3", "last"), events("3"), // which came after the task had stopped
		},
	}}
	v := &viewed{}
	ended, err := client(t, p).Follow(t.Context(), Task{ARN: "arn:task/1", group: "g", stream: "s"}, nil, v)
	if err != nil || ended.ExitCode != 7 || !slices.Equal(v.lines, []string{"one", "two", "three", "last"}) {
		t.Errorf("%+v %v %v", ended, err, v.lines)
	}
}

func TestALogThatMayNotBeReadStillHasAnEnd(t *testing.T) {
	p := &played{answers: map[string][]string{
		"DescribeTasks": {task("RUNNING", ""), task("STOPPED", passed)}, "GetLogEvents": {"!AccessDeniedException"},
	}}
	v := &viewed{}
	ended, err := client(t, p).Follow(t.Context(), Task{ARN: "arn:task/1", group: "g", stream: "s"}, nil, v)
	if err != nil || ended.ExitCode != 0 || !strings.Contains(strings.Join(v.told, "\n"), "allow logs:GetLogEvents") {
		t.Errorf("%+v %v %v", ended, err, v.told)
	}
}

func TestATaskThatSpotTookSaysSo(t *testing.T) {
	p := &played{answers: map[string][]string{
		"DescribeTasks": {task("STOPPED", `,"stopCode":"SpotInterruption","stoppedReason":"Your Spot Task was interrupted.","containers":[{"exitCode":143}]`)},
	}}
	ended, err := client(t, p).Follow(t.Context(), Task{ARN: "arn:task/1"}, nil, &viewed{})
	if err != nil || ended.ExitCode != 143 || !strings.Contains(ended.Reason, "Spot took its capacity back") {
		t.Errorf("%+v %v", ended, err)
	}
}

func TestATaskThatDoesNotComeUpIsStopped(t *testing.T) {
	p := &played{answers: map[string][]string{"DescribeTasks": {task("PENDING", "")}, "StopTask": {"{}"}}}
	c := client(t, p)
	c.Patience = 5 * time.Millisecond
	_, err := c.Follow(t.Context(), Task{ARN: "arn:task/1"}, nil, &viewed{})
	if err == nil || !strings.Contains(err.Error(), "still pending") || !slices.Contains(p.asked, "StopTask") {
		t.Errorf("%v %v", err, p.asked)
	}
}

func TestToldToStopTheTaskIsStoppedAndFollowedToItsEnd(t *testing.T) {
	p := &played{answers: map[string][]string{
		"DescribeTasks": {task("RUNNING", ""), task("DEACTIVATING", ""), task("STOPPED", `,"stopCode":"UserInitiated","stoppedReason":"told","containers":[{"exitCode":143}]`)}, "StopTask": {"{}"},
	}}
	stop := make(chan string, 1)
	stop <- "told"
	ended, err := client(t, p).Follow(t.Context(), Task{ARN: "arn:task/1"}, stop, &viewed{})
	if err != nil || ended.ExitCode != 143 || !slices.Contains(p.asked, "StopTask") {
		t.Errorf("%+v %v %v", ended, err, p.asked)
	}
}

const definition = `{"taskDefinition":{"containerDefinitions":[{"name":"runner","logConfiguration":{"logDriver":"awslogs","options":{"awslogs-group":"g","awslogs-stream-prefix":"test"}}}]}}`

func TestCapacityIsWaitedFor(t *testing.T) {
	p := &played{answers: map[string][]string{
		"DescribeTaskDefinition": {definition},
		"RunTask":                {`{"failures":[{"reason":"Capacity is unavailable at this time"}]}`, `{"tasks":[{"taskArn":"arn:task/1"}]}`},
	}}
	waited := 0
	got, err := client(t, p).Start(t.Context(), Request{Step: "test"}, func(string) { waited++ })
	if err != nil || waited != 1 || got.ARN != "arn:task/1" || got.stream != "test/runner/1" || got.group != "g" {
		t.Errorf("%+v %v %d", got, err, waited)
	}
	p.answers["RunTask"] = []string{`{"failures":[{"reason":"Capacity is unavailable at this time"}]}`}
	c := client(t, p)
	c.Patience = time.Millisecond
	if _, err := c.Start(t.Context(), Request{Step: "test"}, func(string) {}); err == nil || !strings.Contains(err.Error(), "Capacity is unavailable") {
		t.Error(err)
	}
}

func TestWhatIsTooLongIsRefusedBeforeAnythingIsStarted(t *testing.T) {
	p := &played{answers: map[string][]string{"DescribeTaskDefinition": {definition}}}
	_, err := client(t, p).Start(t.Context(), Request{Step: "test", Variables: map[string]string{"A": strings.Repeat("x", 8200)}}, func(string) {})
	if err == nil || !strings.Contains(err.Error(), "ECS takes 8192") || slices.Contains(p.asked, "RunTask") {
		t.Errorf("%v %v", err, p.asked)
	}
}

func TestNobodyMayStartIt(t *testing.T) {
	p := &played{answers: map[string][]string{"DescribeTaskDefinition": {definition}, "RunTask": {"!AccessDeniedException"}}}
	_, err := client(t, p).Start(context.Background(), Request{Step: "test"}, func(string) {})
	var e *Error
	if !asError(err, &e) || !strings.Contains(e.Advice, "iam:PassRole") {
		t.Error(err)
	}
}

func TestLinesLookAsOnALaptop(t *testing.T) {
	for line, want := range map[string]string{
		`{"time":"2026-11-23T08:00:00Z","level":"ERROR","msg":"step failed","step":"test","run_id":"r","branch":"main","sha":"0","task":"t","reason":"failure","exit_code":7}`: "step failed reason=failure exit_code=7\n",
		`{"time":"2026-11-23T08:00:00Z","msg":"a line","source":"command","step":"test"}`:                                                                                      "a line\n",
		`{"_aws":{},"Runs":1}`: "",
		"no JSON":              "no JSON\n",
		`{"a":1}`:              `{"a":1}` + "\n",
		`{"msg":"x"} and more`: `{"msg":"x"} and more` + "\n",
	} {
		var out strings.Builder
		v := NewView(&out, logs.Text, false)
		v.Line(line)
		v.Close()
		if got := out.String(); !strings.HasSuffix(got, want) || want == "" && got != "" {
			t.Errorf("%s becomes %q", line, got)
		}
	}
	var out strings.Builder
	v := NewView(&out, logs.Text, false)
	v.Line(`{"msg":"half ","source":"command","partial":true}`)
	v.Line(`{"msg":"a line","source":"command"}`)
	v.Close()
	if out.String() != "half a line\n" {
		t.Errorf("%q", out.String())
	}
}

package remote

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/carlin-cicd/runner/runner/logs"
	"github.com/carlin-cicd/runner/runner/terminal"
)

// played is an ECS and a CloudWatch Logs that say what a test wants them to, call by call; the last answer stays.
type played struct {
	mu      sync.Mutex
	answers map[string][]string      // by operation; "!code" or "!code: message" is a refusal, "" is a connection that is cut
	made    map[string]func() string // answers that are made when they are asked for
	asked   []string
	inputs  map[string][]string // by operation
}

func (p *played) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	input, _ := io.ReadAll(r.Body)
	p.mu.Lock()
	p.asked = append(p.asked, operation)
	if p.inputs == nil {
		p.inputs = map[string][]string{}
	}
	p.inputs[operation] = append(p.inputs[operation], string(input))
	var answer string
	if answers := p.answers[operation]; len(answers) > 0 {
		answer = answers[0]
		if len(answers) > 1 {
			p.answers[operation] = answers[1:]
		}
	} else {
		answer = p.made[operation]()
	}
	p.mu.Unlock()
	code, refused := strings.CutPrefix(answer, "!")
	switch {
	case answer == "":
		panic(http.ErrAbortHandler)
	case refused:
		w.WriteHeader(http.StatusBadRequest)
		code, message, _ := strings.Cut(code, ": ")
		fmt.Fprintf(w, `{"__type":%q,"message":%q}`, code, cmp.Or(message, "no"))
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
	c.PollInterval = time.Millisecond
	return c
}

// viewed keeps what is shown.
type viewed struct{ lines, told []string }

func (v *viewed) Line(text string) bool { v.lines = append(v.lines, text); return text == "last" }
func (v *viewed) Notice(message string) { v.told = append(v.told, message) }

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
		"DescribeTasks": {
			task(
				"STOPPED",
				`,"stopCode":"SpotInterruption","stoppedReason":"Your Spot Task was interrupted.","containers":[{"exitCode":143}]`,
			),
		},
	}}
	ended, err := client(t, p).Follow(t.Context(), Task{ARN: "arn:task/1"}, nil, &viewed{})
	if err != nil || ended.ExitCode != 143 || !strings.Contains(ended.Reason, "Spot took its capacity back") {
		t.Errorf("%+v %v", ended, err)
	}
}

func TestATaskThatDoesNotComeUpIsStopped(t *testing.T) {
	p := &played{answers: map[string][]string{"DescribeTasks": {task("PENDING", "")}, "StopTask": {"{}"}}}
	c := client(t, p)
	c.StartTimeout = 5 * time.Millisecond
	_, err := c.Follow(t.Context(), Task{ARN: "arn:task/1"}, nil, &viewed{})
	if err == nil || !strings.Contains(err.Error(), "still pending") || !slices.Contains(p.asked, "StopTask") {
		t.Errorf("%v %v", err, p.asked)
	}
}

func TestToldToStopTheTaskIsStoppedAndFollowedToItsEnd(t *testing.T) {
	p := &played{answers: map[string][]string{
		"DescribeTasks": {
			task("RUNNING", ""),
			task("DEACTIVATING", ""),
			task("STOPPED", `,"stopCode":"UserInitiated","stoppedReason":"told","containers":[{"exitCode":143}]`),
		}, "StopTask": {"{}"},
	}}
	stop := make(chan string, 1)
	stop <- "told"
	ended, err := client(t, p).Follow(t.Context(), Task{ARN: "arn:task/1"}, stop, &viewed{})
	if err != nil || ended.ExitCode != 143 || !slices.Contains(p.asked, "StopTask") {
		t.Errorf("%+v %v %v", ended, err, p.asked)
	}
}

const missing = `{"tasks":[],"failures":[{"reason":"MISSING"}]}`

func TestATaskThatNotAllOfECSHasHeardOfIsLookedForAgain(t *testing.T) {
	p := &played{
		answers: map[string][]string{"DescribeTasks": {missing, missing, task("RUNNING", ""), task("STOPPED", failed)}},
	}
	ended, err := client(t, p).Follow(t.Context(), Task{ARN: "arn:task/1"}, nil, &viewed{})
	if err != nil || ended.ExitCode != 7 {
		t.Errorf("%+v %v", ended, err)
	}
	p = &played{answers: map[string][]string{"DescribeTasks": {missing}}}
	if _, err := client(t, p).Follow(t.Context(), Task{ARN: "arn:task/1"}, nil, &viewed{}); err == nil ||
		!strings.Contains(err.Error(), "does not know the task 1") {
		t.Error(err)
	}
}

// The lid of a laptop was shut, and an hour after its end ECS has forgotten the task: its log is there.
func TestOfATaskThatIsForgottenTheLogIsShown(t *testing.T) {
	p := &played{answers: map[string][]string{
		"DescribeTasks": {
			task("RUNNING", ""),
			missing,
		}, "GetLogEvents": {events("1", "one"), events("1"), events("2", "last"), events("2")},
	}}
	v := &viewed{}
	_, err := client(t, p).Follow(t.Context(), Task{ARN: "arn:task/1", group: "g", stream: "s"}, nil, v)
	if err == nil || !strings.Contains(err.Error(), "any longer") || !slices.Equal(v.lines, []string{"one", "last"}) {
		t.Errorf("%v %v", err, v.lines)
	}
}

func TestTheExitCodeIsThatOfTheStepsOwnContainer(t *testing.T) {
	p := &played{
		answers: map[string][]string{
			"DescribeTasks": {task("STOPPED", `,"startedAt":1,"stopCode":"EssentialContainerExited","containers":[`+
				`{"name":"aws-guardduty-agent-x","exitCode":0},{"name":"runner","exitCode":7},{"name":"another","exitCode":1}]`)},
		},
	}
	ended, err := client(t, p).Follow(t.Context(), Task{ARN: "arn:task/1", container: "runner"}, nil, &viewed{})
	if err != nil || ended.ExitCode != 7 {
		t.Errorf("%+v %v", ended, err)
	}
}

func TestATaskWithAnUnknownEndDidRun(t *testing.T) {
	for name, answers := range map[string][]string{
		"as ECS says":  {task("STOPPED", `,"startedAt":1.7e9,"stopCode":"SpotInterruption","stoppedReason":"Your Spot Task was interrupted.","containers":[{"name":"runner"}]`)},
		"as we saw it": {task("RUNNING", ""), task("DEPROVISIONING", ""), task("STOPPED", `,"stoppedReason":"Host EC2 terminated.","containers":[]`)},
	} {
		t.Run(name, func(t *testing.T) {
			p := &played{
				answers: map[string][]string{
					"DescribeTasks": answers,
					"GetLogEvents":  {events("1", "one", "last"), events("1")},
				},
			}
			v := &viewed{}
			_, err := client(
				t,
				p,
			).Follow(
				t.Context(),
				Task{ARN: "arn:task/1", container: "runner", group: "g", stream: "s"},
				nil,
				v,
			)
			if err == nil || strings.Contains(err.Error(), "never ran") ||
				!strings.Contains(err.Error(), "does not know how it ended") ||
				!slices.Contains(v.lines, "last") {
				t.Errorf("%v %v", err, v.lines)
			}
		})
	}
	p := &played{
		answers: map[string][]string{
			"DescribeTasks": {
				task("PENDING", ""),
				task("DEPROVISIONING", ""),
				task(
					"STOPPED",
					`,"stopCode":"TaskFailedToStart","stoppedReason":"CannotPullContainerError: gone","containers":[{"name":"runner"}]`,
				),
			},
		},
	}
	if _, err := client(t, p).Follow(t.Context(), Task{ARN: "arn:task/1", container: "runner"}, nil, &viewed{}); err == nil ||
		!strings.Contains(err.Error(), "never ran: CannotPull") {
		t.Error(err)
	}
}

// A log that grows faster than it is read must not delay the look at the task.
func TestALogThatGrowsFasterThanItIsReadDoesNotDelayAStop(t *testing.T) {
	stop := make(chan string, 1)
	page, stopped := 0, false
	p := &played{answers: map[string][]string{}, made: map[string]func() string{
		"GetLogEvents": func() string {
			page++
			if page == 3 {
				stop <- "told"
			}
			if stopped {
				return events("end", "last")
			}
			return events(fmt.Sprint(page), "again")
		},
		"StopTask": func() string { stopped = true; return "{}" },
		"DescribeTasks": func() string {
			if stopped {
				return task("STOPPED", `,"stopCode":"UserInitiated","containers":[{"exitCode":143}]`)
			}
			return task("RUNNING", "")
		},
	}}
	v := &viewed{}
	ended, err := client(t, p).Follow(t.Context(), Task{ARN: "arn:task/1", group: "g", stream: "s"}, stop, v)
	if err != nil || ended.ExitCode != 143 || v.lines[len(v.lines)-1] != "last" {
		t.Errorf("%+v %v after %d pages", ended, err, page)
	}
}

func TestATaskIsStoppedOnceAWSIsReachedAgain(t *testing.T) {
	p := &played{answers: map[string][]string{
		"StopTask": {"", "!InvalidParameterException", "{}"},
		"DescribeTasks": {
			missing,
			task("RUNNING", ""),
			task("STOPPED", `,"stopCode":"UserInitiated","containers":[{"exitCode":143}]`),
		},
	}}
	stop := make(chan string, 1)
	stop <- "told"
	v := &viewed{}
	c := impatient(t, p)
	ended, err := c.Follow(t.Context(), Task{ARN: "arn:task/1"}, stop, v)
	if told := strings.Join(v.told, "\n"); err != nil || ended.ExitCode != 143 ||
		!strings.Contains(told, "cannot be reached") ||
		!strings.Contains(told, "reached again") {
		t.Errorf("%+v %v: %s", ended, err, told)
	}
	p.answers = map[string][]string{"StopTask": {"!AccessDeniedException"}, "DescribeTasks": {task("RUNNING", "")}}
	stop <- "told"
	var e *Error
	if _, err := c.Follow(t.Context(), Task{ARN: "arn:task/1"}, stop, v); !asError(err, &e) ||
		!strings.Contains(e.Advice, "ecs:StopTask") {
		t.Error(err)
	}
}

func TestCredentialsThatExpireSaySo(t *testing.T) {
	p := &played{answers: map[string][]string{"DescribeTasks": {task("RUNNING", ""), "!ExpiredTokenException"}}}
	_, err := client(t, p).Follow(t.Context(), Task{ARN: "arn:task/1"}, nil, &viewed{})
	var e *Error
	if !asError(err, &e) || !strings.Contains(e.Error(), "the task 1 goes on") ||
		!strings.Contains(e.Advice, "shorter-lived") {
		t.Errorf("%v, %+v", err, e)
	}
	// The task's end is known by then, and only the log's is not.
	p = &played{
		answers: map[string][]string{
			"DescribeTasks": {task("STOPPED", failed)},
			"GetLogEvents":  {"!ExpiredTokenException"},
		},
	}
	v := &viewed{}
	ended, err := client(t, p).Follow(t.Context(), Task{ARN: "arn:task/1", group: "g", stream: "s"}, nil, v)
	if err != nil || ended.ExitCode != 7 ||
		!strings.Contains(strings.Join(v.told, "\n"), "the end of the log cannot be read") {
		t.Errorf("%+v %v %v", ended, err, v.told)
	}
}

func TestCredentialsThatCannotBeRenewedForTheMomentAreWaitedFor(t *testing.T) {
	p := &played{answers: map[string][]string{"DescribeTasks": {task("RUNNING", ""), task("STOPPED", failed)}}}
	c := client(t, p)
	renewed := 0
	c.ecs.Config.Credentials = aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		if renewed++; renewed == 2 {
			return aws.Credentials{}, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}
		return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
	})
	if ended, err := c.Follow(t.Context(), Task{ARN: "arn:task/1"}, nil, &viewed{}); err != nil || ended.ExitCode != 7 {
		t.Errorf("%+v %v", ended, err)
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

func TestLinesOfATaskDoNotActOnTheTerminal(t *testing.T) {
	for format, lines := range map[logs.Format]map[string]string{
		logs.Text: {
			"past the log \x1b[2J\u202e\u009b":                                       "past the log <U+202E><U+009B>\n",
			`{"msg":"a\u202e\u001b[2J\u009bb","source":"command"}`:                   "a<U+202E><U+009B>b\n",
			`{"level":"INFO","msg":"running\u202e\u001b[2J","error":"\u009b\u2066"}`: `running<U+202E>␛[2J error="\u009b\u2066"` + "\n",
		},
		logs.JSON: {
			"past the log \x1b[2J\u202e\u009b": `"msg":"past the log \u202e\u009b","source":"command","seq":1}` + "\n",
			"{\"msg\":\"a\u202e\"}":            `{"msg":"a\u202e"}` + "\n",
		},
	} {
		for line, want := range lines {
			var out strings.Builder
			v := NewView(&out, format, false)
			v.Line(line)
			v.Close()
			if !strings.HasSuffix(out.String(), want) || strings.ContainsFunc(strings.TrimSpace(out.String()), terminal.IsUnsafe) {
				t.Errorf("%q becomes %q, want %q", line, &out, want)
			}
		}
	}
}

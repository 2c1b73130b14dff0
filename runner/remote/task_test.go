package remote

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

const definition = `{"taskDefinition":{"containerDefinitions":[{"name":"runner","logConfiguration":{"logDriver":"awslogs","options":{"awslogs-group":"g","awslogs-stream-prefix":"test"}}}]}}`

func TestCapacityIsWaitedFor(t *testing.T) {
	p := &played{answers: map[string][]string{
		"DescribeTaskDefinition": {definition},
		"RunTask": {
			`{"failures":[{"reason":"Capacity is unavailable at this time"}]}`,
			`{"tasks":[{"taskArn":"arn:task/1"}]}`,
		},
	}}
	waited := 0
	got, err := client(t, p).Start(t.Context(), Request{Step: "test"}, func(string) { waited++ })
	if err != nil || waited != 1 || got.ARN != "arn:task/1" || got.stream != "test/runner/1" || got.group != "g" {
		t.Errorf("%+v %v %d", got, err, waited)
	}
	p.answers["RunTask"] = []string{`{"failures":[{"reason":"Capacity is unavailable at this time"}]}`}
	c := client(t, p)
	c.StartTimeout = time.Millisecond
	if _, err := c.Start(t.Context(), Request{Step: "test"}, func(string) {}); err == nil ||
		!strings.Contains(err.Error(), "Capacity is unavailable") {
		t.Error(err)
	}
}

func TestWhatIsTooLongIsRefusedBeforeAnythingIsStarted(t *testing.T) {
	p := &played{answers: map[string][]string{"DescribeTaskDefinition": {definition}}}
	_, err := client(
		t,
		p,
	).Start(
		t.Context(),
		Request{Step: "test", Variables: map[string]string{"A": strings.Repeat("x", 8200)}},
		func(string) {},
	)
	if err == nil || !strings.Contains(err.Error(), "ECS accepts 8192") || slices.Contains(p.asked, "RunTask") {
		t.Errorf("%v %v", err, p.asked)
	}
}

func TestADeniedStartIsAnError(t *testing.T) {
	p := &played{
		answers: map[string][]string{"DescribeTaskDefinition": {definition}, "RunTask": {"!AccessDeniedException"}},
	}
	_, err := client(t, p).Start(context.Background(), Request{Step: "test"}, func(string) {})
	var e *Error
	if !asError(err, &e) || !strings.Contains(e.Advice, "iam:PassRole") {
		t.Error(err)
	}
}

// impatient is a client that does not try a call again by itself, so that what is tried again is ours.
func impatient(t *testing.T, p *played) *Client {
	c := client(t, p)
	c.ecs.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = 1 })
	return c
}

// tokens are those of all requests for a task.
func tokens(t *testing.T, p *played) []string {
	t.Helper()
	var all []string
	for _, text := range p.inputs["RunTask"] {
		var input runTask
		if err := json.Unmarshal([]byte(text), &input); err != nil || len(input.Token) < 20 || len(input.Token) > 64 {
			t.Fatalf("%v: %s", err, text)
		}
		all = append(all, input.Token)
	}
	return all
}

const (
	taken = `{"tasks":[{"taskArn":"arn:task/1"}]}`
	full  = `{"failures":[{"reason":"Capacity is unavailable at this time"}]}`
)

func TestAnAnswerThatIsLostStartsNoSecondTask(t *testing.T) {
	p := &played{
		answers: map[string][]string{
			"DescribeTaskDefinition": {definition},
			"RunTask":                {"", "!ThrottlingException", taken},
		},
	}
	var told []string
	got, err := impatient(
		t,
		p,
	).Start(
		t.Context(),
		Request{Step: "test"},
		func(reason string) { told = append(told, reason) },
	)
	if asked := tokens(t, p); err != nil || got.ARN != "arn:task/1" || len(asked) != 3 || asked[0] != asked[1] ||
		asked[1] != asked[2] {
		t.Errorf("%+v, %v with the tokens %v", got, err, asked)
	}
	if len(told) != 2 || !strings.HasPrefix(told[0], "AWS cannot be reached: ") {
		t.Errorf("told is %q", told)
	}
}

func TestAnAnswerThatThereIsNoTaskUsesItsTokenUp(t *testing.T) {
	p := &played{answers: map[string][]string{"DescribeTaskDefinition": {definition}, "RunTask": {full, taken}}}
	_, err := client(t, p).Start(t.Context(), Request{Step: "test"}, func(string) {})
	if asked := tokens(t, p); err != nil || len(asked) != 2 || asked[0] == asked[1] {
		t.Errorf("%v with the tokens %v", err, asked)
	}
}

// RunTask refuses by errors of general names, too, and their messages say that it may pass.
func TestARefusalThatMayPassIsTriedAgain(t *testing.T) {
	for refusal, again := range map[string]bool{
		"ClientException: Capacity is unavailable at this time. Please try again later or in a different availability zone":                            true,
		"ClientException: You've reached the limit on the number of vCPUs you can run concurrently":                                                    true,
		"InvalidParameterException: Error retrieving security group information for [sg-1]: Request limit exceeded. (ErrorCode: RequestLimitExceeded)": true,
		"ServerException: Service Unavailable. Please try again later.":                                                                                true,
		"ThrottlingException: Rate exceeded":                                 true,
		"InvalidParameterException: The subnet ID 'subnet-a' does not exist": false,
		"ClientException: TaskDefinition is inactive":                        false,
	} {
		p := &played{answers: map[string][]string{"DescribeTaskDefinition": {definition}, "RunTask": {"!" + refusal, taken}}}
		_, err := impatient(t, p).Start(t.Context(), Request{Step: "test"}, func(string) {})
		if asked := tokens(t, p); (err == nil) != again || (len(asked) == 2) != again {
			t.Errorf("%s: %v after %d attempts", refusal, err, len(asked))
		}
	}
}

func TestATaskThatMayHaveBeenStartedIsToldOf(t *testing.T) {
	p := &played{answers: map[string][]string{"DescribeTaskDefinition": {definition}, "RunTask": {""}}}
	c := impatient(t, p)
	c.StartTimeout = time.Millisecond
	_, err := c.Start(t.Context(), Request{Step: "test", StartedBy: "octocat"}, func(string) {})
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(e.Message, "may have started a task") ||
		!strings.HasSuffix(e.Advice, "--started-by octocat") {
		t.Errorf("%v, %+v", err, e)
	}
}

func TestWhoIsToldToStopWhileATaskIsStartedHearsOfIt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := &played{
		answers: map[string][]string{"DescribeTaskDefinition": {definition}},
		made:    map[string]func() string{"RunTask": func() string { cancel(); return taken }},
	}
	got, err := client(t, p).Start(ctx, Request{Step: "test"}, func(string) {})
	if err != nil || got.ARN != "arn:task/1" {
		t.Errorf("a running task is not returned: %+v, %v", got, err)
	}
	p.made["RunTask"] = func() string { return taken }
	if got, err := client(t, p).Start(ctx, Request{Step: "test"}, func(string) {}); !errors.Is(err, context.Canceled) ||
		got.ARN != "" {
		t.Errorf("who was told to stop starts %+v, %v", got, err)
	}
}

func TestWhatTheAccountMayHaveIsWaitedFor(t *testing.T) {
	for reason, again := range map[string]bool{
		"Capacity is unavailable at this time. Please try again later or in a different availability zone": true,
		"You’ve reached the limit on the number of vCPUs you can run concurrently":                         true,
		"You've reached the limit on the number of tasks you can run concurrently":                         true,
		"RESOURCE:MEMORY": true,
		"MISSING":         false,
	} {
		answer, _ := json.Marshal(map[string]any{"failures": []any{map[string]string{"reason": reason}}})
		p := &played{
			answers: map[string][]string{"DescribeTaskDefinition": {definition}, "RunTask": {string(answer), taken}},
		}
		if _, err := client(t, p).Start(t.Context(), Request{Step: "test"}, func(string) {}); (err == nil) != again {
			t.Errorf("%s: %v", reason, err)
		}
	}
}

// ECS refuses the request for any other letter.
func TestWhoHasStartedItIsWrittenAsECSTakesIt(t *testing.T) {
	for who, want := range map[string]string{
		"octocat": "octocat", "john.doe@example.com": "john-doe-example-com", "Jörg Müller": "J-rg-M-ller", "github/17_a": "github/17_a",
		"": "", strings.Repeat("a", 200): strings.Repeat("a", 128),
	} {
		p := &played{answers: map[string][]string{"DescribeTaskDefinition": {definition}, "RunTask": {taken}}}
		if _, err := client(t, p).Start(t.Context(), Request{Step: "test", StartedBy: who}, func(string) {}); err != nil {
			t.Fatal(err)
		}
		var input runTask
		if err := json.Unmarshal([]byte(p.inputs["RunTask"][0]), &input); err != nil || input.StartedBy != want {
			t.Errorf("%q is written %q, not %q (%v)", who, input.StartedBy, want, err)
		}
	}
}

// A request to start a task can set another role or command: ours sets neither.
func TestATaskIsToldVariablesAndNothingElse(t *testing.T) {
	p := &played{answers: map[string][]string{"DescribeTaskDefinition": {definition}, "RunTask": {taken}}}
	if _, err := client(t, p).Start(t.Context(), Request{Step: "lint", Variables: map[string]string{"GIT_SHA": "0", "BRANCH": "main"}}, func(string) {}); err != nil {
		t.Fatal(err)
	}
	var input struct{ Overrides json.RawMessage }
	const want = `{"containerOverrides":[{"name":"runner","environment":[{"name":"PIPELINE_STEP","value":"lint"},{"name":"BRANCH","value":"main"},{"name":"GIT_SHA","value":"0"}]}]}`
	if err := json.Unmarshal([]byte(p.inputs["RunTask"][0]), &input); err != nil || string(input.Overrides) != want {
		t.Errorf("%s, not %s (%v)", input.Overrides, want, err)
	}
}

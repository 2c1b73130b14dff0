package remote

import (
	"slices"
	"strings"
	"testing"
)

func TestATaskIsFoundAndFollowed(t *testing.T) {
	p := &played{answers: map[string][]string{
		"DescribeTasks": {
			`{"tasks":[{"taskArn":"arn:task/ci/1","taskDefinitionArn":"ci-Test:1"}]}`, task("RUNNING", ""), task("STOPPED", passed),
		},
		"DescribeTaskDefinition": {definition},
		"GetLogEvents":           {events("1", "one"), events("2", "last"), events("2")},
	}}
	c := client(t, p)
	found, err := c.FindTask(t.Context(), "1")
	if err != nil || found.ARN != "arn:task/ci/1" {
		t.Fatalf("%+v, %v", found, err)
	}
	view := &viewed{}
	end, err := c.Follow(t.Context(), found, nil, view)
	if err != nil || end.ExitCode != 0 || !slices.Equal(view.lines, []string{"one", "last"}) {
		t.Errorf("%+v, %v, %q", end, err, view.lines)
	}
	if input := p.inputs["GetLogEvents"][0]; !strings.Contains(input, "/1\"") {
		t.Errorf("the log stream is of %s", input)
	}
}

func TestATaskThatIsNotKnown(t *testing.T) {
	c := client(t, &played{answers: map[string][]string{"DescribeTasks": {`{"tasks":[]}`}}})
	if _, err := c.FindTask(t.Context(), "1"); err == nil || !strings.Contains(err.Error(), "does not know the task 1") {
		t.Errorf("the error is %v", err)
	}
}

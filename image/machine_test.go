//go:build container

package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// execution is how the machine ended.
type execution struct {
	Status  string
	Visited []string
	Tasks   []struct {
		ARN      string `json:"arn"`
		Family   string
		ExitCode *int
		StopCode string
		Reason   string
	}
	text string
}

func (x execution) families() string {
	var all []string
	for _, task := range x.Tasks {
		all = append(all, task.Family)
	}
	return strings.Join(all, " ")
}

// push is a push to main, from GitHub's request to the machine's end.
func (c *chain) push(
	t *testing.T,
	sha string,
	meanwhile func(running context.Context, t *testing.T, c *chain, address, execution string),
) execution {
	t.Helper()
	return c.run(t, c.send(t, "push", "push.json", "6113728f27ae82c7b1a177c8d03f9e96e0adf246", sha), meanwhile)
}

// run runs the machine with a message to its end.
func (c *chain) run(
	t *testing.T,
	message string,
	meanwhile func(running context.Context, t *testing.T, c *chain, address, execution string),
) execution {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	machine := exec.CommandContext(
		ctx,
		"node",
		filepath.Join(top(t), "infra/test/cloud.mjs"),
		c.cloud.Endpoint,
		c.machine,
	)
	machine.Stdin = strings.NewReader(message)
	out, err := machine.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	machine.Stderr = &said
	if err := machine.Start(); err != nil {
		t.Fatal(err)
	}
	answers := json.NewDecoder(out)
	var first struct{ Address, Execution string }
	var text json.RawMessage
	err = answers.Decode(&first)
	running, stopped := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		defer stopped()
		done <- errors.Join(answers.Decode(&text), machine.Wait())
	}()
	if err == nil && meanwhile != nil {
		meanwhile(running, t, c, first.Address, first.Execution)
	}
	if err := errors.Join(err, <-done); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	var ended execution
	if err := json.Unmarshal(text, &ended); err != nil {
		t.Fatal(err)
	}
	ended.text = string(text)
	return ended
}

// token waits for the token of the approval for production. It is "" if the machine ends before.
func (c *chain) token(running context.Context, t *testing.T, environment, execution string) string {
	t.Helper()
	var got struct {
		Item map[string]struct{ S string }
	}
	for ; got.Item == nil; time.Sleep(300 * time.Millisecond) {
		if running.Err() != nil {
			return ""
		}
		c.call(
			t,
			"dynamodb",
			"DynamoDB_20120810.GetItem",
			map[string]any{
				"TableName": c.table,
				"Key":       map[string]any{"id": map[string]string{"S": "token#" + environment + "#" + execution}},
			},
			&got,
		)
	}
	return got.Item["token"].S
}

// approve waits for the request for approval and grants it, unless the machine ends before.
func approve(running context.Context, t *testing.T, c *chain, address, execution string) {
	t.Helper()
	token := c.token(running, t, "production", execution)
	if token == "" {
		return // it ended without asking: what it printed says why
	}
	decide := exec.CommandContext(
		running,
		c.runner,
		"pipeline",
		"approve",
		execution,
		"--yes",
		"--stack",
		c.name,
		"--reason",
		"it is green",
	)
	decide.Env = append(os.Environ(), "AWS_ENDPOINT_URL_SFN="+address, "USER=octocat", "BRANCH=main")
	said, err := decide.CombinedOutput()
	if err != nil || !strings.Contains(string(said), "approved for production, by arn:") ||
		!strings.Contains(string(said), ", builds sha256 ") || strings.Contains(string(said), token) {
		t.Errorf("%v: %s", err, said)
	}
}

// events are what a task has written to CloudWatch Logs.
func (c *chain) events(t *testing.T, arn, family string) string {
	t.Helper()
	var described struct {
		TaskDefinition struct {
			ContainerDefinitions []struct {
				LogConfiguration struct{ Options map[string]string }
			}
		}
	}
	c.call(
		t,
		"ecs",
		"AmazonEC2ContainerServiceV20141113.DescribeTaskDefinition",
		map[string]any{"taskDefinition": family},
		&described,
	)
	options := described.TaskDefinition.ContainerDefinitions[0].LogConfiguration.Options
	stream := options["awslogs-stream-prefix"] + "/runner/" + arn[strings.LastIndexByte(arn, '/')+1:]
	var all strings.Builder
	for token := ""; ; {
		input := map[string]any{
			"logGroupName":  options["awslogs-group"],
			"logStreamName": stream,
			"startFromHead": true,
		}
		if token != "" {
			input["nextToken"] = token
		}
		var page struct {
			Events           []struct{ Message string }
			NextForwardToken string `json:"nextForwardToken"`
		}
		c.call(t, "logs", "Logs_20140328.GetLogEvents", input, &page)
		for _, event := range page.Events {
			all.WriteString(event.Message + "\n")
		}
		if page.NextForwardToken == token {
			return all.String()
		}
		token = page.NextForwardToken
	}
}

// logs is what the last task of an execution has to say.
func (c *chain) logs(t *testing.T, x execution) string {
	if len(x.Tasks) == 0 {
		return ""
	}
	last := x.Tasks[len(x.Tasks)-1]
	return tail(c.events(t, last.ARN, last.Family))
}

// lines fails unless the log of a task has all the texts.
func (c *chain) lines(t *testing.T, x execution, family string, texts ...string) {
	t.Helper()
	for _, task := range x.Tasks {
		if task.Family != family {
			continue
		}
		said := c.events(t, task.ARN, family)
		for _, text := range texts {
			if !strings.Contains(said, text) {
				t.Errorf("the log of %s lacks %s\n%s", family, text, tail(said))
			}
		}
	}
}

// tells fails unless this is the next notification.
func (c *chain) tells(t *testing.T, what, sha string) {
	t.Helper()
	if said := c.receive(t, c.told); !strings.Contains(said, what) || !strings.Contains(said, sha) {
		t.Errorf("the notification is %s", said)
	}
}

// unlocked fails if a lock is held.
func (c *chain) unlocked(t *testing.T) {
	t.Helper()
	for _, key := range c.store.keys(t) {
		if !strings.HasPrefix(key, "locks/") {
			continue
		}
		var lock struct{ Expires, Released time.Time }
		if err := json.Unmarshal(c.store.get(t, key), &lock); err != nil || lock.Released.IsZero() {
			t.Errorf("%s is held: %s %v", key, c.store.get(t, key), err)
		}
	}
}

package remote

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/carlin-cicd/runner/runner/awsjson"
)

// Request is a step to run on a cluster.
type Request struct {
	Step, Environment string
	Variables         map[string]string // besides: BRANCH, GIT_SHA and the like
	Spot              bool
	StartedBy         string // at most 36 characters of it are kept
}

// maxOverrides is what ECS takes of overrides, in characters.
const maxOverrides = 8192

// Client runs steps on one cluster.
type Client struct {
	Cluster  Cluster
	Poll     time.Duration // between two looks; 0: a second
	Patience time.Duration // for capacity, and for a task to come up; 0: ten minutes

	ecs, logs *awsjson.Client
}

// NewClient returns a client for a cluster. The error is a *awsjson.RegionError.
func NewClient(ctx context.Context, config aws.Config, cluster Cluster) (*Client, error) {
	ecs, err := awsjson.New(ctx, config, awsjson.Service{Name: "ecs", ID: "ECS", Target: "AmazonEC2ContainerServiceV20141113"})
	if err != nil {
		return nil, err
	}
	logs, err := awsjson.New(ctx, config, awsjson.Service{Name: "logs", ID: "CloudWatch Logs", Target: "Logs_20140328"})
	return &Client{Cluster: cluster, Poll: time.Second, Patience: 10 * time.Minute, ecs: ecs, logs: logs}, err
}

// Task is one that was started.
type Task struct {
	ARN           string
	group, stream string // of its log; empty: it has none that can be followed
}

// ID is the last part of the ARN.
func (t Task) ID() string { return t.ARN[strings.LastIndexByte(t.ARN, '/')+1:] }

type keyValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type containerOverride struct {
	Name        string     `json:"name"`
	Environment []keyValue `json:"environment"`
}

type overrides struct {
	ContainerOverrides []containerOverride `json:"containerOverrides"`
}

type vpc struct {
	Subnets        []string `json:"subnets"`
	SecurityGroups []string `json:"securityGroups"`
	AssignPublicIP string   `json:"assignPublicIp"`
}

type capacity struct {
	Provider string `json:"capacityProvider"`
	Weight   int    `json:"weight"`
}

type runTask struct {
	Cluster    string     `json:"cluster"`
	Definition string     `json:"taskDefinition"`
	Token      string     `json:"clientToken"`
	Group      string     `json:"group"`
	StartedBy  string     `json:"startedBy,omitempty"`
	Capacity   []capacity `json:"capacityProviderStrategy"`
	Network    struct {
		VPC vpc `json:"awsvpcConfiguration"`
	} `json:"networkConfiguration"`
	Overrides overrides `json:"overrides"`
}

// Start starts the step's task, and waits a bounded time for capacity, of which waiting is told. The error is an *Error, one
// of awsjson's or the context's.
func (c *Client) Start(ctx context.Context, r Request, waiting func(reason string)) (Task, error) {
	name, own, err := c.Cluster.definition(r.Step, r.Environment)
	if err != nil {
		return Task{}, err
	}
	input := runTask{Token: rand.Text(), Group: "ci:" + r.Step, StartedBy: r.StartedBy[:min(len(r.StartedBy), 36)], Capacity: []capacity{{"FARGATE", 1}}}
	if r.Spot {
		input.Capacity[0].Provider = "FARGATE_SPOT"
	}
	var subnets, group string
	for _, o := range []struct {
		name  string
		value *string
	}{{"ClusterArn", &input.Cluster}, {name, &input.Definition}, {"SubnetIds", &subnets}, {"SecurityGroupId", &group}, {"AssignPublicIp", &input.Network.VPC.AssignPublicIP}} {
		if *o.value, err = c.Cluster.output(o.name); err != nil {
			return Task{}, err
		}
	}
	input.Network.VPC.Subnets, input.Network.VPC.SecurityGroups = strings.Split(subnets, ","), []string{group}
	task := Task{}
	container, err := c.describe(ctx, input.Definition, &task)
	if err != nil {
		return Task{}, err
	}
	override := containerOverride{Name: container}
	if own {
		override.Environment = append(override.Environment, keyValue{"PIPELINE_STEP", r.Step})
	}
	for _, name := range sortedKeys(r.Variables) {
		override.Environment = append(override.Environment, keyValue{name, r.Variables[name]})
	}
	input.Overrides.ContainerOverrides = []containerOverride{override}
	if text, _ := json.Marshal(input.Overrides); len(text) > maxOverrides {
		return Task{}, &Error{Message: fmt.Sprintf("what the task is to be told is %d characters long, and ECS takes %d", len(text), maxOverrides), Advice: "put long values into the task definition or into a secret"}
	}
	if task.ARN, err = c.place(ctx, input, waiting); err != nil {
		return Task{}, err
	}
	if task.group != "" {
		task.stream += "/" + container + "/" + task.ID()
	}
	return task, nil
}

// place asks ECS to run the task until there is room for it.
func (c *Client) place(ctx context.Context, input runTask, waiting func(reason string)) (arn string, err error) {
	pause := c.Poll
	for begun := time.Now(); ; {
		var output struct {
			Tasks    []struct{ TaskArn string }
			Failures []struct{ Reason, Detail string }
		}
		switch err := c.ecs.Call(ctx, "RunTask", input, &output); {
		case awsjson.Is(err, "AccessDeniedException"):
			return "", &Error{Message: "the task may not be started", Advice: "allow ecs:RunTask on its definition, and iam:PassRole on its two roles", Err: err}
		case err != nil:
			return "", &Error{Message: "the task cannot be started", Advice: "see what ECS says", Err: err}
		case len(output.Tasks) > 0:
			return output.Tasks[0].TaskArn, nil
		}
		reason := "ECS gives no reason"
		if len(output.Failures) > 0 {
			reason = strings.TrimSuffix(output.Failures[0].Reason+": "+output.Failures[0].Detail, ": ")
		}
		if lower := strings.ToLower(reason); !strings.Contains(lower, "capacity") && !strings.Contains(lower, "resource") {
			return "", &Error{Message: "the task was not started: " + reason, Advice: "see the task definition and the subnets of the stack"}
		}
		if time.Since(begun) > c.Patience {
			return "", &Error{Message: "the task was not started: " + reason, Advice: "try again later, without --spot, or with subnets in more availability zones"}
		}
		waiting(reason)
		if err := sleep(ctx, pause); err != nil {
			return "", err
		}
		pause = min(2*pause, 30*time.Second)
	}
}

// describe finds the container and where its log goes.
func (c *Client) describe(ctx context.Context, definition string, task *Task) (container string, err error) {
	var output struct {
		TaskDefinition struct {
			ContainerDefinitions []struct {
				Name             string
				LogConfiguration struct {
					LogDriver string
					Options   map[string]string
				}
			}
		}
	}
	err = c.ecs.Call(ctx, "DescribeTaskDefinition", map[string]string{"taskDefinition": definition}, &output)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "", &Error{Message: "the task definition cannot be looked at", Advice: "allow ecs:DescribeTaskDefinition", Err: err}
	case len(output.TaskDefinition.ContainerDefinitions) == 0:
		return "", &Error{Message: definition + " has no container", Advice: "update the stack that it is of"}
	}
	d := output.TaskDefinition.ContainerDefinitions[0]
	if d.LogConfiguration.LogDriver == "awslogs" {
		task.group, task.stream = d.LogConfiguration.Options["awslogs-group"], d.LogConfiguration.Options["awslogs-stream-prefix"]
	}
	return d.Name, nil
}

// status is what ECS says of a task.
type status struct {
	LastStatus    string
	StopCode      string
	StoppedReason string
	Containers    []struct {
		ExitCode *int
		Reason   string
	}
}

func (c *Client) status(ctx context.Context, t Task) (status, error) {
	var output struct {
		Tasks    []status
		Failures []struct{ Reason string }
	}
	err := c.ecs.Call(ctx, "DescribeTasks", map[string]any{"cluster": c.Cluster.Outputs["ClusterArn"], "tasks": []string{t.ARN}}, &output)
	if err == nil && len(output.Tasks) == 0 {
		err = &Error{Message: "ECS does not know the task " + t.ID() + " any more", Advice: "its log is in CloudWatch, and its record in the artifact bucket"}
	}
	if err != nil {
		return status{}, err
	}
	return output.Tasks[0], nil
}

// Stop asks ECS to stop the task, as ECS does it: TERM, stopTimeout, KILL.
func (c *Client) Stop(ctx context.Context, t Task, reason string) error {
	err := c.ecs.Call(ctx, "StopTask", map[string]string{"cluster": c.Cluster.Outputs["ClusterArn"], "task": t.ARN, "reason": reason}, nil)
	if err != nil && ctx.Err() == nil {
		return &Error{Message: "the task cannot be stopped", Advice: "allow ecs:StopTask, or stop " + t.ID() + " in the console", Err: err}
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

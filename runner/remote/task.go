package remote

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts/retry"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/carlin-cicd/runner/runner/awsjson"
)

// Request is a step to run on a cluster.
type Request struct {
	Step, Environment string
	Variables         map[string]string // besides: BRANCH, GIT_SHA and the like
	Spot              bool
	StartedBy         string // who or what; ECS finds tasks by it
}

const (
	maxOverrides = 8192             // characters that ECS takes of overrides
	maxStartedBy = 128              // characters that ECS takes of the tag
	linger       = 10 * time.Second // for an answer that is under way when we are told to stop
)

// Client runs steps on one cluster.
type Client struct {
	Cluster      Cluster
	PollInterval time.Duration // between two looks; 0: a second
	StartTimeout time.Duration // for capacity, and for a task to come up; 0: ten minutes

	ecs, logs *awsjson.Client
}

// NewClient returns a client for a cluster. The error is a *awsjson.RegionError.
func NewClient(ctx context.Context, config aws.Config, cluster Cluster) (*Client, error) {
	ecs, err := awsjson.New(ctx, config, awsjson.Service{Name: "ecs", ID: "ECS", Target: "AmazonEC2ContainerServiceV20141113"})
	if err != nil {
		return nil, err
	}
	logs, err := awsjson.New(ctx, config, awsjson.Service{Name: "logs", ID: "CloudWatch Logs", Target: "Logs_20140328"})
	return &Client{Cluster: cluster, PollInterval: time.Second, StartTimeout: 10 * time.Minute, ecs: ecs, logs: logs}, err
}

// Task is one that was started.
type Task struct {
	ARN           string
	container     string // whose end is the task's; AWS may put others beside it, as GuardDuty's agent
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

// Start starts the step's task, and waits a bounded time for capacity, of which waiting is told. Once ctx has ended, nothing
// more is asked for; but a task that was asked for before is returned, for whoever called to stop. The error is an *Error, one
// of awsjson's or the context's.
func (c *Client) Start(ctx context.Context, r Request, waiting func(reason string)) (Task, error) {
	name, own, err := c.Cluster.definition(r.Step, r.Environment)
	if err != nil {
		return Task{}, err
	}
	input := runTask{Token: rand.Text(), Group: "ci:" + r.Step, StartedBy: startedBy(r.StartedBy), Capacity: []capacity{{"FARGATE", 1}}}
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
	task, err := c.describe(ctx, input.Definition)
	if err != nil {
		return Task{}, err
	}
	override := containerOverride{Name: task.container}
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
		task.stream += "/" + task.container + "/" + task.ID()
	}
	return task, nil
}

// startedBy is as much of a name as ECS takes: letters, digits, hyphens, slashes and underscores.
func startedBy(who string) string {
	who = unfitForTags.ReplaceAllString(who, "-")
	return who[:min(len(who), maxStartedBy)]
}

var unfitForTags = regexp.MustCompile(`[^A-Za-z0-9/_-]+`)

// place asks ECS to run the task until there is room for it. Asked again with the same token, ECS answers with the task that
// it has started, so that a lost response does not start a second one.
func (c *Client) place(ctx context.Context, input runTask, waiting func(reason string)) (arn string, err error) {
	deadline := time.Now().Add(c.StartTimeout)
	policy := retry.Policy{
		First: c.PollInterval, Longest: 30 * time.Second,
		Retryable: func(err error) bool {
			var not *notPlacedError
			return errors.As(err, &not) && not.retryable && time.Now().Before(deadline)
		},
		Notify: func(err error, _ time.Duration) { waiting(err.Error()) },
	}
	err = retry.Do(ctx, policy, func() error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		arn, err = c.tryPlace(ctx, &input)
		return err
	})
	var not *notPlacedError
	switch {
	case !errors.As(err, &not):
		return arn, err
	case ctx.Err() != nil && not.final.Err == nil: // ECS has said that there is no task
		return "", ctx.Err()
	}
	return "", not.final
}

// notPlacedError is an attempt to start a task after which none is known to run.
type notPlacedError struct {
	reason    string
	final     *Error // if there is no further attempt
	retryable bool
}

func (e *notPlacedError) Error() string { return e.reason }

// tryPlace makes one attempt. The error is a *notPlacedError or an *Error.
func (c *Client) tryPlace(ctx context.Context, input *runTask) (arn string, err error) {
	var output struct {
		Tasks    []struct{ TaskArn string }
		Failures []struct{ Reason, Detail string }
	}
	err = c.ask(ctx, "RunTask", *input, &output)
	switch {
	case awsjson.HasCode(err, "AccessDeniedException"):
		return "", &Error{
			Message: "the task may not be started",
			Advice:  "allow ecs:RunTask on its definition, and iam:PassRole on its two roles", Err: err,
		}
	case err != nil && !passing(err) && !errors.Is(err, context.Canceled):
		return "", &Error{Message: "the task cannot be started", Advice: "see what ECS says", Err: err}
	case err != nil:
		return "", &notPlacedError{reason: "AWS cannot be reached: " + err.Error(), retryable: ctx.Err() == nil, final: &Error{
			Message: "ECS has not answered, and may have started a task",
			Advice:  "see what aws ecs list-tasks shows with --started-by " + input.StartedBy, Err: err,
		}}
	case len(output.Tasks) > 0:
		return output.Tasks[0].TaskArn, nil
	}
	input.Token = rand.Text() // the answer was that there is no task
	reason := "ECS gives no reason"
	if len(output.Failures) > 0 {
		reason = strings.TrimSuffix(output.Failures[0].Reason+": "+output.Failures[0].Detail, ": ")
	}
	final := &Error{
		Message: "the task was not started: " + reason,
		Advice:  "try again later, without --spot, or with subnets in more availability zones",
	}
	if !isCapacity(reason) {
		final.Advice = "see the task definition and the subnets of the stack"
		return "", final
	}
	return "", &notPlacedError{reason: reason, final: final, retryable: true}
}

// isCapacity reports whether ECS may have room for a task later: Fargate has none, or all that the account may have is taken.
func isCapacity(reason string) bool {
	reason = strings.ToLower(reason)
	return strings.Contains(reason, "capacity") || strings.Contains(reason, "resource") || strings.Contains(reason, "limit on the number of")
}

// ask calls ECS. When ctx ends, an answer that is under way gets the time to arrive: it may name a task that runs.
func (c *Client) ask(ctx context.Context, operation string, input, output any) error {
	asking, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(linger, cancel) })()
	return c.ecs.Call(asking, operation, input, output)
}

// passing reports whether an error may not come again: AWS cannot be reached or is busy, or the credentials cannot be renewed
// for that reason.
func passing(err error) bool {
	var unsigned *awsjson.CredentialsError
	if errors.As(err, &unsigned) {
		err = unsigned.Err
	}
	return awsjson.IsTransient(err)
}

// describe finds the container and where its log goes: of the stream, the prefix.
func (c *Client) describe(ctx context.Context, definition string) (Task, error) {
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
	err := c.ecs.Call(ctx, "DescribeTaskDefinition", map[string]string{"taskDefinition": definition}, &output)
	switch {
	case ctx.Err() != nil:
		return Task{}, ctx.Err()
	case err != nil:
		return Task{}, &Error{Message: "the task definition cannot be looked at", Advice: "allow ecs:DescribeTaskDefinition", Err: err}
	case len(output.TaskDefinition.ContainerDefinitions) == 0:
		return Task{}, &Error{Message: definition + " has no container", Advice: "update the stack that it is of"}
	}
	d := output.TaskDefinition.ContainerDefinitions[0]
	task := Task{container: d.Name}
	if d.LogConfiguration.LogDriver == "awslogs" {
		task.group, task.stream = d.LogConfiguration.Options["awslogs-group"], d.LogConfiguration.Options["awslogs-stream-prefix"]
	}
	return task, nil
}

// status is what ECS says of a task.
type status struct {
	LastStatus    string
	StartedAt     any // nil: it never ran
	StopCode      string
	StoppedReason string
	Containers    []containerStatus
}

type containerStatus struct {
	Name     string
	ExitCode *int // nil: it never ran, or ECS does not know how it ended
	Reason   string
}

// container is the one of a name; of one alone the name does not matter.
func (s status) container(name string) containerStatus {
	for _, c := range s.Containers {
		if c.Name == name || len(s.Containers) == 1 {
			return c
		}
	}
	return containerStatus{}
}

// errMissing is a task that ECS does not know: not yet, or, an hour after it has stopped, no more.
var errMissing = errors.New("MISSING")

// status asks for a task. The error is errMissing, one of awsjson's or the context's.
func (c *Client) status(ctx context.Context, t Task) (status, error) {
	var output struct{ Tasks []status }
	err := c.ecs.Call(ctx, "DescribeTasks", map[string]any{"cluster": c.Cluster.Outputs["ClusterArn"], "tasks": []string{t.ARN}}, &output)
	switch {
	case err != nil:
		return status{}, err
	case len(output.Tasks) == 0:
		return status{}, errMissing
	}
	return output.Tasks[0], nil
}

// stop asks ECS to stop the task, as ECS does it: TERM, stopTimeout, KILL.
func (c *Client) stop(ctx context.Context, t Task, reason string) error {
	return c.ecs.Call(ctx, "StopTask", map[string]string{"cluster": c.Cluster.Outputs["ClusterArn"], "task": t.ARN, "reason": reason}, nil)
}

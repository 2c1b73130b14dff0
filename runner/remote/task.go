package remote

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
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
	StartedBy         string // a person or a workflow; ECS finds tasks by it
}

// containerName is the container of the step, in the task definitions of cicd.yaml and environment.yaml.
const containerName = "runner"

const (
	maxOverrides = 8192             // characters of overrides that ECS accepts
	maxStartedBy = 128              // characters of startedBy that ECS accepts
	linger       = 10 * time.Second // for the response to a request in flight after a stop
)

// Client runs steps on one cluster.
type Client struct {
	Cluster      Cluster
	PollInterval time.Duration // between two requests for the status; 0: a second
	StartTimeout time.Duration // for capacity, and for the task to start; 0: ten minutes

	ecs, logs, ssm *awsjson.Client
}

// NewClient returns a client for a cluster. The error is a *awsjson.RegionError.
func NewClient(ctx context.Context, config aws.Config, cluster Cluster) (*Client, error) {
	ecs, err := awsjson.New(
		ctx,
		config,
		awsjson.Service{Name: "ecs", ID: "ECS", Target: "AmazonEC2ContainerServiceV20141113"},
	)
	if err != nil {
		return nil, err
	}
	logs, err := awsjson.New(ctx, config, awsjson.Service{Name: "logs", ID: "CloudWatch Logs", Target: "Logs_20140328"})
	if err != nil {
		return nil, err
	}
	ssm, err := awsjson.New(ctx, config, awsjson.Service{Name: "ssm", ID: "SSM", Target: "AmazonSSM"})
	return &Client{
		Cluster: cluster, PollInterval: time.Second, StartTimeout: 10 * time.Minute, ecs: ecs, logs: logs, ssm: ssm,
	}, err
}

// Task is a started task.
type Task struct {
	ARN           string
	container     string // the one that runs the step; AWS may add others, such as GuardDuty's agent
	group, stream string // of its log; empty: it cannot be followed
}

// ID returns the last part of the ARN.
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
	// Tags for the bill: those of the task definition, and the cluster's name.
	PropagateTags string `json:"propagateTags"`
	ManagedTags   bool   `json:"enableECSManagedTags"`
}

// Start starts the task of a step. It waits for capacity for StartTimeout, and calls waiting with the reason. After the
// end of ctx no further task is requested, but one that was requested before is returned, so that the caller can stop
// it. The error is an *Error, one of awsjson's or the context's.
func (c *Client) Start(ctx context.Context, r Request, waiting func(reason string)) (Task, error) {
	settings, err := c.settings(ctx, r)
	if err != nil {
		return Task{}, err
	}
	input := runTask{
		Definition: settings.Definition, Token: rand.Text(), Group: "ci:" + r.Step, StartedBy: startedBy(r.StartedBy),
		Capacity: []capacity{{"FARGATE", 1}}, PropagateTags: "TASK_DEFINITION", ManagedTags: true,
	}
	if r.Spot {
		input.Capacity[0].Provider = "FARGATE_SPOT"
	}
	if input.Cluster, err = c.Cluster.output("ClusterArn"); err != nil {
		return Task{}, err
	}
	input.Network.VPC = vpc{settings.Subnets, settings.Groups, settings.PublicIP}
	task, err := c.describe(ctx, input.Definition)
	if err != nil {
		return Task{}, err
	}
	input.Overrides.ContainerOverrides = []containerOverride{{task.container, c.overriddenVariables(r, settings)}}
	if text, _ := json.Marshal(input.Overrides); len(text) > maxOverrides {
		return Task{}, &Error{
			Message: fmt.Sprintf(
				"the variables for the task are %d characters long, and ECS accepts %d",
				len(text),
				maxOverrides,
			),
			Advice: "put long values into the task definition or into a secret",
		}
	}
	if task.ARN, err = c.place(ctx, input, waiting); err != nil {
		return Task{}, err
	}
	if task.group != "" {
		task.stream += "/" + task.container + "/" + task.ID()
	}
	return task, nil
}

// overriddenVariables are the variables of the container that differ from those of the task definition.
func (c *Client) overriddenVariables(r Request, s taskSettings) (variables []keyValue) {
	if s.own {
		variables = append(variables, keyValue{"PIPELINE_STEP", r.Step})
	}
	for _, name := range sortedKeys(r.Variables) {
		value := r.Variables[name]
		if name == "BRANCH" && s.branch {
			value = c.Cluster.storedBranch(value)
		}
		variables = append(variables, keyValue{name, value})
	}
	return variables
}

// startedBy is as much of a name as ECS takes: letters, digits, hyphens, slashes and underscores.
func startedBy(who string) string {
	who = unfitForTags.ReplaceAllString(who, "-")
	return who[:min(len(who), maxStartedBy)]
}

var unfitForTags = regexp.MustCompile(`[^A-Za-z0-9/_-]+`)

// place requests the task until there is capacity for it. For a repeated token ECS returns the task that it has
// started, so that a lost response does not start a second one.
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

// notPlacedError reports an attempt after which no task is known to run.
type notPlacedError struct {
	reason    string
	final     *Error // the error if there is no further attempt
	retryable bool
}

func (e *notPlacedError) Error() string { return e.reason }

// tryPlace makes one attempt. The error is a *notPlacedError or an *Error.
func (c *Client) tryPlace(ctx context.Context, input *runTask) (arn string, err error) {
	var output struct {
		Tasks    []struct{ TaskArn string }
		Failures []struct{ Reason, Detail string }
	}
	err = c.call(ctx, "RunTask", *input, &output)
	switch {
	case awsjson.HasCode(err, "AccessDeniedException"):
		return "", &Error{
			Message: "the task may not be started",
			Advice:  "allow ecs:RunTask on its definition, and iam:PassRole on its two roles; TriggerPolicy has those of branches",
			Err:     err,
		}
	case isBusy(err):
		input.Token = rand.Text() // it was refused, so that no task was started
		return "", &notPlacedError{reason: err.Error(), retryable: true, final: &Error{
			Message: "the task was not started",
			Advice:  "try again later, without --spot, or with subnets in more availability zones",
			Err:     err,
		}}
	case err != nil && !isTransient(err) && !awsjson.HasCode(err, "ServerException") && !errors.Is(err, context.Canceled):
		return "", &Error{Message: "the task cannot be started", Advice: "check the message of ECS", Err: err}
	case err != nil:
		return "", &notPlacedError{
			reason:    "AWS cannot be reached: " + err.Error(),
			retryable: ctx.Err() == nil,
			final: &Error{
				Message: "ECS has not responded, and may have started a task",
				Advice:  "check the output of aws ecs list-tasks with --started-by " + input.StartedBy, Err: err,
			},
		}
	case len(output.Tasks) > 0:
		return output.Tasks[0].TaskArn, nil
	}
	input.Token = rand.Text() // the response was that there is no task
	reason := "ECS gives no reason"
	if len(output.Failures) > 0 {
		reason = strings.TrimSuffix(output.Failures[0].Reason+": "+output.Failures[0].Detail, ": ")
	}
	final := &Error{
		Message: "the task was not started: " + reason,
		Advice:  "try again later, without --spot, or with subnets in more availability zones",
	}
	if !isCapacity(reason) {
		final.Advice = "check the task definition and the subnets of the stack"
		return "", final
	}
	return "", &notPlacedError{reason: reason, final: final, retryable: true}
}

// isBusy reports whether ECS refused a request, by an error of no telling name, for what may pass: Fargate has no capacity, the
// account's limit is reached, or EC2, which ECS asks for the network, is throttled.
func isBusy(err error) bool {
	if !awsjson.HasCode(err, "ClientException", "InvalidParameterException", "LimitExceededException") {
		return false
	}
	reason := strings.ToLower(err.Error())
	return slices.ContainsFunc([]string{
		"capacity is unavailable", "limit on the number of", "rate exceeded", "request limit exceeded", "requestlimitexceeded", "throttl",
	}, func(mark string) bool { return strings.Contains(reason, mark) })
}

// isCapacity reports whether there may be capacity later: Fargate has none, or the account's limit is reached.
func isCapacity(reason string) bool {
	reason = strings.ToLower(reason)
	return strings.Contains(reason, "capacity") || strings.Contains(reason, "resource") ||
		strings.Contains(reason, "limit on the number of")
}

// call calls ECS. When ctx ends, the response to a request in flight gets time to arrive: it may name a running task.
func (c *Client) call(ctx context.Context, operation string, input, output any) error {
	lingering, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(linger, cancel) })()
	return c.ecs.Call(lingering, operation, input, output)
}

// isTransient reports whether an error may pass: AWS cannot be reached or is busy, or credentials cannot be renewed for
// that reason.
func isTransient(err error) bool {
	var unsigned *awsjson.CredentialsError
	if errors.As(err, &unsigned) {
		err = unsigned.Err
	}
	return awsjson.IsTransient(err)
}

// describe returns the container, the log group and the prefix of the log stream.
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
		return Task{}, &Error{
			Message: "the task definition cannot be described",
			Advice:  "allow ecs:DescribeTaskDefinition",
			Err:     err,
		}
	case len(output.TaskDefinition.ContainerDefinitions) == 0:
		return Task{}, &Error{Message: definition + " has no container", Advice: "update its stack"}
	}
	containers := output.TaskDefinition.ContainerDefinitions
	d := containers[0]
	for _, other := range containers[1:] {
		if other.Name == containerName {
			d = other
		}
	}
	task := Task{container: d.Name}
	if d.LogConfiguration.LogDriver == "awslogs" {
		task.group, task.stream = d.LogConfiguration.Options["awslogs-group"], d.LogConfiguration.Options["awslogs-stream-prefix"]
	}
	return task, nil
}

// status is the status of a task in ECS.
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

// container returns the container with a name, or the only one.
func (s status) container(name string) containerStatus {
	for _, c := range s.Containers {
		if c.Name == name || len(s.Containers) == 1 {
			return c
		}
	}
	return containerStatus{}
}

// errMissing reports a task that ECS does not know yet, or no longer: an hour after its end.
var errMissing = errors.New("MISSING")

// status returns the status of a task. The error is errMissing, one of awsjson's or the context's.
func (c *Client) status(ctx context.Context, t Task) (status, error) {
	var output struct{ Tasks []status }
	err := c.ecs.Call(
		ctx,
		"DescribeTasks",
		map[string]any{"cluster": c.Cluster.Outputs["ClusterArn"], "tasks": []string{t.ARN}},
		&output,
	)
	switch {
	case err != nil:
		return status{}, err
	case len(output.Tasks) == 0:
		return status{}, errMissing
	}
	return output.Tasks[0], nil
}

// stop makes ECS stop the task: TERM, stopTimeout, KILL.
func (c *Client) stop(ctx context.Context, t Task, reason string) error {
	return c.ecs.Call(
		ctx,
		"StopTask",
		map[string]string{"cluster": c.Cluster.Outputs["ClusterArn"], "task": t.ARN, "reason": reason},
		nil,
	)
}

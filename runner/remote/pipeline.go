package remote

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/carlin-cicd/runner/runner/awsjson"
)

// Pipeline starts and controls executions of the state machine of one cluster.
type Pipeline struct {
	Cluster Cluster

	machine, table      string
	states, dynamo, ecs *awsjson.Client
}

// NewPipeline returns the pipeline of a cluster. The error is an *Error or a *awsjson.RegionError.
func NewPipeline(ctx context.Context, config aws.Config, cluster Cluster) (*Pipeline, error) {
	p := &Pipeline{Cluster: cluster}
	var err error
	if p.machine, err = cluster.output("StateMachineArn"); err != nil {
		return nil, err
	}
	if p.table, err = cluster.output("TableName"); err != nil {
		return nil, err
	}
	if p.states, err = awsjson.New(ctx, config, awsjson.Service{Name: "states", ID: "SFN", Target: "AWSStepFunctions", Version: "1.0"}); err != nil {
		return nil, err
	}
	p.dynamo, err = awsjson.New(
		ctx,
		config,
		awsjson.Service{Name: "dynamodb", ID: "DynamoDB", Target: "DynamoDB_20120810", Version: "1.0"},
	)
	if err != nil {
		return nil, err
	}
	p.ecs, err = awsjson.New(ctx, config, awsjson.Service{Name: "ecs", ID: "ECS", Target: "AmazonEC2ContainerServiceV20141113"})
	return p, err
}

// StartRequest is a pipeline to start.
type StartRequest struct {
	Repository, Branch, SHA string
	Tag                     bool   // Branch is a tag's name
	Environment             string // staging or production: deliver there, without the steps before; empty: as a push does
	Force                   bool
	StartedBy               string
	Step                    string // runs it alone; empty: the pipeline
	Parallel                int    // tasks that the tests of Step are divided among; 0 for one
}

// event is the input of an execution that a person starts.
type event struct {
	Source string            `json:"source"`
	Type   string            `json:"detail-type"`
	Detail map[string]string `json:"detail"`
}

var unfitForNames = regexp.MustCompile(`[^A-Za-z0-9-]+`)

// executionName returns a readable, unique name.
func executionName(branch, sha string) string {
	branch = strings.Trim(unfitForNames.ReplaceAllString(branch, "-"), "-")
	return fmt.Sprintf("%s-%.7s-%s", branch[:min(len(branch), 40)], sha, strings.ToLower(rand.Text()[:8]))
}

// Start starts an execution and returns its name. The error is an *Error.
func (p *Pipeline) Start(ctx context.Context, s StartRequest) (name string, err error) {
	kind := "heads"
	if s.Tag {
		kind = "tags"
	}
	e := event{
		"ci.manual",
		"manual",
		map[string]string{
			"version": "1",
			"ref":     "refs/" + kind + "/" + s.Branch,
			"after":   s.SHA,
			"sender":  s.StartedBy,
		},
	}
	for key, value := range map[string]string{"repository": s.Repository, "environment": s.Environment, "step": s.Step} {
		if value != "" {
			e.Detail[key] = value
		}
	}
	if s.Force {
		e.Detail["force"] = "true"
	}
	if s.Parallel > 1 {
		e.Detail["parallel"] = strconv.Itoa(s.Parallel)
	}
	return p.execute(ctx, e, executionName(s.Branch, s.SHA))
}

// execute starts an execution for an event.
func (p *Pipeline) execute(ctx context.Context, e event, name string) (string, error) {
	input, err := json.Marshal(e)
	if err != nil {
		return "", err
	}
	err = p.states.Call(
		ctx,
		"StartExecution",
		map[string]string{"stateMachineArn": p.machine, "name": name, "input": string(input)},
		nil,
	)
	return name, p.explain(ctx, "the pipeline cannot be started", "states:StartExecution", err)
}

// arn returns the ARN of an execution, given its name or its ARN.
func (p *Pipeline) arn(name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return strings.Replace(p.machine, ":stateMachine:", ":execution:", 1) + ":" + name
}

// Execution is one run of the machine.
type Execution struct {
	Name, Status string // RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED, SUPERSEDED; by Look, DUPLICATE, too
	Started      time.Time
	Stopped      time.Time
	Ref, SHA     string
	Error, Cause string

	Step    string // that it runs alone; "" for a pipeline
	Retries string // the execution that it goes on from; "" for none
}

// Statuses that Step Functions does not have: a superseded execution is aborted, or ends as succeeded.
const (
	Superseded = "SUPERSEDED" // a newer commit of the branch took its turn
	Duplicate  = "DUPLICATE"  // its event had come before

	NotApproved = "NOT_APPROVED" // it is a fork's, and was rejected or not answered
)

// Running reports whether the execution has not ended.
func (e Execution) Running() bool { return e.Status == "RUNNING" }

// stamp is a time in AWS's JSON: seconds since 1970.
type stamp float64

func (s stamp) time() time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(float64(s) * 1000))
}

// Describe returns an execution. The error is an *Error.
func (p *Pipeline) Describe(ctx context.Context, name string) (Execution, error) {
	var output struct {
		Name, Status, Input, Error, Cause string
		StartDate, StopDate               stamp
	}
	err := p.states.Call(ctx, "DescribeExecution", map[string]string{"executionArn": p.arn(name)}, &output)
	if awsjson.HasCode(err, "ExecutionDoesNotExist") {
		return Execution{}, &Error{
			Message: "there is no execution " + name,
			Err:     errUnknown,
			Advice:  "runner pipeline status, without a name, shows the newest",
		}
	}
	if err := p.explain(ctx, "the execution cannot be described", "states:DescribeExecution", err); err != nil {
		return Execution{}, err
	}
	var input struct {
		Type   string `json:"detail-type"`
		Detail struct {
			Ref, After  string
			Step, Retry any
			Number      any
		}
	}
	_ = json.Unmarshal([]byte(output.Input), &input)
	if input.Type == "pull_request" { // the ref is one of the fork, which may have a branch of any name
		input.Detail.Ref = fmt.Sprintf("refs/pull/%v/head", input.Detail.Number)
	}
	if output.Status == "ABORTED" && output.Error == "Superseded" {
		output.Status, output.Error = Superseded, ""
	}
	return Execution{
		Name: output.Name, Status: output.Status, Started: output.StartDate.time(), Stopped: output.StopDate.time(),
		Ref: input.Detail.Ref, SHA: input.Detail.After, Error: output.Error, Cause: output.Cause,
		Step: textOf(input.Detail.Step), Retries: textOf(input.Detail.Retry),
	}, nil
}

// textOf is a value of an event that may be of any kind.
func textOf(value any) string { text, _ := value.(string); return text }

// searchLimit is how many executions are searched for the newest of a branch.
const searchLimit = 100

// Latest returns the newest execution of a branch or tag; any, if branch is empty. The error is an *Error.
func (p *Pipeline) Latest(ctx context.Context, branch string) (Execution, error) {
	found, err := p.list(ctx, branch, nil, 1)
	switch {
	case err != nil:
		return Execution{}, err
	case len(found) > 0:
		return found[0], nil
	}
	what := "there is no execution yet"
	if branch != "" {
		what = fmt.Sprintf("none of the last %d executions is of %s", searchLimit, branch)
	}
	return Execution{}, &Error{Message: what, Advice: "runner pipeline start begins one"}
}

// list returns executions of a branch or tag, the newest first, at most limit; filter has further fields of
// ListExecutions.
func (p *Pipeline) list(ctx context.Context, branch string, filter map[string]any, limit int) ([]Execution, error) {
	input := map[string]any{"stateMachineArn": p.machine, "maxResults": searchLimit}
	maps.Copy(input, filter)
	var output struct {
		Executions []struct{ ExecutionArn string }
	}
	err := p.states.Call(ctx, "ListExecutions", input, &output)
	if err := p.explain(ctx, "the executions cannot be listed", "states:ListExecutions", err); err != nil {
		return nil, err
	}
	var found []Execution
	for _, listed := range output.Executions {
		e, err := p.Describe(ctx, listed.ExecutionArn)
		if err != nil {
			return nil, err
		}
		if branch == "" || e.Ref == "refs/heads/"+branch || e.Ref == "refs/tags/"+branch {
			if found = append(found, e); len(found) == limit {
				break
			}
		}
	}
	return found, nil
}

// item reads an item of the table; it is empty if there is none. The error is an *Error.
func (p *Pipeline) item(ctx context.Context, id, failure string) (map[string]string, error) {
	var output struct {
		Item map[string]struct{ S, N string }
	}
	err := p.dynamo.Call(ctx, "GetItem", map[string]any{
		"TableName": p.table, "ConsistentRead": true, "Key": map[string]any{"id": map[string]string{"S": id}},
	}, &output)
	values := map[string]string{}
	for name, value := range output.Item {
		values[name] = value.S + value.N // one of them is empty
	}
	return values, p.explain(ctx, failure, "dynamodb:GetItem on the item "+id+", as the policies of cicd.yaml do", err)
}

// explain converts an error of AWS to an *Error.
func (p *Pipeline) explain(ctx context.Context, what, action string, err error) error {
	var api *awsjson.APIError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case awsjson.HasCode(err, "AccessDeniedException", "AccessDenied"):
		return &Error{Message: what, Advice: "allow " + action, Err: err}
	case errors.As(err, &api):
		return &Error{Message: what, Advice: "check the message of AWS", Err: err}
	}
	return &Error{
		Message: what,
		Advice:  "check that the network lets this machine reach AWS, and that there are credentials",
		Err:     err,
	}
}

// IsTransient reports whether an error may pass: AWS could not be reached or was busy, or does not know yet an
// execution that was just started.
func IsTransient(err error) bool {
	return isTransient(err) || errors.Is(err, errUnknown)
}

// errUnknown reports an execution that Step Functions does not know.
var errUnknown = errors.New("it does not exist")

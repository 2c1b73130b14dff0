package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/carlin-cicd/runner/runner/awsjson"
)

// taskParts are about single tasks, of steps of sample/runner.yaml.
func taskParts() []Part {
	parts := []Part{
		{"a task runs a step, and stores its record", Runs, (*Suite).recordStored},
		{"a failed step ends with its own code", Runs, trigger(7, "reason=failure", "seven")},
		{"a step beyond its time ends as timeout", Runs, trigger(124, "reason=timeout", "slow")},
		{"a cache is saved", Runs, trigger(0, "saved", "cached")},
		{"a cache is restored", Runs, trigger(0, "restored", "cached")},
		{"Ctrl-C cancels a task", Runs, (*Suite).interrupted},
		{"a task that AWS stops, as it does for want of Spot capacity, ends as cancelled", Runs, (*Suite).stopped},
		{"a step without memory ends as oom", Memory, trigger(137, "reason=oom", "hungry")},
	}
	return parts
}

// machineParts are about the machine.
func machineParts() []Part {
	pipeline := func(code int, args ...string) func(*Suite, context.Context) error {
		return func(s *Suite, ctx context.Context) error {
			_, err := s.run(ctx, code, append([]string{"pipeline", "start", "--branch", "main", "--follow", "--stack", s.stack()}, args...)...)
			return err
		}
	}
	return []Part{
		{"an event comes out at the other end", Machine, (*Suite).ping},
		{"a push is delivered, after an approval", Machine, func(s *Suite, ctx context.Context) error { return s.delivered(ctx, "--branch", "main") }},
		{"a tag is released, after an approval", Machine, func(s *Suite, ctx context.Context) error { return s.delivered(ctx, "--tag", "--branch", "v1.0.0") }},
		{"a failed step fails the pipeline", Machine, pipeline(1, "--step", "seven")},
		{"a pipeline is cancelled", Machine, (*Suite).pipelineCancelled},
		{"shards run side by side", Machine, pipeline(0, "--step", "sharded", "--parallel", "2")},
		{"a deployment that does not work is rolled back", Machine, (*Suite).rolledBack},
		{"two repositories run at the same time", Machine, (*Suite).twoRepositories},
	}
}

// trigger runs a step as a task, and looks at how it ended.
func trigger(code int, words, step string) func(*Suite, context.Context) error {
	return func(s *Suite, ctx context.Context) error {
		return s.expect(ctx, code, words, "trigger", "--step", step, "--stack", s.stack())
	}
}

func (s *Suite) recordStored(ctx context.Context) error {
	if err := s.expect(ctx, 0, "reason=success", "trigger", "--step", "build", "--stack", s.stack()); err != nil {
		return err
	}
	outputs, err := s.outputs(ctx)
	if err != nil {
		return err
	}
	list, err := s.s3().ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(outputs["ArtifactBucket"]), Prefix: aws.String("runs/")})
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list.Contents, func(o types.Object) bool { return strings.HasSuffix(*o.Key, "/finished.json") }) {
		return fmt.Errorf("none of the %d objects below runs/ is the record of the run", len(list.Contents))
	}
	return nil
}

// background is the program while it runs.
type background struct {
	command *exec.Cmd
	mu      sync.Mutex
	said    bytes.Buffer
	ended   chan error
}

func (b *background) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.said.Write(text)
}

func (b *background) output() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.said.String()
}

// start starts the program and waits until it says something.
func (s *Suite) start(ctx context.Context, words string, args ...string) (*background, error) {
	b := &background{command: s.command(ctx, args...), ended: make(chan error, 1)}
	b.command.Stdout, b.command.Stderr = b, b
	if err := b.command.Start(); err != nil {
		return nil, err
	}
	go func() { b.ended <- b.command.Wait() }()
	for limit := time.Now().Add(10 * time.Minute); !strings.Contains(b.output(), words); time.Sleep(100 * time.Millisecond) {
		select {
		case err := <-b.ended:
			return nil, fmt.Errorf("runner %s ended (%v) before it said %q:\n%s", strings.Join(args, " "), err, words, b.output())
		default:
		}
		if time.Now().After(limit) {
			_ = b.command.Process.Kill()
			return nil, fmt.Errorf("runner %s does not say %q within ten minutes:\n%s", strings.Join(args, " "), words, b.output())
		}
	}
	return b, nil
}

// end waits for the end of the program, and compares the exit code and what was said.
func (b *background) end(code int, words string) error {
	err := <-b.ended
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	if got := b.command.ProcessState.ExitCode(); got != code || !strings.Contains(b.output(), words) {
		return fmt.Errorf("it ends with %d, want %d and %q:\n%s", got, code, words, b.output())
	}
	return nil
}

func (s *Suite) interrupted(ctx context.Context) error {
	b, err := s.start(ctx, "all is set\n", "trigger", "--step", "waiting", "--stack", s.stack())
	if err != nil {
		return err
	}
	if err := b.command.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	return b.end(143, "reason=cancelled")
}

var ecsService = awsjson.Service{Name: "ecs", ID: "ECS", Target: "AmazonEC2ContainerServiceV20141113"}

// stopped stops a task as Spot does: TERM, and two minutes. Fargate has no way to ask for an interruption of Spot; the
// action aws:ecs:stop-task of FIS is this request.
func (s *Suite) stopped(ctx context.Context) error {
	outputs, err := s.outputs(ctx)
	if err != nil {
		return err
	}
	b, err := s.start(ctx, "all is set\n", "trigger", "--step", "waiting", "--stack", s.stack())
	if err != nil {
		return err
	}
	cluster := outputs["ClusterArn"]
	var tasks struct {
		TaskArns []string
	}
	err = s.call(ctx, ecsService, "ListTasks", map[string]string{"cluster": cluster, "desiredStatus": "RUNNING"}, &tasks)
	if err == nil && len(tasks.TaskArns) != 1 {
		err = fmt.Errorf("%d tasks run, want the one of this suite", len(tasks.TaskArns))
	}
	if err == nil {
		err = s.call(ctx, ecsService, "StopTask", map[string]string{
			"cluster": cluster, "task": tasks.TaskArns[0], "reason": "Your Spot Task was interrupted.",
		}, nil)
	}
	if err != nil {
		_ = b.command.Process.Signal(os.Interrupt)
		return errors.Join(err, b.end(143, ""))
	}
	return b.end(143, "reason=cancelled")
}

func (s *Suite) ping(ctx context.Context) error {
	return s.expect(ctx, 0, "an event went from the bus", "cluster", "check", "--ping", "--stack", s.stack(), "--base", s.base())
}

var executionName = regexp.MustCompile(`(?m)^[a-z0-9.-]+-[0-9a-f]{7}-[a-z0-9]{8}`)

// begin starts an execution, and returns its name.
func (s *Suite) begin(ctx context.Context, stack string, args ...string) (string, error) {
	said, err := s.run(ctx, 0, append([]string{"pipeline", "start", "--stack", stack}, args...)...)
	if err != nil {
		return "", err
	}
	name := executionName.FindString(said)
	if name == "" {
		return "", fmt.Errorf("runner pipeline start names no execution:\n%s", said)
	}
	return name, nil
}

// delivered starts an execution, approves production once it waits, and follows it to its end.
func (s *Suite) delivered(ctx context.Context, args ...string) error {
	name, err := s.begin(ctx, s.stack(), args...)
	if err != nil {
		return err
	}
	err = s.eventually(ctx, 30*time.Minute, func() error {
		_, err := s.run(ctx, 0, "pipeline", "approve", name, "--yes", "--reason", "conformance", "--stack", s.stack())
		return err
	})
	if err != nil {
		return err
	}
	_, err = s.run(ctx, 0, "pipeline", "status", name, "--follow", "--stack", s.stack())
	return err
}

func (s *Suite) pipelineCancelled(ctx context.Context) error {
	name, err := s.begin(ctx, s.stack(), "--branch", "main", "--step", "waiting")
	if err != nil {
		return err
	}
	if err := s.expect(ctx, 0, "cancelled", "pipeline", "cancel", name, "--yes", "--stack", s.stack()); err != nil {
		return err
	}
	return s.expect(ctx, 1, "aborted", "pipeline", "status", name, "--follow", "--stack", s.stack())
}

// rolledBack deploys an update that its verification refuses.
func (s *Suite) rolledBack(ctx context.Context) error {
	return s.expect(ctx, 1, "rolled back", "trigger", "--step", "broken", "--environment", "staging", "--branch", "main", "--stack", s.stack())
}

// twoRepositories runs a step of each pipeline at the same time: neither waits for the other, nor sees its records.
func (s *Suite) twoRepositories(ctx context.Context) error {
	if err := s.deployTwo(ctx); err != nil {
		return err
	}
	if _, err := s.run(ctx, 0, "cluster", "image", "--stack", s.second(), "--base", s.base()); err != nil {
		return err
	}
	var running sync.WaitGroup
	failed := make([]error, 2)
	for i, stack := range []string{s.stack(), s.second()} {
		running.Go(func() {
			_, failed[i] = s.run(ctx, 0, "pipeline", "start", "--branch", "main", "--step", "test", "--follow", "--stack", stack)
		})
	}
	running.Wait()
	return errors.Join(append(failed, s.destroyTwo(ctx))...)
}

// Package conformance deploys the cluster into an account, and looks whether AWS does what the rest of this repository
// takes for granted: make test-aws. It runs here against moto, as far as moto goes.
package conformance

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/carlin-cicd/runner/runner/awsjson"
)

// Ability is something of AWS that a simulation may lack.
type Ability string

// The abilities. Each completes "it needs an account in which …".
const (
	Stacks   Ability = "CloudFormation makes stacks"
	Runs     Ability = "ECS runs tasks"
	Machine  Ability = "Step Functions runs the machine"
	Memory   Ability = "a task that takes more memory than it has is ended"
	Images   Ability = "ECR takes layers of images"
	Quotas   Ability = "Service Quotas and drift are known"
	Policies Ability = "S3 obeys the policy of a bucket"
	Actions  Ability = "CloudWatch acts when an alarm changes"
	Costs    Ability = "Cost Explorer knows the tags that costs are allocated by"
)

// Suite is a run against one account.
type Suite struct {
	Account    string // the account must be this one
	Runner     string // the program
	Zip        string // the webhook's function
	Repository string // owner/name, with sample/runner.yaml
	Second     string // another repository; "" is the same one, with a pipeline of its own
	Folder     string // a checkout of the repository, whose Dockerfile is built
	Lacks      map[Ability]bool
	Recordings string // a folder for the error names that AWS uses
	Log        io.Writer
	Config     aws.Config
	Environ    []string // of the program

	Limit time.Duration // of a part; 0: an hour

	suffix string
	parts  []Part // nil: all of them
}

// Part is one promise.
type Part struct {
	Name  string
	Needs Ability
	Run   func(*Suite, context.Context) error
}

// Parts are all promises, in the order in which they are tested.
func Parts() []Part {
	return slices.Concat(
		[]Part{
			{"a dry run deploys nothing", Stacks, (*Suite).dryRun},
			{"everything is deployed", Stacks, (*Suite).deploy},
			{"the same again changes nothing", Stacks, (*Suite).deployAgain},
			{"what is not said stays as it is", Stacks, (*Suite).deployUnsaid},
			{"a second repository shares nothing but the base", Stacks, (*Suite).deploySecond},
			{"a check finds that there is no image", Stacks, (*Suite).checkWithoutImage},
			{"errors have the names that the runner knows", Stacks, (*Suite).recordErrors},
			{"the topic reaches a receiver", Stacks, (*Suite).topicDelivers},
			{"quotas are read, and nothing has drifted", Quotas, (*Suite).checkQuotas},
			{"the image is pushed", Images, (*Suite).image},
		},
		taskParts(), machineParts(),
		[]Part{
			{"an upload that a policy denies names the policy, and works without it", Policies, (*Suite).denied},
			{"an alarm that fires reaches its receiver", Actions, (*Suite).alarmFires},
			{"costs are read by the tag pipeline", Costs, (*Suite).costs},
			{lastPart, Stacks, (*Suite).destroy},
		},
	)
}

// lastPart takes everything down.
const lastPart = "nothing is left but what destroy names"

// Skipped are the parts that need what is lacking.
func (s *Suite) Skipped() []string {
	var names []string
	for _, p := range Parts() {
		if s.Lacks[p.Needs] {
			names = append(names, p.Name)
		}
	}
	return names
}

// Run tests every part, and takes everything down again, also after a failure, a panic or the end of the context. It
// starts nothing in an account without a budget. What comes after a part that failed builds on it, and is not tested.
func (s *Suite) Run(ctx context.Context) error {
	if err := s.mayStart(ctx); err != nil {
		return err
	}
	s.suffix = strings.ToLower(rand.Text()[:8])
	fmt.Fprintf(s.Log, "account %s, %s, stacks %s, %s and %s\n", s.Account, s.Config.Region, s.base(), s.stack(), s.second())
	for _, args := range s.removals() {
		fmt.Fprintf(s.Log, "if this is killed: runner %s\n", strings.Join(args, " "))
	}
	torn := false
	defer func() {
		if !torn {
			s.tearDown(context.WithoutCancel(ctx))
		}
	}()
	parts := s.parts
	if parts == nil {
		parts = Parts()
	}
	for _, p := range parts {
		if s.Lacks[p.Needs] {
			fmt.Fprintf(s.Log, "skip  %s: it needs an account in which %s\n", p.Name, p.Needs)
			continue
		}
		begun := time.Now()
		if err := s.runPart(ctx, p); err != nil {
			fmt.Fprintf(s.Log, "FAIL  %s: %v\n", p.Name, err)
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		torn = p.Name == lastPart
		fmt.Fprintf(s.Log, "ok    %s (%s)\n", p.Name, time.Since(begun).Round(time.Second/10))
	}
	return nil
}

// runPart tests one part, within its limit.
func (s *Suite) runPart(ctx context.Context, p Part) error {
	limit := cmp.Or(s.Limit, time.Hour)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it does not end within %s", limit))
	defer cancel()
	err := p.Run(s, ctx)
	if err != nil && ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return err
}

// UntilInterrupted returns a context that ends with Ctrl-C or TERM, so that everything is taken down then, too. A second
// one ends the process.
func UntilInterrupted(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

var budgets = awsjson.Service{Name: "budgets", ID: "Budgets", Target: "AWSBudgetServiceGateway"}

// mayStart refuses an account that is not the one that was meant, and one without a budget.
func (s *Suite) mayStart(ctx context.Context) error {
	caller, err := sts.NewFromConfig(s.Config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return err
	}
	if got := aws.ToString(caller.Account); got != s.Account {
		return fmt.Errorf("the credentials are those of account %s, not of %s", got, s.Account)
	}
	global := s.Config.Copy()
	global.Region = awsjson.GlobalRegion(s.Config.Region)
	client, err := awsjson.New(ctx, global, budgets)
	if err != nil {
		return err
	}
	var list struct{ Budgets []struct{ BudgetName string } }
	err = client.Call(ctx, "DescribeBudgets", map[string]string{"AccountId": s.Account}, &list)
	if err == nil && len(list.Budgets) == 0 || awsjson.HasCode(err, "NotFoundException") {
		return fmt.Errorf("account %s has no budget: make one first, so that a mistake of this suite has a limit", s.Account)
	}
	return err
}

// stack is the pipeline's stack, base that of the base.
func (s *Suite) stack() string { return "conformance-" + s.suffix }
func (s *Suite) base() string  { return "conformance-base-" + s.suffix }

// command is the program with arguments. At the end of the context it gets an interrupt, and a minute: CloudFormation goes
// on by itself.
func (s *Suite) command(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, s.Runner, args...)
	command.Dir, command.Env = s.Folder, append(os.Environ(), s.Environ...)
	command.Cancel, command.WaitDelay = func() error { return command.Process.Signal(os.Interrupt) }, time.Minute
	return command
}

// run runs the program, and returns what it printed. Another exit code than the wanted one is an error.
func (s *Suite) run(ctx context.Context, want int, args ...string) (string, error) {
	command := s.command(ctx, args...)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		return said.String(), fmt.Errorf("runner %s: %w:\n%s", strings.Join(args, " "), errors.Join(context.Cause(ctx), err), said.String())
	}
	if code := command.ProcessState.ExitCode(); code != want {
		return said.String(), fmt.Errorf("runner %s exits with %d, want %d:\n%s", strings.Join(args, " "), code, want, said.String())
	}
	return said.String(), nil
}

// tearDownTimeout bounds how long it may take to remove everything.
const tearDownTimeout = 30 * time.Minute

// tearDown removes everything, as far as it can be. What fails is tried once more, and then named with its command.
func (s *Suite) tearDown(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tearDownTimeout)
	defer cancel()
	for _, args := range s.removals() {
		_, err := s.run(ctx, 0, args...)
		if err != nil && ctx.Err() == nil {
			fmt.Fprintf(s.Log, "taking everything down, once more: %v\n", err)
			_, err = s.run(ctx, 0, args...)
		}
		if err != nil {
			fmt.Fprintf(s.Log, "FAIL  taking everything down: %v\nleft behind: run runner %s\n", err, strings.Join(args, " "))
		}
	}
}

// removals are the commands that remove everything, in this order: the base goes with the last pipeline that uses it.
func (s *Suite) removals() [][]string {
	var all [][]string
	for _, stack := range []string{s.second(), s.stack()} {
		all = append(all, s.removal(stack))
	}
	return all
}

// removal is the command that removes a pipeline.
func (s *Suite) removal(stack string) []string {
	return []string{"cluster", "destroy", "--stack", stack, "--base", s.base(), "--all", "--yes"}
}

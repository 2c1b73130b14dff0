// Package conformance deploys the cluster into an account, and looks whether AWS does what the rest of this repository
// takes for granted: make test-aws. It runs here against moto, as far as moto goes.
package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/carlin-cicd/runner/runner/awsjson"
)

// Ability is something of AWS that a simulation may lack.
type Ability string

// The abilities.
const (
	Stacks Ability = "CloudFormation makes stacks"
	Tasks  Ability = "Fargate runs the tasks that Step Functions starts"
	Images Ability = "ECR takes images"
	Quotas Ability = "Service Quotas and drift are known"
)

// Suite is a run against one account.
type Suite struct {
	Account    string // the account must be this one
	Runner     string // the program
	Zip        string // the webhook's function
	Repository string // owner/name, of the sample of image/sample
	Folder     string // a checkout of the repository, whose Dockerfile is built
	Lacks      map[Ability]bool
	Recordings string // a folder for the error names that AWS uses
	Log        io.Writer
	Config     aws.Config
	Environ    []string // of the program

	suffix string
}

// Part is one promise.
type Part struct {
	Name  string
	Needs Ability
	Run   func(*Suite, context.Context) error
}

// Parts are all promises, in the order in which they are tested.
func Parts() []Part {
	parts := []Part{
		{"a dry run deploys nothing", Stacks, (*Suite).dryRun},
		{"everything is deployed", Stacks, (*Suite).deploy},
		{"the same again changes nothing", Stacks, (*Suite).deployAgain},
		{"what is not said stays as it is", Stacks, (*Suite).deployUnsaid},
		{"a second repository shares nothing but the base", Stacks, (*Suite).deploySecond},
		{"a check finds that there is no image", Stacks, (*Suite).checkWithoutImage},
		{"errors have the names that the runner knows", Stacks, (*Suite).recordErrors},
		{"quotas are read, and nothing has drifted", Quotas, (*Suite).checkQuotas},
		{"the image is pushed", Images, (*Suite).image},
		{"an event comes out at the other end", Tasks, (*Suite).ping},
	}
	for _, step := range []struct {
		name string
		args []string
		code int
	}{
		{"a push is delivered after an approval", []string{"pipeline", "start", "--branch", "main", "--follow"}, 0},
		{"a failed step ends with its own code", []string{"trigger", "--step", "seven"}, 7},
		{"a step without memory ends as oom", []string{"trigger", "--step", "hungry"}, 137},
		{"a step beyond its time ends as timeout", []string{"trigger", "--step", "slow"}, 124},
		{"a deployment that does not work is rolled back", []string{"trigger", "--step", "deploy", "--environment", "staging"}, 1},
		{"a cache is restored", []string{"trigger", "--step", "cached"}, 0},
		{"shards run side by side", []string{"trigger", "--step", "sharded"}, 0},
	} {
		parts = append(parts, Part{step.name, Tasks, func(s *Suite, ctx context.Context) error {
			_, err := s.run(ctx, step.code, append(step.args, "--stack", s.stack())...)
			return err
		}})
	}
	return append(parts,
		Part{"nothing is left but what destroy names", Stacks, (*Suite).destroy},
	)
}

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

// Run tests every part, and takes everything down again, also after a failure. It starts nothing in an account without a
// budget. The error names all parts that failed; what depends on them is not tested.
func (s *Suite) Run(ctx context.Context) error {
	if err := s.mayStart(ctx); err != nil {
		return err
	}
	s.suffix = strings.ToLower(rand.Text()[:8])
	fmt.Fprintf(s.Log, "account %s, %s, stacks …-%s\n", s.Account, s.Config.Region, s.suffix)
	torn := false
	defer func() {
		if !torn {
			s.tearDown(context.WithoutCancel(ctx))
		}
	}()
	var failed []error
	for _, p := range Parts() {
		if s.Lacks[p.Needs] {
			fmt.Fprintf(s.Log, "skip  %s: it needs an account in which %s\n", p.Name, p.Needs)
			continue
		}
		begun := time.Now()
		err := p.Run(s, ctx)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", p.Name, err))
			fmt.Fprintf(s.Log, "FAIL  %s: %v\n", p.Name, err)
			break // what follows builds on it
		}
		torn = strings.HasPrefix(p.Name, "nothing is left")
		fmt.Fprintf(s.Log, "ok    %s (%s)\n", p.Name, time.Since(begun).Round(time.Second/10))
	}
	return errors.Join(failed...)
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

// run runs the program, and returns what it printed. Another exit code than the wanted one is an error.
func (s *Suite) run(ctx context.Context, want int, args ...string) (string, error) {
	command := exec.CommandContext(ctx, s.Runner, args...)
	command.Dir, command.Env = s.Folder, append(os.Environ(), s.Environ...)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return "", err
	}
	if code := command.ProcessState.ExitCode(); code != want {
		return said.String(), fmt.Errorf("runner %s exits with %d, want %d:\n%s", strings.Join(args, " "), code, want, said.String())
	}
	return said.String(), nil
}

// tearDown removes everything, as far as it can be.
func (s *Suite) tearDown(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Minute)
	defer cancel()
	for _, args := range [][]string{
		{"cluster", "destroy", "--stack", s.second(), "--base", s.base(), "--yes"},
		{"cluster", "destroy", "--stack", s.stack(), "--base", s.base(), "--all", "--yes"},
	} {
		if _, err := s.run(ctx, 0, args...); err != nil {
			fmt.Fprintf(s.Log, "FAIL  taking everything down: %v\n", err)
		}
	}
}

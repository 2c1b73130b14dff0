// Package steps defines the steps of a pipeline: the command, where it runs, what it needs and what it leaves behind.
//
// A step is built-in (build, test, deploy, migrate), of runner.yaml, or built-in with overrides of runner.yaml.
package steps

import (
	"slices"
	"strings"
	"time"
)

// Step is one step with every setting decided. Nothing in it is expanded or resolved: environment values may still be
// references to secrets.
type Step struct {
	Name        string
	Command     Command
	Shell       []string // the program and its arguments before a line; nil for sh -e -c
	Directory   string   // relative to the workspace, slash-separated
	Timeout     time.Duration
	Environment map[string]string
	Secrets     map[string]string // references, by variable
	Credentials Credentials       // of AWS, for the command; empty for those of the task
	Required    []string          // variables that must be set and not empty before anything starts
	Reports     []string          // globs of JUnit files, relative to Directory
	AllowEmpty  *bool             // whether it may pass without having run a test; nil for the default
	Artifacts   []Artifact
	Caches      []Cache
	Services    []Service // in the order of the file
	Retry       Retry
	Rerun       Rerun
	Quarantine  []Quarantine
	Coverage    Coverage
	Split       Split    // how its tests are divided among shards
	Needs       []string // steps that must be on record as passed for this commit
	Inputs      []string // variables that are taken from the outputs of the needed steps
	Fetch       []string // kinds of artifacts of this commit that are brought into the workspace first
	Verify      Command  // run after the command passed; its failure is the step's
	Hooks       Hooks
	Checkout    Checkout // how much of the repository it gets

	Account string   // the AWS account that the command must work in; "" for any
	Region  string   // the AWS region for the command; "" for that of its environment
	Role    string   // the ARN of a role that the runner assumes for the command; "" for none
	Stacks  []string // names or globs of the stacks that the command deploys; empty: STACK_NAME

	Lock     LockScope     // what one run at a time may change; empty for nothing
	Wait     time.Duration // for the lock, and for a stack that is busy
	Rollback *bool         // whether the stack is rolled back after a failure; nil: where that is possible
	Grace    time.Duration // between TERM and KILL; 0: the default of the run

	Task string // the kind of its task on the cluster; "" for the default
	Size Size   // of its task on the cluster
	Spot *bool  // whether its task runs on Spot; nil: as the cluster does

	// Origin says where each setting comes from, by key: "built-in", "default" or "runner.yaml:12".
	Origin map[string]string
}

// Credentials are the AWS credentials of a command.
type Credentials string

// The credentials that a step can have.
const (
	TaskCredentials Credentials = "task" // the default: those of the task
	NoCredentials   Credentials = "none" // none: the command cannot act as the task
)

// LockScope is what a step changes, and therefore locks.
type LockScope string

// The scopes of locks. Both require ENVIRONMENT.
const (
	LockStack       LockScope = "stack"       // a CloudFormation stack of the environment
	LockEnvironment LockScope = "environment" // a resource that exists once in an environment, such as its database

	lockNone LockScope = "none" // in the file
)

// DefaultWait is how long a step waits for its lock.
const DefaultWait = 10 * time.Minute

// Command is what a step runs: a line for a shell, or an argument list that is executed without one.
type Command struct {
	Line  string
	Shell []string // the program and its arguments before the line; nil for sh -e -c
	Args  []string

	Params []string // positional parameters of the line
	Text   string   // for people, where that is another than what runs
}

// IsZero reports whether there is nothing to run.
func (c Command) IsZero() bool { return c.Line == "" && len(c.Args) == 0 }

// Argv returns the argument list to execute.
func (c Command) Argv() []string {
	if c.Line == "" {
		return c.Args
	}
	shell := c.Shell
	if len(shell) == 0 {
		shell = shells[0].args
	}
	argv := append(slices.Clone(shell), c.Line)
	if len(c.Params) > 0 {
		argv = append(append(argv, shell[0]), c.Params...) // the first one is $0
	}
	return argv
}

// String returns the command as a person would type it.
func (c Command) String() string {
	if c.Text != "" {
		return c.Text
	}
	if c.Line != "" {
		return c.Line
	}
	quoted := make([]string, len(c.Args))
	for i, a := range c.Args {
		quoted[i] = quote(a)
	}
	return strings.Join(quoted, " ")
}

func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			strings.ContainsRune("-_./:=@%+,{}", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// When is the condition of an artifact: after which ends of the command it is published.
type When string

// The three conditions of an artifact.
const (
	Always    When = "always"
	OnSuccess When = "success"
	OnFailure When = "failure"
)

// Includes reports whether an artifact is published after a command that passed or failed.
func (w When) Includes(passed bool) bool {
	switch w {
	case Always:
		return true
	case OnFailure:
		return !passed
	default:
		return passed
	}
}

// Artifact is a folder of files that a step leaves behind.
type Artifact struct {
	Name     string // its kind, the first part of its keys: "builds", "coverage"
	Path     string // a folder, relative to the step's directory
	When     When
	Mirror   string   // "latest" keeps a second copy that is replaced by each run; empty for none
	Optional bool     // whether a step may pass without having made it
	Include  []string // globs of files whose names begin with a dot
	Redact   *bool    // whether files that contain secrets are rewritten; nil for the default
}

// Redacts reports whether files that contain secrets are rewritten before they are published. By default all are but
// those of a build: a changed file would not be what was built.
func (a Artifact) Redacts() bool {
	if a.Redact != nil {
		return *a.Redact
	}
	return a.Name != "builds"
}

// Retry says how often a command is started again, and after which reasons.
type Retry struct {
	Attempts int      // starts beyond the first
	On       []string // reasons: "oom", "infrastructure", "cancelled"
}

// Allows reports whether a command that ended with the reason may be started again.
func (r Retry) Allows(reason string) bool { return slices.Contains(r.On, reason) }

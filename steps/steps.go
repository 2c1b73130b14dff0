// Package steps says what a step of a pipeline is: its command, where it runs, what it needs and what it leaves behind.
//
// A step comes from the built-in ones (build, test, deploy, migrate), from runner.yaml, or from the second laid over the first.
package steps

import (
	"strings"
	"time"
)

// Step is one step with every setting decided. Nothing in it is expanded or resolved: environment values may still be references to secrets.
type Step struct {
	Name        string
	Command     Command
	Directory   string // relative to the workspace, slash-separated
	Timeout     time.Duration
	Environment map[string]string
	Secrets     map[string]string // references, by variable
	Required    []string          // variables that must be set and not empty before anything starts
	Reports     []string          // globs of JUnit files, relative to Directory
	Artifacts   []Artifact
	Retry       Retry
	Rerun       Rerun
	Quarantine  []Quarantine
	Coverage    Coverage
	Needs       []string // steps that must be on record as passed for this commit
	Fetch       []string // kinds of artifacts of this commit to bring into the workspace first
	Verify      Command  // run after the command passed; its failure is the step's
	Hooks       Hooks

	Lock     LockScope     // what only one run at a time may change; empty for nothing
	Wait     time.Duration // for the lock, and for a stack that is busy
	Rollback *bool         // whether the stack is brought back after a failure; nil: where that is possible
	Grace    time.Duration // between TERM and KILL; 0: the run's

	// Origin says where each setting came from, by key: "built-in", "default" or "runner.yaml:12".
	Origin map[string]string
}

// LockScope is what a step changes, and therefore locks.
type LockScope string

// The two scopes. Either needs ENVIRONMENT.
const (
	LockStack       LockScope = "stack"       // a CloudFormation stack of the environment
	LockEnvironment LockScope = "environment" // what there is once in an environment, such as its database
)

// DefaultWait is the patience with whoever holds the lock.
const DefaultWait = 10 * time.Minute

// Command is what a step runs: a line for sh -c, or an argument list that is executed as it is.
type Command struct {
	Shell string
	Args  []string
}

// IsZero reports whether there is nothing to run.
func (c Command) IsZero() bool { return c.Shell == "" && len(c.Args) == 0 }

// Argv returns the argument list to execute.
func (c Command) Argv() []string {
	if c.Shell != "" {
		return []string{"sh", "-c", c.Shell}
	}
	return c.Args
}

// String returns the command as a person would type it.
func (c Command) String() string {
	if c.Shell != "" {
		return c.Shell
	}
	quoted := make([]string, len(c.Args))
	for i, a := range c.Args {
		quoted[i] = quote(a)
	}
	return strings.Join(quoted, " ")
}

func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@%+,{}", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// When says after which ends of the command an artifact is published.
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
	Mirror   string // "latest" keeps a second copy that is replaced by each run; empty for none
	Optional bool   // whether a step may pass without having made it
	Redact   *bool  // whether files that hold secrets are rewritten; nil for the default
}

// Redacts reports whether files that hold secrets are rewritten before they are published: unless told otherwise, all
// but those of a build, where a changed file would not be what was built.
func (a Artifact) Redacts() bool {
	if a.Redact != nil {
		return *a.Redact
	}
	return a.Name != "builds"
}

// Retry says how often a command is started again, and after which reasons.
type Retry struct {
	Attempts int      // starts beyond the first
	On       []string // reasons: "oom", "infrastructure"
}

// Allows reports whether the reason may be tried again.
func (r Retry) Allows(reason string) bool {
	for _, on := range r.On {
		if on == reason {
			return true
		}
	}
	return false
}

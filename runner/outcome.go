package runner

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/source"
	"github.com/carlin-cicd/runner/steps/stack"
)

// Reason says why a run ended, as it was observed; it is never guessed from the exit code.
type Reason string

// The reasons, as they are in finished.json.
const (
	Success       Reason = "success"
	Failure       Reason = "failure"
	Results       Reason = "results"
	Timeout       Reason = "timeout"
	Cancelled     Reason = "cancelled"
	Signalled     Reason = "signalled"
	OOM           Reason = "oom"
	NotExecutable Reason = "not_executable"
	NotFound      Reason = "not_found"
	BadConfig     Reason = "config"
	Secrets       Reason = "secrets"
	Source        Reason = "source"
	Artifacts     Reason = "artifacts"
	Guard         Reason = "guard"
)

// The exit codes that are the runner's own. Every other one is the command's.
const (
	exitResults       = 1
	exitTimeout       = 124
	exitBefore        = 125 // the run ended before the command, or after it through no fault of the command
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignal        = 128 // plus the signal's number
)

// Outcome is how a run ended.
type Outcome struct {
	Reason    Reason
	ExitCode  int
	Killed    bool // the command had to be killed
	Retryable bool // the same run may end otherwise if it is tried again
	Err       error
}

// Passed reports whether the run ended well.
func (o Outcome) Passed() bool { return o.Reason == Success }

// GuardError is a rule that keeps a step from running here and now: a missing prerequisite, a lock, a newer commit.
type GuardError struct{ Message, Advice string }

func (e *GuardError) Error() string { return e.Message }

// Hint says how the rule can be met.
func (e *GuardError) Hint() string { return e.Advice }

// ResultsError says that the command passed while its reports say otherwise.
type ResultsError struct{ Message, Advice string }

func (e *ResultsError) Error() string { return e.Message }

// Hint says where to look.
func (e *ResultsError) Hint() string { return e.Advice }

// SecretsError says that a reference could not be resolved. It names variables, never values.
type SecretsError struct {
	Message   string
	Advice    string
	Transient bool // the service failed rather than the reference
}

func (e *SecretsError) Error() string { return e.Message }

// Hint says what to do about it.
func (e *SecretsError) Hint() string { return e.Advice }

// sourceError and artifactsError mark errors of a package by the phase in which they were met.
type (
	sourceError    struct{ error }
	artifactsError struct{ error }
)

func (e sourceError) Unwrap() error    { return e.error }
func (e artifactsError) Unwrap() error { return e.error }

// judge is the one map from an error to a reason, an exit code and whether another try makes sense.
func judge(err error) Outcome {
	o := Outcome{Err: err}
	var (
		exit      *process.ExitError
		timeout   *process.TimeoutError
		cancelled *process.CancelledError
		signalled *process.SignalError
		oom       *process.OOMError
		start     *process.StartError
		results   *ResultsError
		secrets   *SecretsError
		guard     *GuardError
		restore   *stack.RestoreError
		service   *stack.ServiceError
		fromGit   sourceError
		published artifactsError
	)
	switch {
	case err == nil:
		o.Reason = Success
	case errors.As(err, &cancelled):
		o.Reason, o.ExitCode, o.Killed, o.Retryable = Cancelled, exitSignal+int(cancelled.Signal), cancelled.Killed, true
	case errors.As(err, &timeout):
		o.Reason, o.ExitCode, o.Killed = Timeout, exitTimeout, timeout.Killed
	case errors.As(err, &oom):
		o.Reason, o.ExitCode, o.Killed, o.Retryable = OOM, exitSignal+int(syscall.SIGKILL), true, true
	case errors.As(err, &signalled):
		o.Reason, o.ExitCode = Signalled, exitSignal+int(signalled.Signal)
	case errors.As(err, &start) && start.NotFound:
		o.Reason, o.ExitCode = NotFound, exitNotFound
	case errors.As(err, &start):
		o.Reason, o.ExitCode = NotExecutable, exitNotExecutable
	case errors.As(err, &exit):
		o.Reason, o.ExitCode = Failure, exit.Code
	case errors.As(err, &results):
		o.Reason, o.ExitCode = Results, exitResults
	case errors.As(err, &secrets):
		o.Reason, o.ExitCode, o.Retryable = Secrets, exitBefore, secrets.Transient
	case errors.As(err, &restore), errors.As(err, &service):
		o.Reason, o.ExitCode = Failure, exitResults // of runner rollback
	case errors.As(err, &guard):
		o.Reason, o.ExitCode = Guard, exitBefore
	case errors.As(err, &fromGit):
		var network *source.NetworkError
		o.Reason, o.ExitCode, o.Retryable = Source, exitBefore, errors.As(err, &network)
	case errors.As(err, &published):
		var store *artifacts.StoreError
		o.Reason, o.ExitCode, o.Retryable = Artifacts, exitBefore, errors.As(err, &store) && store.Retryable()
	default:
		o.Reason, o.ExitCode = BadConfig, exitBefore
	}
	return o
}

// refuse makes any error of reading the input a *ConfigError, keeping its hint.
func refuse(err error) error {
	var known *ConfigError
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &ConfigError{Err: err, Advice: HintOf(err)}
}

// HintOf returns what an error advises to do next, or "".
func HintOf(err error) string {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		return hinted.Hint()
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "see who may read and write it, and as whom the runner runs"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "free some room there, or give the task more ephemeral storage"
	case errors.Is(err, context.DeadlineExceeded):
		return "raise stopTimeout in the task definition and RUNNER_STOP_BUDGET with it"
	default:
		return ""
	}
}

// Package outcome maps errors to how a run ends: its reason, its exit code and whether another run may end differently.
package outcome

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/service"
	"github.com/carlin-cicd/runner/runner/source"
)

// The exit codes that are the runner's own. Every other one is the command's.
const (
	exitResults       = 1
	exitFailure       = 1 // of runner rollback; a command has its own
	ExitTimeout       = 124
	exitBefore        = 125 // the run ended before the command, or after it through no fault of the command
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignal        = 128 // plus the signal's number
)

// Outcome is how a run ended.
type Outcome struct {
	Reason    record.Reason
	ExitCode  int
	Killed    bool // the command had to be killed
	Retryable bool // another run of the same commit may end differently
	AfterOOM  bool // a timeout after the kernel had killed a process of the command for memory
	Err       error
}

// Passed reports whether the run succeeded.
func (o Outcome) Passed() bool { return o.Reason == record.Success }

// GuardError is a rule that keeps a step from running: a missing prerequisite, a lock, a newer commit.
type GuardError struct{ Message, Advice string }

func (e *GuardError) Error() string { return e.Message }

// Hint says how the rule can be met.
func (e *GuardError) Hint() string { return e.Advice }

// ResultsError says that the command passed while its reports say otherwise.
type ResultsError struct{ Message, Advice string }

func (e *ResultsError) Error() string { return e.Message }

// Hint says where to look.
func (e *ResultsError) Hint() string { return e.Advice }

// ShardError says how the shards of a run ended together, if one of them did not pass.
type ShardError struct {
	Message, Advice string
	Reason          record.Reason
	ExitCode        int
	Killed          bool
	Retryable       bool
}

func (e *ShardError) Error() string { return e.Message }

// Hint says where to look.
func (e *ShardError) Hint() string { return e.Advice }

// SecretsError says that a reference could not be resolved. It names variables, never values.
type SecretsError struct {
	Message   string
	Advice    string
	Transient bool // the service failed rather than the reference
}

func (e *SecretsError) Error() string { return e.Message }

// Hint says what to do about it.
func (e *SecretsError) Hint() string { return e.Advice }

// ConfigError is input that cannot be accepted; nothing has been started.
type ConfigError struct {
	Message string
	Advice  string
	Err     error
}

func (e *ConfigError) Error() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return e.Message
}

// Unwrap returns the underlying error, if any.
func (e *ConfigError) Unwrap() error { return e.Err }

// Hint says what would be accepted.
func (e *ConfigError) Hint() string { return e.Advice }

// SourceError and ArtifactsError mark errors by the phase in which they occurred, RollbackError those of runner
// rollback.
type (
	SourceError    struct{ Err error }
	ArtifactsError struct{ Err error }
	RollbackError  struct{ Err error }
)

func (e SourceError) Error() string    { return e.Err.Error() }
func (e ArtifactsError) Error() string { return e.Err.Error() }
func (e RollbackError) Error() string  { return e.Err.Error() }

// Unwrap returns the marked error.
func (e SourceError) Unwrap() error { return e.Err }

// Unwrap returns the marked error.
func (e ArtifactsError) Unwrap() error { return e.Err }

// Unwrap returns the marked error.
func (e RollbackError) Unwrap() error { return e.Err }

// Of is the one map from an error to a reason, an exit code and whether another try makes sense.
func Of(err error) Outcome {
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
		rollback  RollbackError
		fromGit   SourceError
		published ArtifactsError
		beside    *service.Error
		shard     *ShardError
	)
	switch {
	case err == nil:
		o.Reason = record.Success
	case errors.As(err, &shard):
		o.Reason, o.ExitCode, o.Killed, o.Retryable = shard.Reason, shard.ExitCode, shard.Killed, shard.Retryable
	case errors.As(err, &cancelled):
		o.Reason, o.ExitCode, o.Killed, o.Retryable = record.Cancelled, exitSignal+int(
			cancelled.Signal,
		), cancelled.Killed, true
	case errors.As(err, &timeout):
		o.Reason, o.ExitCode, o.Killed = record.Timeout, ExitTimeout, timeout.Killed
		o.AfterOOM = timeout.OOMKills > 0
		o.Retryable = o.AfterOOM
	case errors.As(err, &beside):
		o.Reason, o.ExitCode = record.ServiceFailed, exitBefore
	case errors.As(err, &oom):
		o.Reason, o.ExitCode, o.Killed, o.Retryable = record.OOM, exitSignal+int(syscall.SIGKILL), true, true
	case errors.As(err, &signalled):
		o.Reason, o.ExitCode = record.Signalled, exitSignal+int(signalled.Signal)
	case errors.As(err, &start) && start.NotFound:
		o.Reason, o.ExitCode = record.NotFound, exitNotFound
	case errors.As(err, &start):
		o.Reason, o.ExitCode = record.NotExecutable, exitNotExecutable
	case errors.As(err, &exit):
		o.Reason, o.ExitCode = record.Failure, exit.Code
	case errors.As(err, &results):
		o.Reason, o.ExitCode = record.Results, exitResults
	case errors.As(err, &secrets):
		o.Reason, o.ExitCode, o.Retryable = record.Secrets, exitBefore, secrets.Transient
	case errors.As(err, &guard):
		o.Reason, o.ExitCode = record.Guard, exitBefore
	case errors.As(err, &rollback):
		o.Reason, o.ExitCode = record.Failure, exitFailure
	case errors.As(err, &fromGit):
		var network *source.NetworkError
		o.Reason, o.ExitCode, o.Retryable = record.Source, exitBefore, errors.As(err, &network)
	case errors.As(err, &published):
		var service interface{ Retryable() bool } // the store, or KMS
		o.Reason, o.ExitCode, o.Retryable = record.Artifacts, exitBefore, errors.As(err, &service) && service.Retryable()
	default:
		o.Reason, o.ExitCode = record.BadConfig, exitBefore
	}
	return o
}

// Refused returns an error of reading the input as a *ConfigError that keeps its hint.
func Refused(err error) error {
	var known *ConfigError
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &ConfigError{Err: err, Advice: Hint(err)}
}

// Hint returns what an error advises to do next, or "".
func Hint(err error) string {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		if hint := hinted.Hint(); hint != "" {
			return hint
		}
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "check its owner and mode, and the user that the runner runs as"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "free some room there, or give the task more ephemeral storage"
	case errors.Is(err, syscall.EROFS):
		return "its file system is read-only: write it elsewhere, or mount it writable"
	case errors.Is(err, syscall.EIO):
		return "the disk reports an error: see the log of the kernel, or start another task"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "raise the limit of open files (ulimit -n, ulimits of the task definition)"
	case errors.Is(err, context.DeadlineExceeded):
		return "raise stopTimeout in the task definition and RUNNER_STOP_BUDGET with it"
	default:
		return ""
	}
}

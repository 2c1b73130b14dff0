package outcome

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/source"
	"github.com/carlin-cicd/runner/steps"
)

// The table of the contract: each reason, its exit code, and whether another try may end otherwise.
func TestEachErrorHasOneReasonAndOneExitCode(t *testing.T) {
	for name, c := range map[string]struct {
		err       error
		reason    record.Reason
		code      int
		killed    bool
		retryable bool
	}{
		"nothing went wrong":            {nil, record.Success, 0, false, false},
		"the command failed":            {&process.ExitError{Code: 42}, record.Failure, 42, false, false},
		"verify failed":                 {fmt.Errorf("verify: %w", &process.ExitError{Code: 3}), record.Failure, 3, false, false},
		"its reports are red":           {&ResultsError{}, record.Results, 1, false, false},
		"the deadline passed":           {&process.TimeoutError{}, record.Timeout, 124, false, false},
		"the deadline passed, killed":   {&process.TimeoutError{Killed: true}, record.Timeout, 124, true, false},
		"TERM came":                     {&process.CancelledError{Signal: syscall.SIGTERM}, record.Cancelled, 143, false, true},
		"INT came, killed":              {&process.CancelledError{Signal: syscall.SIGINT, Killed: true}, record.Cancelled, 130, true, true},
		"it died of SEGV":               {&process.SignalError{Signal: syscall.SIGSEGV}, record.Signalled, 139, false, false},
		"memory ran out":                {&process.OOMError{}, record.OOM, 137, true, true},
		"it is not executable":          {&process.StartError{}, record.NotExecutable, 126, false, false},
		"it is not there":               {&process.StartError{NotFound: true}, record.NotFound, 127, false, false},
		"bad input":                     {&ConfigError{}, record.BadConfig, 125, false, false},
		"an unknown step":               {&steps.UnknownError{}, record.BadConfig, 125, false, false},
		"a reference that is wrong":     {&SecretsError{}, record.Secrets, 125, false, false},
		"a service of secrets is down":  {&SecretsError{Transient: true}, record.Secrets, 125, false, true},
		"no such commit":                {SourceError{&source.NotFoundError{}}, record.Source, 125, false, false},
		"the repository is unreachable": {SourceError{&source.NetworkError{}}, record.Source, 125, false, true},
		"no artifact":                   {ArtifactsError{&artifacts.MissingError{}}, record.Artifacts, 125, false, false},
		"the store is down":             {ArtifactsError{fmt.Errorf("put: %w", &artifacts.StoreError{Transient: true})}, record.Artifacts, 125, false, true},
		"a stack cannot be restored":    {RollbackError{errors.New("x")}, record.Failure, 1, false, false},
		"a rollback takes too long":     {RollbackError{&GuardError{}}, record.Guard, 125, false, false},
		"a prerequisite is missing":     {&GuardError{}, record.Guard, 125, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := Of(c.err)
			if o.Reason != c.reason || o.ExitCode != c.code || o.Killed != c.killed || o.Retryable != c.retryable {
				t.Errorf("judged as %+v", o)
			}
			if o.Passed() != (c.err == nil) {
				t.Errorf("passed is %v", o.Passed())
			}
		})
	}
}

func TestAHintIsFoundHoweverDeepTheErrorIs(t *testing.T) {
	deep := ArtifactsError{fmt.Errorf("publish: %w", errors.Join(errors.New("x"), &artifacts.MissingError{}))}
	if Hint(deep) == "" || Hint(fmt.Errorf("write: %w", syscall.ENOSPC)) == "" {
		t.Error("there is none")
	}
	if hint := Hint(errors.New("x")); hint != "" {
		t.Errorf("there is one for anything: %s", hint)
	}
}

// TestHint: an error that has none of its own has that of its reason.
func TestHint(t *testing.T) {
	disk := &os.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"its own":            {&ConfigError{Err: disk, Advice: "write it elsewhere"}, "write it elsewhere"},
		"a full disk":        {ArtifactsError{Err: disk}, "free some room there, or give the task more ephemeral storage"},
		"below an empty one": {&ConfigError{Err: disk}, "free some room there, or give the task more ephemeral storage"},
		"a quota":            {syscall.EDQUOT, "free some room there, or give the task more ephemeral storage"},
		"read-only":          {syscall.EROFS, "its file system is read-only: write it elsewhere, or mount it writable"},
		"a broken disk":      {syscall.EIO, "the disk reports an error: see the log of the kernel, or start another task"},
		"too many files":     {syscall.EMFILE, "raise the limit of open files (ulimit -n, ulimits of the task definition)"},
		"nothing known":      {errors.New("x"), ""},
	} {
		if got := Hint(c.err); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

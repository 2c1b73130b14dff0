package runner

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/source"
	"github.com/carlin-cicd/runner/steps"
)

// The table of the contract: each reason, its exit code, and whether another try may end otherwise.
func TestEachErrorHasOneReasonAndOneExitCode(t *testing.T) {
	for name, c := range map[string]struct {
		err       error
		reason    Reason
		code      int
		killed    bool
		retryable bool
	}{
		"nothing went wrong":            {nil, Success, 0, false, false},
		"the command failed":            {&process.ExitError{Code: 42}, Failure, 42, false, false},
		"verify failed":                 {fmt.Errorf("verify: %w", &process.ExitError{Code: 3}), Failure, 3, false, false},
		"its reports are red":           {&ResultsError{}, Results, 1, false, false},
		"the deadline passed":           {&process.TimeoutError{}, Timeout, 124, false, false},
		"the deadline passed, killed":   {&process.TimeoutError{Killed: true}, Timeout, 124, true, false},
		"TERM came":                     {&process.CancelledError{Signal: syscall.SIGTERM}, Cancelled, 143, false, true},
		"INT came, killed":              {&process.CancelledError{Signal: syscall.SIGINT, Killed: true}, Cancelled, 130, true, true},
		"it died of SEGV":               {&process.SignalError{Signal: syscall.SIGSEGV}, Signalled, 139, false, false},
		"memory ran out":                {&process.OOMError{}, OOM, 137, true, true},
		"it is not executable":          {&process.StartError{}, NotExecutable, 126, false, false},
		"it is not there":               {&process.StartError{NotFound: true}, NotFound, 127, false, false},
		"bad input":                     {&ConfigError{}, BadConfig, 125, false, false},
		"an unknown step":               {&steps.UnknownError{}, BadConfig, 125, false, false},
		"a reference that is wrong":     {&SecretsError{}, Secrets, 125, false, false},
		"a service of secrets is down":  {&SecretsError{Transient: true}, Secrets, 125, false, true},
		"no such commit":                {sourceError{&source.NotFoundError{}}, Source, 125, false, false},
		"the repository is unreachable": {sourceError{&source.NetworkError{}}, Source, 125, false, true},
		"no artifact":                   {artifactsError{&artifacts.MissingError{}}, Artifacts, 125, false, false},
		"the store is down":             {artifactsError{fmt.Errorf("put: %w", &artifacts.StoreError{Transient: true})}, Artifacts, 125, false, true},
		"a prerequisite is missing":     {&GuardError{}, Guard, 125, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := judge(c.err)
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
	deep := artifactsError{fmt.Errorf("publish: %w", errors.Join(errors.New("x"), &artifacts.MissingError{}))}
	if HintOf(deep) == "" || HintOf(fmt.Errorf("write: %w", syscall.ENOSPC)) == "" {
		t.Error("there is none")
	}
	if hint := HintOf(errors.New("x")); hint != "" {
		t.Errorf("there is one for anything: %s", hint)
	}
}

func TestVariablesOfTheRun(t *testing.T) {
	dir := t.TempDir()
	c, err := Configure(map[string]string{"PIPELINE_STEP": "", "RUNNER_TIMEOUT": "15m", "RUNNER_WORKSPACE": dir, "ENVIRONMENT": "staging", "RUNNER_DRY_RUN": "true"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Step != "build" || c.Timeout != 15*time.Minute || c.Grace != 20*time.Second || c.StopBudget != 30*time.Second || c.Retries != -1 || !c.DryRun || c.Workspace != dir {
		t.Errorf("%+v", c)
	}
	for name, bad := range map[string]map[string]string{
		"RUNNER_TIMEOUT cannot be \"15\"":      {"RUNNER_TIMEOUT": "15"},
		"RUNNER_TIMEOUT cannot be negative":    {"RUNNER_TIMEOUT": "-5s"},
		"RUNNER_RETRIES cannot be \"x\"":       {"RUNNER_RETRIES": "x"},
		"RUNNER_RETRIES cannot be 99":          {"RUNNER_RETRIES": "99"},
		"RUNNER_DRY_RUN cannot be \"perhaps\"": {"RUNNER_DRY_RUN": "perhaps"},
		"ENVIRONMENT cannot be \"a b\"":        {"ENVIRONMENT": "a b"},
		"STACK_NAME cannot be \"a/b\"":         {"STACK_NAME": "a/b"},
		"leaves nothing of RUNNER_STOP_BUDGET": {"RUNNER_STOP_BUDGET": "10s"},
		"the workspace /nowhere/at all is not": {"RUNNER_WORKSPACE": "/nowhere/at all"},
	} {
		_, err := Configure(bad)
		var refused *ConfigError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), name) || refused.Hint() == "" {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

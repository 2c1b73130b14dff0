package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/service"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/units"
	"github.com/carlin-cicd/runner/steps"
)

// Hooks run around the step's command, in this order:
//
//  1. before, within the run's deadline. If one fails, the run ends with its exit code and the command does not run.
//  2. The command with its retries, verify, reports and reruns: what before started is still up.
//  3. on_failure, if the run has failed so far, before after tears anything down. Not in a stopped run.
//  4. after, always if before has begun. The first one that fails turns a passed run red; it hides no other failure. So
//     does the end of a service, which the commands of after outlive. Then the services are stopped.
//  5. Coverage, stack, artifacts. If only these or an after fail, on_failure runs at the very end.
//
// on_failure and after have time of their own, since the run may have used up its deadline. In a stopped run, after
// gets half of the remaining stop budget; the rest is kept for the records.

// hookTime limits each command of after and on_failure.
const hookTime = 5 * time.Minute

// hooks is the state of the hooks.
type hooks struct {
	begun    bool  // before has begun
	reported bool  // on_failure has run, or must not run
	failed   error // the error of after or of the outputs; it is the run's if it has no other
}

// HookError reports a hook that failed.
type HookError struct {
	Hook    string // before, after or on_failure
	Command string
	Err     error
}

func (e *HookError) Error() string { return fmt.Sprintf("%s: %s: %v", e.Hook, e.Command, e.Err) }

// Unwrap returns how the command ended.
func (e *HookError) Unwrap() error { return e.Err }

// Hint says where to look.
func (e *HookError) Hint() string {
	var timeout *process.TimeoutError
	if e.Hook != "before" && errors.As(e.Err, &timeout) {
		return "a command of on_failure or after has " + units.Duration(hookTime) + "; check what it was waiting for"
	}
	var other interface{ Hint() string }
	if errors.As(e.Err, &other) && other.Hint() != "" {
		return other.Hint()
	}
	return "see its output above; it is " + e.Hook + ": in runner.yaml"
}

// hookName is the phase name of one of several commands of a hook.
func hookName(hook string, i, of int) string {
	if of == 1 {
		return hook
	}
	return hook + " " + strconv.Itoa(i+1)
}

// before runs the hooks that must pass before the command.
func (r *run) before() (err error) {
	r.hooks.begun = true
	r.openOutputs()
	list := r.step.Hooks.Before
	end := r.group("before", len(list))
	defer func() { end(err) }()
	for i, c := range list {
		err := r.phase(hookName("before", i, len(list)), func() error {
			how := r.supervision(r.step.Directory).with("RUNNER_HOOK", "before")
			how.keep = true // a server that it starts is for the command
			_, err := r.superviseWith(c, how)
			return asHook("before", c, err)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// asHook names the hook in its error. A stop is not a failure of the hook, nor is the end of a service.
func asHook(hook string, c steps.Command, err error) error {
	var cancelled *process.CancelledError
	var beside *service.Error
	if err == nil || errors.As(err, &cancelled) || errors.As(err, &beside) {
		return err
	}
	return &HookError{Hook: hook, Command: c.String(), Err: err}
}

// onFailure runs the on_failure hooks, once. Their own failures are only logged.
func (r *run) onFailure(err error) {
	if err == nil || !r.hooks.begun || r.hooks.reported {
		return
	}
	r.hooks.reported = true
	list := r.step.Hooks.OnFailure
	if len(list) > 0 && r.Stop.Work.Err() != nil {
		r.Log.Debug("on_failure does not run in a stopped run")
		return
	}
	end := r.group("on_failure", len(list))
	defer func() { end(nil) }()
	for i, c := range list {
		if r.Stop.Work.Err() != nil {
			return
		}
		if hookErr := r.hook("on_failure", hookName("on_failure", i, len(list)), c, err); hookErr != nil {
			r.Log.Warn("an on_failure hook failed", "error", hookErr.Error(), "hint", outcome.Hint(hookErr))
		}
	}
}

// after runs all after hooks, even if one of them fails.
func (r *run) after(err error) {
	if !r.hooks.begun {
		return // what was started ends with the run
	}
	list := r.step.Hooks.After
	if len(list) > 0 {
		r.recordSoFar(err) // the hooks may use up the time
	}
	end := r.group("after", len(list))
	for i, c := range list {
		hookErr := r.hook("after", hookName("after", i, len(list)), c, err)
		if hookErr == nil {
			continue
		}
		r.Log.Error("a hook failed", "error", hookErr.Error(), "hint", outcome.Hint(hookErr))
		if r.hooks.failed == nil {
			r.hooks.failed = r.orServiceError(hookErr)
		}
	}
	end(r.hooks.failed)
	r.stopServices()
	r.checkServices(err)
	r.endKept()
	if outErr := r.readOutputs(); outErr != nil {
		r.Log.Error("the outputs for later steps are invalid", "error", outErr.Error(), "hint", outcome.Hint(outErr))
		if r.hooks.failed == nil {
			r.hooks.failed = outErr
		}
	}
}

// endKept ends the processes that before hooks left running, and waits for the end of their output.
func (r *run) endKept() {
	if len(r.step.Hooks.Before) == 0 {
		return
	}
	grace := min(r.Config.Grace, keptGrace)
	if r.Stop.Finish.Err() != nil {
		grace = 0
	}
	process.EndKept(r.Marker(), grace)
	over := make(chan struct{})
	go func() {
		r.kept.Wait()
		close(over)
	}()
	select {
	case <-over:
	case <-time.After(process.DefaultDrain):
	}
}

// keptGrace is the most that processes of before hooks get between TERM and KILL.
const keptGrace = 5 * time.Second

// hook runs a hook with variables that say how the run has ended so far.
func (r *run) hook(hook, phase string, c steps.Command, err error) error {
	budget := r.Stop.Budget - min(session.Reserve, r.Stop.Budget/4)
	allowed := budget / 2 // from the signal on, which may come while the hook runs
	sig, at := r.Stop.Signal()
	if sig != 0 {
		used := time.Since(at)
		allowed = used + (budget-used)/2
		if budget-used < time.Second/4 || r.Stop.Finish.Err() != nil {
			r.Log.Warn(
				"there is no time left for a hook",
				"hook",
				hook,
				"command",
				c.String(),
				"hint",
				session.ErrBudget.Hint(),
			)
			return nil
		}
	}
	ctx, cancel := r.Stop.Bounded(r.Stop.Finish, allowed)
	defer cancel()
	signals := make(chan os.Signal, 2)
	defer context.AfterFunc(ctx, func() { // the first signal ends the hook, a second one to the run kills it
		signals <- syscall.SIGTERM
		if r.Stop.Finish.Err() != nil {
			signals <- syscall.SIGTERM
		}
	})()

	o := outcome.Of(err)
	how := r.supervision(r.step.Directory).with("RUNNER_HOOK", hook).
		with(
			"RUNNER_OUTCOME",
			outcomeWord(o),
		).with("RUNNER_REASON", string(o.Reason)).with("RUNNER_EXIT_CODE", strconv.Itoa(o.ExitCode))
	how.deadline, how.limit = time.Now().Add(hookTime), hookTime
	how.grace = min(r.Config.Grace, (budget-allowed)/2)
	how.signals, how.outlives = signals, true
	return r.timed(phase, func() error {
		_, err := r.superviseWith(c, how)
		if sig, _ := r.Stop.Signal(); sig != 0 {
			var cancelled *process.CancelledError
			if errors.As(err, &cancelled) {
				cancelled.Signal = sig // the hook was stopped by our signal, the run by this one
			}
		}
		return asHook(hook, c, err)
	})
}

// outcomeWord is the value of RUNNER_OUTCOME.
func outcomeWord(o outcome.Outcome) string {
	switch o.Reason {
	case record.Success:
		return "passed"
	case record.Cancelled:
		return "cancelled"
	default:
		return "failed"
	}
}

// hookList is a hook as a plan shows it.
type hookList struct {
	name     string
	commands []steps.Command
}

// hookLists returns the hooks of a step in the order they run.
func hookLists(s steps.Step) []hookList {
	return []hookList{{"before", s.Hooks.Before}, {"on_failure", s.Hooks.OnFailure}, {"after", s.Hooks.After}}
}

func (h hookList) text() string {
	var all []string
	for _, c := range h.commands {
		all = append(all, c.String())
	}
	return strings.Join(all, "; then ")
}

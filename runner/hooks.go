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
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/units"
	"github.com/carlin-cicd/runner/steps"
)

// Hooks are the commands of a step beside its own, in this order:
//
//  1. before, within the run's deadline. One that fails ends the run with its own exit code; the command is not run.
//  2. The command, its retries, what verifies it, its reports, its reruns: what they need is still up.
//  3. on_failure, if the run is red by then: what it gathers is gathered before after tears things down. Not if we were told to stop.
//  4. after, in any case once before has begun. The first one that fails makes a green run red; it hides no other failure.
//  5. Coverage, stack, artifacts. A run that turns red only there, or by an after, gets its on_failure at the very end.
//
// The last two have their own time, for the run's may be what was used up. When we are told to stop, after has half of what is
// left of the stop budget, and the rest is kept for the records.

// hookTime is how long each command of after and on_failure may take.
const hookTime = 5 * time.Minute

// hooks is what a run knows of its hooks.
type hooks struct {
	begun    bool  // the first of before was about to start
	reported bool  // on_failure has run, or is not to be run
	failed   error // of after, or of what was handed on: the run's own error if it has no other
}

// HookError is a hook that failed.
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
		return "a command of on_failure or after has " + units.Duration(hookTime) + "; find out what it was waiting for"
	}
	var other interface{ Hint() string }
	if errors.As(e.Err, &other) {
		return other.Hint()
	}
	return "see its output above; it is " + e.Hook + ": in runner.yaml"
}

// hookName is the phase of one of several commands of a hook.
func hookName(hook string, i, of int) string {
	if of == 1 {
		return hook
	}
	return hook + " " + strconv.Itoa(i+1)
}

// before runs what has to have passed before the command.
func (r *run) before() (err error) {
	r.hooks.begun = true
	r.openOutputs()
	list := r.step.Hooks.Before
	end := r.group("before", len(list))
	defer func() { end(err) }()
	for i, c := range list {
		err := r.phase(hookName("before", i, len(list)), func() error {
			_, err := r.superviseWith(c, r.supervision(r.step.Directory).with("RUNNER_HOOK", "before"))
			return asHook("before", c, err)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// asHook says which hook it was that failed. That we were told to stop is no failure of it.
func asHook(hook string, c steps.Command, err error) error {
	var cancelled *process.CancelledError
	if err == nil || errors.As(err, &cancelled) {
		return err
	}
	return &HookError{Hook: hook, Command: c.String(), Err: err}
}

// onFailure runs what looks into a failure or tells of it, once. Its own failure is told only.
func (r *run) onFailure(err error) {
	if err == nil || !r.hooks.begun || r.hooks.reported {
		return
	}
	r.hooks.reported = true
	list := r.step.Hooks.OnFailure
	if len(list) > 0 && r.Stop.Work.Err() != nil {
		r.Log.Debug("on_failure is not run, since the run was told to stop")
		return
	}
	end := r.group("on_failure", len(list))
	defer func() { end(nil) }()
	for i, c := range list {
		if r.Stop.Work.Err() != nil {
			return
		}
		if hookErr := r.hook("on_failure", hookName("on_failure", i, len(list)), c, err); hookErr != nil {
			r.Log.Warn("a hook failed, which changes nothing", "error", hookErr.Error(), "hint", outcome.Hint(hookErr))
		}
	}
}

// after runs what has to be done whatever the command did: every command of it, if one fails, too.
func (r *run) after(err error) {
	if !r.hooks.begun {
		return
	}
	list := r.step.Hooks.After
	if len(list) > 0 {
		r.recordSoFar(err) // it may take what time there is
	}
	end := r.group("after", len(list))
	for i, c := range list {
		hookErr := r.hook("after", hookName("after", i, len(list)), c, err)
		if hookErr == nil {
			continue
		}
		r.Log.Error("a hook failed", "error", hookErr.Error(), "hint", outcome.Hint(hookErr))
		if r.hooks.failed == nil {
			r.hooks.failed = hookErr
		}
	}
	end(r.hooks.failed)
	if outErr := r.readOutputs(); outErr != nil {
		r.Log.Error("what is handed on to later steps cannot be taken", "error", outErr.Error(), "hint", outcome.Hint(outErr))
		if r.hooks.failed == nil {
			r.hooks.failed = outErr
		}
	}
}

// hook runs a command that is told how the run has ended so far.
func (r *run) hook(hook, phase string, c steps.Command, err error) error {
	budget := r.Stop.Budget - min(session.Reserve, r.Stop.Budget/4)
	allowed := budget / 2 // of the time from the signal on, which may come while the command runs
	sig, at := r.Stop.Signal()
	if sig != 0 {
		used := time.Since(at)
		allowed = used + (budget-used)/2
		if budget-used < time.Second/4 || r.Stop.Finish.Err() != nil {
			r.Log.Warn("there is no time left for a hook", "hook", hook, "command", c.String(), "hint", session.ErrBudget.Hint())
			return nil
		}
	}
	ctx, cancel := r.Stop.Bounded(r.Stop.Finish, allowed)
	defer cancel()
	signals := make(chan os.Signal, 2)
	defer context.AfterFunc(ctx, func() { // the first ends it, and a second signal to the run kills it
		signals <- syscall.SIGTERM
		if r.Stop.Finish.Err() != nil {
			signals <- syscall.SIGTERM
		}
	})()

	o := outcome.Of(err)
	how := r.supervision(r.step.Directory).with("RUNNER_HOOK", hook).
		with("RUNNER_OUTCOME", outcomeWord(o)).with("RUNNER_REASON", string(o.Reason)).with("RUNNER_EXIT_CODE", strconv.Itoa(o.ExitCode))
	how.deadline, how.limit = time.Now().Add(hookTime), hookTime
	how.grace = min(r.Config.Grace, (budget-allowed)/2)
	how.signals = signals
	return r.timed(phase, func() error {
		_, err := r.superviseWith(c, how)
		if sig, _ := r.Stop.Signal(); sig != 0 {
			var cancelled *process.CancelledError
			if errors.As(err, &cancelled) {
				cancelled.Signal = sig // what it was told came from us, and that from whoever told us
			}
		}
		return asHook(hook, c, err)
	})
}

// outcomeWord is what RUNNER_OUTCOME says.
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

// hookLists are the hooks of a step in the order in which they run.
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

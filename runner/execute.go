package runner

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"time"

	"github.com/carlin-cicd/runner/runner/environment"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/task"
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/results"
)

// execute runs the command, repeats it where the step allows that, and verifies it.
func (r *run) execute() error {
	if info, err := os.Stat(r.directory()); err != nil || !info.IsDir() {
		return &outcome.ConfigError{
			Message: fmt.Sprintf(
				"the directory %s of step %s is not a folder of the workspace",
				r.step.Directory,
				r.step.Name,
			),
			Advice: "it comes from " + r.step.Origin["directory"],
		}
	}
	r.lockfile, _ = steps.LockfileDigest(r.Config.Workspace) // the command may write it
	if err := r.divide(); err != nil || r.shard != nil && r.shard.idle {
		return err
	}
	if err := r.attempt(); err != nil {
		return err
	}
	return r.verify()
}

// attempt runs the command until it passes or may not be repeated.
func (r *run) attempt() (err error) {
	end := r.span("command")
	defer func() { end(err) }()
	for {
		begun := time.Now()
		err := r.phase("command", func() error {
			result, err := r.supervise(r.step.Command)
			if before := r.result; before != nil { // usage adds up over attempts
				result.Usage = result.Usage.Add(before.Usage, before.Started.Sub(result.Started))
				result.Wall += before.Wall
				result.OOMKills += before.OOMKills
			}
			r.result = &result
			return err
		})
		o := outcome.Of(err)
		r.attempts = append(
			r.attempts,
			record.Attempt{
				ExitCode: o.ExitCode,
				Reason:   o.Reason,
				Started:  begun.UTC(),
				Seconds:  record.Seconds(time.Since(begun)),
			},
		)
		// A stopped run does not repeat its command; the caller may start another run. See retryAllowed.
		if err == nil || r.Stop.Work.Err() != nil || len(r.attempts) > r.step.Retry.Attempts ||
			!r.step.Retry.Allows(string(o.Reason)) {
			var start *process.StartError
			r.delivery.MarkEnd(err != nil && !errors.As(err, &start))
			return err
		}
		r.delivery.WaitUntilIdle()
		r.Log.Warn("retrying the command", "reason", o.Reason, "attempt", len(r.attempts)+1, "error", err.Error())
	}
}

// verify runs what must pass after the command.
func (r *run) verify() error {
	if err := r.checkDelivery(); err != nil {
		return err
	}
	if r.step.Verify.IsZero() {
		return nil
	}
	return r.phase("verify", func() error {
		if _, err := r.supervise(r.step.Verify); err != nil {
			return fmt.Errorf("verify: %w", err)
		}
		return nil
	})
}

// supervise runs a command of the step. Its output goes through the redactor into the log.
func (r *run) supervise(c steps.Command) (process.Result, error) {
	return r.superviseIn(r.step.Directory, c)
}

// superviseIn is supervise in a folder of the workspace.
func (r *run) superviseIn(directory string, c steps.Command) (process.Result, error) {
	return r.superviseWith(c, r.supervision(directory))
}

// supervision is the setting of a command.
type supervision struct {
	directory string // relative to the workspace
	env       environment.Environment
	deadline  time.Time
	limit     time.Duration // the duration behind the deadline, for messages
	grace     time.Duration
	signals   <-chan os.Signal
	keep      bool // what it leaves running lives until the end of the step
	outlives  bool // it goes on without its services
}

// supervision returns the setting of the step's own command.
func (r *run) supervision(directory string) supervision {
	return supervision{
		directory: directory,
		env:       r.env,
		deadline:  r.Deadline,
		limit:     r.step.Timeout,
		grace:     r.Config.Grace,
		signals:   r.Stop.Forward,
	}
}

// with sets a variable for this command only.
func (s supervision) with(name, value string) supervision {
	s.env.Variables = maps.Clone(s.env.Variables)
	s.env.Variables[name] = value
	return s
}

// superviseWith is supervise with a setting.
func (r *run) superviseWith(c steps.Command, how supervision) (process.Result, error) {
	r.Log.Info("running", "command", c.String(), "directory", how.directory)
	how = r.traced(how)
	r.tail.Line("\x1b[2m$ " + r.Redactor.String(c.String()) + "\x1b[22m")
	if r.isPastDeadline() { // a hook has a deadline of its own
		r.sink.Stopping(how.deadline.Add(how.grace))
	}
	lines := r.sink.Command()
	told := r.listen()
	clean := r.Redactor.Writer(io.MultiWriter(r.delivery.Output(lines), r.tail, told.watch), redact.MaskCommands())
	if r.in.Frugal != nil {
		r.in.Frugal()
	}
	exceeded := r.Redactor.MasksExceeded()
	r.sink.Running()
	defer r.sink.Idle() // for a command that was not started
	signals, release := how.signals, func() {}
	watch := func(int) {}
	if !how.outlives {
		watch = r.delivery.Watch
		signals, release = r.stopWithServices(signals)
	}
	result, err := process.Run(process.Command{
		Args: c.Argv(), Dir: r.Path(how.directory), Env: how.env.List(), Output: withholding{clean, r.Log},
		Deadline: how.deadline, Grace: how.grace, Marker: r.Marker(), Meter: task.NewMeter(r.Stop.Work, r.Config.Metadata), Keep: how.keep,
		OnSuspended: func(p process.Process) {
			w := process.SuspendedWarning(p)
			r.Log.Warn(w.Message, w.Args...)
		},
		OnStarted: watch, OnEnded: r.sink.Idle,
	}, signals)
	release()
	closeOutput := func() {
		closeErr := errors.Join(clean.Close(), lines.Close())
		if e := cmp.Or(result.OutputErr, closeErr); e != nil && !errors.Is(e, redact.ErrTooManyMasks) {
			r.Log.Warn("a part of the command's output could not be written", "error", e.Error())
		}
	}
	if result.OutputOver != nil { // a process that is kept may still write
		r.closeWhenOver(result.OutputOver, closeOutput, err != nil)
	} else {
		closeOutput()
	}
	for _, w := range result.Warnings(err) {
		r.Log.Warn(w.Message, w.Args...)
	}
	process.AdviseHeap(err, r.tail.Log().Text, result.Usage.MemoryLimit)
	if err == nil && !exceeded && r.Redactor.MasksExceeded() {
		err = errTooManyMasks
	}
	var timeout *process.TimeoutError
	if errors.As(err, &timeout) {
		timeout.Limit = how.limit // the run's, which began before this command did
	}
	if sig, _ := r.Stop.Signal(); sig == 0 {
		if err != nil && r.delivery.Lost() != nil {
			err = r.delivery.Lost() // the lost lock is why the command was stopped
		} else if !how.outlives {
			err = r.orServiceError(err)
		}
	}
	r.conclude(told, err)
	return result, err
}

// keptOutputWait is how long a command that failed is waited for that leaves processes with its output.
const keptOutputWait = 500 * time.Millisecond

// closeWhenOver closes the output of a command once all of its processes have. What a failed command printed has to be
// there when the cause is derived.
func (r *run) closeWhenOver(over <-chan struct{}, closeOutput func(), failed bool) {
	closed := make(chan struct{})
	r.kept.Go(func() {
		<-over
		closeOutput()
		close(closed)
	})
	if !failed {
		return
	}
	timer := time.NewTimer(keptOutputWait)
	defer timer.Stop()
	select {
	case <-closed:
	case <-timer.C:
	}
}

// withholding is the way of a command's output into the log. It logs when the output ends because the command masked
// too much.
type withholding struct {
	to  io.Writer
	log *slog.Logger
}

func (w withholding) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	if errors.Is(err, redact.ErrTooManyMasks) { // the supervisor writes no more after an error
		w.log.Error(errTooManyMasks.Message, "hint", errTooManyMasks.Advice)
	}
	return n, err
}

var errTooManyMasks = &outcome.SecretsError{
	Message: "the command masked more than 10,000 values or 1 MiB of them, so its output is withheld",
	Advice:  "mask what is secret only, once each, or several values as the lines of one",
}

// readReports reads the reports of a command that was started. One that passed must have run tests, as far as its reports
// or its output tell.
func (r *run) readReports(commandErr error) error {
	err := r.readReportFiles(commandErr)
	if err == nil && r.result != nil {
		output := r.tail.Since(r.heard.last)
		err = r.verdict.CheckOutput(output.Text, output.Dropped == 0)
	}
	return err
}

func (r *run) readReportFiles(commandErr error) error {
	var start *process.StartError
	if len(r.step.Reports) == 0 || r.result == nil || errors.As(commandErr, &start) {
		return commandErr
	}
	if r.Redactor.MasksExceeded() {
		r.Log.Warn("the reports are not read, since they may hold values that are not masked")
		return commandErr
	}
	err := commandErr
	_ = r.timed("results", func() error {
		err = r.verdict.ReadReports(r.result.Started, r.result.ExitCode, commandErr)
		if commandErr != nil {
			return nil // it has been reported with the command
		}
		return err
	})
	return err
}

// rerunFailedTests lets flaky tests pass, and verifies a command that turned green by it.
func (r *run) rerunFailedTests(err error) error {
	green, err := r.verdict.RerunFailed(err)
	if green {
		return r.verify()
	}
	return err
}

// Rerun implements verdict.Runner.
func (r *run) Rerun(n, tests int, c steps.Command) (result process.Result, err error) {
	begun := time.Now()
	err = r.phase(fmt.Sprintf("rerun %d", n), func() (err error) {
		result, err = r.supervise(c)
		return err
	})
	o := outcome.Of(err)
	r.attempts = append(r.attempts, record.Attempt{
		ExitCode: o.ExitCode, Reason: o.Reason, Started: begun.UTC(), Seconds: record.Seconds(time.Since(begun)), Rerun: tests,
	})
	r.result.Usage = r.result.Usage.Add(result.Usage, result.Started.Sub(r.result.Started))
	r.result.Wall += result.Wall
	r.result.Leftovers = append(r.result.Leftovers, result.Leftovers...)
	r.result.OOMKills += result.OOMKills
	return result, err
}

// StoreReports implements verdict.Runner.
func (r *run) StoreReports(prefix string, read results.Results) error {
	ctx, cancel := r.Stop.RecordContext()
	defer cancel()
	return r.putReports(ctx, prefix, read)
}

// checkCoverage reads the coverage and holds it against the step's floor.
func (r *run) checkCoverage(err error) error {
	if r.result == nil || !r.verdict.MeasuresCoverage() {
		return err
	}
	read := r.timed("coverage", func() error { return r.verdict.ReadCoverage(r.result.Started) })
	return r.verdict.CheckCoverage(read, err)
}

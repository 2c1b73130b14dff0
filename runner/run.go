// Package runner runs one step: configure, check out, resolve, execute, publish, report, exit.
//
// It decides when things happen; package steps what, package artifacts where.
package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/account"
	"github.com/carlin-cicd/runner/runner/checkout"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/deploy"
	"github.com/carlin-cicd/runner/runner/environment"
	"github.com/carlin-cicd/runner/runner/logs"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/present/page"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/service"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/task"
	"github.com/carlin-cicd/runner/runner/terminal"
	"github.com/carlin-cicd/runner/runner/verdict"
	"github.com/carlin-cicd/runner/steps"
)

// Invocation is how the runner was started.
type Invocation struct {
	Variables map[string]string // the environment, with the flags applied
	Stdout    io.Writer         // the log and the summary
	Stderr    io.Writer         // messages about refused input
	Terminal  bool              // whether Stdout is one
	Width     func() int        // its columns, 0 if unknown; nil: no terminal, or one that cannot redraw a line
	Color     bool
	Signals   <-chan os.Signal
	Version   string
	Program   string // path of this program
	Started   time.Time
	Frugal    func() // called before a command starts: from then on memory matters more than time; may be nil
	// Roomy is called before work that needs more memory, while no command runs, and what it returns after it; may be nil.
	Roomy func() (back func())

	Follows bool // another run of this task came before it, so that the start of the task is not this run's

	Undo bool   // roll the stack back instead of running the step
	To   string // the run whose snapshot is restored; "" for the newest

	merge        *merging // merge shards instead of running the step
	mergeProblem error    // why it is not known what to merge
}

// run is the state of one run. Each phase reads the results of earlier ones and adds its own.
type run struct {
	session.Session
	in        Invocation
	over      time.Time // when it ended; zero before
	step      steps.Step
	steps     steps.Catalogue
	installed string            // fingerprint of the dependencies of the image: see setup
	lockfiles map[string]string // SHA-256 by path, as the command found them
	env       environment.Environment
	task      task.Task

	diskBefore int64 // bytes in use when the task metadata was read

	sink     *logs.Sink
	format   logs.Format
	file     *logFile
	logTimer *time.Timer // see boundLogAtDeadline
	tail     *page.Tail  // the end of the command's output
	heard    heard       // what the commands' output tells
	lookback *lookback   // earlier runs of the step; nil before the run has begun
	lockfile string      // digest of the lockfiles before the command; "" without any

	result        *process.Result
	verdict       *verdict.Verdict
	artifacts     []record.Artifact
	attachments   []record.Attachment
	phases        []record.Phase
	attempts      []record.Attempt
	published     map[string]bool
	prepared      map[string]*artifacts.Preparation // by artifact
	publishing    []context.CancelFunc              // of the contexts of artifacts that were published
	keptApproved  bool                              // the builds of an earlier run were not replaced, so its record is not either
	starting      chan error                        // the result of storing started.json, while that is under way
	indexing      indexing
	account       *account.Place     // where the command works in AWS, once its variables are known
	delivery      *deploy.Deployment // nil for a step that changes no environment
	caches        caches
	hooks         hooks
	services      *service.Set   // nil without any
	kept          sync.WaitGroup // outputs of processes that before hooks left running
	outputs       outputs
	tracing       tracing
	notifications notifications
	private       environment.Private
	source        *checkout.Checkout
	shard         *shard   // nil for a run of all tests
	merging       *merging // nil for a run of the step
	awaitsImage   bool     // the step is started again with another image: see checkImage
}

// Run runs the step, reports how it ended, and returns the same. The last shard of a step that is divided merges.
func Run(ctx context.Context, in Invocation) outcome.Outcome {
	if in.merge == nil {
		m, done, s, err := prepareMerge(ctx, in)
		if err == nil && done != nil {
			return mergedBefore(in, s.Place, *done)
		}
		in.merge, in.mergeProblem = m, err
	}
	r, o := runOnce(ctx, in)
	return r.mergeIfLast(ctx, o)
}

func runOnce(ctx context.Context, in Invocation) (*run, outcome.Outcome) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &run{tail: page.NewTail(pageLog), in: in, published: map[string]bool{}, artifacts: []record.Artifact{}}
	r.Session = session.Session{ID: session.NewID(), Began: in.Started, Variables: in.Variables, Program: in.Program}
	if r.merging = in.merge; r.merging != nil {
		r.ID = r.merging.runID
	}
	r.verdict = verdict.New(&r.Session, r.step, r)
	r.source = checkout.New(&r.Session, &r.private)
	r.Redactor = redact.New(append(environment.Secrets(in.Variables), knownHeaders(in.Variables)...)...)
	r.AWS = session.NewAWS(r.Redactor)

	err := r.configure(ctx, in.Signals)
	if r.sink == nil { // the log's settings are invalid: report that in a default format
		format, formatErr := logs.ParseFormat(in.Variables["RUNNER_LOG_FORMAT"], in.Terminal)
		if formatErr != nil {
			format, _ = logs.ParseFormat("auto", in.Terminal)
		}
		r.step.Name = in.Variables["PIPELINE_STEP"]
		r.openLog(format, slog.LevelInfo, nil)
	}
	defer r.file.remove()
	defer r.boundLogOnStop()()
	if err != nil {
		return r, r.end(outcome.Refused(err))
	}
	if r.Config.DryRun && in.Undo {
		r.sink.Flush()
		err := r.resolveAWSSecrets()
		if err == nil {
			err = r.delivery.PrintRollback(terminal.Writer(in.Stdout), in.To, r.account, r.env.Variables)
		}
		if err != nil {
			return r, r.end(err)
		}
		return r, outcome.Of(nil)
	}
	if r.Config.DryRun {
		r.sink.Flush()
		r.printPlan(in.Stdout)
		return r, outcome.Of(nil)
	}
	go r.logSignals(ctx)
	r.startTrace()
	r.notifyStart()
	return r, r.end(r.perform())
}

// logSignals logs signals as they arrive.
func (r *run) logSignals(ctx context.Context) {
	for first := true; ; first = false {
		select {
		case sig := <-r.Stop.Received:
			if first {
				r.Log.Warn(
					"stopping",
					"signal",
					process.SignalName(sig),
					"grace",
					r.Config.Grace.String(),
					"stop_budget",
					r.Config.StopBudget.String(),
				)
			} else {
				r.Log.Warn("stopping at once", "signal", process.SignalName(sig))
			}
		case <-ctx.Done():
			return
		}
	}
}

// perform is the run between its configuration and its end. The first error decides how it ends: the command's comes
// before that of the reports, and that before the artifacts'.
func (r *run) perform() error {
	defer func() { r.delivery.Unlock() }() // a checkout may replace it
	defer r.removeOutputs()
	defer r.source.Close()
	defer r.closeToolCaches() // of a run that ends early
	defer r.stopServices()    // of one that ends before its hooks
	defer r.removeFiles()
	switch {
	case r.in.Undo:
		return r.rollback()
	case r.merging != nil:
		return r.performMerge()
	case r.Config.MergeShards > 0:
		return outcome.ArtifactsError{Err: fmt.Errorf("the parts of the shards cannot be read: %w", r.in.mergeProblem)}
	}
	r.lookBack()
	if err := r.prepare(); err != nil {
		r.onFailure(err)
		r.after(err)
		return err
	}
	r.prepareSets()
	r.verdict.LookAhead()
	err := r.execute()
	r.refreshIndex()
	err = r.readReports(err)
	r.storeAttachments()
	err = r.rerunFailedTests(err)
	r.onFailure(err)
	r.after(err)
	if r.shard != nil {
		if err == nil {
			err = r.hooks.failed
		}
		err = r.keepSets(err)
		r.onFailure(err)
		return err
	}
	if r.verdict.HasTests() && !r.isPartial() {
		_ = r.timed("history", func() error { return r.verdict.LoadHistory(err == nil) }) // the error has been logged
	}
	err = r.checkCoverage(err)
	err = r.concludeDelivery(err)
	if err == nil { // a failed hook does not undo a deployment
		err = r.hooks.failed
	}
	var beside sync.WaitGroup
	beside.Go(r.verdict.SaveHistory)
	err = r.publishArtifacts(err)
	r.saveCaches(err)
	beside.Go(func() { r.verdict.SaveCoverage(err) })
	beside.Wait()
	r.onFailure(err)
	return err
}

// prepare runs the phases before the command.
func (r *run) prepare() error {
	for _, p := range []struct {
		name string
		do   func() error
	}{
		{"record", r.recordStart},
		{"source", r.checkout},
		{"", r.checkImage},
		{"", r.storePlan},
		{"guard", r.checkPrerequisites},
		{"secrets", func() error { return r.resolveSecrets(r.env) }},
		{"", r.checkAccount},
		{"lock", func() error { return r.delivery.Lock(r.account, r.env.Variables) }},
		{"fetch", r.fetch},
		{"", r.assumeRole},
		{"", r.restoreCaches},
		{"setup", r.setup},
		{"", r.readLockfiles},
		{"", r.startServices},
		{"", r.before},
		{"snapshot", r.beginDelivery},
	} {
		do := p.do
		if p.name != "" { // hooks are phases of their own
			do = func() error { return r.phase(p.name, p.do) }
		}
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// phase runs a part of the run and records its duration. No phase starts after the run was stopped.
func (r *run) phase(name string, do func() error) error {
	if r.Stop.Work.Err() != nil {
		return context.Cause(r.Stop.Work)
	}
	if err := cmp.Or(r.delivery.Lost(), r.services.Err()); err != nil {
		return err
	}
	return r.timed(name, do)
}

func (r *run) timed(name string, do func() error) error {
	p := record.Phase{Name: name, Started: time.Now().UTC()}
	if name == "command" {
		name = fmt.Sprintf("attempt %d", len(r.attempts)+1)
	}
	end := r.span(name)
	err := do()
	if cause := context.Cause(r.Stop.Work); err != nil && cause != nil && errors.Is(err, context.Canceled) {
		err = cause // the stop is the reason
	}
	end(err)
	p.Seconds = record.Seconds(time.Since(p.Started))
	if err != nil {
		p.Error = err.Error()
	}
	r.phases = append(r.phases, p)
	r.Log.Debug("phase ended", "phase", p.Name, "seconds", p.Seconds)
	return err
}

// configure decides everything that can be decided before anything changes.
func (r *run) configure(ctx context.Context, signals <-chan os.Signal) error {
	config, err := config.Read(r.Variables)
	r.Stop = session.NewStopper(ctx, max(config.StopBudget, time.Second), signals)
	r.Config = config
	if err != nil {
		return err
	}
	format, err := logs.ParseFormat(config.LogFormat, r.in.Terminal)
	if err != nil {
		return &outcome.ConfigError{
			Message: fmt.Sprintf("RUNNER_LOG_FORMAT cannot be %q", config.LogFormat),
			Advice:  "write auto, text or json",
		}
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(config.LogLevel)); err != nil {
		return &outcome.ConfigError{
			Message: fmt.Sprintf("RUNNER_LOG_LEVEL cannot be %q", config.LogLevel),
			Advice:  "write debug, info, warn or error",
		}
	}

	commitErr := r.Identify()
	var taskErr error
	r.task, taskErr = task.Describe(ctx, config.Metadata)
	if r.in.Follows {
		r.task.PullStartedAt = time.Time{} // the run before has it
	}
	r.TaskARN = r.task.ARN
	r.diskBefore, _ = process.DiskUsed(config.Workspace)
	r.step.Name = config.Step
	r.shard = newShard(config.Shard)
	r.openLog(format, level, r.attributes())
	if taskErr != nil {
		r.Log.Warn("the task metadata cannot be read, so the log does not name the task", "error", taskErr.Error())
	}

	if commitErr != nil {
		return commitErr
	}
	if err = r.OpenStore(ctx, r.LockOwner(r.step.Name), r.LogWait); err != nil {
		return err
	}
	err = r.resolveStep()
	if err == nil && (!r.AwaitsCheckout() || config.DryRun) {
		err = r.selectTests()
	}
	if err != nil && (!r.AwaitsCheckout() || config.DryRun || r.in.Undo) {
		return err
	}
	return nil
}

// resolveStep decides what depends on runner.yaml: the step, its environment, and whether its required variables are
// set.
func (r *run) resolveStep() error {
	if err := r.chooseStep(); err != nil {
		return err
	}
	r.verdict = verdict.New(&r.Session, r.step, r)
	if r.shard != nil {
		r.verdict.OfPart()
	}
	r.env = environment.New(&r.Session, r.step)
	r.delivery = deploy.New(&r.Session, r.step)
	if r.in.Undo {
		r.delivery = deploy.NewRollback(&r.Session, r.step)
	}
	r.Redactor.Add(environment.Secrets(r.env.Variables)...) // runner.yaml may contain some
	for _, s := range r.step.Services {
		r.Redactor.Add(environment.Secrets(s.Environment)...)
	}
	if err := r.checkRequired(len(r.step.Needs) > 0); err != nil {
		return err
	}
	for _, name := range r.Redactor.Unredacted() {
		r.Log.Warn("the value is too short or too common to be redacted", "variable", name)
	}
	return nil
}

// chooseStep reads runner.yaml and finds the step. Settings of the environment override those of the file.
func (r *run) chooseStep() error {
	catalogue, err := r.LoadSteps()
	if err != nil {
		return err
	}
	r.steps = catalogue
	if r.step, err = catalogue.Find(r.Config.Step); err != nil {
		r.step.Name = r.Config.Step
		return err
	}
	r.Config.Apply(&r.step)
	switch {
	case r.Config.Timeout > 0:
		r.step.Timeout, r.step.Origin["timeout"] = r.Config.Timeout, "RUNNER_TIMEOUT"
	case r.step.Timeout == 0:
		r.step.Timeout, r.step.Origin["timeout"] = config.DefaultTimeout, "default"
	}
	r.Deadline = r.Began.Add(r.step.Timeout)
	r.boundLogAtDeadline()
	if err := cmp.Or(r.chooseGrace(), r.chooseWay()); err != nil {
		return err
	}
	if r.in.Undo {
		if r.step, err = deploy.RollbackStep(r.step, r.Config); err != nil {
			return err
		}
	}
	if r.Config.Retries >= 0 && r.step.Lock != steps.LockEnvironment {
		r.step.Retry.Attempts, r.step.Origin["retry"] = r.Config.Retries, "RUNNER_RETRIES"
		if r.step.Retry.On == nil {
			r.step.Retry.On = []string{string(record.OOM), "infrastructure"}
		}
	}
	return nil
}

// chooseGrace applies the step's own grace, unless RUNNER_GRACE is set.
func (r *run) chooseGrace() error {
	if r.step.Grace == 0 || r.Variables["RUNNER_GRACE"] != "" {
		return nil
	}
	if r.step.Grace >= r.Config.StopBudget {
		return &outcome.ConfigError{
			Message: fmt.Sprintf(
				"grace: %s of step %s leaves nothing of RUNNER_STOP_BUDGET (%s) for publishing",
				r.step.Grace,
				r.step.Name,
				r.Config.StopBudget,
			),
			Advice: "raise stopTimeout in the task definition and RUNNER_STOP_BUDGET with it, or lower grace",
		}
	}
	r.Config.Grace = r.step.Grace
	return nil
}

// attributes returns the attributes of every log line.
func (r *run) attributes() []slog.Attr {
	all := []slog.Attr{
		slog.String("step", r.Config.Step),
		slog.String("run_id", r.ID),
		slog.String("branch", r.Ref.Branch),
		slog.String("sha", r.Ref.SHA),
	}
	if r.shard != nil {
		all = append(all, slog.String("shard", r.shard.String()))
	}
	if r.Config.Environment != "" {
		all = append(all, slog.String("environment", r.Config.Environment))
	}
	if r.task.ARN != "" {
		all = append(all, slog.String("task", r.task.ID()))
	}
	return all
}

// directory returns the folder that the command runs in.
func (r *run) directory() string { return r.Path(r.step.Directory) }

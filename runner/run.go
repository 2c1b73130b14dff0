// Package runner is one run of one step, told as a story: configure, check out, resolve, execute, publish, report, exit.
//
// It decides when; package steps says what; package artifacts knows where.
package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/logs"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/report"
	"github.com/carlin-cicd/runner/runner/source"
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/results"
)

// Invocation is what the runner is handed by whoever starts it.
type Invocation struct {
	Variables map[string]string // the environment, the flags laid over it
	Stdout    io.Writer         // the log, and the summary
	Stderr    io.Writer         // what a person is told of input that is refused
	Terminal  bool              // whether Stdout is one
	Width     func() int        // its columns, 0 if it does not say; nil: no terminal, or one that cannot draw a line anew
	Color     bool
	Signals   <-chan os.Signal
	Version   string
	Started   time.Time
	Frugal    func() // called when a command is about to start: from then on memory counts more than time; nil: nobody is told

	Undo bool   // bring the stack back instead of running the step
	To   string // to what this run found it to be; empty: the newest
}

// run is the state of one run. Each phase reads what the earlier ones decided and adds its own part.
type run struct {
	in        Invocation
	begun     time.Time
	over      time.Time // when it ended; zero before
	id        string
	config    Config
	step      steps.Step
	steps     steps.Catalogue
	ref       artifacts.Ref
	dirty     bool
	deadline  time.Time
	installed string // the dependencies that the image came with: see setup
	env       environment
	task      task

	diskBefore int64 // bytes in use when the task told how much of its own is

	stop     *stopper
	redactor *redact.Redactor
	sink     *logs.Sink
	log      *slog.Logger
	format   logs.Format
	file     *logFile
	tail     *report.Tail // the end of the command's output

	aws       AWS
	store     artifacts.Store
	place     string // the store, in words
	result    *process.Result
	tests     *results.Results
	doubt     string // why failing tests were neither run again nor forgiven
	fewer     string // how many tests went missing, if they are many
	memory    memory
	coverage  *coverageRecord
	artifacts []artifact
	phases    []phase
	attempts  []attempt
	published map[string]bool
	starting  chan error // the result of storing started.json, while that is under way
	delivery  delivery
	hooks     hooks
	outputs   outputs
	tracing   tracing
	telling   telling
	private   privateValues
}

// Run runs the step and returns how it ended. Everything there is to say has been said by then.
func Run(ctx context.Context, in Invocation) Outcome {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &run{tail: report.NewTail(pageLog), in: in, begun: in.Started, id: NewID(), aws: NewAWS(), published: map[string]bool{}, artifacts: []artifact{}}
	r.redactor = redact.New(append(known(in.Variables), knownHeaders(in.Variables)...)...)

	err := r.configure(ctx, in.Signals)
	if r.sink == nil { // the log's own settings are wrong: say so in the plainest form that fits
		format, formatErr := logs.ParseFormat(in.Variables["RUNNER_LOG_FORMAT"], in.Terminal)
		if formatErr != nil {
			format, _ = logs.ParseFormat("auto", in.Terminal)
		}
		r.step.Name = in.Variables["PIPELINE_STEP"]
		r.openLog(format, slog.LevelInfo, nil)
	}
	defer r.file.remove()
	if err != nil {
		return r.end(refuse(err))
	}
	if r.config.DryRun && in.Undo {
		if err := r.undo(); err != nil {
			return r.end(err)
		}
		return judge(nil)
	}
	if r.config.DryRun {
		r.sink.Flush()
		r.printPlan(in.Stdout)
		return judge(nil)
	}
	go r.tellSignals(ctx)
	r.beginTrace()
	r.tellBeginning()
	return r.end(r.perform())
}

// tellSignals logs what we are told from outside when it comes, with the time there is to do it.
func (r *run) tellSignals(ctx context.Context) {
	for first := true; ; first = false {
		select {
		case sig := <-r.stop.told:
			if first {
				r.log.Warn("told to stop", "signal", signalName(sig), "grace", r.config.Grace.String(), "stop_budget", r.config.StopBudget.String())
			} else {
				r.log.Warn("told to stop at once", "signal", signalName(sig))
			}
		case <-ctx.Done():
			return
		}
	}
}

// perform is the run between its configuration and its end. What goes wrong earlier keeps what comes later from
// starting, but not from being told: the command's error comes before that of the reports, and that before the artifacts'.
func (r *run) perform() error {
	defer r.unlock()
	defer r.removeOutputs()
	if r.in.Undo {
		return r.undo()
	}
	if err := r.prepare(); err != nil {
		r.onFailure(err)
		r.after(err)
		return err
	}
	err := r.execute()
	err = r.readReports(err)
	err = r.reconsider(err)
	r.onFailure(err)
	r.after(err)
	r.recall(err == nil)
	err = r.judgeCoverage(err)
	err = r.conclude(err)
	if err == nil { // what was deployed stays: it is not what failed
		err = r.hooks.failed
	}
	err = r.publishArtifacts(err)
	r.rememberCoverage(err)
	r.remember()
	r.onFailure(err)
	return err
}

// prepare does what comes before the command.
func (r *run) prepare() error {
	for _, p := range []struct {
		name string
		do   func() error
	}{
		{"record", r.recordStart},
		{"source", r.checkout},
		{"guard", r.admit},
		{"lock", r.lock},
		{"fetch", r.fetch},
		{"secrets", func() error { return r.resolve(r.env) }},
		{"setup", r.setup},
		{"", r.before},
		{"snapshot", r.begin},
	} {
		do := p.do
		if p.name != "" { // otherwise it is several, or none
			do = func() error { return r.phase(p.name, p.do) }
		}
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// phase does a part of the run and keeps its time. None starts once the run was told to stop.
func (r *run) phase(name string, do func() error) error {
	if r.stop.work.Err() != nil {
		return context.Cause(r.stop.work)
	}
	if err := r.delivery.lost(); err != nil {
		return err
	}
	return r.timed(name, do)
}

func (r *run) timed(name string, do func() error) error {
	p := phase{Name: name, Started: time.Now().UTC()}
	if name == "command" {
		name = fmt.Sprintf("attempt %d", len(r.attempts)+1)
	}
	end := r.span(name)
	err := do()
	if cause := context.Cause(r.stop.work); err != nil && cause != nil && errors.Is(err, context.Canceled) {
		err = cause // it was cut short because we were told to stop, and that is the reason
	}
	end(err)
	p.Seconds = seconds(time.Since(p.Started))
	if err != nil {
		p.Error = err.Error()
	}
	r.phases = append(r.phases, p)
	r.log.Debug("phase ended", "phase", p.Name, "seconds", p.Seconds)
	return err
}

// configure decides everything that can be decided before anything is touched.
func (r *run) configure(ctx context.Context, signals <-chan os.Signal) error {
	config, err := Configure(r.in.Variables)
	r.stop = newStopper(ctx, max(config.StopBudget, time.Second), signals)
	r.config = config
	if err != nil {
		return err
	}
	format, err := logs.ParseFormat(config.LogFormat, r.in.Terminal)
	if err != nil {
		return &ConfigError{Message: fmt.Sprintf("RUNNER_LOG_FORMAT cannot be %q", config.LogFormat), Advice: "write auto, text or json"}
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(config.LogLevel)); err != nil {
		return &ConfigError{Message: fmt.Sprintf("RUNNER_LOG_LEVEL cannot be %q", config.LogLevel), Advice: "write debug, info, warn or error"}
	}

	commitErr := r.identify()
	var taskErr error
	r.task, taskErr = describeTask(ctx, config.Metadata)
	r.diskBefore, _ = process.DiskUsed(config.Workspace)
	r.step.Name = config.Step
	r.openLog(format, level, r.attributes())
	if taskErr != nil {
		r.log.Warn("the task's metadata cannot be read, so its name is missing here", "error", taskErr.Error())
	}

	if commitErr != nil {
		return commitErr
	}
	if r.store, r.place, err = OpenStore(ctx, config, r.aws, r.party(), r.waiting); err != nil {
		return err
	}
	if err := r.settle(); err != nil && (!r.awaitsCheckout() || config.DryRun) {
		return err
	}
	return nil
}

// party is who we are to those who wait for something that we hold.
func (r *run) party() artifacts.Party {
	return artifacts.Party{Owner: r.task.ARN, RunID: r.id, Step: r.step.Name, SHA: r.ref.SHA, Branch: r.ref.Branch}
}

// waiting tells whom we wait for.
func (r *run) waiting(h artifacts.Holder) {
	r.log.Info("waiting for somebody else", "holder", h.String(), "since", h.Acquired, "until", h.Expires)
}

// awaitsCheckout reports whether the commit, and with it the runner.yaml that counts, may have to be fetched first.
func (r *run) awaitsCheckout() bool { return r.config.Repository != "" && r.config.SHA != "" }

// settle decides what depends on runner.yaml: the step, its environment, and whether all that it requires is there.
func (r *run) settle() error {
	if err := r.chooseStep(); err != nil {
		return err
	}
	r.env = r.childEnvironment()
	r.redactor.Add(known(r.env.variables)...) // runner.yaml may hold some, too
	if err := r.required(len(r.step.Needs) > 0); err != nil {
		return err
	}
	for _, name := range r.redactor.Unredacted() {
		r.log.Warn("the value is too short or too common to be redacted", "variable", name)
	}
	return nil
}

// chooseStep reads runner.yaml, finds the step and lets the environment's settings win over the file's.
func (r *run) chooseStep() error {
	catalogue, err := LoadSteps(r.config)
	if err != nil {
		return err
	}
	r.steps = catalogue
	if r.step, err = catalogue.Find(r.config.Step); err != nil {
		r.step.Name = r.config.Step
		return err
	}
	switch {
	case r.config.Timeout > 0:
		r.step.Timeout, r.step.Origin["timeout"] = r.config.Timeout, "RUNNER_TIMEOUT"
	case r.step.Timeout == 0:
		r.step.Timeout, r.step.Origin["timeout"] = DefaultTimeout, "default"
	}
	r.deadline = r.begun.Add(r.step.Timeout)
	if err := errors.Join(r.chooseGrace(), r.chooseUndo()); err != nil {
		return err
	}
	if r.config.Retries >= 0 && r.step.Lock != steps.LockEnvironment {
		r.step.Retry.Attempts, r.step.Origin["retry"] = r.config.Retries, "RUNNER_RETRIES"
		if r.step.Retry.On == nil {
			r.step.Retry.On = []string{string(OOM), "infrastructure"}
		}
	}
	return nil
}

// LoadSteps returns the steps of the workspace that a configuration names.
func LoadSteps(c Config) (steps.Catalogue, error) {
	var file *steps.File
	var err error
	if c.File == "" {
		file, err = steps.LoadDefault(c.Workspace)
	} else {
		file, err = steps.Load(c.File)
	}
	var refused *steps.FileError
	if errors.As(err, &refused) { // a path inside the workspace reads better relative to it
		if relative, relErr := filepath.Rel(c.Workspace, refused.Path); relErr == nil && filepath.IsLocal(relative) {
			refused.Path = relative
		}
	}
	return steps.Collect(c.Workspace, file), err
}

// noCommit and detached stand where there is no commit, and no branch.
const (
	noCommit = "0000000000000000000000000000000000000000"
	detached = "detached"
)

// identify finds the branch and the commit: from the variables, else from GitHub's, else from the workspace's git.
func (r *run) identify() error {
	c := r.config
	r.ref = artifacts.Ref{Branch: first(c.Branch, c.GitHubBranch), SHA: first(c.SHA, c.GitHubSHA)}
	commit, err := source.Describe(r.stop.work, r.git, c.Workspace)
	if err == nil {
		r.dirty = commit.Dirty && (r.ref.SHA == "" || r.ref.SHA == commit.SHA)
		r.ref.Branch, r.ref.SHA = first(r.ref.Branch, commit.Branch), first(r.ref.SHA, commit.SHA)
	}
	if r.ref.Branch == "" {
		r.ref.Branch = detached
	}
	if r.ref.SHA == "" {
		r.ref.SHA = noCommit
	}
	r.ref.SHA = strings.ToLower(r.ref.SHA)
	if err := r.ref.Validate(); err != nil {
		return &ConfigError{Err: err, Advice: "BRANCH must be a branch's name as git takes it, GIT_SHA hexadecimal"}
	}
	return nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// attributes are on every line of the log.
func (r *run) attributes() []slog.Attr {
	all := []slog.Attr{slog.String("step", r.config.Step), slog.String("run_id", r.id), slog.String("branch", r.ref.Branch), slog.String("sha", r.ref.SHA)}
	if r.config.Environment != "" {
		all = append(all, slog.String("environment", r.config.Environment))
	}
	if r.task.ARN != "" {
		all = append(all, slog.String("task", r.task.id()))
	}
	return all
}

// directory is where the command runs.
func (r *run) directory() string { return r.inWorkspace(r.step.Directory) }

func (r *run) inWorkspace(path string) string {
	return filepath.Join(r.config.Workspace, filepath.FromSlash(path))
}

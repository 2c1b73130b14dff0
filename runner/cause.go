package runner

import (
	"errors"
	"os"

	"github.com/carlin-cicd/runner/runner/cause"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/present/page"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/service"
)

// heard is what the output of the commands tells, each derived when its command has ended: later output displaces it
// from the tail.
type heard struct {
	failed []failedOutput // of commands that failed, the newest last
	last   page.Mark      // where the output of the last command begins
	notes  []record.Annotation
}

// failedOutput is the output of a command that failed, which its error identifies.
type failedOutput struct {
	err    error
	output cause.Output
}

// maxFailed is how many failed commands are remembered: attempts, reruns and hooks.
const maxFailed = 8

// listener reads the output of one command.
type listener struct {
	watch *cause.Watch
	mark  page.Mark // where in the tail its output begins
}

// listen returns the listener of the next command. Its watch has to get what the tail gets.
func (r *run) listen() listener { return listener{watch: new(cause.Watch), mark: r.tail.Mark()} }

// conclude keeps what the output of a command tells that ended with err.
func (r *run) conclude(l listener, err error) {
	tail := r.tail.Since(l.mark)
	output := l.watch.End(tail.Text, tail.First, l.mark.Lines(), err != nil)
	r.heard.notes, r.heard.last = append(r.heard.notes, output.Annotations...), l.mark
	if err == nil {
		return
	}
	if len(r.heard.failed) == maxFailed {
		r.heard.failed = r.heard.failed[1:]
	}
	r.heard.failed = append(r.heard.failed, failedOutput{err, output})
}

// cause returns why the run did not pass. It is part of the record, and so is derived once.
func (r *run) cause(o outcome.Outcome, f record.Run) *record.Cause {
	if o.Passed() {
		return nil
	}
	failure := cause.Failure{
		Reason: o.Reason, ExitCode: o.ExitCode, Error: f.Error, Hint: f.Hint, Tests: f.Tests, Places: r.places(),
		Output: r.outputOf(o.Err),
	}
	var exit *process.ExitError
	// After a command that passed, as when a check fails, only the rollback has events of failures.
	afterCommand := errors.As(o.Err, &exit) && r.result != nil && r.result.ExitCode == 0
	if f.Deployment != nil && !afterCommand {
		failure.Stack = f.Deployment.Events
	}
	var start *process.StartError
	var signalled *process.SignalError
	var beside *service.Error
	switch {
	case errors.As(o.Err, &beside):
		failure.Lines = beside.Lines
	case errors.As(o.Err, &start) && start.Dir == "" && start.Resource == "":
		failure.Program = start.Path
	case errors.As(o.Err, &signalled):
		failure.Signal = process.SignalName(signalled.Signal)
	}
	return cause.Of(failure)
}

// outputOf returns the output of the command whose error ended the run; nil if no command's did.
func (r *run) outputOf(err error) *cause.Output {
	var setup *setupError
	if errors.As(err, &setup) {
		err = setup.failed
	}
	for i := len(r.heard.failed) - 1; i >= 0; i-- {
		if f := r.heard.failed[i]; errors.Is(err, f.err) {
			return &f.output
		}
	}
	return nil
}

// places returns where paths of the output may lead.
func (r *run) places() cause.Places {
	return cause.Places{
		Directory: r.directory(), Workspace: r.Config.Workspace, Within: r.withinRepository(),
		Exists: func(name string) bool {
			info, err := os.Lstat(name)
			return err == nil && info.Mode().IsRegular()
		},
	}
}

// maxAnnotations is how many annotations of each kind are on record.
const maxAnnotations = 50

// annotations returns what the commands said of lines of the code, each once: errors first. A run that passed has no
// errors but those that a workflow command calls so.
func (r *run) annotations(o outcome.Outcome) []record.Annotation {
	type key struct {
		path    string
		line    int
		message string
	}
	seen := map[key]bool{}
	places := r.places()
	var failures, others []record.Annotation
	for _, a := range r.heard.notes {
		a.Path = places.Find(a.Path)
		if a.Path == "" {
			a.Line, a.EndLine, a.Column, a.EndColumn = 0, 0, 0, 0
		}
		list := &others
		if a.Level == record.LevelError {
			list = &failures
		}
		of := key{a.Path, a.Line, a.Message}
		survived := o.Passed() && a.Level == record.LevelError
		if seen[of] || len(*list) == maxAnnotations || a.Tool != "" && (a.Path == "" || survived) {
			continue
		}
		seen[of] = true
		*list = append(*list, a)
	}
	return append(failures, others...)
}

package runner

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/carlin-cicd/runner/runner/logs"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/record"
)

// end records, reports and publishes how the run ended.
func (r *run) end(err error) outcome.Outcome {
	o := outcome.Of(err)
	r.over = time.Now()
	r.boundLogAtEnd()
	ended := r.buildRecord(o)
	if r.format == logs.Text && !ended.Recorded {
		r.sink.Flush()
		fmt.Fprint(r.in.Stderr, present.Refusal(ended))
		r.notifyEnd(ended)()
		return o
	}
	r.logEnd(ended)
	if r.shard == nil && !r.awaitsImage { // the metrics of a step are those of its merged run
		r.sink.Raw(present.EMF(ended, time.Now()))
	}
	if dropped := r.sink.Dropped(); dropped > 0 {
		r.Log.Warn(
			"the reader of the log did not take all of it", "lines", dropped,
			"hint", "log.jsonl.gz in the record of the run is complete",
		)
		ended.Log = &record.Log{Dropped: r.sink.Dropped()}
	}
	sent := r.sendTrace(ended)
	r.publishRecord(ended)
	r.finishMerge(ended)
	if s := r.shard; s != nil && s.problem != nil && o.Passed() { // what it has found is lost
		o = outcome.Of(outcome.ArtifactsError{Err: s.problem})
	}
	notified := r.notifyEnd(ended)
	sent()
	notified()
	r.settleSets()
	r.awaitIndex()
	r.writeStepSummary(ended)
	r.sink.Print(present.Terminal{Color: r.in.Color, Directory: workingDirectory()}.Summary(ended))
	r.boundLogAtEnd()
	r.sink.Flush()
	r.recordDropped(ended)
	return o
}

// recordDropped corrects the record of a run whose last lines the reader of the log did not take.
func (r *run) recordDropped(ended record.Run) {
	dropped := r.sink.Dropped()
	if dropped == 0 || ended.Log != nil && ended.Log.Dropped == dropped {
		return
	}
	ended.Log = &record.Log{Dropped: dropped}
	r.storeAgain(ended)
}

// logEnd logs the verdict.
func (r *run) logEnd(ended record.Run) {
	attributes := []any{"reason", ended.Reason, "exit_code", ended.ExitCode, "seconds", ended.Seconds}
	if ended.Killed {
		attributes = append(attributes, "killed", true)
	}
	if t := ended.Tests; t != nil {
		attributes = append(
			attributes, "tests", t.Total, "failed", t.Failed, "errored", t.Errored, "skipped", t.Skipped, "flaky",
			t.Counts.Flaky, "quarantined", t.Counts.Quarantined,
		)
	}
	if s := ended.Stop; s != nil {
		attributes = append(attributes, "signal", s.Signal, "stop_budget", s.Budget, "stop_used", s.Used)
	}
	if ended.Passed {
		r.Log.Info("step passed", attributes...)
		return
	}
	attributes = append(attributes, r.whyAttributes(ended)...)
	r.Log.Error("step failed", attributes...)
}

// whyAttributes say why a run did not pass, and where to go on.
func (r *run) whyAttributes(ended record.Run) []any {
	all := []any{"error", ended.Error}
	if cause := present.CauseLine(ended); cause != ended.Error {
		all = append(all, "cause", cause)
	}
	if c := ended.Cause; c != nil && c.Path != "" {
		at := c.Path
		if c.Line > 0 {
			at += fmt.Sprintf(":%d", c.Line)
		}
		all = append(all, "at", at)
	}
	if hint := present.Hint(ended); hint != "" {
		all = append(all, "hint", hint)
	}
	if ended.Recorded {
		all = append(all, "record", ended.Place+"/"+ended.Key, "report", present.ReportURL(ended.Place, ended.Key))
	}
	if again := ended.Rerun; again != nil {
		all = append(all, "rerun", again.Step)
		if again.Tests != "" {
			all = append(all, "rerun_tests", again.Tests)
		}
	}
	for _, fact := range [][2]string{{"log_stream", ended.LogURL}, {"last_passed", present.SinceLine(ended)}} {
		if fact[1] != "" {
			all = append(all, fact[0], fact[1])
		}
	}
	return all
}

// maxStepSummary is how large GitHub lets the summary of a step be, in bytes. It drops a larger one as a whole.
const maxStepSummary = 1 << 20

// writeStepSummary appends the run to the file that GitHub shows as the summary of a job, if there is one.
func (r *run) writeStepSummary(ended record.Run) {
	if r.Config.StepSummary == "" || !ended.Recorded {
		return
	}
	err := appendSummary(r.Config.StepSummary, func(limit int) string {
		return present.Markdown(ended, workingDirectory(), limit)
	})
	if err != nil {
		r.Log.Warn(
			"the summary for GitHub cannot be written", "error", err.Error(), "hint", "check GITHUB_STEP_SUMMARY",
		)
	}
}

// appendSummary appends what render returns for the number of bytes that are left. It does not wait for the reader of a
// pipe.
func appendSummary(name string, render func(limit int) string) (err error) {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", name)
	}
	text := render(maxStepSummary - int(min(info.Size(), maxStepSummary)))
	if text == "" {
		return fmt.Errorf("%s is as large as GitHub accepts", name)
	}
	_, err = io.WriteString(f, text)
	return err
}

// workingDirectory returns the folder that paths are shown relative to, "" if it is gone.
func workingDirectory() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	return dir
}

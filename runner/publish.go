package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/verdict"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/logs"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/results"
)

// runKey is the folder of this run's records in the store.
func (r *run) runKey() string {
	return keys.Run(r.Ref, r.step.Name, r.Config.Environment, r.ID)
}

// recordStart stores started.json in the background, so that the command does not wait for the store.
func (r *run) recordStart() error {
	started := r.startedRecord()
	r.starting = make(chan error, 1)
	go func() { r.starting <- r.putJSON(r.Stop.Work, "started.json", started, true) }()
	return nil
}

// awaitStart waits until started.json is stored. A run continues if it could not be.
func (r *run) awaitStart() {
	if r.starting == nil {
		return
	}
	if err := <-r.starting; err != nil && r.Stop.Work.Err() == nil {
		r.Log.Warn("started.json could not be stored", "error", err.Error(), "hint", outcome.Hint(err))
	}
	r.starting = nil
}

// publishArtifacts publishes what the command made. Its errors are the run's only if the command had none.
func (r *run) publishArtifacts(runErr error) error {
	var start *process.StartError
	if errors.As(runErr, &start) || r.result == nil {
		return runErr // the files there are not of this run
	}
	r.recordSoFar(runErr)
	var failed error
	for _, a := range r.step.Artifacts {
		if !a.When.Includes(runErr == nil) {
			continue
		}
		err := r.timed("publish "+a.Name, func() error {
			ctx, cancel := r.Stop.PublishContext()
			defer cancel()
			dir := filepath.Join(r.directory(), filepath.FromSlash(a.Path))
			if runErr != nil && untouched(dir, r.result.Started) {
				r.Log.Warn("no file is newer than the command, so the artifact is not published", "artifact", a.Name, "path", a.Path)
				return nil
			}
			return r.publishSet(ctx, artifacts.Set{
				Kind: a.Name, Ref: r.Ref, RunID: r.ID, Dirty: r.Dirty,
				Dir: dir, Within: r.Config.Workspace, Include: a.Include, Mirror: a.Mirror,
			}, a, a.Optional || runErr != nil)
		})
		if failed == nil {
			failed = err
		}
	}
	switch sig, _ := r.Stop.Signal(); {
	case runErr != nil || failed == nil:
		return runErr
	case sig != 0:
		return &process.CancelledError{Signal: sig} // the time ran out, not the store
	default:
		return outcome.ArtifactsError{Err: failed}
	}
}

// recordSoFar stores the record, log and reports of a stopped run, once, before hooks and artifacts use up the budget.
func (r *run) recordSoFar(err error) {
	sig, _ := r.Stop.Signal()
	if sig == 0 || r.published["finished.json"] {
		return
	}
	if err == nil { // it passes only when its artifacts are published
		err = &process.CancelledError{Signal: sig}
	}
	r.publishRecord(r.buildRecord(outcome.Of(err)))
}

// untouched reports whether a folder has files, all of them older than the command: a command that failed early leaves the
// coverage of an earlier run. (A command that passed may have found its build up to date.)
func untouched(dir string, since time.Time) bool {
	const granularity = time.Second // some file systems count whole seconds
	files := 0
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		if info, err := d.Info(); err != nil || !info.ModTime().Add(granularity).Before(since) {
			return errTouched
		}
		return nil
	})
	return err == nil && files > 0
}

var errTouched = errors.New("touched")

// publishSet publishes one set. A missing set is an error unless it may be missing.
func (r *run) publishSet(ctx context.Context, set artifacts.Set, a steps.Artifact, mayBeMissing bool) error {
	r.Log.Info("publishing", "artifact", set.Kind)
	if set.Dir == r.Config.Workspace { // leave out what is not an artifact
		set.Exclude = func(path string) bool { return path == ".runner" || path == ".git" || path == "node_modules" }
	}
	var published artifacts.Published
	err := r.scrub(ctx, set, a)
	if err == nil {
		shown, done := r.showProgress(ctx, "storing "+set.Kind)
		published, err = artifacts.Publish(shown, r.Store, set)
		done()
	}
	var missing *artifacts.MissingError
	if mayBeMissing && errors.As(err, &missing) {
		r.Log.Warn("there is nothing to publish", "artifact", set.Kind, "error", err.Error())
		return nil
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	r.artifacts = append(r.artifacts, r.artifactRecord(set.Kind, published, err))
	if err != nil {
		r.Log.Error("an artifact could not be published", "artifact", set.Kind, "error", err.Error(), "hint", outcome.Hint(err))
		return err
	}
	r.Log.Info("published", "artifact", set.Kind, "location", published.Location, "files", len(published.Manifest.Files), "bytes", published.Manifest.Bytes(),
		"uploaded", published.Uploaded, "unchanged", published.Unchanged, "removed", published.Removed)
	if hidden := published.Hidden; len(hidden) > 0 {
		r.Log.Info("files whose names begin with a dot are not published unless include names them", "artifact", set.Kind,
			"files", strings.Join(hidden[:min(len(hidden), 10)], " "), "count", len(hidden))
	}
	if left := published.Left + published.Mirrored.Left; left > 0 {
		r.Log.Info("files of an earlier run could not be deleted; they are in no manifest", "artifact", set.Kind, "files", left)
	}
	return nil
}

// publishRecord stores finished.json, the log, the reports and the page, the most valuable first. A run that was stopped
// calls it before its artifacts are published, and every run at its end.
func (r *run) publishRecord(ended record.Run) {
	if r.Store == nil || !ended.Recorded {
		return
	}
	r.awaitStart()
	ctx, cancel := r.Stop.RecordContext()
	defer cancel()
	ended.Published = r.published
	var problems []error
	put := func(name string, err error) {
		r.published[name] = err == nil
		problems = append(problems, err)
	}
	if ended.Stop != nil { // the budget may allow nothing else
		put("finished.json", r.putJSON(ctx, "finished.json", ended, false))
	}
	if r.file != nil {
		put("log.jsonl.gz", r.putLog(ctx))
	}
	if r.verdict.Tests != nil && !r.published["junit"] {
		put("junit", r.putReports(ctx, "", *r.verdict.Tests))
	}
	put("report.html", r.putPage(ctx, ended))
	latest := record.Latest{RunID: r.ID, Key: r.runKey(), Passed: ended.Passed, Reason: ended.Reason, ExitCode: ended.ExitCode, Dirty: r.Dirty, Outputs: len(ended.Outputs)}
	// It says which of the other files are in the store, so it is written when that is known, for a stopped run once more.
	// Where latest.json may stay as it is, this is the last file of the batch.
	idle := r.idle(ended.Reason)
	put("finished.json", r.putJSON(ctx, "finished.json", ended, !idle))
	problems = append(problems, r.putLatest(ctx, latest, idle))
	if err := errors.Join(problems...); err != nil {
		r.Log.Warn("the record of the run is incomplete", "error", strings.ReplaceAll(err.Error(), "\n", "; "), "hint", outcome.Hint(err))
	}
}

// putLatest records that this is the newest run of the step for the commit, which needs: and promote go by. An idle run does not
// replace another: a deploy that passed stays passed although a second one was refused.
func (r *run) putLatest(ctx context.Context, latest record.Latest, idle bool) error {
	key := keys.LatestRun(r.Ref, r.step.Name, r.Config.Environment)
	swapper, ok := r.Store.(artifacts.Swapper)
	if !idle || !ok {
		return artifacts.PutJSON(ctx, r.Store, key, latest)
	}
	if err := artifacts.CreateJSON(ctx, swapper, key, latest); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// idle reports whether the run ended before any command, and so says nothing about the commit.
func (r *run) idle(reason record.Reason) bool {
	before := []record.Reason{record.Guard, record.BadConfig, record.Secrets, record.Source, record.Artifacts, record.Cancelled}
	return r.result == nil && !r.in.Undo && slices.Contains(before, reason)
}

// recorded reports whether the run has records: refused input leaves none.
func (r *run) recorded() bool {
	for _, p := range r.phases {
		if p.Name == "record" {
			return true
		}
	}
	return false
}

// putJSON stores a redacted record of the run. One that is part of a batch is on disk for good when the next one is that is not.
func (r *run) putJSON(ctx context.Context, name string, v any, batch bool) error {
	text, err := record.Encode(v)
	if err != nil {
		return err
	}
	return r.put(ctx, name, "application/json", text, batch)
}

func (r *run) putLog(ctx context.Context) error {
	name, err := r.file.finish()
	if err != nil {
		return err
	}
	return artifacts.PutFile(ctx, r.Store, r.runKey()+"/log.jsonl.gz", name)
}

// putReports stores the reports as they were read, redacted, under their paths in the workspace after a prefix.
func (r *run) putReports(ctx context.Context, prefix string, read results.Results) error {
	root, err := os.OpenRoot(r.directory())
	if err != nil {
		return err
	}
	defer root.Close()
	var problems []error
	for _, name := range verdict.ReportPaths(r.directory(), read) {
		problems = append(problems, r.putReport(ctx, root, name, r.runKey()+"/junit/"+prefix+name))
	}
	return errors.Join(problems...)
}

// putReport redacts a report through a temporary file, since it may have any size.
func (r *run) putReport(ctx context.Context, root *os.Root, name, key string) error {
	report, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return err
	}
	defer report.Close()
	clean, err := os.CreateTemp("", "runner-report-*.xml")
	if err != nil {
		return err
	}
	defer os.Remove(clean.Name())
	defer clean.Close()
	w := r.Redactor.Writer(clean)
	if _, err := io.Copy(w, report); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	size, err := clean.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = clean.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	_, err = r.Store.Put(ctx, artifacts.Object{Key: key, Body: clean, Size: size, Type: "application/xml", Mode: 0o644, Batch: true})
	return err
}

func (r *run) put(ctx context.Context, name, contentType string, text []byte, batch bool) error {
	_, err := r.Store.Put(ctx, artifacts.Object{Key: r.runKey() + "/" + name, Body: bytes.NewReader(text), Size: int64(len(text)), Type: contentType, Mode: 0o644, Batch: batch})
	return err
}

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
	r.sink.Raw(present.EMF(ended, time.Now()))
	if dropped := r.sink.Dropped(); dropped > 0 {
		r.Log.Warn("the reader of the log did not take all of it", "lines", dropped, "hint", "log.jsonl.gz in the record of the run is complete")
		ended.Log = &record.Log{Dropped: r.sink.Dropped()}
	}
	sent := r.sendTrace(ended)
	r.publishRecord(ended)
	notified := r.notifyEnd(ended)
	sent()
	notified()
	r.writeStepSummary(ended)
	r.sink.Print(present.Terminal{Color: r.in.Color, Directory: workingDirectory()}.Summary(ended))
	r.boundLogAtEnd()
	r.sink.Flush()
	return o
}

// logEnd logs the verdict.
func (r *run) logEnd(ended record.Run) {
	attributes := []any{"reason", string(ended.Reason), "exit_code", ended.ExitCode, "seconds", ended.Seconds}
	if ended.Killed {
		attributes = append(attributes, "killed", true)
	}
	if t := ended.Tests; t != nil {
		attributes = append(attributes, "tests", t.Total, "failed", t.Failed, "errored", t.Errored, "skipped", t.Skipped,
			"flaky", t.Counts.Flaky, "quarantined", t.Counts.Quarantined)
	}
	if s := ended.Stop; s != nil {
		attributes = append(attributes, "signal", s.Signal, "stop_budget", s.Budget, "stop_used", s.Used)
	}
	if ended.Passed {
		r.Log.Info("step passed", attributes...)
		return
	}
	attributes = append(attributes, "error", ended.Error)
	if ended.Hint != "" {
		attributes = append(attributes, "hint", ended.Hint)
	}
	r.Log.Error("step failed", attributes...)
}

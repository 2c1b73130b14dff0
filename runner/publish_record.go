package runner

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/present/page"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/scratch"
	"github.com/carlin-cicd/runner/runner/verdict"
	"github.com/carlin-cicd/runner/steps/results"
)

// runKey returns the folder of this run's records in the store.
func (r *run) runKey() string {
	if r.shard != nil {
		return r.place(r.shard.Of).Run(r.shard.Shard, r.ID)
	}
	return keys.Run(r.Ref, r.step.Name, r.Config.Environment, r.ID)
}

// recordStart stores started.json in the background, so that the command does not wait for the store.
func (r *run) recordStart() error {
	started := r.startedRecord()
	r.starting = make(chan error, 1)
	go func() { r.starting <- r.putJSON(r.Stop.Work, "started.json", started, true) }()
	if !r.isPartial() { // it says nothing of the step
		r.indexStart(started)
	}
	return nil
}

// moveStartedRecord stores started.json again, for a run that turned out to be of another commit.
func (r *run) moveStartedRecord(oldKey string) {
	r.awaitStart()
	_ = r.Store.Delete(r.Stop.Work, oldKey+"/started.json") // a record without an end, if it fails
	_ = r.recordStart()
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

// publishRecord stores finished.json, the log, the reports, the page and latest.json, side by side: none of them needs
// another one. finished.json says which of the others are in the store, so it is stored once more if one of them could
// not be. A run that was stopped, which calls it before its artifacts are published, stores finished.json first: the
// budget may allow nothing else.
func (r *run) publishRecord(ended record.Run) {
	if r.Store == nil || !ended.Recorded {
		return
	}
	if !r.isPartial() {
		r.indexEnd(ended)
	}
	ctx, cancel := r.Stop.RecordContext()
	defer cancel()
	files := r.recordFiles(ctx, &ended)
	if ended.Stop != nil {
		ended.Published = r.published
		r.published["finished.json"] = r.putJSON(ctx, "finished.json", ended, false) == nil
	}
	ended.Published = maps.Clone(r.published)
	for _, f := range files {
		ended.Published[f.name] = true
	}
	problems := make([]error, len(files))
	var stored, latest error
	var beside sync.WaitGroup
	for i, f := range files {
		beside.Go(func() { problems[i] = f.put() })
	}
	beside.Go(func() { stored = r.putJSON(ctx, "finished.json", ended, false) })
	beside.Go(func() { latest = r.putLatest(ctx, r.latestRecord(ended), r.idle(ended.Reason) || r.keptApproved) })
	r.awaitStart()
	beside.Wait()
	for i, f := range files {
		r.published[f.name] = problems[i] == nil
	}
	if errors.Join(problems...) != nil {
		ended.Published = r.published
		stored = r.putJSON(ctx, "finished.json", ended, false)
	}
	r.published["finished.json"] = stored == nil
	if r.shard != nil {
		problems = append(problems, r.storePart(ctx, ended))
	}
	if err := errors.Join(append(problems, stored, latest)...); err != nil {
		r.Log.Warn(
			"the record of the run is incomplete", "error", strings.ReplaceAll(err.Error(), "\n", "; "),
			"hint", outcome.Hint(err),
		)
	}
}

// recordFile is a part of the record beside finished.json.
type recordFile struct {
	name string
	put  func() error
}

// recordFiles returns those of this run.
func (r *run) recordFiles(ctx context.Context, ended *record.Run) []recordFile {
	var files []recordFile
	if r.file != nil {
		files = append(files, recordFile{"log.jsonl.gz", func() error { return r.putLog(ctx) }})
	}
	if r.verdict.Tests != nil && !r.published["junit"] {
		files = append(files, recordFile{"junit", func() error { return r.putReports(ctx, "", *r.verdict.Tests) }})
	}
	return append(files, recordFile{"report.html", func() error { return r.putPage(ctx, *ended) }})
}

func (r *run) latestRecord(ended record.Run) record.Latest {
	return redact.Value(r.Redactor, record.Latest{
		RunID: r.ID, Key: r.runKey(), Passed: ended.Passed, Reason: ended.Reason, ExitCode: ended.ExitCode,
		Task: r.TaskARN, Dirty: r.Dirty, Outputs: len(ended.Outputs), Digests: digests(ended.Artifacts),
	})
}

// storeAgain replaces finished.json, if it was stored. An error leaves the one that is there.
func (r *run) storeAgain(ended record.Run) {
	if !r.published["finished.json"] {
		return
	}
	ctx, cancel := r.Stop.RecordContext()
	defer cancel()
	ended.Published = r.published
	_ = r.putJSON(ctx, "finished.json", ended, false)
}

// digests returns the digests of the published artifacts, by kind.
func digests(published []record.Artifact) map[string]string {
	found := map[string]string{}
	for _, a := range published {
		if a.Digest != "" {
			found[a.Name] = a.Digest
		}
	}
	return found
}

// putLatest records that this is the newest run of the step for the commit, which needs: and promote go by. An idle run
// does not replace another: a deploy that passed stays passed although a second one was refused.
func (r *run) putLatest(ctx context.Context, latest record.Latest, idle bool) error {
	if r.isPartial() {
		return nil
	}
	key := keys.LatestRun(r.Ref, r.step.Name, r.Config.Environment)
	swapper, ok := r.Store.(artifacts.Swapper)
	if !idle || !ok {
		if err := r.keepDigests(ctx, key, &latest); err != nil {
			return err
		}
		return artifacts.PutJSON(ctx, r.Store, key, latest)
	}
	if err := artifacts.CreateJSON(ctx, swapper, key, latest); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// keepDigests keeps, in the record of a run that failed and published nothing, the digests of the sets that an earlier
// one has published: those are still stored, and what is fetched is compared with them.
func (r *run) keepDigests(ctx context.Context, key string, latest *record.Latest) error {
	if latest.Passed || len(latest.Digests) > 0 || !slices.ContainsFunc(r.step.Artifacts, isBuild) {
		return nil
	}
	var earlier record.Latest
	var corrupt *artifacts.CorruptError
	err := artifacts.GetJSON(ctx, r.Store, key, &earlier)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.As(err, &corrupt):
		return nil
	case err != nil:
		return err
	}
	if earlier.Approves() && len(earlier.Digests) > 0 {
		latest.Digests, latest.KeptFrom = earlier.Digests, cmp.Or(earlier.KeptFrom, earlier.RunID)
	}
	return nil
}

// idle reports whether the run ended before any command, and so says nothing about the commit.
func (r *run) idle(reason record.Reason) bool {
	before := []record.Reason{
		record.Guard, record.BadConfig, record.Secrets, record.Source, record.Artifacts, record.Cancelled,
		record.ServiceFailed,
	}
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

// putJSON stores a redacted record of the run. One that is part of a batch is on disk for good when the next one is
// that is not.
func (r *run) putJSON(ctx context.Context, name string, v any, batch bool) error {
	text, err := record.Encode(v)
	if err != nil {
		return err
	}
	return r.put(ctx, name, "application/json", text, batch)
}

func (r *run) putLog(ctx context.Context) error {
	log, err := r.file.finish()
	if err != nil {
		return err
	}
	if r.merging != nil {
		return r.putMergedLog(ctx, log)
	}
	_, err = r.Store.Put(ctx, artifacts.Object{
		Key: r.runKey() + "/log.jsonl.gz", Body: log, Size: log.Size(), Type: "application/gzip", Mode: 0o644,
	})
	return err
}

// putReports stores the reports as they were read, redacted, under their paths in the workspace after a prefix.
func (r *run) putReports(ctx context.Context, prefix string, read results.Results) error {
	if r.merging != nil {
		return r.copyReports(ctx)
	}
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
	clean, err := scratch.File()
	if err != nil {
		return err
	}
	defer scratch.Remove(clean)
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
	_, err = r.Store.Put(
		ctx, artifacts.Object{Key: key, Body: clean, Size: size, Type: "application/xml", Mode: 0o644, Batch: true},
	)
	return err
}

func (r *run) put(ctx context.Context, name, contentType string, text []byte, batch bool) error {
	_, err := r.Store.Put(
		ctx,
		artifacts.Object{
			Key: r.runKey() + "/" + name, Body: bytes.NewReader(text), Size: int64(len(text)), Type: contentType,
			Mode: 0o644, Batch: batch,
		},
	)
	return err
}

// pageLog is how much of the commands' output the page shows, in bytes.
const pageLog = 192 << 10

// putPage stores the report. What was printed before it became known as a secret is redacted from the log here.
func (r *run) putPage(ctx context.Context, ended record.Run) error {
	log := r.tail.Log()
	log.Text = r.Redactor.Bytes(log.Text)
	var text bytes.Buffer
	text.Grow(2 * pageLog)
	if err := page.Write(&text, ended, log); err != nil {
		return err
	}
	return r.put(ctx, "report.html", "text/html; charset=utf-8", text.Bytes(), true)
}

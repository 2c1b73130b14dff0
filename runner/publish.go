package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps"
)

// publishArtifacts publishes what the command made. Its errors are the run's only if the command had none.
func (r *run) publishArtifacts(runErr error) error {
	var start *process.StartError
	if errors.As(runErr, &start) || r.result == nil {
		return runErr // the files there are not of this run
	}
	failed := r.publishEach(runErr, func(a steps.Artifact) error {
		ctx, cancel := r.Stop.PublishContext()
		r.publishing = append(r.publishing, cancel)
		dir := filepath.Join(r.directory(), filepath.FromSlash(a.Path))
		if runErr != nil && untouched(dir, r.result.Started) {
			r.Log.Warn(
				"no file is newer than the command, so the artifact is not published", "artifact", a.Name, "path", a.Path,
			)
			return nil
		}
		return r.publishSet(ctx, artifacts.Set{
			Kind: a.Name, Ref: r.Ref, RunID: r.ID, Dirty: r.Dirty,
			Dir: dir, Within: r.Config.Workspace, Include: a.Include, Mirror: a.Mirror,
		}, a, a.Optional || runErr != nil)
	})
	switch sig, _ := r.Stop.Signal(); {
	case runErr != nil || failed == nil:
		return runErr
	case sig != 0:
		return &process.CancelledError{Signal: sig} // the time ran out, not the store
	default:
		return outcome.ArtifactsError{Err: failed}
	}
}

// publishEach publishes those of the step's artifacts that are wanted after this end of the command. A failure does not
// keep the others from being published; the error is the first one.
func (r *run) publishEach(runErr error, publish func(steps.Artifact) error) error {
	r.recordSoFar(runErr)
	var failed error
	for _, a := range r.step.Artifacts {
		if !a.When.Includes(runErr == nil) {
			continue
		}
		if err := r.timed("publish "+a.Name, func() error { return publish(a) }); failed == nil {
			failed = err
		}
	}
	return failed
}

// untouched reports whether a folder has files, all of them older than the command: a command that failed early leaves
// the coverage of an earlier run. (A command that passed may have found its build up to date.)
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
	set.FirstWins, set.Prepared = r.isApproved(set), r.prepared[a.Name]
	var published artifacts.Published
	withheld, err := r.scrub(ctx, set, a)
	if err == nil {
		set.Attester, err = r.attesterFor(ctx, a)
	}
	if err == nil {
		set.Exclude = without(set.Exclude, withheld)
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
	var exists *artifacts.ExistsError
	r.keptApproved = r.keptApproved || errors.As(err, &exists)
	stored := r.artifactRecord(set.Kind, published, err)
	stored.Withheld = withheld
	r.artifacts = append(r.artifacts, stored)
	if err != nil {
		r.Log.Error(
			"an artifact could not be published", "artifact", set.Kind, "error", err.Error(),
			"hint", outcome.Hint(err),
		)
		return err
	}
	r.Log.Info(
		"published", "artifact", set.Kind, "location", published.Location, "files", len(published.Manifest.Files),
		"bytes", published.Manifest.Bytes(), "uploaded", published.Uploaded, "unchanged", published.Unchanged,
		"removed", published.Removed,
	)
	if hidden := published.Hidden; len(hidden) > 0 {
		r.Log.Info(
			"files whose names begin with a dot are not published unless include names them", "artifact", set.Kind,
			"files", strings.Join(hidden[:min(len(hidden), 10)], " "), "count", len(hidden),
		)
	}
	if left := published.Left + published.Mirrored.Left; left > 0 {
		r.Log.Info(
			"files of an earlier run could not be deleted; they are in no manifest", "artifact", set.Kind, "files",
			left,
		)
	}
	return nil
}

// artifactRecord returns the record of a set that was published, or could not be.
func (r *run) artifactRecord(kind string, p artifacts.Published, err error) record.Artifact {
	a := record.Artifact{
		Name: kind, Location: p.Location, Manifest: keys.Manifest(kind, r.Ref), Files: len(p.Manifest.Files), Bytes: p.Manifest.Bytes(),
		Uploaded: p.Uploaded, Unchanged: p.Unchanged, Removed: p.Removed,
		Entry: entryPage(p.Manifest), Console: r.console(keys.Set(kind, r.Ref)),
	}
	if err != nil {
		a.Error = err.Error()
	} else {
		a.Digest = p.Manifest.Digest()
	}
	return a
}

// isApproved returns what reports whether the stored builds of the commit must not be replaced: they are those of a run
// of this step that passed, on a protected branch. Later steps and people rely on them. It is nil for other sets.
func (r *run) isApproved(set artifacts.Set) func(context.Context, artifacts.Manifest) bool {
	if set.Kind != "builds" || r.Config.Force || !r.Config.IsProtected(r.Ref.Branch) {
		return nil
	}
	return func(ctx context.Context, stored artifacts.Manifest) bool {
		var latest record.Latest
		err := artifacts.GetJSON(ctx, r.Store, keys.LatestRun(r.Ref, r.step.Name, r.Config.Environment), &latest)
		return err == nil && latest.Approves() && stored.Digest() == latest.Digests[set.Kind]
	}
}

// prepareSets begins to read what the store has of the step's artifacts, while the command runs.
func (r *run) prepareSets() {
	r.prepared = map[string]*artifacts.Preparation{}
	for _, a := range r.step.Artifacts {
		r.prepared[a.Name] = artifacts.Prepare(r.Stop.Work, r.Store, artifacts.Set{Kind: a.Name, Ref: r.Ref, Mirror: a.Mirror})
	}
}

// settleSets waits for what the publication of the artifacts has left to be done: records and locks to be removed.
func (r *run) settleSets() {
	for name, p := range r.prepared {
		if err := p.Close(); err != nil {
			r.Log.Warn("what protects an artifact while it is published could not be removed", "artifact", name,
				"error", err.Error(), "hint", "nothing: the next run that publishes it does so")
		}
	}
	for _, end := range r.publishing {
		end()
	}
	r.publishing = nil
}

// entries are the pages that a set may begin with, in the order of preference.
var entries = []string{
	"index.html", "lcov-report/index.html", "html/index.html", "htmlcov/index.html", "html-report/index.html",
}

// entryPage returns the page that a set begins with, "" if it has none.
func entryPage(m artifacts.Manifest) string {
	for _, name := range entries {
		if slices.ContainsFunc(m.Files, func(f artifacts.File) bool { return f.Path == name }) {
			return name
		}
	}
	return ""
}

// console returns the URL of a folder of the bucket in AWS's console; "" for a folder and for another S3 than AWS's.
func (r *run) console(key string) string {
	v := r.Variables
	if !strings.HasPrefix(r.Place, "s3://") || cmp.Or(v["AWS_ENDPOINT_URL_S3"], v["AWS_ENDPOINT_URL"]) != "" {
		return ""
	}
	host := "console.aws.amazon.com"
	switch region := cmp.Or(v["AWS_REGION"], v["AWS_DEFAULT_REGION"]); {
	case strings.HasPrefix(region, "cn-"):
		host = "console.amazonaws.cn"
	case strings.HasPrefix(region, "us-gov-"):
		host = "console.amazonaws-us-gov.com"
	}
	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(r.Place, "s3://"), "/")
	return "https://" + host + "/s3/buckets/" + bucket + "?" + url.Values{
		"prefix": {path.Join(prefix, key) + "/"},
	}.Encode()
}

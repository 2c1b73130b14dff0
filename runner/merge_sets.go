package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/scratch"
	"github.com/carlin-cicd/runner/runner/shards"
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/coverage"
	"github.com/carlin-cicd/runner/steps/results"
)

// unionName is the coverage of all shards in their set, for tools that take one file.
const unionName = "lcov.info"

// fetchSets fetches what the shards keep, each kind in a folder of its own, with a folder for each shard.
func (r *run) fetchSets() (err error) {
	m := r.merging
	if m.dir, err = scratch.Dir("runner-shards-*"); err != nil {
		return err
	}
	for _, p := range m.parts {
		store := shards.Sets(r.Store, p.Key)
		for _, kind := range p.Sets {
			dir := filepath.Join(m.dir, kind, strings.TrimSuffix(shards.Folder(p.Shard), "/"))
			if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
				return err
			}
			if _, err := artifacts.Fetch(r.Stop.Work, store, kind, setRef(r.Ref), dir, artifacts.FetchOptions{Within: m.dir}); err != nil {
				return fmt.Errorf("shard %d: %w", p.Shard, err)
			}
			if !slices.Contains(m.sets, kind) {
				m.sets = append(m.sets, kind)
			}
		}
	}
	return nil
}

// checkMergedCoverage reads the coverage of all shards and holds it against the step's floor.
func (r *run) checkMergedCoverage(err error) error {
	kind, within := r.verdict.CoverageSet(coverageKind)
	if !r.verdict.HasFloor() && !slices.Contains(r.merging.sets, kind) {
		return err
	}
	var folders []coverage.Part
	for _, p := range r.merging.parts {
		if slices.Contains(p.Sets, kind) {
			folder := shards.Folder(p.Shard)
			folders = append(folders, coverage.Part{Label: folder, Dir: filepath.Join(r.merging.dir, kind, folder, within)})
		}
	}
	var union coverage.Union
	read := r.timed("coverage", func() (err error) {
		union, err = r.verdict.ReadShards(folders)
		return err
	})
	if read == nil && kind != coverageKind {
		err = r.writeUnion(kind, union, err)
	}
	return r.verdict.CheckCoverage(read, err)
}

// writeUnion writes the coverage of all shards beside their folders.
func (r *run) writeUnion(kind string, union coverage.Union, runErr error) error {
	if !union.IsComplete() {
		r.Log.Info("the coverage of the shards is not in one lcov.info: a report only counts lines, without their numbers",
			"hint", "have the tests write lcov.info or coverage-final.json")
		return runErr
	}
	file, err := os.Create(filepath.Join(r.merging.dir, kind, unionName))
	if err == nil {
		err = errors.Join(union.WriteLcov(file), file.Close())
	}
	if err != nil && runErr == nil {
		return outcome.ArtifactsError{Err: fmt.Errorf("the coverage of all shards could not be written: %w", err)}
	}
	return runErr
}

// publishMerged publishes the artifacts of all shards: each has a folder in the set.
func (r *run) publishMerged(runErr error) error {
	if len(r.merging.parts) == 0 {
		return runErr
	}
	failed := r.publishEach(runErr, func(a steps.Artifact) error {
		ctx, cancel := r.Stop.PublishContext()
		defer cancel()
		return r.publishSet(ctx, artifacts.Set{
			Kind: a.Name, Ref: r.Ref, RunID: r.ID, Dirty: r.Dirty, Dir: filepath.Join(r.merging.dir, a.Name),
			Within: r.merging.dir, Include: append(slices.Clone(a.Include), "**"), Mirror: a.Mirror,
		}, a, a.Optional || runErr != nil)
	})
	if runErr == nil && failed != nil {
		return outcome.ArtifactsError{Err: failed}
	}
	return runErr
}

// copyReports copies the reports of the shards to the record, each shard's in a folder of its own.
func (r *run) copyReports(ctx context.Context) error {
	var problems []error
	for _, p := range r.merging.parts {
		for _, name := range reportNames(p.Run.Tests) {
			to := r.runKey() + "/junit/" + shards.Folder(p.Shard) + name
			_, err := r.copyObject(ctx, p.Key+"/junit/"+name, to, "application/xml")
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// reportNames are the reports that a shard has stored, those of its reruns among them.
func reportNames(t *record.Tests) []string {
	if t == nil {
		return nil
	}
	names := slices.Clone(t.Reports)
	for _, f := range t.Failures {
		names = append(names, f.Report)
	}
	for _, list := range [][]results.Case{t.Flaky, t.Quarantined} {
		for _, c := range list {
			names = append(names, c.Report)
		}
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" })
}

// copyObject copies an object, and returns its size. One that is not there is left out.
func (r *run) copyObject(ctx context.Context, from, to, mediaType string) (size int64, err error) {
	spool, err := scratch.File()
	if err != nil {
		return 0, err
	}
	defer scratch.Remove(spool)
	if err := r.appendObject(ctx, spool, from); err != nil {
		return 0, err
	}
	size, err = spool.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = spool.Seek(0, io.SeekStart)
	}
	if err != nil || size == 0 {
		return 0, err
	}
	_, err = r.Store.Put(ctx, artifacts.Object{Key: to, Body: spool, Size: size, Type: mediaType, Mode: 0o644, Batch: true})
	return size, err
}

func (r *run) appendObject(ctx context.Context, to io.Writer, key string) error {
	body, err := r.Store.Get(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(to, body)
	return err
}

func isMissing(err error) bool {
	var missing *artifacts.MissingError
	return errors.As(err, &missing)
}

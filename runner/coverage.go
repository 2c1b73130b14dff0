package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/coverage"
)

// coverageFolder is where the step leaves its coverage, relative to its directory; "" if it measures none that we know of.
func (r *run) coverageFolder() string {
	if r.step.Coverage.Path != "" {
		return r.step.Coverage.Path
	}
	for _, a := range r.step.Artifacts {
		if a.Name == "coverage" {
			return a.Path
		}
	}
	return ""
}

// judgeCoverage tells how much was covered, and fails a step that passed if that is under its floor.
func (r *run) judgeCoverage(err error) error {
	folder, floor := r.coverageFolder(), r.step.Coverage.Floor
	wanted := floor != coverage.Floor{}
	if r.result == nil || folder == "" && !wanted || r.Stop.Work.Err() != nil {
		return err
	}
	if _, missing := os.Stat(filepath.Join(r.directory(), filepath.FromSlash(folder))); missing != nil && !wanted {
		return err // not every test run measures coverage
	}
	found := r.timed("coverage", func() error { return r.readCoverage(folder) })
	if found == nil {
		found = r.holdAgainst(floor)
	}
	var none *coverage.NotFoundError
	switch {
	case found == nil:
		return err
	case !wanted && (errors.As(found, &none) || errors.Is(found, fs.ErrNotExist)):
		return err
	}
	advice := outcome.Hint(found)
	if errors.Is(found, fs.ErrNotExist) {
		found, advice = fmt.Errorf("there is no coverage in %s to hold against the floor", cmp.Or(folder, "the step's folder")), "have the command measure it, or say with coverage.path where it is"
	}
	if !wanted || err != nil {
		r.Log.Warn("coverage", "error", found.Error(), "hint", advice)
		return err
	}
	return &outcome.ResultsError{Message: found.Error(), Advice: advice}
}

// readCoverage sets r.coverage from the reports in a folder; fs.ErrNotExist is for a folder that is not there or not of this run.
func (r *run) readCoverage(folder string) error {
	dir := filepath.Join(r.directory(), filepath.FromSlash(folder))
	if folder == "" {
		return fs.ErrNotExist
	}
	summary, folders, err := coverage.Find(dir, r.directory())
	var none *coverage.NotFoundError
	if errors.As(err, &none) {
		none.Dir = folder
	}
	if err != nil {
		return err
	}
	const granularity = time.Second // some file systems count whole seconds
	if info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(summary.Source))); err == nil && info.ModTime().Add(granularity).Before(r.result.Started) {
		r.Log.Warn("the coverage is older than the command and does not count", "report", summary.Source)
		return fs.ErrNotExist
	}
	for i, f := range folders {
		folders[i].Path = r.Redactor.String(f.Path)
	}
	r.coverage = &record.Coverage{Summary: summary, LinePercent: twoDecimals(summary.Lines.Percent()), Folders: folders}
	ctx, cancel := r.Stop.PublishContext()
	defer cancel()
	r.compareCoverage(ctx)
	attributes := []any{"lines", summary.Lines.String(), "branches", summary.Branches.String(), "files", summary.Files, "report", summary.Source}
	if c := r.coverage.Change; c != nil {
		attributes = append(attributes, "lines_change", twoDecimals(c.Lines), "against", shortSHA(r.coverage.Against.SHA), "of", r.coverage.Against.Branch)
	}
	r.Log.Info("coverage", attributes...)
	return nil
}

// compareCoverage looks for an earlier run.
func (r *run) compareCoverage(ctx context.Context) {
	for _, branch := range r.EarlierBranches() {
		var mark record.CoverageBaseline
		err := artifacts.GetJSON(ctx, r.Store, keys.CoverageBaseline(branch, r.step.Name), &mark)
		if err == nil && mark.Summary.Lines.Total > 0 {
			change := r.coverage.Summary.Change(mark.Summary)
			change = coverage.Change{Lines: twoDecimals(change.Lines), Branches: twoDecimals(change.Branches)}
			r.coverage.Change, r.coverage.Against = &change, &mark
			coverage.SetChanges(r.coverage.Folders, mark.Folders)
			r.coverage.Against.Folders = nil // which the change has told
			return
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.Log.Warn("the coverage of an earlier run cannot be read", "branch", branch, "error", err.Error(), "hint", outcome.Hint(err))
			return
		}
	}
}

func (r *run) holdAgainst(floor coverage.Floor) error {
	var previous coverage.Summary
	if r.coverage.Against != nil {
		previous = r.coverage.Against.Summary
	}
	return floor.Check(r.coverage.Summary, previous)
}

// rememberCoverage sets the mark for the next run. Only a run that passed does: what a failed one covered is no measure, and a drop that
// was refused must be refused the second time, too.
func (r *run) rememberCoverage(err error) {
	if err != nil || r.coverage == nil || r.coverage.Lines.Total <= 0 {
		return
	}
	ctx, cancel := r.Stop.PublishContext()
	defer cancel()
	mark := record.CoverageBaseline{Branch: r.Ref.Branch, SHA: r.Ref.SHA, RunID: r.ID, At: time.Now().UTC(), Summary: r.coverage.Summary, Folders: withoutChange(r.coverage.Folders)}
	if err := artifacts.PutJSON(ctx, r.Store, keys.CoverageBaseline(r.Ref.Branch, r.step.Name), mark); err != nil {
		r.Log.Warn("the coverage is not kept for the next run", "error", err.Error(), "hint", outcome.Hint(err))
	}
}

// withoutChange is what the next run compares with.
func withoutChange(folders []coverage.Folder) []coverage.Folder {
	kept := slices.Clone(folders)
	for i := range kept {
		kept[i].Change = nil
	}
	return kept
}

func shortSHA(sha string) string { return sha[:min(len(sha), 7)] }

func twoDecimals(x float64) float64 { return math.Round(x*100) / 100 }

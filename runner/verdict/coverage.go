package verdict

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/coverage"
)

// coverageFolder is where the step leaves its coverage, relative to its directory; "" if it measures none.
func (v *Verdict) coverageFolder() string {
	if v.step.Coverage.Path != "" {
		return v.step.Coverage.Path
	}
	for _, a := range v.step.Artifacts {
		if a.Name == "coverage" {
			return a.Path
		}
	}
	return ""
}

// CoverageApart returns the path of coverage that is in none of the step's artifacts; "" if there is none.
func (v *Verdict) CoverageApart() string {
	name := v.step.Coverage.Path
	for _, a := range v.step.Artifacts {
		if name == a.Path || strings.HasPrefix(name, a.Path+"/") {
			return ""
		}
	}
	return name
}

// HasFloor reports whether the coverage has to reach something.
func (v *Verdict) HasFloor() bool { return v.hasFloor() }

// CoverageSet returns the kind of artifact that has the coverage, and the path in its folder; apart is the kind of
// coverage that is in none.
func (v *Verdict) CoverageSet(apart string) (kind, within string) {
	folder := v.coverageFolder()
	for _, a := range v.step.Artifacts {
		if folder == a.Path {
			return a.Name, ""
		}
		if rest, ok := strings.CutPrefix(folder, a.Path+"/"); ok {
			return a.Name, rest
		}
	}
	return apart, ""
}

// ReadShards sets Coverage from the reports of all shards, which are in folders of their own, and returns their union.
func (v *Verdict) ReadShards(folders []coverage.Part) (coverage.Union, error) {
	if len(folders) == 0 {
		return coverage.Union{}, fs.ErrNotExist
	}
	read, union, err := coverage.ReadAll(folders, filepath.Join(v.directory(), filepath.FromSlash(v.coverageFolder())), v.directory())
	if err != nil {
		return coverage.Union{}, err
	}
	v.takeCoverage(read)
	return union, nil
}

func (v *Verdict) hasFloor() bool { return v.step.Coverage.Floor != coverage.Floor{} }

// MeasuresCoverage reports whether there is coverage to read, or a floor to hold it against.
func (v *Verdict) MeasuresCoverage() bool {
	folder := v.coverageFolder()
	if v.stopped() || folder == "" && !v.hasFloor() {
		return false
	}
	_, err := os.Stat(filepath.Join(v.directory(), filepath.FromSlash(folder)))
	return err == nil || v.hasFloor() // not every test run measures coverage
}

// CheckCoverage judges the coverage that ReadCoverage has read, or its error. A step that passed fails if its coverage
// is under the floor: then the error is a *outcome.ResultsError, else runErr.
func (v *Verdict) CheckCoverage(readErr, runErr error) error {
	found := readErr
	if found == nil {
		found = v.checkFloor()
	}
	var none *coverage.NotFoundError
	switch {
	case found == nil:
		return runErr
	case !v.hasFloor() && (errors.As(found, &none) || errors.Is(found, fs.ErrNotExist)):
		return runErr
	}
	advice := outcome.Hint(found)
	if errors.Is(found, fs.ErrNotExist) {
		found = fmt.Errorf(
			"there is no coverage in %s to hold against the floor",
			cmp.Or(v.coverageFolder(), "the step's folder"),
		)
		advice = "have the command measure it, or set coverage.path to its folder"
	}
	if !v.hasFloor() || runErr != nil {
		v.session.Log.Warn("coverage", "error", found.Error(), "hint", advice)
		return runErr
	}
	return &outcome.ResultsError{Message: found.Error(), Advice: advice}
}

// ReadCoverage sets Coverage from the reports of a command that started at the given time. The error is a
// *coverage.NotFoundError or fs.ErrNotExist if no report counts.
func (v *Verdict) ReadCoverage(started time.Time) error {
	folder := v.coverageFolder()
	if folder == "" {
		return fs.ErrNotExist
	}
	read, err := coverage.Read(filepath.Join(v.directory(), filepath.FromSlash(folder)), v.directory(), started)
	var none *coverage.NotFoundError
	if errors.As(err, &none) {
		none.Dir = folder
		if !v.hasFloor() && len(none.Reports)+len(none.Unread) > 0 { // with a floor this is the error of the run
			v.session.Log.Warn("no coverage counts", "error", none.Error(), "hint", none.Hint())
		}
	}
	if err != nil {
		return err
	}
	if stale := read.Stale(); len(stale) > 0 {
		v.session.Log.Warn("coverage reports older than the command do not count", "reports", strings.Join(stale, ", "))
	}
	v.takeCoverage(read)
	return nil
}

// takeCoverage compares what was read with earlier runs.
func (v *Verdict) takeCoverage(read coverage.Result) {
	summary := read.Summary
	v.Coverage = &record.Coverage{
		Summary: summary, LinePercent: record.Round(summary.Lines.Percent()), Folders: read.Folders, Reports: read.Reports,
	}
	ctx, cancel := v.session.Stop.PublishContext()
	defer cancel()
	v.compareCoverage(ctx)
	attributes := []any{
		"lines", summary.Lines.String(), "branches", summary.Branches.String(), "files", summary.Files, "report", summary.Source,
	}
	if c := v.Coverage.Change; c != nil {
		against := v.Coverage.Against
		attributes = append(
			attributes,
			"lines_change",
			record.Round(c.Lines),
			"against",
			shortSHA(against.SHA),
			"of",
			against.Branch,
		)
	}
	v.session.Log.Info("coverage", attributes...)
}

// compareCoverage compares with the first earlier branch that has a baseline.
func (v *Verdict) compareCoverage(ctx context.Context) {
	for i, branch := range v.session.EarlierBranches() {
		baseline, err := v.readBaseline(ctx, i, branch)
		if err == nil && baseline.Summary.Lines.Total > 0 {
			change := v.Coverage.Summary.Change(baseline.Summary)
			change = coverage.Change{Lines: record.Round(change.Lines), Branches: record.Round(change.Branches)}
			v.Coverage.Change, v.Coverage.Against = &change, &baseline
			coverage.SetChanges(v.Coverage.Folders, baseline.Folders)
			v.Coverage.Against.Folders = nil // they are in the change
			return
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			v.session.Log.Warn("the coverage of an earlier run cannot be read",
				"branch", branch, "error", err.Error(), "hint", outcome.Hint(err))
			return
		}
	}
}

// readBaseline returns that of the first branch as it was read ahead, or reads it.
func (v *Verdict) readBaseline(ctx context.Context, i int, branch string) (b record.CoverageBaseline, err error) {
	if i == 0 && v.ahead.baseline != nil {
		if b, err = v.ahead.baseline(); err == nil || errors.Is(err, fs.ErrNotExist) {
			return b, err
		}
	}
	err = artifacts.GetJSON(ctx, v.session.Store, keys.CoverageBaseline(branch, v.step.Name), &b)
	return b, err
}

func (v *Verdict) checkFloor() error {
	var previous coverage.Summary
	if v.Coverage.Against != nil {
		previous = v.Coverage.Against.Summary
	}
	return v.step.Coverage.Floor.Check(v.Coverage.Summary, previous)
}

// SaveCoverage stores the coverage as the baseline of the next run if this one passed. A failed run sets none: a drop
// that was refused must be refused again.
func (v *Verdict) SaveCoverage(runErr error) {
	if runErr != nil || v.Coverage == nil || v.Coverage.Lines.Total <= 0 {
		return
	}
	ctx, cancel := v.session.Stop.PublishContext()
	defer cancel()
	s := v.session
	folders := slices.Clone(v.Coverage.Folders)
	for i := range folders {
		folders[i].Change = nil
		folders[i].Path = s.Redactor.String(folders[i].Path)
	}
	baseline := record.CoverageBaseline{
		Branch: s.Ref.Branch, SHA: s.Ref.SHA, RunID: s.ID, At: time.Now().UTC(), Summary: v.Coverage.Summary, Folders: folders,
	}
	if err := artifacts.PutJSON(ctx, s.Store, keys.CoverageBaseline(s.Ref.Branch, v.step.Name), baseline); err != nil {
		s.Log.Warn("the coverage could not be stored for the next run", "error", err.Error(), "hint", outcome.Hint(err))
	}
}

package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/steps/coverage"
)

// coverageRecord is what one run covered, in finished.json.
type coverageRecord struct {
	coverage.Summary
	LinePercent float64           `json:"line_percent"`
	Folders     []coverage.Folder `json:"folders,omitempty"`
	Change      *coverage.Change  `json:"change,omitempty"`  // percentage points
	Against     *coverageMark     `json:"against,omitempty"` // the run that Change compares with
}

// coverageMark is what the store keeps of the newest run of a branch that passed, for the next one to be compared with.
type coverageMark struct {
	Branch  string            `json:"branch"`
	SHA     string            `json:"sha"`
	RunID   string            `json:"run_id"`
	At      time.Time         `json:"at"`
	Summary coverage.Summary  `json:"summary"`
	Folders []coverage.Folder `json:"folders,omitempty"`
}

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
	if r.result == nil || folder == "" && !wanted || r.stop.work.Err() != nil {
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
	advice := HintOf(found)
	if errors.Is(found, fs.ErrNotExist) {
		found, advice = fmt.Errorf("there is no coverage in %s to hold against the floor", first(folder, "the step's folder")), "have the command measure it, or say with coverage.path where it is"
	}
	if !wanted || err != nil {
		r.log.Warn("coverage", "error", found.Error(), "hint", advice)
		return err
	}
	return &ResultsError{Message: found.Error(), Advice: advice}
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
		r.log.Warn("the coverage is older than the command and does not count", "report", summary.Source)
		return fs.ErrNotExist
	}
	for i, f := range folders {
		folders[i].Path = r.redactor.String(f.Path)
	}
	r.coverage = &coverageRecord{Summary: summary, LinePercent: twoDecimals(summary.Lines.Percent()), Folders: folders}
	ctx, cancel := r.stop.publishing()
	defer cancel()
	r.compareCoverage(ctx)
	attributes := []any{"lines", summary.Lines.String(), "branches", summary.Branches.String(), "files", summary.Files, "report", summary.Source}
	if c := r.coverage.Change; c != nil {
		attributes = append(attributes, "lines_change", twoDecimals(c.Lines), "against", shortSHA(r.coverage.Against.SHA), "of", r.coverage.Against.Branch)
	}
	r.log.Info("coverage", attributes...)
	return nil
}

// earlierBranches are those whose runs this one is compared with: the branch, else the one that it is to be merged into, else the main one.
func (r *run) earlierBranches() []string {
	var all []string
	for _, branch := range []string{r.ref.Branch, r.in.Variables["GITHUB_BASE_REF"], "main", "master"} {
		if branch != "" && !slices.Contains(all, branch) && (artifacts.Ref{Branch: branch, SHA: r.ref.SHA}).Validate() == nil {
			all = append(all, branch)
		}
	}
	return all
}

// compareCoverage looks for an earlier run.
func (r *run) compareCoverage(ctx context.Context) {
	for _, branch := range r.earlierBranches() {
		var mark coverageMark
		err := artifacts.GetJSON(ctx, r.store, keys.CoverageBaseline(branch, r.step.Name), &mark)
		if err == nil && mark.Summary.Lines.Total > 0 {
			change := r.coverage.Summary.Change(mark.Summary)
			change = coverage.Change{Lines: twoDecimals(change.Lines), Branches: twoDecimals(change.Branches)}
			r.coverage.Change, r.coverage.Against = &change, &mark
			coverage.SetChanges(r.coverage.Folders, mark.Folders)
			r.coverage.Against.Folders = nil // which the change has told
			return
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.log.Warn("the coverage of an earlier run cannot be read", "branch", branch, "error", err.Error(), "hint", HintOf(err))
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
	ctx, cancel := r.stop.publishing()
	defer cancel()
	mark := coverageMark{Branch: r.ref.Branch, SHA: r.ref.SHA, RunID: r.id, At: time.Now().UTC(), Summary: r.coverage.Summary, Folders: withoutChange(r.coverage.Folders)}
	if err := artifacts.PutJSON(ctx, r.store, keys.CoverageBaseline(r.ref.Branch, r.step.Name), mark); err != nil {
		r.log.Warn("the coverage is not kept for the next run", "error", err.Error(), "hint", HintOf(err))
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

// coverageText is coverage in a line of a summary.
func coverageText(c coverageRecord) string {
	var parts []string
	for _, f := range []struct {
		figure coverage.Figure
		what   string
		change func(coverage.Change) float64
	}{
		{c.Lines, "lines", func(c coverage.Change) float64 { return c.Lines }},
		{c.Branches, "branches", func(c coverage.Change) float64 { return c.Branches }},
	} {
		if f.figure.Total <= 0 {
			continue
		}
		text := f.figure.String() + " of " + f.what
		if c.Change != nil {
			if by := f.change(*c.Change); by == 0 {
				text += " (±0)"
			} else {
				text += fmt.Sprintf(" (%+.2f)", by)
			}
		}
		parts = append(parts, text)
	}
	text := strings.Join(parts, ", ")
	if c.Against != nil {
		text += fmt.Sprintf(" against %s of %s", shortSHA(c.Against.SHA), c.Against.Branch)
	}
	return text
}

func shortSHA(sha string) string { return sha[:min(len(sha), 7)] }

func twoDecimals(x float64) float64 { return math.Round(x*100) / 100 }

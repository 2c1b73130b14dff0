// Package coverage reads the reports of coverage tools, merges them into one summary, and checks it against a floor.
//
// It reads lcov, cobertura, clover, JaCoCo, istanbul's coverage-final.json and coverage-summary.json, SimpleCov and the
// profiles of Go, in a stream and in bounded memory.
package coverage

import (
	"fmt"
	"strings"
)

// Figure is how much of something was covered.
type Figure struct {
	Covered int64 `json:"covered"`
	Total   int64 `json:"total"`
}

// Percent is from 0 to 100; 0 if there is nothing to cover.
func (f Figure) Percent() float64 {
	if f.Total <= 0 {
		return 0
	}
	return 100 * float64(f.Covered) / float64(f.Total)
}

// String is the share in percent, rounded down: only a whole share is "100.0 %". It is empty if there is nothing to
// cover.
func (f Figure) String() string {
	if f.Total <= 0 {
		return ""
	}
	return fmt.Sprintf("%.1f %%", float64(int64(f.Percent()*10+1e-9))/10)
}

func (f Figure) plus(g Figure) Figure { return Figure{f.Covered + g.Covered, f.Total + g.Total} }

// minus is never below nothing, and never more covered than there is.
func (f Figure) minus(g Figure) Figure {
	total := max(f.Total-g.Total, 0)
	return Figure{min(max(f.Covered-g.Covered, 0), total), total}
}

// atLeast is the larger of both, in each number.
func (f Figure) atLeast(g Figure) Figure {
	return Figure{max(f.Covered, g.Covered), max(f.Total, g.Total)}
}

// clamp makes nonsense that a report states harmless.
func clamp(covered, total int64) Figure {
	total = min(max(total, 0), maxCount)
	return Figure{min(max(covered, 0), total), total}
}

// count adds n things that are covered or not.
func (f *Figure) count(n int64, covered bool) {
	f.Total += n
	if covered {
		f.Covered += n
	}
}

// Summary is what one run covered.
type Summary struct {
	Lines    Figure `json:"lines"`    // of Go: statements, which its profiles count instead
	Branches Figure `json:"branches"` // zero where no report has them
	Files    int    `json:"files"`
	Source   string `json:"source"` // of the figures, for people: the report, or the first one "and 3 more"
}

func (s Summary) plus(t Summary) Summary {
	return Summary{Lines: s.Lines.plus(t.Lines), Branches: s.Branches.plus(t.Branches), Files: s.Files + t.Files}
}

// Result is a summary and how it came about.
type Result struct {
	Summary
	Folders []Folder // of the sources, by name, relative to their root
	Reports []Report // by path
}

// Stale are the paths of the reports that are older than the command.
func (r Result) Stale() []string {
	var stale []string
	for _, report := range r.Reports {
		if report.Use == UseStale {
			stale = append(stale, report.Path)
		}
	}
	return stale
}

// Report is a report that was found.
type Report struct {
	Path   string `json:"path"` // slash-separated, relative to the folder
	Format string `json:"format"`
	Files  int    `json:"files,omitempty"`
	Use    Use    `json:"use"`
	Same   string `json:"same_as,omitempty"` // the report of the same run, of a duplicate
}

// Use is what became of a report.
type Use string

// The uses of a report.
const (
	UseMerged    Use = "merged"    // its lines count
	UseDuplicate Use = "duplicate" // of the same run as another report, which counts
	UseStale     Use = "stale"     // written before the command, so it does not count
	UseUnread    Use = "unread"    // only its own tool can read it
)

// Change is how many percentage points a summary is above another one, 0 where one of them has nothing to cover.
type Change struct {
	Lines    float64 `json:"lines"`
	Branches float64 `json:"branches"`
}

// Change compares with an earlier summary.
func (s Summary) Change(previous Summary) Change {
	return Change{difference(s.Lines, previous.Lines), difference(s.Branches, previous.Branches)}
}

func difference(now, previous Figure) float64 {
	if now.Total <= 0 || previous.Total <= 0 {
		return 0
	}
	return now.Percent() - previous.Percent()
}

// NotFoundError is for a folder without a report of coverage that counts.
type NotFoundError struct {
	Dir     string
	Reports []Report // all of them stale
	Unread  []Unread
}

// Unread is a file of a coverage tool that cannot be read.
type Unread struct {
	Path   string
	What   string // "the data of coverage.py"
	Advice string
}

func (e *NotFoundError) Error() string {
	switch {
	case len(e.Reports) > 0:
		return fmt.Sprintf("the coverage in %s is older than the command: %s", e.Dir, pathList(e.Reports))
	case len(e.Unread) > 0:
		return fmt.Sprintf(
			"%s has no coverage report that can be read: %s",
			e.Dir,
			unreadList(e.Unread),
		)
	}
	return fmt.Sprintf("%s has no coverage report", e.Dir)
}

func unreadList(all []Unread) string {
	const most = 5
	var parts []string
	for _, u := range all[:min(len(all), most)] {
		parts = append(parts, u.Path+" is "+u.What)
	}
	if n := len(all) - most; n > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(parts, ", ")
}

func pathList(reports []Report) string {
	const most = 5
	var paths []string
	for _, r := range reports[:min(len(reports), most)] {
		paths = append(paths, r.Path)
	}
	if n := len(reports) - most; n > 0 {
		paths = append(paths, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(paths, ", ")
}

// Hint says what to do about it.
func (e *NotFoundError) Hint() string {
	switch {
	case len(e.Reports) > 0:
		return "have the command measure coverage each time; a build tool that skips up-to-date tests writes no report"
	case len(e.Unread) > 0:
		return e.Unread[0].Advice
	}
	return "have the tests write lcov.info, coverage-final.json or coverage-summary.json, a cobertura, clover or " +
		"JaCoCo XML, " +
		"SimpleCov's coverage.json or a profile of go test -coverprofile"
}

// ReportError is for a report that cannot be read.
type ReportError struct {
	Report string
	Err    error
}

func (e *ReportError) Error() string {
	return fmt.Sprintf("the coverage report %s cannot be read: %v", e.Report, e.Err)
}

func (e *ReportError) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *ReportError) Hint() string {
	return "check whether the command was killed while it wrote the report, and whether two processes write to it"
}

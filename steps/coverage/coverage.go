// Package coverage reads what a coverage tool left behind into one summary, and holds it against a floor.
//
// It knows istanbul's summary, lcov, cobertura, clover and the profiles of Go. All are read in a stream, in bounded memory.
package coverage

import (
	"fmt"
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

// String is the share for people, rounded down: what is not whole is never "100.0 %". It is empty where there is nothing to cover.
func (f Figure) String() string {
	if f.Total <= 0 {
		return ""
	}
	return fmt.Sprintf("%.1f %%", float64(int64(f.Percent()*10+1e-9))/10)
}

func (f Figure) plus(g Figure) Figure { return Figure{f.Covered + g.Covered, f.Total + g.Total} }

func (f Figure) minus(g Figure) Figure { return Figure{f.Covered - g.Covered, f.Total - g.Total} }

// possible is a figure as a report states it, with nonsense made harmless.
func possible(covered, total int64) Figure {
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
	Lines    Figure `json:"lines"`    // of Go: statements, which is all that its profiles tell of
	Branches Figure `json:"branches"` // nothing of nothing where the report does not tell
	Files    int    `json:"files"`
	Source   string `json:"source"` // the report, slash-separated, relative to the folder; "and n more" if several were added up
}

// Change is how many percentage points a summary is above another one, 0 where one of them tells nothing.
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

func (s Summary) plus(t Summary) Summary {
	return Summary{Lines: s.Lines.plus(t.Lines), Branches: s.Branches.plus(t.Branches), Files: s.Files + t.Files}
}

// NotFoundError says that a folder holds no report of coverage.
type NotFoundError struct{ Dir string }

func (e *NotFoundError) Error() string { return fmt.Sprintf("%s holds no report of coverage", e.Dir) }

// Hint says what to do about it.
func (e *NotFoundError) Hint() string {
	return "make the tests write one of coverage-summary.json (json-summary), lcov.info, a cobertura or clover XML, or a profile of go test -coverprofile"
}

// ReportError says that a report of coverage cannot be read.
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
	return "see whether the command was ended while it wrote the report, and whether two processes write to it"
}

package record

import (
	"time"

	"github.com/carlin-cicd/runner/steps/coverage"
)

// Coverage is what one run covered.
type Coverage struct {
	coverage.Summary
	LinePercent float64           `json:"line_percent"`
	Folders     []coverage.Folder `json:"folders,omitempty"`
	Reports     []coverage.Report `json:"reports,omitempty"` // what was merged, what was a duplicate, what was too old
	Change      *coverage.Change  `json:"change,omitempty"`  // percentage points
	Against     *CoverageBaseline `json:"against,omitempty"` // what Change compares with
}

// CoverageBaseline is the coverage of the newest run of a branch that passed, which the next run is compared with.
type CoverageBaseline struct {
	Branch  string            `json:"branch"            redact:"-"`
	SHA     string            `json:"sha"               redact:"-"`
	RunID   string            `json:"run_id"            redact:"-"`
	At      time.Time         `json:"at"`
	Summary coverage.Summary  `json:"summary"`
	Folders []coverage.Folder `json:"folders,omitempty"`
}

package record

import (
	"time"
)

// Rerun is how to run a step again on a laptop.
type Rerun struct {
	Step  string `json:"step"`            // the command for all of it
	Tests string `json:"tests,omitempty"` // the command for the tests that failed; "" if they cannot be run alone
}

// EarlierRun is a run of the step before this one.
type EarlierRun struct {
	RunID  string    `json:"run_id" redact:"-"`
	Branch string    `json:"branch" redact:"-"`
	SHA    string    `json:"sha"    redact:"-"`
	State  State     `json:"state"`
	At     time.Time `json:"at"`
}

// LastPassed is the newest earlier run of a step that passed, and what is different since.
type LastPassed struct {
	RunID   string    `json:"run_id" redact:"-"`
	Branch  string    `json:"branch" redact:"-"`
	SHA     string    `json:"sha"    redact:"-"`
	At      time.Time `json:"at"`
	Seconds float64   `json:"duration_seconds"`

	Commits  []Commit `json:"commits,omitempty"`          // since then, the newest first; nil if git does not know
	More     int      `json:"more_commits,omitempty"`     // older ones that are left out
	Coverage *float64 `json:"coverage_change,omitempty"`  // percentage points of lines
	Lockfile bool     `json:"lockfile_changed,omitempty"` // the dependencies are others
}

// FailingSince is the first of the runs of a step, on its branch, that failed one after the other before this one.
type FailingSince struct {
	RunID string    `json:"run_id" redact:"-"`
	SHA   string    `json:"sha"    redact:"-"`
	At    time.Time `json:"at"`
	Runs  int       `json:"runs"` // this one is not counted
}

// Commit is one in a list.
type Commit struct {
	SHA     string `json:"sha" redact:"-"`
	Author  string `json:"author"`
	Subject string `json:"subject"`
}

package record

import "time"

// Shard is a part of a run that was divided.
type Shard struct {
	Shard    int       `json:"shard"` // from 1
	RunID    string    `json:"run_id,omitempty" redact:"-"`
	Key      string    `json:"key,omitempty"    redact:"-"` // the folder of its records, with a report of its own
	Task     string    `json:"task,omitempty"   redact:"-"`
	Missing  bool      `json:"missing,omitempty"` // it left no result
	Passed   bool      `json:"passed"`
	Reason   Reason    `json:"reason,omitempty"`
	ExitCode int       `json:"exit_code"`
	Started  time.Time `json:"started_at,omitzero"`
	Seconds  float64   `json:"seconds"`
	Files    int       `json:"files"`
	Expected float64   `json:"expected_seconds,omitempty"` // of its files, by earlier runs
	Tests    int       `json:"tests"`
}

// ListedTest is a test of a shard for the list of all tests.
type ListedTest struct {
	TestRow
	Identity string `redact:"-"` // in the history
}

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
	Prepare  float64   `json:"prepare_seconds,omitempty"` // checkout and dependencies, of Seconds
	Files    int       `json:"files"`
	Expected float64   `json:"expected_seconds,omitempty"` // of its files, by earlier runs
	Tests    int       `json:"tests"`
	Failed   int       `json:"failed_tests,omitempty"` // errored ones among them
}

// ShardBalance says how evenly the shards of a run took their time.
type ShardBalance struct {
	Mean    float64 `json:"mean_seconds"`
	Slowest float64 `json:"slowest_seconds"`
	Shard   int     `json:"slowest"`      // which one
	Over    float64 `json:"over_percent"` // how much longer the slowest took than the mean
}

// Balance returns how evenly the shards took their time; nil if one is missing, or there are none: then it is not known.
func Balance(shards []Shard) *ShardBalance {
	b := &ShardBalance{}
	for _, s := range shards {
		if s.Missing {
			return nil
		}
		b.Mean += s.Seconds / float64(len(shards))
		if b.Shard == 0 || s.Seconds > b.Slowest {
			b.Slowest, b.Shard = s.Seconds, s.Shard
		}
	}
	if b.Mean <= 0 {
		return nil
	}
	b.Over = Round(100 * (b.Slowest/b.Mean - 1))
	b.Mean = Seconds(Duration(b.Mean))
	return b
}

// ListedTest is a test of a shard for the list of all tests.
type ListedTest struct {
	TestRow
	Identity string `redact:"-"` // in the history
}

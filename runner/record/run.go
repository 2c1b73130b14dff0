// Package record is a run as a value: what it was, how it ended and what it made. It is built when the run ends,
// redacted value by value (see redact.Value) and then encoded here, or rendered by package present.
package record

import (
	"math"
	"time"

	"github.com/carlin-cicd/runner/steps/results"
)

// Identity names a run in each of its records. It is what the keys of the store are made of, so no mask changes it: the
// keys would show it, and nothing would be found by it.
type Identity struct {
	RunID       string `json:"run_id"                redact:"-"`
	Step        string `json:"step"                  redact:"-"`
	Branch      string `json:"branch"                redact:"-"`
	SHA         string `json:"sha"                   redact:"-"`
	Environment string `json:"environment,omitempty" redact:"-"`
	Stack       string `json:"stack,omitempty"       redact:"-"` // its name is the folder of its records
	Task        string `json:"task,omitempty"        redact:"-"`
	Runner      string `json:"runner"                redact:"-"` // the runner's version
}

// NoCommit and Detached stand for SHA and Branch where there is no commit, and no branch.
const (
	NoCommit = "0000000000000000000000000000000000000000"
	Detached = "detached"
)

// Started is started.json. Timestamp, Revision and Metadata are Prow's fields, so that its readers can read ours.
type Started struct {
	Timestamp int64             `json:"timestamp"` // seconds since 1970
	Revision  string            `json:"repo-commit"        redact:"-"`
	Metadata  map[string]string `json:"metadata,omitempty" redact:"-"`

	Identity
	Command string    `json:"command"`
	Only    []string  `json:"only,omitempty"` // the tests that alone are run
	At      time.Time `json:"started_at"`
}

// Run is finished.json. Timestamp, Passed, Result, Revision and Metadata are Prow's fields.
type Run struct {
	Timestamp int64             `json:"timestamp"`
	Passed    bool              `json:"passed"`
	Result    string            `json:"result"             redact:"-"` // SUCCESS, FAILURE or ABORTED
	Revision  string            `json:"revision"           redact:"-"`
	Metadata  map[string]string `json:"metadata,omitempty" redact:"-"`

	Identity
	ExitCode   int               `json:"exit_code"`
	Reason     Reason            `json:"reason"`
	Killed     bool              `json:"killed"`
	Retryable  bool              `json:"retryable"`
	Allowed    bool              `json:"retry_allowed"` // it is retryable, and the step's retry: allows the reason
	Error      string            `json:"error,omitempty"`
	Hint       string            `json:"hint,omitempty"`
	Cause      *Cause            `json:"cause,omitempty"`               // nil if it passed
	Only       []string          `json:"only,omitempty"`                // the tests that alone were run: a part of the step
	Rerun      *Rerun            `json:"rerun,omitempty"`               // how to run it again; nil if it passed
	LastPassed *LastPassed       `json:"last_passed,omitempty"`         // nil if the run passed, or none before is known to have passed
	Previous   *EarlierRun       `json:"previous,omitempty"`            // of the step on the branch; nil if none is known
	Failing    *FailingSince     `json:"failing_since,omitempty"`       // nil if the run before this one did not fail
	Lockfile   string            `json:"lockfile,omitempty" redact:"-"` // digest of the lockfiles
	StartedAt  time.Time         `json:"started_at"`
	EndedAt    time.Time         `json:"finished_at"`
	Seconds    float64           `json:"duration_seconds"`
	Tests      *Tests            `json:"tests,omitempty"`
	Coverage   *Coverage         `json:"coverage,omitempty"`
	Artifacts  []Artifact        `json:"artifacts"`
	Attached   []Attachment      `json:"attachments,omitempty"` // files of failed tests
	Caches     []Cache           `json:"caches,omitempty"`
	Services   []Service         `json:"services,omitempty"`
	Saved      float64           `json:"cache_saved_seconds,omitempty"` // how much longer the run would have taken without, if known
	Usage      *Usage            `json:"usage,omitempty"`
	Cost       *Cost             `json:"cost,omitempty"`
	Delivery   *Delivery         `json:"delivery,omitempty"`
	Outputs    map[string]string `json:"outputs,omitempty"   redact:"-"` // variables for later steps of the commit
	Phases     []Phase           `json:"phases"`
	Attempts   []Attempt         `json:"attempts"`
	Shards     []Shard           `json:"shards,omitempty"` // of a run that was divided
	Balance    *ShardBalance     `json:"shard_balance,omitempty"`
	Leftovers  []Leftover        `json:"leftovers,omitempty"`
	Notes      []Annotation      `json:"annotations,omitempty"` // that its commands printed
	OOMKills   int               `json:"oom_kills,omitempty"`   // processes of the command that the kernel killed for memory
	Stop       *Stop             `json:"stop,omitempty"`
	Log        *Log              `json:"log,omitempty"`
	Published  map[string]bool   `json:"published,omitempty" redact:"-"` // the run's own files: which of them are in the store

	Details `json:"-"`
}

// Tests is what the reports contain.
type Tests struct {
	results.Counts
	Failures    []FailedTest      `json:"failures,omitempty"`
	Flaky       []results.Case    `json:"flaky_cases,omitempty"`       // with the messages of their first failures
	Quarantined []results.Case    `json:"quarantined_cases,omitempty"` // failed, but do not count
	SkipReason  string            `json:"doubt,omitempty"`             // why failed tests were neither rerun nor quarantined
	Missing     string            `json:"fewer,omitempty"`             // how many tests are missing, if many are
	Slowest     []results.Case    `json:"slowest,omitempty"`
	Reports     []string          `json:"reports,omitempty"`
	Stale       []string          `json:"stale,omitempty"`
	Problems    []results.Problem `json:"problems,omitempty"`

	Stored []string  `json:"-"`            // paths of the reports in the folder junit of the run's records
	All    []TestRow `json:"-"`            // every test of the reports, as far as there was room
	Beyond int       `json:"-"`            // tests that All has no room for
	Within string    `json:"-" redact:"-"` // the folder of the repository that files of tests are relative to; "." for its root
}

// TestState is how a test ended.
type TestState string

// The states of a test.
const (
	TestPassed      TestState = "passed"
	TestFailed      TestState = "failed"
	TestErrored     TestState = "errored"
	TestSkipped     TestState = "skipped"
	TestFlaky       TestState = "flaky"
	TestQuarantined TestState = "quarantined"
)

// RedactConstant marks a state as text that holds no secret.
func (TestState) RedactConstant() {}

// TestRow is a test in the list of all tests.
type TestRow struct {
	ID      string `redact:"-"` // as in results.Case
	File    string
	Class   string
	Name    string
	Project string
	State   TestState
	Took    time.Duration
	Past    string `redact:"-"` // its outcomes in the last runs, this one included: see outcome.Outcome; "" if unknown
}

// FailedTest is a failed test and where it is in the repository.
type FailedTest struct {
	results.Case
	Path string `json:"-"` // relative to the repository, slash-separated; "" if unknown
	Line int    `json:"-"` // from 1; 0 if unknown
}

// Artifact is the publication of one set of files.
type Artifact struct {
	Name      string `json:"name"               redact:"-"`
	Location  string `json:"location,omitempty"`            // for people: secrets in it are redacted, nothing is found by it
	Manifest  string `json:"manifest,omitempty" redact:"-"` // key of its manifest
	Files     int    `json:"files"`
	Bytes     int64  `json:"bytes"`
	Uploaded  int    `json:"uploaded"`
	Unchanged int    `json:"unchanged"`
	Removed   int    `json:"removed"`
	Error     string `json:"error,omitempty"`
	Digest    string `json:"digest,omitempty"   redact:"-"` // SHA-256 of the published files, see artifacts.Manifest

	Withheld []string `json:"withheld,omitempty"` // files that hold a secret and were not stored

	Entry   string `json:"-" redact:"-"` // the page that a set of pages begins with; "" if it is none
	Console string `json:"-"`            // the set's folder in AWS's console, or ""
}

// Phase is a part of the run and the time it took.
type Phase struct {
	Name    string    `json:"name"`
	Started time.Time `json:"started_at"`
	Seconds float64   `json:"seconds"`
	Error   string    `json:"error,omitempty"`
}

// Preparation is how long a run took for what several steps in one task do once: checkout and dependencies.
func (r Run) Preparation() float64 { return Preparation(r.Phases) }

// Preparation adds up the phases that several steps in one task have once.
func Preparation(phases []Phase) (seconds float64) {
	for _, p := range phases {
		if p.Name == "source" || p.Name == "setup" {
			seconds += p.Seconds
		}
	}
	return seconds
}

// Attempt is one start of the command.
type Attempt struct {
	ExitCode int       `json:"exit_code"`
	Reason   Reason    `json:"reason"`
	Started  time.Time `json:"started_at"`
	Seconds  float64   `json:"seconds"`
	Rerun    int       `json:"rerun,omitempty"` // how many tests were rerun; 0 for a start of the command itself
	Shard    int       `json:"shard,omitempty"` // of a run that was divided
}

// Leftover is a process that outlived the command and was killed with the run.
type Leftover struct {
	PID        int    `json:"pid"`
	Command    string `json:"command"`
	HeldOutput bool   `json:"held_output,omitempty"`
}

// Stop is the signal that stopped the run, and how much of the stop budget was used.
type Stop struct {
	Signal string  `json:"signal"         redact:"-"`
	Budget float64 `json:"budget_seconds"`
	Used   float64 `json:"used_seconds"`
}

// Log says what the reader of the run's output did not get.
type Log struct {
	Dropped int `json:"dropped"` // lines; log.jsonl.gz has them
}

// Latest is latest.json of a step: its newest run whose command began, which needs: and promote go by.
type Latest struct {
	RunID    string `json:"run_id"            redact:"-"`
	Key      string `json:"key"               redact:"-"`
	Passed   bool   `json:"passed"`
	Reason   Reason `json:"reason"`
	ExitCode int    `json:"exit_code"`
	Task     string `json:"task,omitempty"    redact:"-"` // ARN of the ECS task that ran it
	Dirty    bool   `json:"dirty,omitempty"`              // the workspace had changes that are not in the commit
	Outputs  int    `json:"outputs,omitempty" redact:"-"` // how many finished.json has

	Digests map[string]string `json:"digests,omitempty" redact:"-"` // of the artifacts that it published, by kind
	// KeptFrom is the run that published those sets, if the newest one failed without publishing any.
	KeptFrom string `json:"kept_from,omitempty" redact:"-"`
}

// Approves reports whether the sets with these digests are those that later steps and people rely on: a run that passed
// published them from the commit itself.
func (l Latest) Approves() bool { return l.KeptFrom != "" || l.Passed && !l.Dirty }

// Seconds returns a duration as records have it: in seconds, to the millisecond.
func Seconds(d time.Duration) float64 {
	return float64(d.Round(time.Millisecond).Milliseconds()) / 1000
}

// Duration is the inverse of Seconds.
func Duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

// Round keeps two decimals, as records have percentages and cores.
func Round(x float64) float64 { return math.Round(x*100) / 100 }

package runner

import (
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/results"
)

// started is started.json. Timestamp, revision and metadata are Prow's, so that its readers can read ours.
type started struct {
	Timestamp int64             `json:"timestamp"` // seconds since 1970
	Revision  string            `json:"repo-commit"`
	Metadata  map[string]string `json:"metadata,omitempty"`

	identity
	Command string    `json:"command"`
	At      time.Time `json:"started_at"`
}

// identity is what names a run, in each of its records.
type identity struct {
	RunID       string `json:"run_id"`
	Step        string `json:"step"`
	Branch      string `json:"branch"`
	SHA         string `json:"sha"`
	Environment string `json:"environment,omitempty"`
	Stack       string `json:"stack,omitempty"`
	Task        string `json:"task,omitempty"`
	Runner      string `json:"runner"` // our own version
}

// finished is finished.json. Timestamp, passed, result, revision and metadata are Prow's.
type finished struct {
	Timestamp int64             `json:"timestamp"`
	Passed    bool              `json:"passed"`
	Result    string            `json:"result"` // SUCCESS, FAILURE or ABORTED
	Revision  string            `json:"revision"`
	Metadata  map[string]string `json:"metadata,omitempty"`

	identity
	ExitCode  int               `json:"exit_code"`
	Reason    Reason            `json:"reason"`
	Killed    bool              `json:"killed"`
	Retryable bool              `json:"retryable"`
	Allowed   bool              `json:"retry_allowed"` // it is retryable, and the step's retry: allows the reason
	Error     string            `json:"error,omitempty"`
	Hint      string            `json:"hint,omitempty"`
	StartedAt time.Time         `json:"started_at"`
	EndedAt   time.Time         `json:"finished_at"`
	Seconds   float64           `json:"duration_seconds"`
	Tests     *tests            `json:"tests,omitempty"`
	Coverage  *coverageRecord   `json:"coverage,omitempty"`
	Artifacts []artifact        `json:"artifacts"`
	Usage     *usage            `json:"usage,omitempty"`
	Cost      *cost             `json:"cost,omitempty"`
	Delivery  *outcome          `json:"delivery,omitempty"`
	Outputs   map[string]string `json:"outputs,omitempty"` // what is handed on to later steps of the commit
	Phases    []phase           `json:"phases"`
	Attempts  []attempt         `json:"attempts"`
	Leftovers []leftover        `json:"leftovers,omitempty"`
	Stop      *stopRecord       `json:"stop,omitempty"`
	Published map[string]bool   `json:"published,omitempty"` // the run's own files: which of them are in the store
}

// tests is what the reports said.
type tests struct {
	results.Counts
	Failures         []results.Case    `json:"failures,omitempty"`
	Flaky            []results.Case    `json:"flaky_cases,omitempty"`       // with what they first failed with
	QuarantinedCases []results.Case    `json:"quarantined_cases,omitempty"` // failed, but do not count
	Doubt            string            `json:"doubt,omitempty"`             // why failing tests were neither run again nor forgiven
	Fewer            string            `json:"fewer,omitempty"`             // how many are missing, if they are many
	Slowest          []results.Case    `json:"slowest,omitempty"`
	Reports          []string          `json:"reports,omitempty"`
	Stale            []string          `json:"stale,omitempty"`
	Problems         []results.Problem `json:"problems,omitempty"`
}

// artifact is what became of one set of files.
type artifact struct {
	Name      string `json:"name"`
	Location  string `json:"location,omitempty"`
	Manifest  string `json:"manifest,omitempty"`
	Files     int    `json:"files"`
	Bytes     int64  `json:"bytes"`
	Uploaded  int    `json:"uploaded"`
	Unchanged int    `json:"unchanged"`
	Removed   int    `json:"removed"`
	Error     string `json:"error,omitempty"`

	entry string // the page that a set of pages begins with; empty if it is no such set
}

// phase is a part of the run and the time it took.
type phase struct {
	Name    string    `json:"name"`
	Started time.Time `json:"started_at"`
	Seconds float64   `json:"seconds"`
	Error   string    `json:"error,omitempty"`
}

// attempt is one start of the command.
type attempt struct {
	ExitCode int       `json:"exit_code"`
	Reason   Reason    `json:"reason"`
	Started  time.Time `json:"started_at"`
	Seconds  float64   `json:"seconds"`
	Rerun    int       `json:"rerun,omitempty"` // how many tests were run again; 0 for a start of the command itself
}

// leftover is a process that outlived the command and was ended with the run.
type leftover struct {
	PID        int    `json:"pid"`
	Command    string `json:"command"`
	HeldOutput bool   `json:"held_output,omitempty"`
}

// stopRecord is what was asked of the run by a signal, and what it used of the time it had.
type stopRecord struct {
	Signal string  `json:"signal"`
	Budget float64 `json:"budget_seconds"`
	Used   float64 `json:"used_seconds"`
}

// latest is what latest.json of a step says: the newest run whose command began, for those who ask whether a commit passed.
type latest struct {
	RunID    string `json:"run_id"`
	Key      string `json:"key"`
	Passed   bool   `json:"passed"`
	Reason   Reason `json:"reason"`
	ExitCode int    `json:"exit_code"`
	Outputs  int    `json:"outputs,omitempty"` // how many there are in finished.json
}

func (r *run) identity() identity {
	return identity{
		RunID: r.id, Step: r.step.Name, Branch: r.ref.Branch, SHA: r.ref.SHA,
		Environment: r.config.Environment, Stack: first(r.config.StackName, r.delivery.name), Task: r.task.id(), Runner: r.in.Version,
	}
}

func (r *run) metadata() map[string]string {
	m := map[string]string{}
	if r.config.GitHubName != "" {
		m["repository"] = r.config.GitHubName
	}
	if r.dirty {
		m["dirty"] = "true" // the workspace had changes that the commit has not
	}
	return m
}

func (r *run) startedRecord() started {
	return started{
		Timestamp: r.begun.Unix(), Revision: r.ref.SHA, Metadata: r.metadata(),
		identity: r.identity(), Command: r.step.Command.String(), At: r.begun.UTC(),
	}
}

// now is the time, and once the run is over the time of its end: whoever tells of it tells the same.
func (r *run) now() time.Time {
	if r.over.IsZero() {
		return time.Now()
	}
	return r.over
}

// finishedRecord tells the run as far as it has come. It is redacted as a whole when it is stored.
func (r *run) finishedRecord(o Outcome) finished {
	now := r.now()
	f := finished{
		Timestamp: now.Unix(), Passed: o.Passed(), Result: "FAILURE", Revision: r.ref.SHA, Metadata: r.metadata(),
		identity: r.identity(),
		ExitCode: o.ExitCode, Reason: o.Reason, Killed: o.Killed, Retryable: o.Retryable && r.step.Lock != steps.LockEnvironment,
		Allowed:   r.mayRetry(o),
		StartedAt: r.begun.UTC(), EndedAt: now.UTC(), Seconds: seconds(now.Sub(r.begun)),
		Artifacts: r.artifacts, Outputs: r.outputs.own, Phases: r.phases, Attempts: r.attempts, Published: r.published,
	}
	switch o.Reason {
	case Success:
		f.Result = "SUCCESS"
	case Cancelled:
		f.Result = "ABORTED"
	}
	if o.Err != nil {
		f.Error, f.Hint = o.Err.Error(), HintOf(o.Err)
	}
	f.Tests, f.Coverage, f.Delivery = r.testsRecord(), r.coverage, r.delivery.outcome()
	f.Usage = r.usageRecord(o)
	f.Cost = r.cost(f.Usage)
	if r.result != nil {
		for _, l := range r.result.Leftovers {
			f.Leftovers = append(f.Leftovers, leftover{PID: l.PID, Command: l.Command, HeldOutput: l.HeldOutput})
		}
	}
	if sig, at := r.stop.signal(); sig != 0 {
		f.Stop = &stopRecord{Signal: signalName(sig), Budget: seconds(r.stop.budget), Used: seconds(now.Sub(at))}
	}
	return f
}

func (r *run) testsRecord() *tests {
	if r.tests == nil {
		return nil
	}
	t := &tests{Counts: r.tests.Counts, Doubt: r.doubt, Fewer: r.fewer, Stale: r.tests.Stale, Problems: r.tests.Problems}
	for _, report := range r.tests.Reports {
		t.Reports = append(t.Reports, report.Path)
	}
	t.Failures, t.Flaky, t.QuarantinedCases, t.Slowest = r.tests.Failures, r.tests.FlakyCases, r.tests.QuarantinedCases, r.tests.Slowest
	return t
}

func artifactRecord(name string, p artifacts.Published, err error) artifact {
	a := artifact{Name: name, Location: p.Location, Manifest: p.Key, Files: len(p.Manifest.Files), Bytes: p.Manifest.Bytes(), Uploaded: p.Uploaded, Unchanged: p.Unchanged, Removed: p.Removed}
	if err != nil {
		a.Error = err.Error()
	}
	a.entry = entryOf(p.Manifest)
	return a
}

// seconds is a duration as the records have it: seconds, to the millisecond.
func seconds(d time.Duration) float64 {
	return float64(d.Round(time.Millisecond).Milliseconds()) / 1000
}

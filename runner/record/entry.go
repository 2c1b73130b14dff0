package record

import (
	"cmp"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/steps/results"
)

// State is how a run is shown in a list.
type State string

// The states. A run that is running beyond its deadline is lost: its runner died without a record.
const (
	Running State = "running"
	Passed  State = "passed"
	Failing State = "failed"
	Aborted State = "cancelled"
	Lost    State = "lost"
)

// RedactConstant implements redact.Constant.
func (State) RedactConstant() {}

// Entry is a run in the index of runs. It is for showing: what decides, such as needs: and promote, goes by Latest.
type Entry struct {
	RunID       string `json:"id"                    redact:"-"`
	Step        string `json:"step"                  redact:"-"`
	Environment string `json:"environment,omitempty" redact:"-"`
	Stack       string `json:"stack,omitempty"       redact:"-"`
	Branch      string `json:"branch"                redact:"-"`
	SHA         string `json:"sha"                   redact:"-"`
	Dirty       bool   `json:"dirty,omitempty"` // the workspace had changes that are not in the commit
	Task        string `json:"task,omitempty"        redact:"-"`
	Actor       string `json:"actor,omitempty"`

	State    State     `json:"state"` // when the entry was written; see StateAt
	Reason   Reason    `json:"reason,omitempty"`
	ExitCode int       `json:"exit_code,omitempty"`
	Cause    string    `json:"cause,omitempty"` // one line; "" if the run passed
	Started  time.Time `json:"started"`
	Deadline time.Time `json:"deadline,omitzero"` // of a run that is running: then it is lost
	Ended    time.Time `json:"ended,omitzero"`

	Tests    *EntryTests `json:"tests,omitempty"`
	Coverage float64     `json:"coverage,omitempty"` // percent of lines
	Dollars  float64     `json:"dollars,omitempty"`
	Bytes    int64       `json:"bytes,omitempty"`               // of its artifacts
	Lockfile string      `json:"lockfile,omitempty" redact:"-"` // the beginning of the digest of the lockfiles
	Usage    *EntryUsage `json:"usage,omitempty"`
	Awaits   *Awaits     `json:"awaits,omitempty"` // nil if no approval comes next
}

// Awaits is the approval that the pipeline asks for when a run has passed, and the runs beside it.
type Awaits struct {
	Environment string   `json:"environment" redact:"-"`
	Steps       []string `json:"steps"       redact:"-"` // that have to pass first, this one among them, each as step or step@environment
}

// EntryTests is what an index keeps of the tests of a run.
type EntryTests struct {
	Total   int        `json:"total"`
	Failed  int        `json:"failed,omitempty"` // errored ones among them
	Skipped int        `json:"skipped,omitempty"`
	Flaky   int        `json:"flaky,omitempty"`
	Failing []string   `json:"failing,omitempty"` // the first few by name
	Flakes  []string   `json:"flakes,omitempty"`
	Slowest []SlowTest `json:"slowest,omitempty"`
}

// EntryUsage is what an index keeps of what a run used.
type EntryUsage struct {
	Seconds  float64 `json:"seconds"` // of its commands
	Memory   int64   `json:"memory"`  // bytes at most
	Limit    int64   `json:"limit,omitempty"`
	Cores    float64 `json:"cores"` // average
	High     float64 `json:"cores_p95,omitempty"`
	CPULimit float64 `json:"cpu_limit,omitempty"`
	Disk     int64   `json:"disk,omitempty"` // bytes at most, the step's own
	OOM      bool    `json:"oom,omitempty"`
}

// SlowTest is a test and its duration.
type SlowTest struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// LiveRevision is what is live in an environment: in a stack, or in the scope of a step that has none.
type LiveRevision struct {
	Environment string    `json:"environment" redact:"-"`
	Scope       string    `json:"scope"       redact:"-"`
	Since       time.Time `json:"since"`
	FoundBy     string    `json:"found_by"    redact:"-"` // id of the run that changed it, or found it unchanged
	Revision
}

// SamePlace reports whether both are of the same scope of an environment.
func (l LiveRevision) SamePlace(o LiveRevision) bool {
	return l.Environment == o.Environment && l.Scope == o.Scope
}

// The bounds of an entry.
const (
	entryNames   = 5
	entrySlowest = 3
	entryName    = 160 // bytes
	entryCause   = 240
	entryDigest  = 16
)

// StartedEntry returns the entry of a run that begins. From the deadline on it counts as lost.
func StartedEntry(s Started, actor string, deadline time.Time) Entry {
	return Entry{
		RunID: s.RunID, Step: s.Step, Environment: s.Environment, Stack: s.Stack, Branch: s.Branch, SHA: s.SHA,
		Dirty: s.Metadata["dirty"] == "true", Task: s.Task, Actor: actor,
		State: Running, Started: s.At.UTC(), Deadline: deadline.UTC().Truncate(time.Second),
	}
}

// Entry returns the entry of a run that has ended. Redact the run first.
func (r Run) Entry() Entry {
	e := Entry{
		RunID: r.RunID, Step: r.Step, Environment: r.Environment, Stack: r.Stack, Branch: r.Branch, SHA: r.SHA,
		Dirty: r.Metadata["dirty"] == "true", Task: r.Task, Actor: r.Actor,
		State: Failing, Reason: r.Reason, ExitCode: r.ExitCode, Started: r.StartedAt.UTC(), Ended: r.EndedAt.UTC(),
	}
	switch {
	case r.Passed:
		e.State = Passed
	case r.Reason == Cancelled:
		e.State = Aborted
	}
	if r.Cause != nil {
		e.Cause = clipLine(r.Cause.String(), entryCause)
	}
	if r.Coverage != nil {
		e.Coverage = Round(r.Coverage.LinePercent)
	}
	if r.Cost != nil && !r.Cost.Would {
		e.Dollars = r.Cost.Dollars
	}
	for _, a := range r.Artifacts {
		e.Bytes += a.Bytes
	}
	e.Lockfile = r.Lockfile[:min(len(r.Lockfile), entryDigest)]
	e.Tests, e.Usage = r.Tests.entry(), r.Usage.entry(r.Reason)
	return e
}

func (t *Tests) entry() *EntryTests {
	if t == nil {
		return nil
	}
	e := &EntryTests{Total: t.Total, Failed: t.Failed + t.Errored, Skipped: t.Skipped, Flaky: t.Counts.Flaky}
	for _, f := range t.Failures[:min(len(t.Failures), entryNames)] {
		e.Failing = append(e.Failing, entryTitle(f.Case))
	}
	for _, c := range t.Flaky[:min(len(t.Flaky), entryNames)] {
		e.Flakes = append(e.Flakes, entryTitle(c))
	}
	for _, c := range t.Slowest[:min(len(t.Slowest), entrySlowest)] {
		e.Slowest = append(e.Slowest, SlowTest{entryTitle(c), Seconds(c.Duration)})
	}
	return e
}

func (u *Usage) entry(reason Reason) *EntryUsage {
	if u == nil || u.Seconds <= 0 {
		return nil
	}
	return &EntryUsage{
		Seconds: Round(u.Seconds), Memory: u.PeakMemory, Limit: u.MemoryLimit, Cores: Round(u.CPUSeconds / u.Seconds),
		High: u.CPUHigh, CPULimit: u.CPULimit,
		Disk: max(u.Storage, u.DiskGrowth), OOM: reason == OOM,
	}
}

func entryTitle(c results.Case) string {
	name := c.Name
	if c.Class != "" && !strings.Contains(name, c.Class) {
		name = c.Class + " › " + name
	}
	return clipLine(cmp.Or(name, c.File), entryName)
}

// clipLine returns the first line of text that is not empty, of at most limit bytes.
func clipLine(text string, limit int) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-len("…")], "") + "…"
}

// StateAt returns the state at a time: a run that should have ended by then is lost.
func (e Entry) StateAt(now time.Time) State {
	if e.State == Running && !e.Deadline.IsZero() && now.After(e.Deadline) {
		return Lost
	}
	return e.State
}

// Took returns how long the run took; zero for one that has not ended.
func (e Entry) Took() time.Duration {
	if e.Ended.IsZero() {
		return 0
	}
	return e.Ended.Sub(e.Started)
}

// Supersedes reports whether the entry says more than another one of the same run: an end more than a start, the last
// end more than an earlier one.
func (e Entry) Supersedes(other Entry) bool {
	if (e.State == Running) != (other.State == Running) {
		return e.State != Running
	}
	return e.Ended.After(other.Ended)
}

// Newer orders entries, the newest first, in the same way for every reader. Ids sort by time.
func Newer(a, b Entry) int { return cmp.Compare(b.RunID, a.RunID) }

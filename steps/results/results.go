// Package results reads the JUnit reports that a step left behind into one result.
//
// A report that cannot be read is a Problem, and a result with problems is red: a truncated report must not look like
// success.
package results

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"github.com/joshdk/go-junit"
)

// The statuses of a test case.
const (
	Passed  = junit.StatusPassed
	Failed  = junit.StatusFailed
	Errored = junit.StatusError
	Skipped = junit.StatusSkipped
)

// erroredText is what JSON has for Errored, after the count of the same name.
const erroredText = "errored"

// Case is one test case.
type Case struct {
	ID       string        `json:"id,omitempty"` // the same for the same test in each run
	Name     string        `json:"name"`
	Class    string        `json:"class,omitempty"`
	Suite    string        `json:"suite,omitempty"`
	File     string        `json:"file,omitempty"`    // of the test, as its producer names it; may be empty
	Project  string        `json:"project,omitempty"` // the browser, the device: what runs the same tests more than once
	Setup    bool          `json:"setup,omitempty"`   // not a test but a hook, a class or a file that failed
	Status   junit.Status  `json:"status"            redact:"-"`
	Flaky    bool          `json:"flaky,omitempty"`   // it passed after it had failed
	Duration time.Duration `json:"-"`                 // seconds in JSON
	Message  string        `json:"message,omitempty"` // the line that explains the failure best
	Details  string        `json:"details,omitempty"` // what else its producer says, at most maxDetails bytes
	Excerpt  string        `json:"excerpt,omitempty"` // a few lines of both, for where there is little room
	Report   string        `json:"report"`
	Note     string        `json:"note,omitempty"` // known beyond this report, such as since when it fails

	// Attachments are the files that the output of a failed test names, as it names them, a line each.
	Attachments string `json:"-"`

	// Namesakes is how many cases the reports have that only their order tells apart, this one included: the rows of a
	// table of tests. It is known of Results.Failures; else it is 0.
	Namesakes int `json:"-"`

	// Within tells cases that only their order tells apart by what their IDs leave out, since it may differ between
	// runs: the suites around theirs, packages, hosts, properties of the case. Place is the number of namesakes with the
	// same before it. If Mixed, which is known of Results.Failures, its namesakes have another one, and Namesakes counts
	// only those that have its own.
	Within string `json:"-"`
	Place  int    `json:"-"`
	Mixed  bool   `json:"-"`

	// Around is the suite that the case is in, for Options.Visit only.
	Around Suite `json:"-"`
}

// Suite is a suite of a report.
type Suite struct {
	Number   uint64        // among those of the report, from 1; 0 for a case outside of all
	Duration time.Duration // as the report has it: with what the suite loads and sets up; 0 if it has none
}

// AddNote appends to the note.
func (c *Case) AddNote(text string) {
	if c.Note != "" {
		text = c.Note + "; " + text
	}
	c.Note = text
}

// StatusText is the status as logs and records have it: "passed", "failed", "errored" or "skipped".
func (c Case) StatusText() string {
	if c.Status == Errored {
		return erroredText
	}
	return string(c.Status)
}

// Identity is the same for the same test in each run, and differs from those of its namesakes.
func (c Case) Identity() string {
	return cmp.Or(c.ID, strings.Join([]string{c.Project, c.Suite, c.Class, c.Name, c.File}, "\x00"))
}

// Family is the same for a test and its namesakes.
func (c Case) Family() string { return c.identify(0) }

// caseJSON is a Case in JSON.
type caseJSON struct {
	plainCase
	Seconds float64 `json:"seconds"`
}

type plainCase Case

// MarshalJSON writes the duration in seconds, as reports do, and the status Errored as "errored".
func (c Case) MarshalJSON() ([]byte, error) {
	c.Status = junit.Status(c.StatusText())
	return json.Marshal(caseJSON{plainCase(c), c.Duration.Round(time.Microsecond).Seconds()})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (c *Case) UnmarshalJSON(text []byte) error {
	var read caseJSON
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	*c = Case(read.plainCase)
	c.Duration = time.Duration(read.Seconds * float64(time.Second)).Round(time.Microsecond)
	if c.Status == erroredText {
		c.Status = Errored
	}
	return nil
}

// Counts are numbers of test cases.
type Counts struct {
	Total       int `json:"total"`
	Failed      int `json:"failed"`
	Errored     int `json:"errored"`
	Skipped     int `json:"skipped"`
	Flaky       int `json:"flaky"`
	Quarantined int `json:"quarantined"`
}

// Report is a file that was read.
type Report struct {
	Path  string `json:"path"` // slash-separated, relative to the root
	Tests int    `json:"tests"`
	Size  int64  `json:"size"` // bytes
}

// Problem is a report that could not be read, or whose totals contradict its cases.
type Problem struct {
	Report  string `json:"report"`
	Message string `json:"error"`
}

// Results are all reports together.
type Results struct {
	Counts
	Failures         []Case    `json:"failures,omitempty"`          // failed and errored cases, at most maxFailures
	FlakyCases       []Case    `json:"flaky_cases,omitempty"`       // at most maxFailures, with their first failure
	QuarantinedCases []Case    `json:"quarantined_cases,omitempty"` // failures that do not count; Read leaves it empty
	Slowest          []Case    `json:"slowest,omitempty"`           // at most ten, the slowest first, without details
	Reports          []Report  `json:"reports,omitempty"`
	Problems         []Problem `json:"problems,omitempty"`
	Stale            []string  `json:"stale,omitempty"` // reports older than the command; they are not counted

	CutShort string        `json:"-"` // why tests that no report has may not have run; "" for nothing known
	Duration time.Duration `json:"-"` // the sum of all cases, which may exceed the duration of the step
}

// Red reports whether a test failed or a report could not be read.
func (r Results) Red() bool { return r.Failed+r.Errored+len(r.Problems) > 0 }

const (
	maxFailures = 200
	maxSlowest  = 10
	maxMessage  = 2 << 10 // bytes
	maxDetails  = 8 << 10 // bytes
	maxPath     = 4 << 10 // bytes
)

// shorten cuts text at the boundary of a rune to at most limit bytes.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-len("…")], "") + "…"
}

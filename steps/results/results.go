// Package results reads the JUnit reports that a step left behind into one result.
//
// Whatever cannot be read is a Problem, and a result with problems is red: a report that broke off must not look like success.
package results

import (
	"encoding/json"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// Status is how a test case ended.
type Status string

// The ends of a test case.
const (
	Passed  Status = "passed"
	Failed  Status = "failed"
	Errored Status = "errored"
	Skipped Status = "skipped"
)

// Case is one test case.
type Case struct {
	Name     string        `json:"name"`
	Class    string        `json:"class,omitempty"`
	Suite    string        `json:"suite,omitempty"`
	File     string        `json:"file,omitempty"` // of the test, as its producer names it; empty if it does not say
	Status   Status        `json:"status"`
	Flaky    bool          `json:"flaky,omitempty"`   // it passed after it had failed
	Duration time.Duration `json:"-"`                 // seconds in JSON
	Message  string        `json:"message,omitempty"` // the one line that says most of why it failed
	Details  string        `json:"details,omitempty"` // stack and difference, at most maxDetails bytes
	Report   string        `json:"report"`
	Note     string        `json:"note,omitempty"` // what is known of it beyond this report: that it passed on a rerun, since when it fails
}

// AddNote adds to the note.
func (c *Case) AddNote(text string) {
	if c.Note != "" {
		text = c.Note + "; " + text
	}
	c.Note = text
}

// MarshalJSON writes the duration in seconds, as reports have it.
func (c Case) MarshalJSON() ([]byte, error) {
	type plain Case
	return json.Marshal(struct {
		plain
		Seconds float64 `json:"seconds"`
	}{plain(c), c.Duration.Round(time.Microsecond).Seconds()})
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

// Problem is a report that was not read, or says something its cases do not.
type Problem struct {
	Report  string `json:"report"`
	Message string `json:"error"`
}

// Results is what all reports say together.
type Results struct {
	Counts
	Failures         []Case    `json:"failures,omitempty"`          // failed and errored ones, at most maxFailures; the counts have them all
	FlakyCases       []Case    `json:"flaky_cases,omitempty"`       // at most maxFailures, with what they first failed with
	QuarantinedCases []Case    `json:"quarantined_cases,omitempty"` // failures that do not count; Read finds none, it is for those who know which
	Slowest          []Case    `json:"slowest,omitempty"`           // at most ten, the slowest first, without details
	Reports          []Report  `json:"reports,omitempty"`
	Problems         []Problem `json:"problems,omitempty"`
	Stale            []string  `json:"stale,omitempty"` // reports that are older than the command; they are not counted

	Duration time.Duration `json:"-"` // of all cases together, which may well be longer than the step
}

// Red reports whether anything failed, or could not be read.
func (r Results) Red() bool { return r.Failed+r.Errored+len(r.Problems) > 0 }

const (
	maxFailures = 200
	maxSlowest  = 10
	maxMessage  = 2 << 10 // bytes
	maxDetails  = 8 << 10 // bytes
	maxPath     = 4 << 10 // bytes
)

// Read reads every report below root, whatever its size, that one of the globs matches and that was written after since;
// the zero time takes them all. The error is for what keeps it from looking; what is wrong with a report is a Problem of
// the result, beside the cases that come before the fault.
func Read(root string, globs []string, since time.Time) (Results, error) {
	return Walk(root, globs, since, nil)
}

// Walk is Read that shows see every case as it stands in a report; a test that was run again there is shown each time.
func Walk(root string, globs []string, since time.Time, see func(Case)) (r Results, err error) {
	for _, glob := range globs {
		if err := ValidGlob(glob); err != nil {
			return r, err
		}
	}
	folder, err := os.OpenRoot(root)
	if err != nil {
		return r, err
	}
	defer folder.Close()
	names, err := match(folder, globs)
	if err != nil {
		return r, err
	}
	c := newCollection(&r)
	c.see = see
	for _, name := range names {
		c.add(folder, name, since)
	}
	c.finish()
	return r, nil
}

// stale reports whether a file was written before the command. The kernel stamps files with the time of its last tick,
// up to 10 ms old; a time without a fraction comes from a file system that counts whole seconds. To allow that second
// everywhere would take the reports of an attempt for those of the next one, which starts at once.
func stale(modified, since time.Time) bool {
	granularity := 20 * time.Millisecond
	if modified.Nanosecond() == 0 {
		granularity = time.Second
	}
	return modified.Add(granularity).Before(since)
}

// files are those that were read: two globs, or a link and a glob, may lead to the same one.
type files map[fileKey][]fs.FileInfo

type fileKey struct {
	size     int64
	modified int64
}

// first reports whether a file is met for the first time. The key keeps it fast; SameFile decides.
func (f files) first(info fs.FileInfo) bool {
	key := fileKey{info.Size(), info.ModTime().UnixNano()}
	if slices.ContainsFunc(f[key], func(other fs.FileInfo) bool { return os.SameFile(info, other) }) {
		return false
	}
	f[key] = append(f[key], info)
	return true
}

// shorten cuts text at a rune's boundary to at most limit bytes.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-len("…")], "") + "…"
}

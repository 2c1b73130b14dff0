// Package history keeps how the tests of a branch ended in its latest runs, so that a new failure can be told from an
// old or a flaky one. It is a table: a column for each run, in the order of their time, and a row for each test.
package history

import (
	"cmp"
	"math/bits"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/steps/history/outcome"
)

// The bounds of a history.
const (
	maxRuns  = 50
	maxTests = 20_000
	maxBytes = 1 << 20 // as it is stored
)

// Run is one run of the tests.
type Run struct {
	ID     string    `json:"id"`
	SHA    string    `json:"sha"`
	Branch string    `json:"branch"`
	At     time.Time `json:"at"`
	Tests  int       `json:"tests"`
	Passed bool      `json:"passed"`
	Dirty  bool      `json:"dirty,omitempty"` // what was tested is not what the commit has
}

// byTime orders runs, in the same way for every reader.
func byTime(a, b Run) int { return cmp.Or(a.At.Compare(b.At), strings.Compare(a.ID, b.ID)) }

// History is the table. The same runs give the same table, in any order. The zero value is empty.
type History struct {
	runs  []Run // the oldest first
	tests map[key]test

	keys    []string // where it is kept, and where it begins from if there is none yet
	tag     string   // of what is stored under the first one; "" for nothing
	changed bool
}

// test is a row.
type test struct {
	Outcomes string    `json:"o"`               // one for each run
	Times    string    `json:"t,omitempty"`     // two characters for each run; "" for unknown
	Typical  int64     `json:"ms,omitempty"`    // of its duration when it passes; 0 if it takes no time
	Since    *Revision `json:"since,omitempty"` // it was failing already when the first run of the table came
	Name     string    `json:"name,omitempty"`  // "" for unknown
}

// Revision is a commit at a time.
type Revision struct {
	SHA    string    `json:"sha"`
	Branch string    `json:"branch"`
	At     time.Time `json:"at"`
}

// The outcomes of a test, as a row has them.
const (
	missing = outcome.Missing
	skipped = outcome.Skipped
	passed  = outcome.Passed
	flaky   = outcome.Flaky
	failed  = outcome.Failed
)

const outcomes = "-.~F"

// telling reports whether a test did anything but pass.
func (t test) telling() bool { return strings.ContainsAny(t.Outcomes, "~F") || t.Since != nil }

// Add adds a run, and reports whether the table changed: not if it has the run already, or if it is full and the run is
// older than all of it.
func (h *History) Add(run Run, s *Sample) bool {
	run.At = run.At.UTC().Truncate(time.Millisecond)
	at, _ := slices.BinarySearchFunc(h.runs, run, byTime)
	if h.indexOf(run.ID) >= 0 || at == 0 && len(h.runs) >= maxRuns {
		return false
	}
	h.insert(at, run, s)
	if len(h.runs) > maxRuns {
		h.removeOldest()
	}
	h.prune(maxTests, maxTests)
	h.changed = true
	return true
}

// insert adds a column.
func (h *History) insert(at int, run Run, s *Sample) {
	h.runs = slices.Insert(h.runs, at, run)
	if h.tests == nil {
		h.tests = make(map[key]test, len(s.seen))
	}
	for k, t := range h.tests {
		h.tests[k] = t.insert(at, len(h.runs), s.outcome(k))
	}
	level := levelFor(len(s.seen))
	blank := strings.Repeat(string(missing), len(h.runs)-1)
	for k, seen := range s.seen {
		if _, known := h.tests[k]; known || seen.thinned() && k.level() < level {
			continue
		}
		h.tests[k] = test{Outcomes: blank}.insert(at, len(h.runs), seen)
	}
}

// insert adds what one run of a table of so many runs says of a test.
func (t test) insert(at, runs int, s seen) test {
	outcome := s.outcome
	if outcome == skipped {
		outcome = missing
	}
	t.Outcomes = t.Outcomes[:at] + string(outcome) + t.Outcomes[at:]
	if s.outcome != missing || t.Times != "" {
		if t.Times == "" {
			t.Times = strings.Repeat(noTime, runs-1)
		}
		t.Times = t.Times[:timeSize*at] + s.time() + t.Times[timeSize*at:]
	}
	if s.outcome == passed {
		t.Typical = smooth(t.Typical, s.milliseconds)
	}
	t.Name = cmp.Or(s.name, t.Name)
	return t
}

// removeOldest removes the first column. A test that has failed since then keeps when that began.
func (h *History) removeOldest() {
	oldest := h.runs[0]
	h.runs = slices.Delete(h.runs, 0, 1)
	for k, t := range h.tests {
		switch t.Outcomes[0] {
		case failed:
			if t.Since == nil {
				t.Since = oldest.revision()
			}
		case passed, flaky:
			t.Since = nil
		}
		t.Outcomes, t.Times = t.Outcomes[1:], t.Times[min(timeSize, len(t.Times)):]
		h.tests[k] = t
	}
}

// prune removes the tests that none of the runs had, and what is over the bounds: of more tests than the first bound
// those that only ever passed go first, and more tests than the second have neither a name nor times. The keys decide,
// so that every run removes the same.
func (h *History) prune(tests, described int) {
	for k, t := range h.tests {
		if strings.Trim(t.Outcomes, string(missing)) == "" && !strings.Contains(t.Times, skippedTime) {
			delete(h.tests, k)
		}
	}
	if len(h.tests) <= min(tests, described) {
		return
	}
	var telling, rest []key
	for k, t := range h.tests {
		if t.telling() {
			telling = append(telling, k)
		} else {
			rest = append(rest, k)
		}
	}
	sort.Slice(telling, func(i, j int) bool { return telling[i].compare(telling[j]) < 0 })
	sort.Slice(rest, func(i, j int) bool { return rest[i].compare(rest[j]) < 0 })
	for i, k := range append(telling, rest...) {
		switch t := h.tests[k]; {
		case i >= tests:
			delete(h.tests, k)
		case i >= described:
			t.Name, t.Times = "", ""
			h.tests[k] = t
		}
	}
}

// Baseline returns the newest passed run before the one with the given ID, else the newest run before it; false if
// there is none.
func (h *History) Baseline(id string) (Run, bool) {
	n := h.indexOf(id)
	if n < 0 {
		n = len(h.runs)
	}
	for i := n - 1; i >= 0; i-- {
		if h.runs[i].Passed {
			return h.runs[i], true
		}
	}
	if n > 0 {
		return h.runs[n-1], true
	}
	return Run{}, false
}

func (h *History) indexOf(id string) int {
	return slices.IndexFunc(h.runs, func(r Run) bool { return r.ID == id })
}

func (r Run) revision() *Revision { return &Revision{SHA: r.SHA, Branch: r.Branch, At: r.At} }

// smooth moves an estimate towards a new value, by at most a tenth: one slow machine does not make a test slow.
// Estimates have two digits.
func smooth(typical, milliseconds int64) int64 {
	if typical == 0 || milliseconds == 0 {
		return twoDigits(max(typical, milliseconds))
	}
	step := max(typical/10, 1)
	return twoDigits(typical + min(max((milliseconds-typical)/2, -step), step))
}

func twoDigits(n int64) int64 {
	unit := int64(1)
	for n/unit >= 100 {
		unit *= 10
	}
	return (n + unit/2) / unit * unit
}

// levelFor is the level that keys must have so that of n tests at most about maxTests remain.
func levelFor(n int) int { return bits.Len(uint(max(n-1, 0) / maxTests)) }

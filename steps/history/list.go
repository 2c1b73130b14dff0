package history

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/steps/history/outcome"
)

// Outcome is how a test ended in a run.
type Outcome = outcome.Outcome

// The outcomes of a test in a run.
const (
	Missing = outcome.Missing
	Skipped = outcome.Skipped
	Passed  = outcome.Passed
	Flaky   = outcome.Flaky
	Failed  = outcome.Failed
)

// Test is what the history knows of a test.
type Test struct {
	ID       string // eight letters, the same in each run
	Name     string // file › class › name; "" if older versions stored all of its runs
	Outcomes []Outcome
	Times    []time.Duration // that it took in each run; -1 for unknown
	Typical  time.Duration   // of its passes; 0 for unknown
	Note     Note            // as of the latest run that has it
	Seen     int             // the index of that run; -1 if it was skipped in all of them
}

// Latest returns how the test ended in the latest run.
func (t Test) Latest() Outcome { return t.Outcomes[len(t.Outcomes)-1] }

// Count returns the number of runs in which the test ended so.
func (t Test) Count(o Outcome) int {
	n := 0
	for _, is := range t.Outcomes {
		if is == o {
			n++
		}
	}
	return n
}

// NewlyFailing reports whether the test failed in the latest run and not in the last run before that had it.
func (t Test) NewlyFailing() bool { return t.Latest() == Failed && t.Note.Since == nil }

// Runs returns the runs, the oldest first.
func (h *History) Runs() []Run { return slices.Clone(h.runs) }

// Tests returns all tests by their names.
func (h *History) Tests() []Test {
	all := make([]Test, 0, len(h.tests))
	for k, t := range h.tests {
		all = append(all, h.test(k, t))
	}
	sort.Slice(all, func(i, j int) bool { return byName(all[i], all[j]) < 0 })
	return all
}

func byName(a, b Test) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
}

func (h *History) test(k key, row test) Test {
	id, _ := k.MarshalText()
	t := Test{
		ID: string(id), Name: row.Name, Seen: -1, Typical: time.Duration(row.Typical) * time.Millisecond,
		Outcomes: make([]Outcome, len(h.runs)), Times: make([]time.Duration, len(h.runs)),
	}
	for i, o := range row.Outcomes {
		t.Outcomes[i], t.Times[i] = Outcome(o), -1
		if row.Times != "" {
			text := row.Times[timeSize*i : timeSize*(i+1)]
			if text == skippedTime {
				t.Outcomes[i] = Skipped
			} else if d, ok := parseTime(text); ok {
				t.Times[i] = d
			}
		}
		if o != missing {
			t.Seen = i
		}
	}
	if t.Seen >= 0 {
		t.Note = h.note(row, t.Seen)
	}
	return t
}

// Lists are the tests that are worth a look. A test may be in several.
type Lists struct {
	NewlyFailing []Test // by name
	Failing      []Test // since an earlier run, the longest first
	Flaky        []Test // the flakiest first
	Slowest      []Test // of the latest run, by what they usually take
	Missing      []Test // in the latest run, though an earlier one has them; the last to go first
}

// Lists returns the tests that are worth a look.
func (h *History) Lists() Lists {
	var l Lists
	for _, t := range h.Tests() {
		switch {
		case t.NewlyFailing():
			l.NewlyFailing = append(l.NewlyFailing, t)
		case t.Latest() == Failed:
			l.Failing = append(l.Failing, t)
		case t.Latest() == Missing && t.Seen >= 0:
			l.Missing = append(l.Missing, t)
		}
		if t.Note.Flaky > 0 {
			l.Flaky = append(l.Flaky, t)
		}
		if t.Typical > 0 && t.Latest() != Missing {
			l.Slowest = append(l.Slowest, t)
		}
	}
	sort.SliceStable(l.Failing, func(i, j int) bool {
		return l.Failing[i].Note.Since.At.Before(l.Failing[j].Note.Since.At)
	})
	sort.SliceStable(l.Flaky, func(i, j int) bool {
		a, b := l.Flaky[i], l.Flaky[j]
		return cmp.Or(b.Note.Flaky-a.Note.Flaky, a.Note.Of-b.Note.Of) < 0
	})
	sort.SliceStable(l.Slowest, func(i, j int) bool { return l.Slowest[i].Typical > l.Slowest[j].Typical })
	sort.SliceStable(l.Missing, func(i, j int) bool { return l.Missing[i].Seen > l.Missing[j].Seen })
	return l
}

// Find returns the tests that a text names: the one with this ID or name, else those whose names contain it, whatever
// the case.
func (h *History) Find(text string) []Test {
	var exact, parts []Test
	lower := strings.ToLower(text)
	for _, t := range h.Tests() {
		switch {
		case t.ID == text || t.Name == text:
			exact = append(exact, t)
		case strings.Contains(strings.ToLower(t.Name), lower):
			parts = append(parts, t)
		}
	}
	if len(exact) > 0 {
		return exact
	}
	return parts
}

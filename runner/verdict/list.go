package verdict

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/history"
	"github.com/carlin-cicd/runner/steps/results"
)

// maxListed bounds the list of all tests.
const maxListed = 20_000

// list is every test of the reports, by its identity.
type list struct {
	rows   []listed
	places map[string]int // in rows
	beyond int            // tests that there was no room for
}

// listed is a test without what explains its failure.
type listed struct {
	record.TestRow
	past string // its identity in the history
}

// rank orders states: the worst of a test's attempts is its own.
func rank(s record.TestState) int {
	return slices.Index([]record.TestState{
		record.TestSkipped, record.TestPassed, record.TestFlaky, record.TestQuarantined, record.TestFailed, record.TestErrored,
	}, s)
}

func stateOf(c results.Case) record.TestState {
	switch {
	case c.Status == results.Failed:
		return record.TestFailed
	case c.Status == results.Errored:
		return record.TestErrored
	case c.Status == results.Skipped:
		return record.TestSkipped
	case c.Flaky:
		return record.TestFlaky
	}
	return record.TestPassed
}

// add takes a case of a report of the step in a folder.
func (l *list) add(c results.Case, root string) {
	state, id := stateOf(c), c.Identity()
	if at, again := l.places[id]; again {
		if row := &l.rows[at]; rank(state) > rank(row.State) {
			row.State, row.Took = state, c.Duration
		}
		return
	}
	if len(l.rows) >= maxListed {
		l.beyond++
		return
	}
	if l.places == nil {
		l.places = map[string]int{}
	}
	l.places[id] = len(l.rows)
	l.rows = append(l.rows, listed{past: history.ID(root, c), TestRow: record.TestRow{
		ID: c.ID, File: c.File, Class: c.Class, Name: c.Name, Project: c.Project,
		State: state, Took: c.Duration.Round(time.Millisecond),
	}})
}

// All returns every test of the reports, failures first, with how it ended in earlier runs, and how many more there are.
func (v *Verdict) All() (rows []record.TestRow, beyond int) {
	l := &v.list
	if v.Tests == nil || len(l.rows) == 0 {
		return nil, 0
	}
	states := map[string]record.TestState{}
	for _, c := range v.Tests.FlakyCases {
		states[c.Identity()] = record.TestFlaky
	}
	for _, c := range v.Tests.QuarantinedCases {
		states[c.Identity()] = record.TestQuarantined
	}
	for _, c := range v.Tests.Failures {
		states[c.Identity()] = stateOf(c)
	}
	rows = make([]record.TestRow, len(l.rows))
	for id, at := range l.places {
		row := l.rows[at]
		if state, known := states[id]; known {
			row.State = state
		}
		if v.past.history != nil {
			row.Past = v.past.history.Past(row.past)
		}
		rows[at] = row.TestRow
	}
	sort.SliceStable(rows, func(i, j int) bool {
		a, b := rows[i], rows[j]
		return cmp.Or(order(a.State)-order(b.State), strings.Compare(a.File, b.File), strings.Compare(a.Class, b.Class)) < 0
	})
	return rows, l.beyond
}

// Listed returns every test of the reports for a merge with those of other shards, and how many more there are.
func (v *Verdict) Listed() (all []record.ListedTest, beyond int) {
	rows, beyond := v.All()
	past := map[string]string{}
	for _, row := range v.list.rows {
		past[row.ID] = row.past
	}
	for _, row := range rows {
		all = append(all, record.ListedTest{TestRow: row, Identity: past[row.ID]})
	}
	return all, beyond
}

// adoptList takes the tests of all shards.
func (v *Verdict) adoptList(all []record.ListedTest, beyond int) {
	room := min(len(all), maxListed)
	v.list = list{places: map[string]int{}, beyond: beyond + len(all) - room}
	for i, row := range all[:room] {
		v.list.places[row.ID] = i
		v.list.rows = append(v.list.rows, listed{TestRow: row.TestRow, past: row.Identity})
	}
}

// order is that of the list: what calls for action first.
func order(s record.TestState) int {
	return slices.Index([]record.TestState{
		record.TestErrored, record.TestFailed, record.TestFlaky, record.TestQuarantined, record.TestPassed, record.TestSkipped,
	}, s)
}

// Package digest sums up the runs of some days, from the index of runs.
package digest

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/carlin-cicd/runner/runner/record"
)

// Digest is what was run in a period.
type Digest struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Branch  string    `json:"branch,omitempty"` // "" for all
	Runs    int       `json:"runs"`             // that have ended
	Failed  int       `json:"failed"`           // lost ones among them
	Rate    float64   `json:"failure_rate"`     // of those that passed or failed
	Seconds float64   `json:"seconds"`          // of all runs together
	Dollars float64   `json:"dollars"`
	Steps   []Step    `json:"steps"`             // those that failed most first
	Failing []Failing `json:"failing,omitempty"` // what fails now, the longest first
	Flaky   []Test    `json:"flaky,omitempty"`   // the flakiest first
	Slow    []Test    `json:"slow,omitempty"`    // the slowest first
	Partial bool      `json:"partial,omitempty"` // there were more runs than are read
}

// Step is a step in an environment.
type Step struct {
	Name        string  `json:"name"`
	Environment string  `json:"environment,omitempty"`
	Runs        int     `json:"runs"`
	Failed      int     `json:"failed"`
	Median      float64 `json:"median_seconds"` // of runs that passed; 0 if none did
	Dollars     float64 `json:"dollars"`
}

// Failing is a step that failed in its last run on a branch.
type Failing struct {
	Name        string    `json:"name"`
	Environment string    `json:"environment,omitempty"`
	Branch      string    `json:"branch"`
	SHA         string    `json:"sha"` // of the first of the runs that failed one after the other
	Since       time.Time `json:"since"`
	Runs        int       `json:"runs"`
	Cause       string    `json:"cause,omitempty"` // of the last one
}

// Test is a test of a step.
type Test struct {
	Name    string  `json:"name"`
	Step    string  `json:"step"`
	Runs    int     `json:"runs"`
	Seconds float64 `json:"seconds,omitempty"` // median
}

// shown is how many of a kind are listed.
const shown = 5

// Of sums up the runs that began in a period.
func Of(all []record.Entry, from, to time.Time) Digest {
	d := Digest{From: from.UTC(), To: to.UTC()}
	var entries []record.Entry // the newest first
	for _, e := range all {
		if !e.Started.Before(from) && e.Started.Before(to) && e.StateAt(to) != record.Running {
			entries = append(entries, e)
		}
	}
	sort.SliceStable(entries, func(i, j int) bool { return record.Newer(entries[i], entries[j]) < 0 })
	decided := 0
	for _, e := range entries {
		d.Runs++
		d.Dollars += e.Dollars
		d.Seconds += record.Seconds(e.Took())
		switch state := e.StateAt(to); {
		case hasFailed(state):
			d.Failed++
			decided++
		case state == record.Passed:
			decided++
		}
	}
	if decided > 0 {
		d.Rate = record.Round(float64(d.Failed) / float64(decided))
	}
	d.Steps, d.Failing = steps(entries, to), failing(entries, to)
	d.Flaky = tests(entries, func(t *record.EntryTests) []record.SlowTest {
		var names []record.SlowTest
		for _, name := range t.Flakes {
			names = append(names, record.SlowTest{Name: name})
		}
		return names
	}, func(a, b Test) int { return cmp.Compare(b.Runs, a.Runs) })
	d.Slow = tests(entries, func(t *record.EntryTests) []record.SlowTest { return t.Slowest },
		func(a, b Test) int { return cmp.Compare(b.Seconds, a.Seconds) })
	return d
}

func hasFailed(s record.State) bool { return s == record.Failing || s == record.Lost }

type place struct{ step, environment, branch string }

func steps(entries []record.Entry, now time.Time) []Step {
	var all []Step
	times := map[place][]float64{}
	for _, e := range entries {
		i := slices.IndexFunc(all, func(s Step) bool { return s.Name == e.Step && s.Environment == e.Environment })
		if i < 0 {
			i, all = len(all), append(all, Step{Name: e.Step, Environment: e.Environment})
		}
		s := &all[i]
		s.Runs++
		s.Dollars += e.Dollars
		switch state := e.StateAt(now); {
		case hasFailed(state):
			s.Failed++
		case state == record.Passed:
			at := place{step: e.Step, environment: e.Environment}
			times[at] = append(times[at], record.Seconds(e.Took()))
		}
	}
	for i := range all {
		all[i].Median = median(times[place{step: all[i].Name, environment: all[i].Environment}])
	}
	sort.SliceStable(all, func(i, j int) bool {
		a, b := all[i], all[j]
		return cmp.Or(cmp.Compare(b.Failed, a.Failed), cmp.Compare(b.Runs, a.Runs), cmp.Compare(a.Name, b.Name)) < 0
	})
	return all
}

// failing returns what failed in its last run. The entries are the newest first.
func failing(entries []record.Entry, now time.Time) []Failing {
	var found []Failing
	over := map[place]bool{} // it passed, going back
	for _, e := range entries {
		at := place{e.Step, e.Environment, e.Branch}
		state := e.StateAt(now)
		if over[at] || e.Dirty || state == record.Aborted {
			continue
		}
		if !hasFailed(state) {
			over[at] = true
			continue
		}
		i := slices.IndexFunc(found, func(f Failing) bool { return place{f.Name, f.Environment, f.Branch} == at })
		if i < 0 {
			i = len(found)
			found = append(found, Failing{Name: e.Step, Environment: e.Environment, Branch: e.Branch, Cause: e.Cause})
		}
		f := &found[i]
		f.SHA, f.Since = e.SHA, e.Started
		f.Runs++
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].Since.Before(found[j].Since) })
	return found[:min(len(found), shown)]
}

func tests(entries []record.Entry, of func(*record.EntryTests) []record.SlowTest, order func(a, b Test) int) []Test {
	var all []Test
	times := map[[2]string][]float64{}
	for _, e := range entries {
		if e.Tests == nil {
			continue
		}
		for _, t := range of(e.Tests) {
			key := [2]string{e.Step, t.Name}
			if times[key] == nil {
				all = append(all, Test{Name: t.Name, Step: e.Step})
			}
			times[key] = append(times[key], t.Seconds)
		}
	}
	for i := range all {
		key := [2]string{all[i].Step, all[i].Name}
		all[i].Runs, all[i].Seconds = len(times[key]), median(times[key])
	}
	sort.SliceStable(all, func(i, j int) bool {
		a, b := all[i], all[j]
		return cmp.Or(order(a, b), cmp.Compare(a.Name, b.Name)) < 0
	})
	return all[:min(len(all), shown)]
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

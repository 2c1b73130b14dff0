package verdict

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/carlin-cicd/runner/steps/results"
)

// newSetup names a hook, a class or a file that failed in a rerun and not before: its tests did not run.
func newSetup(rerun results.Results, failing map[string]bool) string {
	for _, c := range rerun.Failures {
		if c.Setup && !failing[c.Identity()] {
			return cmp.Or(c.Name, c.Class)
		}
	}
	return ""
}

// compare records which tests passed in a rerun and which did not.
func (v *Verdict) compare(n int, failing map[string]bool, read results.Results, seen *tally) {
	t := v.Tests
	again := map[string]results.Case{}
	for _, c := range read.Failures {
		again[c.Identity()] = c
	}
	count := map[string]int{}
	for _, c := range t.Failures {
		count[c.Identity()]++
	}
	var still []results.Case
	for _, c := range t.Failures {
		id := c.Identity()
		_, red := again[id]
		known := seen.families[c.Family()] >= c.Namesakes // else another row of its table may have passed
		passed := !red && (seen.passed[id] >= count[id] && known || seen.setupPassed(c))
		if c.Mixed {
			passed, known = seen.passedWithin(c)
		}
		if !passed {
			if !red && !known && seen.passed[id] > 0 {
				v.session.Log.Warn("the rerun lacks tests of this name, so it is not known which ones passed", attributes(c)...)
			}
			if !red && seen.passed[id] == 0 {
				v.session.Log.Warn("a failed test is not in the rerun, so its failure stands", attributes(c)...)
			}
			still = append(still, c)
			continue
		}
		delete(failing, id)
		if c.Status == results.Errored {
			t.Errored--
		} else {
			t.Failed--
		}
		t.Flaky++
		c.Status, c.Flaky = results.Passed, true
		c.AddNote(fmt.Sprintf("passed on rerun %d", n))
		t.FlakyCases = append(t.FlakyCases, c)
		v.session.Log.Warn(
			"test is flaky: it failed, and passed in a rerun", append(attributes(c), "rerun", n, "message", c.Message)...,
		)
	}
	for _, id := range slices.Sorted(maps.Keys(again)) {
		c := again[id]
		if failing[id] || count[id] > 0 {
			continue
		}
		failing[id] = true
		c.AddNote(fmt.Sprintf("passed before rerun %d", n))
		c.Report = path.Join(rerunPrefix(n), c.Report)
		if c.Status == results.Errored {
			t.Errored++
		} else {
			t.Failed++
		}
		t.FlakyCases = slices.DeleteFunc(t.FlakyCases, func(f results.Case) bool {
			if f.Identity() != id {
				return false
			}
			t.Flaky--
			return true
		})
		still = append(still, c)
		v.session.Log.Error(
			"test failed in a rerun although it passed before", append(attributes(c), "message", c.Message)...,
		)
	}
	t.Failures = still
	t.Total = max(
		t.Total,
		t.Failed+t.Errored+t.Skipped+t.Flaky+t.Quarantined,
	) // some failed that the first run did not have
}

// tally counts how the failed tests ended in a rerun.
type tally struct {
	setups []results.Case  // failed hooks, classes and files
	passed map[string]int  // by identity
	others map[string]bool // by identity: they are in the rerun, and did not pass
	of     map[string]*ends

	families map[string]int    // cases by family
	within   map[string][]bool // by family and what the cases are within: whether they passed
}

// ends are those of the tests that a setup is of.
type ends struct{ passed, failed int }

func newTally(failures []results.Case) *tally {
	t := &tally{
		passed: map[string]int{}, others: map[string]bool{}, of: map[string]*ends{}, families: map[string]int{},
		within: map[string][]bool{},
	}
	for _, c := range failures {
		if c.Setup {
			t.setups = append(t.setups, c)
			t.of[c.Identity()] = &ends{}
		}
	}
	return t
}

func (t *tally) add(c results.Case) {
	red := c.Status == results.Failed || c.Status == results.Errored
	family := c.Family()
	t.families[family]++
	family += "\x00" + c.Within
	t.within[family] = append(t.within[family], c.Status == results.Passed)
	if c.Status == results.Passed {
		t.passed[c.Identity()]++
	} else {
		t.others[c.Identity()] = true
	}
	for _, setup := range t.setups {
		switch e := t.of[setup.Identity()]; {
		case !setup.IsSetupOf(c):
		case red:
			e.failed++
		case c.Status == results.Passed:
			e.passed++
		}
	}
}

// passedWithin reports whether a test passed among those of its name that are within the same, and whether all of them
// are there.
func (t *tally) passedWithin(c results.Case) (passed, known bool) {
	all := t.within[c.Family()+"\x00"+c.Within]
	known = len(all) >= c.Namesakes
	return known && c.Place < len(all) && all[c.Place], known
}

// setupPassed reports whether a failed setup succeeded: it has no case of its own then, but all of its tests passed.
func (t *tally) setupPassed(setup results.Case) bool {
	e := t.of[setup.Identity()]
	return e != nil && !t.others[setup.Identity()] && e.passed > 0 && e.failed == 0
}

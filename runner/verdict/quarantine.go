package verdict

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/history"
	"github.com/carlin-cicd/runner/steps/results"
)

// quarantineOf returns the quarantine of a test, nil if it has none.
func (v *Verdict) quarantineOf(c results.Case) *steps.Quarantine {
	for i, q := range v.step.Quarantine {
		if !q.Expired(v.session.Began) && q.Matches(c) {
			return &v.step.Quarantine[i]
		}
	}
	return nil
}

// walkReports reads the reports, and logs quarantines that have expired or match no test.
func (v *Verdict) walkReports() (results.Results, error) {
	quarantines := v.step.Quarantine
	v.past.sample = history.NewSample(v.directory(), v.session.Redactor.String)
	v.list = list{}
	times := history.NewTimeSample(v.directory(), v.session.Redactor.String)
	met, failed := make([]bool, len(quarantines)), make([]bool, len(quarantines))
	visit := func(c results.Case) {
		v.past.sample.Add(c)
		times.Add(c)
		v.list.add(c, v.directory())
		for i, q := range quarantines {
			if (!met[i] || !failed[i]) && q.Matches(c) {
				met[i] = true
				failed[i] = failed[i] || c.Status == results.Failed || c.Status == results.Errored
			}
		}
	}
	read, err := results.Read(results.Options{
		Root: v.directory(), Globs: v.step.Reports, Since: v.started, Visit: visit,
		CommandPassed: v.exitCode == 0 && !v.step.Command.HidesExit(),
	})
	v.past.times = times.Times()
	for i, q := range quarantines {
		switch {
		case q.Expired(v.session.Began):
			v.session.Log.Warn(
				"a quarantine has expired: failures count again",
				"test",
				q.Test,
				"until",
				q.LastDay(),
				"reason",
				q.Reason,
			)
		case !met[i] && read.Total > 0:
			v.session.Log.Warn(
				"a quarantine matches no test",
				"test",
				q.Test,
				"until",
				q.LastDay(),
				"hint",
				"correct the name, or remove the quarantine",
			)
		case met[i] && !failed[i]:
			v.session.Log.Info("a quarantined test did not fail", "test", q.Test, "until", q.LastDay())
		}
	}
	return read, err
}

// quarantine moves failures of quarantined tests apart from those that count.
func (v *Verdict) quarantine(t *results.Results) {
	if len(v.step.Quarantine) == 0 {
		return
	}
	t.Failures = slices.DeleteFunc(t.Failures, func(c results.Case) bool {
		if q := v.quarantineOf(c); q != nil {
			v.addQuarantined(t, c, quarantineNote(*q))
			return true
		}
		return false
	})
	for i, c := range t.Failures {
		for _, q := range v.step.Quarantine {
			if q.Matches(c) {
				t.Failures[i].AddNote("its quarantine ended after " + q.LastDay())
				break
			}
		}
	}
	// A Go test fails with its subtests: it is quarantined with them unless it logged a failure of its own.
	quarantined := t.QuarantinedCases
	t.Failures = slices.DeleteFunc(t.Failures, func(c results.Case) bool {
		below := func(other results.Case) bool {
			return other.Class == c.Class && strings.HasPrefix(other.Name, c.Name+"/")
		}
		if !slices.ContainsFunc(quarantined, below) || slices.ContainsFunc(t.Failures, below) ||
			goMessage.MatchString(c.Details) {
			return false
		}
		v.addQuarantined(t, c, "only its quarantined subtests failed")
		return true
	})
}

// goMessage matches a line that a Go test has logged.
var goMessage = regexp.MustCompile(`(?m)^\s*\S+\.go:\d+: `)

func (v *Verdict) addQuarantined(t *results.Results, c results.Case, note string) {
	if c.Status == results.Errored {
		t.Errored--
	} else {
		t.Failed--
	}
	t.Quarantined++
	c.AddNote(note)
	t.QuarantinedCases = append(t.QuarantinedCases, c)
	v.session.Log.Warn(
		"test "+c.StatusText()+", which does not count",
		"test",
		c.Name,
		"suite",
		cmp.Or(c.Class, c.Suite),
		"file",
		c.File,
		"note",
		note,
		"message",
		c.Message,
	)
}

func quarantineNote(q steps.Quarantine) string {
	note := "quarantined until " + q.LastDay()
	if q.Reason != "" {
		note += ": " + q.Reason
	}
	return note
}

package runner

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/history"
	"github.com/carlin-cicd/runner/steps/results"
)

// quarantineOf returns what keeps a failure of the test from counting; nil for nothing.
func (r *run) quarantineOf(c results.Case) *steps.Quarantine {
	for i, q := range r.step.Quarantine {
		if !q.Expired(r.Began) && q.Matches(c) {
			return &r.step.Quarantine[i]
		}
	}
	return nil
}

// readResults reads the reports, and tells of quarantines that are over or are of no test.
func (r *run) readResults() (results.Results, error) {
	list := r.step.Quarantine
	r.memory.sample = history.NewSample(r.directory(), r.Redactor.String)
	met, failed := make([]bool, len(list)), make([]bool, len(list))
	read, err := results.Walk(r.directory(), r.step.Reports, r.result.Started, func(c results.Case) {
		r.memory.sample.Add(c)
		for i, q := range list {
			if (!met[i] || !failed[i]) && q.Matches(c) {
				met[i] = true
				failed[i] = failed[i] || c.Status == results.Failed || c.Status == results.Errored
			}
		}
	})
	for i, q := range list {
		switch {
		case q.Expired(r.Began):
			r.Log.Warn("a quarantine has expired: failures count again", "test", q.Test, "until", q.LastDay(), "reason", q.Reason)
		case !met[i] && read.Total > 0:
			r.Log.Warn("a quarantine is of no test that there is", "test", q.Test, "until", q.LastDay(), "hint", "correct its name, or take it off the list")
		case met[i] && !failed[i]:
			r.Log.Info("a quarantined test did not fail", "test", q.Test, "until", q.LastDay())
		}
	}
	return read, err
}

// forgive sets failures of quarantined tests apart from those that count.
func (r *run) forgive(t *results.Results) {
	if len(r.step.Quarantine) == 0 {
		return
	}
	t.Failures = slices.DeleteFunc(t.Failures, func(c results.Case) bool {
		if q := r.quarantineOf(c); q != nil {
			r.setApart(t, c, quarantineNote(*q))
			return true
		}
		return false
	})
	for i, c := range t.Failures {
		for _, q := range r.step.Quarantine {
			if q.Matches(c) {
				t.Failures[i].AddNote("its quarantine ended after " + q.LastDay())
				break
			}
		}
	}
	// A Go test fails with its subtests: it is forgiven with them, unless it has something to say itself.
	forgiven := t.QuarantinedCases
	t.Failures = slices.DeleteFunc(t.Failures, func(c results.Case) bool {
		below := func(other results.Case) bool {
			return other.Class == c.Class && strings.HasPrefix(other.Name, c.Name+"/")
		}
		if !slices.ContainsFunc(forgiven, below) || slices.ContainsFunc(t.Failures, below) || goMessage.MatchString(c.Details) {
			return false
		}
		r.setApart(t, c, "only its quarantined subtests failed")
		return true
	})
}

// goMessage is a line that a test of Go has logged.
var goMessage = regexp.MustCompile(`(?m)^\s*\S+\.go:\d+: `)

func (r *run) setApart(t *results.Results, c results.Case, note string) {
	if c.Status == results.Errored {
		t.Errored--
	} else {
		t.Failed--
	}
	t.Quarantined++
	c.AddNote(note)
	t.QuarantinedCases = append(t.QuarantinedCases, c)
	r.Log.Warn("test "+string(c.Status)+", which does not count", "test", c.Name, "suite", cmp.Or(c.Class, c.Suite), "file", c.File, "note", note, "message", c.Message)
}

func quarantineNote(q steps.Quarantine) string {
	note := "quarantined until " + q.LastDay()
	if q.Reason != "" {
		note += ": " + q.Reason
	}
	return note
}

// quarantineText is a quarantine in a plan.
func quarantineText(q steps.Quarantine, now time.Time) string {
	text := fmt.Sprintf("%s until %s", q.Test, q.LastDay())
	if q.Expired(now) {
		text += ", which is over"
	}
	if q.Reason != "" {
		text += " (" + q.Reason + ")"
	}
	return text
}

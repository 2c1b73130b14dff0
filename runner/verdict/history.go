package verdict

import (
	"context"
	"errors"
	"fmt"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps/history"
	"github.com/carlin-cicd/runner/steps/results"
)

// past is the history of the branch's tests, and what this run adds to it.
type past struct {
	sample  *history.Sample
	history *history.History // nil if it cannot be stored
	run     history.Run
}

// HasTests reports whether there are tests to compare with those of earlier runs.
func (v *Verdict) HasTests() bool { return v.Tests != nil && v.past.sample != nil && !v.stopped() }

// LoadHistory adds to each failed, flaky or slow test what earlier runs say of it, and warns if far fewer tests ran
// than before. The error has been logged.
func (v *Verdict) LoadHistory(passed bool) error {
	store, ok := v.session.Store.(artifacts.Swapper)
	if !ok {
		return nil
	}
	ctx, cancel := v.session.Stop.PublishContext()
	defer cancel()
	var at []string
	for _, branch := range v.session.EarlierBranches() {
		at = append(at, keys.History(branch, v.step.Name))
	}
	h, err := history.Load(ctx, store, at[0], at[1:]...)
	if err != nil {
		v.session.Log.Warn("the test history cannot be read", "error", err.Error(), "hint", outcome.Hint(err))
	}
	if h == nil {
		return err
	}
	p, s := &v.past, v.session
	p.run = history.Run{
		ID: s.ID, SHA: s.Ref.SHA, Branch: s.Ref.Branch, At: s.Began, Tests: v.Tests.Total, Passed: passed,
		Dirty: s.Dirty || s.Ref.SHA == session.NoCommit,
	}
	p.sample.ApplyReruns(*v.Tests)
	v.compareCount(h)
	if v.Tests.Total > 0 && h.Add(p.run, p.sample) {
		p.history = h
		v.addNotes(h)
	}
	return nil
}

// addNotes adds to each test that is shown what earlier runs say of it.
func (v *Verdict) addNotes(h *history.History) {
	for _, list := range [][]results.Case{v.Tests.Failures, v.Tests.FlakyCases, v.Tests.QuarantinedCases} {
		for i := range list {
			if text := h.Note(list[i], v.directory(), v.session.ID).Text(v.session.Ref.Branch); text != "" {
				list[i].AddNote(text)
				v.session.Log.Info("history of the test", "test", list[i].Name, "file", list[i].File, "note", text)
			}
		}
	}
	for i, c := range v.Tests.Slowest {
		if text := h.Note(c, v.directory(), v.session.ID).SlowText(c.Duration); text != "" {
			v.Tests.Slowest[i].AddNote(text)
		}
	}
}

// compareCount warns if a great part of the tests did not run: a missing test cannot fail.
func (v *Verdict) compareCount(h *history.History) {
	before, ok := h.Baseline(v.session.ID)
	lost := before.Tests - v.Tests.Total
	const some, quarters = 3, 4 // fewer may well have been removed
	if !ok || lost < some || v.Tests.Total*quarters >= before.Tests*(quarters-1) {
		return
	}
	v.Missing = fmt.Sprintf("%d fewer than at %s of %s", lost, shortSHA(before.SHA), before.Branch)
	v.session.Log.Warn("far fewer tests ran than before", "tests", v.Tests.Total, "before", before.Tests,
		"at", shortSHA(before.SHA), "of", before.Branch,
		"hint", "check that all tests were found; if they were removed, the next run that passes is the new baseline")
}

// SaveHistory stores the history with this run in it.
func (v *Verdict) SaveHistory() {
	p := v.past
	if p.history == nil || v.stopped() {
		return
	}
	ctx, cancel := v.session.Stop.PublishContext()
	defer cancel()
	err := p.history.Save(ctx, v.session.Store.(artifacts.Swapper), p.run, p.sample) // LoadHistory has checked the type
	if err != nil && !errors.Is(err, context.Canceled) {
		v.session.Log.Warn("the test history could not be stored", "error", err.Error(), "hint", outcome.Hint(err))
	}
}

func shortSHA(sha string) string { return sha[:min(len(sha), 7)] }

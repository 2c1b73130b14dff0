package verdict

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps/history"
	"github.com/carlin-cicd/runner/steps/results"
)

// past is the history of the branch's tests, and what this run adds to it.
type past struct {
	sample  *history.Sample
	times   history.FileTimes // of the test files
	history *history.History  // nil if it cannot be stored
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
	h, err := v.readHistory(store)
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

// readHistory returns the history as it was read ahead, or reads it.
func (v *Verdict) readHistory(store artifacts.Swapper) (*history.History, error) {
	if v.ahead.history != nil {
		if h, err := v.ahead.history(); err == nil {
			return h, nil
		}
	}
	ctx, cancel := v.session.Stop.PublishContext()
	defer cancel()
	return v.loadHistory(ctx, store)
}

func (v *Verdict) loadHistory(ctx context.Context, store artifacts.Swapper) (*history.History, error) {
	var at []string
	for _, branch := range v.session.EarlierBranches() {
		at = append(at, keys.History(branch, v.step.Name))
	}
	return history.Load(ctx, store, at[0], at[1:]...)
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

// SaveHistory stores the history with this run in it, and how long its test files took.
func (v *Verdict) SaveHistory() {
	p := v.past
	if p.history == nil || v.stopped() {
		return
	}
	ctx, cancel := v.session.Stop.PublishContext()
	defer cancel()
	v.saveTimes(ctx)
	err := p.history.Save(ctx, v.session.Store.(artifacts.Swapper), p.run, p.sample) // LoadHistory has checked the type
	if err != nil && !errors.Is(err, context.Canceled) {
		v.session.Log.Warn("the test history could not be stored", "error", err.Error(), "hint", outcome.Hint(err))
	}
}

// Measured returns how the tests ended after all, and how long their files took, for a merge with those of other shards.
func (v *Verdict) Measured() (*history.Sample, history.FileTimes) {
	if v.past.sample == nil {
		return history.NewSample(v.directory(), nil), history.FileTimes{}
	}
	if v.Tests != nil {
		v.past.sample.ApplyReruns(*v.Tests)
	}
	return v.past.sample, v.past.times
}

// Adopt takes the tests of all shards for those of one run.
func (v *Verdict) Adopt(
	t *results.Results, sample *history.Sample, times history.FileTimes, all []record.ListedTest, beyond int,
) {
	v.adoptList(all, beyond)
	v.Tests, v.past.sample, v.past.times = t, sample, times
}

// Conclude returns the error of tests that all shards have run without one: red reports, or no test.
func (v *Verdict) Conclude() error {
	if v.Tests == nil {
		return nil
	}
	return cmp.Or(v.redness(), v.emptiness())
}

// saveTimes stores how long the test files took.
func (v *Verdict) saveTimes(ctx context.Context) {
	s := v.session
	if len(v.past.times) == 0 {
		return
	}
	at := TimesKeys(s, v.step.Name)
	err := history.SaveFileTimes(ctx, s.Store.(artifacts.Swapper), s.ID, v.past.times, at[0], at[1:]...)
	if err != nil && !errors.Is(err, context.Canceled) {
		s.Log.Warn("the times of the test files could not be stored", "error", err.Error(), "hint", outcome.Hint(err))
	}
}

// TimesKeys returns where the times of a step's test files are kept: those of the branch, else of the branches that it
// comes from.
func TimesKeys(s *session.Session, step string) (at []string) {
	for _, branch := range s.EarlierBranches() {
		at = append(at, keys.FileTimes(branch, step))
	}
	return at
}

func shortSHA(sha string) string { return sha[:min(len(sha), 7)] }

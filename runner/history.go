package runner

import (
	"context"
	"errors"
	"fmt"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps/history"
	"github.com/carlin-cicd/runner/steps/results"
)

// memory is what a run brings to the history of its tests.
type memory struct {
	sample  *history.Sample
	history *history.History // nil if it cannot be kept
	run     history.Run
}

// recall tells what is known of the tests that failed, were flaky or slow, and warns if there are far fewer than there were. A run
// that was told to stop has no time for that, and what it left says little of its tests.
func (r *run) recall(passed bool) {
	m := &r.memory
	if r.tests == nil || m.sample == nil || r.Stop.Work.Err() != nil {
		return
	}
	store, ok := r.Store.(artifacts.Swapper)
	if !ok {
		return
	}
	ctx, cancel := r.Stop.PublishContext()
	defer cancel()
	_ = r.timed("history", func() error { // its error is told here
		var others []string
		for _, branch := range r.EarlierBranches() {
			others = append(others, history.Key(branch, r.step.Name))
		}
		h, err := history.Load(ctx, store, others[0], others[1:]...)
		if err != nil {
			r.Log.Warn("what is known of the tests cannot be read", "error", err.Error(), "hint", outcome.Hint(err))
		}
		if h == nil {
			return err
		}
		m.run = history.Run{
			ID: r.ID, SHA: r.Ref.SHA, Branch: r.Ref.Branch, At: r.Began, Tests: r.tests.Total, Passed: passed,
			Dirty: r.Dirty || r.Ref.SHA == session.NoCommit,
		}
		m.sample.ApplyReruns(*r.tests)
		r.missTests(h)
		if r.tests.Total == 0 {
			return nil
		}
		if h.Add(m.run, m.sample) {
			m.history = h
			r.remark(h)
		}
		return nil
	})
}

// remark adds to each test that is shown what is known of it.
func (r *run) remark(h *history.History) {
	for _, list := range [][]results.Case{r.tests.Failures, r.tests.FlakyCases, r.tests.QuarantinedCases} {
		for i := range list {
			if text := h.Note(list[i], r.directory(), r.ID).Text(r.Ref.Branch); text != "" {
				list[i].AddNote(text)
				r.Log.Info("known of the test", "test", list[i].Name, "file", list[i].File, "note", text)
			}
		}
	}
	for i, c := range r.tests.Slowest {
		if text := h.Note(c, r.directory(), r.ID).SlowText(c.Duration); text != "" {
			r.tests.Slowest[i].AddNote(text)
		}
	}
}

// missTests warns if a great part of the tests was not run: what went missing cannot fail.
func (r *run) missTests(h *history.History) {
	before, ok := h.Baseline(r.ID)
	lost := before.Tests - r.tests.Total
	const some, quarters = 3, 4 // fewer may well have been taken out
	if !ok || lost < some || r.tests.Total*quarters >= before.Tests*(quarters-1) {
		return
	}
	r.fewer = fmt.Sprintf("%d fewer than at %s of %s", lost, shortSHA(before.SHA), before.Branch)
	r.Log.Warn("far fewer tests were run than before", "tests", r.tests.Total, "before", before.Tests, "at", shortSHA(before.SHA), "of", before.Branch,
		"hint", "see whether all of them were found; if they were taken out, the next run that passes sets the measure")
}

// remember stores the history with this run in it.
func (r *run) remember() {
	m := r.memory
	if m.history == nil || r.Stop.Work.Err() != nil {
		return
	}
	ctx, cancel := r.Stop.PublishContext()
	defer cancel()
	err := m.history.Save(ctx, r.Store.(artifacts.Swapper), m.run, m.sample) // recall has seen to that it is one
	if err != nil && !errors.Is(err, context.Canceled) {
		r.Log.Warn("how the tests ended is not kept for the next run", "error", err.Error(), "hint", outcome.Hint(err))
	}
}

package verdict

import (
	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/history"
)

// ahead is what is read while the command runs. Each function waits for what it returns; nil: it is not being read.
type ahead struct {
	history  func() (*history.History, error)
	baseline func() (record.CoverageBaseline, error)
}

// LookAhead begins to read what the reports of the step will be compared with.
func (v *Verdict) LookAhead() {
	work := v.session.Stop.Work
	if store, ok := v.session.Store.(artifacts.Swapper); ok && len(v.step.Reports) > 0 {
		v.ahead.history = begin(func() (*history.History, error) { return v.loadHistory(work, store) })
	}
	if v.session.Store != nil && (v.coverageFolder() != "" || v.hasFloor()) {
		key := keys.CoverageBaseline(v.session.EarlierBranches()[0], v.step.Name)
		v.ahead.baseline = begin(func() (b record.CoverageBaseline, err error) {
			err = artifacts.GetJSON(work, v.session.Store, key, &b)
			return b, err
		})
	}
}

// begin runs read in the background, and returns what waits for its result.
func begin[T any](read func() (T, error)) func() (T, error) {
	var result T
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		result, err = read()
	}()
	return func() (T, error) {
		<-done
		return result, err
	}
}

package deploy

import (
	"errors"
	"io/fs"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps"
)

// closePrevious completes what an earlier run left unfinished in the ledger, since no other run will. That run either
//
//   - ended before it stored its record, so it changed nothing,
//   - has no outcome, because it was killed or its machine was lost: its record is closed,
//   - was stopped and could not wait for CloudFormation, or
//   - ended, but did not record what is live.
func (t *target) closePrevious() {
	d, p := t.run, t.ledger.Pending
	if p == nil {
		return
	}
	previous, err := t.loadRecord(p.RunID)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.Log.Warn("the previous run ended before it started the command", "run", p.RunID, "sha", p.SHA)
		return
	case err == nil && previous.Outcome == record.Delivered:
		d.Log.Warn("the previous run passed but did not record that it is live", "run", p.RunID, "sha", p.SHA)
		t.ledger.Live = p
		return
	case err == nil && previous.Outcome == record.IsRollback:
		var undone deploymentRecord
		if undone, err = t.loadRecord(previous.Undoes); err == nil {
			t.ledger.Live = undone.Replaced
			return
		}
	case err == nil && previous.Outcome != "" && previous.Outcome != record.Interrupted && previous.Outcome != record.Abandoned:
		return
	}
	d.Log.Warn(
		"the previous run did not finish, so its state is unknown", "run", p.RunID, "sha", p.SHA, "since", p.At,
		"hint", d.recoveryHint(p.RunID),
	)
	if err == nil && previous.Outcome == "" {
		previous.Outcome, previous.ClosedBy = record.Abandoned, d.ID
		err = artifacts.PutJSON(d.Stop.Work, d.Store, t.recordKey(p.RunID), previous)
	}
	if err != nil {
		d.Log.Warn(
			"could not close the record of the previous run", "record", t.recordKey(p.RunID), "error", err.Error(),
		)
	}
}

// recoveryHint says what to do about a run that did not finish.
func (d *Deployment) recoveryHint(runID string) string {
	if d.step.Lock == steps.LockEnvironment {
		return "check the state of the environment"
	}
	return "runner rollback --to " + runID + " restores what was there before it"
}

package deploy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/deploy/carlin"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps"
)

// RollbackStep makes the step of runner rollback from the one that deploys, which says which stack and how long to wait.
func RollbackStep(step steps.Step, c config.Config) (steps.Step, error) {
	if step.Lock != steps.LockStack {
		return step, &outcome.ConfigError{Message: fmt.Sprintf("step %s deploys no stack", step.Name), Advice: "name the step that does with --step"}
	}
	if carlin.StackName(step, c) == "" {
		return step, &outcome.ConfigError{Message: "the stack's name is unknown", Advice: "set STACK_NAME, or --stack-name"}
	}
	insist := true
	step.Name, step.Rollback = "rollback", &insist
	return step, nil
}

// NewRollback returns the deployment of runner rollback. The step is RollbackStep's.
func NewRollback(s *session.Session, step steps.Step) *Deployment {
	d := New(s, step)
	d.isRollback = true
	return d
}

// Rollback restores the stack to what a run found, which is on record: to the named run, else to the one that was cut short,
// else to the live one. It needs the lock, and leaves a record as a deploy does, so that it can be undone itself. If the
// stack was not restored, the error is an outcome.RollbackError.
func (d *Deployment) Rollback(to string, id record.Identity, variables map[string]string) error {
	former, err := d.findRun(to)
	if err != nil {
		return err
	}
	if err := d.Begin(id, variables); err != nil {
		return err
	}
	d.record.Undoes = former.RunID
	ctx, cancel := d.restoreContext()
	defer cancel()
	result, err := d.watched.Restore(ctx, stack.RestoreOptions{Before: *former.Before, OverOthers: true, Token: "runner-" + d.ID, OnProgress: d.logRollback})
	d.unfollow()
	d.recordRestore(result, err)
	if err == nil {
		d.markUndone(former)
		d.record.Outcome, d.ledger.Live = record.IsRollback, former.Replaced
	} else if lost := d.Lost(); lost != nil {
		err = lost
	} else {
		err = outcome.RollbackError{Err: err}
	}
	d.complete(err)
	return err
}

// findRun returns the record of the run to undo.
func (d *Deployment) findRun(to string) (deploymentRecord, error) {
	l := d.ledger
	switch {
	case to != "":
	case l.Pending != nil:
		to = l.Pending.RunID
	case l.Live != nil:
		to = l.Live.RunID
	default:
		return deploymentRecord{}, &outcome.ConfigError{
			Message: fmt.Sprintf("there is no record of a deployment of stack %s to %s", d.target.stack, d.Config.Environment), Advice: "name the run to undo with --to",
		}
	}
	found, err := d.loadRecord(to)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return found, &outcome.ConfigError{
			Message: fmt.Sprintf("run %s has no record in %s", to, d.Place), Advice: "the records are under " + keys.DeploymentFolder(d.Config.Environment, d.target.scope),
		}
	case err != nil:
		return found, outcome.ArtifactsError{Err: err}
	case found.Before == nil:
		return found, &outcome.ConfigError{Message: fmt.Sprintf("run %s has no snapshot of the stack", to), Advice: "deploy the earlier commit again, with --force"}
	}
	return found, nil
}

// PrintRollback writes what Rollback would do.
func (d *Deployment) PrintRollback(w io.Writer, to string, variables map[string]string) error {
	d.env = variables
	if err := d.loadLedger(); err != nil {
		return err
	}
	former, err := d.findRun(to)
	if err != nil {
		return err
	}
	s, err := d.openStack(d.Stop.Work, d.target.stack)
	if err != nil {
		return outcome.RollbackError{Err: err}
	}
	now, err := s.Snapshot(d.Stop.Work)
	if err != nil {
		return outcome.RollbackError{Err: err}
	}
	differences := former.Before.Differences(now)
	what := "differs in " + strings.Join(differences, ", ")
	switch {
	case len(differences) == 0:
		what = "is the same, so nothing would change"
	case former.Before.Missing():
		what = "exists but did not exist before, so there is no revision to restore"
	case now.Missing():
		what = "does not exist, and no update restores it"
	}
	fmt.Fprintf(w, "stack    %s in %s, %s\nto       what run %s found, %s\nnow      %s\n",
		d.target.stack, d.Config.Environment, now.Status, former.RunID, former.Before.Taken.Format("2006-01-02 15:04:05 UTC"), what)
	if former.Replaced != nil {
		fmt.Fprintf(w, "commit   %.12s, by run %s\n", former.Replaced.SHA, former.Replaced.RunID)
	}
	for _, altered := range former.Before.Altered {
		fmt.Fprintf(w, "altered  %s contained a secret, which was not stored\n", altered)
	}
	return nil
}

// markUndone records which runs were undone: the given one, and those that went live after it.
func (d *Deployment) markUndone(former deploymentRecord) {
	var all []deploymentRecord
	if live := d.ledger.Live; live != nil && live.RunID != former.RunID {
		all = d.runsSince(former.RunID, live.RunID)
	}
	for _, undone := range append(all, former) {
		undone.UndoneBy = d.ID
		key := d.recordKey(undone.RunID)
		if err := artifacts.PutJSON(d.Stop.Work, d.Store, key, undone); err != nil {
			d.Log.Warn("could not record that a run was undone", "record", key, "error", err.Error())
		}
	}
}

// maxRuns is how many runs are searched for the one to undo.
const maxRuns = 200

// runsSince returns the runs after one, from the newest back, each by what it replaced; none if the first is not among them.
func (d *Deployment) runsSince(first, newest string) (all []deploymentRecord) {
	id := newest
	for range maxRuns {
		one, err := d.loadRecord(id)
		if err != nil {
			return nil
		}
		if one.RunID == first {
			return all
		}
		if all = append(all, one); one.Replaced == nil {
			return nil
		}
		id = one.Replaced.RunID
	}
	return nil
}

// undoneBy returns the run that undid another one; "" if none did, or if that was undone itself.
func (d *Deployment) undoneBy(one deploymentRecord) string {
	depth := 0
	for at := one; at.UndoneBy != "" && depth <= maxRuns; depth++ { // a damaged record may refer to itself
		by, err := d.loadRecord(at.UndoneBy)
		if err != nil {
			by = deploymentRecord{} // nothing says that it was undone
		}
		at = by
	}
	if depth%2 == 0 { // undoing what undid it brings it back
		return ""
	}
	return one.UndoneBy
}

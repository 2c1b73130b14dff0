package deploy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/account"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/deploy/carlin"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps"
)

// RollbackStep makes the step of runner rollback from the one that deploys, which says which stacks and how long to
// wait.
func RollbackStep(step steps.Step, c config.Config) (steps.Step, error) {
	if step.Lock != steps.LockStack {
		return step, &outcome.ConfigError{
			Message: fmt.Sprintf("step %s deploys no stack", step.Name),
			Advice:  "name the step that does with --step",
		}
	}
	if len(step.Stacks) == 0 && carlin.StackName(step, c) == "" {
		return step, &outcome.ConfigError{
			Message: "the stack's name is unknown",
			Advice:  "set STACK_NAME, or --stack-name",
		}
	}
	insist := true
	step.Name, step.Rollback, step.Required = "rollback", &insist, []string{"ENVIRONMENT"} // the command is not run
	return step, nil
}

// NewRollback returns the deployment of runner rollback. The step is RollbackStep's.
func NewRollback(s *session.Session, step steps.Step) *Deployment {
	d := New(s, step)
	d.isRollback, d.byRecords = true, true
	return d
}

// Rollback restores the stacks to what a run found, which is on record: to the named run, else to the one that was cut
// short, else to the live one. It needs the locks, and leaves records as a deploy does, so that it can be undone
// itself. If a stack was not restored, the error is an outcome.RollbackError.
func (d *Deployment) Rollback(to string, id record.Identity) error {
	undone, err := d.findRun(to)
	if err != nil {
		return err
	}
	d.targets = slices.DeleteFunc(d.targets, func(t *target) bool { // the run did not change it
		_, found := undone[t]
		if !found {
			_ = t.lease.Release(d.Stop.Work) // it expires otherwise
		}
		return !found
	})
	if err := d.Begin(id); err != nil {
		return err
	}
	// What was updated last is restored first: a stack may use what an earlier one exports.
	order := slices.Clone(d.targets)
	slices.SortStableFunc(order, func(a, b *target) int { return undone[b].Updated.Compare(undone[a].Updated) })
	var problems []error
	for _, t := range order {
		problems = append(problems, t.undo(undone[t]))
	}
	d.unfollow()
	err = errors.Join(problems...)
	switch lost := d.Lost(); {
	case lost != nil:
		err = lost
	case err != nil:
		err = outcome.RollbackError{Err: err}
	}
	for _, t := range d.targets {
		t.complete(err)
	}
	return err
}

// undo restores the stack to what the run of a record found.
func (t *target) undo(former deploymentRecord) error {
	t.record.Undoes = former.RunID
	ctx, cancel := t.restoreContext()
	defer cancel()
	result, err := t.watched.Restore(
		ctx,
		stack.RestoreOptions{
			Before:     *former.Before,
			OverOthers: true,
			Token:      "runner-" + t.run.ID,
			OnProgress: t.logProgress,
		},
	)
	t.recordRestore(result, err, "")
	if err != nil {
		return err
	}
	t.markUndone(former)
	t.record.Outcome, t.ledger.Live = record.IsRollback, former.Replaced
	return nil
}

// findRun returns the records of the run to undo, by target.
func (d *Deployment) findRun(to string) (map[*target]deploymentRecord, error) {
	if to == "" {
		to = d.newestRun()
	}
	if to == "" {
		return nil, &outcome.ConfigError{
			Message: fmt.Sprintf(
				"there is no record of a deployment of stack %s to %s", d.StackName(), d.Config.Environment,
			),
			Advice: "name the run to undo with --to",
		}
	}
	found := map[*target]deploymentRecord{}
	for _, t := range d.targets {
		one, err := t.loadRecord(to)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, outcome.ArtifactsError{Err: err}
		case one.Before == nil:
			return nil, &outcome.ConfigError{
				Message: fmt.Sprintf("run %s has no snapshot of stack %s", to, t.stack),
				Advice:  "deploy the earlier commit again, with --force",
			}
		}
		found[t] = one
	}
	if len(found) == 0 {
		where := "below " + keys.Deployments
		if len(d.targets) > 0 {
			where = "under " + keys.DeploymentFolder(d.Config.Environment, d.targets[0].scope)
		}
		return nil, &outcome.ConfigError{
			Message: fmt.Sprintf("run %s has no record in %s", to, d.Place),
			Advice:  "the records are " + where,
		}
	}
	return found, nil
}

// newestRun returns the run that was cut short last, else the one that is live; of several stacks, the newest.
func (d *Deployment) newestRun() string {
	var newest *record.Revision
	for _, pending := range []bool{true, false} {
		for _, t := range d.targets {
			r := t.ledger.Live
			if pending {
				r = t.ledger.Pending
			}
			if r != nil && (newest == nil || r.At.After(newest.At)) {
				newest = r
			}
		}
		if newest != nil {
			return newest.RunID
		}
	}
	return ""
}

// PrintRollback writes what Rollback would do.
func (d *Deployment) PrintRollback(w io.Writer, to string, place *account.Place, variables map[string]string) error {
	d.account = place
	if err := d.findStacks(variables); err != nil {
		return err
	}
	for _, t := range d.targets {
		if err := t.loadLedger(); err != nil {
			return err
		}
	}
	undone, err := d.findRun(to)
	if err != nil {
		return err
	}
	for _, t := range d.targets {
		former, found := undone[t]
		if !found {
			continue
		}
		if err := t.printRollback(w, former); err != nil {
			return outcome.RollbackError{Err: err}
		}
	}
	return nil
}

func (t *target) printRollback(w io.Writer, former deploymentRecord) error {
	s, err := t.open(t.run.Stop.Work)
	if err != nil {
		return err
	}
	now, err := s.Snapshot(t.run.Stop.Work)
	if err != nil {
		return err
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
	fmt.Fprintf(
		w, "stack    %s in %s, %s\nto       what run %s found, %s\nnow      %s\n", t.stack, t.run.Config.Environment,
		now.Status, former.RunID, former.Before.Taken.Format("2006-01-02 15:04:05 UTC"), what,
	)
	if former.Replaced != nil {
		fmt.Fprintf(w, "commit   %.12s, by run %s\n", former.Replaced.SHA, former.Replaced.RunID)
	}
	for _, altered := range former.Before.Altered {
		fmt.Fprintf(w, "altered  %s contained a secret, which was not stored\n", altered)
	}
	return nil
}

// markUndone records which runs were undone: the given one, and those that went live after it.
func (t *target) markUndone(former deploymentRecord) {
	var all []deploymentRecord
	if live := t.ledger.Live; live != nil && live.RunID != former.RunID {
		all = t.runsSince(former.RunID, live.RunID)
	}
	for _, undone := range append(all, former) {
		undone.UndoneBy = t.run.ID
		key := t.recordKey(undone.RunID)
		if err := artifacts.PutJSON(t.run.Stop.Work, t.run.Store, key, undone); err != nil {
			t.run.Log.Warn("could not record that a run was undone", "record", key, "error", err.Error())
		}
	}
}

// maxRuns is how many runs are searched for the one to undo.
const maxRuns = 200

// runsSince returns the runs after one, from the newest back, each by what it replaced; none if the first is not
// among them.
func (t *target) runsSince(first, newest string) (all []deploymentRecord) {
	id := newest
	for range maxRuns {
		one, err := t.loadRecord(id)
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
func (t *target) undoneBy(one deploymentRecord) string {
	depth := 0
	for at := one; at.UndoneBy != "" && depth <= maxRuns; depth++ { // a damaged record may refer to itself
		by, err := t.loadRecord(at.UndoneBy)
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

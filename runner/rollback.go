package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/deploy/carlin"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps"
)

// undo is the run of runner rollback: it brings a stack back to what a run found it to be, which is on record. It holds the
// lock and leaves records as a deploy does, so that it can be taken back itself.
func (r *run) undo() error {
	if r.Config.DryRun {
		r.delivery.locate(r.step, r.Config)
		if err := r.delivery.ledger.load(r.Stop.Work, r.Store, r.Config.Environment, r.delivery.scope); err != nil {
			return outcome.ArtifactsError{Err: err}
		}
		return r.tryUndo()
	}
	for _, p := range []struct {
		name string
		do   func() error
	}{{"record", r.recordStart}, {"lock", r.lock}, {"rollback", r.undoLocked}} {
		if err := r.phase(p.name, p.do); err != nil {
			return err
		}
	}
	return nil
}

// chooseUndo makes the step that deploys the one that takes back: it says which stack, and how long to wait.
func (r *run) chooseUndo() error {
	if !r.in.Undo {
		return nil
	}
	if r.step.Lock != steps.LockStack {
		return &outcome.ConfigError{Message: fmt.Sprintf("step %s deploys no stack", r.step.Name), Advice: "name the step that does with --step"}
	}
	if carlin.StackName(r.step, r.Config) == "" {
		return &outcome.ConfigError{Message: "the stack's name is not known", Advice: "set STACK_NAME, or --stack-name"}
	}
	insist := true
	r.step.Name, r.step.Rollback = "rollback", &insist
	return nil
}

// former finds the record of the run that is to be taken back: the one that is named, else the one that was cut short, else
// the one that is live.
func (r *run) former() (deployment, error) {
	l, id := r.delivery.ledger, r.in.To
	switch {
	case id != "":
	case l.Pending != nil:
		id = l.Pending.RunID
	case l.Live != nil:
		id = l.Live.RunID
	default:
		return deployment{}, &outcome.ConfigError{Message: fmt.Sprintf("nothing is on record as deployed to stack %s in %s", r.delivery.name, r.Config.Environment), Advice: "name the run to take back with --to"}
	}
	var found deployment
	key := keys.Deployment(r.Config.Environment, r.delivery.scope, id)
	err := artifacts.GetJSON(r.Stop.Work, r.Store, key, &found)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return found, &outcome.ConfigError{Message: fmt.Sprintf("run %s has no record in %s", id, r.Place), Advice: "the records are under " + keys.DeploymentFolder(r.Config.Environment, r.delivery.scope)}
	case err != nil:
		return found, outcome.ArtifactsError{Err: err}
	case found.Before == nil:
		return found, &outcome.ConfigError{Message: fmt.Sprintf("run %s has kept no snapshot of the stack", id), Advice: "deploy the earlier commit again, with --force"}
	}
	return found, nil
}

// tryUndo says what would be done.
func (r *run) tryUndo() error {
	former, err := r.former()
	if err != nil {
		return err
	}
	s, err := r.openStack(r.Stop.Work, r.delivery.name)
	if err != nil {
		return err
	}
	now, err := s.Snapshot(r.Stop.Work)
	if err != nil {
		return err
	}
	r.sink.Flush()
	differences := former.Before.Differences(now)
	what := "differs in " + strings.Join(differences, ", ")
	switch {
	case len(differences) == 0:
		what = "is the same, so nothing would change"
	case former.Before.Missing():
		what = "is there and was not, so there is no revision to go back to"
	case now.Missing():
		what = "is not there, and no update brings it back"
	}
	fmt.Fprintf(r.in.Stdout, "stack    %s in %s, %s\nto       what run %s found, %s\nnow      %s\n",
		r.delivery.name, r.Config.Environment, now.Status, former.RunID, former.Before.Taken.Format("2006-01-02 15:04:05 UTC"), what)
	if former.Replaced != nil {
		fmt.Fprintf(r.in.Stdout, "commit   %.12s, by run %s\n", former.Replaced.SHA, former.Replaced.RunID)
	}
	for _, altered := range former.Before.Altered {
		fmt.Fprintf(r.in.Stdout, "altered  %s held a secret, which was not stored\n", altered)
	}
	return nil
}

func (r *run) undoLocked() error {
	former, err := r.former()
	if err != nil {
		return err
	}
	if err := r.begin(); err != nil {
		return err
	}
	d := &r.delivery
	d.record.Undoes = former.RunID
	ctx, cancel := r.rollingBack()
	defer cancel()
	report, err := d.stack.Restore(ctx, stack.Restoration{Before: *former.Before, Anyone: true, Token: "runner-" + r.ID, Tell: r.tellRollback})
	d.unfollow()
	r.recordRollback(report, err)
	if err == nil {
		r.tellUndone(former)
		d.record.Outcome, d.ledger.Live = record.IsRollback, former.Replaced
	}
	if d.record.Outcome != record.Interrupted {
		d.ledger.Pending = nil
	}
	r.close(err)
	return err
}

// tellUndone puts on record which runs are taken back: the one that is named, and what went live after it.
func (r *run) tellUndone(former deployment) {
	var all []deployment
	if live := r.delivery.ledger.Live; live != nil && live.RunID != former.RunID {
		all = r.backTo(former.RunID, live.RunID)
	}
	for _, taken := range append(all, former) {
		taken.UndoneBy = r.ID
		key := keys.Deployment(r.Config.Environment, r.delivery.scope, taken.RunID)
		if err := artifacts.PutJSON(r.Stop.Work, r.Store, key, taken); err != nil {
			r.Log.Warn("that a run was taken back cannot be put on its record", "record", key, "error", err.Error())
		}
	}
}

// maxBack is how many runs are looked through for the one that is taken back.
const maxBack = 200

// backTo returns the runs from one back to another, each by what it replaced, and without the last; none if that is not
// among them.
func (r *run) backTo(last, id string) (all []deployment) {
	for range maxBack {
		var one deployment
		if artifacts.GetJSON(r.Stop.Work, r.Store, keys.Deployment(r.Config.Environment, r.delivery.scope, id), &one) != nil {
			return nil
		}
		if one.RunID == last {
			return all
		}
		if all = append(all, one); one.Replaced == nil {
			return nil
		}
		id = one.Replaced.RunID
	}
	return nil
}

// undoneBy returns the run that took another one back; "" if none has, or if that was taken back itself.
func (r *run) undoneBy(environment, scope string, one deployment) string {
	back := 0
	for at := one; at.UndoneBy != "" && back <= maxBack; back++ { // a record that leads to itself is nobody's doing
		var by deployment
		if artifacts.GetJSON(r.Stop.Work, r.Store, keys.Deployment(environment, scope, at.UndoneBy), &by) != nil {
			by = deployment{} // nothing tells that it was taken back
		}
		at = by
	}
	if back%2 == 0 { // what takes back what took it back brings it back
		return ""
	}
	return one.UndoneBy
}

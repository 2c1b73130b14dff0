package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps"
)

// Command is what Conclude needs to know of the step's command.
type Command struct {
	Started   time.Time // when it was last started; zero if it was not
	Attempts  int       // how often it was started
	Passed    bool      // it exited with 0, whatever failed after it
	Variables map[string]string
}

// Conclude restores the stacks if the run failed, and stores the end of the deployment. It returns the run's error; a
// lost lock is the error of a run that had none.
func (d *Deployment) Conclude(runErr error, c Command) error {
	if !d.Began() {
		return runErr
	}
	if runErr == nil {
		runErr = d.Lost()
	}
	d.compareStacks(c.Variables, runErr != nil)
	for _, t := range d.inReverse() {
		t.decide(runErr, c)
	}
	d.unfollow() // only now, so that the events of a restoration are logged, too
	if runErr == nil {
		d.compareStackName(c.Started)
	}
	for _, t := range d.targets {
		if runErr == nil {
			t.ledger.Live = t.ledger.Pending
		}
		t.complete(runErr)
	}
	if d.retains != nil {
		d.retains()
	}
	return runErr
}

// inReverse returns the targets in the reverse order of their updates: a stack may use what an earlier one exports.
func (d *Deployment) inReverse() []*target {
	began := map[*target]time.Time{}
	if sig, _ := d.Stop.Signal(); sig == 0 && len(d.targets) > 1 {
		for _, t := range d.targets {
			if t.watched == nil {
				continue
			}
			at, err := t.watched.OperationTime(d.Stop.Work, t.watched.before)
			if err != nil {
				d.Log.Warn("could not read the stack's events", "stack", t.stack, "error", err.Error())
			}
			began[t], t.record.Updated = at, at
		}
	}
	sorted := slices.Clone(d.targets)
	slices.SortStableFunc(sorted, func(a, b *target) int { return began[b].Compare(began[a]) })
	return sorted
}

// decide decides what the end of the run means for the stack.
func (t *target) decide(runErr error, c Command) {
	d := t.run
	sig, _ := d.Stop.Signal()
	switch {
	case runErr == nil:
		t.record.Outcome = record.Delivered
		t.checkExists()
	case sig != 0:
		t.record.Outcome = record.Interrupted
		t.recordStatus()
	case d.Lost() != nil:
		t.record.Outcome = record.Interrupted
		d.Log.Error("lost the lock, so the stack is not restored: another run may be changing it", "stack", t.stack)
	case t.watched == nil, d.step.Rollback != nil && !*d.step.Rollback:
		t.record.Outcome = record.LeftAsIs
	default:
		t.restore(c)
	}
}

// complete stores the end. The ledger keeps a deployment that was interrupted as pending, since the next run has to
// know.
func (t *target) complete(runErr error) {
	d := t.run
	if t.record.Outcome != record.Interrupted {
		t.ledger.Pending = nil
	}
	o := outcome.Of(runErr)
	t.record.Ended, t.record.Reason, t.record.ExitCode, t.record.Output = time.Now().
		UTC(),
		o.Reason, &o.ExitCode, d.output.String()
	t.record.Seconds = record.Seconds(t.record.Ended.Sub(t.record.Started))
	ctx, cancel := d.Stop.RecordContext()
	defer cancel()
	err := t.putRecord(ctx)
	if d.Lost() == nil {
		err = errors.Join(err, t.ledger.save(ctx, d.Store, d.Redactor))
	}
	if err != nil {
		d.Log.Error("could not store the end of the deployment", "error", err.Error(), "hint", outcome.Hint(err))
	}
}

// checkExists warns if the command passed and its stack does not exist where the runner looks for it.
func (t *target) checkExists() {
	if t.watched == nil || !t.watched.before.Missing() || t.existed.Load() {
		return
	}
	t.run.Log.Warn(
		"the command passed, but its stack does not exist",
		"stack",
		t.stack,
		"place",
		t.run.account.String(),
		"hint",
		"if it was deployed elsewhere, set region:, role: or account: of the step; otherwise correct STACK_NAME",
	)
}

// recordStatus is all there is time for when the run is stopped. CloudFormation continues by itself.
func (t *target) recordStatus() {
	if t.watched == nil {
		return
	}
	d := t.run
	ctx, cancel := d.Stop.PublishContext()
	defer cancel()
	ctx, cancelIn := context.WithTimeout(ctx, 3*time.Second)
	defer cancelIn()
	state, err := t.watched.Describe(ctx)
	if err != nil {
		d.Log.Warn("could not describe the stack", "stack", t.stack, "error", err.Error())
		return
	}
	t.record.Status = state.Status
	if state.Busy() {
		d.Log.Warn("the run stops, but CloudFormation continues by itself", "stack", t.stack, "status", state.Status,
			"hint", "the next deploy waits for it; runner rollback --to "+d.ID+" undoes it")
	}
}

// compareStackName warns if carlin deployed another stack than the one that is watched.
func (d *Deployment) compareStackName(started time.Time) {
	name := filepath.Join(d.directory(), latestDeploy)
	info, err := os.Stat(name)
	if err != nil || started.IsZero() || info.ModTime().Before(started.Add(-time.Second)) {
		return
	}
	text, err := os.ReadFile(name)
	var latest struct {
		StackName string `json:"stackName"`
	}
	if err != nil || json.Unmarshal(text, &latest) != nil || latest.StackName == "" {
		return
	}
	if !slices.ContainsFunc(d.targets, func(t *target) bool { return t.stack == latest.StackName }) {
		d.Log.Warn(
			"the command deployed another stack than expected", "deployed", latest.StackName,
			"expected", d.StackName(), "hint", "set STACK_NAME="+latest.StackName,
		)
	}
}

// retainBuilds tags what is deployed, so that the bucket's lifecycle keeps it, side by side with the command: there is
// a request for each file of a set that is deployed for the first time. What a command that fails has deployed is kept,
// too, since it may be live in part.
func (d *Deployment) retainBuilds() {
	if d.step.Lock != steps.LockStack || len(d.step.Fetch) == 0 {
		return
	}
	ctx, cancel := d.Stop.PublishContext()
	var beside sync.WaitGroup
	d.retains = func() {
		beside.Wait()
		cancel()
	}
	for _, m := range d.builds {
		beside.Go(func() {
			n, err := artifacts.Retain(ctx, d.Store, m, d.Config.Environment)
			if err != nil {
				d.Log.Warn(
					"could not tag what is deployed, so the bucket's lifecycle may remove it", "artifact", m.Kind,
					"error", err.Error(), "hint", "allow s3:GetObjectTagging and s3:PutObjectTagging",
				)
			} else if n > 0 {
				d.Log.Info("tagged as deployed", "artifact", m.Kind, "objects", n)
			}
		})
	}
}

package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps"
)

// Command is what Conclude needs to know of the step's command.
type Command struct {
	Started  time.Time // when it was last started; zero if it was not
	Attempts int       // how often it was started
}

// Conclude restores the stack if the run failed, and stores the end of the deployment. It returns the run's error; a lost
// lock is the error of a run that had none.
func (d *Deployment) Conclude(runErr error, c Command) error {
	if !d.Began() {
		return runErr
	}
	if runErr == nil {
		runErr = d.Lost()
	}
	d.decide(runErr, c)
	d.unfollow() // only now, so that the events of a restoration are logged, too
	ctx, cancel := d.Stop.RecordContext()
	defer cancel()
	if runErr == nil {
		d.retainBuilds(ctx)
		d.ledger.Live = d.ledger.Pending
	}
	d.complete(runErr)
	return runErr
}

// decide decides what the end of the run means for the stack.
func (d *Deployment) decide(runErr error, c Command) {
	sig, _ := d.Stop.Signal()
	switch {
	case runErr == nil:
		d.record.Outcome = record.Delivered
		d.compareStackName(c.Started)
	case sig != 0:
		d.record.Outcome = record.Interrupted
		d.recordStatus()
	case d.Lost() != nil:
		d.record.Outcome = record.Interrupted
		d.Log.Error("lost the lock, so the stack is not restored: another run may be changing it", "stack", d.target.stack)
	case d.watched == nil, d.step.Rollback != nil && !*d.step.Rollback:
		d.record.Outcome = record.LeftAsIs
	default:
		d.restore(c)
	}
}

// complete stores the end. The ledger keeps a deployment that was interrupted as pending, since the next run has to know.
func (d *Deployment) complete(runErr error) {
	if d.record.Outcome != record.Interrupted {
		d.ledger.Pending = nil
	}
	o := outcome.Of(runErr)
	d.record.Ended, d.record.Reason, d.record.ExitCode, d.record.Output = time.Now().UTC(), o.Reason, &o.ExitCode, d.output.String()
	d.record.Seconds = record.Seconds(d.record.Ended.Sub(d.record.Started))
	ctx, cancel := d.Stop.RecordContext()
	defer cancel()
	err := d.putRecord(ctx)
	if d.Lost() == nil {
		err = errors.Join(err, d.ledger.save(ctx, d.Store, d.Redactor))
	}
	if err != nil {
		d.Log.Error("could not store the end of the deployment", "error", err.Error(), "hint", outcome.Hint(err))
	}
}

// recordStatus is all there is time for when the run is stopped. CloudFormation continues by itself.
func (d *Deployment) recordStatus() {
	if d.watched == nil {
		return
	}
	ctx, cancel := d.Stop.PublishContext()
	defer cancel()
	ctx, cancelIn := context.WithTimeout(ctx, 3*time.Second)
	defer cancelIn()
	state, err := d.watched.Describe(ctx)
	if err != nil {
		d.Log.Warn("could not describe the stack", "stack", d.target.stack, "error", err.Error())
		return
	}
	d.record.Status = state.Status
	if state.Busy() {
		d.Log.Warn("the run stops, but CloudFormation continues by itself", "stack", d.target.stack, "status", state.Status,
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
	if err == nil && json.Unmarshal(text, &latest) == nil && latest.StackName != "" && latest.StackName != d.target.stack {
		d.Log.Warn("the command deployed another stack than expected", "deployed", latest.StackName, "expected", d.target.stack, "hint", "set STACK_NAME="+latest.StackName)
	}
}

// retainBuilds tags what is deployed, so that the bucket's lifecycle keeps it.
func (d *Deployment) retainBuilds(ctx context.Context) {
	if d.step.Lock != steps.LockStack {
		return
	}
	for _, kind := range d.step.Fetch {
		n, err := artifacts.Retain(ctx, d.Store, kind, d.Ref, d.Config.Environment)
		if err != nil {
			d.Log.Warn("could not tag what was deployed, so the bucket's lifecycle may remove it", "artifact", kind, "error", err.Error(), "hint", "allow s3:GetObjectTagging and s3:PutObjectTagging")
		} else if n > 0 {
			d.Log.Info("tagged as deployed", "artifact", kind, "objects", n)
		}
	}
}

package runner

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/deploy/carlin"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/steps"
)

// openStack is a stack as this run's credentials see it. The error is AWS's.
func (r *run) openStack(ctx context.Context, name string) (*stack.Stack, error) {
	config, err := r.AWS(ctx)
	if err == nil && config.Region == "" {
		err = errors.New("no region is known")
	}
	if err != nil {
		return nil, &stack.ServiceError{Stack: name, Action: "cloudformation:DescribeStacks", Err: err}
	}
	region := config.Region // of the bucket, too
	if carlin.Deploys(carlin.ExpandScripts(r.step.Command.String(), r.directory())) {
		region = cmp.Or(carlin.Region(r.directory(), r.env.Variables), region)
	}
	client := cloudformation.NewFromConfig(config, func(o *cloudformation.Options) { o.Region = region })
	s := &stack.Stack{Client: client, Name: name, Poll: r.Config.StackPoll}
	s.Trouble = func(err error) {
		r.Log.Warn("CloudFormation could not be asked; it will be asked again", "stack", name, "error", err.Error())
	}
	if l, ok := r.Store.(artifacts.Locator); ok && strings.HasPrefix(l.Locate(""), "s3://") {
		s.Upload = func(ctx context.Context, template string) (string, error) {
			return r.uploadTemplate(ctx, l, template, config.Region)
		}
	}
	return s, nil
}

// uploadTemplate puts a template beside the records, as it is, and returns the URL by which CloudFormation knows it.
func (r *run) uploadTemplate(ctx context.Context, l artifacts.Locator, template, region string) (string, error) {
	if r.Redactor.String(template) != template {
		return "", &stack.RestoreError{
			Stack: r.delivery.name, Action: stack.Failed,
			Message: "cannot be brought back: its template is too large for a request and holds a secret, which is not stored", Advice: "deploy the earlier commit again, with --force",
		}
	}
	key := keys.Template(r.Config.Environment, r.delivery.scope, r.ID)
	_, err := r.Store.Put(ctx, artifacts.Object{Key: key, Body: strings.NewReader(template), Size: int64(len(template)), Type: "text/plain"})
	bucket, path, _ := strings.Cut(strings.TrimPrefix(l.Locate(key), "s3://"), "/")
	domain := "amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		domain += ".cn"
	}
	return (&url.URL{Scheme: "https", Host: bucket + ".s3." + region + "." + domain, Path: path}).String(), err
}

// begin looks at the stack and puts the start on record. Nothing is changed before that is done.
func (r *run) begin() error {
	d := &r.delivery
	if r.step.Lock == "" {
		return nil
	}
	v := r.revision()
	d.record = &deployment{
		Identity: r.identity(), Committed: v.Committed, Fence: d.lease.Fence(), Forced: r.Config.Force, Builds: v.Builds,
		Replaced: d.ledger.Live, Started: v.At,
	}
	if r.step.Lock == steps.LockEnvironment {
		d.tail = &tail{}
	}
	if err := r.snapshot(); err != nil {
		d.record = nil
		return err
	}
	// First that there is a run, then what it found: so no record is without somebody who knows of it.
	d.ledger.Pending = &v
	err := d.ledger.save(r.Stop.Work, r.Store)
	if err == nil {
		err = r.putDelivery(r.Stop.Work)
	}
	if err != nil {
		d.record = nil
		return outcome.ArtifactsError{Err: fmt.Errorf("the start cannot be put on record, so nothing is started: %w", err)}
	}
	r.follow()
	return nil
}

// snapshot keeps what the stack was. Where that cannot be had, a step that insists on its rollback does not begin.
func (r *run) snapshot() error {
	d := &r.delivery
	if d.name == "" {
		if r.insists() {
			return &outcome.GuardError{Message: "the stack's name is not known, so it could not be brought back", Advice: "set STACK_NAME, or remove rollback: true"}
		}
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(r.Stop.Work, r.step.Wait, errBusy)
	defer cancel()
	s, err := r.openStack(ctx, d.name)
	var state stack.State
	if err == nil {
		state, err = s.Settle(ctx, func(now stack.State) {
			r.Log.Info("waiting for CloudFormation", "stack", d.name, "status", now.Status, "at_most", r.step.Wait.String())
		})
	}
	if err == nil {
		d.before, err = s.Snapshot(ctx)
	}
	switch {
	case r.Stop.Work.Err() != nil:
		return context.Cause(r.Stop.Work)
	case errors.Is(err, errBusy):
		return &outcome.GuardError{Message: fmt.Sprintf("stack %s is still %s after %s", d.name, state.Status, r.step.Wait), Advice: "wait for it, or give the step a longer wait:"}
	case err != nil && r.insists():
		return &outcome.GuardError{Message: "the stack could not be brought back, so it is not touched: " + err.Error(), Advice: outcome.Hint(err)}
	case err != nil:
		r.Log.Warn("there is no snapshot of the stack, so it will not be brought back", "stack", d.name, "error", err.Error(), "hint", outcome.Hint(err))
		return nil
	}
	d.stack, d.refusal = s, stack.NewRefusal(d.name)
	// The record is written again at the end. What the command prints, a mask among it, must not change what a rollback needs.
	stored := d.before.Redacted(r.Redactor.String, redact.IsSecretName)
	d.record.Before = &stored
	r.Log.Info("the stack as it is now is kept", "stack", d.name, "status", d.before.Status)
	if why, advice := d.before.Unfit(); why != "" {
		r.Log.Warn("the stack takes no update as it is: "+why, "stack", d.name, "status", d.before.Status, "hint", advice)
	}
	return nil
}

var errBusy = errors.New("the stack is busy")

func (r *run) insists() bool { return r.step.Rollback != nil && *r.step.Rollback }

// follow tells of the stack's events as lines of the log, until unfollow.
func (r *run) follow() {
	d := &r.delivery
	d.unfollow = func() {}
	if d.stack == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	last := make(chan string, 1)
	go func() { last <- d.stack.Follow(ctx, d.before, r.tellEvent) }()
	d.unfollow = func() {
		cancel()
		seen := <-last
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		d.stack.Events(ctx, d.before, seen, r.tellEvent)
		d.unfollow = func() {}
	}
}

func (r *run) tellEvent(e stack.Event) {
	tell := r.Log.Info
	if e.Failed() {
		tell = r.Log.Error
	}
	attributes := []any{"stack", r.delivery.name, "resource", e.Resource, "type", e.Type, "status", e.Status}
	if e.Reason != "" {
		attributes = append(attributes, "reason", e.Reason)
	}
	tell("stack event", attributes...)
	r.delivery.told.add(record.StackEvent{At: e.Time, Resource: e.Resource, Type: e.Type, Status: e.Status, Reason: e.Reason, Failed: e.Failed()})
}

// markStack notes what may be of the command's doing, right after its end: what begins later, while hooks run, is not.
func (r *run) markStack(cutShort bool) {
	d := &r.delivery
	if d.stack == nil || d.mark != "" || r.Stop.Work.Err() != nil {
		return
	}
	mark, err := d.stack.Mark(r.Stop.Work, d.before, cutShort)
	if err != nil {
		r.Log.Warn("the stack's events cannot be read", "stack", d.name, "error", err.Error())
	}
	d.mark = mark
}

// conclude brings the stack back if the run failed, and puts the end on record. The run's error stays what it was.
func (r *run) conclude(runErr error) error {
	d := &r.delivery
	if d.record == nil {
		return runErr
	}
	if runErr == nil {
		runErr = d.lost()
	}
	_ = r.timed("conclude", func() error {
		r.bringBack(runErr)
		return nil
	})
	d.unfollow() // what happens while the stack is brought back is told, too
	ctx, cancel := r.Stop.RecordContext()
	defer cancel()
	if runErr == nil {
		r.keepBuilds(ctx)
		d.ledger.Live = d.ledger.Pending
	}
	if d.record.Outcome != record.Interrupted { // whoever comes next has to know of that
		d.ledger.Pending = nil
	}
	r.close(runErr)
	return runErr
}

// close puts the end on record.
func (r *run) close(runErr error) {
	d := &r.delivery
	o := outcome.Of(runErr)
	d.record.Ended, d.record.Reason, d.record.ExitCode, d.record.Output = time.Now().UTC(), o.Reason, &o.ExitCode, d.tail.String()
	d.record.Seconds = record.Seconds(d.record.Ended.Sub(d.record.Started))
	ctx, cancel := r.Stop.RecordContext()
	defer cancel()
	err := r.putDelivery(ctx)
	if d.lost() == nil {
		err = errors.Join(err, d.ledger.save(ctx, r.Store))
	}
	if err != nil {
		r.Log.Error("the end of the delivery cannot be put on record", "error", err.Error(), "hint", outcome.Hint(err))
	}
}

// bringBack decides what a failed run means for the stack.
func (r *run) bringBack(runErr error) {
	d := &r.delivery
	sig, _ := r.Stop.Signal()
	switch {
	case runErr == nil:
		d.record.Outcome = record.Delivered
		r.comparePlace()
	case sig != 0:
		d.record.Outcome = record.Interrupted
		r.lastLook()
	case d.lost() != nil:
		d.record.Outcome = record.Interrupted
		r.Log.Error("the lock is lost, so the stack is not brought back: it may be somebody else's turn", "stack", d.name)
	case d.stack == nil, r.step.Rollback != nil && !*r.step.Rollback:
		d.record.Outcome = record.LeftAsIs
	default:
		r.rollBack()
	}
}

// lastLook is all there is time for when the run is told to stop: CloudFormation goes on by itself.
func (r *run) lastLook() {
	d := &r.delivery
	if d.stack == nil {
		return
	}
	ctx, cancel := r.Stop.PublishContext()
	defer cancel()
	ctx, cancelIn := context.WithTimeout(ctx, 3*time.Second)
	defer cancelIn()
	state, err := d.stack.Look(ctx)
	if err != nil {
		r.Log.Warn("what the stack is now is not known", "stack", d.name, "error", err.Error())
		return
	}
	d.record.Status = state.Status
	if state.Busy() {
		r.Log.Warn("the run stops here, and CloudFormation goes on by itself", "stack", d.name, "status", state.Status, "hint", "the next deploy waits for it; runner rollback --to "+r.ID+" takes it back")
	}
}

// rollBack brings the stack back, with as much time as the step has.
func (r *run) rollBack() {
	d := &r.delivery
	r.markStack(false)
	ctx, cancel := r.rollingBack()
	defer cancel()
	came, err := d.stack.Restore(ctx, stack.Restoration{
		Before: d.before, Last: d.mark, Attempts: len(r.attempts), Refused: d.refusal.Seen(), Token: "runner-" + r.ID, Tell: r.tellRollback,
	})
	r.recordRollback(came, err)
}

// rollingBack is the time for a rollback: as much as the step has, while the lock is held and nobody tells us to stop.
func (r *run) rollingBack() (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(r.delivery.lease.Context(), r.step.Timeout, &outcome.GuardError{
		Message: fmt.Sprintf("CloudFormation was not done within %s", r.step.Timeout), Advice: "look at the stack's events; the next deploy waits for it",
	})
}

func (r *run) tellRollback(what string, s stack.State) {
	r.Log.Info("rollback: "+what, "stack", r.delivery.name, "status", s.Status)
	r.delivery.told.add(record.StackEvent{At: time.Now(), Resource: "rollback", Status: s.Status, Reason: what})
}

// recordRollback says what became of the stack.
func (r *run) recordRollback(found stack.Report, err error) {
	d := &r.delivery
	d.record.Rollback, d.record.Status, d.record.Outcome = rollbackRecord(found), found.Status, record.RolledBack
	attributes := []any{"stack", d.name, "action", string(found.Action), "status", found.Status, "proven", found.Proven}
	if len(found.Kept) > 0 {
		attributes = append(attributes, "kept", strings.Join(found.Kept, ", "))
		r.Log.Warn("hidden parameters cannot be read back, so they keep the values they have now", "stack", d.name, "parameters", strings.Join(found.Kept, ", "))
	}
	if err != nil {
		d.record.Outcome = record.RollbackFailed
		var late *outcome.GuardError
		if r.delivery.lease.Context().Err() != nil || errors.As(err, &late) {
			d.record.Outcome = record.Interrupted
		}
		d.record.Problem, d.record.Advice = err.Error(), outcome.Hint(err)
		r.Log.Error("the stack was not brought back", append(attributes, "error", err.Error(), "hint", outcome.Hint(err))...)
		return
	}
	r.Log.Info("the stack is what it was", attributes...)
}

// comparePlace warns when the command has deployed another stack than the one that was watched.
func (r *run) comparePlace() {
	name := filepath.Join(r.directory(), ".carlin", "latest-deploy.json")
	info, err := os.Stat(name)
	if err != nil || r.result == nil || info.ModTime().Before(r.result.Started.Add(-time.Second)) {
		return
	}
	text, err := os.ReadFile(name)
	var latest struct {
		StackName string `json:"stackName"`
	}
	if err == nil && json.Unmarshal(text, &latest) == nil && latest.StackName != "" && latest.StackName != r.delivery.name {
		r.Log.Warn("the command deployed another stack than was expected", "deployed", latest.StackName, "expected", r.delivery.name, "hint", "set STACK_NAME="+latest.StackName)
	}
}

// keepBuilds marks what is deployed, so that the bucket's lifecycle keeps it.
func (r *run) keepBuilds(ctx context.Context) {
	if r.step.Lock != steps.LockStack {
		return
	}
	for _, kind := range r.step.Fetch {
		n, err := artifacts.Retain(ctx, r.Store, kind, r.Ref, r.Config.Environment)
		if err != nil {
			r.Log.Warn("what was deployed could not be marked, so the bucket's lifecycle may remove it", "artifact", kind, "error", err.Error(), "hint", "allow s3:GetObjectTagging and s3:PutObjectTagging")
		} else if n > 0 {
			r.Log.Info("marked as deployed", "artifact", kind, "objects", n)
		}
	}
}

// rollbackRecord is the report of a restoration as records have it.
func rollbackRecord(found stack.Report) *record.Rollback {
	back := &record.Rollback{
		Action: record.Action(found.Action), Status: found.Status, Proven: found.Proven,
		Differences: found.Differences, Unproven: found.Unproven, Kept: found.Kept,
	}
	for _, f := range found.Failures {
		back.Failures = append(back.Failures, record.Resource(f))
	}
	return back
}

package deploy

import (
	"context"
	"time"

	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/record"
)

// follow logs the stack's events until unfollow.
func (d *Deployment) follow() {
	if d.watched == nil {
		return
	}
	w := d.watched
	ctx, cancel := context.WithCancel(context.Background())
	last := make(chan string, 1)
	go func() { last <- w.Follow(ctx, w.before, d.logEvent) }()
	d.stopFollowing = func() {
		cancel()
		seen := <-last
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		w.EmitEvents(ctx, w.before, seen, d.logEvent)
	}
}

// unfollow logs the events since the last look and ends the following.
func (d *Deployment) unfollow() {
	if d.stopFollowing != nil {
		d.stopFollowing()
		d.stopFollowing = nil
	}
}

func (d *Deployment) logEvent(e stack.Event) {
	log := d.Log.Info
	if e.Failed() {
		log = d.Log.Error
	}
	attributes := []any{"stack", d.target.stack, "resource", e.Resource, "type", e.Type, "status", e.Status}
	if e.Reason != "" {
		attributes = append(attributes, "reason", e.Reason)
	}
	log("stack event", attributes...)
	d.keepEvent(record.StackEvent{At: e.Time, Resource: e.Resource, Type: e.Type, Status: e.Status, Reason: e.Reason, Failed: e.Failed()})
}

// logRollback logs a step of a restoration.
func (d *Deployment) logRollback(message string, s stack.State) {
	d.Log.Info("rollback: "+message, "stack", d.target.stack, "status", s.Status)
	d.keepEvent(record.StackEvent{At: time.Now(), Resource: "rollback", Status: s.Status, Reason: message})
}

// MarkEnd notes the last event that may be the command's, right after the command ended: what begins later, while hooks
// run, is not. A command that was cut short may have an event still to come.
func (d *Deployment) MarkEnd(cutShort bool) {
	if d == nil || d.watched == nil || d.watched.lastEvent != "" || d.Stop.Work.Err() != nil {
		return
	}
	mark, err := d.watched.LastEvent(d.Stop.Work, d.watched.before, cutShort)
	if err != nil {
		d.Log.Warn("could not read the stack's events", "stack", d.target.stack, "error", err.Error())
	}
	d.watched.lastEvent = mark
}

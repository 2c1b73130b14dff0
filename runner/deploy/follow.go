package deploy

import (
	"context"
	"time"

	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/record"
)

// follow logs the stack's events until unfollow, which logs those since the last look.
func (t *target) follow() {
	if t.watched == nil {
		return
	}
	w := t.watched
	ctx, cancel := context.WithCancel(context.Background())
	last := make(chan string, 1)
	go func() { last <- w.Follow(ctx, w.before, t.logEvent) }()
	t.unfollow = func() {
		cancel()
		seen := <-last
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		w.EmitEvents(ctx, w.before, seen, t.logEvent)
	}
}

// unfollow ends the following of all stacks.
func (d *Deployment) unfollow() {
	for _, t := range d.targets {
		if t.unfollow != nil {
			t.unfollow()
			t.unfollow = nil
		}
	}
}

func (t *target) logEvent(e stack.Event) {
	t.existed.Store(true)
	log := t.run.Log.Info
	if e.Failed() {
		log = t.run.Log.Error
	}
	attributes := []any{"stack", t.stack, "resource", e.Resource, "type", e.Type, "status", e.Status}
	if e.Reason != "" {
		attributes = append(attributes, "reason", e.Reason)
	}
	log("stack event", attributes...)
	t.run.keepEvent(
		t,
		record.StackEvent{
			At:       e.Time,
			Resource: e.Resource,
			Type:     e.Type,
			Status:   e.Status,
			Reason:   e.Reason,
			Failed:   e.Failed(),
		},
	)
}

// logProgress logs a step of a restoration.
func (t *target) logProgress(message string, s stack.State) {
	t.run.Log.Info("rollback: "+message, "stack", t.stack, "status", s.Status)
	t.run.keepEvent(t, record.StackEvent{At: time.Now(), Resource: "rollback", Status: s.Status, Reason: message})
}

// MarkEnd notes the last events that may be the command's, right after the command ended: what begins later, while
// hooks run, is not. A command that was cut short may have an event still to come.
func (d *Deployment) MarkEnd(cutShort bool) {
	if d == nil || d.Stop.Work.Err() != nil {
		return
	}
	for _, t := range d.targets {
		if t.watched == nil || t.watched.lastEvent != "" {
			continue
		}
		last, err := t.watched.LastEvent(d.Stop.Work, t.watched.before, cutShort)
		if err != nil {
			d.Log.Warn("could not read the stack's events", "stack", t.stack, "error", err.Error())
		}
		t.watched.lastEvent = last
		if last != "" {
			t.existed.Store(true)
		}
		cutShort = false // waited once
	}
}

package remote

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/awsjson"
)

// Viewer is shown what becomes of a task.
type Viewer interface {
	// Line is a line of the task's log, without its newline. It reports whether the run has said its last word with it.
	Line(text string) (last bool)
	// Tell is news of the task itself.
	Tell(message string)
}

// Ended is how a task ended.
type Ended struct {
	ExitCode int    // of the container
	Reason   string // what else ECS knows of it, or ""
}

// drain is how many looks we take at the rest of a log whose last word we have not seen: CloudWatch takes its time.
const drain = 15

// Follow shows the task's log as it is written, until the task has stopped and its log has been read to the end. It has no
// limit of its own, and goes on when AWS cannot be reached for a while. Told to stop by a reason, it has the task stopped,
// and follows on. The error is the context's, an *Error for a task that never ran, or one of awsjson's.
func (c *Client) Follow(ctx context.Context, t Task, stop <-chan string, viewer Viewer) (Ended, error) {
	f := follower{client: c, task: t, viewer: viewer, begun: time.Now()}
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return Ended{}, ctx.Err()
		case reason := <-stop:
			viewer.Tell("stopping the task")
			if err := c.Stop(ctx, t, reason); err != nil {
				return Ended{}, err
			}
		case <-pause.C:
			done, err := f.look(ctx)
			if done || err != nil {
				return f.ended, err
			}
			pause.Reset(c.Poll)
		}
	}
}

type follower struct {
	client *Client
	task   Task
	viewer Viewer
	begun  time.Time

	said    string    // the last status that was told
	lost    bool      // AWS cannot be reached, which was told
	token   string    // where in the log we are
	last    bool      // the run has said its last word
	stopped time.Time // when we learned of it
	ended   Ended
}

// look is one look at the task and at its log.
func (f *follower) look(ctx context.Context) (done bool, err error) {
	if f.stopped.IsZero() {
		s, err := f.client.status(ctx, f.task)
		if err != nil {
			return false, f.bear(ctx, err)
		}
		f.regain()
		if err := f.tell(ctx, s); err != nil {
			return true, err
		}
	}
	whole, err := f.read(ctx)
	if err != nil {
		return false, f.bear(ctx, err)
	}
	f.regain()
	return !f.stopped.IsZero() && whole && (f.last || f.task.group == "" || time.Since(f.stopped) > drain*f.client.Poll), nil
}

// bear makes nothing of an error that may pass.
func (f *follower) bear(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !awsjson.Transient(err) {
		return err
	}
	if !f.lost {
		f.viewer.Tell("AWS cannot be reached, and the task goes on: " + err.Error())
		f.lost = true
	}
	return nil
}

func (f *follower) regain() {
	if f.lost {
		f.viewer.Tell("AWS is reached again")
		f.lost = false
	}
}

// tell tells of the task's status when it changes, and keeps how the task ended.
func (f *follower) tell(ctx context.Context, s status) error {
	if s.LastStatus != f.said {
		f.said = s.LastStatus
		switch s.LastStatus {
		case "PROVISIONING", "PENDING", "RUNNING":
			f.viewer.Tell(fmt.Sprintf("the task is %s after %s", strings.ToLower(s.LastStatus), time.Since(f.begun).Round(time.Second)))
		}
	}
	switch s.LastStatus {
	case "PROVISIONING", "PENDING", "ACTIVATING":
		if time.Since(f.begun) > f.client.Patience {
			err := f.client.Stop(ctx, f.task, "it did not come up in time")
			return errors.Join(&Error{Message: fmt.Sprintf("the task is still %s after %s, and was stopped", strings.ToLower(s.LastStatus), f.client.Patience), Advice: "see the subnets' way to the registry, or give it more time with --wait-start"}, err)
		}
		return nil
	case "STOPPED":
	default:
		return nil
	}
	f.stopped = time.Now()
	for _, container := range s.Containers {
		if container.ExitCode == nil {
			return neverRan(s, container.Reason)
		}
		f.ended = Ended{ExitCode: *container.ExitCode, Reason: container.Reason}
	}
	if len(s.Containers) == 0 {
		return neverRan(s, "")
	}
	if s.StopCode != "EssentialContainerExited" && f.ended.Reason == "" {
		f.ended.Reason = s.StoppedReason
	}
	if s.StopCode == "SpotInterruption" {
		f.ended.Reason = "Spot took its capacity back: " + s.StoppedReason
	}
	return nil
}

// neverRan explains a task that ended before it began.
func neverRan(s status, container string) error {
	reason := s.StoppedReason
	if container != "" && !strings.Contains(reason, container) {
		reason = strings.TrimPrefix(reason+"; "+container, "; ")
	}
	e := &Error{Message: "the task never ran: " + reason, Advice: "see the stopped task in the ECS console"}
	for _, known := range []struct{ text, advice string }{
		{"CannotPull", "push the image that the task definition names, and see that the subnets reach the registry and the execution role may pull"},
		{"log stream", "make the log group that the task definition names, and allow the execution role logs:CreateLogStream"},
		{"log group", "make the log group that the task definition names, and allow the execution role logs:CreateLogStream"},
		{"pull secrets", "make the secret that the task definition names, and allow the execution role to read it"},
		{"ResourceInitializationError", "see that the subnets reach ECR, CloudWatch Logs and Secrets Manager: by a public address, a NAT gateway or endpoints"},
		{"Capacity", "try again later, or without --spot"},
		{"exec format error", "the image is for another architecture than the task definition"},
		{"no such file", "see the image's ENTRYPOINT"},
	} {
		if strings.Contains(reason, known.text) {
			e.Advice = known.advice
			break
		}
	}
	if s.StopCode == "UserInitiated" {
		e.Advice = "it was stopped before it began"
	}
	return e
}

// read shows what is new in the log, and reports whether that was all there is.
func (f *follower) read(ctx context.Context) (whole bool, err error) {
	if f.task.group == "" {
		return true, nil
	}
	for {
		input := map[string]any{"logGroupName": f.task.group, "logStreamName": f.task.stream, "startFromHead": true}
		if f.token != "" {
			input["nextToken"] = f.token
		}
		var page struct {
			Events           []struct{ Message string }
			NextForwardToken string
		}
		err := f.client.logs.Call(ctx, "GetLogEvents", input, &page)
		switch {
		case awsjson.Is(err, "ResourceNotFoundException"):
			return true, nil // nothing has been written
		case awsjson.Is(err, "AccessDeniedException"):
			f.viewer.Tell("the log may not be read, so only the end of the task is told: allow logs:GetLogEvents")
			f.task.group = ""
			return true, nil
		case err != nil:
			return false, err
		}
		for _, event := range page.Events {
			f.last = f.viewer.Line(event.Message) || f.last
		}
		if page.NextForwardToken == f.token {
			return true, nil
		}
		f.token = page.NextForwardToken
	}
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

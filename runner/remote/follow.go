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
	// Notice is news of the task itself.
	Notice(message string)
}

// TaskResult is how a task ended.
type TaskResult struct {
	ExitCode int    // of the container
	Reason   string // what else ECS knows of it, or ""
}

const (
	drain  = 15 // looks at the rest of a log whose last word we have not seen: CloudWatch takes its time
	unseen = 60 // looks for a task that was started a moment ago: not all of ECS has heard of it at once
	pages  = 10 // of the log at one look: who writes faster than we read must not keep us from the task itself
)

// Follow shows the task's log as it is written, until the task has stopped and its log has been read to the end. It has no
// limit of its own, and goes on when AWS cannot be reached for a while. Told to stop by a reason, it has the task stopped,
// and follows on. The error is the context's, or an *Error: for a task that never ran or whose end nobody knows, and for one
// that can no longer be followed.
func (c *Client) Follow(ctx context.Context, t Task, stop <-chan string, viewer Viewer) (TaskResult, error) {
	f := follower{client: c, task: t, viewer: viewer, begun: time.Now()}
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return TaskResult{}, ctx.Err()
		case f.stopping = <-stop:
			viewer.Notice("stopping the task")
			pause.Reset(0)
		case <-pause.C:
			select {
			case f.stopping = <-stop: // both were there: this one comes first
				viewer.Notice("stopping the task")
			default:
			}
			switch done, behind, err := f.look(ctx); {
			case done || err != nil:
				return f.ended, err
			case behind:
				pause.Reset(0)
			default:
				pause.Reset(c.PollInterval)
			}
		}
	}
}

type follower struct {
	client   *Client
	task     Task
	viewer   Viewer
	begun    time.Time
	stopping string // why the task is to be stopped, until ECS was told

	looks   int       // at a task that ECS does not know
	said    string    // the last status that was told
	ran     bool      // the task did
	lost    bool      // AWS cannot be reached, which was told
	token   string    // where in the log we are
	last    bool      // the run has said its last word
	stopped time.Time // when we learned of it
	ended   TaskResult
	unknown error // an *Error: the task has stopped, and nobody knows how
}

// look is one look at the task and at its log, which may be behind what was written. The error ends the following.
func (f *follower) look(ctx context.Context) (done, behind bool, err error) {
	if f.stopped.IsZero() {
		s, err := f.ask(ctx)
		switch {
		case errors.Is(err, errMissing) && f.said == "" && f.looks < unseen:
			f.looks++
			return false, false, nil
		case errors.Is(err, errMissing): // an hour after it has stopped: the machine that we run on has slept
			f.stopped = time.Now()
			f.unknown = &Error{Message: "ECS does not know the task " + f.task.ID() + " any more", Advice: "its log is in CloudWatch, and its record in the artifact bucket"}
		case err != nil:
			return false, false, f.bear(ctx, err)
		default:
			f.regain()
			if err := f.tell(ctx, s); err != nil {
				return true, false, err
			}
		}
	}
	whole, cause := f.read(ctx)
	if cause != nil {
		err := f.bear(ctx, cause)
		if err == nil || ctx.Err() != nil || f.stopped.IsZero() {
			return false, false, err
		}
		f.viewer.Notice("the end of the log cannot be read: " + cause.Error()) // of the task all is known
		return true, false, f.unknown
	}
	f.regain()
	if f.stopped.IsZero() || !whole || !f.last && f.task.group != "" && time.Since(f.stopped) <= drain*f.client.PollInterval {
		return false, !whole, nil
	}
	return true, false, f.unknown
}

// ask has the task stopped if that is what we were told, and asks what has become of it.
func (f *follower) ask(ctx context.Context) (status, error) {
	if f.stopping != "" {
		switch err := f.client.stop(ctx, f.task, f.stopping); {
		case awsjson.HasCode(err, "InvalidParameterException") && f.said == "":
			return status{}, errMissing
		case err != nil && ctx.Err() == nil && !passing(err):
			return status{}, &Error{Message: "the task cannot be stopped, and goes on", Advice: "allow ecs:StopTask, or stop " + f.task.ID() + " in the console", Err: err}
		case err != nil:
			return status{}, err
		}
		f.stopping = ""
	}
	return f.client.status(ctx, f.task)
}

// bear makes nothing of an error that may pass.
func (f *follower) bear(ctx context.Context, err error) error {
	var told *Error
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &told):
		return err
	case !passing(err):
		e := &Error{Message: "the task " + f.task.ID() + " goes on, but cannot be followed any more", Advice: "see what AWS says; the task's record will be in the artifact bucket", Err: err}
		switch {
		case awsjson.HasCode(err, "ExpiredTokenException", "ExpiredToken", "RequestExpired"):
			e.Advice = "the credentials were shorter-lived than the step: get some that last, as by role-duration-seconds in a workflow"
		case awsjson.HasCode(err, "AccessDeniedException"):
			e.Advice = "allow ecs:DescribeTasks"
		}
		return e
	}
	if !f.lost {
		f.viewer.Notice("AWS cannot be reached, and the task goes on: " + err.Error())
		f.lost = true
	}
	return nil
}

func (f *follower) regain() {
	if f.lost {
		f.viewer.Notice("AWS is reached again")
		f.lost = false
	}
}

// tell tells of the task's status when it changes, and keeps how the task ended.
func (f *follower) tell(ctx context.Context, s status) error {
	if s.LastStatus != f.said {
		switch s.LastStatus {
		case "PROVISIONING", "PENDING", "RUNNING":
			f.viewer.Notice(fmt.Sprintf("the task is %s after %s", strings.ToLower(s.LastStatus), time.Since(f.begun).Round(time.Second)))
		}
	}
	f.said = s.LastStatus
	f.ran = f.ran || s.StartedAt != nil || s.LastStatus == "RUNNING"
	switch s.LastStatus {
	case "PROVISIONING", "PENDING", "ACTIVATING":
		if time.Since(f.begun) > f.client.StartTimeout {
			err := f.client.stop(ctx, f.task, "it did not come up in time")
			return errors.Join(&Error{Message: fmt.Sprintf("the task is still %s after %s, and was stopped", strings.ToLower(s.LastStatus), f.client.StartTimeout), Advice: "see the subnets' way to the registry, or give it more time with --wait-start"}, err)
		}
		return nil
	case "STOPPED":
	default:
		return nil
	}
	f.stopped = time.Now()
	container := s.container(f.task.container)
	reason := container.Reason
	switch {
	case s.StopCode == "SpotInterruption":
		reason = "Spot took its capacity back: " + s.StoppedReason
	case s.StopCode != "EssentialContainerExited" && reason == "":
		reason = s.StoppedReason
	}
	switch {
	case container.ExitCode != nil:
		f.ended = TaskResult{ExitCode: *container.ExitCode, Reason: reason}
	case !f.ran || s.StopCode == "TaskFailedToStart":
		return neverRan(s, container.Reason)
	default:
		f.unknown = &Error{Message: "the task ran, and ECS does not know how it ended: " + reason, Advice: "start it again; how far it came is in its log, and in its record in the artifact bucket"}
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
	for range pages {
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
		case awsjson.HasCode(err, "ResourceNotFoundException"):
			return true, nil // nothing has been written
		case awsjson.HasCode(err, "AccessDeniedException"):
			f.viewer.Notice("the log may not be read, so only the end of the task is told: allow logs:GetLogEvents")
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
	return false, nil
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

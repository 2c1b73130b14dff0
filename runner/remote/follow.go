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

// Viewer shows the progress of a task.
type Viewer interface {
	// Line shows a line of the task's log, without its newline. It reports whether it is the last one of the run.
	Line(text string) (last bool)
	// Notice shows a message about the task.
	Notice(message string)
}

// TaskResult is how a task ended.
type TaskResult struct {
	ExitCode int    // of the container
	Reason   string // further information of ECS, or ""
}

const (
	drain  = 15 // polls for the rest of a log without its last line: CloudWatch lags
	unseen = 60 // polls for a task that was just started: ECS is eventually consistent
	pages  = 10 // of the log in one poll: a log that grows faster than it is read must not delay the status
)

// Follow shows the task's log until the task has stopped and its log has been read to the end. It has no time limit,
// and continues when AWS cannot be reached for a while. A reason in stop stops the task, which is followed further. The
// error is the context's, or an *Error: for a task that never ran, whose end is unknown, or that can no longer be
// followed.
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
			case f.stopping = <-stop: // if both are ready, the stop comes first
				viewer.Notice("stopping the task")
			default:
			}
			switch done, behind, err := f.poll(ctx); {
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
	stopping string // why the task is to be stopped, until ECS has been called

	polls   int       // polls of a task that ECS does not know
	said    string    // the last status that was shown
	ran     bool      // the task did
	lost    bool      // AWS cannot be reached, which has been shown
	token   string    // the position in the log
	last    bool      // the last line of the run has been read
	stopped time.Time // when that was noticed
	ended   TaskResult
	unknown error // an *Error: the task has stopped, and its end is unknown
}

// poll reads the status and the log once, which may be behind what was written. An error ends Follow.
func (f *follower) poll(ctx context.Context) (done, behind bool, err error) {
	if f.stopped.IsZero() {
		s, err := f.status(ctx)
		switch {
		case errors.Is(err, errMissing) && f.said == "" && f.polls < unseen:
			f.polls++
			return false, false, nil
		case errors.Is(err, errMissing): // an hour after it has stopped: the machine that we run on has slept
			f.stopped = time.Now()
			f.unknown = &Error{
				Message: "ECS does not know the task " + f.task.ID() + " any longer",
				Advice:  "its log is in CloudWatch, and its record in the artifact bucket",
			}
		case err != nil:
			return false, false, f.tolerate(ctx, err)
		default:
			f.reconnected()
			if err := f.update(ctx, s); err != nil {
				return true, false, err
			}
		}
	}
	whole, cause := f.read(ctx)
	if cause != nil {
		err := f.tolerate(ctx, cause)
		if err == nil || ctx.Err() != nil || f.stopped.IsZero() {
			return false, false, err
		}
		f.viewer.Notice("the end of the log cannot be read: " + cause.Error()) // the end of the task is known
		return true, false, f.unknown
	}
	f.reconnected()
	if f.stopped.IsZero() || !whole ||
		!f.last && f.task.group != "" && time.Since(f.stopped) <= drain*f.client.PollInterval {
		return false, !whole, nil
	}
	return true, false, f.unknown
}

// status stops the task if that was requested, and returns its status.
func (f *follower) status(ctx context.Context) (status, error) {
	if f.stopping != "" {
		switch err := f.client.stop(ctx, f.task, f.stopping); {
		case awsjson.HasCode(err, "InvalidParameterException") && f.said == "":
			return status{}, errMissing
		case err != nil && ctx.Err() == nil && !isTransient(err):
			return status{}, &Error{
				Message: "the task cannot be stopped, and goes on",
				Advice:  "allow ecs:StopTask, or stop " + f.task.ID() + " in the console",
				Err:     err,
			}
		case err != nil:
			return status{}, err
		}
		f.stopping = ""
	}
	return f.client.status(ctx, f.task)
}

// tolerate returns nil for an error that may pass.
func (f *follower) tolerate(ctx context.Context, err error) error {
	var known *Error
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &known):
		return err
	case !isTransient(err):
		e := &Error{
			Message: "the task " + f.task.ID() + " goes on, but can no longer be followed",
			Advice:  "check the message of AWS; the task's record will be in the artifact bucket",
			Err:     err,
		}
		switch {
		case awsjson.HasCode(err, "ExpiredTokenException", "ExpiredToken", "RequestExpired"):
			e.Advice = "the credentials were shorter-lived than the step: use longer-lived ones, as by role-duration-seconds in a workflow"
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

// reconnected shows that AWS can be reached again.
func (f *follower) reconnected() {
	if f.lost {
		f.viewer.Notice("AWS is reached again")
		f.lost = false
	}
}

// update shows changes of the task's status, and records its end.
func (f *follower) update(ctx context.Context, s status) error {
	if s.LastStatus != f.said {
		switch s.LastStatus {
		case "PROVISIONING", "PENDING", "RUNNING":
			f.viewer.Notice(
				fmt.Sprintf(
					"the task is %s after %s",
					strings.ToLower(s.LastStatus),
					time.Since(f.begun).Round(time.Second),
				),
			)
		}
	}
	f.said = s.LastStatus
	f.ran = f.ran || s.StartedAt != nil || s.LastStatus == "RUNNING"
	switch s.LastStatus {
	case "PROVISIONING", "PENDING", "ACTIVATING":
		if time.Since(f.begun) > f.client.StartTimeout {
			err := f.client.stop(ctx, f.task, "it did not come up in time")
			return errors.Join(
				&Error{
					Message: fmt.Sprintf(
						"the task is still %s after %s, and was stopped",
						strings.ToLower(s.LastStatus),
						f.client.StartTimeout,
					),
					Advice: "check the subnets' route to the registry, or allow more time with --wait-start",
				},
				err,
			)
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
		f.unknown = &Error{
			Message: "the task ran, and ECS does not know how it ended: " + reason,
			Advice:  "start it again; how far it came is in its log, and in its record in the artifact bucket",
		}
	}
	return nil
}

// neverRan explains a task that ended before its start.
func neverRan(s status, container string) error {
	reason := s.StoppedReason
	if container != "" && !strings.Contains(reason, container) {
		reason = strings.TrimPrefix(reason+"; "+container, "; ")
	}
	e := &Error{Message: "the task never ran: " + reason, Advice: "see the stopped task in the ECS console"}
	for _, known := range []struct{ text, advice string }{
		{"CannotPull", "push the image that the task definition names, and check that the subnets reach the registry and the execution role may pull"},
		{"log stream", "create the log group that the task definition names, and allow the execution role logs:CreateLogStream"},
		{"log group", "create the log group that the task definition names, and allow the execution role logs:CreateLogStream"},
		{"pull secrets", "create the secret that the task definition names, and allow the execution role to read it"},
		{"ResourceInitializationError", "check that the subnets reach ECR, CloudWatch Logs and Secrets Manager: by a public address, a NAT gateway or endpoints"},
		{"Capacity", "try again later, or without --spot"},
		{"exec format error", "the image is for another architecture than the task definition"},
		{"no such file", "check the image's ENTRYPOINT"},
	} {
		if strings.Contains(reason, known.text) {
			e.Advice = known.advice
			break
		}
	}
	if s.StopCode == "UserInitiated" {
		e.Advice = "it was stopped before its start"
	}
	return e
}

// read shows new lines of the log, and reports whether its end was reached.
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
			f.viewer.Notice("the log may not be read, so only the end of the task is shown: allow logs:GetLogEvents")
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

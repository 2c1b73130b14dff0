package deploy

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps"
)

// hasEnded reports whether the holder of a stale lock has ended: its task on ECS, or on this machine what a migration
// left running. Where ECS does not say, the holder has ended when its record says that it has at the latest.
func (d *Deployment) hasEnded(ctx context.Context, h lease.Holder) bool {
	switch {
	case strings.HasPrefix(h.Name, "arn:") && strings.Contains(h.Name, ":task/"):
		status, err := d.taskStatus(ctx, h.Name)
		if err != nil {
			until := latestEnd(h)
			d.warnOnce(h.Name,
				"could not find out whether the task that holds the stale lock is still running", "task", h.Name,
				"error", err.Error(), "waiting_until", until.UTC().Format(time.RFC3339),
				"hint", "allow ecs:DescribeTasks on the tasks of the cluster, or wait until the holder's own deadline",
			)
			return !time.Now().Before(until)
		}
		if status != "" && status != "STOPPED" {
			d.warnOnce(
				h.Name+status, "the lock is stale, but the task that holds it is not stopped", "task", h.Name,
				"status", status,
			)
			return false
		}
	case d.step.Lock == steps.LockEnvironment && h.Name == session.LocalOwner() && IsRunning(h.RunID, 0):
		d.warnOnce(h.RunID, "the lock is stale, but the command of the run that holds it is still running", "run", h.RunID)
		return false
	}
	return true
}

// unknownHold is how long a holder is taken to work that has not said until when: the default time limit of a step, and
// time to stop.
const unknownHold = config.DefaultTimeout + 5*time.Minute

// latestEnd returns when the command of a holder has ended at the latest.
func latestEnd(h lease.Holder) time.Time {
	if h.Until.IsZero() {
		return h.Renewed.Add(unknownHold)
	}
	return h.Until
}

// warnOnce logs a warning about a holder that is looked at again and again.
func (d *Deployment) warnOnce(key, message string, attributes ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Contains(d.warned, key) {
		d.warned = append(d.warned, key)
		d.Log.Warn(message, attributes...)
	}
}

// taskStatus returns the last status of a task of ECS, or "" if ECS does not know it.
func (d *Deployment) taskStatus(ctx context.Context, arn string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	config, err := d.AWS(ctx)
	if err != nil {
		return "", err
	}
	client, err := awsjson.New(
		ctx,
		config,
		awsjson.Service{Name: "ecs", ID: "ECS", Target: "AmazonEC2ContainerServiceV20141113"},
	)
	if err != nil {
		return "", err
	}
	_, path, _ := strings.Cut(arn, ":task/")
	cluster, _, _ := strings.Cut(path, "/")
	var found struct {
		Tasks []struct {
			LastStatus string `json:"lastStatus"`
		} `json:"tasks"`
	}
	err = client.Call(ctx, "DescribeTasks", map[string]any{"cluster": cluster, "tasks": []string{arn}}, &found)
	if err != nil || len(found.Tasks) == 0 {
		return "", err
	}
	return found.Tasks[0].LastStatus, nil
}

// IsRunning reports whether a process of a run is alive on this machine. Each has the run's id in its environment; where
// that cannot be read, the process group of the run's command tells.
func IsRunning(runID string, group int) bool {
	if runtime.GOOS != "linux" {
		return isGroupAlive(group)
	}
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil && runID != "" && bytes.Contains(append([]byte{0}, text...), []byte("\x00RUN_ID="+runID+"\x00")) {
			return true
		}
	}
	return false
}

// isGroupAlive reports whether a process of a group is alive.
func isGroupAlive(group int) bool {
	if group <= 1 {
		return false
	}
	err := syscall.Kill(-group, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

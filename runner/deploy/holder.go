package deploy

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps"
)

// hasEnded reports whether the holder of a stale lock has ended: its task on ECS, or on this machine what a migration
// left running. Where that cannot be found out, the lock's age decides.
func (d *Deployment) hasEnded(ctx context.Context, h lease.Holder) bool {
	switch {
	case strings.HasPrefix(h.Name, "arn:") && strings.Contains(h.Name, ":task/"):
		status, err := d.taskStatus(ctx, h.Name)
		if err != nil {
			d.Log.Warn(
				"could not find out whether the holder of the lock is still running",
				"task",
				h.Name,
				"error",
				err.Error(),
				"hint",
				"allow ecs:DescribeTasks",
			)
			return true
		}
		if status != "" && status != "STOPPED" {
			d.Log.Warn("the lock is stale, but the task that holds it is not stopped", "task", h.Name, "status", status)
			return false
		}
	case d.step.Lock == steps.LockEnvironment && h.Name == session.LocalOwner() && isRunning(h.RunID):
		d.Log.Warn("the lock is stale, but the command of the run that holds it is still running", "run", h.RunID)
		return false
	}
	return true
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

// isRunning reports whether a process of a run is alive on this machine. Each has the run's id in its environment.
func isRunning(runID string) bool {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil && runID != "" && bytes.Contains(append([]byte{0}, text...), []byte("\x00RUN_ID="+runID+"\x00")) {
			return true
		}
	}
	return false
}

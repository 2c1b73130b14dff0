package runner

import (
	"context"
	"strings"
	"time"
)

// task is the Fargate task that the runner is in, as its metadata endpoint (version 4) tells.
type task struct {
	ARN           string    `json:"TaskARN"`
	Cluster       string    `json:"Cluster"`
	PullStartedAt time.Time `json:"PullStartedAt"`
	LaunchType    string    `json:"LaunchType"` // FARGATE, whichever capacity provider of Fargate's it is
	Limits        struct {
		CPU    float64 `json:"CPU"`    // vCPUs
		Memory float64 `json:"Memory"` // MiB
	} `json:"Limits"`
	Storage struct {
		Utilized int64 `json:"Utilized"` // MiB, when we asked
		Reserved int64 `json:"Reserved"` // MiB
	} `json:"EphemeralStorageMetrics"`
}

// metadataPatience bounds the question: the endpoint is on the same host, and a run must not wait for its name.
const metadataPatience = 2 * time.Second

// describeTask asks the endpoint. Without one, or without an answer, the run goes on under no task.
func describeTask(ctx context.Context, endpoint string) (task, error) {
	var t task
	if endpoint == "" {
		return t, nil
	}
	err := askTask(ctx, endpoint+"/task", metadataPatience, &t)
	return t, err
}

// id is the last part of the ARN.
func (t task) id() string { return t.ARN[strings.LastIndexByte(t.ARN, '/')+1:] }

// cluster is the cluster's name; outside of one it is "local".
func (t task) cluster() string {
	if t.Cluster == "" {
		return "local"
	}
	return t.Cluster[strings.LastIndexByte(t.Cluster, '/')+1:]
}

// coldStart is the time from the start of the image's pull to ours; nil where nobody knows.
func (t task) coldStart(started time.Time) *time.Duration {
	if t.PullStartedAt.IsZero() || started.Before(t.PullStartedAt) {
		return nil
	}
	d := started.Sub(t.PullStartedAt)
	return &d
}

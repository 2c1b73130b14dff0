package runner

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// task is the Fargate task that the runner is in, as its metadata endpoint (version 4) tells.
type task struct {
	ARN           string    `json:"TaskARN"`
	Cluster       string    `json:"Cluster"`
	PullStartedAt time.Time `json:"PullStartedAt"`
}

// metadataPatience bounds the question: the endpoint is on the same host, and a run must not wait for its name.
const metadataPatience = 2 * time.Second

// describeTask asks the endpoint. Without one, or without an answer, the run goes on under no task.
func describeTask(ctx context.Context, endpoint string) (task, error) {
	var t task
	if endpoint == "" {
		return t, nil
	}
	ctx, cancel := context.WithTimeout(ctx, metadataPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/task", nil)
	if err != nil {
		return t, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return t, err
	}
	defer response.Body.Close()
	err = json.NewDecoder(http.MaxBytesReader(nil, response.Body, 1<<20)).Decode(&t)
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

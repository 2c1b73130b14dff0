// Package task reads what the ECS task metadata endpoint (version 4) says of the task that the runner is in.
package task

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/sizing/fargate"
)

// Task is the Fargate task that the runner is in; the zero value is none.
type Task struct {
	endpoint string // of the runner's container

	ARN           string    `json:"TaskARN"`
	Cluster       string    `json:"Cluster"`
	PullStartedAt time.Time `json:"PullStartedAt"`
	LaunchType    string    `json:"LaunchType"` // FARGATE, whichever capacity provider of Fargate's it is
	Limits        struct {
		CPU    float64 `json:"CPU"`    // vCPUs
		Memory float64 `json:"Memory"` // MiB
	} `json:"Limits"`
	Containers []container `json:"Containers"`
	Storage    struct {
		Utilized int64 `json:"Utilized"` // MiB, at the time of the request
		Reserved int64 `json:"Reserved"` // MiB
	} `json:"EphemeralStorageMetrics"`
}

// describeTimeout bounds the request: the endpoint is on the same host, and a run must not wait for its task's name.
const describeTimeout = 2 * time.Second

// Describe requests the task from the endpoint; without an endpoint it returns the zero value.
func Describe(ctx context.Context, endpoint string) (Task, error) {
	var t Task
	if endpoint == "" {
		return t, nil
	}
	err := request(ctx, endpoint+"/task", describeTimeout, &t)
	t.endpoint = endpoint
	return t, err
}

// container is one of the task's.
type container struct {
	ID         string            `json:"DockerId"` // the end of its own endpoint
	LogDriver  string            `json:"LogDriver"`
	LogOptions map[string]string `json:"LogOptions"`
}

// LogURL returns the URL of the log stream of the runner's container in AWS's console; "" if it is not known, or the
// log goes elsewhere.
func (t Task) LogURL() string {
	at := slices.IndexFunc(t.Containers, func(c container) bool {
		return c.ID != "" && strings.HasSuffix(t.endpoint, "/"+c.ID)
	})
	if at < 0 && len(t.Containers) == 1 {
		at = 0
	}
	if at < 0 || t.Containers[at].LogDriver != "awslogs" {
		return ""
	}
	options := t.Containers[at].LogOptions
	group, stream := options["awslogs-group"], options["awslogs-stream"]
	region := cmp.Or(options["awslogs-region"], t.Region())
	if group == "" || stream == "" || region == "" {
		return ""
	}
	return fmt.Sprintf("https://%s/cloudwatch/home?region=%s#logsV2:log-groups/log-group/%s/log-events/%s",
		consoleHost(region), url.QueryEscape(region), fragment(group), fragment(stream))
}

// consoleHost returns the host of AWS's console for a region.
func consoleHost(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "console.amazonaws.cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "console.amazonaws-us-gov.com"
	}
	return "console.aws.amazon.com"
}

// fragment escapes a name as the console's own links do: twice, with dollar signs for the percent signs of the second.
func fragment(name string) string {
	return strings.ReplaceAll(url.QueryEscape(url.QueryEscape(name)), "%", "$")
}

// ID returns the last part of the ARN.
func (t Task) ID() string { return t.ARN[strings.LastIndexByte(t.ARN, '/')+1:] }

// ClusterName returns the cluster's name, "local" outside of a cluster.
func (t Task) ClusterName() string {
	if t.Cluster == "" {
		return "local"
	}
	return t.Cluster[strings.LastIndexByte(t.Cluster, '/')+1:]
}

// ColdStart returns the time from the start of the image pull to that of the runner; nil if it is not known.
func (t Task) ColdStart(started time.Time) *time.Duration {
	if t.PullStartedAt.IsZero() || started.Before(t.PullStartedAt) {
		return nil
	}
	d := started.Sub(t.PullStartedAt)
	return &d
}

// Size returns the task's size if it runs on Fargate.
func (t Task) Size() (fargate.Size, bool) {
	if t.LaunchType != "FARGATE" || t.Limits.CPU <= 0 || t.Limits.Memory <= 0 {
		return fargate.Size{}, false
	}
	size := fargate.Size{VCPU: t.Limits.CPU, Memory: t.Limits.Memory / 1024}
	if storage := int(t.Storage.Reserved / 1024); storage > fargate.IncludedStorage {
		size.Storage = storage
	}
	return size, true
}

// Region returns the region in the task's ARN, "" without one.
func (t Task) Region() string {
	if parts := strings.Split(t.ARN, ":"); len(parts) > 3 {
		return parts[3]
	}
	return ""
}

//go:build container

package image

import (
	"slices"
	"testing"
	"time"
)

// TestTheChainHasSidecars is the ECS of the chain with a task of two containers: the second is there before the first one
// needs it, has its health checked, and goes with it.
func TestTheChainHasSidecars(t *testing.T) {
	e := newEngine(t)
	e.busybox(t, sidecarImage, sidecarCommand, "WORKDIR /", "httpd", "wget")
	cloud := newCloud(t, e, sidecarImage, "")
	c := &chain{cloud: cloud}
	const api = "AmazonEC2ContainerServiceV20141113."
	c.call(t, "ecs", api+"CreateCluster", map[string]any{"clusterName": "ci"}, nil)
	port := []map[string]string{{"name": "SERVICE_PORT", "value": "8098"}}
	const waits = "trap 'exit 3' TERM; until wget -qO- http://127.0.0.1:8098/said; do sleep 0.1; done; while :; do sleep 0.2; done"
	c.call(t, "ecs", api+"RegisterTaskDefinition", map[string]any{
		"family": "two", "cpu": "512", "memory": "1024", "containerDefinitions": []map[string]any{
			{"name": "runner", "image": "replaced", "command": []string{"sh", "-c", waits}},
			{"name": "web", "image": sidecarImage, "essential": false, "environment": port, "healthCheck": map[string]any{
				"command": []string{"CMD-SHELL", "wget -qO- http://127.0.0.1:$SERVICE_PORT/said"}, "interval": 1, "timeout": 20,
			}},
		},
	}, nil)
	var ran tasks
	c.call(t, "ecs", api+"RunTask", map[string]any{"cluster": "ci", "taskDefinition": "two"}, &ran)
	healthy, stopping := false, false
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		var now tasks
		c.call(t, "ecs", api+"DescribeTasks", map[string]any{"cluster": "ci", "tasks": []string{ran.Tasks[0].TaskARN}}, &now)
		task := now.Tasks[0]
		healthy = healthy || slices.ContainsFunc(task.Containers, func(one container) bool {
			return one.Name == "web" && one.HealthStatus == "HEALTHY" && one.LastStatus == "RUNNING"
		})
		if healthy && !stopping {
			stopping = true
			c.call(t, "ecs", api+"StopTask", map[string]any{"cluster": "ci", "task": ran.Tasks[0].TaskARN}, nil)
		}
		if task.LastStatus != "STOPPED" {
			if time.Now().After(deadline) {
				t.Fatalf("it does not end: %+v", task)
			}
			continue
		}
		for _, one := range task.Containers {
			if one.LastStatus != "STOPPED" || one.Name == "runner" && (one.ExitCode == nil || *one.ExitCode != 3) {
				t.Errorf("%+v %s", one, task.StoppedReason)
			}
		}
		if len(task.Containers) != 2 || !healthy {
			t.Errorf("healthy: %v, %+v", healthy, task)
		}
		break
	}
	e.empty(t)
}

type tasks struct {
	Tasks []struct {
		TaskARN       string `json:"taskArn"`
		LastStatus    string
		StoppedReason string
		Containers    []container
	}
}

type container struct {
	Name, LastStatus, HealthStatus string
	ExitCode                       *int
}

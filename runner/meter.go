package runner

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/carlin-cicd/runner/runner/process"
)

// taskMeter is the statistics of our container that the task's metadata endpoint has (version 4): Docker's, whose memory is the cgroup's.
//
// Source: Amazon ECS developer guide, "Task metadata endpoint version 4 for tasks on Fargate"; it has none in a container's first second.
type taskMeter struct {
	ctx      context.Context
	endpoint string
}

// meterPatience bounds a question. The end of a command may have to wait for it.
const meterPatience = 500 * time.Millisecond

// meter is what is asked for the usage that our cgroup does not tell; nil outside of a task.
func (r *run) meter() process.Meter {
	if r.Config.Metadata == "" {
		return nil
	}
	return taskMeter{r.Stop.Work, r.Config.Metadata}
}

// Read implements process.Meter.
func (m taskMeter) Read() (process.Reading, bool) {
	var s *struct {
		Read time.Time `json:"read"`
		CPU  struct {
			Usage struct {
				Total int64 `json:"total_usage"` // nanoseconds
			} `json:"cpu_usage"`
		} `json:"cpu_stats"`
		Memory struct {
			Usage int64            `json:"usage"` // bytes
			Stats map[string]int64 `json:"stats"` // those of the cgroup, whose names depend on its version
		} `json:"memory_stats"`
	}
	if err := askTask(m.ctx, m.endpoint+"/stats", meterPatience, &s); err != nil || s == nil || s.Read.IsZero() || s.Memory.Usage <= 0 {
		return process.Reading{}, false
	}
	cache, v1 := s.Memory.Stats["total_inactive_file"]
	if !v1 {
		cache = s.Memory.Stats["inactive_file"]
	}
	return process.Reading{
		At: s.Read, CPU: time.Duration(s.CPU.Usage.Total), Memory: max(s.Memory.Usage-cache, 0), Source: "ECS stats",
	}, true
}

// askTask asks the metadata endpoint.
func askTask(ctx context.Context, url string, patience time.Duration, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return json.NewDecoder(http.MaxBytesReader(nil, response.Body, 1<<20)).Decode(answer)
}

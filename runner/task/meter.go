package task

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/carlin-cicd/runner/runner/process"
)

// meter reads the statistics of the container from the endpoint: Docker's, whose memory figures are the cgroup's.
//
// Source: Amazon ECS developer guide, "Task metadata endpoint version 4 for tasks on Fargate"; it has none in a
// container's first second.
type meter struct {
	ctx      context.Context
	endpoint string
}

// statsTimeout bounds a request. The end of a command may have to wait for it.
const statsTimeout = 500 * time.Millisecond

// NewMeter returns a meter of usage for commands whose cgroup does not show it; nil without an endpoint.
func NewMeter(ctx context.Context, endpoint string) process.Meter {
	if endpoint == "" {
		return nil
	}
	return meter{ctx, endpoint}
}

// Read implements process.Meter.
func (m meter) Read() (process.Reading, bool) {
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
	if err := request(m.ctx, m.endpoint+"/stats", statsTimeout, &s); err != nil || s == nil || s.Read.IsZero() ||
		s.Memory.Usage <= 0 {
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

func request(ctx context.Context, url string, timeout time.Duration, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	get, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(get)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return json.NewDecoder(http.MaxBytesReader(nil, response.Body, 1<<20)).Decode(answer)
}

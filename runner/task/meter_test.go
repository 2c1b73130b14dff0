package task

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/sizing/fargate"
)

// What the endpoint answers, in the form that the ECS agent gives it: Docker's statistics as they are for a cgroup of
// version 1, and of version 2, which has other names and no max_usage. What we do not read is shortened.
const (
	statsV1 = `{"read":"2026-11-20T06:47:36.391793715Z","preread":"2026-11-20T06:47:35.389790758Z","pids_stats":{"current":11},
"blkio_stats":{"io_service_bytes_recursive":[{"major":202,"minor":26368,"op":"Read","value":3452928}],"io_serviced_recursive":[]},"num_procs":0,"storage_stats":{},
"cpu_stats":{"cpu_usage":{"total_usage":42276034312,"percpu_usage":[22256673702,20019360610],"usage_in_kernelmode":4010000000,"usage_in_usermode":38280000000},
"system_cpu_usage":61978880000000,"online_cpus":2,"throttling_data":{"periods":0,"throttled_periods":0,"throttled_time":0}},
"precpu_stats":{"cpu_usage":{"total_usage":41276034312},"system_cpu_usage":61976890000000,"online_cpus":2},
"memory_stats":{"usage":536870912,"max_usage":632012800,"stats":{"active_file":49152,"cache":209764352,"hierarchical_memory_limit":2147483648,"inactive_anon":4096,
"inactive_file":1024,"rss":327106560,"total_active_file":49152,"total_cache":209764352,"total_inactive_file":209715200,"total_rss":327106560},"limit":2147483648},
"name":"runner","id":"0123456789abcdef0123456789abcdef-1234567890","networks":{"eth1":{"rx_bytes":100,"tx_bytes":100}},"network_rate_stats":{"rx_bytes_per_sec":0,"tx_bytes_per_sec":0}}`
	statsV2 = `{"read":"2026-11-20T06:47:36.391793715Z","preread":"0001-01-01T00:00:00Z","pids_stats":{"current":11,"limit":18446744073709551615},
"cpu_stats":{"cpu_usage":{"total_usage":42276034000,"usage_in_kernelmode":4010000000,"usage_in_usermode":38280000000},"system_cpu_usage":61978880000000,"online_cpus":2},
"memory_stats":{"usage":536870912,"stats":{"anon":327106560,"file":209764352,"inactive_file":209715200,"active_file":49152,"slab":1048576},"limit":2147483648},
"name":"runner","id":"0123456789abcdef0123456789abcdef-1234567890"}`
)

func TestTheTasksStatistics(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		status int
		ok     bool
	}{
		"of a cgroup of version 1":             {statsV1, 200, true},
		"of a cgroup of version 2":             {statsV2, 200, true},
		"none yet, in its first second":        {"null", 200, false},
		"nothing in them":                      {"{}", 200, false},
		"no memory in them, as for a dead one": {`{"read":"2026-11-20T06:47:36Z","cpu_stats":{"cpu_usage":{"total_usage":1}},"memory_stats":{}}`, 200, false},
		"no JSON":                              {"404 page not found", 404, false},
		"an answer that is cut off":            {statsV1[:200], 200, false},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v4/x/stats" {
					t.Errorf("asked for %s", r.URL.Path)
				}
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.answer)
			}))
			defer server.Close()
			got, ok := meter{t.Context(), server.URL + "/v4/x"}.Read()
			if ok != c.ok {
				t.Fatalf("%v %+v", ok, got)
			}
			if ok &&
				(got.Memory != (512-200)<<20 || got.CPU.Round(time.Microsecond) != 42276034*time.Microsecond || got.At.Unix() != 1795157256 || got.Source != "ECS stats") {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestATaskThatDoesNotAnswerIsNotWaitedFor(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	begun := time.Now()
	if _, ok := (meter{t.Context(), server.URL}).Read(); ok || time.Since(begun) > 20*statsTimeout {
		t.Errorf("%v after %s", ok, time.Since(begun))
	}
}

func TestTheSizeOfATask(t *testing.T) {
	var fargateTask Task
	fargateTask.ARN, fargateTask.LaunchType = "arn:aws:ecs:eu-west-1:123456789012:task/ci/0123456789abcdef0123456789abcdef", "FARGATE"
	fargateTask.Limits.CPU, fargateTask.Limits.Memory = 0.5, 2048
	large, ec2, unlimited := fargateTask, fargateTask, fargateTask
	large.Storage.Reserved = 40*1024 + 16
	ec2.LaunchType = "EC2"
	unlimited.Limits.Memory = 0
	fargateTask.Storage.Reserved = 20496
	for name, c := range map[string]struct {
		Task Task
		want fargate.Size
		ok   bool
	}{
		"with the disk that is included": {fargateTask, fargate.Size{VCPU: 0.5, Memory: 2}, true},
		"with more":                      {large, fargate.Size{VCPU: 0.5, Memory: 2, Storage: 40}, true},
		"on a machine of one's own":      {ec2, fargate.Size{}, false},
		"without limits":                 {unlimited, fargate.Size{}, false},
		"outside of one":                 {Task{}, fargate.Size{}, false},
	} {
		if got, ok := c.Task.Size(); ok != c.ok || got != c.want {
			t.Errorf("%s: %v %v", name, got, ok)
		}
	}
	if fargateTask.Region() != "eu-west-1" || (Task{}).Region() != "" {
		t.Error(fargateTask.Region())
	}
}

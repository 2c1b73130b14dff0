package runner

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/results"
)

// figuresWorkspace has a step with tests of all kinds, two sets of files, coverage and a second of work.
var figuresWorkspace = map[string]string{
	"runner.yaml": `version: 1
steps:
  test:
    command: sh work.sh
    reports: [junit.xml]
    artifacts:
      - { name: coverage, path: coverage, when: always }
      - { name: pages, path: pages, when: always }
`,
	"work.sh": `mkdir -p coverage pages
printf 'SF:a.js\nLF:10\nLH:8\nend_of_record\n' >coverage/lcov.info
head -c 300000 /dev/zero >pages/a; head -c 20 /dev/zero >pages/b
cat >junit.xml <<'END'
<testsuite name="s" tests="6">
<testcase classname="c" name="fine"/><testcase classname="c" name="fine too"/>
<testcase classname="c" name="left out"><skipped/></testcase>
<testcase classname="c" name="once"><flakyFailure message="once"/></testcase>
<testcase classname="c" name="red"><failure message="no">no</failure></testcase>
<testcase classname="c" name="broken"><error message="no">no</error></testcase>
</testsuite>
END
i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 2.2`,
}

// finished.json has what the run did and cost, and the metrics have the figures of finished.json. That the other
// outputs have them, too, is checked in package present.
func TestRecordAndMetricsHaveTheFiguresOfTheRun(t *testing.T) {
	dir := t.TempDir()
	for name, text := range figuresWorkspace {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pulled := time.Now().Add(-75 * time.Second)
	metadata := fargateMetadata(t, pulled)
	var stdout bytes.Buffer
	o := Run(t.Context(), Invocation{
		Variables: map[string]string{
			"PIPELINE_STEP": "test", "PATH": os.Getenv("PATH"), "RUNNER_WORKSPACE": dir, "RUNNER_LOG_FORMAT": "text",
			"BRANCH": "main", "GIT_SHA": strings.Repeat("ab", 20),
			"ARTIFACT_BUCKET": "file://" + filepath.Join(dir, "store"), "ECS_CONTAINER_METADATA_URI_V4": metadata,
		},
		Stdout: &stdout, Stderr: &stdout, Version: "test", Started: time.Now(),
	})
	if o.Reason != record.Results {
		t.Fatalf("%+v\n%s", o, &stdout)
	}
	f, emf := readFigures(t, filepath.Join(dir, "store/runs/main/*/test/*"))

	size := float64(f.Artifacts[0].Bytes + f.Artifacts[1].Bytes)
	billed := math.Ceil(f.EndedAt.Sub(pulled).Seconds())
	dollars := math.Round(1e6*billed/3600*(0.04656+2*0.00511)) / 1e6
	for name, figures := range map[string][2]any{
		"tests":         {f.Tests.Counts, results.Counts{Total: 6, Failed: 1, Errored: 1, Skipped: 1, Flaky: 1}},
		"coverage":      {f.Coverage.LinePercent, 80.0},
		"files":         {f.Artifacts[0].Files + f.Artifacts[1].Files, 3},
		"billed":        {f.Cost.Seconds, billed},
		"cost":          {f.Cost.Dollars, dollars},
		"capacity":      {f.Cost.Capacity, "on demand"},
		"hypothetical":  {f.Cost.Would, false},
		"CPU limit":     {f.Usage.CPULimit > 0, true},
		"CPU":           {f.Usage.CPUSeconds > 0, true},
		"memory":        {f.Usage.PeakMemory > 0 && f.Usage.MemoryLimit > 0 && f.Usage.MemoryLimit <= 2<<30, true},
		"time":          {f.Seconds >= 2.2, true},
		"samples":       {len(f.Usage.Samples.CPU), len(f.Usage.Samples.Seconds)},
		"Runs":          {emf["Runs"], 1.0},
		"Failures":      {emf["Failures"], 1.0},
		"Duration":      {emf["Duration"], f.Seconds},
		"Tests":         {emf["Tests"], 6.0},
		"TestsFailed":   {emf["TestsFailed"], 2.0},
		"TestsFlaky":    {emf["TestsFlaky"], 1.0},
		"ArtifactFiles": {emf["ArtifactFiles"], 3.0},
		"ArtifactBytes": {emf["ArtifactBytes"], size},
		"PeakMemory":    {emf["PeakMemory"], float64(f.Usage.PeakMemory)},
		"CPUSeconds":    {emf["CPUSeconds"], f.Usage.CPUSeconds},
		"Cost":          {emf["Cost"], f.Cost.Dollars},
		"LineCoverage":  {emf["LineCoverage"], 80.0},
	} {
		if figures[0] != figures[1] {
			t.Errorf("%s: %v, want %v", name, figures[0], figures[1])
		}
	}
	// A later run of the same task does not pay for the task's start again.
	o = Run(t.Context(), Invocation{
		Variables: map[string]string{
			"PIPELINE_STEP": "test", "PATH": os.Getenv("PATH"), "RUNNER_WORKSPACE": dir, "RUNNER_LOG_FORMAT": "text",
			"BRANCH": "later", "GIT_SHA": strings.Repeat("ab", 20),
			"ARTIFACT_BUCKET": "file://" + filepath.Join(dir, "store"), "ECS_CONTAINER_METADATA_URI_V4": metadata,
		},
		Stdout: io.Discard, Stderr: io.Discard, Version: "test", Started: time.Now(), Follows: true,
	})
	if later, _ := readFigures(t, filepath.Join(dir, "store/runs/later/*/test/*")); later.Cost.Seconds != math.Ceil(max(later.Seconds, 60)) {
		t.Errorf("a later run of %+v is billed for %v seconds", o, later.Cost.Seconds)
	}
	if cold, ok := emf["ColdStart"].(float64); !ok || math.Abs(cold-f.StartedAt.Sub(pulled).Seconds()) > 0.002 {
		t.Errorf("the metric ColdStart is %v", emf["ColdStart"])
	}
}

// fargateMetadata serves the metadata of a task of 1 vCPU and 2 GB, and returns the endpoint.
func fargateMetadata(t *testing.T, pulled time.Time) string {
	const path = "/v4/0123456789abcdef0123456789abcdef-1234567890"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case path + "/task":
			fmt.Fprintf(
				w,
				`{"Cluster":"arn:aws:ecs:eu-central-1:123456789012:cluster/Cluster","TaskARN":"arn:aws:ecs:eu-central-1:123456789012:task/ci/0123456789abcdef0123456789abcdef","Family":"ci-test","LaunchType":"FARGATE",
				"Limits":{"CPU":1,"Memory":2048},"PullStartedAt":%q,"EphemeralStorageMetrics":{"Utilized":298,"Reserved":20496}}`,
				pulled.UTC().Format(time.RFC3339Nano),
			)
		case path + "/stats":
			fmt.Fprint(
				w,
				strings.Replace(
					statsV1, "2026-11-20T06:47:36.391793715Z", time.Now().UTC().Format(time.RFC3339Nano), 1,
				),
			)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL + path
}

// readFigures reads finished.json and the line of metrics in the stored log.
func readFigures(t *testing.T, folder string) (f record.Run, emf map[string]any) {
	t.Helper()
	read := func(name string) []byte {
		matches, _ := filepath.Glob(filepath.Join(folder, name))
		if len(matches) != 1 {
			t.Fatalf("%s: %v", name, matches)
		}
		text, err := os.ReadFile(matches[0])
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if err := json.Unmarshal(read("finished.json"), &f); err != nil {
		t.Fatal(err)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(read("log.jsonl.gz")))
	if err != nil {
		t.Fatal(err)
	}
	log, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(log) {
		if bytes.Contains(line, []byte(`"_aws"`)) {
			if err := json.Unmarshal(line, &emf); err != nil {
				t.Fatal(err)
			}
			return f, emf
		}
	}
	t.Fatalf("no metrics in\n%s", log)
	return f, nil
}

// statsV1 is an answer of the ECS agent with the statistics of a container, without what is not read.
const statsV1 = `{"read":"2026-11-20T06:47:36.391793715Z","preread":"2026-11-20T06:47:35.389790758Z","pids_stats":{"current":11},
"blkio_stats":{"io_service_bytes_recursive":[{"major":202,"minor":26368,"op":"Read","value":3452928}],"io_serviced_recursive":[]},"num_procs":0,"storage_stats":{},
"cpu_stats":{"cpu_usage":{"total_usage":42276034312,"percpu_usage":[22256673702,20019360610],"usage_in_kernelmode":4010000000,"usage_in_usermode":38280000000},
"system_cpu_usage":61978880000000,"online_cpus":2,"throttling_data":{"periods":0,"throttled_periods":0,"throttled_time":0}},
"precpu_stats":{"cpu_usage":{"total_usage":41276034312},"system_cpu_usage":61976890000000,"online_cpus":2},
"memory_stats":{"usage":536870912,"max_usage":632012800,"stats":{"active_file":49152,"cache":209764352,"hierarchical_memory_limit":2147483648,"inactive_anon":4096,
"inactive_file":1024,"rss":327106560,"total_active_file":49152,"total_cache":209764352,"total_inactive_file":209715200,"total_rss":327106560},"limit":2147483648},
"name":"runner","id":"0123456789abcdef0123456789abcdef-1234567890","networks":{"eth1":{"rx_bytes":100,"tx_bytes":100}},"network_rate_stats":{"rx_bytes_per_sec":0,"tx_bytes_per_sec":0}}`

package runner

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
)

// The step of which everybody tells: red tests and others, two sets of files, coverage, and a second of work.
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

// The summary, the record, the line of metrics, the page, the Markdown and the dashboard show the same numbers for the same run.
func TestAllWhoTellOfARunTellTheSame(t *testing.T) {
	dir := t.TempDir()
	for name, text := range figuresWorkspace {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const path = "/v4/0123456789abcdef0123456789abcdef-1234567890"
	pulled := time.Now().Add(-75 * time.Second)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case path + "/task":
			fmt.Fprintf(w, `{"Cluster":"arn:aws:ecs:eu-central-1:123456789012:cluster/Cluster","TaskARN":"arn:aws:ecs:eu-central-1:123456789012:task/ci/0123456789abcdef0123456789abcdef","Family":"ci-test","LaunchType":"FARGATE",
				"Limits":{"CPU":1,"Memory":2048},"PullStartedAt":%q,"EphemeralStorageMetrics":{"Utilized":298,"Reserved":20496}}`, pulled.UTC().Format(time.RFC3339Nano))
		case path + "/stats":
			fmt.Fprint(w, strings.Replace(statsV1, "2026-11-20T06:47:36.391793715Z", time.Now().UTC().Format(time.RFC3339Nano), 1))
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	var stdout bytes.Buffer
	markdown := filepath.Join(t.TempDir(), "summary.md")
	o := Run(t.Context(), Invocation{
		Variables: map[string]string{
			"PIPELINE_STEP": "test", "PATH": os.Getenv("PATH"), "RUNNER_WORKSPACE": dir, "RUNNER_LOG_FORMAT": "text", "BRANCH": "main", "GIT_SHA": strings.Repeat("ab", 20),
			"ARTIFACT_BUCKET": "file://" + filepath.Join(dir, "store"), "GITHUB_STEP_SUMMARY": markdown, "ECS_CONTAINER_METADATA_URI_V4": server.URL + path,
		},
		Stdout: &stdout, Stderr: &stdout, Version: "test", Started: time.Now(),
	})
	if o.Reason != record.Results {
		t.Fatalf("%+v\n%s", o, &stdout)
	}

	runs, err := filepath.Glob(filepath.Join(dir, "store/runs/main/*/test/*/finished.json"))
	if err != nil || len(runs) != 1 {
		t.Fatalf("%v %v", runs, err)
	}
	var f record.Run
	parse(t, readText(t, runs[0]), &f)
	emf := metricsLine(t, filepath.Join(filepath.Dir(runs[0]), "log.jsonl.gz"))

	// The record and the line of metrics.
	files, size := 0, int64(0)
	for _, a := range f.Artifacts {
		files, size = files+a.Files, size+a.Bytes
	}
	for name, want := range map[string]float64{
		"Runs": 1, "Failures": 1, "Duration": f.Seconds, "Tests": float64(f.Tests.Total), "TestsFailed": float64(f.Tests.Failed + f.Tests.Errored), "TestsFlaky": float64(f.Tests.Counts.Flaky),
		"ArtifactFiles": float64(files), "ArtifactBytes": float64(size), "PeakMemory": float64(f.Usage.PeakMemory), "CPUSeconds": f.Usage.CPUSeconds,
		"ColdStart": record.Seconds(f.StartedAt.Sub(pulled)), "Cost": f.Cost.Dollars, "LineCoverage": f.Coverage.Lines.Percent(),
	} {
		if got, ok := emf.line[name].(float64); !ok || math.Abs(got-want) > 0.002 || name != "ColdStart" && name != "LineCoverage" && got != want {
			t.Errorf("the line of metrics has %s %v, the record %v", name, emf.line[name], want)
		}
	}
	if files != 3 || size < 300000 || f.Tests.Total != 6 || f.Tests.Counts.Flaky != 1 || f.Usage.PeakMemory <= 0 || f.Usage.CPUSeconds <= 0 || f.Seconds < 2.2 || f.Coverage.Lines.Total != 10 {
		t.Errorf("that is no run to compare figures of: %+v", f)
	}
	if f.Usage.Samples == nil || len(f.Usage.Samples.CPU) != len(f.Usage.Samples.Seconds) || f.Usage.MemoryLimit <= 0 || f.Usage.MemoryLimit > 2<<30 || f.Usage.CPULimit <= 0 {
		t.Errorf("%+v", f.Usage)
	}
	billed := math.Ceil(f.EndedAt.Sub(pulled).Seconds())
	if want := math.Round((billed/3600*(0.04656+2*0.00511))*1e6) / 1e6; f.Cost.Seconds != billed || f.Cost.Dollars != want || f.Cost.Would || f.Cost.Capacity != "on demand" {
		t.Errorf("%+v, want %v s and %v", f.Cost, billed, want)
	}

	// Those for people, each in its own words.
	texts := map[string]string{"the summary": stdout.String(), "the Markdown": readText(t, markdown), "the page": visible(readText(t, filepath.Join(filepath.Dir(runs[0]), "report.html")))}
	for who, text := range texts {
		for _, want := range []string{
			units.Duration(record.Duration(f.Seconds)), "3 passed", "1 failed", "1 errored", "1 skipped", "6 in all",
			"1 file, " + units.Size(f.Artifacts[0].Bytes), "2 files, " + units.Size(f.Artifacts[1].Bytes),
			"80.0 %", "peak " + units.Size(f.Usage.PeakMemory), fmt.Sprintf("%.1f s of CPU", f.Usage.CPUSeconds), f.Usage.Fargate + " would fit", present.CostLine(f.Cost),
		} {
			if who == "the page" { // which has its own words for some
				want = strings.NewReplacer("1 failed", "2 failed", "1 errored", "", "6 in all", "", "1 file, ", "", "2 files, ", "").Replace(want)
			}
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q:\n%s", who, want, text)
			}
		}
	}
	t.Run("the dashboard", func(t *testing.T) { emf.compare(t, f) })
}

// metrics is a line of metrics as CloudWatch takes it.
type metrics struct {
	line map[string]any
	of   []struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []struct{ Name, Unit string }
	}
}

func metricsLine(t *testing.T, name string) (m metrics) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	log, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		if !strings.Contains(line, `"_aws"`) {
			continue
		}
		parse(t, line, &m.line)
		text, _ := json.Marshal(m.line["_aws"].(map[string]any)["CloudWatchMetrics"])
		parse(t, string(text), &m.of)
		return m
	}
	t.Fatalf("no line of metrics in\n%s", log)
	return m
}

// value is what CloudWatch shows of a metric with these dimensions if this line is all that there is in the period, by any of the
// statistics that the dashboard uses.
func (m metrics) value(t *testing.T, namespace, name string, dimensions map[string]string) float64 {
	t.Helper()
	for dimension, value := range dimensions {
		if m.line[dimension] != value {
			t.Fatalf("%s is %v, not %s", dimension, m.line[dimension], value)
		}
	}
	for _, d := range m.of {
		for _, set := range d.Dimensions {
			if d.Namespace != namespace || len(set) != len(dimensions) {
				continue
			}
			for _, metric := range d.Metrics {
				if metric.Name == name {
					return m.line[name].(float64)
				}
			}
		}
	}
	t.Fatalf("nobody emits %s %s by %v", namespace, name, dimensions)
	return 0
}

// compare works out what the dashboard of cicd.yaml shows of the run.
func (m metrics) compare(t *testing.T, f record.Run) {
	var template struct {
		Resources map[string]struct {
			Properties struct {
				DashboardBody map[string][]any `yaml:"DashboardBody"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	text := readText(t, "../infra/cicd.yaml")
	from := strings.Index(text, "\n  Dashboard:\n")
	to := strings.Index(text, "\nOutputs:\n")
	if err := yaml.Unmarshal([]byte("Resources:"+text[from:to]), &template); err != nil {
		t.Fatal(err)
	}
	body := strings.NewReplacer("${TestMemory}", "2048", "${Cluster}", "Cluster").Replace(template.Resources["Dashboard"].Properties.DashboardBody["Fn::Sub"][0].(string))
	body = regexp.MustCompile(`\$\{[^}]*\}`).ReplaceAllString(body, "1")
	var dashboard struct {
		Widgets []struct {
			Properties struct {
				Title, Query string
				Metrics      [][]any
			}
		}
	}
	parse(t, body, &dashboard)
	shown := map[string]float64{}
	for _, w := range dashboard.Widgets {
		var last []any
		ids, formulas := map[string]float64{}, map[string]string{}
		for _, row := range w.Properties.Metrics {
			options, _ := row[len(row)-1].(map[string]any)
			if formula, ok := options["expression"].(string); ok {
				formulas[options["label"].(string)] = formula
				continue
			}
			if options != nil {
				row = row[:len(row)-1]
			}
			row = spelledOut(row, last)
			last = row
			dimensions := map[string]string{}
			for i := 2; i < len(row); i += 2 {
				dimensions[row[i].(string)] = row[i+1].(string)
			}
			if row[0] != "Carlin/CICD" || dimensions["Step"] != "" && dimensions["Step"] != f.Step {
				continue
			}
			value := m.value(t, row[0].(string), row[1].(string), dimensions)
			if id, ok := options["id"].(string); ok {
				ids[id] = value
			} else {
				shown[w.Properties.Title+": "+row[1].(string)] = value
			}
		}
		if formula, ok := formulas[f.Step]; ok {
			shown[w.Properties.Title] = calculated(t, formula, ids)
		}
		if sum := regexp.MustCompile(`filter Runs = 1 and ispresent\((\w+)\) \| stats sum\((\w+)\)`).FindStringSubmatch(w.Properties.Query); sum != nil && sum[1] == sum[2] && m.line["Runs"] == 1.0 {
			shown[w.Properties.Title] = m.line[sum[1]].(float64)
		}
	}
	for title, want := range map[string]float64{
		"Duration of steps, seconds: Duration": f.Seconds, "Tests: Tests": float64(f.Tests.Total), "Tests: TestsFailed": float64(f.Tests.Failed + f.Tests.Errored), "Tests: TestsFlaky": float64(f.Tests.Counts.Flaky),
		"Memory, % of the task's": 100 * float64(f.Usage.PeakMemory) / (2 << 30), "Fargate, dollars by list price": f.Cost.Dollars,
		"Waiting for a task, seconds: ColdStart": m.line["ColdStart"].(float64),
	} {
		if got, ok := shown[title]; !ok || math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: the dashboard shows %v, the run was %v", title, got, want)
		}
		delete(shown, title)
	}
	if len(shown) > 0 {
		t.Errorf("nobody has compared %v", shown)
	}
}

// spelledOut is a row of a widget without its abbreviations: "." for what is above, "..." for all that is above and not here.
func spelledOut(row, above []any) []any {
	if row[0] == "..." {
		return append(append([]any{}, above[:len(above)-len(row)+1]...), row[1:]...)
	}
	full := append([]any{}, row...)
	for i, v := range full {
		if v == "." {
			full[i] = above[i]
		}
	}
	return full
}

// calculated works out a*b/c/d, whose parts are numbers or ids.
func calculated(t *testing.T, formula string, ids map[string]float64) float64 {
	t.Helper()
	result, divide := 1.0, false
	for _, part := range regexp.MustCompile(`[*/]|[^*/]+`).FindAllString(formula, -1) {
		if part == "*" || part == "/" {
			divide = part == "/"
			continue
		}
		value, known := ids[part]
		if !known {
			var err error
			if value, err = strconv.ParseFloat(part, 64); err != nil {
				t.Fatalf("%s: %v", formula, err)
			}
		}
		if divide {
			value = 1 / value
		}
		result *= value
	}
	return result
}

func parse(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
}

func readText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// visible is the text of a page.
func visible(page string) string {
	page = regexp.MustCompile(`(?s)<(style|script)\b.*?</(style|script)>|<[^>]*>`).ReplaceAllString(page, " ")
	return strings.Join(strings.Fields(html.UnescapeString(page)), " ")
}

// The container statistics of the ECS agent, shortened to what is read.
const (
	statsV1 = `{"read":"2026-11-20T06:47:36.391793715Z","preread":"2026-11-20T06:47:35.389790758Z","pids_stats":{"current":11},
"blkio_stats":{"io_service_bytes_recursive":[{"major":202,"minor":26368,"op":"Read","value":3452928}],"io_serviced_recursive":[]},"num_procs":0,"storage_stats":{},
"cpu_stats":{"cpu_usage":{"total_usage":42276034312,"percpu_usage":[22256673702,20019360610],"usage_in_kernelmode":4010000000,"usage_in_usermode":38280000000},
"system_cpu_usage":61978880000000,"online_cpus":2,"throttling_data":{"periods":0,"throttled_periods":0,"throttled_time":0}},
"precpu_stats":{"cpu_usage":{"total_usage":41276034312},"system_cpu_usage":61976890000000,"online_cpus":2},
"memory_stats":{"usage":536870912,"max_usage":632012800,"stats":{"active_file":49152,"cache":209764352,"hierarchical_memory_limit":2147483648,"inactive_anon":4096,
"inactive_file":1024,"rss":327106560,"total_active_file":49152,"total_cache":209764352,"total_inactive_file":209715200,"total_rss":327106560},"limit":2147483648},
"name":"runner","id":"0123456789abcdef0123456789abcdef-1234567890","networks":{"eth1":{"rx_bytes":100,"tx_bytes":100}},"network_rate_stats":{"rx_bytes_per_sec":0,"tx_bytes_per_sec":0}}`
)

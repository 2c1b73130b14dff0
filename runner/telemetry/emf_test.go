package telemetry

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
)

// CloudWatch drops a directive without a word if it names a metric or a dimension that the line does not have.
func TestTheLineHasWhatItsDirectiveNames(t *testing.T) {
	cold := 12 * time.Second
	for name, r := range map[string]Metrics{
		"with all there is": {
			Cluster: "ci", Step: "test", Environment: "staging", Reason: "failure", RunID: "r", Branch: "main", SHA: "abc", Failed: true, Duration: 1500 * time.Millisecond,
			Tests: &TestCounts{Total: 10, Failed: 2, Flaky: 1}, ArtifactFiles: 3, ArtifactBytes: 4096, PeakMemory: 1 << 20, CPU: time.Second, ColdStart: &cold,
		},
		"with the least": {Cluster: "local", Step: "build", Reason: "success"},
	} {
		t.Run(name, func(t *testing.T) {
			line := EMF(r, time.UnixMilli(1700000000123))
			if bytes.ContainsAny(line, "\n") {
				t.Error("it is more than one line")
			}
			var root map[string]any
			var meta struct {
				AWS struct {
					Timestamp         int64
					CloudWatchMetrics []struct {
						Namespace  string
						Dimensions [][]string
						Metrics    []struct{ Name, Unit string }
					}
				} `json:"_aws"`
			}
			if err := json.Unmarshal(line, &root); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(line, &meta); err != nil {
				t.Fatal(err)
			}
			if meta.AWS.Timestamp != 1700000000123 || len(meta.AWS.CloudWatchMetrics) != 1 {
				t.Fatalf("%s", line)
			}
			d := meta.AWS.CloudWatchMetrics[0]
			if d.Namespace != "Carlin/CICD" {
				t.Errorf("namespace is %s", d.Namespace)
			}
			sets := 2
			if r.Environment != "" {
				sets = 3
			}
			if len(d.Dimensions) != sets {
				t.Errorf("dimensions are %v", d.Dimensions)
			}
			for _, set := range d.Dimensions {
				for _, dimension := range set {
					if value, ok := root[dimension].(string); !ok || value == "" {
						t.Errorf("dimension %s has no value", dimension)
					}
					if dimension == "Branch" || dimension == "Sha" {
						t.Errorf("%s is a dimension", dimension)
					}
				}
			}
			for _, m := range d.Metrics {
				if _, ok := root[m.Name].(float64); !ok || m.Unit == "" {
					t.Errorf("metric %s is %v", m.Name, root[m.Name])
				}
			}
			if _, has := root["Tests"]; has != (r.Tests != nil) {
				t.Error("tests are counted where none were read, or not counted")
			}
		})
	}
	var root map[string]any
	json.Unmarshal(EMF(Metrics{Failed: true, Duration: 2470 * time.Millisecond}, time.Now()), &root)
	if root["Runs"] != 1.0 || root["Failures"] != 1.0 || root["Duration"] != 2.47 {
		t.Errorf("%v", root)
	}
}

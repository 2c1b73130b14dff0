package present

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/record"
)

func TestMetricsHaveTheFiguresOfTheRecord(t *testing.T) {
	run := failedRun()
	var line map[string]any
	if err := json.Unmarshal(EMF(run, time.UnixMilli(1)), &line); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"Cluster": "ci", "Step": "test", "Reason": "failure", "RunId": "01k", "Branch": "main", "Sha": sampleSHA,
		"Runs": 1.0, "Failures": 1.0, "Duration": 61.5, "ColdStart": 14.0, "Tests": 214.0, "TestsFailed": 2.0, "TestsFlaky": 1.0,
		"ArtifactFiles": 2.0, "ArtifactBytes": float64(3 << 20), "PeakMemory": float64(1 << 30), "CPUSeconds": 42.0,
		"Cost": 0.0012, "LineCoverage": 83.1,
	} {
		if line[name] != want {
			t.Errorf("%s is %v, want %v", name, line[name], want)
		}
	}
}

func TestMetricsLeaveOutWhatIsUnknown(t *testing.T) {
	run := record.Run{Passed: true, Reason: record.Success, Cost: &record.Cost{Dollars: 1, Would: true}}
	var line map[string]any
	if err := json.Unmarshal(EMF(run, time.UnixMilli(1)), &line); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Cost", "LineCoverage", "Tests", "ColdStart", "Environment"} {
		if v, ok := line[name]; ok {
			t.Errorf("%s is %v", name, v)
		}
	}
	if line["Failures"] != 0.0 {
		t.Errorf("Failures is %v", line["Failures"])
	}
}

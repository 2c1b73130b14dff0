package runner

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/fargate"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
)

func TestListsOfNumbersTakeALine(t *testing.T) {
	record := map[string]any{
		"numbers": []float64{0, -1.5, 2e-9, 3e21}, "one": []int{7}, "none": []int{}, "words": []string{"1", "2"}, "mixed": []any{1, "2"},
		"objects": []map[string]int{{"a": 1}}, "nested": [][]int{{1, 2}, {3}},
		"text": "like a list: [\n  1,\n  2\n]", "quoted": `"x": [ 1, 2 ]`,
	}
	text, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	compact := compactNumbers(text)
	var before, after any
	if err := json.Unmarshal(text, &before); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(compact, &after); err != nil || !reflect.DeepEqual(before, after) {
		t.Errorf("%v: another record\n%s", err, compact)
	}
	for _, want := range []string{`"numbers": [0,-1.5,2e-9,3e+21],`, `"one": [7],`, "\"words\": [\n    \"1\",\n", "\"mixed\": [\n    1,\n"} {
		if !strings.Contains(string(compact), want) {
			t.Errorf("no %s in\n%s", want, compact)
		}
	}
}

func TestTheRecordSaysWhatTheAdviceIsGivenFor(t *testing.T) {
	u := &record.Usage{Seconds: 3, CPUSeconds: 2, PeakMemory: 5, MemoryLimit: 9, CPULimit: 2, DiskGrowth: 4, Storage: 8}
	u.Samples = samplesRecord([]process.Sample{{At: time.Second, CPU: 1}, {At: 2 * time.Second, CPU: 0.256}, {At: 4 * time.Second, CPU: 2}}, 10*time.Second)
	if want := []float64{11, 12, 14}; !reflect.DeepEqual(u.Samples.Seconds, want) {
		t.Errorf("%v", u.Samples.Seconds)
	}
	want := fargate.Run{Loads: []fargate.Load{{Cores: 0.26, For: time.Second}, {Cores: 2, For: 2 * time.Second}}, PeakMemory: 5, MemoryLimit: 9, CPULimit: 2, Disk: 8}
	if got := seenBy(u, record.Failure); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	for reason, cut := range map[record.Reason]bool{record.Success: false, record.Results: false, record.Timeout: true, record.Cancelled: true, record.Signalled: true, record.OOM: false} {
		if got := seenBy(u, reason); got.Cut != cut || got.OutOfMemory != (reason == record.OOM) {
			t.Errorf("%s: %+v", reason, got)
		}
	}
	u.Samples = nil
	if got := seenBy(u, record.Success).Loads; len(got) != 1 || got[0].For != 3*time.Second || got[0].Cores < 0.66 || got[0].Cores > 0.67 {
		t.Errorf("without samples it is the average: %+v", got)
	}
	u.Seconds = 0.9
	if got := seenBy(u, record.Success).Loads; got != nil {
		t.Errorf("of less than a second nothing is known: %+v", got)
	}
}

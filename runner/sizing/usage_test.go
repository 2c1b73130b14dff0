package sizing

import (
	"reflect"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/sizing/fargate"
)

func TestTheRecordSaysWhatTheAdviceIsGivenFor(t *testing.T) {
	u := &record.Usage{Seconds: 3, CPUSeconds: 2, PeakMemory: 5, MemoryLimit: 9, CPULimit: 2, DiskGrowth: 4, Storage: 8}
	u.Samples = recordSamples(
		[]process.Sample{{At: time.Second, CPU: 1}, {At: 2 * time.Second, CPU: 0.256}, {At: 4 * time.Second, CPU: 2}},
		10*time.Second,
	)
	if want := []float64{11, 12, 14}; !reflect.DeepEqual(u.Samples.Seconds, want) {
		t.Errorf("%v", u.Samples.Seconds)
	}
	want := fargate.Run{
		Loads:       []fargate.Load{{Cores: 0.26, For: time.Second}, {Cores: 2, For: 2 * time.Second}},
		PeakMemory:  5,
		MemoryLimit: 9,
		CPULimit:    2,
		Disk:        8,
	}
	if got := observe(u, record.Failure); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	for reason, cut := range map[record.Reason]bool{record.Success: false, record.Results: false, record.Timeout: true, record.Cancelled: true, record.Signalled: true, record.OOM: false} {
		if got := observe(u, reason); got.Cut != cut || got.OutOfMemory != (reason == record.OOM) {
			t.Errorf("%s: %+v", reason, got)
		}
	}
	u.Samples = nil
	if got := observe(u, record.Success).Loads; len(got) != 1 || got[0].For != 3*time.Second || got[0].Cores < 0.66 ||
		got[0].Cores > 0.67 {
		t.Errorf("without samples it is the average: %+v", got)
	}
	u.Seconds = 0.9
	if got := observe(u, record.Success).Loads; got != nil {
		t.Errorf("of less than a second nothing is known: %+v", got)
	}
}

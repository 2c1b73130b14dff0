package sizing

import (
	"reflect"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/sizing/fargate"
	"github.com/carlin-cicd/runner/runner/task"
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

// The same suite gets the same advice, whatever one run of it took; short runs and those that ran out of memory give
// none, and do not count.
func TestTheAdviceIsThatOfTheLastRuns(t *testing.T) {
	const gib = 1 << 30
	entry := func(seconds float64, memory int64, oom bool) record.Entry {
		return record.Entry{Usage: &record.EntryUsage{Seconds: seconds, Memory: memory, Cores: 0.4, High: 0.5, OOM: oom}}
	}
	var earlier []record.Entry
	for i := range 18 {
		earlier = append(earlier, entry(60, gib+int64(i)<<20, false))
	}
	earlier = append(earlier, entry(60, 7*gib, false), entry(5, 30*gib, false), entry(60, 30*gib, true))
	advice := func(seconds float64, memory int64, reason record.Reason) string {
		u := &record.Usage{Seconds: seconds, CPUSeconds: 0.4 * seconds, PeakMemory: memory}
		advise(u, reason, observe(u, reason), earlier)
		return u.Fargate
	}
	usual := advice(60, gib, record.Success)
	if usual != "0.5 vCPU, 2 GB" {
		t.Errorf("%s", usual)
	}
	for name, got := range map[string]string{
		"a run with more memory": advice(60, 3*gib, record.Success), "one with less": advice(60, gib/4, record.Failure),
	} {
		if got != usual {
			t.Errorf("%s: %s, want %s", name, got, usual)
		}
	}
	for name, got := range map[string]string{
		"a short run": advice(29, gib, record.Success), "out of memory": advice(60, gib, record.OOM),
	} {
		if got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestTheDiskIsTheTasksOwn(t *testing.T) {
	result := &process.Result{Wall: time.Minute, Usage: process.Usage{PeakMemory: 1, PeakDisk: 9, DiskGrowth: 5, DiskSize: 99}}
	here := Usage(result, time.Now(), task.Task{}, 0, record.Success, nil)
	there := Usage(result, time.Now(), task.Task{ARN: "arn:aws:ecs:eu-west-1:1:task/ci/1"}, 0, record.Success, nil)
	if here.DiskGrowth != 0 || here.PeakDisk != 0 || there.DiskGrowth != 5 || there.PeakDisk != 9 {
		t.Errorf("outside of a task %+v, in one %+v", here, there)
	}
}

package sizing

import (
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/task"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/sizing/fargate"
)

// took is a run on record.
func took(id string, reason record.Reason, seconds float64, memory int64, c *record.Cost) sizedRun {
	return sizedRun{
		RunID:   id,
		Reason:  reason,
		Seconds: seconds,
		Cost:    c,
		Usage:   &record.Usage{Seconds: seconds, CPUSeconds: seconds / 2, PeakMemory: memory},
	}
}

func TestWhatTheLastRunsSay(t *testing.T) {
	large := fargate.Size{VCPU: 4, Memory: 8}
	onSpot := &record.Cost{
		Seconds:      300,
		Size:         large,
		Region:       "eu-west-1",
		Architecture: fargate.ARM,
		Capacity:     fargate.Spot,
	}
	onDemand := &record.Cost{
		Seconds:      300,
		Size:         fargate.Size{VCPU: 2, Memory: 4},
		Region:       "us-east-1",
		Architecture: fargate.X86,
		Capacity:     fargate.OnDemand,
	}
	laptop := &record.Cost{
		Seconds:      60,
		Size:         large,
		Region:       "us-east-1",
		Architecture: fargate.X86,
		Capacity:     fargate.OnDemand,
		Would:        true,
	}
	for _, c := range []struct {
		name             string
		runs             []sizedRun
		seconds          float64
		passed           int
		current, advised string
		terms            string
		estimated        bool
	}{
		{
			"how long a run takes, those say that passed",
			[]sizedRun{took("1", record.Success, 240, 1<<30, onDemand), took("2", record.Failure, 10, 1<<20, onDemand), took("3", record.Success, 260, 1<<20, onDemand)},
			250, 2, "2 vCPU, 4 GB", "0.5 vCPU, 2 GB", "us-east-1 x86 on demand", false,
		},
		{
			"if none did, all of them",
			[]sizedRun{took("1", record.Failure, 10, 1<<20, onDemand), took("2", record.Results, 30, 1<<20, onDemand)},
			20, 0, "2 vCPU, 4 GB", "0.5 vCPU, 1 GB", "us-east-1 x86 on demand", false,
		},
		{
			"the newest says what it runs on now, whatever their order",
			[]sizedRun{took("2", record.Success, 100, 1<<20, onSpot), took("3", record.Success, 100, 1<<20, onDemand), took("1", record.Success, 100, 1<<20, onSpot)},
			100, 3, "2 vCPU, 4 GB", "0.5 vCPU, 1 GB", "us-east-1 x86 on demand", false,
		},
		{
			"on Spot, and on ARM",
			[]sizedRun{took("1", record.Success, 100, 1<<20, onSpot)},
			100, 1, "4 vCPU, 8 GB", "0.5 vCPU, 1 GB", "eu-west-1 ARM Spot", true,
		},
		{
			"a laptop has no size of Fargate",
			[]sizedRun{took("1", record.Success, 100, 1<<20, laptop)},
			100, 1, "", "0.5 vCPU, 1 GB", "us-east-1 x86 on demand", false,
		},
		{
			"a record without a cost",
			[]sizedRun{took("1", record.Success, 100, 1<<20, nil)},
			100, 1, "", "0.5 vCPU, 1 GB", "us-east-1 x86 on demand", false,
		},
		{
			"nothing is large enough",
			[]sizedRun{took("1", record.Success, 100, 1<<40, nil)},
			100, 1, "", "", "us-east-1 x86 on demand", false,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s RightSizing
			s.judge(c.runs)
			text := func(s *Sized) string {
				if s == nil {
					return ""
				}
				return s.String()
			}
			if s.Seconds != c.seconds || s.Passed != c.passed || s.Runs != len(c.runs) ||
				text(s.Current) != c.current ||
				text(s.Advised) != c.advised {
				t.Errorf("%+v, now %s, advised %s", s, text(s.Current), text(s.Advised))
			}
			if terms := s.Region + " " + s.Architecture + " " + s.Capacity; terms != c.terms ||
				s.Estimated != c.estimated {
				t.Errorf("%s, estimated %v", terms, s.Estimated)
			}
		})
	}
}

func TestATaskOnSpotSaysSo(t *testing.T) {
	b := Billing{Began: time.Now().Add(-time.Minute), Ended: time.Now()}
	b.Task.ARN, b.Task.LaunchType = "arn:aws:ecs:eu-west-1:123456789012:task/ci/x", "FARGATE"
	b.Task.Limits.CPU, b.Task.Limits.Memory = 1, 2048
	for provider, want := range map[string]string{"": "on demand", "FARGATE": "on demand", "FARGATE_SPOT": "Spot"} {
		b.Capacity = provider
		c := Cost(b, nil)
		if c == nil || c.Capacity != want || c.Would || c.Estimated != (want == "Spot") ||
			c.Seconds != 60 && c.Seconds != 61 {
			t.Errorf("%+v", c)
		}
	}
	b.Task = task.Task{}
	if c := Cost(b, nil); c != nil {
		t.Errorf("a run elsewhere, of which nothing is known, costs %+v", c)
	}
}

package sizing

import (
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/sizing/fargate"
)

// onTask is a run in a task of its own: 20 s to start, 10 s of checkout and dependencies, the rest its command.
func onTask(id string, seconds float64, vCPU, memory float64) sizedRun {
	return sizedRun{
		RunID: id, Reason: record.Success, Seconds: seconds,
		Cost: &record.Cost{
			Seconds: seconds + 20, Size: fargate.Size{VCPU: vCPU, Memory: memory}, Region: "us-east-1",
			Architecture: fargate.X86, Capacity: fargate.OnDemand,
		},
		Phases: []record.Phase{{Name: "source", Seconds: 4}, {Name: "setup", Seconds: 6}, {Name: "command", Seconds: seconds - 10}},
	}
}

// comparisonOf compares a layout of steps whose runs took so long.
func comparisonOf(t *testing.T, l Layout, runs map[string][]sizedRun) Comparison {
	t.Helper()
	c := Comparison{layout: l}
	for _, name := range slices.Sorted(maps.Keys(runs)) {
		times, ok := timesOf(name, runs[name])
		if !ok {
			t.Fatalf("the times of %s are not known", name)
		}
		c.Steps = append(c.Steps, times)
	}
	c.compare()
	return c
}

func TestWhatOneTaskForManyStepsCosts(t *testing.T) {
	l := Layout{
		Stages: [][]Job{{{Steps: []string{"build"}}}, {{Steps: []string{"test"}}, {Steps: []string{"lint"}}}}, Fixed: 1,
		SameTask: func(a, b string) bool { return true },
		Share:    func(step string, n int) (float64, bool) { return 1.1 / float64(n), step == "test" },
	}
	c := comparisonOf(t, l, map[string][]sizedRun{
		"build": {onTask("1", 130, 2, 4)}, "test": {onTask("1", 310, 1, 2), onTask("2", 310, 1, 2)}, "lint": {onTask("1", 20, 1, 2)},
	})
	one := fargate.PriceOf(fargate.Terms{Region: "us-east-1"})
	dollars := func(seconds float64, vCPU, memory float64) float64 {
		return one.Cost(fargate.Size{VCPU: vCPU, Memory: memory}, record.Duration(seconds))
	}
	build := dollars(150, 2, 4)
	// lint is charged for a minute at least.
	want := map[string]Charge{
		"as it is":                    {150 + 330, build + dollars(330, 1, 2) + dollars(60, 1, 2)},
		"{ together: [test, lint] }":  {150 + 340, build + dollars(340, 1, 2)},
		"{ step: test, parallel: 2 }": {150 + 30 + 165, build + 2*dollars(180, 1, 2) + dollars(60, 1, 2)},
		"{ step: test, parallel: 4 }": {150 + 30 + 82.5, build + 4*dollars(105, 1, 2) + dollars(60, 1, 2)},
		"{ step: test, parallel: 8 }": {150 + 30 + 41.25, build + 8*dollars(67.5, 1, 2) + dollars(60, 1, 2)},
	}
	got := map[string]Charge{"as it is": c.Now}
	for _, o := range c.Options {
		got[o.Write] = o.Charge
	}
	for write, w := range want {
		if g := got[write]; math.Abs(g.Seconds-w.Seconds) > 0.01 || math.Abs(g.Dollars-w.Dollars) > 1e-6 {
			t.Errorf("%s: %+v, want %+v", write, g, w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
}

func TestTasksThatCannotBeOneStayApart(t *testing.T) {
	l := Layout{
		Stages:   [][]Job{{{Steps: []string{"build"}}, {Steps: []string{"lint"}}, {Steps: []string{"unit"}}}},
		SameTask: func(a, b string) bool { return (a == "build") == (b == "build") },
		Share:    func(string, int) (float64, bool) { return 0, false },
	}
	runs := map[string][]sizedRun{"build": {onTask("1", 100, 2, 8)}, "lint": {onTask("1", 50, 1, 2)}, "unit": {onTask("1", 60, 1, 2)}}
	// build stays apart, and takes the longest: the others cost less together.
	if c := comparisonOf(t, l, runs); len(c.Options) != 1 || c.Options[0].Write != "{ together: [lint, unit] }" ||
		c.Options[0].MoreSeconds != 0 || c.Options[0].MoreDollars >= 0 {
		t.Errorf("as it is %+v, %+v", c.Now, c.Options)
	}
	l.Stages = [][]Job{{{Steps: []string{"lint", "unit"}}}, {{Steps: []string{"build"}}}}
	c := comparisonOf(t, l, runs)
	// Apart, the two run side by side, and each starts and prepares for itself.
	if len(c.Options) != 1 || c.Options[0].Write != "[lint, unit]" || c.Now.Seconds != 20+10+40+50+120 || c.Options[0].Seconds != 80+120 {
		t.Errorf("as it is %+v, %+v", c.Now, c.Options)
	}
}

func TestADividedStepIsComparedWithOtherNumbers(t *testing.T) {
	divided := onTask("1", 100, 1, 2)
	divided.Shards = []record.Shard{
		{Shard: 1, Seconds: 100, Prepare: 10}, {Shard: 2, Seconds: 90, Prepare: 10},
	}
	divided.Balance, divided.Cost.Seconds = record.Balance(divided.Shards), 2*(95+20)
	l := Layout{
		Stages: [][]Job{{{Steps: []string{"test"}, Shards: 2}}}, SameTask: func(a, b string) bool { return true },
		Share: func(_ string, n int) (float64, bool) { return 1 / float64(n), true },
	}
	c := comparisonOf(t, l, map[string][]sizedRun{"test": {divided}})
	if s := c.Steps[0]; s.Start != 20 || s.Once != 10 || s.Work != 170 || s.Shards != 2 {
		t.Errorf("%+v", s)
	}
	if c.Now.Seconds != 20+10+85 || c.Options[0].Write != "test" || c.Options[0].Seconds != 20+10+170 {
		t.Errorf("as it is %+v, %+v", c.Now, c.Options)
	}
}

func TestAStartThatIsNotOnRecord(t *testing.T) {
	l := Layout{
		Stages: [][]Job{{{Steps: []string{"a"}}}, {{Steps: []string{"b"}}}}, SameTask: func(a, b string) bool { return true },
		Share: func(string, int) (float64, bool) { return 0, false },
	}
	later, laptop := onTask("1", 100, 1, 2), onTask("1", 100, 1, 2)
	later.Cost.Seconds = later.Seconds // it came after another step in one task
	c := comparisonOf(t, l, map[string][]sizedRun{"a": {onTask("1", 100, 1, 2)}, "b": {later}})
	if c.Steps[1].Start != 20 || c.Unmeasured {
		t.Errorf("the start of others counts: %+v", c.Steps)
	}
	laptop.Cost.Would, laptop.Cost.Seconds = true, laptop.Seconds
	if c := comparisonOf(t, l, map[string][]sizedRun{"a": {laptop}, "b": {laptop}}); !c.Unmeasured || c.Now.Seconds != 200 {
		t.Errorf("on a laptop: %+v", c)
	}
}

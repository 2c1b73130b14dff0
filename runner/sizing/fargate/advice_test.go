package fargate

import (
	"math"
	"strings"
	"testing"
	"time"
)

// steady is a load that does not change for a minute.
func steady(cores float64) []Load { return []Load{{cores, time.Minute}} }

// Constructed runs whose right size is plain to see.
func TestTheSizeThatFits(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		name string
		runs []Run
		want string // "" for none
		why  string // part of a reason, or ""
	}{
		{"a little of all", []Run{{Loads: steady(0.1), PeakMemory: 100 * mib}}, "0.25 vCPU, 0.5 GB", ""},
		{"memory with its headroom", []Run{{Loads: steady(0.1), PeakMemory: 450 * mib}}, "0.25 vCPU, 1 GB", ""},
		{"memory that fits to the byte, headroom included", []Run{{Loads: steady(0.1), PeakMemory: 4 * gib / 5}}, "0.25 vCPU, 1 GB", ""},
		{"a byte more than that", []Run{{Loads: steady(0.1), PeakMemory: 4*gib/5 + 1}}, "0.25 vCPU, 2 GB", ""},
		{"more memory than a quarter of a vCPU may have", []Run{{Loads: steady(0.1), PeakMemory: 2 * gib}}, "0.5 vCPU, 3 GB", ""},
		{"one core that never rests", []Run{{Loads: steady(1), PeakMemory: gib}}, "1 vCPU, 2 GB", ""},
		{"one core, and the noise of measuring it", []Run{{Loads: steady(1.03), PeakMemory: gib}}, "1 vCPU, 2 GB", ""},
		{"a core and a half", []Run{{Loads: steady(1.5), PeakMemory: gib}}, "2 vCPU, 4 GB", ""},
		{"little CPU with a short burst that may take longer", []Run{{Loads: []Load{{0.1, 59 * time.Second}, {1, time.Second}}, PeakMemory: 100 * mib}}, "0.25 vCPU, 0.5 GB", ""},
		{"bursts that would double the time", []Run{{Loads: []Load{{0.2, 54 * time.Second}, {4, 6 * time.Second}}, PeakMemory: gib}}, "2 vCPU, 4 GB", ""},
		{"busy half of the time, though idle on average", []Run{{Loads: []Load{{2, 30 * time.Second}, {0, 30 * time.Second}}, PeakMemory: gib}}, "2 vCPU, 4 GB", ""},
		{"memory in steps of four", []Run{{Loads: steady(0.1), PeakMemory: 26 * gib}}, "8 vCPU, 36 GB", ""},
		{"sixteen cores", []Run{{Loads: steady(15.9), PeakMemory: 10 * gib}}, "16 vCPU, 32 GB", ""},
		{"more cores than there are: the most there are", []Run{{Loads: steady(40), PeakMemory: 10 * gib}}, "16 vCPU, 32 GB", ""},
		{"more memory than there is", []Run{{Loads: steady(0.1), PeakMemory: 200 * gib}}, "", ""},
		{"too short to tell anything of CPU", []Run{{Loads: []Load{{8, time.Second / 2}}, PeakMemory: 100 * mib}}, "0.25 vCPU, 0.5 GB", ""},
		{"nothing is known", []Run{{}}, "", ""},
		{"no run at all", nil, "", ""},
		{"memory ran out: more than the limit", []Run{{Loads: steady(0.2), PeakMemory: 2 * gib, MemoryLimit: 2 * gib, CPULimit: 0.5, OutOfMemory: true}}, "0.5 vCPU, 3 GB", "memory ran out"},
		{"memory ran out at the most that the vCPUs may have", []Run{{Loads: steady(0.2), PeakMemory: 7 * gib, MemoryLimit: 8 * gib, CPULimit: 1, OutOfMemory: true}}, "2 vCPU, 10 GB", "memory ran out"},
		{"memory ran out early: no less CPU than it had", []Run{{Loads: steady(0.1), PeakMemory: gib / 4, MemoryLimit: gib / 2, CPULimit: 2, OutOfMemory: true}}, "2 vCPU, 4 GB", "memory ran out"},
		{"memory ran out once, and has been enough since", []Run{
			{Loads: steady(0.4), PeakMemory: 1500 * mib, MemoryLimit: 4 * gib, CPULimit: 2},
			{Loads: steady(0.4), PeakMemory: 1000 * mib, MemoryLimit: 1024 * mib, CPULimit: 2, OutOfMemory: true},
		}, "0.5 vCPU, 2 GB", "memory ran out"},
		{"its limit is all that half a vCPU ever used", []Run{{Loads: steady(0.5), PeakMemory: gib, CPULimit: 0.5}}, "1 vCPU, 2 GB", "limit of 0.5 for 100 %"},
		{"one thread on one vCPU", []Run{{Loads: steady(0.99), PeakMemory: gib, CPULimit: 1}}, "1 vCPU, 2 GB", "unless it does one thing after the other"},
		{"at its limit now and then", []Run{{Loads: []Load{{0.5, 20 * time.Second}, {0.1, 40 * time.Second}}, PeakMemory: gib, CPULimit: 0.5}}, "0.5 vCPU, 2 GB", ""},
		{"a task far too large", []Run{{Loads: steady(0.3), PeakMemory: 300 * mib, MemoryLimit: 16 * gib, CPULimit: 4}}, "0.5 vCPU, 1 GB", ""},
		{"the largest of several peaks", []Run{
			{Loads: steady(0.2), PeakMemory: 300 * mib},
			{Loads: steady(0.2), PeakMemory: 1200 * mib},
			{Loads: steady(0.2), PeakMemory: 400 * mib},
		}, "0.25 vCPU, 2 GB", ""},
		{"one run of twenty that was busier does not decide", append([]Run{{Loads: []Load{{2, 10 * time.Second}}, PeakMemory: 100 * mib}}, make20(Run{Loads: steady(0.2), PeakMemory: 100 * mib})...), "0.25 vCPU, 0.5 GB", ""},
		{"one that was cut says nothing of CPU, but of memory", []Run{
			{Loads: steady(0.2), PeakMemory: 100 * mib},
			{Loads: steady(4), PeakMemory: 700 * mib, Cut: true},
		}, "0.25 vCPU, 1 GB", ""},
		{"a disk that is nearly full", []Run{{Loads: steady(0.1), PeakMemory: 100 * mib, Disk: 17 * gib}}, "0.25 vCPU, 0.5 GB, 22 GB of disk", "17.0 GiB of disk"},
		{"a disk that is larger than there is", []Run{{Loads: steady(0.1), PeakMemory: 100 * mib, Disk: 500 * gib}}, "0.25 vCPU, 0.5 GB, 200 GB of disk", "ephemeralStorage"},
		{"a disk that is not", []Run{{Loads: steady(0.1), PeakMemory: 100 * mib, Disk: 15 * gib}}, "0.25 vCPU, 0.5 GB", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := Fit(c.runs...)
			if ok != (c.want != "") || ok && got.String() != c.want {
				t.Errorf("%v %s, want %q", ok, got.Size, c.want)
			}
			if said := strings.Join(got.Reasons, "; "); !strings.Contains(said, c.why) ||
				(c.why == "") != (said == "") {
				t.Errorf("because %q, want %q", said, c.why)
			}
		})
	}
}

func make20(r Run) (all []Run) {
	for range 20 {
		all = append(all, r)
	}
	return all
}

// Every size of AWS's table, and no other, is what some need is answered with.
func TestTheSizesAreThoseOfAWS(t *testing.T) {
	table := map[float64][]float64{
		0.25: {0.5, 1, 2},
		0.5:  steps(1, 4, 1),
		1:    steps(2, 8, 1),
		2:    steps(4, 16, 1),
		4:    steps(8, 30, 1),
		8:    steps(16, 60, 4),
		16:   steps(32, 120, 8),
	}
	seen := map[Size]bool{}
	for vCPU, memories := range table {
		for _, memory := range memories {
			got, ok := Smallest(vCPU, memory)
			if !ok || got != (Size{VCPU: vCPU, Memory: memory}) {
				t.Errorf("%g vCPU, %g GB: %v", vCPU, memory, got)
			}
			seen[got] = true
		}
	}
	price := PriceOf(Terms{Region: "us-east-1"})
	for vCPU := 0.05; vCPU <= 16; vCPU += 0.35 {
		for memory := 0.1; memory <= 120; memory += 0.7 {
			got, ok := Smallest(vCPU, memory)
			if !ok || !seen[got] || got.VCPU < vCPU || got.Memory < memory {
				t.Fatalf("for %g vCPU and %g GB: %v", vCPU, memory, got)
			}
			for s := range seen {
				if s.VCPU >= vCPU && s.Memory >= memory && price.Cost(s, time.Hour) < price.Cost(got, time.Hour)-1e-9 {
					t.Fatalf("for %g vCPU and %g GB: %v is cheaper than %v", vCPU, memory, s, got)
				}
			}
		}
	}
}

func steps(from, to, by float64) (all []float64) {
	for m := from; m <= to; m += by {
		all = append(all, m)
	}
	return all
}

func TestThePercentileIsOfTheTime(t *testing.T) {
	loads := []Load{{4, time.Second}, {1, 90 * time.Second}, {2, 9 * time.Second}}
	for part, want := range map[float64]float64{0.5: 1, 0.9: 1, 0.95: 2, 0.99: 2, 1: 4} {
		if got := Percentile(loads, part); got != want {
			t.Errorf("%g: %g, want %g", part, got, want)
		}
	}
	if got := Percentile(nil, 0.95); got != 0 {
		t.Error(got)
	}
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-12 }

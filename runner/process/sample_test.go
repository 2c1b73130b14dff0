package process

import (
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

func TestSamplesOfALongRunAreMergedAndKeepItsPeak(t *testing.T) {
	s := &sampler{every: time.Second}
	for at := time.Duration(0); at < 3*time.Hour; at += s.every {
		new := Sample{At: at, CPU: 1, Memory: 10, Disk: int64(at)}
		if at > time.Hour && at <= time.Hour+s.every {
			new.Memory = 99
		}
		s.keep(new)
	}
	if len(s.samples) >= maxSamples || s.every != 32*time.Second || highest(s.samples) != 99 {
		t.Errorf("%d samples, every %s, peak %d", len(s.samples), s.every, highest(s.samples))
	}
	for i, sample := range s.samples {
		if sample.CPU != 1 || i > 0 && (sample.At <= s.samples[i-1].At || sample.Disk < s.samples[i-1].Disk) {
			t.Fatalf("sample %d is %+v", i, sample)
		}
	}
}

func TestTheWorkingSetExcludesReclaimableFiles(t *testing.T) {
	for name, files := range map[string]string{
		"version 2": `
proc/self/cgroup 0::/
proc/self/mountinfo 30 20 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw
sys/fs/cgroup/cgroup.events populated 1
sys/fs/cgroup/memory.peak 524288000
sys/fs/cgroup/memory.max 1073741824
sys/fs/cgroup/memory.current 419430400
sys/fs/cgroup/memory.stat anon 104857600\nfile 314572800\ninactive_file 209715200\nactive_file 104857600
sys/fs/cgroup/cpu.stat usage_usec 0`,
		"version 1": `
proc/self/cgroup 9:memory:/t
proc/self/mountinfo 31 20 0:27 /t /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory
sys/fs/cgroup/memory/memory.oom_control oom_kill 0
sys/fs/cgroup/memory/memory.max_usage_in_bytes 524288000
sys/fs/cgroup/memory/memory.limit_in_bytes 1073741824
sys/fs/cgroup/memory/memory.usage_in_bytes 419430400
sys/fs/cgroup/memory/memory.stat cache 1\ninactive_file 5\ntotal_inactive_file 209715200`,
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			writeFiles(t, root, files)
			a := openAccount(root)
			used, ok := a.memory.workingSet()
			if !ok || used != 200<<20 {
				t.Fatalf("%d, %v", used, ok)
			}
			for _, c := range []struct {
				name    string
				samples []Sample
				largest int64
				oom     string
				want    int64
			}{
				{"without samples: the kernel's peak", nil, 1, "", 500 << 20},
				{"with samples: their peak", []Sample{{Memory: 200 << 20}, {Memory: 150 << 20}}, 1, "", 200 << 20},
				{"one process had more between two samples", []Sample{{Memory: 200 << 20}}, 300 << 20, "", 300 << 20},
				{"shared memory was counted twice", []Sample{{Memory: 900 << 20}}, 1, "", 500 << 20},
				{
					"the memory ran out: the kernel's peak",
					[]Sample{{Memory: 200 << 20}},
					1,
					"\nsys/fs/cgroup/memory.events oom_kill 1\nsys/fs/cgroup/memory/memory.oom_control oom_kill 1",
					500 << 20,
				},
			} {
				writeFiles(t, root, c.oom)
				if u, _ := a.close(usage{largest: c.largest}, c.samples); u.PeakMemory != c.want {
					t.Errorf("%s: %d MiB, want %d", c.name, u.PeakMemory>>20, c.want>>20)
				}
			}
		})
	}
}

// hungry uses 80 MiB of memory and all available CPU for two and a half seconds.
const hungry = `python3 -c '
import time
memory = bytearray(80 << 20)
for i in range(0, len(memory), 4096): memory[i] = 1
end = time.monotonic() + 2.5
while time.monotonic() < end: pass
'`

func TestARunIsSampled(t *testing.T) {
	r, out, err := runShell(t, hungry)
	if err != nil {
		t.Fatalf("%v %s", err, out)
	}
	busy := 0.0
	for _, s := range r.Usage.Samples {
		busy = max(busy, s.CPU)
	}
	if len(r.Usage.Samples) == 0 || highest(r.Usage.Samples) < 80<<20 || r.Usage.PeakMemory < 80<<20 || busy <= 0 ||
		r.Usage.Samples[0].Disk == 0 {
		t.Errorf("%+v", r.Usage)
	}
}

func TestAnOddSampleIsKeptAndCPUIsWeightedByTime(t *testing.T) {
	got := Downsample(
		[]Sample{
			{At: time.Second, CPU: 1, Memory: 5, Disk: 7},
			{At: 4 * time.Second, CPU: 3, Memory: 2, Disk: 9},
			{At: 5 * time.Second, CPU: 2, Memory: 4, Disk: 8},
		},
		2,
	)
	want := []Sample{
		{At: 4 * time.Second, CPU: 2.5, Memory: 5, Disk: 9},
		{At: 5 * time.Second, CPU: 2, Memory: 4, Disk: 8},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestUsageOfTwoCommandsIsAddedUp(t *testing.T) {
	first := Usage{
		CPU:         time.Second,
		PeakMemory:  10,
		MemoryLimit: 99,
		PeakDisk:    50,
		DiskGrowth:  20,
		DiskSize:    100,
		Source:      rusage,
		Samples:     []Sample{{At: time.Second, CPU: 1}},
	}
	second := Usage{
		CPU:        2 * time.Second,
		PeakMemory: 7,
		PeakDisk:   60,
		DiskGrowth: 5,
		DiskSize:   100,
		Samples:    []Sample{{At: time.Second, CPU: 2}},
	}
	for name, got := range map[string]Usage{
		"the later to the earlier": first.Add(second, time.Minute),
		"the earlier to the later": second.Add(first, -time.Minute),
	} {
		if got.CPU != 3*time.Second || got.PeakMemory != 10 || got.PeakDisk != 60 || got.DiskGrowth != 30 ||
			got.DiskSize != 100 {
			t.Errorf("%s: %+v", name, got)
		}
		if len(got.Samples) != 2 || got.Samples[0].CPU != 1 || got.Samples[1].At-got.Samples[0].At != time.Minute {
			t.Errorf("%s: %+v", name, got.Samples)
		}
	}
	if got := (Usage{}).Add(second, 0); got.DiskGrowth != 5 || got.PeakDisk != 60 {
		t.Errorf("%+v", got)
	}
}

// readings is a meter that returns one reading after the other, and then the last one forever.
type readings struct {
	all   []Reading
	err   bool
	shown atomic.Int32
}

func (r *readings) Read() (Reading, bool) {
	if r.err || len(r.all) == 0 {
		return Reading{}, false
	}
	i := min(int(r.shown.Add(1)), len(r.all)) - 1
	return r.all[i], true
}

// sleeper starts a process that uses next to nothing.
func sleeper(t *testing.T) int {
	c := exec.Command("sleep", "60")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	return c.Process.Pid
}

// In some containers the cgroup, or one of two, is not visible.
func TestSourcesOfMeasurements(t *testing.T) {
	const (
		v2 = `
proc/self/cgroup 0::/
proc/self/mountinfo 30 20 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw
sys/fs/cgroup/cgroup.events populated 1
sys/fs/cgroup/memory.max 1073741824
sys/fs/cgroup/memory.current 104857600
sys/fs/cgroup/memory.stat inactive_file 0
sys/fs/cgroup/cpu.stat usage_usec 3600000000`
		memoryOnly = `
proc/self/cgroup 9:memory:/t
proc/self/mountinfo 31 20 0:27 /t /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory
sys/fs/cgroup/memory/memory.oom_control oom_kill 0
sys/fs/cgroup/memory/memory.limit_in_bytes 1073741824
sys/fs/cgroup/memory/memory.usage_in_bytes 104857600`
		hidden = `
proc/self/cgroup 0::/
proc/self/mountinfo 1 1 0:1 / / rw - ext4 /dev/root rw`
	)
	taken := time.Now().Add(-3 * time.Second)
	for _, c := range []struct {
		name, files string
		meter       Meter
		memory      int64
		counter     cpuCounter
		metered     string
		at          time.Time // zero: the time of the measurement
	}{
		{
			"a cgroup with all values", v2,
			&readings{all: []Reading{{At: taken, CPU: time.Hour, Memory: 1, Source: "ECS stats"}}}, 100 << 20,
			cgroupCounter, "",
			time.Time{},
		},
		{
			"one of memory only", memoryOnly,
			&readings{all: []Reading{{At: taken, CPU: time.Hour, Memory: 1, Source: "ECS stats"}}}, 100 << 20,
			meterCounter, "", taken,
		},
		{
			"none", hidden, &readings{all: []Reading{{At: taken, CPU: time.Hour, Memory: 77, Source: "ECS stats"}}},
			77, meterCounter, "ECS stats", taken,
		},
		{"none, and a broken meter", hidden, &readings{err: true}, 0, treeCounter, "", time.Time{}},
		{"none, and no meter", hidden, nil, 0, treeCounter, "", time.Time{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			writeFiles(t, root, c.files)
			a := openAccount(root)
			a.meter = c.meter
			s := &sampler{account: a, tree: newTree(sleeper(t), "", nil)}
			now := time.Now()
			l, ok := s.measure(now)
			if c.at.IsZero() {
				c.at = now
			}
			if !ok || l.counter != c.counter || !l.at.Equal(c.at) || l.meterSource != c.metered {
				t.Errorf("%v %+v", ok, l)
			}
			if c.counter != treeCounter && l.memory != c.memory {
				t.Errorf("%d bytes, want %d", l.memory, c.memory)
			}
			if c.counter != treeCounter && (l.cpu < 50*time.Minute || l.cpu > time.Hour) {
				t.Errorf("%s of CPU: an hour less our own", l.cpu)
			}
		})
	}
}

// A meter that lags repeats a reading several times, and then returns all usage since at once.
func TestAMeterThatLagsMakesNoIdleSamples(t *testing.T) {
	root := t.TempDir()
	writeFiles(t, root, "\nproc/self/cgroup 0::/\nproc/self/mountinfo 1 1 0:1 / / rw - ext4 /dev/root rw")
	begun := time.Now()
	at := func(seconds, cores float64, memory int64) Reading {
		d := time.Duration(seconds * float64(time.Second))
		return Reading{
			At:     begun.Add(d),
			CPU:    ourCPU() + time.Duration(cores*float64(d)),
			Memory: memory,
			Source: "ECS stats",
		}
	}
	a := openAccount(root)
	meter := &readings{
		all: []Reading{
			at(0.1, 2, 1<<20),
			at(0.1, 2, 1<<20),
			at(2.1, 2, 300<<20),
			at(2.1, 2, 300<<20),
			at(4.1, 2, 200<<20),
		},
	}
	a.meter = meter
	s := &sampler{
		account: a,
		begun:   begun,
		every:   time.Millisecond,
		stopped: make(chan struct{}),
		tree:    newTree(os.Getpid(), "", nil),
	}
	s.done.Go(s.run)
	for int(meter.shown.Load()) <= len(meter.all) { // one more, so that the last was handled
		time.Sleep(time.Millisecond)
	}
	samples := s.stop()
	if len(samples) != 2 || samples[0].At.Round(time.Millisecond) != 2100*time.Millisecond ||
		samples[1].At.Round(time.Millisecond) != 4100*time.Millisecond {
		t.Fatalf("%+v", samples)
	}
	for _, s := range samples { // our own CPU time grows meanwhile
		if s.CPU > 2.01 || s.CPU < 1.5 {
			t.Errorf("%g cores", s.CPU)
		}
	}
	u, _ := a.close(usage{cpu: time.Minute, largest: 9 << 20}, samples)
	if u.PeakMemory != 300<<20 || u.CPU != time.Minute || u.Source != "ECS stats (memory), rusage (CPU)" {
		t.Errorf("%+v: the usage of reaped processes is exact, and the meter lags", u)
	}
}

package process

import (
	"testing"
	"time"
)

func TestSamplesOfALongRunAreFoldedAndKeepItsPeak(t *testing.T) {
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

func TestTheWorkingSetIsWithoutFilesThatCanBeDropped(t *testing.T) {
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
			lay(t, root, files)
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
				{"nobody has looked: the kernel's peak", nil, 1, "", 500 << 20},
				{"somebody has: what was seen", []Sample{{Memory: 200 << 20}, {Memory: 150 << 20}}, 1, "", 200 << 20},
				{"one process had more between two looks", []Sample{{Memory: 200 << 20}}, 300 << 20, "", 300 << 20},
				{"what is shared was counted twice", []Sample{{Memory: 900 << 20}}, 1, "", 500 << 20},
				{"the memory ran out: the kernel's peak", []Sample{{Memory: 200 << 20}}, 1, "\nsys/fs/cgroup/memory.events oom_kill 1\nsys/fs/cgroup/memory/memory.oom_control oom_kill 1", 500 << 20},
			} {
				lay(t, root, c.oom)
				if u, _ := a.close(usage{largest: c.largest}, c.samples); u.PeakMemory != c.want {
					t.Errorf("%s: %d MiB, want %d", c.name, u.PeakMemory>>20, c.want>>20)
				}
			}
		})
	}
}

// hungry takes 80 MiB of memory, and all the CPU it can get for two and a half seconds.
const hungry = `python3 -c '
import time
memory = bytearray(80 << 20)
for i in range(0, len(memory), 4096): memory[i] = 1
end = time.monotonic() + 2.5
while time.monotonic() < end: pass
'`

func TestARunIsSampled(t *testing.T) {
	r, out, err := outcome(t, hungry)
	if err != nil {
		t.Fatalf("%v %s", err, out)
	}
	busy := 0.0
	for _, s := range r.Usage.Samples {
		busy = max(busy, s.CPU)
	}
	if len(r.Usage.Samples) == 0 || highest(r.Usage.Samples) < 80<<20 || r.Usage.PeakMemory < 80<<20 || busy <= 0 || r.Usage.Samples[0].Disk == 0 {
		t.Errorf("%+v", r.Usage)
	}
}

package process

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

// recorded are files of real machines; a file name ends at the first blank.
var recorded = map[string]struct {
	files    string
	usage    Usage // of a run in which 1 s and 64 MiB were counted by rusage
	oomKills int   // in the second half
	after    string
}{
	"version 2, a container that sees its own group as the root": {
		files: `
proc/self/cgroup 0::/
proc/self/mountinfo 30 20 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate
sys/fs/cgroup/cgroup.events populated 1\nfrozen 0
sys/fs/cgroup/memory.events low 0\nhigh 0\nmax 12\noom 2\noom_kill 2\noom_group_kill 0
sys/fs/cgroup/memory.peak 104857600
sys/fs/cgroup/memory.max 536870912
sys/fs/cgroup/cpu.stat usage_usec 2500000\nuser_usec 1
sys/fs/cgroup/cpu.max 50000 100000`,
		after: `
sys/fs/cgroup/memory.events low 0\nhigh 0\nmax 12\noom 3\noom_kill 5\noom_group_kill 0
sys/fs/cgroup/cpu.stat usage_usec 62500000\nuser_usec 1`,
		usage: Usage{
			CPU:         time.Minute,
			PeakMemory:  100 << 20,
			MemoryLimit: 512 << 20,
			CPULimit:    0.5,
			Source:      "cgroup v2",
		}, oomKills: 3,
	},
	"version 2, such a container without limits": {
		files: `
proc/self/cgroup 0::/
proc/self/mountinfo 30 20 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw
sys/fs/cgroup/cgroup.events populated 1
sys/fs/cgroup/memory.events oom_kill 0
sys/fs/cgroup/memory.peak 104857600
sys/fs/cgroup/memory.max max
sys/fs/cgroup/cpu.stat usage_usec 0
sys/fs/cgroup/cpu.max max 100000`,
		after: `
sys/fs/cgroup/cpu.stat usage_usec 60000000`,
		usage: Usage{CPU: time.Minute, PeakMemory: 100 << 20, Source: "cgroup v2"},
	},
	"version 2, such a container on a kernel that counts no peak": {
		files: `
proc/self/cgroup 0::/
proc/self/mountinfo 30 20 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw
sys/fs/cgroup/cgroup.events populated 1
sys/fs/cgroup/memory.max 536870912
sys/fs/cgroup/cpu.stat usage_usec 0`,
		after: `
sys/fs/cgroup/cpu.stat usage_usec 60000000`,
		usage: Usage{
			CPU:         time.Minute,
			PeakMemory:  64 << 20,
			MemoryLimit: 512 << 20,
			Source:      "rusage (memory), cgroup v2 (CPU)",
		},
	},
	"version 2, a login on a machine, with limits above it": {
		files: `
proc/self/cgroup 0::/user.slice/user 1.slice/x.scope
proc/self/mountinfo 30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
sys/fs/cgroup/cpu.stat usage_usec 5
sys/fs/cgroup/user.slice/cgroup.events populated 1
sys/fs/cgroup/user.slice/memory.max 4294967296
sys/fs/cgroup/user.slice/cpu.max 150000 100000
sys/fs/cgroup/user.slice/user\0401.slice/x.scope/memory.events oom_kill 7
sys/fs/cgroup/user.slice/user\0401.slice/x.scope/cgroup.events populated 1
sys/fs/cgroup/user.slice/user\0401.slice/x.scope/memory.peak 99
sys/fs/cgroup/user.slice/user\0401.slice/x.scope/memory.max max
sys/fs/cgroup/user.slice/user\0401.slice/x.scope/cpu.max max 100000`,
		after: `
sys/fs/cgroup/user.slice/user\0401.slice/x.scope/memory.events oom_kill 8`,
		usage: Usage{
			CPU:         time.Second,
			PeakMemory:  64 << 20,
			MemoryLimit: 4 << 30,
			CPULimit:    1.5,
			Source:      "rusage",
		}, oomKills: 1,
	},
	"version 2, the root of a machine": {
		files: `
proc/self/cgroup 0::/
proc/self/mountinfo 30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
sys/fs/cgroup/cpu.stat usage_usec 5`,
		usage: Usage{CPU: time.Second, PeakMemory: 64 << 20, Source: "rusage"},
	},
	"version 1 beside 2, a container of a task that has the limit": { // as on Fargate 1.4
		files: `
proc/self/cgroup 9:memory:/ecs/t/c\n4:cpu,cpuacct:/ecs/t/c\n1:name=systemd:/ecs/t/c\n0::/ecs/t/c
proc/self/mountinfo 31 20 0:27 /ecs/t/c /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n32 20 0:28 /ecs/t/c /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n33 20 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
sys/fs/cgroup/memory/memory.oom_control oom_kill_disable 0\nunder_oom 0\noom_kill 3
sys/fs/cgroup/memory/memory.max_usage_in_bytes 1048576
sys/fs/cgroup/memory/memory.limit_in_bytes 9223372036854771712
sys/fs/cgroup/memory/memory.stat cache 1\nhierarchical_memory_limit 1073741824\ntotal_rss 2
sys/fs/cgroup/cpu,cpuacct/cpuacct.usage 1500000000
sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us -1
sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us 100000
sys/fs/cgroup/unified/cgroup.procs 1`,
		after: `
sys/fs/cgroup/memory/memory.oom_control oom_kill_disable 0\nunder_oom 0\noom_kill 4
sys/fs/cgroup/cpu,cpuacct/cpuacct.usage 61500000000`,
		usage: Usage{CPU: time.Minute, PeakMemory: 1 << 20, MemoryLimit: 1 << 30, Source: "cgroup v1"}, oomKills: 1,
	},
	"version 1, a group with limits on a machine": {
		files: `
proc/self/cgroup 9:memory:/job\n4:cpu:/job\n3:cpuacct:/
proc/self/mountinfo 31 20 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n32 20 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n33 20 0:29 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct
sys/fs/cgroup/memory/cgroup.sane_behavior 0
sys/fs/cgroup/memory/job/memory.oom_control oom_kill 0
sys/fs/cgroup/memory/job/memory.max_usage_in_bytes 1048576
sys/fs/cgroup/memory/job/memory.limit_in_bytes 67108864
sys/fs/cgroup/cpuacct/cgroup.sane_behavior 0
sys/fs/cgroup/cpuacct/cpuacct.usage 1500000000
sys/fs/cgroup/cpu/job/cpu.cfs_quota_us 25000
sys/fs/cgroup/cpu/job/cpu.cfs_period_us 100000`,
		usage: Usage{
			CPU:         time.Second,
			PeakMemory:  1 << 20,
			MemoryLimit: 64 << 20,
			CPULimit:    0.25,
			Source:      "cgroup v1 (memory), rusage (CPU)",
		},
	},
	"version 1, a container that sees the path of the host, which is not mounted": {
		files: `
proc/self/cgroup 9:memory:/docker/abc
proc/self/mountinfo 31 20 0:27 / /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory
sys/fs/cgroup/memory/memory.oom_control oom_kill 0
sys/fs/cgroup/memory/memory.max_usage_in_bytes 1048576
sys/fs/cgroup/memory/memory.limit_in_bytes 67108864`,
		usage: Usage{
			CPU:         time.Second,
			PeakMemory:  1 << 20,
			MemoryLimit: 64 << 20,
			Source:      "cgroup v1 (memory), rusage (CPU)",
		},
	},
	"a group outside of the namespace": {
		files: `
proc/self/cgroup 0::/../other
proc/self/mountinfo 30 20 0:26 / /sys/fs/cgroup\040fs rw - cgroup2 cgroup2 rw
sys/fs/other/memory.max 1
sys/fs/cgroup\040fs/memory.max 67108864`,
		usage: Usage{CPU: time.Second, PeakMemory: 64 << 20, MemoryLimit: 64 << 20, Source: "rusage"},
	},
	"nothing mounted": {
		files: "\nproc/self/cgroup 0::/\nproc/self/mountinfo 1 1 0:1 / / rw - ext4 /dev/root rw",
		usage: Usage{CPU: time.Second, PeakMemory: 64 << 20, Source: "rusage"},
	},
	"no /proc": {usage: Usage{CPU: time.Second, PeakMemory: 64 << 20, Source: "rusage"}},
}

func TestRecordedCgroups(t *testing.T) {
	for name, c := range recorded {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			writeFiles(t, root, c.files)
			a := openAccount(root)
			writeFiles(t, root, c.after)
			got, kills := a.close(usage{cpu: time.Second, largest: 64 << 20}, nil)
			if got.CPU > c.usage.CPU-time.Second && got.CPU <= c.usage.CPU {
				got.CPU = c.usage.CPU // our own usage meanwhile is subtracted
			}
			if !reflect.DeepEqual(got, c.usage) || kills != c.oomKills {
				t.Errorf("%+v, %d killed;\nwant %+v, %d", got, kills, c.usage, c.oomKills)
			}
		})
	}
}

// writeFiles writes files: a line each, "PATH TEXT", with \n for a new line and, in the path, \040 for a blank.
func writeFiles(t *testing.T, root, files string) {
	t.Helper()
	for line := range strings.Lines(strings.TrimPrefix(files, "\n")) {
		path, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		path = filepath.Join(root, strings.ReplaceAll(path, `\040`, " "))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, `\n`, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUsageOfChildrenIsAddedUp(t *testing.T) {
	var u usage
	for _, r := range []syscall.Rusage{
		{Utime: syscall.Timeval{Sec: 1}, Stime: syscall.Timeval{Usec: 500_000}, Maxrss: 300},
		{Utime: syscall.Timeval{Sec: 2}, Maxrss: 200},
	} {
		u.add(r)
	}
	if want := (usage{cpu: 3500 * time.Millisecond, largest: 300 * maxRSSUnit}); u != want {
		t.Errorf("%+v, want %+v", u, want)
	}
}

func FuzzMountinfo(f *testing.F) {
	for _, c := range recorded {
		f.Add(c.files)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, controller := range []string{"", "memory"} {
			if top, point, ok := mountOf(text, controller); !ok && top+point != "" {
				t.Errorf("%q %q", top, point)
			}
			if path, ok := pathOf(text, controller); !ok && path != "" {
				t.Errorf("%q", path)
			}
		}
		if got := unescape(text); len(got) > len(text) {
			t.Errorf("%q", got)
		}
	})
}

func TestUsageIsMeasured(t *testing.T) {
	const loop = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; "
	r, _, err := runShell(t, loop+"sh -c '"+loop+"'; (setsid sh -c '"+loop+"' &)")
	if err != nil || r.Usage.CPU < 50*time.Millisecond || r.Usage.PeakMemory < 100<<10 || r.Usage.Source == "" ||
		r.Wall <= 0 ||
		time.Since(r.Started) < r.Wall {
		t.Errorf("%v %+v", err, r)
	}
	small, _, _ := runShell(t, "exit 0")
	large, _, _ := runShell(t, "head -c 200000000 /dev/zero | tail -n 1 | wc -c; exit 0")
	if small.Usage.Source == rusage && large.Usage.PeakMemory < small.Usage.PeakMemory+100<<20 {
		t.Errorf("small %+v, large %+v", small.Usage, large.Usage)
	}
	if fmt.Sprint(small.OOMKills, small.Leftovers) != "0 []" {
		t.Errorf("%+v", small)
	}
}

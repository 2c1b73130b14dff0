package process

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// With SCRIPT set, the test binary is a runner that a test has started in a namespace or cgroup of its own: it runs the
// script, and prints a report.
func TestMain(m *testing.M) {
	if script, ok := os.LookupEnv("SCRIPT"); ok {
		supervise(script)
		return
	}
	os.Exit(m.Run())
}

// report is what such a runner prints.
type report struct {
	PID    int
	Result Result
	Error  string // the type and the message
	Hint   string
	Output string
	Others []string // other processes in /proc, living or dead
}

func supervise(script string) {
	script = strings.Clone(script)
	if how := os.Getenv("PROTECTED"); how != "" {
		if err := protect(how); err != nil {
			panic(err)
		}
	}
	var out buffer
	c := Command{
		Args: []string{"sh", "-c", script}, Env: environment("nested"), Marker: "MARK=nested", Output: &out,
		Grace: time.Second, Drain: 300 * time.Millisecond,
	}
	if limit, err := time.ParseDuration(os.Getenv("LIMIT")); err == nil {
		c.Deadline = time.Now().Add(limit)
	}
	result, err := Run(c, nil)
	r := report{PID: os.Getpid(), Result: result, Output: out.String(), Others: others()}
	if err != nil {
		r.Error = fmt.Sprintf("%T %v", err, err)
		if hinted, ok := err.(interface{ Hint() string }); ok {
			r.Hint = hinted.Hint()
		}
	}
	json.NewEncoder(os.Stdout).Encode(r)
}

// protect is Protect, or only its second part, so that the effect of that can be seen without CAP_SYS_PTRACE.
func protect(how string) error {
	environ := os.Environ()
	for i := range environ {
		environ[i] = strings.Clone(environ[i])
	}
	os.Clearenv()
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		os.Setenv(name, value)
	}
	if how == "cleared" {
		memory, err := os.OpenFile("/proc/self/mem", os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer memory.Close()
		return clearEnvironment(memory, []string{"KEPT"})
	}
	return Protect("KEPT")
}

// nested runs the script under a runner of its own, which is started by a command.
func nested(t *testing.T, script string, by ...string) report {
	t.Helper()
	return runNested(t, nestedCommand(t, script, by...))
}

// nestedCommand runs the test binary by a command.
func nestedCommand(t *testing.T, script string, by ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(by[0], append(by[1:], self)...)
	c.Env = append(os.Environ(), "SCRIPT="+script, "GORACE=atexit_sleep_ms=0")
	return c
}

func runNested(t *testing.T, c *exec.Cmd) report {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	var r report
	if parse := json.Unmarshal(stdout.Bytes(), &r); err != nil || parse != nil {
		t.Fatalf("%v %v\n%s%s", err, parse, stdout.String(), stderr.String())
	}
	return r
}

func TestAsPID1(t *testing.T) {
	by := []string{"unshare", "--pid", "--fork", "--mount-proc"}
	if os.Getuid() != 0 {
		by = append(by, "--user", "--map-root-user")
	}
	for name, c := range map[string]struct {
		script    string
		err       string
		leftovers string
	}{
		"exit code 0": {"exit 0", "", ""},
		"exit code 3": {"exit 3", "*process.ExitError the command exited with 3", ""},
		"a daemon is found and ended": {
			"env -i setsid sleep 4711 & exit 3", "*process.ExitError the command exited with 3", "sleep 4711",
		},
		"so is a grandchild": {"(env -i setsid sh -c 'sleep 4711 & exit' &); sleep 0.3", "", "sleep 4711"},
		"orphans do not matter": {
			"i=0; while [ $i -lt 500 ]; do (sh -c 'exit 3' &); i=$((i+1)); done; exit 6",
			"*process.ExitError the command exited with 6", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := nested(t, c.script, by...)
			var named []string
			for _, l := range r.Result.Leftovers {
				if strings.Contains(l.Command, "4711") {
					named = append(named, l.Command)
				}
			}
			if r.PID != 1 || r.Error != c.err || strings.Join(named, "|") != c.leftovers || len(r.Others) > 0 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// A real cgroup, where one may be created: an OOM kill is distinguished from any other KILL.
func TestOutOfMemory(t *testing.T) {
	group, limitFile := limitedGroup(t)
	if group == "" {
		t.Log("no memory cgroup can be created here; the recorded ones are tested only")
		return
	}
	t.Cleanup(func() { os.Remove(group) })
	if err := os.WriteFile(filepath.Join(group, limitFile), []byte(fmt.Sprint(96<<20)), 0); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(group, "memory.swap.max"), []byte("0"), 0)
	by := []string{"sh", "-c", `echo $$ > ` + group + `/cgroup.procs && exec "$0"`}
	for name, c := range map[string]struct {
		script string
		err    string
		kills  bool
	}{
		"the command itself is killed":          {"exec tail /dev/zero", "*process.OOMError", true},
		"a shell exits with 137":                {"tail /dev/zero; exit $?", "*process.OOMError", true},
		"a tool exits with 2":                   {"tail /dev/zero; exit 2", "*process.OOMError", true},
		"the command exits with 0 all the same": {"tail /dev/zero; exit 0", "", true},
		"another KILL is not an OOM kill":       {"kill -KILL $$", "*process.SignalError", false},
		"neither is exit code 137":              {"exit 137", "*process.ExitError", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := nested(t, c.script, by...)
			kind, _, _ := strings.Cut(r.Error, " ")
			if kind != c.err || r.Result.OOMKills > 0 != c.kills {
				t.Errorf("%+v", r)
			}
			if u := r.Result.Usage; u.MemoryLimit != 96<<20 || u.PeakMemory == 0 || u.PeakMemory > u.MemoryLimit ||
				!strings.HasPrefix(u.Source, "cgroup v") {
				t.Errorf("%+v", u)
			}
		})
	}
	t.Run("a timeout after an OOM kill names it", func(t *testing.T) {
		t.Setenv("LIMIT", "5s")
		r := nested(t, "tail /dev/zero; sleep 100", by...)
		if !strings.HasPrefix(r.Error, "*process.TimeoutError") || r.Result.OOMKills != 1 ||
			!strings.Contains(r.Hint, "OOM killer ended 1 process") || !strings.Contains(r.Hint, "more memory") {
			t.Errorf("%+v", r)
		}
	})
}

// Under real limits of memory and CPU: cached files do not count as memory, and the limit is the quota.
func TestUsageUnderLimits(t *testing.T) {
	group, limitFile := limitedGroup(t)
	if group == "" {
		t.Log("no memory cgroup can be created here; the recorded ones are tested only")
		return
	}
	t.Cleanup(func() { os.Remove(group) })
	join := limit(t, group, limitFile, 400<<20)
	file := filepath.Join(t.TempDir(), "cached")
	r := nested(t, "dd if=/dev/zero of="+file+" bs=1M count=150 2>/dev/null; "+hungry, "sh", "-c", join+` && exec "$0"`)
	u := r.Result.Usage
	busy := 0.0
	for _, s := range u.Samples {
		busy = max(busy, s.CPU)
	}
	if r.Error != "" || u.MemoryLimit != 400<<20 || u.PeakMemory < 80<<20 || u.PeakMemory > 180<<20 {
		t.Errorf("%q, limit %d, peak %d: 150 MiB of cached files must not count", r.Error, u.MemoryLimit, u.PeakMemory)
	}
	if u.CPULimit != 0.5 || u.CPU < 500*time.Millisecond || u.CPU > 3*time.Second || busy < 0.2 || busy > 0.9 {
		t.Errorf("CPU limit %g, used %s, at most %.2f cores", u.CPULimit, u.CPU, busy)
	}
}

// consume uses MiB of disk, then MiB of memory, and seconds of CPU, half of them with each, as its arguments say. It
// prints how much CPU it has used by its own count.
const consume = `python3 -c '
import os, sys, time
disk, memory, cpu = (float(a) for a in sys.argv[1:])
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass
with open("known", "wb") as f:
    for _ in range(int(disk)): f.write(bytes(1 << 20))
burn(cpu / 2)
os.remove("known")
held = bytearray(int(memory) << 20)
for i in range(0, len(held), 4096): held[i] = 1
burn(cpu / 2)
print(time.process_time())
' `

// A process uses known amounts of CPU, memory and disk under real limits, and they are measured as such. The disk is a
// tmpfs of its own, as other processes may write to any other; while its file exists the kernel counts it as memory.
func TestKnownAmountsAreMeasured(t *testing.T) {
	group, limitFile := limitedGroup(t)
	disk := t.TempDir()
	if group == "" || syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=256m") != nil {
		t.Log("no memory cgroup or no file system can be created here; the recorded ones are tested only")
		return
	}
	t.Cleanup(func() { os.Remove(group); syscall.Unmount(disk, syscall.MNT_DETACH) })
	join := limit(t, group, limitFile, 400<<20)
	take := func(diskMiB, memoryMiB int, cpu float64) (u Usage, counted float64) {
		r := nested(
			t,
			fmt.Sprintf("%s %d %d %g", consume, diskMiB, memoryMiB, cpu),
			"sh",
			"-c",
			"cd "+disk+" && "+join+` && exec "$0"`,
		)
		if _, err := fmt.Sscan(r.Output, &counted); err != nil || r.Error != "" {
			t.Fatalf("%s %s", r.Error, r.Output)
		}
		return r.Result.Usage, counted
	}
	little, _ := take(4, 20, 2)
	much, counted := take(64, 120, 2)

	const mib = 1 << 20
	if much.MemoryLimit != 400*mib || much.CPULimit != 0.5 || much.DiskSize != 256*mib ||
		!strings.HasPrefix(much.Source, "cgroup v") {
		t.Errorf("%+v", much)
	}
	// Python counts from its first instruction; the shell before it takes less than a tenth of a second.
	if cpu := much.CPU.Seconds(); cpu < counted-0.05 || cpu > counted+0.3 {
		t.Errorf("%.2f s of CPU, and by its own count %.2f", cpu, counted)
	}
	// Both peaks include the same runner and the same Python.
	if more := (much.PeakMemory - little.PeakMemory) / mib; more < 90 || more > 110 {
		t.Errorf("%d MiB more of memory, not 100: %d and %d", more, much.PeakMemory/mib, little.PeakMemory/mib)
	}
	if much.PeakMemory < 120*mib || much.PeakMemory > 200*mib {
		t.Errorf("%d MiB of memory", much.PeakMemory/mib)
	}
	if much.DiskGrowth < 64*mib || much.DiskGrowth > 65*mib || little.DiskGrowth < 4*mib || little.DiskGrowth > 5*mib {
		t.Errorf("%d and %d bytes of disk", much.DiskGrowth, little.DiskGrowth)
	}
	// The samples agree, except for the last second, and for memory that the largest process shares.
	var used float64
	most, fullest, before := int64(0), int64(0), time.Duration(0)
	for _, s := range much.Samples {
		used += s.CPU * (s.At - before).Seconds()
		most, fullest, before = max(most, s.Memory), max(fullest, s.Disk), s.At
		if s.CPU > 0.8 {
			t.Errorf("%.2f cores at %s, with half a core", s.CPU, s.At)
		}
	}
	if used < 0.7*counted || used > 1.1*counted || most > much.PeakMemory || most < much.PeakMemory*9/10 ||
		fullest < 64*mib {
		t.Errorf("the samples have %.2f s of CPU, %d bytes of memory, %d of disk: %+v", used, most, fullest, much)
	}
}

// limit gives the group memory and half a core, and returns the shell command that enters it.
func limit(t *testing.T, group, limitFile string, memory int64) (join string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(group, limitFile), []byte(fmt.Sprint(memory)), 0); err != nil {
		t.Fatal(err)
	}
	join = "echo $$ > " + group + "/cgroup.procs"
	os.WriteFile(filepath.Join(group, "cpu.max"), []byte("50000 100000"), 0) // version 2 has one hierarchy
	for _, controller := range []string{"cpu,cpuacct", "cpu", "cpuacct"} {
		folder := filepath.Join("/sys/fs/cgroup", controller, filepath.Base(group))
		if os.Mkdir(folder, 0o755) == nil {
			t.Cleanup(func() { os.Remove(folder) })
			os.WriteFile(filepath.Join(folder, "cpu.cfs_quota_us"), []byte("50000"), 0)
			join += " && echo $$ > " + folder + "/cgroup.procs"
		}
	}
	return join
}

// limitedGroup creates a cgroup that may get a memory limit, or returns "".
func limitedGroup(t *testing.T) (folder, limitFile string) {
	name := fmt.Sprintf("process-test-%d-%s", os.Getpid(), t.Name())
	for _, at := range []struct{ top, limit string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max"},
	} {
		folder := filepath.Join(at.top, name)
		if err := os.Mkdir(folder, 0o755); err != nil {
			continue
		}
		if exists(folder, at.limit) {
			return folder, at.limit
		}
		os.Remove(folder)
	}
	return "", ""
}

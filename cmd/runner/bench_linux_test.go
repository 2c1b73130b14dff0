package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/logs/cilog"
)

// binary builds the runner as it is released; the test's own binary is larger and may have the race detector.
func binary(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "runner")
	build := exec.Command("make", "-s", "-C", "../..", "build", "OUT="+path)
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("%v\n%s", err, out)
	}
	return path
}

// workspace creates a workspace with a runner.yaml.
func workspace(tb testing.TB, yaml string) string {
	tb.Helper()
	dir := tb.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "runner.yaml"), []byte(yaml), 0o644); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// BenchmarkEntrypoint compares the runner with the bash script that it replaces, both starting /bin/true, in turns. The
// script forks the command, as a script that uploads anything afterwards must. added-ms is the time over /bin/true
// alone.
func BenchmarkEntrypoint(b *testing.B) {
	dir := workspace(b, "version: 1\nsteps:\n  nop: { command: [/bin/true] }\n")
	script := filepath.Join(dir, "entrypoint.sh")
	text := `#!/usr/bin/env bash
set -euo pipefail
case "${PIPELINE_STEP:-build}" in
  nop) /bin/true ;;
  *) echo "Unknown PIPELINE_STEP" >&2; exit 1 ;;
esac
echo done
`
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		b.Fatal(err)
	}
	runner := binary(b)
	contenders := []struct {
		name string
		args []string
	}{{"true", []string{"/bin/true"}}, {"bash", []string{script}}, {"runner", []string{runner}}}

	const rounds = 40
	taken := map[string][]time.Duration{}
	for b.Loop() {
		for range rounds {
			for _, c := range contenders {
				cmd := exec.Command(c.args[0], c.args[1:]...)
				cmd.Dir = dir
				cmd.Env = append(
					os.Environ(),
					"PIPELINE_STEP=nop",
					"BRANCH=main",
					"GIT_SHA="+testSHA,
					"RUNNER_LOG_FORMAT=json",
				)
				begun := time.Now()
				if out, err := cmd.CombinedOutput(); err != nil {
					b.Fatalf("%s: %v\n%s", c.name, err, out)
				}
				taken[c.name] = append(taken[c.name], time.Since(begun))
			}
		}
	}
	alone := median(taken["true"])
	bash, ours := median(taken["bash"])-alone, median(taken["runner"])-alone
	b.ReportMetric(float64(bash.Microseconds())/1000, "added-ms/bash")
	b.ReportMetric(float64(ours.Microseconds())/1000, "added-ms/runner")
	b.ReportMetric(float64(ours)/float64(bash), "runner/bash")
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// A line of 100 MB without a newline is passed on in pieces; the runner's memory stays under 64 MiB.
func TestAnEndlessLineStaysOutOfMemory(t *testing.T) {
	dir := workspace(t, "version: 1\nsteps:\n  long: { command: \"head -c 100000000 /dev/zero | tr '\\\\0' x\" }\n")
	for _, format := range []string{"json", "text"} {
		t.Run(format, func(t *testing.T) {
			cmd := exec.Command(binary(t), "--step", "long", "--log-format", format)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "BRANCH=main", "GIT_SHA="+testSHA)
			var count counter
			cmd.Stdout = &count
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			peak := watchMemory(cmd.Process.Pid)
			if err := cmd.Wait(); err != nil {
				t.Fatal(err)
			}
			if count.x < 100_000_000 {
				t.Errorf("%d of 100000000 bytes arrived", count.x)
			}
			if most := <-peak; most > 64<<20 {
				t.Errorf("the runner used %d MiB", most>>20)
			} else {
				t.Logf("the runner used %d MiB", most>>20)
			}
		})
	}
}

// counter counts the x's that are written to it.
type counter struct{ x int }

func (c *counter) Write(p []byte) (int, error) {
	c.x += strings.Count(string(p), "x")
	return len(p), nil
}

// watchMemory reports the peak resident size of a process, in bytes, when it is gone. It polls VmHWM, as after the end
// only the sum with the children's is left.
func watchMemory(pid int) <-chan int64 {
	result := make(chan int64, 1)
	go func() {
		var most int64
		for {
			peak, ok := peakMemory(pid)
			if !ok {
				result <- most
				return
			}
			most = max(most, peak)
			time.Sleep(2 * time.Millisecond)
		}
	}()
	return result
}

// Node's stdout on a pipe is asynchronous: process.exit drops what does not fit into the pipe. With the runner's larger
// pipe a burst of 5,000 lines arrives complete, even if the reader of our log pauses.
func TestABurstBeforeExitIsComplete(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Fatal("node is missing: this test needs it")
	}
	dir := workspace(t, `version: 1
steps:
  burst: { command: [node, -e, "for (let i = 0; i < 5000; i++) console.log('line ' + i + ' ' + 'x'.repeat(190)); process.exit(3)"] }
`)
	cmd := exec.Command(binary(t), "--step", "burst", "--log-format", "json")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "BRANCH=main", "GIT_SHA="+testSHA)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = writer
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	time.Sleep(500 * time.Millisecond) // the reader pauses
	var text strings.Builder
	buffer := make([]byte, 64<<10)
	for {
		n, err := reader.Read(buffer)
		text.Write(buffer[:n])
		if err != nil {
			break
		}
	}
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 3 {
		t.Errorf("exit code is %d, want 3", code)
	}
	if n := strings.Count(text.String(), `"msg":"line `); n != 5000 {
		t.Errorf("%d of 5000 lines arrived", n)
	}
}

// peakMemory reads VmHWM, in bytes.
func peakMemory(pid int) (int64, bool) {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, false
	}
	_, rest, ok := strings.Cut(string(status), "VmHWM:")
	if !ok {
		return 0, false // a zombie has none
	}
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	return kib << 10, err == nil
}

// BenchmarkNodeChild compares a node that logs 400,000 lines, a write each, with the same under the runner, which
// redacts a hundred secrets and writes JSON: wall time, in turns, both into a pipe that is drained. memory-MiB is the
// runner's own.
func BenchmarkNodeChild(b *testing.B) {
	node, err := exec.LookPath("node")
	if err != nil {
		b.Fatal("node is missing: this benchmark needs it")
	}
	dir := workspace(b, "version: 1\nsteps:\n  lines: { command: [node, lines.js] }\n")
	script := filepath.Join(dir, "lines.js")
	text := "for (let i = 0; i < 400000; i++) console.log(`packages/web/src/components/table-${i}.tsx(${i % 900},${i % 80}): warning TS2339: Property 'rows' does not exist on type 'Table'.`)\n"
	if err := os.WriteFile(script, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	environment := append(os.Environ(), "BRANCH=main", "GIT_SHA="+testSHA, "RUNNER_LOG_FORMAT=json")
	for i, secret := range cilog.Secrets(100) {
		environment = append(environment, "CI_"+strconv.Itoa(i)+"_TOKEN="+secret)
	}
	runner := binary(b)
	contenders := []struct {
		name string
		args []string
	}{{"node", []string{node, script}}, {"runner", []string{runner, "--step", "lines"}}}

	const rounds = 7
	taken := map[string][]time.Duration{}
	var memory int64
	for b.Loop() {
		for range rounds {
			for _, c := range contenders {
				cmd := exec.Command(c.args[0], c.args[1:]...)
				cmd.Dir, cmd.Env = dir, environment
				drained, err := cmd.StdoutPipe()
				if err != nil {
					b.Fatal(err)
				}
				begun := time.Now()
				if err := cmd.Start(); err != nil {
					b.Fatal(err)
				}
				peak := watchMemory(cmd.Process.Pid)
				if _, err := io.Copy(io.Discard, drained); err != nil {
					b.Fatal(err)
				}
				if err := cmd.Wait(); err != nil {
					b.Fatalf("%s: %v", c.name, err)
				}
				taken[c.name] = append(taken[c.name], time.Since(begun))
				if most := <-peak; c.name == "runner" {
					memory = max(memory, most)
				}
			}
		}
	}
	alone, under := median(taken["node"]), median(taken["runner"])
	b.ReportMetric(alone.Seconds(), "s/node")
	b.ReportMetric(under.Seconds(), "s/runner")
	b.ReportMetric(float64(under)/float64(alone), "runner/node")
	b.ReportMetric(float64(memory)/(1<<20), "memory-MiB")
}

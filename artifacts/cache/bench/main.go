// Command bench measures how long a folder takes to come back from S3, and to be saved again after a small change: with
// our caches, with tar and zstd through the AWS CLI, and with rclone.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"github.com/carlin-cicd/runner/artifacts/bench/limit"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run is also every process that the benchmark starts of itself, named by the first argument.
func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "limited":
			return limit.Run(args[1:])
		case "floor":
			return runFloor(args[1:])
		case "proxy":
			return runProxy(args[1:])
		case "save":
			return runSave(ctx, args[1:])
		case "cycle":
			return runCycle(ctx, args[1:])
		}
	}
	b := &bench{}
	f := pflag.NewFlagSet("bench", pflag.ContinueOnError)
	f.IntVar(&b.rounds, "rounds", 3, "how often everything is done; what is printed is the median")
	f.DurationVar(&b.latency, "latency", 15*time.Millisecond, "by which every answer is held back")
	f.StringVar(&b.directory, "directory", "", "where files are made, several times the folders; not in memory")
	f.StringSliceVar(&b.clients, "clients", []string{"ours", "tar", "rclone"}, "who takes part")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() == 0 {
		return errors.New("name one or more folders, such as a node_modules: see README.md")
	}
	return b.measure(ctx, f.Args())
}

type bench struct {
	rounds    int
	latency   time.Duration
	directory string
	clients   []string

	self, dir string
	limits    *limit.Group
	server    *server
}

// sample is one client doing one work once.
type sample struct {
	wall   time.Duration
	cpu    time.Duration // user and system
	memory int64         // bytes, at its peak
	sent   int64         // bytes to the server
}

// works are what is measured, in their order.
var works = []string{"first save", "restore", "save after 1 %"}

func (b *bench) measure(ctx context.Context, folders []string) (err error) {
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp(b.directory, "cache-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.limits, err = limit.New(); err != nil {
		fmt.Fprintf(os.Stderr, "no limits of CPU and memory, which need root and cgroups: %v\n", err)
		b.limits = nil
	} else {
		defer func() { err = errors.Join(err, b.limits.Close()) }()
	}
	if b.server, err = startServer(ctx, b.self, b.dir, b.latency); err != nil {
		return err
	}
	defer b.server.stop()
	for _, folder := range folders {
		if err := b.folder(ctx, folder); err != nil {
			return fmt.Errorf("%s: %w", folder, err)
		}
	}
	return nil
}

// folder measures all clients with one folder.
func (b *bench) folder(ctx context.Context, folder string) error {
	files, bytes, err := count(folder)
	if err != nil {
		return err
	}
	fmt.Printf("\n%s: %d files, %d MiB; TLS, %s a request, half a core and 1 GiB\n", folder, files, bytes>>20, b.latency)
	results := map[string]map[string][]sample{}
	for round := range b.rounds {
		for i := range b.clients {
			client := b.clients[(i+round)%len(b.clients)] // each round begins with another
			got, err := b.client(ctx, client, folder, round)
			if err != nil {
				return fmt.Errorf("%s: %w", client, err)
			}
			for work, s := range got {
				if results[work] == nil {
					results[work] = map[string][]sample{}
				}
				results[work][client] = append(results[work][client], s)
				fmt.Fprintf(os.Stderr, "round %d %s %s: %.1f s, %.1f s of CPU, %d MiB, sent %.1f MiB\n", round+1,
					client, work, s.wall.Seconds(), s.cpu.Seconds(), s.memory>>20, float64(s.sent)/(1<<20))
			}
		}
	}
	b.report(results)
	return nil
}

// client has one client do all works, with a copy of the folder.
func (b *bench) client(ctx context.Context, client, folder string, round int) (map[string]sample, error) {
	work := filepath.Join(b.dir, "work")
	defer os.RemoveAll(work)
	from := filepath.Join(work, "from", "folder")
	if err := copyFolder(folder, from); err != nil {
		return nil, err
	}
	prefix := fmt.Sprintf("%s-%s-%d", client, filepath.Base(folder), round)
	c := clients[client]
	got := map[string]sample{}
	var err error
	if got["first save"], err = b.do(ctx, c.save(b, from, prefix), nil); err != nil {
		return nil, err
	}
	to := filepath.Join(work, "to", "folder")
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return nil, err
	}
	if c.cycle != nil {
		return got, b.cycle(ctx, c.cycle(b, to, prefix), from, to, got)
	}
	if got["restore"], err = b.do(ctx, c.restore(b, to, prefix), nil); err != nil {
		return nil, err
	}
	if err := compare(from, to); err != nil {
		return nil, err
	}
	if err := change(to); err != nil {
		return nil, err
	}
	got["save after 1 %"], err = b.do(ctx, c.save(b, to, prefix), nil)
	return got, err
}

// cycle measures a client that restores and saves in one process, as a run does.
func (b *bench) cycle(ctx context.Context, line []string, from, to string, got map[string]sample) error {
	var compared error
	_, err := b.do(ctx, line, func(said string, s sample) {
		if said == "restored" {
			got["restore"] = s
			if compared = compare(from, to); compared == nil {
				compared = change(to)
			}
		} else {
			got["save after 1 %"] = s
		}
	})
	return errors.Join(err, compared)
}

// do runs a command line within the limits. A process of ours says when a part of its work is over, and waits for an
// answer before it goes on or ends: told is called with each.
func (b *bench) do(ctx context.Context, line []string, told func(said string, s sample)) (sample, error) {
	if b.limits != nil {
		line = b.limits.Line(b.self, line)
	}
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Env, cmd.Stderr = append(os.Environ(), b.server.environment()...), os.Stderr
	before := b.server.received()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return sample{}, err
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return sample{}, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return sample{}, err
	}
	peak := watch(cmd.Process.Pid)
	buffer, spent := make([]byte, 100), time.Duration(0)
	for {
		n, err := stdout.Read(buffer)
		peak()
		if n > 0 && told != nil {
			now := b.server.received()
			used := cpuTime(cmd.Process.Pid)
			s := sample{time.Since(began), used - spent, peak(), now - before}
			told(strings.TrimSpace(string(buffer[:n])), s)
			before, began, spent = b.server.received(), time.Now(), used
		}
		if n > 0 {
			if _, err := io.WriteString(stdin, "go on\n"); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	stdin.Close()
	memory := peak()
	if err := cmd.Wait(); err != nil {
		return sample{}, fmt.Errorf("%s: %w", strings.Join(line, " "), err)
	}
	used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return sample{time.Since(began), used - spent, memory, b.server.received() - before}, nil
}

// cpuTime returns what a process has used so far, 0 where /proc does not say.
func cpuTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	const user, system, tick = 11, 12, 10 * time.Millisecond
	if len(fields) <= system {
		return 0
	}
	total := 0
	for _, i := range []int{user, system} {
		n, _ := strconv.Atoi(fields[i]) // 0 if it is no number
		total += n
	}
	return time.Duration(total) * tick
}

// watch returns a function that returns the largest resident size of a process so far.
func watch(pid int) (peak func() int64) {
	largest := int64(0)
	return func() int64 {
		largest = max(largest, limit.PeakMemory(pid))
		return largest
	}
}

func (b *bench) report(results map[string]map[string][]sample) {
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\t"+strings.Join(b.clients, "\t")+"\tsent by ours\tours in MiB\tbest other over ours\tof CPU\t")
	for _, work := range works {
		fmt.Fprintf(t, "%s\t", work)
		ours, best, leastCPU := median(results[work]["ours"]), time.Duration(0), time.Duration(0)
		for _, client := range b.clients {
			m := median(results[work][client])
			fmt.Fprintf(t, "%.1f s (%.1f)\t", m.wall.Seconds(), m.cpu.Seconds())
			if client == "ours" {
				continue
			}
			if best == 0 || m.wall < best {
				best = m.wall
			}
			if leastCPU == 0 || m.cpu < leastCPU {
				leastCPU = m.cpu
			}
		}
		fmt.Fprintf(t, "%.1f MiB\t%d\t%.1f×\t%.1f×\t\n", float64(ours.sent)/(1<<20), ours.memory>>20,
			best.Seconds()/max(ours.wall.Seconds(), 0.001), leastCPU.Seconds()/max(ours.cpu.Seconds(), 0.01))
	}
	t.Flush()
}

// median is that of the times, with the memory of the same sample.
func median(all []sample) sample {
	if len(all) == 0 {
		return sample{}
	}
	sorted := slices.SortedFunc(slices.Values(all), func(a, b sample) int { return int(a.wall - b.wall) })
	return sorted[len(sorted)/2]
}

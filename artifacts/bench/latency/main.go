// Command latency measures what a whole run waits for around its command, with an S3 that answers late: how long it
// takes, its requests, and how many of them had to wait for one another.
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
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/carlin-cicd/runner/artifacts/bench/limit"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if len(os.Args) > 2 && os.Args[1] == "limited" {
		err = limit.Run(os.Args[2:])
	} else {
		err = run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "latency:", err)
		os.Exit(1)
	}
}

type options struct {
	runner, gateway string
	before          string // another binary that is measured in turns with the runner; "" for none
	markdown        bool
	latencies       []time.Duration
	rounds, files   int
	scripts         []string // works that are run; empty: all
	trace           bool
	cpu             string
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	f := pflag.NewFlagSet("latency", pflag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.runner, "runner", "bin/runner", "the runner's binary")
	f.StringVar(&o.before, "before", "", "another binary of the runner, measured in turns with it: a table of both")
	f.BoolVar(&o.markdown, "markdown", false, "print the table in Markdown")
	f.StringVar(&o.gateway, "gateway", "versitygw", "the S3 server's binary")
	f.DurationSliceVar(&o.latencies, "latency", []time.Duration{15 * time.Millisecond, 30 * time.Millisecond, 60 * time.Millisecond},
		"how long each answer is held back")
	f.IntVar(&o.rounds, "rounds", 5, "how often everything is done; what is printed is the median")
	f.IntVar(&o.files, "files", 300, "how many files an artifact has")
	f.StringSliceVar(&o.scripts, "works", nil, "which works (default: all)")
	f.BoolVar(&o.trace, "trace", false, "print every request of the last round")
	f.StringVar(&o.cpu, "cpu", "all", "what a client may use: all, or 0.5 for half a core and 1 GiB, by a cgroup as root on Linux")
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.cpu != "all" && o.cpu != "0.5" {
		return fmt.Errorf("--cpu is all or 0.5, not %q", o.cpu)
	}
	runner, err := filepath.Abs(o.runner)
	if err == nil {
		_, err = os.Stat(runner)
	}
	if err != nil {
		return fmt.Errorf("the runner's binary: %w; make build", err)
	}
	o.runner = runner
	if o.before != "" {
		if o.before, err = filepath.Abs(o.before); err == nil {
			_, err = os.Stat(o.before)
		}
		if err != nil {
			return fmt.Errorf("--before: %w", err)
		}
	}
	bench, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer bench.close()
	return bench.measure(ctx, stdout, stderr)
}

// work is one kind of run. Before it, prepare is done without latency and without being measured.
type work struct {
	name    string
	peer    bool
	prepare func(b *bench, ctx context.Context) error
	command func(b *bench) []string
}

func works() []work {
	step := func(name string) func(*bench) []string {
		return func(b *bench) []string { return []string{b.runner, "run", name} }
	}
	deploy := func(environment string) func(*bench) []string {
		return func(b *bench) []string {
			return []string{b.runner, "run", "deploy", "--environment", environment, "--stack-name", "web-" + environment}
		}
	}
	build := func(b *bench, ctx context.Context) error { return b.exec(ctx, []string{b.runner, "run", "build"}) }
	history := func(b *bench, ctx context.Context) error { // the branch has a history and a mirror
		if err := b.exec(ctx, []string{b.runner, "run", "test"}); err != nil {
			return err
		}
		return b.commit()
	}
	return []work{
		{name: "step true", command: step("nothing")},
		{name: "build", command: step("build")},
		{name: "test", prepare: history, command: step("test")},
		{name: "deploy", prepare: build, command: deploy("staging")},
		{name: "promote", prepare: func(b *bench, ctx context.Context) error {
			if err := build(b, ctx); err != nil {
				return err
			}
			return b.exec(ctx, deploy("staging")(b))
		}, command: deploy("production")},
		{name: "script: build", peer: true, command: func(b *bench) []string {
			return []string{"sh", "-ec", "sh make.sh dist; aws s3 sync --only-show-errors dist s3://bench/builds/main/$GIT_SHA/"}
		}},
		{name: "script: test", peer: true, prepare: func(b *bench, ctx context.Context) error {
			return b.exec(ctx, []string{"sh", "-ec", "sh make.sh coverage; aws s3 sync --only-show-errors coverage s3://bench/coverage/main/latest/"})
		}, command: func(b *bench) []string {
			return []string{"sh", "-ec", "sh make.sh coverage; aws s3 sync --only-show-errors coverage s3://bench/coverage/main/$GIT_SHA/; " +
				"aws s3 sync --only-show-errors --delete coverage s3://bench/coverage/main/latest/; aws s3 cp --only-show-errors junit.xml s3://bench/coverage/main/$GIT_SHA/junit.xml"}
		}},
	}
}

// result is what one run took.
type result struct {
	wall, cpu            time.Duration
	requests, sequential int
	turns                int // see proxy.counts
}

func (b *bench) measure(ctx context.Context, stdout, stderr io.Writer) error {
	rows := &table{to: stdout, markdown: b.markdown, both: b.before != ""}
	rows.title(fmt.Sprintf("%d files, median of %d rounds, CPU of the client: %s, %s", b.files, b.rounds, b.cpu, machine()))
	failed := 0
	for _, latency := range b.latencies {
		for _, w := range works() {
			if len(b.scripts) > 0 && !slices.Contains(b.scripts, w.name) {
				continue
			}
			if _, err := exec.LookPath("aws"); w.peer && err != nil {
				rows.problem(latency, w.name, "MISSING: aws is not in PATH")
				failed++
				continue
			}
			before, after, err := b.rows(ctx, w, latency)
			if err != nil {
				rows.problem(latency, w.name, fmt.Sprintf("FAILED: %v", err))
				failed++
				if ctx.Err() != nil || !w.peer {
					return errors.Join(err, rows.flush())
				}
				continue
			}
			rows.add(latency, w.name, before, after)
			if b.trace {
				fmt.Fprint(stderr, b.proxy.text())
			}
		}
	}
	if err := rows.flush(); err != nil || failed == 0 {
		return err
	}
	return fmt.Errorf("%d of the rows above are MISSING or FAILED, so this is no comparison", failed)
}

// rows measures a work with both binaries, in turns, since what else the machine does changes.
func (b *bench) rows(ctx context.Context, w work, latency time.Duration) (before, after *result, err error) {
	binaries := []string{b.runner}
	if b.before != "" && !w.peer {
		binaries = []string{b.before, b.runner}
	}
	results := make([][]result, len(binaries))
	defer func(runner string) { b.runner = runner }(b.runner)
	for range b.rounds {
		for i, binary := range binaries {
			b.runner = binary
			r, err := b.once(ctx, w, latency)
			if err != nil {
				return nil, nil, err
			}
			results[i] = append(results[i], r)
		}
	}
	last := median(results[len(results)-1])
	if after = &last; len(results) > 1 {
		first := median(results[0])
		before = &first
	}
	return before, after, nil
}

// load is the number of processes that wanted to run in the last minute, the bench's own included.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// once prepares and does a work, in a bucket and a workspace of its own.
func (b *bench) once(ctx context.Context, w work, latency time.Duration) (result, error) {
	if err := b.reset(); err != nil {
		return result{}, err
	}
	b.proxy.set(0)
	if w.prepare != nil {
		if err := w.prepare(b, ctx); err != nil {
			return result{}, fmt.Errorf("prepare: %w", err)
		}
	}
	b.proxy.set(latency)
	cmd := b.limited(ctx, w.command(b))
	began := time.Now()
	output, err := cmd.CombinedOutput()
	wall := time.Since(began)
	if err != nil {
		return result{}, fmt.Errorf("%w: %s", err, lastLines(string(output), 3))
	}
	requests, sequential, turns := b.proxy.counts()
	return result{wall, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), requests, sequential, turns}, nil
}

func median(all []result) result {
	middle := func(of func(result) int64) int64 {
		values := make([]int64, len(all))
		for i, r := range all {
			values[i] = of(r)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return result{
		wall:       time.Duration(middle(func(r result) int64 { return int64(r.wall) })),
		cpu:        time.Duration(middle(func(r result) int64 { return int64(r.cpu) })),
		requests:   int(middle(func(r result) int64 { return int64(r.requests) })),
		sequential: int(middle(func(r result) int64 { return int64(r.sequential) })),
		turns:      int(middle(func(r result) int64 { return int64(r.turns) })),
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], " | ")
}

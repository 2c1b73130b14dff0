package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/carlin-cicd/runner/artifacts/bench/limit"
)

// setting is what the clients meet.
type setting struct {
	name    string
	title   string
	tls     bool
	latency time.Duration
	limited bool
}

var settings = []setting{
	{"task", "TLS, 15 ms a request, half a core and 1 GiB", true, 15 * time.Millisecond, true},
	{"plain", "no TLS, no latency, no limits", false, 0, false},
}

func settingNames() []string {
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = s.name
	}
	return names
}

// patience is a hang guard: the slowest client needs a minute for the longest work.
const patience = 10 * time.Minute

// sample is one client doing one work once.
type sample struct {
	wall, cpu time.Duration
	memory    int64 // bytes, at its peak
	requests  int64
	err       error
}

// result is every sample of a setting by work, client and round.
type result map[string]map[string][]sample

func measure(ctx context.Context, o options, stdout, stderr io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	there, missing, err := present(o.clients)
	if err != nil {
		return err
	}
	if o.directory == "" {
		if _, err := os.Stat("/dev/shm"); err == nil {
			o.directory = "/dev/shm"
		}
	}
	dir, err := os.MkdirTemp(o.directory, "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	for _, s := range settings {
		if !contains(o.settings, s.name) {
			continue
		}
		b := &bench{options: o, setting: s, clients: there, self: self, dir: dir, stderr: stderr}
		r, err := b.run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
		report(stdout, b, r)
		reportGaps(stdout, missing, r)
	}
	return nil
}

// bench is all rounds of a setting.
type bench struct {
	options
	setting setting
	clients []client
	self    string
	dir     string
	stderr  io.Writer

	limits *limit.Group // nil: none
	server *server
}

func (b *bench) run(ctx context.Context) (result, error) {
	if b.setting.limited {
		limits, err := limit.New()
		if err != nil {
			fmt.Fprintf(b.stderr, "no limits of CPU and memory, which need root and cgroups: %v\n", err)
			b.setting.title += " (which could not be set)"
		} else {
			b.limits = limits
			defer func() {
				if err := limits.Close(); err != nil {
					fmt.Fprintln(b.stderr, err)
				}
			}()
		}
	}
	scratch := filepath.Join(b.dir, "scratch")
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return nil, err
	}
	var err error
	if b.server, err = b.setting.start(ctx, b.self, scratch); err != nil {
		return nil, err
	}
	defer b.server.stop()

	r := result{}
	for round := range b.rounds {
		for _, w := range works {
			if !b.needs(w) {
				continue
			}
			if err := w.prepare(filepath.Join(b.dir, w.folder), round); err != nil {
				return nil, err
			}
			if err := b.all(ctx, w, round, r); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

// needs is also true of the works that one asked for follows.
func (b *bench) needs(w work) bool {
	for i := len(works) - 1; works[i].name != w.name; i-- {
		if contains(b.works, works[i].name) && works[i].folder == w.folder {
			return true
		}
	}
	return contains(b.works, w.name)
}

// all lets every client do a work, each round beginning with another.
func (b *bench) all(ctx context.Context, w work, round int, r result) error {
	if r[w.name] == nil {
		r[w.name] = map[string][]sample{}
	}
	for i := range b.clients {
		c := b.clients[(i+round)%len(b.clients)]
		s, err := b.one(ctx, c, w, round)
		if err != nil {
			return err
		}
		r[w.name][c.name] = append(r[w.name][c.name], s)
		if s.err != nil {
			fmt.Fprintf(b.stderr, "%s %s: %v\n", w.name, c.name, s.err)
		}
		fmt.Fprintf(b.stderr, "%s round %d %-4s %-7s %7.2f s %6.2f s CPU %4d MiB %6d requests\n",
			b.setting.name, round+1, w.name, c.name, s.wall.Seconds(), s.cpu.Seconds(), s.memory>>20, s.requests)
	}
	return nil
}

// one is a fresh process; only what stops the benchmark is an error.
func (b *bench) one(ctx context.Context, c client, w work, round int) (sample, error) {
	j := job{
		work: w, dir: filepath.Join(b.dir, w.folder), bucket: fmt.Sprintf("r%d-%s", round+1, c.name),
		endpoint: b.server.endpoint, bundle: b.server.bundle, scratch: filepath.Join(b.dir, "scratch"),
		self: b.self, runner: b.runner,
	}
	line, environment, err := c.line(j)
	if err != nil {
		return sample{}, err
	}
	if b.limits != nil {
		line = b.limits.Line(b.self, line)
	}
	if err := b.server.reset(ctx); err != nil {
		return sample{}, err
	}
	s := execute(ctx, line, environment)
	if ctx.Err() != nil {
		return s, ctx.Err()
	}
	counters, err := b.server.counters(ctx)
	if err != nil {
		return s, err
	}
	s.requests = counters.Requests
	if s.err == nil {
		s.err = b.check(ctx, j, c)
	}
	return s, nil
}

func execute(ctx context.Context, line, environment []string) (s sample) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var said bytes.Buffer
	p := exec.CommandContext(ctx, line[0], line[1:]...)
	p.Env, p.Stdout, p.Stderr = environment, &said, &said
	began := time.Now()
	if err := p.Start(); err != nil {
		return sample{err: err}
	}
	done, peak := make(chan struct{}), make(chan int64)
	go func() {
		last := int64(0)
		for {
			// The last one counts: the process was another program before it became the client.
			if now := limit.PeakMemory(p.Process.Pid); now > 0 {
				last = now
			}
			select {
			case <-done:
				peak <- last
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	err := p.Wait()
	s.wall = time.Since(began)
	close(done)
	s.memory = <-peak
	s.cpu = p.ProcessState.UserTime() + p.ProcessState.SystemTime()
	if err != nil {
		s.err = fmt.Errorf("%w: %.400s", err, bytes.TrimSpace(said.Bytes()))
	}
	return s
}

// check compares what is in the bucket with the folder, by name and size.
func (b *bench) check(ctx context.Context, j job, c client) error {
	f, err := newFloor(b.server.endpoint, b.server.bundle, j.bucket)
	if err != nil {
		return err
	}
	defer f.http.CloseIdleConnections()
	prefix := c.under(j.folder)
	there, err := f.list(ctx, prefix)
	if err != nil {
		return err
	}
	var errs []error
	err = filepath.WalkDir(j.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(j.dir, path)
		if err != nil {
			return err
		}
		key := prefix + filepath.ToSlash(relative)
		if o, ok := there[key]; !ok || o.size != info.Size() {
			errs = append(errs, fmt.Errorf("it did not upload %s", key))
		}
		delete(there, key)
		return nil
	})
	if len(there) > 0 && j.remove {
		errs = append(errs, fmt.Errorf("it left %d objects whose files are gone", len(there)))
	}
	if len(errs) > 1 {
		errs = append(errs[:1], fmt.Errorf("and %d more", len(errs)-1))
	}
	return errors.Join(append(errs, err)...)
}

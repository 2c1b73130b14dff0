package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/shards"
	"github.com/carlin-cicd/runner/runner/workcopy"
	"github.com/carlin-cicd/runner/steps"
)

// checkSharding refuses variables that exclude each other.
func checkSharding(variables map[string]string, names []string) error {
	var given []flagSpec
	for _, f := range []flagSpec{shardFlag, parallelFlag, mergeShardsFlag, onlyTestsFlag} {
		if variables[f.variable] != "" {
			given = append(given, f)
		}
	}
	merged, err := strconv.Atoi(variables[mergeShardsFlag.variable])
	switch {
	case err == nil && merged == 0: // it would run the whole step
		return &usageError{
			mergeShardsFlag.variable + " cannot be 0", fmt.Sprintf("write a whole number from 1 to %d", steps.MaxParallel),
		}
	case len(given) > 1:
		return &usageError{
			fmt.Sprintf("--%s and --%s exclude each other", given[0].name, given[1].name),
			fmt.Sprintf("use one of them, or unset %s", given[0].variable),
		}
	case len(given) == 1 && given[0] != onlyTestsFlag && len(names) > 1:
		return &usageError{"only one step can be divided", "run the steps one by one"}
	}
	return nil
}

// runParallel runs all shards of a step on this machine, each in a copy of the workspace, and merges them.
func (o *options) runParallel(ctx context.Context, variables map[string]string) error {
	text := variables[parallelFlag.variable]
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > steps.MaxParallel {
		return &usageError{
			fmt.Sprintf("%s cannot be %q", parallelFlag.variable, text),
			fmt.Sprintf("write a whole number from 1 to %d", steps.MaxParallel),
		}
	}
	if dry, err := boolean(variables, dryRunFlag.variable); err != nil || dry {
		return o.run(ctx, o.invocation(variables))
	}
	p, err := newParallel(ctx, o, variables, n)
	if err != nil {
		return err
	}
	defer p.close()
	if err := o.interruptible(ctx, p.run); err != nil {
		return err
	}
	merge := maps.Clone(p.variables)
	merge[mergeShardsFlag.variable] = text
	return o.run(ctx, o.invocation(merge))
}

// parallel is the shards of a step that run on this machine.
type parallel struct {
	self      string
	workspace string
	variables map[string]string // of each shard, and of the merge
	copies    *workcopy.Copies
	n         int
	out       lockedWriter
	signals   <-chan os.Signal
	children  *children
}

// newParallel decides what all shards share: the commit, so that a copy need not be in git, and what they belong to.
func newParallel(ctx context.Context, o *options, variables map[string]string, n int) (*parallel, error) {
	settings, err := config.Read(variables)
	if err != nil {
		return nil, outcome.Refused(err)
	}
	s := session.New(ctx, variables, settings)
	if err := s.Identify(); err != nil {
		return nil, err
	}
	if err := s.CheckHere(); err != nil {
		return nil, err
	}
	if !s.AwaitsCheckout() { // else each shard would refuse the step
		catalogue, err := config.LoadSteps(settings)
		if err == nil {
			_, err = catalogue.Find(settings.Step)
		}
		if err != nil {
			return nil, outcome.Refused(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	copies, err := workcopy.NewCopies(settings.Workspace)
	if err != nil {
		return nil, err
	}
	p := &parallel{
		self: self, workspace: settings.Workspace, copies: copies, n: n, out: lockedWriter{to: o.stdout}, signals: o.signals,
	}
	p.variables = maps.Clone(variables)
	delete(p.variables, parallelFlag.variable)
	p.variables["BRANCH"], p.variables["GIT_SHA"] = s.Ref.Branch, s.Ref.SHA
	p.variables["RUNNER_SHARD_RUN"] = s.ID
	return p, nil
}

func (p *parallel) close() { _ = p.copies.Remove() }

// run runs the shards side by side. How they ended is in what they store.
func (p *parallel) run(ctx context.Context) error {
	p.children = newChildren(ctx, p.signals)
	defer p.children.stop()
	var side sync.WaitGroup
	problems := make([]error, p.n)
	for i := range p.n {
		side.Go(func() { problems[i] = p.shard(ctx, shards.Index{Shard: i + 1, Of: p.n}) })
	}
	side.Wait()
	for _, err := range problems {
		if err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// shard runs one of them in a process of its own. The error is for one that could not be started.
func (p *parallel) shard(ctx context.Context, index shards.Index) error {
	dir, err := p.copies.Add(ctx, strconv.Itoa(index.Shard))
	if err != nil {
		return err
	}
	environment := maps.Clone(p.variables)
	environment[shardFlag.variable] = index.String()
	environment[workspaceFlag.variable] = dir
	environment["RUNNER_SHARD_ORIGIN"] = p.workspace
	environment["RUNNER_SHARD_MERGE"] = config.MergeNever
	out := &prefixed{to: &p.out, prefix: index.String() + " "}
	defer out.close()
	cmd := exec.CommandContext(ctx, p.self, "run")
	cmd.Dir = dir
	cmd.Env = session.Entries(environment)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute // more than its own budget to stop
	wait, err := p.children.start(cmd)
	if err != nil {
		return &process.StartError{Path: p.self, Err: err}
	}
	_ = wait() // what it found, it has stored; one that stored nothing is named by the merge
	return nil
}

// lockedWriter writes whole lines of several writers.
type lockedWriter struct {
	mu sync.Mutex
	to io.Writer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}

// prefixed puts a prefix in front of each line.
type prefixed struct {
	to     io.Writer
	prefix string
	rest   []byte // of a line that has no end yet
}

// maxLine is how much of a line is waited for.
const maxLine = 64 << 10

func (w *prefixed) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		end := bytes.IndexByte(w.rest, '\n') + 1
		if end == 0 && len(w.rest) > maxLine {
			end = len(w.rest)
		}
		if end == 0 {
			return len(p), nil
		}
		if _, err := w.to.Write(append([]byte(w.prefix), w.rest[:end]...)); err != nil {
			return 0, err
		}
		w.rest = append(w.rest[:0], w.rest[end:]...)
	}
}

func (w *prefixed) close() {
	if len(w.rest) > 0 {
		_, _ = w.to.Write(append(append([]byte(w.prefix), w.rest...), '\n'))
	}
}

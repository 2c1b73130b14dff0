package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/carlin-cicd/runner/runner/pipeline"
	"github.com/carlin-cicd/runner/runner/terminal"
	"github.com/carlin-cicd/runner/runner/units"
)

// planView shows a plan while it runs. A task that runs alone writes to stdout as it goes. The output of tasks that run
// side by side is shown when each has ended, so that their lines do not mix; meanwhile a terminal has a table of them.
type planView struct {
	*options
	plan pipeline.Plan
	json bool
	live bool // the terminal can redraw lines

	mu    sync.Mutex
	tasks []pipeline.Task
	drawn int // lines of the table on the terminal
	stop  chan struct{}
}

func newPlanView(o *options, variables map[string]string, plan pipeline.Plan, asJSON bool) *planView {
	v := &planView{options: o, plan: plan, json: asJSON, stop: make(chan struct{})}
	v.live = o.terminal && variables["TERM"] != "dumb" && !asJSON
	if v.live {
		go v.tick()
	}
	return v
}

// tick redraws the table every second, since its durations change.
func (v *planView) tick() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			v.mu.Lock()
			v.redraw()
			v.mu.Unlock()
		case <-v.stop:
			return
		}
	}
}

func (v *planView) close() { close(v.stop) }

// observe shows a change of a task.
func (v *planView) observe(tasks []pipeline.Task, changed int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tasks = slices.Clone(tasks)
	t := tasks[changed]
	switch {
	case v.json:
		if text, err := json.Marshal(t); err == nil {
			fmt.Fprintf(v.stdout, "%s\n", text) // a reader that went away is noticed at the end
		}
	case t.State == pipeline.Running && !v.live:
		fmt.Fprintf(v.stdout, "%s\n", v.headline(t))
	}
	v.redraw()
}

// show runs a task with the output that its place in the plan calls for.
func (v *planView) show(t pipeline.Task, run func(io.Writer) int) (exitCode int) {
	if v.json {
		return run(v.stderr)
	}
	if stage := v.plan.Stages[t.Stage-1]; len(stage.Jobs) <= 1 {
		if v.live {
			fmt.Fprintf(v.stdout, "%s\n", v.headline(t))
		}
		return run(v.stdout)
	}
	file, err := os.CreateTemp("", "runner-pipeline-*")
	if err != nil {
		return run(v.stdout)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	exitCode = run(file)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.erase()
	fmt.Fprintf(v.stdout, "\n== output of %s\n", taskName(t))
	if _, err := file.Seek(0, io.SeekStart); err == nil {
		_, _ = io.Copy(v.stdout, file) // as above
	}
	return exitCode
}

// headline announces a task.
func (v *planView) headline(t pipeline.Task) string {
	return fmt.Sprintf("== %d/%d %s", t.Stage, len(v.plan.Stages), taskName(t))
}

// taskName is a task in words: its steps, and where they run.
func taskName(t pipeline.Task) string {
	name := strings.Join(t.Steps, ",")
	if t.Approval != "" {
		return "approval of " + terminal.Escape(t.Approval)
	}
	if t.Environment != "" {
		name += " in " + t.Environment
	}
	return terminal.Escape(name)
}

// redraw replaces the table of the tasks that run side by side. The lock is held.
func (v *planView) redraw() {
	if !v.live {
		return
	}
	v.erase()
	running := slices.DeleteFunc(slices.Clone(v.tasks), func(t pipeline.Task) bool { return t.State != pipeline.Running })
	if len(running) == 0 || len(v.plan.Stages[running[0].Stage-1].Jobs) <= 1 {
		return
	}
	for _, t := range v.tasks {
		if t.Stage == running[0].Stage {
			fmt.Fprintf(v.stdout, "%s\n", row(t))
			v.drawn++
		}
	}
}

// erase removes the table. The lock is held.
func (v *planView) erase() {
	if v.drawn > 0 {
		fmt.Fprintf(v.stdout, "\x1b[%dA\x1b[J", v.drawn)
	}
	v.drawn = 0
}

// row is a task in a table.
func row(t pipeline.Task) string {
	took := ""
	switch t.State {
	case pipeline.Running:
		took = units.Duration(time.Since(t.Started))
	case pipeline.Passed, pipeline.Failed:
		took = units.Duration(time.Duration(t.Seconds * float64(time.Second)))
	}
	more := terminal.Escape(t.Reason)
	if t.State == pipeline.Failed {
		more = strings.TrimLeft(more+fmt.Sprintf(", exit code %d", t.ExitCode), ", ")
	}
	line := fmt.Sprintf("  %-3d %-24s %-8s %7s  %s", t.Stage, taskName(t), t.State, took, more)
	return strings.TrimRight(line, " ")
}

// summarize ends the output with all tasks.
func (v *planView) summarize(tasks []pipeline.Task) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.erase()
	if v.json {
		return nil
	}
	var b strings.Builder
	b.WriteString("\npipeline of " + cmp.Or(terminal.Escape(v.plan.Branch), "this workspace") + "\n")
	for _, t := range tasks {
		b.WriteString(row(t) + "\n")
	}
	return v.print("%s", b.String())
}

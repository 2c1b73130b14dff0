package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/remote"
	"github.com/carlin-cicd/runner/runner/terminal"
	"github.com/carlin-cicd/runner/runner/units"
)

// notSucceededError is a pipeline that ended in another way than it should.
type notSucceededError struct{ status string }

func (e *notSucceededError) Error() string { return "the pipeline ended as " + e.status }

// show prints the steps of an execution, and when it follows them, each change until the end.
func (p clusterPipeline) show(ctx context.Context, e remote.Execution) error {
	drawn := 0
	var printed []string
	for {
		current, progress, err := p.remote.Status(ctx, e.Name)
		switch {
		case err != nil && p.follow && ctx.Err() == nil && remote.IsTransient(err): // the pipeline goes on meanwhile
			if err := sleep(ctx, p.interval); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		e = current
		if p.terminal || !p.follow {
			drawn, err = p.redraw(e, progress, drawn)
		} else {
			printed, err = p.printChanges(e, progress.Steps, printed)
		}
		if err == nil && (!p.follow || !e.Running()) {
			err = p.printLinks(ctx, e, progress)
		}
		switch {
		case err != nil || !p.follow:
			return err
		case e.Status == "SUCCEEDED":
			return nil
		case !e.Running():
			return &notSucceededError{strings.ToLower(e.Status)}
		}
		if err := sleep(ctx, p.interval); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// redraw draws the steps over the lines that were drawn before, and returns how many lines they are.
func (p clusterPipeline) redraw(e remote.Execution, progress remote.Progress, drawn int) (int, error) {
	back := ""
	if drawn > 0 {
		back = fmt.Sprintf("\x1b[%dA\x1b[J", drawn)
	}
	lines := statusLines(e, progress)
	if p.follow { // a line that the terminal wraps could not be redrawn
		lines = truncate(lines, terminalWidth(p.stdout))
	}
	return len(lines), p.write(back + terminal.EscapeLines(strings.Join(lines, "\n")+"\n"))
}

// printChanges prints the lines that were not printed yet, and returns all of them.
func (p clusterPipeline) printChanges(e remote.Execution, steps []remote.Step, printed []string) ([]string, error) {
	for _, line := range changedLines(e, steps, printed) {
		printed = append(printed, line)
		if err := p.print("%s\n", line); err != nil {
			return printed, err
		}
	}
	return printed, nil
}

// changedLines returns a line for each step that has changed: its duration only once it has ended.
func changedLines(e remote.Execution, steps []remote.Step, printed []string) []string {
	var changed []string
	for _, s := range steps {
		line := terminal.Escape(s.Name + " " + s.Status)
		if !s.Ended.IsZero() || s.Status == "waiting" || s.Status == "queued" {
			line = stepLine(e, s)
		}
		if !slices.Contains(printed, line) {
			changed = append(changed, line)
		}
	}
	if !e.Running() {
		changed = append(changed, executionLine(e))
	}
	return changed
}

// maxShardRows is how many shards of a step are shown; of more, only those that have not passed.
const maxShardRows = 8

// statusLines are the execution, its steps by stage, the shards of a divided step below it, and the stages to come.
func statusLines(e remote.Execution, p remote.Progress) []string {
	lines := []string{executionLine(e)}
	stage := 0
	row := func(of int, text string) {
		if p.Stages > 0 {
			number := ""
			if of != stage && of > 0 {
				number, stage = fmt.Sprint(of), of
			}
			text = fmt.Sprintf("%-3s%s", number, text)
		}
		lines = append(lines, strings.TrimRight("  "+text, " "))
	}
	divided := map[string]bool{}
	for _, s := range p.Steps {
		if s.Shards == 0 {
			row(s.Stage, stepLine(e, s))
			continue
		}
		if divided[s.Steps] {
			continue
		}
		divided[s.Steps] = true
		line, shards := shardedLine(p, s.Steps)
		row(s.Stage, line)
		for _, one := range shards {
			if len(shards) <= maxShardRows || one.Status != "passed" {
				row(s.Stage, "  "+stepLine(e, one))
			}
		}
	}
	if e.Running() {
		for _, coming := range p.Coming {
			row(coming.Number, terminal.Escape(fmt.Sprintf("%-18s %s", coming.Name, "to come")))
		}
	}
	return lines
}

// shardedLine sums up a divided step, and returns its shards and the tasks that merge them.
func shardedLine(p remote.Progress, step string) (string, []remote.Step) {
	var shards []remote.Step
	counts := map[string]int{}
	total := 0
	for _, s := range p.Steps {
		if s.Steps == step && s.Shards > 0 {
			shards, total = append(shards, s), s.Shards
			if s.Shard > 0 {
				counts[s.Status]++
			}
		}
	}
	status, reason := "running", ""
	if passed, why, known := p.Verdict(step); known {
		status, reason = "failed", why
		if passed {
			status = "passed"
		}
	} else if counts["running"]+counts["queued"] == 0 && !slices.ContainsFunc(shards, func(s remote.Step) bool { return s.Ended.IsZero() }) {
		status = "merging"
	}
	var parts []string
	for _, name := range []string{"passed", "failed", "running", "queued", "stopped"} {
		if n := counts[name]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, name))
		}
	}
	text := fmt.Sprintf("%-18s %-8s %s: %s", step, status, units.Count(total, "shard"), strings.Join(parts, ", "))
	if reason != "" {
		text += "  " + reason
	}
	return terminal.Escape(text), shards
}

func executionLine(e remote.Execution) string {
	end := e.Stopped
	if end.IsZero() {
		end = time.Now()
	}
	status := strings.ToLower(strings.ReplaceAll(e.Status, "_", " "))
	text := fmt.Sprintf("%s  %s, %s", e.Name, status, units.Duration(end.Sub(e.Started)))
	if e.Ref != "" {
		text += fmt.Sprintf("  %s %.12s", e.Ref, e.SHA)
	}
	if e.Step != "" {
		text += "  step " + e.Step + " alone"
	}
	if e.Retries != "" {
		text += "  goes on from " + e.Retries
	}
	if cause := strings.Trim(e.Error+": "+e.Cause, ": "); cause != "" {
		text += "  " + cause
	}
	return terminal.Escape(text)
}

// truncate shortens lines that a terminal would wrap; a width of 0 is unknown.
func truncate(lines []string, width int) []string {
	for i, line := range lines {
		if runes := []rune(line); width > 0 && len(runes) >= width {
			lines[i] = string(runes[:max(0, width-2)]) + "…"
		}
	}
	return lines
}

func stepLine(e remote.Execution, s remote.Step) string {
	duration := ""
	switch {
	case !s.Ended.IsZero():
		duration = units.Duration(s.Ended.Sub(s.Started))
	case s.Status == "running":
		duration = units.Duration(time.Since(s.Started))
	case s.Status == "queued":
		duration = "for " + units.Duration(time.Since(s.Started))
	}
	text := fmt.Sprintf("%-18s %-8s %s", s.Name, s.Status, duration)
	if s.Status == "waiting" {
		text += "for approval: runner pipeline approve " + e.Name
	}
	if s.Reason != "" {
		text += "  " + s.Reason
	}
	if s.Task != "" && s.Status != "passed" {
		text += "  task " + s.Task
	}
	return terminal.Escape(strings.TrimRight(text, " "))
}

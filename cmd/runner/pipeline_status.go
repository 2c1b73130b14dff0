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
		current, steps, err := p.remote.Status(ctx, e.Name)
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
		if p.terminal {
			drawn, err = p.redraw(e, steps, drawn)
		} else {
			printed, err = p.printChanges(e, steps, printed)
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
func (p clusterPipeline) redraw(e remote.Execution, steps []remote.Step, drawn int) (int, error) {
	back := ""
	if drawn > 0 {
		back = fmt.Sprintf("\x1b[%dA\x1b[J", drawn)
	}
	lines := statusLines(e, steps)
	if p.follow { // a line that the terminal wraps could not be redrawn
		lines = truncate(lines, terminalWidth(p.stdout))
	}
	return len(lines), p.write(back + terminal.EscapeLines(strings.Join(lines, "\n")+"\n"))
}

// printChanges prints the lines that were not printed yet, and returns all of them.
func (p clusterPipeline) printChanges(e remote.Execution, steps []remote.Step, printed []string) ([]string, error) {
	lines := statusLines(e, steps)
	if p.follow {
		lines = changedLines(e, steps, printed)
	}
	for _, line := range lines {
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

func statusLines(e remote.Execution, steps []remote.Step) []string {
	lines := []string{executionLine(e)}
	for _, s := range steps {
		lines = append(lines, "  "+stepLine(e, s))
	}
	return lines
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

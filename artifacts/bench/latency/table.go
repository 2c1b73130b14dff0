package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// table is what is printed: columns for a person, or the rows of speed.md.
type table struct {
	to       io.Writer
	markdown bool
	both     bool // before and after
	lines    [][]string
	loads    []string
}

func (t *table) title(text string) { fmt.Fprintf(t.to, "%s\n\n", text) }

// add adds a row; before is nil for none.
func (t *table) add(latency time.Duration, work string, before, after *result) {
	row := []string{spaced(latency), work}
	if t.both {
		row = append(row, before.short())
	}
	row = append(row, after.short())
	t.lines = append(t.lines, row)
	t.loads = append(t.loads, load())
}

// problem adds a row without figures.
func (t *table) problem(latency time.Duration, work, what string) {
	row := []string{spaced(latency), work}
	if t.both {
		row = append(row, "")
	}
	t.lines = append(t.lines, append(row, what))
	t.loads = append(t.loads, load())
}

// short is wall s / CPU s / requests / in sequence / turns.
func (r *result) short() string {
	if r == nil {
		return ""
	}
	return fmt.Sprintf("%.2f / %.2f / %d / %d / %d", r.wall.Seconds(), r.cpu.Seconds(), r.requests, r.sequential, r.turns)
}

// spaced is a latency as people write it.
func spaced(d time.Duration) string { return strings.Replace(d.String(), "ms", " ms", 1) }

func (t *table) flush() error {
	head := []string{"latency", "run", "wall s / CPU s / requests / in sequence / turns"}
	if t.both {
		head = []string{"latency", "run", "before: " + head[2], "after"}
	}
	head = append(head, "load")
	if t.markdown {
		fmt.Fprintf(t.to, "| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
		for i, row := range t.lines {
			fmt.Fprintf(t.to, "| %s | %s |\n", strings.Join(row, " | "), t.loads[i])
		}
		return nil
	}
	w := tabwriter.NewWriter(t.to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(head, "\t"))
	for i, row := range t.lines {
		fmt.Fprintf(w, "%s\t%s\n", strings.Join(row, "\t"), t.loads[i])
	}
	return w.Flush()
}

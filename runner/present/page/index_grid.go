package page

import (
	"fmt"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
)

// pipelines is a grid: commits as rows, steps as columns.
func (w *writer) pipelines(x Index) {
	rows, columns := gridOf(x)
	w.section("pipelines", "Pipelines")
	w.raw("<p class=\"legend\">" + strings.Join([]string{
		legend("good", "✓", "passed"), legend("bad", "✗", "failed"), legend("warn", "~", "passed, with flaky tests"),
		legend("aside", "–", "cancelled"), legend("on", "●", "running"), legend("bad", "?", "lost"),
	}, " ") + "</p>\n")
	w.raw("<p id=\"filtering\" class=\"search\" hidden><input id=\"filter\" type=\"search\" aria-label=\"filter commits and runs\" " +
		"placeholder=\"commit, branch, who, step, test …\"><label><input id=\"onlyfailed\" type=\"checkbox\"> failed only</label>" +
		"<output id=\"matches\"></output></p>\n")
	heads := []column{{title: "commit"}}
	for _, c := range columns {
		heads = append(heads, column{title: c, class: "step"})
	}
	w.folded(len(rows), "pipelines", "older commit", func(label string, from, to int) {
		w.startTable(label, "grid", heads...)
		for _, row := range rows[from:to] {
			w.pipeline(x, row, columns)
		}
		w.endTable()
	})
	if n := pipelineCount(x) - len(rows); n > 0 {
		w.put("<p class=\"note\">The figures below include the runs of %s more.</p>\n", units.Count(n, "commit"))
	}
	w.raw("</section>\n")
}

// legend explains a sign.
func legend(class, sign, word string) string {
	return fmt.Sprintf("<span class=\"sample\"><span class=\"cell %s\" aria-hidden=\"true\">%s</span> %s</span>", class, sign, word)
}

// folded writes the first rows of a table, and the rest in a table that is folded.
func (w *writer) folded(n int, label, rest string, rows func(label string, from, to int)) {
	open := min(n, shownOpenRows)
	rows("list of "+label, 0, open)
	if n > open {
		w.put("<details><summary>%s</summary>\n", units.Count(n-open, rest))
		rows("list of older "+label, open, n)
		w.raw("</details>\n")
	}
}

// pipeline is a row: a commit, and a cell for each step.
func (w *writer) pipeline(x Index, row pipeline, columns []string) {
	w.put("<tr%s data-find=\"%s\" data-failed=\"%s\"><th scope=\"row\">", row.anchor(x), row.find(), fmt.Sprint(row.failed()))
	w.put("%s", entryCommit(x, row.newest))
	if x.Branch == "" {
		w.put(" <span class=\"on-branch\">%s</span>", clip(row.newest.Branch, maxName))
	}
	w.put("<span class=\"by\">%s</span></th>", row.by(x))
	for _, c := range columns {
		w.cell(x, row.cells[c])
	}
	w.raw("</tr>\n")
}

// anchor lets reports link to their commit on the page of a branch, where a commit has one row.
func (p pipeline) anchor(x Index) markup {
	if x.Branch == "" || !keys.IsSHA(p.newest.SHA) {
		return ""
	}
	return markup(" id=\"c-" + p.newest.SHA + "\"")
}

// cell is the newest run of a step at a commit.
func (w *writer) cell(x Index, runs []record.Entry) {
	if len(runs) == 0 {
		w.raw("<td class=\"none\"></td>")
		return
	}
	e := runs[0]
	class, sign, word := look(e, x.At)
	w.put("<td><a class=\"cell out %s\" href=\"%s\" data-run=\"%s\" title=\"%s\"%s>", markup(class), address(x.Report(e)), e.RunID,
		cellTitle(e, word, x.At), deadline(e))
	took := shortTook(e, x.At)
	if word == "lost" {
		took = "lost"
	}
	w.put("<span aria-hidden=\"true\">%s</span> <span class=\"hidden\">%s</span><span class=\"took\">%s</span>", sign, word, took)
	if len(runs) > 1 {
		w.put("<span class=\"again\"> ×%d</span>", len(runs))
	}
	w.raw("</a></td>")
}

// deadline lets the script find runs that were lost after the page was written.
func deadline(e record.Entry) markup {
	if e.State != record.Running || e.Deadline.IsZero() {
		return ""
	}
	return markup(fmt.Sprintf(" data-deadline=\"%s\"", e.Deadline.UTC().Format(time.RFC3339)))
}

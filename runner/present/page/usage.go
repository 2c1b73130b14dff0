package page

import (
	"fmt"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
)

// usage shows what the commands used of the machine over time, against its limits.
func (w *writer) usage(run record.Run) {
	u := run.Usage
	if u == nil {
		return
	}
	w.section("usage", "Usage")
	w.put("<p>%s", present.UsageLine(u))
	if run.Cost != nil {
		w.put("; %s", present.CostLine(run.Cost))
	}
	w.raw("</p>\n")
	if u.Samples != nil && len(u.Samples.Seconds) > 1 && worthCharts(run) {
		w.plots(u, record.Duration(run.Seconds))
	}
	w.raw("</section>\n")
}

// worthCharts reports whether a run took long enough to have a course that is worth a chart.
func worthCharts(run record.Run) bool { return run.Seconds >= 10 }

func (w *writer) plots(u *record.Usage, total time.Duration) {
	s := u.Samples
	size := func(v float64) string { return units.Size(int64(v)) }
	w.raw("<div class=\"plots\">\n")
	w.plot(
		plot{"CPU in cores", s.CPU, u.CPULimit, func(v float64) string { return fmt.Sprintf("%.2g", v) }}, s.Seconds,
		total,
	)
	w.plot(plot{"Memory", floats(s.Memory), float64(u.MemoryLimit), size}, s.Seconds, total)
	if n := len(s.Disk); n > 0 && s.Disk[n-1] > 0 {
		w.plot(plot{"Disk", floats(s.Disk), 0, size}, s.Seconds, total)
	}
	w.raw("</div>\n")
}

func floats(values []int64) []float64 {
	all := make([]float64, len(values))
	for i, v := range values {
		all[i] = float64(v)
	}
	return all
}

// plot is one figure over time, with its limit if that is not zero.
type plot struct {
	name   string
	values []float64
	limit  float64
	text   func(float64) string
}

// The units of a plot, which is stretched to the width of the page.
const plotWidth, plotHeight = 600.0, 120.0

// plot draws a figure over the time of the run, as the timeline does.
func (w *writer) plot(p plot, seconds []float64, total time.Duration) {
	n := min(len(seconds), len(p.values))
	if n == 0 {
		return
	}
	peak := 0.0
	for _, v := range p.values {
		peak = max(peak, v)
	}
	top := max(peak, p.limit) * 1.08
	if top <= 0 {
		top = 1
	}
	total = max(total, record.Duration(seconds[n-1]), 1)
	x := func(at float64) float64 { return plotWidth * at / total.Seconds() }
	y := func(v float64) float64 { return plotHeight * (1 - v/top) }

	var line strings.Builder
	for i := range n {
		fmt.Fprintf(&line, "%.1f,%.1f ", x(seconds[i]), y(p.values[i]))
	}
	points := strings.TrimSpace(line.String())
	label, limit := fmt.Sprintf("%s over %s: peak %s", p.name, units.Duration(total), p.text(peak)), ""
	if p.limit > 0 {
		limit = ", limit " + p.text(p.limit)
	}
	w.put("<figure>\n<figcaption><b>%s</b> peak %s%s</figcaption>\n", p.name, p.text(peak), limit)
	w.put(
		"<svg class=\"plot\" viewBox=\"0 0 %g %g\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"%s\">\n",
		plotWidth, plotHeight, label+limit,
	)
	w.put("<line class=\"axis\" x1=\"0\" x2=\"%g\" y1=\"%g\" y2=\"%g\"/>\n", plotWidth, plotHeight, plotHeight)
	if p.limit > 0 {
		w.put("<line class=\"limit\" x1=\"0\" x2=\"%g\" y1=\"%.1f\" y2=\"%.1f\"/>\n", plotWidth, y(p.limit), y(p.limit))
	}
	w.put("<polygon class=\"area\" points=\"%.1f,%g %s %.1f,%g\"/>\n<polyline class=\"line\" points=\"%s\"/>\n",
		x(seconds[0]), plotHeight, points, x(seconds[n-1]), plotHeight, points)
	w.put(
		"</svg>\n<div class=\"ends\" aria-hidden=\"true\"><span>0</span><span>%s</span></div>\n</figure>\n",
		units.Duration(total),
	)
}

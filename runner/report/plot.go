package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/units"
)

// timeline shows the phases as bars over the time of the run.
func (w *writer) timeline(p Page) {
	if len(p.Phases) == 0 {
		return
	}
	whole := p.Duration
	for _, phase := range p.Phases {
		whole = max(whole, phase.Start+phase.Took)
	}
	share := func(d time.Duration) float64 {
		if whole <= 0 {
			return 0
		}
		return 100 * float64(d) / float64(whole)
	}
	w.section("timeline", "Timeline")
	w.raw("<div class=\"wide\" role=\"region\" aria-label=\"phases\" tabindex=\"0\"><table class=\"timeline\">\n<thead><tr><th scope=\"col\">phase</th><th scope=\"col\" class=\"track\"><span class=\"hidden\">when</span></th><th scope=\"col\" class=\"n\">after</th><th scope=\"col\" class=\"n\">took</th></tr></thead>\n<tbody>\n")
	phases := p.Phases[:min(len(p.Phases), shownPhases)]
	for i := 0; i < len(phases); {
		n := quick(phases[i:])
		last := phases[i+n-1]
		row := Phase{Name: phases[i].Name, Start: phases[i].Start, Took: last.Start + last.Took - phases[i].Start, Error: last.Error}
		w.put("<tr id=\"phase-%d\"%s><th scope=\"row\">%s", i+1, classIf(n > 1, "quick"), clip(phases[i].Name, maxName))
		for k := 1; k < n; k++ { // each is still to be found by its number
			w.put(", <span id=\"phase-%d\">%s</span>", i+k+1, clip(phases[i+k].Name, maxName))
		}
		w.some(" <span class=\"note\">%s</span>", clip(phases[i].Note, maxName))
		w.some(" <span class=\"why\"><span class=\"hidden\">failed: </span>%s</span>", clip(row.Error, maxName))
		from := min(share(row.Start), 99.6)
		w.put("</th><td class=\"track\"><svg class=\"share\" viewBox=\"0 0 100 1\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"none\" width=\"100\" height=\"1\"/><rect class=\"%s\" x=\"%.2f\" width=\"%.2f\" height=\"1\"/></svg></td><td class=\"n\">%s</td><td class=\"n\">%s</td></tr>\n",
			barClass(row), from, min(max(share(row.Took), 0.4), 100-from), units.Duration(row.Start), units.Duration(row.Took))
		i += n
	}
	w.raw("</tbody></table></div>\n</section>\n")
}

// quick is how many phases share the first one's row: those that follow each other, took next to no time and went well. There are
// many of them, and few are of interest; what the step itself runs has a row of its own.
func quick(phases []Phase) int {
	const fast, few = 20 * time.Millisecond, 3
	n := 0
	for n < len(phases) && phases[n].Took < fast && phases[n].Error == "" && phases[n].Note == "" && barClass(phases[n]) == "aside" && !ofHook(phases[n]) {
		n++
	}
	if n < few {
		return 1
	}
	return n
}

func ofHook(phase Phase) bool {
	hook, _, _ := strings.Cut(phase.Name, " ")
	return hook == "before" || hook == "after" || hook == "on_failure"
}

// barClass tells the command's own time from what is around it.
func barClass(phase Phase) markup {
	switch {
	case phase.Error != "":
		return "bad"
	case strings.HasPrefix(phase.Name, "command"), strings.HasPrefix(phase.Name, "rerun "), phase.Name == "verify", phase.Name == "rollback":
		return "accent"
	}
	return "aside"
}

// told reports whether there is anything to say.
func (u Usage) told() bool { return u.PeakMemory != 0 || u.CPUSeconds != 0 || len(u.Samples) != 0 }

// usage shows what the run took of the machine, against what it was given.
func (w *writer) usage(p Page) {
	u := p.Usage
	if !u.told() {
		return
	}
	w.section("usage", "Usage")
	w.put("<p>peak %s of memory%s, %.1f s of CPU", units.Size(u.PeakMemory), limitText(u.MemoryLimit), u.CPUSeconds)
	w.some("; %s", u.Advice)
	w.raw("</p>\n")
	if len(u.Samples) > 1 {
		w.raw("<div class=\"plots\">\n")
		w.plot("CPU in cores", u.Samples, p.Duration, u.CPULimit, func(s Sample) float64 { return s.CPU }, func(v float64) string { return fmt.Sprintf("%.2g", v) })
		w.plot("Memory", u.Samples, p.Duration, float64(u.MemoryLimit), func(s Sample) float64 { return float64(s.Memory) }, func(v float64) string { return units.Size(int64(v)) })
		if u.Samples[len(u.Samples)-1].Disk > 0 {
			w.plot("Disk", u.Samples, p.Duration, 0, func(s Sample) float64 { return float64(s.Disk) }, func(v float64) string { return units.Size(int64(v)) })
		}
		w.raw("</div>\n")
	}
	w.raw("</section>\n")
}

func limitText(limit int64) string {
	if limit <= 0 {
		return ""
	}
	return " of " + units.Size(limit)
}

// The plot's own units: it is stretched to the room there is.
const plotWidth, plotHeight = 600.0, 120.0

// plot draws one figure over the time of the run, as the timeline does, with a line for its limit.
func (w *writer) plot(name string, samples []Sample, whole time.Duration, limit float64, value func(Sample) float64, text func(float64) string) {
	peak := 0.0
	for _, s := range samples {
		peak = max(peak, value(s))
	}
	top := max(peak, limit) * 1.08
	if top <= 0 {
		top = 1
	}
	last := samples[len(samples)-1].At
	whole = max(whole, last, 1)
	x := func(at time.Duration) float64 {
		return plotWidth * float64(at) / float64(whole)
	}
	y := func(v float64) float64 { return plotHeight * (1 - v/top) }

	var line strings.Builder
	for _, s := range samples {
		fmt.Fprintf(&line, "%.1f,%.1f ", x(s.At), y(value(s)))
	}
	points := strings.TrimSpace(line.String())
	said := fmt.Sprintf("%s over %s: peak %s", name, units.Duration(whole), text(peak))
	if limit > 0 {
		said += ", limit " + text(limit)
	}
	w.put("<figure>\n<figcaption><b>%s</b> peak %s%s</figcaption>\n", name, text(peak), prefixed(", limit ", textIf(limit > 0, text(limit))))
	w.put("<svg class=\"plot\" viewBox=\"0 0 %g %g\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"%s\">\n", plotWidth, plotHeight, said)
	w.put("<line class=\"axis\" x1=\"0\" x2=\"%g\" y1=\"%g\" y2=\"%g\"/>\n", plotWidth, plotHeight, plotHeight)
	if limit > 0 {
		w.put("<line class=\"limit\" x1=\"0\" x2=\"%g\" y1=\"%.1f\" y2=\"%.1f\"/>\n", plotWidth, y(limit), y(limit))
	}
	w.put("<polygon class=\"area\" points=\"%.1f,%g %s %.1f,%g\"/>\n<polyline class=\"line\" points=\"%s\"/>\n", x(samples[0].At), plotHeight, points, x(last), plotHeight, points)
	w.put("</svg>\n<div class=\"ends\" aria-hidden=\"true\"><span>0</span><span>%s</span></div>\n</figure>\n", units.Duration(whole))
}

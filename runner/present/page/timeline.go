package page

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
)

// phase is a row of the timeline.
type phase struct {
	name, note, err string
	start, took     time.Duration // start is since the run began
}

// phasesOf returns the phases of a run. Those that ran the command say which attempt it was, or how many tests were
// rerun.
func phasesOf(run record.Run) []phase {
	starts, next := 0, 0
	for _, a := range run.Attempts {
		if a.Rerun == 0 {
			starts++
		}
	}
	all := make([]phase, len(run.Phases))
	for i, recorded := range run.Phases {
		p := phase{
			name: recorded.Name, err: recorded.Error,
			start: recorded.Started.Sub(run.StartedAt), took: record.Duration(recorded.Seconds),
		}
		if (p.name == "command" || strings.HasPrefix(p.name, "rerun ")) && next < len(run.Attempts) {
			attempt := run.Attempts[next]
			next++
			switch {
			case attempt.Rerun > 0:
				p.note = units.Count(attempt.Rerun, "test")
			case starts > 1:
				p.note = fmt.Sprintf("attempt %d", next)
			}
		}
		all[i] = p
	}
	return all
}

// timeline shows the phases as bars over the time of the run.
func (w *writer) timeline(run record.Run) {
	phases := phasesOf(run)
	if len(phases) == 0 {
		return
	}
	total := record.Duration(run.Seconds)
	for _, p := range phases {
		total = max(total, p.start+p.took)
	}
	percent := func(d time.Duration) float64 { return 100 * float64(d) / float64(max(total, 1)) }
	w.section("timeline", "Timeline")
	columns := []column{
		{title: "phase"}, {"when", "track", true}, {title: "after", class: "n"}, {title: "took", class: "n"},
	}
	charted := worthCharts(run)
	if !charted {
		columns = slices.Delete(columns, 1, 2)
	}
	w.startTable("phases", "timeline", columns...)
	phases = phases[:min(len(phases), shownPhases)]
	for i := 0; i < len(phases); {
		n := quick(phases[i:])
		first, last := phases[i], phases[i+n-1]
		w.put("<tr id=\"phase-%d\"%s><th scope=\"row\">%s", i+1, classIf(n > 1, "quick"), clip(first.name, maxName))
		for k := 1; k < n; k++ { // a trace links to each by its number
			w.put(", <span id=\"phase-%d\">%s</span>", i+k+1, clip(phases[i+k].name, maxName))
		}
		w.some(" <span class=\"note\">%s</span>", clip(first.note, maxName))
		w.some(" <span class=\"why\"><span class=\"hidden\">failed: </span>%s</span>", clip(last.err, maxName))
		took := last.start + last.took - first.start
		w.raw("</th>")
		if charted {
			from := min(percent(first.start), 99.6)
			w.raw("<td class=\"track\">")
			w.bar(barClass(last), from, min(max(percent(took), 0.4), 100-from))
			w.raw("</td>")
		}
		w.put(
			"<td class=\"n\">%s</td><td class=\"n\">%s</td></tr>\n",
			units.Duration(first.start),
			units.Duration(took),
		)
		i += n
	}
	w.endTable()
	w.raw("</section>\n")
}

// quick returns how many phases share the first one's row: successive short ones that passed. Most are of little
// interest; commands of the step have rows of their own.
func quick(phases []phase) int {
	const fast, few = 20 * time.Millisecond, 3
	n := 0
	for _, p := range phases {
		if p.took >= fast || p.err != "" || p.note != "" || barClass(p) != "aside" || isHook(p) {
			break
		}
		n++
	}
	if n < few {
		return 1
	}
	return n
}

func isHook(p phase) bool {
	hook, _, _ := strings.Cut(p.name, " ")
	return hook == "before" || hook == "after" || hook == "on_failure"
}

// barClass colors a phase: failed, a command of the step, or the runner's own work.
func barClass(p phase) markup {
	switch {
	case p.err != "":
		return "bad"
	case strings.HasPrefix(p.name, "command"),
		strings.HasPrefix(p.name, "rerun "), p.name == "verify",
		p.name == "rollback":
		return "accent"
	}
	return "aside"
}

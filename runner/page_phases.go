package runner

import (
	"fmt"
	"strings"

	"github.com/carlin-cicd/runner/runner/units"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/report"
)

// pagePhases tells the phases, and of those that started the command which attempt it was.
func (r *run) pagePhases(f record.Run) (all []report.Phase) {
	starts, next := 0, 0
	for _, a := range f.Attempts {
		if a.Rerun == 0 {
			starts++
		}
	}
	for _, phase := range f.Phases {
		p := report.Phase{Name: phase.Name, Start: phase.Started.Sub(r.Began), Took: record.Duration(phase.Seconds), Error: r.Redactor.String(phase.Error)}
		if (phase.Name == "command" || strings.HasPrefix(phase.Name, "rerun ")) && next < len(f.Attempts) {
			a := f.Attempts[next]
			next++
			switch {
			case a.Rerun > 0:
				p.Note = units.Count(a.Rerun, "test")
			case starts > 1:
				p.Note = fmt.Sprintf("attempt %d", next)
			}
		}
		all = append(all, p)
	}
	return all
}

package page

import (
	"strings"

	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
)

// services shows what became of the services, each with the end of its output folded away.
func (w *writer) services(run record.Run) {
	if len(run.Services) == 0 {
		return
	}
	w.section("services", "Services")
	for _, s := range run.Services {
		line := clip(present.ServiceLine(s), maxMessage)
		if len(s.Lines) == 0 {
			w.put("<p>%s</p>\n", line)
			continue
		}
		open := ""
		if s.Error != "" {
			open = " open"
		}
		w.put("<details%s><summary>%s</summary>\n", open, line)
		if s.Dropped > 0 {
			w.put("<p class=\"note\">%s before these are in the log, with the source service/%s.</p>\n",
				units.Count(s.Dropped, "line"), s.Name)
		}
		w.put("<pre>%s</pre></details>\n", strings.Join(s.Lines, "\n"))
	}
	w.raw("</section>\n")
}

package page

import (
	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/record"
)

// caches shows what was restored and saved.
func (w *writer) caches(run record.Run) {
	if len(run.Caches) == 0 {
		return
	}
	w.section("caches", "Caches")
	w.raw("<ul class=\"sets\">\n")
	for _, c := range run.Caches[:min(len(run.Caches), shownRows)] {
		w.put("<li>%s</li>\n", clip(present.CacheLine(c), maxMessage))
	}
	w.raw("</ul>\n")
	w.some("<p class=\"note\">%s</p>\n", present.TimeSavedLine(run))
	w.raw("</section>\n")
}

package page

import (
	"fmt"
	"strings"

	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/record"
)

// delivery shows how the environment was changed.
func (w *writer) delivery(run record.Run) {
	d := run.Deployment
	if d == nil {
		return
	}
	w.section("delivery", "Delivery")
	w.some("<p>%s</p>\n", clip(present.DeliveryOutcome(run), maxMessage))
	for _, holder := range d.Waited[:min(len(d.Waited), shownSlow)] {
		w.put("<p class=\"note\">waited for the lock of %s</p>\n", clip(holder, maxMessage))
	}
	if run.Delivery != nil {
		w.facts(run)
	}
	w.events(d)
	w.raw("</section>\n")
}

func (w *writer) facts(run record.Run) {
	d, ended := run.Deployment, run.Delivery
	w.raw("<dl class=\"pairs\">\n")
	fact := func(name, value, to string) {
		if value != "" {
			w.put("<dt>%s</dt><dd>%s</dd>\n", name, link(to, clip(value, maxMessage)))
		}
	}
	fact("stack before", d.Before, "")
	fact("stack now", ended.Status, "")
	if was := d.Replaced; was != nil {
		fact("live before", fmt.Sprintf("%.12s of %s, run %s", was.SHA, was.Branch, was.RunID), "")
	}
	if back := ended.Rollback; back != nil {
		fact("rollback", present.RollbackDetails(*back), "")
		for _, failed := range back.Failures {
			fact(
				"failed resource",
				strings.TrimSuffix(
					fmt.Sprintf("%s (%s) %s: %s", failed.Name, failed.Type, failed.Status, failed.Reason), ": ",
				),
				"",
			)
		}
	}
	fact("problem", ended.Problem, "")
	fact("what to do", ended.Advice, "")
	if d.Forced {
		fact("forced", "over a newer commit, if there was one", "")
	}
	fact("record", d.Key, storeLink(run, d.Key))
	w.raw("</dl>\n")
}

func (w *writer) events(d *record.Deployment) {
	if len(d.Events) == 0 {
		return
	}
	w.raw("<h3>Events of the stack</h3>\n")
	if d.Dropped > 0 {
		w.put("<p class=\"note\">the last %d; the log has the %d before them</p>\n", len(d.Events), d.Dropped)
	}
	w.startTable("events of the stack", "events", column{title: "time (UTC)"}, column{title: "resource"},
		column{title: "status"})
	for _, e := range d.Events[:min(len(d.Events), shownRows)] {
		at := ""
		if !e.At.IsZero() {
			at = e.At.UTC().Format("15:04:05")
		}
		w.put("<tr%s><td class=\"at\">%s</td><td>%s", classIf(e.Failed, "failed"), at, clip(e.Resource, maxName))
		w.some(" <span class=\"note\">%s</span>", clip(strings.TrimPrefix(e.Type, "AWS::"), maxName))
		w.put("</td><td>%s", clip(e.Status, maxName))
		w.some("<span class=\"why\">%s</span>", clip(e.Reason, 1<<10))
		w.raw("</td></tr>\n")
	}
	w.endTable()
}

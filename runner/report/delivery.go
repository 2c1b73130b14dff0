package report

import "strings"

// delivery shows what became of the environment that the run changed.
func (w *writer) delivery(d *Delivery) {
	if d == nil {
		return
	}
	w.section("delivery", "Delivery")
	w.some("<p>%s</p>\n", clip(d.Outcome, maxMessage))
	for _, holder := range d.Waited[:min(len(d.Waited), shownSlow)] {
		w.put("<p class=\"note\">waited for the lock of %s</p>\n", clip(holder, maxMessage))
	}
	if len(d.Facts) > 0 {
		w.raw("<dl class=\"pairs\">\n")
		for _, f := range d.Facts {
			w.put("<dt>%s</dt><dd>%s</dd>\n", f.Name, link(f.Link, clip(f.Value, maxMessage)))
		}
		w.raw("</dl>\n")
	}
	w.events(d)
	w.raw("</section>\n")
}

func (w *writer) events(d *Delivery) {
	if len(d.Events) == 0 {
		return
	}
	w.raw("<h3>Events of the stack</h3>\n")
	if d.Dropped > 0 {
		w.put("<p class=\"note\">the last %d; %d came before, see the log</p>\n", len(d.Events), d.Dropped)
	}
	w.raw("<div class=\"wide\" role=\"region\" aria-label=\"events of the stack\" tabindex=\"0\"><table class=\"events\">\n<thead><tr><th scope=\"col\">time (UTC)</th><th scope=\"col\">resource</th><th scope=\"col\">status</th></tr></thead>\n<tbody>\n")
	for _, e := range d.Events[:min(len(d.Events), shownRows)] {
		class, at := markup(""), ""
		if e.Failed {
			class = ` class="failed"`
		}
		if !e.At.IsZero() {
			at = e.At.UTC().Format("15:04:05")
		}
		w.put("<tr%s><td class=\"at\">%s</td><td>%s", class, at, clip(e.Resource, maxName))
		w.some(" <span class=\"note\">%s</span>", clip(strings.TrimPrefix(e.Type, "AWS::"), maxName))
		w.put("</td><td>%s", clip(e.Status, maxName))
		w.some("<span class=\"why\">%s</span>", clip(e.Reason, 1<<10))
		w.raw("</td></tr>\n")
	}
	w.raw("</tbody></table></div>\n")
}

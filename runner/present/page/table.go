package page

// column is one of a table. Its title is only for screen readers if it is hidden.
type column struct {
	title, class string
	hidden       bool
}

// startTable begins a table that scrolls if it is wider than the page, up to its body.
func (w *writer) startTable(label, class string, columns ...column) {
	w.put("<div class=\"wide\" role=\"region\" aria-label=\"%s\" tabindex=\"0\">", label)
	w.put("<table class=\"%s\">\n<thead><tr>", class)
	for _, c := range columns {
		title := markup(escape(c.title))
		if c.hidden {
			title = `<span class="hidden">` + title + `</span>`
		}
		w.put("<th scope=\"col\"%s>%s</th>", classIf(c.class != "", c.class), title)
	}
	w.raw("</tr></thead>\n<tbody>\n")
}

func (w *writer) endTable() { w.raw("</tbody></table></div>\n") }

// bar draws a part of a whole, from and width in percent.
func (w *writer) bar(class markup, from, width float64) {
	w.raw("<svg class=\"share\" viewBox=\"0 0 100 1\" preserveAspectRatio=\"none\" aria-hidden=\"true\">")
	w.raw("<rect class=\"none\" width=\"100\" height=\"1\"/>")
	w.put("<rect class=\"%s\" x=\"%.2f\" width=\"%.2f\" height=\"1\"/></svg>", class, from, width)
}

package report

import (
	"strings"

	"github.com/carlin-cicd/runner/runner/units"
)

// How much room all failing, flaky and quarantined tests have in the page, in bytes: those after maxTestsMarkup are only named, as
// far as there is room for that.
const (
	maxTestsMarkup = 448 << 10
	maxNamesMarkup = 96 << 10
)

func (w *writer) tests(t *Tests, v *logView) {
	if t == nil {
		return
	}
	w.section("tests", "Tests")
	w.put("<p>%s</p>\n", counts(*t))
	w.proportions(*t)
	for _, remark := range t.Remarks {
		w.put("<p class=\"warning\">%s</p>\n", clip(remark, maxMessage))
	}
	for _, problem := range t.Problems[:min(len(t.Problems), shownSlow)] {
		w.put("<p class=\"warning\">%s</p>\n", clip(problem, 2*maxName))
	}
	if n := len(t.Problems) - shownSlow; n > 0 {
		w.put("<p class=\"warning\">and %d more</p>\n", n)
	}
	room := w.written + maxTestsMarkup
	w.cases("Failed", "t", t.Failures, max(t.Failed, len(t.Failures)), room, v)
	w.cases("Flaky: passed after they had failed", "f", t.Flaky, len(t.Flaky), room, v)
	w.cases("Quarantined: failed, and did not count", "q", t.Quarantined, len(t.Quarantined), room, v)
	if len(t.Slowest) > 0 {
		w.raw("<h3>Slowest</h3>\n<div class=\"wide\" role=\"region\" aria-label=\"slowest tests\" tabindex=\"0\"><table class=\"slowest\">\n<thead><tr><th scope=\"col\">test</th><th scope=\"col\" class=\"n\">took</th></tr></thead>\n<tbody>\n")
		for _, c := range t.Slowest[:min(len(t.Slowest), shownSlow)] {
			w.put("<tr><td>%s", title(c))
			w.some(" <span class=\"note\">%s</span>", clip(c.Note, maxName))
			w.put("</td><td class=\"n\">%s</td></tr>\n", units.Duration(c.Took))
		}
		w.raw("</tbody></table></div>\n")
	}
	w.raw("</section>\n")
}

// proportions shows the counts as a bar.
func (w *writer) proportions(t Tests) {
	parts := []struct {
		n     int
		class string
	}{{t.Failed, "bad"}, {len(t.Flaky) + len(t.Quarantined), "warn"}, {t.Skipped, "none"}}
	if t.Total <= 0 {
		return
	}
	w.raw("<svg class=\"share whole\" viewBox=\"0 0 100 1\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"good\" width=\"100\" height=\"1\"/>")
	at := 0.0
	for _, part := range parts {
		if part.n <= 0 {
			continue
		}
		width := min(max(100*float64(part.n)/float64(t.Total), 0.6), 100-at) // one of thousands can be seen
		w.put("<rect class=\"%s\" x=\"%.2f\" width=\"%.2f\" height=\"1\"/>", markup(part.class), at, width)
		at += width
	}
	w.raw("</svg>\n")
}

// cases shows tests that something is to be said of, each with what it said and what stands around it in the log.
func (w *writer) cases(heading, prefix string, all []Test, whole int, room int, v *logView) {
	if len(all) == 0 {
		return
	}
	w.put("<h3>%s <span class=\"count\">%d</span></h3>\n", heading, whole)
	shown, bare := 0, 0
	for i, c := range all[:min(len(all), shownTests)] {
		if w.written > room+maxNamesMarkup {
			break
		}
		shown++
		if w.written > room {
			bare++
			w.put("<p class=\"case bare\">%s", title(c))
			w.some(" <span class=\"file\">%s</span>", clip(c.File, maxName))
			w.raw("</p>\n")
			continue
		}
		attribute := markup("")
		if prefix == "t" && i < shownOpen {
			attribute = " open"
		}
		w.put("<details class=\"case %s\" id=\"%s%d\"%s>\n<summary><span class=\"title\">%s</span>", markup(prefix), markup(prefix), i+1, attribute, title(c))
		w.some(" <span class=\"note\">%s</span>", clip(c.Note, maxName))
		w.some(" <span class=\"file\">%s</span>", clip(c.File, maxName))
		w.raw("</summary>\n")
		if !strings.Contains(c.Details, strings.TrimSpace(c.Message)) {
			w.some("<p class=\"message\">%s</p>\n", clip(c.Message, maxMessage))
		}
		w.difference(clip(c.Details, maxDetails))
		w.nearby(c, v)
		w.raw("</details>\n")
	}
	if bare > 0 {
		w.put("<p class=\"note\">What the last %d said is in finished.json and in the reports: here is no room for it.</p>\n", bare)
	}
	if n := whole - shown; n > 0 {
		w.put("<p>and %d more, which are in the reports</p>\n", n)
	}
}

// difference shows what a failing test said: what was expected and what came told apart, and the stack folded.
func (w *writer) difference(text string) {
	text = strings.Trim(text, "\r\n")
	if text == "" {
		return
	}
	lines := strings.Split(text, "\n")
	kinds := classify(lines)
	stack := len(lines) // where nothing but frames is left
	for stack > 0 && (kinds[stack-1] == frame || strings.TrimSpace(lines[stack-1]) == "") {
		stack--
	}
	visible := min(stack+1, len(lines)) // with the test's own line
	if visible < len(lines) && !known().foreign.MatchString(lines[visible]) {
		visible++
	}
	w.raw("<pre class=\"difference\" tabindex=\"0\" role=\"group\" aria-label=\"what the test said\">")
	w.classified(lines[:visible], kinds[:visible])
	w.raw("</pre>\n")
	if rest := lines[visible:]; len(rest) > 0 {
		w.put("<details class=\"stack\"><summary>%s of the stack</summary><pre tabindex=\"0\" role=\"group\" aria-label=\"stack\">", moreLines(len(rest)))
		w.classified(rest, kinds[visible:])
		w.raw("</pre></details>\n")
	}
}

func (w *writer) classified(lines []string, kinds []kind) {
	for i, line := range lines {
		class := kinds[i].class()
		if class == "" {
			w.line([]byte(line), style{})
			w.raw("\n")
			continue
		}
		w.put("<span class=\"%s\">", class)
		w.line([]byte(line), style{})
		w.raw("\n</span>")
	}
}

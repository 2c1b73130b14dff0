package page

import (
	"fmt"
	"strings"

	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
	"github.com/carlin-cicd/runner/steps/results"
)

// How much room failing, flaky and quarantined tests have in the page, in bytes: those after maxTestsMarkup are only
// named, up to maxNamesMarkup more.
const (
	maxTestsMarkup = 200 << 10
	maxNamesMarkup = 32 << 10
)

func hasFailures(run record.Run) bool {
	t := run.Tests
	return t != nil && (len(t.Failures) > 0 || t.Failed+t.Errored > 0)
}

// caseLists returns the tests that are shown with what explains them, by the prefix of their ids.
func caseLists(t *record.Tests) map[string]caseList {
	failed := make([]results.Case, len(t.Failures))
	places := make([]place, len(t.Failures))
	for i, f := range t.Failures {
		failed[i], places[i] = f.Case, place{f.Path, f.Line}
	}
	return map[string]caseList{
		"t": {"Failed", "t", failed, places, max(t.Failed+t.Errored, len(failed))},
		"f": {"Flaky: passed after they had failed", "f", t.Flaky, nil, len(t.Flaky)},
		"q": {"Quarantined: failed, and did not count", "q", t.Quarantined, nil, len(t.Quarantined)},
	}
}

// failures shows the tests that failed.
func (w *writer) failures(run record.Run, v *logView, rows packedRows) {
	if !hasFailures(run) {
		return
	}
	list := caseLists(run.Tests)["t"]
	w.put("<section aria-labelledby=\"failures\">\n<h2 id=\"failures\">Failed tests <span class=\"count\">%d</span></h2>\n", list.total)
	w.some("<p class=\"warning\">%s</p>\n", clip(prefixed("no test was rerun: ", run.Tests.SkipReason), maxMessage))
	w.cases(run, list, w.written+maxTestsMarkup, v, rows)
	w.raw("</section>\n")
}

// tests shows all tests, and those that failed without being counted.
func (w *writer) tests(run record.Run, v *logView, rows packedRows) {
	t := run.Tests
	if t == nil {
		return
	}
	w.section("tests", "Tests")
	w.put("<p>%s</p>\n", present.TestCounts(t.Counts))
	w.proportions(t.Counts)
	w.some("<p class=\"warning\">%s</p>\n", clip(t.Missing, maxMessage))
	if !hasFailures(run) {
		w.some("<p class=\"warning\">%s</p>\n", clip(prefixed("no test was rerun: ", t.SkipReason), maxMessage))
	}
	for _, p := range t.Problems[:min(len(t.Problems), shownSlow)] {
		w.put("<p class=\"warning\">%s</p>\n", clip(p.Report+": "+p.Message, 2*maxName))
	}
	if n := len(t.Problems) - shownSlow; n > 0 {
		w.put("<p class=\"warning\">and %d more</p>\n", n)
	}
	w.list(run, rows)
	limit := w.written + maxTestsMarkup/2
	for _, prefix := range []string{"f", "q"} {
		list := caseLists(t)[prefix]
		if len(list.cases) > 0 {
			w.put("<h3>%s <span class=\"count\">%d</span></h3>\n", list.heading, list.total)
			w.cases(run, list, limit, v, rows)
		}
	}
	if rows.packed == "" && len(t.Slowest) > 0 {
		w.slowest(t.Slowest)
	}
	w.raw("</section>\n")
}

func (w *writer) slowest(cases []results.Case) {
	w.raw("<h3>Slowest</h3>\n")
	w.startTable("slowest tests", "slowest", column{title: "test"}, column{title: "took", class: "n"})
	for _, c := range cases[:min(len(cases), shownSlow)] {
		w.put("<tr><td>%s", title(c))
		w.some(" <span class=\"note\">%s</span>", clip(c.Note, maxName))
		w.put("</td><td class=\"n\">%s</td></tr>\n", units.Duration(c.Duration))
	}
	w.endTable()
}

// proportions shows the counts as a bar.
func (w *writer) proportions(c results.Counts) {
	if c.Total <= 0 {
		return
	}
	w.raw("<svg class=\"share whole\" viewBox=\"0 0 100 1\" preserveAspectRatio=\"none\" aria-hidden=\"true\">")
	w.raw("<rect class=\"good\" width=\"100\" height=\"1\"/>")
	at := 0.0
	for _, part := range []struct {
		n     int
		class string
	}{{c.Failed + c.Errored, "bad"}, {c.Flaky + c.Quarantined, "warn"}, {c.Skipped, "none"}} {
		if part.n <= 0 {
			continue
		}
		width := min(max(100*float64(part.n)/float64(c.Total), 0.6), 100-at) // so that one of thousands can be seen
		w.put("<rect class=\"%s\" x=\"%.2f\" width=\"%.2f\" height=\"1\"/>", markup(part.class), at, width)
		at += width
	}
	w.raw("</svg>\n")
}

// caseList is a list of tests that failed. Prefix begins the ids of its elements; total counts those that were not
// kept, too.
type caseList struct {
	heading, prefix string
	cases           []results.Case
	places          []place // in the repository, as far as they are known
	total           int
}

// place is a line of a file.
type place struct {
	path string
	line int
}

func anchor(prefix string, i int) string { return fmt.Sprintf("%s%d", prefix, i+1) }

// cases shows tests with their failures and the lines of the log around them. After limit bytes of the page they are
// only named.
func (w *writer) cases(run record.Run, list caseList, limit int, v *logView, rows packedRows) {
	shown, named := 0, 0
	for i, c := range list.cases[:min(len(list.cases), shownTests)] {
		if w.written > limit+maxNamesMarkup {
			break
		}
		shown++
		if w.written > limit {
			named++
			w.put("<p class=\"case bare\" id=\"%s\">%s", anchor(list.prefix, i), title(c))
			w.some(" <span class=\"file\">%s</span>", clip(c.File, maxName))
			w.raw("</p>\n")
			continue
		}
		open := opened(list.prefix == "t" && i < shownOpen)
		w.put(
			"<details class=\"case %s\" id=\"%s\"%s>\n<summary><span class=\"title\">%s</span>",
			markup(list.prefix), anchor(list.prefix, i), open, title(c),
		)
		w.some(" <span class=\"note\">%s</span>", clip(c.Note, maxName))
		w.some(" <span class=\"file\">%s</span>", clip(c.File, maxName))
		w.raw("</summary>\n")
		var at place
		if i < len(list.places) {
			at = list.places[i]
		}
		w.whereabouts(run, c, at, rows)
		w.failure(c)
		if c.ID != "" {
			w.attachmentsOf(run, c.ID)
		}
		w.logAround(c, v)
		w.raw("</details>\n")
	}
	if named > 0 {
		w.put(
			"<p class=\"note\">The failures of the last %d do not fit here; they are in finished.json and in the reports.</p>\n",
			named,
		)
	}
	if n := list.total - shown; n > 0 {
		w.put("<p>and %d more, which are in the reports</p>\n", n)
	}
}

// whereabouts shows how the test ended lately, and leads to its code.
func (w *writer) whereabouts(run record.Run, c results.Case, at place, rows packedRows) {
	past := strip(rows.pasts[c.ID])
	to := sourceURL(run, at.path, at.line)
	if past == "" && to == "" {
		return
	}
	w.raw("<p class=\"whereabouts\">")
	if to != "" {
		w.put("<span>%s</span> ", sourceLink(run, at.path, at.line))
	}
	w.put("%s</p>\n", past)
}

// title returns the name of a test and its project, with its class if that is neither in the name nor its file.
func title(c results.Case) string {
	name := c.Name
	if c.Class != "" && c.Class != c.File && !strings.Contains(name, c.Class) {
		name = c.Class + " › " + name
	}
	return clip(name+present.Project(c), maxName)
}

// failure shows the excerpt of a failure, with expected and actual lines marked, and all of its text folded behind it.
func (w *writer) failure(c results.Case) {
	if excerpt := present.Excerpt(c); len(excerpt) > 0 {
		w.block("difference", "failure", clip(strings.Join(excerpt, "\n"), maxDetails))
	}
	text := strings.Trim(clip(present.MoreThanExcerpt(c), maxDetails), "\r\n")
	if text == "" {
		return
	}
	w.put(
		"<details class=\"stack\"><summary>the whole text, %s</summary>",
		units.Count(strings.Count(text, "\n")+1, "line"),
	)
	w.block("difference", "the whole text", text)
	w.raw("</details>\n")
}

// block shows the text of a failure.
func (w *writer) block(class markup, label, text string) {
	lines := strings.Split(text, "\n")
	w.put("<pre class=\"%s\" tabindex=\"0\" role=\"group\" aria-label=\"%s\">", class, label)
	w.classified(lines, classify(lines))
	w.raw("</pre>\n")
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

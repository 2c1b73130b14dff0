package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/units"
)

//go:embed page.css
var css string

//go:embed page.js
var script string

// How much the page shows: it is to be read, and to stay under a megabyte beside the log.
const (
	shownTests   = 200
	shownSlow    = 20
	shownFolders = 200
	shownNames   = 500
	maxMessage   = 4 << 10 // bytes
	maxDetails   = 8 << 10
	around       = 6 // lines of the log on each side of a failing test
)

// Write writes the page. The error is w's.
func Write(w io.Writer, p Page) error {
	out := newWriter(w)
	lines := bytes.Split(bytes.TrimSuffix(p.Log.Text, []byte("\n")), []byte("\n"))
	verdict := "passed"
	if !p.Passed {
		verdict = "failed"
	}
	out.put("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
	// Nothing is loaded from anywhere, and what the log says cannot change that.
	out.put("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n")
	out.put("<meta name=\"color-scheme\" content=\"light dark\">\n<title>%s %s · %s %s</title>\n<style>\n", p.Step, verdict, p.Branch, short(p.SHA))
	out.raw(css)
	out.raw("</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the content</a>\n")
	out.header(p, verdict)
	out.raw("<main id=\"main\">\n")
	out.problem(p)
	out.tests(p.Tests, lines)
	out.coverage(p.Coverage)
	out.timeline(p)
	out.usage(p)
	out.artifacts(p.Artifacts)
	out.environment(p)
	out.log(p.Log, lines)
	out.raw("</main>\n<footer>\n")
	out.put("<p>run %s · runner %s%s</p>\n</footer>\n<script>\n", p.RunID, p.Runner, prefixed(" · task ", p.Task))
	out.raw(script)
	out.raw("</script>\n</body>\n</html>\n")
	return out.flush()
}

func (w *writer) header(p Page, verdict string) {
	w.put("<header class=%q>\n<h1><span class=\"verdict\">%s</span> %s%s</h1>\n", verdict, verdict, p.Step, prefixed(" · ", p.Environment))
	w.put("<dl class=\"facts\">\n")
	fact := func(name string, value markup) {
		if value != "" {
			w.put("<div><dt>%s</dt><dd>%s</dd></div>\n", name, value)
		}
	}
	if !p.Passed {
		fact("reason", markup(fmt.Sprintf("%s, exit code %d", escape(p.Reason), p.ExitCode)))
	}
	fact("took", markup(escape(units.Duration(p.Duration))))
	fact("branch", markup(escape(p.Branch)))
	if p.SHA != "" {
		commit := markup("<code>" + escape(short(p.SHA)) + "</code>")
		if p.Repository != "" {
			commit = link("https://github.com/"+p.Repository+"/commit/"+p.SHA, short(p.SHA))
		}
		fact("commit", commit)
	}
	fact("stack", markup(escape(p.Stack)))
	if p.Tests != nil {
		fact("tests", markup(escape(counts(*p.Tests))))
	}
	if p.Coverage != nil {
		fact("coverage", markup(fmt.Sprintf("%s%s", p.Coverage.Lines, changeOf(p.Coverage))))
	}
	if !p.Started.IsZero() {
		at := p.Started.UTC()
		fact("started", markup(fmt.Sprintf("<time datetime=%q>%s UTC</time>", at.Format(time.RFC3339), at.Format("2006-01-02 15:04:05"))))
	}
	w.put("</dl>\n<p class=\"command\"><code>%s</code></p>\n</header>\n", clip(p.Command, maxMessage))
}

func (w *writer) problem(p Page) {
	if p.Error == "" {
		return
	}
	w.put("<section class=\"error\" aria-labelledby=\"error\">\n<h2 id=\"error\">Why it failed</h2>\n<p>%s</p>\n", clip(p.Error, maxMessage))
	w.some("<p class=\"hint\">%s</p>\n", p.Hint)
	w.raw("</section>\n")
}

func (w *writer) section(id, title string) {
	w.put("<section aria-labelledby=%q>\n<h2 id=%q>%s</h2>\n", markup(id), markup(id), title)
}

func (w *writer) tests(t *Tests, log [][]byte) {
	if t == nil {
		return
	}
	w.section("tests", "Tests")
	w.put("<p>%s</p>\n", counts(*t))
	for _, problem := range t.Problems {
		w.put("<p class=\"warning\">%s</p>\n", clip(problem, maxMessage))
	}
	w.cases("Failed", t.Failures, true, log)
	w.cases("Flaky: passed after they had failed", t.Flaky, false, log)
	w.cases("Quarantined: failed, and did not count", t.Quarantined, false, log)
	if len(t.Slowest) > 0 {
		w.raw("<h3>Slowest</h3>\n<div class=\"wide\" role=\"region\" aria-label=\"slowest tests\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">test</th><th scope=\"col\" class=\"n\">took</th></tr></thead>\n<tbody>\n")
		for _, c := range t.Slowest[:min(len(t.Slowest), shownSlow)] {
			w.put("<tr><td>%s</td><td class=\"n\">%s</td></tr>\n", title(c), units.Duration(c.Took))
		}
		w.raw("</tbody></table></div>\n")
	}
	w.raw("</section>\n")
}

// cases shows tests that something is to be said of, each with what it said and what stands around it in the log.
func (w *writer) cases(heading string, all []Test, open bool, log [][]byte) {
	if len(all) == 0 {
		return
	}
	w.put("<h3>%s</h3>\n", heading)
	for i, c := range all[:min(len(all), shownTests)] {
		attribute := markup("")
		if open && i < 20 {
			attribute = " open"
		}
		w.put("<details class=\"case\"%s>\n<summary>%s", attribute, title(c))
		w.some(" <span class=\"note\">%s</span>", c.Note)
		w.some(" <span class=\"file\">%s</span>", c.File)
		w.raw("</summary>\n")
		if !strings.Contains(c.Details, c.Message) {
			w.some("<p class=\"message\">%s</p>\n", clip(c.Message, maxMessage))
		}
		if c.Details != "" {
			w.raw("<pre class=\"difference\" tabindex=\"0\">")
			w.difference(clip(c.Details, maxDetails))
			w.raw("</pre>\n")
		}
		w.nearby(c, log)
		w.raw("</details>\n")
	}
	if n := len(all) - shownTests; n > 0 {
		w.put("<p>and %d more</p>\n", n)
	}
}

// difference shows a failure with what was expected and what came told apart: most tools write - and Expected for the one,
// + and Received for the other.
func (w *writer) difference(text string) {
	for line := range strings.Lines(text) {
		ending := ""
		if strings.HasSuffix(line, "\n") {
			line, ending = line[:len(line)-1], "\n"
		}
		trimmed := strings.TrimSpace(line)
		class := markup("")
		switch {
		case strings.HasPrefix(trimmed, "-") && !strings.HasPrefix(trimmed, "---") || strings.HasPrefix(trimmed, "Expected"):
			class = "want"
		case strings.HasPrefix(trimmed, "+") && !strings.HasPrefix(trimmed, "+++") || strings.HasPrefix(trimmed, "Received"):
			class = "got"
		case strings.HasPrefix(trimmed, "at "):
			class = "d"
		}
		if class == "" {
			w.line([]byte(line), style{})
		} else {
			w.put("<span class=\"%s\">", class)
			w.line([]byte(line), style{})
			w.raw("</span>")
		}
		w.raw(ending)
	}
}

// nearby shows the lines of the log around the place where a test is named last: that is where its runner sums up.
func (w *writer) nearby(c Test, log [][]byte) {
	name := []byte(strings.TrimSpace(c.Name))
	if len(name) < 4 {
		return
	}
	for i := len(log) - 1; i >= 0; i-- {
		if !bytes.Contains(log[i], name) {
			continue
		}
		from, to := max(0, i-around/2), min(len(log), i+2*around)
		w.put("<details class=\"context\"><summary>in the log</summary>\n<a href=\"#L%d\">line %d</a>\n<pre tabindex=\"0\">", i+1, i+1)
		var s style
		for _, line := range log[from:to] {
			s = w.line(clipBytes(line, 400), s)
			w.raw("\n")
		}
		w.raw("</pre></details>\n")
		return
	}
}

func (w *writer) coverage(c *Coverage) {
	if c == nil {
		return
	}
	w.section("coverage", "Coverage")
	w.put("<p>%s of %d lines%s", c.Lines.String(), c.Lines.Total, markup(changeOf(c)))
	if c.Branches.Total > 0 {
		w.put(", %s of %d branches", c.Branches.String(), c.Branches.Total)
	}
	w.put(" <span class=\"note\">%s</span></p>\n", c.Source)
	if len(c.Folders) > 0 {
		w.raw("<div class=\"wide\" role=\"region\" aria-label=\"coverage by folder\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">folder</th><th scope=\"col\">lines</th><th scope=\"col\" class=\"n\">covered</th><th scope=\"col\" class=\"n\">change</th></tr></thead>\n<tbody>\n")
		for _, f := range c.Folders[:min(len(c.Folders), shownFolders)] {
			change := ""
			if f.Change <= -0.05 || f.Change >= 0.05 {
				change = fmt.Sprintf("%+.1f", f.Change)
			}
			w.put("<tr><th scope=\"row\"><code>%s</code></th><td><meter min=\"0\" max=\"100\" low=\"50\" high=\"80\" optimum=\"100\" value=\"%.1f\" aria-label=\"lines covered\"></meter></td><td class=\"n\">%s of %d</td><td class=\"n\">%s</td></tr>\n",
				f.Path, f.Lines.Percent(), f.Lines.String(), f.Lines.Total, change)
		}
		w.raw("</tbody></table></div>\n")
	}
	w.raw("</section>\n")
}

func (w *writer) artifacts(all []Artifact) {
	if len(all) == 0 {
		return
	}
	w.section("artifacts", "Artifacts")
	w.raw("<div class=\"wide\" role=\"region\" aria-label=\"table of artifacts\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">name</th><th scope=\"col\" class=\"n\">files</th><th scope=\"col\" class=\"n\">size</th><th scope=\"col\">where</th></tr></thead>\n<tbody>\n")
	for _, a := range all {
		where := link(a.Link, a.Location)
		if a.Error != "" {
			where = markup(`<span class="warning">not published: ` + escape(clip(a.Error, maxMessage)) + `</span>`)
		}
		w.put("<tr><th scope=\"row\">%s</th><td class=\"n\">%d</td><td class=\"n\">%s</td><td>%s</td></tr>\n", a.Name, a.Files, units.Size(a.Bytes), where)
	}
	w.raw("</tbody></table></div>\n</section>\n")
}

func (w *writer) environment(p Page) {
	if len(p.Variables) == 0 {
		return
	}
	w.section("environment", "Environment")
	w.raw("<details><summary>the names of the command's variables; their values are not kept</summary>\n<ul class=\"names\">\n")
	for _, name := range p.Variables[:min(len(p.Variables), shownNames)] {
		w.put("<li><code>%s</code></li>\n", name)
	}
	w.raw("</ul></details>\n</section>\n")
}

func (w *writer) log(l Log, lines [][]byte) {
	if len(l.Text) == 0 {
		return
	}
	w.section("log", "Log")
	w.put("<div role=\"search\" class=\"search\"><label for=\"search\">Search the log</label> <input id=\"search\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\"> <button type=\"button\" id=\"previous\">Previous</button> <button type=\"button\" id=\"next\">Next</button> <output id=\"found\" for=\"search\"></output></div>\n")
	if l.Dropped > 0 {
		w.put("<p class=\"note\">the last %s; %s came before, see %s</p>\n", units.Size(int64(len(l.Text))), units.Size(l.Dropped), link(l.Link, "the whole log"))
	}
	w.raw("<pre id=\"lines\" tabindex=\"0\" aria-label=\"log of the command\">")
	var s style
	for i, line := range lines {
		w.put("<span class=\"l\" id=\"L%d\">", i+1)
		s = w.line(line, s)
		w.raw("\n</span>")
	}
	w.raw("</pre>\n</section>\n")
}

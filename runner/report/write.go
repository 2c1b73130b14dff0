package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"io"
	"time"

	"github.com/carlin-cicd/runner/runner/units"
)

//go:embed page.css
var css string

//go:embed page.js
var script string

// How much the page shows: it is to be read, and to stay under a megabyte beside the log.
const (
	shownTests  = 200
	shownOpen   = 20 // of those that failed
	shownSlow   = 20
	shownRows   = 200
	shownNames  = 500
	shownPhases = 500
	maxName     = 300 // bytes
	maxMessage  = 4 << 10
	maxDetails  = 8 << 10
	around      = 6 // lines of the log on each side of a failing test
)

// Write writes the page. The error is w's.
func Write(w io.Writer, p Page) error {
	out := newWriter(w)
	log := viewLog(p.Log)
	verdict := p.verdict()
	out.put("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
	// Nothing is loaded from anywhere, and nothing but the page's own script is run, whatever became part of the page.
	out.put("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src %s; style-src %s; img-src data:; base-uri 'none'; form-action 'none'\">\n", digest(script), digest(css))
	out.put("<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"color-scheme\" content=\"light dark\">\n")
	out.put("<link rel=\"icon\" href=\"data:image/svg+xml,%s\">\n", markup(icons[verdict]))
	out.put("<title>%s %s · %s %s</title>\n<style>", clip(p.Step, maxName), verdict, clip(p.Branch, maxName), short(p.SHA))
	out.raw(css)
	out.raw("</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the content</a>\n")
	out.header(p, verdict)
	out.raw("<main id=\"main\">\n")
	out.problem(p)
	out.delivery(p.Delivery)
	out.tests(p.Tests, log)
	out.coverage(p.Coverage)
	out.timeline(p)
	out.usage(p)
	out.artifacts(p)
	out.environment(p)
	out.log(log)
	out.raw("</main>\n<footer>\n")
	out.put("<p>run %s · runner %s%s</p>\n</footer>\n<script>", p.RunID, p.Runner, prefixed(" · task ", p.Task))
	out.raw(script)
	out.raw("</script>\n</body>\n</html>\n")
	return out.flush()
}

// digest is how a policy names a text that it allows.
func digest(text string) markup {
	sum := sha256.Sum256([]byte(text))
	return markup("'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'")
}

// icons are for the browser's tab, in which a person looks for what is red.
var icons = map[string]string{
	"passed":    "%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='7' fill='%231a7f37'/%3E%3Cpath d='M4.5 8.5l2.5 2.5 4.5-5' stroke='white' stroke-width='2' fill='none'/%3E%3C/svg%3E",
	"failed":    "%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='7' fill='%23cf222e'/%3E%3Cpath d='M5 5l6 6M11 5l-6 6' stroke='white' stroke-width='2'/%3E%3C/svg%3E",
	"cancelled": "%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='7' fill='%239a6700'/%3E%3Cpath d='M4 8h8' stroke='white' stroke-width='2'/%3E%3C/svg%3E",
}

// verdict is the first word that a person reads.
func (p Page) verdict() string {
	switch {
	case p.Passed:
		return "passed"
	case p.Reason == "cancelled":
		return "cancelled"
	}
	return "failed"
}

func (w *writer) header(p Page, verdict string) {
	w.put("<header class=%q>\n<h1><span class=\"verdict\">%s</span> %s%s</h1>\n", markup(verdict), verdict, clip(p.Step, maxName), prefixed(" · ", clip(p.Environment, maxName)))
	w.raw("<dl class=\"facts\">\n")
	fact := func(name string, value markup) {
		if value != "" {
			w.put("<div><dt>%s</dt><dd>%s</dd></div>\n", name, value)
		}
	}
	text := func(s string) markup { return markup(escape(clip(s, maxName))) }
	if !p.Passed {
		killed := ""
		if p.Killed {
			killed = ", killed"
		}
		fact("reason", text(fmt.Sprintf("%s, exit code %d%s", p.Reason, p.ExitCode, killed)))
	}
	fact("took", text(units.Duration(p.Duration)))
	if p.Tests != nil {
		fact("tests", text(counts(*p.Tests)))
	}
	if p.Coverage != nil {
		fact("coverage", text(p.Coverage.Lines.String()+changeOf(p.Coverage)))
	}
	fact("branch", text(p.Branch))
	if p.SHA != "" {
		commit := markup("<code>" + escape(short(p.SHA)) + "</code>")
		if p.Repository != "" {
			commit = link("https://github.com/"+p.Repository+"/commit/"+p.SHA, short(p.SHA))
		}
		fact("commit", commit)
	}
	fact("stack", text(p.Stack))
	if !p.Started.IsZero() {
		at := p.Started.UTC()
		fact("started", markup(fmt.Sprintf("<time datetime=%q>%s UTC</time>", at.Format(time.RFC3339), at.Format("2006-01-02 15:04:05"))))
	}
	w.put("</dl>\n")
	w.some("<p class=\"command\"><span class=\"hidden\">command: </span><code>%s</code></p>\n", clip(p.Command, maxMessage))
	w.contents(p)
	w.raw("</header>\n")
}

// contents leads to the sections that there are.
func (w *writer) contents(p Page) {
	w.raw("<nav aria-label=\"sections\"><ul>\n")
	for _, s := range []struct {
		there     bool
		id, title string
	}{
		{p.Delivery != nil, "delivery", "Delivery"},
		{p.Tests != nil, "tests", "Tests"},
		{p.Coverage != nil, "coverage", "Coverage"},
		{len(p.Phases) > 0, "timeline", "Timeline"},
		{p.Usage.told(), "usage", "Usage"},
		{len(p.Artifacts)+len(p.Files) > 0, "artifacts", "Artifacts"},
		{len(p.Variables) > 0, "environment", "Environment"},
		{len(p.Log.Text) > 0, "log", "Log"},
	} {
		if s.there {
			w.put("<li><a href=\"#%s\">%s</a></li>\n", s.id, s.title)
		}
	}
	w.raw("</ul></nav>\n")
}

func (w *writer) problem(p Page) {
	if p.Error == "" {
		return
	}
	title := "Why it failed"
	if p.verdict() == "cancelled" {
		title = "Why it ended"
	}
	w.put("<section class=\"error %s\" aria-labelledby=\"error\">\n<h2 id=\"error\">%s</h2>\n<p class=\"message\">%s</p>\n", markup(p.verdict()), title, clip(p.Error, maxMessage))
	w.some("<p class=\"hint\">%s</p>\n", clip(p.Hint, maxMessage))
	if p.Never {
		w.raw("<p class=\"note\">The command was not started.</p>\n")
	}
	if p.Retryable {
		w.raw("<p class=\"note\">The same run may end otherwise if it is tried again.</p>\n")
	}
	w.raw("</section>\n")
}

func (w *writer) section(id, title string) {
	w.put("<section aria-labelledby=%q>\n<h2 id=%q>%s</h2>\n", markup(id), markup(id), title)
}

func (w *writer) coverage(c *Coverage) {
	if c == nil {
		return
	}
	w.section("coverage", "Coverage")
	w.put("<p>%s of %d lines%s", c.Lines.String(), c.Lines.Total, changeOf(c))
	if c.Branches.Total > 0 {
		w.put(", %s of %d branches", c.Branches.String(), c.Branches.Total)
	}
	w.some("; compared with %s", clip(c.Against, maxName))
	w.put(" <span class=\"note\">%s</span></p>\n", clip(c.Source, maxName))
	if len(c.Folders) > 0 {
		w.raw("<div class=\"wide\" role=\"region\" aria-label=\"coverage by folder\" tabindex=\"0\"><table class=\"folders\">\n<thead><tr><th scope=\"col\">folder</th><th scope=\"col\" class=\"plotted\"><span class=\"hidden\">share</span></th><th scope=\"col\" class=\"n\">lines</th><th scope=\"col\" class=\"n\">covered</th><th scope=\"col\" class=\"n\">change</th></tr></thead>\n<tbody>\n")
		known := compared(c.Folders)
		for _, f := range c.Folders[:min(len(c.Folders), shownRows)] {
			percent := f.Lines.Percent()
			change, class := changeText(f, known)
			w.put("<tr><th scope=\"row\"><code>%s</code></th><td class=\"plotted\"><svg class=\"share\" viewBox=\"0 0 100 1\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"none\" width=\"100\" height=\"1\"/><rect class=\"%s\" width=\"%.1f\" height=\"1\"/></svg></td><td class=\"n\">%d</td><td class=\"n\">%s</td><td class=\"n %s\">%s</td></tr>\n",
				clip(f.Path, maxName), shareClass(percent), percent, f.Lines.Total, f.Lines.String(), class, change)
		}
		w.raw("</tbody></table></div>\n")
	}
	w.raw("</section>\n")
}

// artifacts shows what was published, and the run's own files.
func (w *writer) artifacts(p Page) {
	if len(p.Artifacts)+len(p.Files) == 0 {
		return
	}
	w.section("artifacts", "Artifacts")
	if len(p.Artifacts) > 0 {
		w.raw("<ul class=\"sets\">\n")
		for _, a := range p.Artifacts[:min(len(p.Artifacts), shownRows)] {
			w.put("<li><b>%s</b>", clip(a.Name, maxName))
			if a.Error != "" {
				w.put("<p class=\"warning\">not published: %s</p></li>\n", clip(a.Error, maxMessage))
				continue
			}
			w.put(" <span class=\"note\">%s, %s</span>", filesText(a.Files), units.Size(a.Bytes))
			if a.Entry != "" {
				w.put(" %s", link(a.Entry, "open "+entryName(a.Entry)))
			}
			w.put("<p>%s</p>", link(a.Link, clip(a.Location, maxName)))
			w.some("<p class=\"command\"><code>%s</code></p>", clip(a.Get, maxName))
			w.raw("</li>\n")
		}
		w.raw("</ul>\n")
	}
	if len(p.Files) > 0 {
		w.raw("<p>Of the run itself: ")
		for i, f := range p.Files[:min(len(p.Files), shownRows)] {
			if i > 0 {
				w.raw(", ")
			}
			w.put("%s", link(f.To, clip(f.Text, maxName)))
		}
		w.raw("</p>\n")
	}
	w.some("<p class=\"note\">%s</p>\n", p.Note)
	w.raw("</section>\n")
}

func (w *writer) environment(p Page) {
	if len(p.Variables) == 0 {
		return
	}
	w.section("environment", "Environment")
	w.put("<details><summary>%d names of the command's variables; their values are not kept</summary>\n<ul class=\"names\">\n", len(p.Variables))
	for _, name := range p.Variables[:min(len(p.Variables), shownNames)] {
		w.put("<li><code>%s</code></li>\n", clip(name, maxName))
	}
	w.raw("</ul></details>\n</section>\n")
}

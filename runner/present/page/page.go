// Package page writes the record of a run as a page for people: HTML that needs no network, no server and no other
// file.
//
// All text of the run is escaped here; it has been redacted before.
package page

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"io"

	"github.com/carlin-cicd/runner/runner/record"
)

//go:embed page.css
var css string

//go:embed page.js
var script string

// How much the page shows: it has to stay readable, and under a megabyte without the log.
const (
	shownTests  = 200
	shownOpen   = 20 // failed tests that are unfolded
	shownSlow   = 20
	shownRows   = 200
	shownNames  = 500
	shownPhases = 500
	maxName     = 300 // bytes
	maxMessage  = 4 << 10
	maxDetails  = 8 << 10
)

// Log is the end of what the commands printed, with its colors, redacted.
type Log struct {
	Text    []byte
	Dropped int64    // bytes before Text
	First   int      // the number of Text's first line in the whole log; 0 counts as 1
	Times   []Moment // when its lines were begun, the oldest first; nil if that is not known
}

// Write writes the page. It is to lie in the folder of the run's records, to which its links are relative. The error is
// w's.
func Write(w io.Writer, run record.Run, log Log) error {
	out := newWriter(w)
	rows := packRows(run.Tests)
	view := viewLog(log, markedLines(run), maxLogMarkup-min(len(rows.packed), maxLogMarkup/4))
	out.head(run)
	out.header(run, view)
	out.raw("<main id=\"main\">\n")
	out.put("<p id=\"alone\" class=\"warning\" hidden>This page was opened by a link to it alone, so links to other files of the run do "+
		"not work. <code>runner report %s --open</code> opens it with them.</p>\n", run.RunID)
	out.problem(run, view)
	out.delivery(run)
	out.shards(run)
	out.failures(run, view, rows)
	out.log(run, view)
	out.tests(run, view, rows)
	out.coverage(run.Coverage)
	out.artifacts(run)
	out.timeline(run)
	out.usage(run)
	out.services(run)
	out.caches(run)
	out.environment(run.Variables)
	out.raw("</main>\n<footer>\n")
	out.put("<p>run %s · runner %s%s</p>\n</footer>\n", run.RunID, run.Runner, prefixed(" · task ", run.Task))
	out.help()
	out.raw("<script>")
	out.raw(script)
	out.raw("</script>\n</body>\n</html>\n")
	return out.flush()
}

// head begins the page up to its body.
func (w *writer) head(run record.Run) {
	verdict := verdictOf(run)
	w.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
	w.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
	w.put("<meta http-equiv=\"Content-Security-Policy\" content=\""+policy+"\">\n", digest(script), digest(css))
	w.raw("<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"color-scheme\" content=\"light dark\">\n")
	w.put("<link rel=\"icon\" href=\"data:image/svg+xml,%s\">\n", icons[verdict])
	w.put("<title>%s %s · %s %s</title>\n<style>", clip(run.Step, maxName), verdict, clip(run.Branch, maxName), short(run.SHA))
	w.raw(css)
	w.raw("</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the content</a>\n")
}

// policy lets a browser run and apply only the page's own script and style, whatever else may get into the page, and
// load only images and videos from where the page is. It is a format for the digests.
const policy = "default-src 'none'; script-src %s; style-src %s; img-src data: 'self'; media-src 'self'; " +
	"base-uri 'none'; form-action 'none'"

// digest names a script or a style in the policy that allows it.
func digest(text string) markup {
	sum := sha256.Sum256([]byte(text))
	return markup("'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'")
}

// icons are for the browser's tab, by verdict.
var icons = map[string]markup{
	"passed": icon("%231a7f37", "M4.5 8.5l2.5 2.5 4.5-5"), "failed": icon("%23cf222e", "M5 5l6 6M11 5l-6 6"),
	"cancelled": icon("%239a6700", "M4 8h8"),
}

// icon draws a sign on a disk, for a data: URL.
func icon(color, sign string) markup {
	return markup(
		"%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='7' fill='" +
			color + "'/%3E%3Cpath d='" + sign + "' stroke='white' stroke-width='2' fill='none'/%3E%3C/svg%3E",
	)
}

func verdictOf(run record.Run) string {
	switch {
	case run.Passed:
		return "passed"
	case run.Reason == record.Cancelled:
		return "cancelled"
	}
	return "failed"
}

func (w *writer) section(id, title string) {
	w.put("<section aria-labelledby=%q>\n<h2 id=%q>%s</h2>\n", markup(id), markup(id), title)
}

func (w *writer) environment(variables []string) {
	if len(variables) == 0 {
		return
	}
	w.section("environment", "Environment")
	w.put(
		"<details><summary>%d names of the command's variables; values are not recorded</summary>\n<ul class=\"names\">\n",
		len(variables),
	)
	for _, name := range variables[:min(len(variables), shownNames)] {
		w.put("<li><code>%s</code></li>\n", clip(name, maxName))
	}
	w.raw("</ul></details>\n</section>\n")
}

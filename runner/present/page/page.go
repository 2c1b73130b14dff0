// Package page writes the record of a run as a page for people: HTML that needs no network, no server and no other
// file.
//
// All text of the run is escaped here; it has been redacted before.
package page

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
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
	Dropped int64 // bytes before Text
	First   int   // the number of Text's first line in the whole log; 0 counts as 1
}

// Write writes the page. It is to lie in the folder of the run's records, to which its links are relative. The error is
// w's.
func Write(w io.Writer, run record.Run, log Log) error {
	out := newWriter(w)
	view := viewLog(log)
	verdict := verdictOf(run)
	out.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
	out.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
	out.put("<meta http-equiv=\"Content-Security-Policy\" content=\""+policy+"\">\n", digest(script), digest(css))
	out.raw("<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"color-scheme\" content=\"light dark\">\n")
	out.put("<link rel=\"icon\" href=\"data:image/svg+xml,%s\">\n", icons[verdict])
	out.put(
		"<title>%s %s · %s %s</title>\n<style>", clip(run.Step, maxName), verdict, clip(run.Branch, maxName),
		short(run.SHA),
	)
	out.raw(css)
	out.raw("</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the content</a>\n")
	out.header(run, verdict, len(log.Text) > 0)
	out.raw("<main id=\"main\">\n")
	out.put("<p id=\"alone\" class=\"warning\" hidden>This page was opened by a link to it alone, so links to other files of the run do "+
		"not work. <code>runner report %s --open</code> opens it with them.</p>\n", run.RunID)
	out.problem(run, verdict, view)
	out.delivery(run)
	out.tests(run.Tests, view)
	out.coverage(run.Coverage)
	out.timeline(run)
	out.usage(run)
	out.caches(run)
	out.artifacts(run)
	out.environment(run.Variables)
	wholeLog := ""
	if run.Published["log.jsonl.gz"] {
		wholeLog = "log.jsonl.gz"
	}
	out.log(run, view, wholeLog)
	out.raw("</main>\n<footer>\n")
	out.put("<p>run %s · runner %s%s</p>\n</footer>\n<script>", run.RunID, run.Runner, prefixed(" · task ", run.Task))
	out.raw(script)
	out.raw("</script>\n</body>\n</html>\n")
	return out.flush()
}

// policy lets a browser load nothing, and run and apply only the page's own script and style, whatever else may get
// into the page. It is a format for their digests.
const policy = "default-src 'none'; script-src %s; style-src %s; img-src data:; base-uri 'none'; form-action 'none'"

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

func (w *writer) header(run record.Run, verdict string, hasLog bool) {
	w.put("<header class=%q>\n<h1><span class=\"verdict\">%s</span> %s%s</h1>\n",
		markup(verdict), verdict, clip(run.Step, maxName), prefixed(" · ", clip(run.Environment, maxName)))
	w.raw("<dl class=\"facts\">\n")
	fact := func(name string, value markup) {
		if value != "" {
			w.put("<div><dt>%s</dt><dd>%s</dd></div>\n", name, value)
		}
	}
	text := func(s string) markup { return markup(escape(clip(s, maxName))) }
	if !run.Passed {
		killed := ""
		if run.Killed {
			killed = ", killed"
		}
		fact("reason", text(fmt.Sprintf("%s, exit code %d%s", run.Reason, run.ExitCode, killed)))
	}
	fact("took", text(units.Duration(record.Duration(run.Seconds))))
	if run.Tests != nil {
		fact("tests", text(present.TestCounts(run.Tests.Counts)))
	}
	if run.Coverage != nil {
		fact("coverage", text(run.Coverage.Lines.String()+lineChange(run.Coverage)))
	}
	fact("branch", branchLink(run))
	fact("commit", commit(run))
	fact("stack", text(run.Stack))
	if !run.StartedAt.IsZero() {
		at := run.StartedAt.UTC()
		text := at.Format("2006-01-02 15:04:05")
		fact("started", markup(fmt.Sprintf("<time datetime=%q>%s UTC</time>", at.Format(time.RFC3339), text)))
	}
	w.raw("</dl>\n")
	w.some(
		"<p class=\"command\"><span class=\"hidden\">command: </span><code>%s</code></p>\n",
		clip(run.Command, maxMessage),
	)
	w.contents(run, hasLog)
	w.raw("</header>\n")
}

// branchLink leads to the page of all runs of the branch.
func branchLink(run record.Run) markup {
	if run.Root == "" || keys.CheckBranch(run.Branch) != nil {
		return markup(escape(clip(run.Branch, maxName)))
	}
	return link(storeLink(run, keys.RunIndexHTML(keys.RunIndex(run.Branch))), clip(run.Branch, maxName))
}

// commit links the commit to its repository, if that is known.
func commit(run record.Run) markup {
	switch {
	case run.SHA == "":
		return ""
	case run.RepositoryURL == "" || run.SHA == record.NoCommit:
		return markup("<code>" + escape(short(run.SHA)) + "</code>")
	}
	return link(run.RepositoryURL+"/commit/"+run.SHA, short(run.SHA))
}

// contents links to the sections of the page.
func (w *writer) contents(run record.Run, hasLog bool) {
	w.raw("<nav aria-label=\"sections\"><ul>\n")
	for _, s := range []struct {
		exists    bool
		id, title string
	}{
		{run.Deployment != nil, "delivery", "Delivery"},
		{run.Tests != nil, "tests", "Tests"},
		{run.Coverage != nil, "coverage", "Coverage"},
		{len(run.Phases) > 0, "timeline", "Timeline"},
		{run.Usage != nil, "usage", "Usage"},
		{len(run.Caches) > 0, "caches", "Caches"},
		{true, "artifacts", "Artifacts"},
		{len(run.Variables) > 0, "environment", "Environment"},
		{hasLog, "log", "Log"},
	} {
		if s.exists {
			w.put("<li><a href=\"#%s\">%s</a></li>\n", s.id, s.title)
		}
	}
	w.raw("</ul></nav>\n")
}

// shownCause is how many lines of a cause the page shows.
const shownCause = 20

// problem is the first box: why the run did not pass.
func (w *writer) problem(run record.Run, verdict string, v *logView) {
	cause := present.CauseLine(run)
	if cause == "" {
		return
	}
	title := "Why it failed"
	if verdict == "cancelled" {
		title = "Why it ended"
	}
	w.put(
		"<section class=\"error %s\" aria-labelledby=\"error\">\n<h2 id=\"error\">%s</h2>\n<p class=\"message\">%s</p>\n",
		markup(verdict),
		title,
		clip(cause, maxMessage),
	)
	if lines := present.CauseLines(run, shownCause); len(lines) > 0 {
		w.put("<pre class=\"cause\" tabindex=\"0\" role=\"group\" aria-label=\"what explains it\">%s</pre>\n",
			clip(strings.Join(lines, "\n"), maxDetails))
	}
	w.causeLinks(run, v)
	w.some("<p class=\"note\">%s</p>\n", clip(present.ErrorBeside(run), maxMessage))
	w.some("<p class=\"hint\">%s</p>\n", clip(present.Hint(run), maxMessage))
	w.some("<p class=\"note\">Before: %s</p>\n", clip(present.SinceLine(run), maxMessage))
	w.some("<p class=\"note\">Again: <code>%s</code></p>\n", clip(present.RerunLine(run), maxMessage))
	if safeLink(run.LogURL) {
		w.put("<p class=\"note\">%s</p>\n", link(run.LogURL, "Log stream"))
	}
	if !run.CommandStarted {
		w.raw("<p class=\"note\">The command was not started.</p>\n")
	}
	if run.Retryable {
		w.raw("<p class=\"note\">Another run of the same commit may end differently.</p>\n")
	}
	w.raw("</section>\n")
}

// causeLinks leads to the cause in the log and in the code.
func (w *writer) causeLinks(run record.Run, v *logView) {
	c := run.Cause
	if c == nil {
		return
	}
	var links []string
	if at := c.LogLine; at >= v.First+v.shown && at < v.First+len(v.lines) {
		links = append(links, fmt.Sprintf("<a href=\"#L%d\">line %d of the log</a>", at, at))
	}
	if c.Kind == record.CauseTests {
		links = append(links, "<a href=\"#tests\">the failed tests</a>")
	}
	if c.Path != "" && run.RepositoryURL != "" && run.SHA != record.NoCommit {
		at := c.Path
		if c.Line > 0 {
			at += fmt.Sprintf(":%d", c.Line)
		}
		links = append(links, string(link(sourceURL(run, c.Path, c.Line), at)))
	}
	if len(links) > 0 {
		w.put("<p class=\"note\">%s</p>\n", markup(strings.Join(links, " · ")))
	}
}

// sourceURL returns the URL of a line of the code at the run's commit.
func sourceURL(run record.Run, path string, line int) string {
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	at := run.RepositoryURL + "/blob/" + run.SHA + "/" + strings.Join(parts, "/")
	if line > 0 {
		at += fmt.Sprintf("#L%d", line)
	}
	return at
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

// storeLink leads from the page to a key of the store.
func storeLink(run record.Run, key string) string {
	parts := strings.Split(key, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return run.Root + strings.Join(parts, "/")
}

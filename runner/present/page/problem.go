package page

import (
	"fmt"
	"strings"

	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/record"
)

// shownCause is how many lines of a cause the page shows.
const shownCause = 20

// problem is the first box: why the run did not pass.
func (w *writer) problem(run record.Run, v *logView) {
	verdict := verdictOf(run)
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
		text := clip(strings.Join(lines, "\n"), maxDetails)
		w.block("cause difference", "what explains it", text)
	}
	w.causeLinks(run, v)
	w.some("<p class=\"note\">%s</p>\n", clip(present.ErrorBeside(run), maxMessage))
	w.some("<p class=\"hint\">%s</p>\n", clip(present.Hint(run), maxMessage))
	w.some("<p class=\"note\">Before: %s</p>\n", clip(present.SinceLine(run), maxMessage))
	w.some("<p class=\"note\">Again: <code class=\"again\">%s</code></p>\n", clip(present.RerunLine(run), maxMessage))
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
	if c.Kind == record.CauseTests && hasFailures(run) {
		links = append(links, "<a href=\"#failures\">the failed tests</a>")
	}
	if c.Path != "" {
		links = append(links, string(sourceLink(run, c.Path, c.Line)))
	}
	if len(links) > 0 {
		w.put("<p class=\"note\">%s</p>\n", markup(strings.Join(links, " · ")))
	}
}

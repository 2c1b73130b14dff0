package page

import (
	"fmt"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
)

// emblems are drawn large beside the verdict.
var emblems = map[string]markup{
	"passed": "M13 25l8 8 15-17", "failed": "M15 15l18 18M33 15L15 33", "cancelled": "M13 24h22",
}

// header says how the run ended, what it was, and where to go from here.
func (w *writer) header(run record.Run, v *logView) {
	verdict := verdictOf(run)
	w.banner(verdict, verdict, clip(run.Step, maxName)+prefixed(" · ", clip(run.Environment, maxName)), gist(run))
	w.glance(run)
	w.some("<div class=\"command\"><pre tabindex=\"0\" role=\"group\" aria-label=\"command\">%s</pre></div>\n",
		clip(strings.Trim(run.Command, "\n"), maxMessage))
	w.neighbours(run)
	w.contents(run, v)
	w.raw("</header>\n")
}

// banner begins the header with the verdict, to be read from across the room.
func (w *writer) banner(verdict, word, what, gist string) {
	w.put("<header class=%q>\n<div class=\"banner\"><div>\n", markup(verdict))
	w.put("<svg class=\"sign\" viewBox=\"0 0 48 48\" aria-hidden=\"true\"><circle cx=\"24\" cy=\"24\" r=\"22\"/><path d=\"%s\"/></svg>\n",
		emblems[verdict])
	w.put("<h1><span class=\"verdict\">%s</span> %s</h1>\n<p class=\"gist\">%s</p>\n</div>\n", word, what, gist)
	w.raw("<button type=\"button\" id=\"keys\" hidden aria-label=\"keyboard\">?</button></div>\n")
}

// gist is how the run ended in a line.
func gist(run record.Run) string {
	took := " in " + units.Duration(record.Duration(run.Seconds))
	if t := run.Tests; t != nil && t.Total > 0 {
		if failed := t.Failed + t.Errored; failed > 0 {
			return fmt.Sprintf("%d of %s failed%s", failed, units.Count(t.Total, "test"), took)
		}
		if run.Passed {
			return units.Count(present.Passed(t.Counts), "test") + " passed" + took
		}
	}
	if run.Passed {
		return "exit code 0" + took
	}
	killed := ""
	if run.Killed {
		killed = ", killed"
	}
	return fmt.Sprintf("%s, exit code %d%s%s", clip(string(run.Reason), maxName), run.ExitCode, killed, took)
}

// glance shows the facts of the run that are worth one.
func (w *writer) glance(run record.Run) {
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
	if run.Tests != nil {
		fact("tests", text(present.TestCounts(run.Tests.Counts)))
	}
	if run.Coverage != nil {
		fact("coverage", text(run.Coverage.Lines.String()+lineChange(run.Coverage)))
	}
	fact("branch", branchLink(run))
	fact("commit", commit(run))
	fact("by", text(run.Actor))
	fact("stack", text(run.Stack))
	if !run.StartedAt.IsZero() {
		at := run.StartedAt.UTC()
		text := at.Format("2006-01-02 15:04:05")
		fact("started", markup(fmt.Sprintf("<time datetime=%q>%s UTC</time>", at.Format(time.RFC3339), text)))
	}
	w.raw("</dl>\n")
}

// neighbours leads to the runs before and after, and to what the run was part of.
func (w *writer) neighbours(run record.Run) {
	var links []markup
	add := func(class markup, to, text, note string) {
		if !safeLink(to) {
			return
		}
		m := markup(fmt.Sprintf("<a%s href=\"%s\">%s</a>", class, escape(to), escape(text)))
		if note != "" {
			m += markup(" <span class=\"note\">" + escape(note) + "</span>")
		}
		links = append(links, m)
	}
	previous, green := run.Previous, run.LastPassed
	if p := previous; p != nil {
		text := "previous run"
		if green != nil && green.RunID == p.RunID {
			text, green = "previous run, the last that passed", nil
		}
		add(` rel="prev"`, reportOf(run, p.Branch, p.SHA, p.RunID), "← "+text, string(p.State)+before(run, p.At))
	}
	if green != nil {
		add("", reportOf(run, green.Branch, green.SHA, green.RunID), "last run that passed", present.ShortSHA(green.SHA)+before(run, green.At))
	}
	if page := branchPage(run); page != "" && run.RunID != "" {
		// The page cannot know the next run. Where runner serve shows it, the script has the link lead there.
		add(` rel="next" id="newer"`, page+"#r-"+run.RunID, "newer runs →", "")
		add("", page+"#c-"+run.SHA, "pipeline of the commit", "")
	}
	add("", run.LogURL, "log stream", "")
	if len(links) == 0 {
		return
	}
	w.raw("<nav class=\"neighbours\" aria-label=\"other runs\"><ul>\n")
	for _, l := range links {
		w.put("<li>%s</li>\n", l)
	}
	w.raw("</ul></nav>\n")
}

// before says how long before the run something was.
func before(run record.Run, at time.Time) string {
	if since := run.StartedAt.Sub(at); since > 0 && !at.IsZero() {
		return ", " + span(since) + " before"
	}
	return ""
}

// span is a time between runs: two digits of it are enough.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%d days", d/day)
	case d >= time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	case d >= time.Minute:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return units.Duration(d.Truncate(time.Second))
}

// contents links to the sections of the page.
func (w *writer) contents(run record.Run, v *logView) {
	w.raw("<nav class=\"contents\" aria-label=\"sections\"><ul>\n")
	for _, s := range []struct {
		exists    bool
		id, title string
	}{
		{run.Deployment != nil, "delivery", "Delivery"},
		{len(run.Shards) > 0, "shards", "Shards"},
		{hasFailures(run), "failures", "Failed tests"},
		{len(v.lines) > 0, "log", "Log"},
		{run.Tests != nil, "tests", "Tests"},
		{run.Coverage != nil, "coverage", "Coverage"},
		{true, "artifacts", "Artifacts"},
		{len(run.Phases) > 0, "timeline", "Timeline"},
		{run.Usage != nil, "usage", "Usage"},
		{len(run.Services) > 0, "services", "Services"},
		{len(run.Caches) > 0, "caches", "Caches"},
		{len(run.Variables) > 0, "environment", "Environment"},
	} {
		if s.exists {
			w.put("<li><a href=\"#%s\">%s</a></li>\n", s.id, s.title)
		}
	}
	w.raw("</ul></nav>\n")
}

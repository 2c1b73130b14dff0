package page

import (
	_ "embed"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/sizing/fargate"
	"github.com/carlin-cicd/runner/runner/units"
)

//go:embed index.css
var indexCSS string

//go:embed index.js
var indexScript string

// How much the page of an index shows: it has to stay readable, and under a megabyte.
const (
	shownPipelines = 100
	shownColumns   = 12
	shownRuns      = 200
	shownOpenRows  = 25 // of a long table; the rest is folded
	shownBranches  = 100
	shownTrends    = 6
	shownPoints    = 100
	shownWeeks     = 12
	shownLive      = 50
)

// Index is what the page of a branch, or of a repository, shows.
type Index struct {
	Branch        string // "" for the repository
	Repository    string // owner/name, or ""
	RepositoryURL string // for a browser, or ""
	Runs          []record.Entry
	Live          []record.LiveRevision
	Branches      []string // the one with the newest run first; of a repository
	Older         bool     // there are older runs
	At            time.Time

	Report func(record.Entry) string  // leads to the report of a run
	Page   func(branch string) string // leads to the page of a branch; "" is the repository's

	grid *grid // made once for a page, as several of its parts need it; nil: see gridOf
}

// WriteIndex writes the page of an index. The error is w's.
func WriteIndex(w io.Writer, x Index) error {
	rows, columns := gridOf(x)
	x.grid = &grid{rows, columns}
	out := newWriter(w)
	style := css + indexCSS
	verdict := x.verdict()
	title := x.title()
	out.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
	out.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
	out.put("<meta http-equiv=\"Content-Security-Policy\" content=\""+policy+"\">\n", digest(indexScript), digest(style))
	out.raw("<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"color-scheme\" content=\"light dark\">\n")
	out.put("<link rel=\"icon\" href=\"data:image/svg+xml,%s\">\n", icons[verdict])
	out.put("<title>%s</title>\n<style>", title+" · runs")
	out.raw(style)
	out.raw("</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the content</a>\n")
	out.indexHeader(x, verdict, title)
	out.raw("<main id=\"main\">\n")
	out.raw("<p id=\"alone\" class=\"warning\" hidden>This page was opened by a link to it alone, so links to other pages do not work: " +
		"they lead to the list of runs here. <code>runner serve</code> opens all of them.</p>\n")
	if len(x.Runs) == 0 {
		out.raw("<p>No run is listed yet. A step that runs is listed here from its start.</p>\n")
	} else {
		out.waiting(x)
		out.running(x)
		out.live(x)
		out.pipelines(x)
		out.trends(x)
		out.indexTests(x)
		out.branches(x)
		out.cost(x)
		out.runs(x)
	}
	out.put("</main>\n<footer>\n<p>written %s UTC, at the start and the end of runs", x.At.UTC().Format("2006-01-02 15:04:05"))
	if x.Older {
		out.put("; older runs: <code>runner runs%s --limit 0</code>", prefixed(" --branch ", x.Branch))
	}
	out.raw("</p>\n</footer>\n<script>")
	out.raw(indexScript)
	out.raw("</script>\n</body>\n</html>\n")
	return out.flush()
}

func (x Index) title() string {
	switch {
	case x.Branch != "":
		return clip(x.Branch, maxName)
	case x.Repository != "":
		return clip(x.Repository, maxName)
	}
	return "All branches"
}

// verdict is that of the newest run of each step that has ended: of the branch, or of the one with the newest run.
func (x Index) verdict() string {
	seen := map[string]bool{}
	verdict := "passed"
	branch := x.mainBranch()
	for _, e := range x.Runs {
		if e.Branch != branch || e.State == record.Running || e.State == record.Aborted || seen[columnName(e)] {
			continue
		}
		if seen[columnName(e)] = true; e.State == record.Failing {
			verdict = "failed"
		}
	}
	if len(seen) == 0 {
		return "cancelled"
	}
	return verdict
}

// mainBranch is the branch that the verdict of a repository is about.
func (x Index) mainBranch() string {
	if x.Branch != "" {
		return x.Branch
	}
	for _, name := range []string{"main", "master"} {
		if slices.Contains(x.Branches, name) {
			return name
		}
	}
	if len(x.Runs) > 0 {
		return x.Runs[0].Branch
	}
	return ""
}

func (w *writer) indexHeader(x Index, verdict, title string) {
	word := map[string]string{"passed": "passing", "failed": "failing", "cancelled": "no result"}[verdict]
	w.banner(verdict, word, title, x.gist())
	w.raw("<dl class=\"facts\">\n")
	fact := func(name, value string) {
		if value != "" {
			w.put("<div><dt>%s</dt><dd>%s</dd></div>\n", name, value)
		}
	}
	s := summarize(x)
	counted := fmt.Sprint(len(x.Runs))
	if x.Older {
		counted = "the newest " + counted
	}
	fact("runs", counted)
	if s.ended > 0 {
		fact("passed", fmt.Sprintf("%.0f %% of %d", 100*float64(s.passed)/float64(s.ended), s.ended))
		fact("median duration", units.Duration(s.median))
	}
	if s.running > 0 {
		fact("running", fmt.Sprint(s.running))
	}
	if s.week > 0 {
		fact("cost in 7 days", fargate.Dollars(s.week))
	}
	w.raw("</dl>\n")
	if x.Branch != "" && x.Page != nil {
		w.put("<nav class=\"neighbours\" aria-label=\"other pages\"><ul><li>%s</li></ul></nav>\n", outside(x.Page(""), "all branches"))
	}
	w.indexContents(x)
	w.raw("</header>\n")
}

// gist is what the verdict is about.
func (x Index) gist() string {
	if len(x.Runs) == 0 {
		return "no runs yet"
	}
	if x.Branch == "" {
		return "the steps of " + clip(x.mainBranch(), maxName) + ", as they ended last"
	}
	return "its steps, as they ended last"
}

// address is where a link may lead, else to nothing.
func address(to string) string {
	if !safeLink(to) {
		return "#"
	}
	return to
}

// outside is a link to another page of the store, which is dead behind a link to this page alone.
func outside(to, text string) markup {
	if !safeLink(to) {
		return markup(escape(text))
	}
	return markup(`<a class="out" href="` + escape(to) + `">` + escape(text) + `</a>`)
}

func (w *writer) indexContents(x Index) {
	if len(x.Runs) == 0 {
		return
	}
	w.raw("<nav class=\"contents\" aria-label=\"sections\"><ul>\n")
	for _, s := range []struct {
		exists    bool
		id, title string
	}{
		{len(waitingOf(x)) > 0, "waiting", "Waits for approval"},
		{len(runningOf(x)) > 0, "running", "Running"},
		{len(x.Live) > 0, "live", "Live"},
		{true, "pipelines", "Pipelines"},
		{len(trendsOf(x)) > 0, "trends", "Trends"},
		{hasTests(x), "tests", "Tests"},
		{len(x.Branches) > 0, "branches", "Branches"},
		{len(weeksOf(x)) > 0, "cost", "Cost"},
		{true, "runs", "Runs"},
	} {
		if s.exists {
			w.put("<li><a href=\"#%s\">%s</a></li>\n", s.id, s.title)
		}
	}
	w.raw("</ul></nav>\n")
}

// running lists the runs that are running, and those that were lost lately.
func (w *writer) running(x Index) {
	all := runningOf(x)
	if len(all) == 0 {
		return
	}
	w.section("running", "Running")
	w.startTable("list of running", "running", column{title: "state"}, column{title: "step"}, column{title: "branch"},
		column{title: "commit"}, column{title: "who"}, column{title: "since"}, column{title: "run"})
	for _, e := range all[:min(len(all), shownRuns)] {
		w.put("<tr><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td><code>%s</code></td></tr>\n",
			stateMark(e, x.At), stepText(e), clip(e.Branch, maxName), entryCommit(x, e),
			clip(e.Actor, maxName), moment(e.Started, x.At), e.RunID)
	}
	w.endTable()
	w.raw("</section>\n")
}

// live lists what is live where.
func (w *writer) live(x Index) {
	if len(x.Live) == 0 {
		return
	}
	w.section("live", "Live")
	w.startTable("what is live", "live", column{title: "environment"}, column{title: "stack or step"}, column{title: "commit"},
		column{title: "branch"}, column{title: "since"}, column{title: "deployed by run"})
	for _, l := range x.Live[:min(len(x.Live), shownLive)] {
		w.put("<tr><th scope=\"row\">%s</th><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td><code>%s</code></td></tr>\n",
			clip(l.Environment, maxName), clip(l.Scope, maxName), commitLink(x.RepositoryURL, l.SHA), clip(l.Branch, maxName),
			moment(l.Since, x.At), l.RunID)
	}
	w.endTable()
	w.raw("</section>\n")
}

// branches lists the branches of a repository with how the steps ended last.
func (w *writer) branches(x Index) {
	if len(x.Branches) == 0 {
		return
	}
	last := lastOfBranches(x)
	w.section("branches", "Branches")
	w.startTable("list of branches", "branches", column{title: "branch"}, column{title: "last run"}, column{title: "how its steps ended last"})
	for _, name := range x.Branches[:min(len(x.Branches), shownBranches)] {
		runs := last[name]
		w.put("<tr><th scope=\"row\">%s</th><td>", outside(x.Page(name), clip(name, maxName)))
		if len(runs) > 0 {
			newest := slices.MinFunc(runs, record.Newer)
			w.put("%s", moment(newest.Started, x.At))
		}
		w.raw("</td><td>")
		for _, e := range runs[:min(len(runs), shownColumns)] {
			class, sign, word := look(e, x.At)
			w.put("<a class=\"chip out %s\" href=\"%s\" data-run=\"%s\" title=\"%s\"><span aria-hidden=\"true\">%s</span> %s<span class=\"hidden\"> %s</span></a> ",
				markup(class), address(x.Report(e)), e.RunID, cellTitle(e, word, x.At), sign, clip(columnName(e), maxName), word)
		}
		w.raw("</td></tr>\n")
	}
	w.endTable()
	if n := len(x.Branches) - shownBranches; n > 0 {
		w.put("<p class=\"note\">and %d more</p>\n", n)
	}
	w.raw("</section>\n")
}

// runs lists the newest runs with why they ended, so that the page says it without any other.
func (w *writer) runs(x Index) {
	w.section("runs", "Runs")
	shown := x.Runs[:min(len(x.Runs), shownRuns)]
	w.folded(len(shown), "runs", "older run", func(label string, from, to int) {
		w.startTable(label, "runs", column{title: "run"}, column{title: "step"}, column{title: "commit"}, column{title: "who"},
			column{title: "started"}, column{title: "took", class: "n"}, column{title: "tests", class: "n"},
			column{title: "coverage", class: "n"}, column{title: "cost", class: "n"})
		for _, e := range shown[from:to] {
			w.runRow(x, e)
		}
		w.endTable()
	})
	if n := len(x.Runs) - shownRuns; n > 0 {
		w.put("<p class=\"note\">The figures above include %s more.</p>\n", units.Count(n, "run"))
	}
	w.raw("</section>\n")
}

func (w *writer) runRow(x Index, e record.Entry) {
	cost := ""
	if e.Dollars > 0 {
		cost = fargate.Dollars(e.Dollars)
	}
	covered := ""
	if e.Coverage > 0 {
		covered = fmt.Sprintf("%.1f %%", e.Coverage)
	}
	w.put("<tr id=\"r-%s\" data-find=\"%s\" data-failed=\"%s\"><td>%s <span class=\"open\">%s</span>", e.RunID, findText(e),
		fmt.Sprint(isRed(e, x.At)), stateMark(e, x.At), outside(x.Report(e), "report"))
	w.put("<span class=\"id\"><code>%s</code></span>", e.RunID)
	w.some("<span class=\"why\">%s</span>", clip(whyText(e), maxMessage))
	if e.Tests != nil {
		for _, name := range e.Tests.Failing {
			w.put("<span class=\"why\">✗ %s</span>", clip(name, maxName))
		}
		if n := e.Tests.Failed - len(e.Tests.Failing); n > 0 && len(e.Tests.Failing) > 0 {
			w.put("<span class=\"why\">and %d more</span>", n)
		}
	}
	w.put("</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td>", stepText(e), entryCommit(x, e)+branchNote(x, e),
		clip(e.Actor, maxName), moment(e.Started, x.At))
	w.put("<td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td></tr>\n", shortTook(e, x.At),
		testsWords(e.Tests), covered, cost)
}

func branchNote(x Index, e record.Entry) markup {
	if x.Branch != "" {
		return ""
	}
	return markup(" <span class=\"on-branch\">" + escape(clip(e.Branch, maxName)) + "</span>")
}

package page

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
)

// columnName is a step with its environment.
func columnName(e record.Entry) string {
	if e.Environment == "" {
		return e.Step
	}
	return e.Step + "@" + e.Environment
}

// stepText is columnName with a place for a line break.
func stepText(e record.Entry) markup {
	text := escape(clip(e.Step, maxName))
	if e.Environment != "" {
		text += "<wbr>@" + escape(clip(e.Environment, maxName))
	}
	return markup(text)
}

// look is how a run is drawn: a class, a sign and a word for it, since no colour may be the only one to say it.
func look(e record.Entry, at time.Time) (class, sign, word string) {
	switch e.StateAt(at) {
	case record.Passed:
		if e.Tests != nil && e.Tests.Flaky > 0 {
			return "warn", "~", "passed, flaky"
		}
		return "good", "✓", "passed"
	case record.Aborted:
		return "aside", "–", "cancelled"
	case record.Running:
		return "on", "●", "running"
	case record.Lost:
		return "bad", "?", "lost"
	}
	return "bad", "✗", "failed"
}

func isRed(e record.Entry, at time.Time) bool {
	state := e.StateAt(at)
	return state == record.Failing || state == record.Lost
}

// stateMark is a run's state as a word with its sign.
func stateMark(e record.Entry, at time.Time) markup {
	class, sign, word := look(e, at)
	return markup(fmt.Sprintf("<span class=\"chip %s\"%s><span aria-hidden=\"true\">%s</span> %s</span>", class, deadline(e), sign, word))
}

// whyText is why a run did not pass.
func whyText(e record.Entry) string {
	switch {
	case e.State == record.Passed || e.State == record.Running:
		return ""
	case e.Cause == "":
		return string(e.Reason)
	case e.Reason == record.Failure || e.Reason == record.Cancelled || e.Reason == "":
		return e.Cause
	}
	return string(e.Reason) + ": " + e.Cause
}

func cellTitle(e record.Entry, word string, at time.Time) string {
	parts := []string{columnName(e) + " " + word}
	for _, text := range []string{whyText(e), testsWords(e.Tests)} {
		if text != "" {
			parts = append(parts, text)
		}
	}
	if took := shortTook(e, at); took != "" {
		parts = append(parts, "took "+took)
	}
	return clip(strings.Join(parts, " · "), maxName)
}

func testsWords(t *record.EntryTests) string {
	if t == nil || t.Total == 0 {
		return ""
	}
	text := units.Count(t.Total, "test")
	if t.Failed > 0 {
		text += fmt.Sprintf(", %d failed", t.Failed)
	}
	if t.Flaky > 0 {
		text += fmt.Sprintf(", %d flaky", t.Flaky)
	}
	return text
}

// shortTook is the duration to the second, as there is little room.
func shortTook(e record.Entry, at time.Time) string {
	d := e.Took()
	if e.State == record.Running {
		if e.StateAt(at) == record.Lost {
			return ""
		}
		d = at.Sub(e.Started)
	}
	if d >= time.Second {
		d = d.Round(time.Second)
	}
	return units.Duration(d)
}

// moment is a time, for the script to say how long ago it was.
func moment(t, at time.Time) markup {
	if t.IsZero() {
		return ""
	}
	layout := "2006-01-02 15:04"
	if at.Sub(t) < 300*24*time.Hour {
		layout = "01-02 15:04"
	}
	return markup(fmt.Sprintf("<time datetime=%q title=%q>%s</time>", t.UTC().Format(time.RFC3339),
		t.UTC().Format("2006-01-02 15:04:05 UTC"), t.UTC().Format(layout)))
}

func entryCommit(x Index, e record.Entry) markup {
	text := commitLink(x.RepositoryURL, e.SHA)
	if e.Dirty {
		text += " <span class=\"note\">with changes</span>"
	}
	return text
}

// commitLink links a commit to its repository, if that is known.
func commitLink(repository, sha string) markup {
	const digits = 7
	switch {
	case sha == record.NoCommit || sha == "":
		return "no commit"
	case repository == "":
		return markup("<code>" + escape(sha[:min(len(sha), digits)]) + "</code>")
	}
	return "<code>" + link(repository+"/commit/"+sha, sha[:min(len(sha), digits)]) + "</code>"
}

// findText is what the filter looks at.
func findText(e record.Entry) string {
	parts := []string{e.SHA[:min(len(e.SHA), 12)], e.Branch, e.Actor, columnName(e), string(e.State), string(e.Reason)}
	if e.Tests != nil {
		parts = append(parts, e.Tests.Failing...)
		parts = append(parts, e.Tests.Flakes...)
	}
	return clip(strings.ToLower(strings.Join(parts, " ")), 2*maxName)
}

// pipeline is a row of the grid: the runs of one commit on one branch.
type pipeline struct {
	newest record.Entry
	cells  map[string][]record.Entry // by column, the newest first
	all    []record.Entry
	at     time.Time
}

func (p pipeline) failed() bool {
	for _, runs := range p.cells {
		if isRed(runs[0], p.at) {
			return true
		}
	}
	return false
}

func (p pipeline) find() string {
	parts := []string{}
	for _, e := range p.all {
		parts = append(parts, findText(e))
	}
	return clip(strings.Join(parts, " "), 4*maxName)
}

// by is who and when.
func (p pipeline) by(x Index) markup {
	first := p.all[len(p.all)-1]
	text := string(moment(first.Started, x.At))
	if first.Actor != "" {
		text = escape(clip(first.Actor, maxName)) + " · " + text
	}
	return markup(text)
}

type pipelineKey struct{ branch, sha string }

func keyOf(e record.Entry) pipelineKey {
	if e.SHA == record.NoCommit { // each run stands for itself
		return pipelineKey{e.Branch, e.RunID}
	}
	return pipelineKey{e.Branch, e.SHA}
}

func pipelineCount(x Index) int {
	seen := map[pipelineKey]bool{}
	for _, e := range x.Runs {
		seen[keyOf(e)] = true
	}
	return len(seen)
}

// grid is what gridOf returns.
type grid struct {
	rows    []pipeline
	columns []string
}

// gridOf returns the newest pipelines, and the columns that they have: in the order in which steps follow each other.
func gridOf(x Index) ([]pipeline, []string) {
	if x.grid != nil {
		return x.grid.rows, x.grid.columns
	}
	var rows []pipeline
	at := map[pipelineKey]int{}
	for _, e := range x.Runs {
		i, known := at[keyOf(e)]
		if !known {
			if len(rows) == shownPipelines {
				continue
			}
			i = len(rows)
			at[keyOf(e)] = i
			rows = append(rows, pipeline{newest: e, cells: map[string][]record.Entry{}, at: x.At})
		}
		name := columnName(e)
		rows[i].cells[name] = append(rows[i].cells[name], e)
		rows[i].all = append(rows[i].all, e)
	}
	return rows, columnsOf(rows)
}

// columnsOf orders steps by how long after the beginning of a pipeline they begin, on average; build and test come first
// in any case.
func columnsOf(rows []pipeline) []string {
	type place struct {
		after   time.Duration
		n, runs int
	}
	places := map[string]place{}
	for _, row := range rows {
		begin := row.all[len(row.all)-1].Started
		for name, runs := range row.cells {
			p := places[name]
			first := runs[len(runs)-1].Started
			places[name] = place{p.after + first.Sub(begin), p.n + 1, p.runs + len(runs)}
		}
	}
	names := slices.SortedFunc(maps.Keys(places), func(a, b string) int { // the most used ones
		return cmp.Or(cmp.Compare(places[b].runs, places[a].runs), cmp.Compare(a, b))
	})
	names = names[:min(len(names), shownColumns)]
	rank := func(name string) int { return slices.Index([]string{"test", "build"}, name) }
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(
			cmp.Compare(rank(b), rank(a)),
			cmp.Compare(places[a].after/time.Duration(places[a].n), places[b].after/time.Duration(places[b].n)),
			cmp.Compare(a, b),
		)
	})
	return names
}

func runningOf(x Index) []record.Entry {
	var all []record.Entry
	for _, e := range x.Runs {
		state := e.StateAt(x.At)
		if state == record.Running || state == record.Lost && x.At.Sub(e.Deadline) < 24*time.Hour {
			all = append(all, e)
		}
	}
	return all
}

// lastOfBranches returns the newest run of each step of each branch, in the order of the grid's columns.
func lastOfBranches(x Index) map[string][]record.Entry {
	last := map[string][]record.Entry{}
	seen := map[[2]string]bool{}
	for _, e := range x.Runs {
		if k := [2]string{e.Branch, columnName(e)}; !seen[k] {
			seen[k] = true
			last[e.Branch] = append(last[e.Branch], e)
		}
	}
	_, columns := gridOf(x)
	for _, runs := range last {
		sort.SliceStable(runs, func(i, j int) bool {
			a, b := runs[i], runs[j]
			return cmp.Compare(slices.Index(columns, columnName(a)), slices.Index(columns, columnName(b))) < 0
		})
	}
	return last
}

// summary is a few figures over all runs of the page.
type summary struct {
	ended, passed, running int
	median                 time.Duration // of those that passed
	week                   float64       // dollars in seven days
}

func summarize(x Index) summary {
	var s summary
	var took []time.Duration
	for _, e := range x.Runs {
		if x.At.Sub(e.Started) < 7*24*time.Hour {
			s.week += e.Dollars
		}
		switch e.StateAt(x.At) {
		case record.Running:
			s.running++
		case record.Passed:
			s.passed++
			s.ended++
			took = append(took, e.Took())
		case record.Failing, record.Lost:
			s.ended++
		}
	}
	s.median = median(took)
	return s
}

func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

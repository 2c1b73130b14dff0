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
	"github.com/carlin-cicd/runner/runner/sizing/fargate"
	"github.com/carlin-cicd/runner/runner/units"
)

// trend is the last runs of a step, the oldest first.
type trend struct {
	name string
	runs []record.Entry
}

// trendsOf returns the runs of the first steps that have ended, where there are enough.
func trendsOf(x Index) []trend {
	const few = 3
	byName := map[string][]record.Entry{}
	for _, e := range x.Runs {
		if name := columnName(e); len(byName[name]) < shownPoints && (e.State == record.Passed || e.State == record.Failing) {
			byName[name] = append(byName[name], e)
		}
	}
	var all []trend
	_, columns := gridOf(x)
	for _, name := range columns {
		if runs := byName[name]; len(runs) >= few {
			slices.Reverse(runs)
			all = append(all, trend{name, runs})
		}
	}
	return all[:min(len(all), shownTrends)]
}

// trends draws the duration of a step's runs as bars; those that failed are red, and have a mark below the axis.
func (w *writer) trends(x Index) {
	all := trendsOf(x)
	if len(all) == 0 {
		return
	}
	w.section("trends", "Trends")
	w.raw("<p class=\"note\">A bar is a run, as high as it took long, the newest on the right. A red bar with a mark below failed.</p>\n<div class=\"plots\">\n")
	for _, t := range all {
		w.trend(t)
	}
	w.raw("</div>\n</section>\n")
}

func (w *writer) trend(t trend) {
	const height, foot = 36.0, 40.0
	longest, failed := time.Millisecond, 0
	var took []time.Duration
	for _, e := range t.runs {
		longest = max(longest, e.Took())
		if e.State == record.Passed {
			took = append(took, e.Took())
		} else {
			failed++
		}
	}
	caption := fmt.Sprintf("median %s, %d of %d failed", units.Duration(median(took)), failed, len(t.runs))
	if len(took) == 0 {
		caption = fmt.Sprintf("all %d failed", failed)
	}
	w.put("<figure>\n<figcaption><b>%s</b> %s%s</figcaption>\n", clip(t.name, maxName), caption, change(t))
	w.put("<svg class=\"plot\" viewBox=\"0 0 %d 42\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"%s\">", 10*len(t.runs),
		clip(t.name, maxName)+": "+caption)
	w.put("<line class=\"axis\" x1=\"0\" x2=\"%d\" y1=\"%.0f\" y2=\"%.0f\"/>", 10*len(t.runs), height+1, height+1)
	for i, e := range t.runs {
		class := markup("accent")
		if e.State != record.Passed {
			class = "bad"
			w.put("<rect class=\"bad\" x=\"%d\" y=\"%.0f\" width=\"8\" height=\"2\"/>", 10*i+1, foot)
		}
		high := max(height*float64(e.Took())/float64(longest), 0.7)
		w.put("<rect class=\"%s\" x=\"%d\" y=\"%.2f\" width=\"8\" height=\"%.2f\"><title>%s</title></rect>", class, 10*i+1, height-high, high,
			fmt.Sprintf("%s %s: %s", e.SHA[:min(7, len(e.SHA))], e.State, units.Duration(e.Took())))
	}
	w.put("</svg>\n<div class=\"ends\"><span>%s</span><span>longest %s</span><span>%s</span></div>\n</figure>\n",
		t.runs[0].Started.UTC().Format("01-02"), units.Duration(longest), t.runs[len(t.runs)-1].Started.UTC().Format("01-02"))
}

// change compares the newer half of a trend with the older one, if there is enough of both.
func change(t trend) string {
	const enough, matters = 5, 0.1
	var halves [2][]time.Duration
	for i, e := range t.runs {
		if e.State == record.Passed {
			half := 2 * i / len(t.runs)
			halves[half] = append(halves[half], e.Took())
		}
	}
	if len(halves[0]) < enough || len(halves[1]) < enough {
		return ""
	}
	before, after := median(halves[0]), median(halves[1])
	by := float64(after-before) / float64(max(before, 1))
	switch {
	case by > matters:
		return fmt.Sprintf(", the newer half %.0f %% slower", 100*by)
	case by < -matters:
		return fmt.Sprintf(", the newer half %.0f %% faster", -100*by)
	}
	return ""
}

// testFigure is a test in a list.
type testFigure struct {
	name  string
	runs  int
	times []time.Duration
	last  record.Entry // the newest run with it
}

// hasTests reports whether any run of the page has tests to speak of.
func hasTests(x Index) bool {
	return slices.ContainsFunc(x.Runs, func(e record.Entry) bool {
		return e.Tests != nil && (len(e.Tests.Flakes) > 0 || len(e.Tests.Slowest) > 0 || len(e.Tests.Failing) > 0)
	})
}

// testFigures counts tests over the runs, by name.
func testFigures(x Index, of func(record.Entry) []record.SlowTest) []testFigure {
	found := map[string]*testFigure{}
	for _, e := range x.Runs {
		for _, t := range of(e) {
			f := found[t.Name]
			if f == nil {
				f = &testFigure{name: t.Name, last: e}
				found[t.Name] = f
			}
			f.runs++
			f.times = append(f.times, record.Duration(t.Seconds))
		}
	}
	var all []testFigure
	for _, name := range slices.Sorted(maps.Keys(found)) {
		all = append(all, *found[name])
	}
	return all
}

func named(names []string) []record.SlowTest {
	var all []record.SlowTest
	for _, name := range names {
		all = append(all, record.SlowTest{Name: name})
	}
	return all
}

// indexTests lists the tests that fail most, the flakiest and the slowest.
func (w *writer) indexTests(x Index) {
	if !hasTests(x) {
		return
	}
	const most = 10
	w.section("tests", "Tests")
	w.raw("<p class=\"note\">Of the runs on this page, which keep a few names each. <code>runner tests</code> has the history of all tests.</p>\n<div class=\"lists\">\n")
	byRuns := func(a, b testFigure) int {
		return cmp.Or(cmp.Compare(b.runs, a.runs), cmp.Compare(b.last.RunID, a.last.RunID))
	}
	for _, list := range []struct {
		title, figure string
		of            func(*record.EntryTests) []record.SlowTest
		order         func(a, b testFigure) int
		value         func(testFigure) string
	}{
		{"Failing most often", "runs", func(t *record.EntryTests) []record.SlowTest { return named(t.Failing) }, byRuns, func(f testFigure) string { return fmt.Sprint(f.runs) }},
		{"Flakiest", "runs", func(t *record.EntryTests) []record.SlowTest { return named(t.Flakes) }, byRuns, func(f testFigure) string { return fmt.Sprint(f.runs) }},
		{"Slowest", "median", func(t *record.EntryTests) []record.SlowTest { return t.Slowest }, func(a, b testFigure) int {
			return cmp.Compare(median(b.times), median(a.times))
		}, func(f testFigure) string { return units.Duration(median(f.times)) }},
	} {
		all := testFigures(x, func(e record.Entry) []record.SlowTest {
			if e.Tests == nil {
				return nil
			}
			return list.of(e.Tests)
		})
		if len(all) == 0 {
			continue
		}
		sort.SliceStable(all, func(i, j int) bool { return list.order(all[i], all[j]) < 0 })
		w.put("<div><h3>%s</h3>\n", list.title)
		w.startTable("list of the tests "+strings.ToLower(list.title), "slowest", column{title: "test"}, column{title: list.figure, class: "n"}, column{title: "last", class: "n"})
		for _, f := range all[:min(len(all), most)] {
			w.put("<tr><td>%s</td><td class=\"n\">%s</td><td class=\"n\"><a class=\"out\" href=\"%s\" data-run=\"%s\">%s</a></td></tr>\n",
				clip(f.name, maxName), list.value(f), address(x.Report(f.last)), f.last.RunID, f.last.SHA[:min(7, len(f.last.SHA))])
		}
		w.endTable()
		w.raw("</div>\n")
	}
	w.raw("</div>\n</section>\n")
}

// week is what ran in a week.
type week struct {
	monday       time.Time
	runs, failed int
	dollars      float64
}

// weeksOf returns the weeks with runs, the newest first.
func weeksOf(x Index) []week {
	var all []week
	for _, e := range x.Runs {
		day := e.Started.UTC().Truncate(24 * time.Hour)
		monday := day.AddDate(0, 0, -(int(day.Weekday())+6)%7)
		i := slices.IndexFunc(all, func(w week) bool { return w.monday.Equal(monday) })
		if i < 0 {
			i = len(all)
			all = append(all, week{monday: monday})
		}
		all[i].runs++
		all[i].dollars += e.Dollars
		if isRed(e, x.At) {
			all[i].failed++
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].monday.After(all[j].monday) })
	return all[:min(len(all), shownWeeks)]
}

// cost lists the weeks: how many runs, how many failed, what they cost.
func (w *writer) cost(x Index) {
	weeks := weeksOf(x)
	most, costs := 1, 0.0
	for _, k := range weeks {
		most, costs = max(most, k.runs), costs+k.dollars
	}
	w.section("cost", "Weeks and cost")
	if costs == 0 {
		w.raw("<p class=\"note\">None of these runs was on Fargate, so none has a cost.</p>\n")
	}
	w.startTable("list of weeks", "weeks", column{title: "week of"}, column{title: "runs", class: "n"}, column{title: "failed", class: "n"},
		column{"failed and passed", "track", true}, column{title: "cost", class: "n"})
	for i, k := range weeks {
		note := ""
		if i == len(weeks)-1 && x.Older {
			note = "(in part)"
		}
		w.put("<tr><th scope=\"row\">%s", k.monday.Format("2006-01-02"))
		w.some(" <span class=\"note\">%s</span>", note)
		w.put("</th><td class=\"n\">%d</td><td class=\"n\">%d</td><td class=\"track\">", k.runs, k.failed)
		w.raw("<svg class=\"share\" viewBox=\"0 0 100 1\" preserveAspectRatio=\"none\" aria-hidden=\"true\">")
		red := 100 * float64(k.failed) / float64(most)
		w.put("<rect class=\"none\" width=\"100\" height=\"1\"/><rect class=\"bad\" width=\"%.2f\" height=\"1\"/>", red)
		w.put("<rect class=\"good\" x=\"%.2f\" width=\"%.2f\" height=\"1\"/></svg></td>", red, 100*float64(k.runs-k.failed)/float64(most))
		price := "–"
		if k.dollars > 0 {
			price = fargate.Dollars(k.dollars)
		}
		w.put("<td class=\"n\">%s</td></tr>\n", price)
	}
	w.endTable()
	w.raw("</section>\n")
}

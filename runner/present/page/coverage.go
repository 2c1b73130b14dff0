package page

import (
	"fmt"
	"slices"

	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/coverage"
)

// minChange is the smallest change that is shown, in percentage points: less is rounding.
const minChange = 0.05

func (w *writer) coverage(c *record.Coverage) {
	if c == nil {
		return
	}
	w.section("coverage", "Coverage")
	w.put("<p>%s of %d lines%s", c.Lines.String(), c.Lines.Total, lineChange(c))
	if c.Branches.Total > 0 {
		w.put(", %s of %d branches", c.Branches.String(), c.Branches.Total)
	}
	if c.Against != nil {
		w.put("; compared with %s", clip(present.Baseline(c.Against), maxName))
	}
	w.put(" <span class=\"note\">%s</span></p>\n", clip(c.Source, maxName))
	if len(c.Folders) > 0 {
		w.folders(c.Folders)
	}
	w.raw("</section>\n")
}

func (w *writer) folders(folders []coverage.Folder) {
	w.startTable("coverage by folder", "folders", column{title: "folder"}, column{"share", "plotted", true},
		column{title: "lines", class: "n"}, column{title: "covered", class: "n"}, column{title: "change", class: "n"})
	compared := slices.ContainsFunc(folders, func(f coverage.Folder) bool { return f.Change != nil })
	for _, f := range folders[:min(len(folders), shownRows)] {
		percent := f.Lines.Percent()
		w.put("<tr><th scope=\"row\"><code>%s</code></th><td class=\"plotted\">", clip(f.Path, maxName))
		w.bar(shareClass(percent), 0, percent)
		change, class := folderChange(f, compared)
		w.put("</td><td class=\"n\">%d</td><td class=\"n\">%s</td>", f.Lines.Total, f.Lines.String())
		w.put("<td class=\"n %s\">%s</td></tr>\n", class, change)
	}
	w.endTable()
}

// lineChange returns the change of the lines' coverage, "" if it is too small to show.
func lineChange(c *record.Coverage) string {
	if c.Change == nil || c.Change.Lines > -minChange && c.Change.Lines < minChange {
		return ""
	}
	return fmt.Sprintf(" (%+.1f)", c.Change.Lines)
}

// folderChange returns the change of a folder's coverage and its class. Without a comparison no folder is new.
func folderChange(f coverage.Folder, compared bool) (text string, class markup) {
	switch {
	case !compared:
		return "", ""
	case f.Change == nil:
		return "new", "note"
	case *f.Change <= -minChange:
		return fmt.Sprintf("%+.1f", *f.Change), "lost"
	case *f.Change >= minChange:
		return fmt.Sprintf("%+.1f", *f.Change), "won"
	}
	return "±0", "note"
}

// shareClass colors a share of covered lines.
func shareClass(percent float64) markup {
	switch {
	case percent < 50:
		return "bad"
	case percent < 80:
		return "warn"
	}
	return "good"
}

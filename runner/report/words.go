package report

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/carlin-cicd/runner/steps/coverage"
)

func counts(t Tests) string {
	text := fmt.Sprintf("%d passed", t.Passed)
	for _, part := range []struct {
		n    int
		what string
	}{{t.Failed, "failed"}, {t.Skipped, "skipped"}, {len(t.Flaky), "flaky"}, {len(t.Quarantined), "quarantined"}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	return fmt.Sprintf("%s, %d in all", text, t.Total)
}

func title(c Test) string {
	if c.Class != "" && c.Class != c.File && !strings.Contains(c.Name, c.Class) {
		return clip(c.Class+" › "+c.Name, maxName)
	}
	return clip(c.Name, maxName)
}

func moreLines(n int) string {
	if n == 1 {
		return "1 more line"
	}
	return fmt.Sprintf("%d more lines", n)
}

// compared reports whether the folders of an earlier run were known.
func compared(folders []coverage.Folder) bool {
	return slices.ContainsFunc(folders, func(f coverage.Folder) bool { return f.Change != nil })
}

// changeText is how a folder's coverage has changed, and the class of that.
func changeText(f coverage.Folder, compared bool) (text string, class markup) {
	switch {
	case !compared:
		return "", ""
	case f.Change == nil:
		return "new", "note"
	case *f.Change <= -0.05:
		return fmt.Sprintf("%+.1f", *f.Change), "lost"
	case *f.Change >= 0.05:
		return fmt.Sprintf("%+.1f", *f.Change), "won"
	}
	return "±0", "note"
}

// shareClass is how good a share of lines looks.
func shareClass(percent float64) markup {
	switch {
	case percent < 50:
		return "bad"
	case percent < 80:
		return "warn"
	}
	return "good"
}

func filesText(n int) string {
	if n == 1 {
		return "1 file"
	}
	return fmt.Sprintf("%d files", n)
}

// entryName is what a set's own page is called by.
func entryName(to string) string {
	if strings.HasSuffix(to, "lcov-report/index.html") || strings.Contains(to, "/coverage/") {
		return "the report"
	}
	return path.Base(to)
}

// changeOf is how the coverage differs from the branch's last run, where that is worth a word.
func changeOf(c *Coverage) string {
	if c.Change == nil || c.Change.Lines > -0.05 && c.Change.Lines < 0.05 {
		return ""
	}
	return fmt.Sprintf(" (%+.1f)", c.Change.Lines)
}

func classIf(yes bool, name string) markup {
	if yes {
		return markup(` class="` + name + `"`)
	}
	return ""
}

func short(sha string) string { return sha[:min(len(sha), 12)] }

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

func textIf(yes bool, text string) string {
	if yes {
		return text
	}
	return ""
}

// clip shortens text to about a number of bytes, on a rune boundary.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}

func clipBytes(p []byte, limit int) []byte {
	if len(p) <= limit {
		return p
	}
	return []byte(clip(string(p), limit))
}

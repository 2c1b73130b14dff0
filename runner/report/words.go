package report

import (
	"fmt"
	"strings"
	"unicode/utf8"
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
	if c.Class != "" && !strings.Contains(c.Name, c.Class) {
		return c.Class + " › " + c.Name
	}
	return c.Name
}

// changeOf is how the coverage differs from the branch's last run, where that is worth a word.
func changeOf(c *Coverage) string {
	if c.Change == nil || c.Change.Lines > -0.05 && c.Change.Lines < 0.05 {
		return ""
	}
	return fmt.Sprintf(" (%+.1f)", c.Change.Lines)
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

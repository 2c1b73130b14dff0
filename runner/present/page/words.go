package page

import "unicode/utf8"

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

// clip shortens text to about a number of bytes, between characters.
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

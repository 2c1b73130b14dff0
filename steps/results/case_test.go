package results

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLongDetailsLoseTheirMiddle(t *testing.T) {
	for _, text := range []string{
		"short",
		"the cause\n" + strings.Repeat("some more\n", 5000) + "--- FAIL: TestA (0.00s)",
		"the cause" + strings.Repeat("é", 20_000) + "the end",
		strings.Repeat("é", maxDetails) + "\n",
	} {
		got := cutMiddle(text, maxDetails)
		last := text[strings.LastIndexByte(strings.TrimSuffix(text, "\n"), '\n')+1:]
		if len(got) > maxDetails || !utf8.ValidString(got) || !strings.HasPrefix(got, text[:4]) ||
			len(last) < 100 && !strings.HasSuffix(got, "\n"+last) && got != text {
			t.Errorf("of %d bytes %d are left: %.20q…%q", len(text), len(got), got, got[max(0, len(got)-30):])
		}
		if (got == text) != (len(text) <= maxDetails) {
			t.Errorf("%d bytes are cut: %v", len(text), got != text)
		}
	}
}

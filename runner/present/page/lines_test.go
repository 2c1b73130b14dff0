package page

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// groups returns a log of some lines, with groups.
func groups(r *rand.Rand, lines int) string {
	var b strings.Builder
	left := 0
	for i := range lines {
		switch {
		case left > 0:
			if left--; left == 0 {
				b.WriteString("::endgroup::\n")
				continue
			}
		case r.IntN(40) == 0:
			left = 1 + r.IntN(1+r.IntN(700))
			fmt.Fprintf(&b, "::group::group %d\n", i)
			continue
		}
		fmt.Fprintf(&b, "%s %d\n", strings.Repeat("x", r.IntN(100)), i)
	}
	return b.String()
}

// However its groups lie, a log is whole, and what is held is markup on its own.
func TestTheEndOfALogIsElementsAtFirst(t *testing.T) {
	held := regexp.MustCompile(`(?s)<noscript>(.*?)</noscript>`)
	number := regexp.MustCompile(`id="L(\d+)"`)
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		p := build()
		lines := 1 + r.IntN(2400)
		p.Log.Text = []byte(groups(r, lines))
		page := write(t, p)
		_, log, _ := strings.Cut(page, `<pre id="lines"`)
		log, _, _ = strings.Cut(log, "</pre>")
		for i, n := range number.FindAllStringSubmatch(log, -1) {
			if i > 0 && n[1] != fmt.Sprint(i+atoi(t, number.FindStringSubmatch(log)[1])) {
				t.Fatalf("seed %d: line %s is the %dth", seed, n[1], i+1)
			}
		}
		if last := fmt.Sprintf(`id="L%d"`, strings.Count(string(p.Log.Text), "\n")); !strings.Contains(log, last) {
			t.Errorf("seed %d: the log has no %s", seed, last)
		}
		for _, part := range held.FindAllStringSubmatch(log, -1) {
			for _, tag := range []string{"details", "summary", "span", "a"} {
				if opened := strings.Count(part[1], "<"+tag+" ") + strings.Count(part[1], "<"+tag+">"); opened != strings.Count(part[1], "</"+tag+">") {
					t.Errorf("seed %d: a noscript has %d of <%s>", seed, opened, tag)
				}
			}
			if n := strings.Count(part[1], `class="l`); n > 2*chunkLines || strings.Contains(part[1], "<noscript>") {
				t.Errorf("seed %d: a noscript has %d lines", seed, n)
			}
		}
		soon := held.ReplaceAllString(log, "")
		// Titles of long folds are elements, too.
		if n := visibleLines(soon); len(soon) < len(log) && n > soonLines+lines/chunkLines {
			t.Errorf("seed %d: %d of %d lines are elements at first", seed, n, lines)
		}
		if len(log) > 2*soonMarkup && len(log) == len(soon) {
			t.Errorf("seed %d: nothing of %d bytes is held", seed, len(log))
		}
	}
}

// visibleLines counts the lines that are in no fold.
func visibleLines(log string) int {
	shut := regexp.MustCompile(`(?s)<details class="fold"><summary>.*?</details>`)
	return strings.Count(shut.ReplaceAllString(log, `class="l`), `class="l`)
}

func atoi(t *testing.T, s string) (n int) {
	t.Helper()
	if _, err := fmt.Sscan(s, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

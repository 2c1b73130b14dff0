package page

import (
	"fmt"
	"strings"

	"github.com/carlin-cicd/runner/runner/units"
	"github.com/carlin-cicd/runner/steps/history/outcome"
)

// A strip shows how a test ended in its last runs: a bar for each, the newest on the right. The script draws the same
// in the list of all tests.

// strip returns the strip of a test; "" without at least two runs that had it.
func strip(past string) markup {
	runs := 0
	counts := map[outcome.Outcome]int{}
	for _, o := range past {
		if counts[outcome.Outcome(o)]++; outcome.Outcome(o) != outcome.Missing {
			runs++
		}
	}
	if runs < 2 {
		return ""
	}
	var words []string
	for _, o := range []outcome.Outcome{outcome.Failed, outcome.Flaky, outcome.Passed, outcome.Skipped} {
		if n := counts[o]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, o))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<svg class=\"strip\" viewBox=\"0 0 %d 12\" width=\"%d\" height=\"12\" role=\"img\" aria-label=\"last %s: %s\">",
		4*len(past), 4*len(past), units.Count(runs, "run"), strings.Join(words, ", "))
	for _, look := range []struct {
		of     outcome.Outcome
		class  string
		height int
	}{{outcome.Passed, "good", 8}, {outcome.Failed, "bad", 12}, {outcome.Flaky, "warn", 10}, {outcome.Skipped, "none", 4}} {
		path := ""
		for i, o := range past {
			if outcome.Outcome(o) == look.of {
				path += fmt.Sprintf("M%d 12v-%dh3v%dz", 4*i, look.height, look.height)
			}
		}
		if path != "" {
			fmt.Fprintf(&b, "<path class=\"%s\" d=\"%s\"/>", look.class, path)
		}
	}
	b.WriteString("</svg>")
	return markup(b.String())
}

package results

import (
	"strings"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// GoTestSays reports whether a message that a test of Go has printed says more of why it failed than one before it, ""
// for none: what it logs and what it reports as an error look the same. Of two that say as much it is the last one, as a
// test logs first and then fails, but for two that read like errors: the first of those led to the others.
func GoTestSays(before, message string) bool {
	if before == "" {
		return true
	}
	than, says := weighGo(before), weighGo(message)
	return says > than || says == than && says == plain
}

func weighGo(message string) weight {
	switch {
	case goPair.MatchString(message):
		return pair
	case goError.MatchString(message):
		return thrown
	}
	return plain
}

// goTestFailure is the index of the line of a failed test of Go that says most of why it failed, -1 if none does.
func goTestFailure(body []string) int {
	best, message := -1, ""
	for i, line := range body {
		if f := goLine.FindStringSubmatch(line); f != nil && strings.TrimSpace(f[1]) != "" && GoTestSays(message, f[1]) {
			best, message = i, f[1]
		}
	}
	return best
}

var (
	goLine  = pattern.New(`^\s+\S+\.go:\d+: (.+)$`)
	goPair  = pattern.New(`(?i)\b(?:want(?:ed)?|got|expected|unexpected|mismatch|differs?|not equal|but was)\b|!=`)
	goError = pattern.New(`(?i)\b(?:fail(?:ed|s|ure)?|errors?|err|must|should|panic(?:ked)?|time[d -]*out|cannot|could not|no such|` +
		`missing|invalid|denied|refused|is nil)\b`)
)

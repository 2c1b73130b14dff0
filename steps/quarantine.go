package steps

import (
	"time"

	"github.com/carlin-cicd/runner/steps/coverage"
	"github.com/carlin-cicd/runner/steps/results"
)

// Quarantine is a test whose failure does not fail the step until a day.
type Quarantine struct {
	Test   string    // its name, or a glob: * for any characters, ? for one
	Until  time.Time // the first moment at which it counts again: midnight UTC after the day in the file
	Reason string
}

// Expired reports whether its failures count.
func (q Quarantine) Expired(now time.Time) bool { return !now.Before(q.Until) }

// LastDay is the day in the file, such as 2026-12-31.
func (q Quarantine) LastDay() string { return q.Until.AddDate(0, 0, -1).Format(time.DateOnly) }

// Matches reports whether the entry is for a test: by its name, or after its class or file as summaries have it.
func (q Quarantine) Matches(c results.Case) bool {
	for _, name := range []string{c.Name, c.Class + " › " + c.Name, c.File + " › " + c.Name} {
		if name == q.Test || glob(q.Test, name) {
			return true
		}
	}
	return false
}

// glob matches names of tests, which are full of the slashes and brackets that have a meaning in globs of paths.
func glob(pattern, name string) bool {
	p, n := []rune(pattern), []rune(name)
	star, from := -1, 0 // the last *, and where its text ends in the name so far
	i, j := 0, 0
	for j < len(n) {
		switch {
		case i < len(p) && p[i] == '*':
			star, from = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == n[j]):
			i++
			j++
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

// Coverage says where the coverage of a step is, and its limits.
type Coverage struct {
	Path string // a folder or file, relative to the step's directory; empty for the folder of the artifact called coverage
	coverage.Floor
}

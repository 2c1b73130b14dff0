package report

import (
	"regexp"
	"strings"
	"sync"

	"github.com/carlin-cicd/runner/steps/ansi"
)

// kind is what a line of a failing test's message is.
type kind int

const (
	said  kind = iota
	want       // of what was expected
	got        // of what came
	hunk       // where in the whole the difference is
	frame      // of the stack
)

func (k kind) class() markup {
	switch k {
	case want:
		return "want"
	case got:
		return "got"
	case hunk:
		return "hunk"
	case frame:
		return "frame"
	}
	return ""
}

// Tools do not agree which sign is for what was expected. Each says so before its difference.
//
//   - jest, vitest, testify, PHPUnit: "- Expected", "+ Received"; node: "+ actual - expected"; go-cmp: "-want +got"
//   - mocha: "+ expected - actual"; ava: "- actual", "+ expected"; go-cmp the other way about: "-got +want"
const (
	expectedWord = `(expected|want(ed)?)\b`
	actualWord   = `(actual|received|got)\b`
)

// patterns are what lines are told apart by. Most starts of the runner need none of them, so they are made when a page is.
type patterns struct {
	minusIsWant, plusIsWant *regexp.Regexp
	labelsWant, labelsGot   *regexp.Regexp

	isFrame *regexp.Regexp
	foreign *regexp.Regexp // frames of the tools
	endsGo  *regexp.Regexp
	ofWhere *regexp.Regexp // pytest's explanation of a value, not of a difference

	// How the lines of a log that tell of a failure begin, where what it says comes after that, and where it comes before.
	headsFailure, endsFailure *regexp.Regexp

	overwrites *regexp.Regexp // lets what follows it take the place of what a line held before
}

var known = sync.OnceValue(func() patterns {
	return patterns{
		minusIsWant: regexp.MustCompile(`(?i)^-{1,3} ?` + expectedWord + `|\+ ?` + actualWord + `,? ?- ?` + expectedWord + `|- ?` + expectedWord + `,? ?\+ ?` + actualWord),
		plusIsWant:  regexp.MustCompile(`(?i)^-{1,3} ?` + actualWord + `|\+ ?` + expectedWord + `,? ?- ?` + actualWord + `|- ?` + actualWord + `,? ?\+ ?` + expectedWord),

		labelsWant: regexp.MustCompile(`(?i)^` + expectedWord + `[^:]{0,40}: *\S`),
		labelsGot:  regexp.MustCompile(`(?i)^` + actualWord + `[^:]{0,40}: *\S`),

		isFrame: regexp.MustCompile(`^at .*(:\d+|\)|>)$|^❯ .*:\d+$|^File ".*", line \d+`),
		foreign: regexp.MustCompile(`node_modules|node:internal|site-packages|/go/src/`),
		endsGo:  regexp.MustCompile(`^--- (FAIL|PASS|SKIP): |^\S+\.go:\d+: `),
		ofWhere: regexp.MustCompile(`^\+ +(where|and) `),

		headsFailure: regexp.MustCompile(`^(●|✕|✖|✗|×|FAIL\b|FAILED\b|not ok\b|\d+\) |_{3,} |⎯)`),
		endsFailure:  regexp.MustCompile(`^--- FAIL: `),

		overwrites: regexp.MustCompile("\r|\x1b\\[2K|\x1b\\[[01]?G"),
	}
})

// classify tells the lines of a message apart.
func classify(lines []string) []kind {
	kinds, like := make([]kind, len(lines)), known()
	minus, plus := said, said // what the signs stand for; said where they stand for nothing
	for i, line := range lines {
		text := strings.TrimSpace(string(ansi.Strip([]byte(line))))
		ofPytest := strings.HasPrefix(line, "E  ")
		if ofPytest { // it says nothing of its signs: - is what was expected
			text = strings.TrimSpace(line[1:])
			minus, plus = want, got
		}
		ofStack := like.isFrame.MatchString(text)
		if ofStack || like.endsGo.MatchString(text) { // a difference ends here, and another one may begin
			minus, plus = said, said
		}
		switch {
		case like.minusIsWant.MatchString(text):
			minus, plus = want, got
		case like.plusIsWant.MatchString(text):
			minus, plus = got, want
		}
		switch {
		case ofStack:
			kinds[i] = frame
		case strings.HasPrefix(text, "@@ ") && strings.HasSuffix(text, "@@"):
			kinds[i] = hunk
			if minus == said {
				minus, plus = want, got
			}
		case ofPytest && like.ofWhere.MatchString(text):
		case ofPytest && strings.HasPrefix(text, "? "):
			kinds[i] = hunk
		case minus != said && strings.HasPrefix(text, "+ ") && like.minusIsWant.MatchString(text),
			minus != said && strings.HasPrefix(text, "+ ") && like.plusIsWant.MatchString(text):
			kinds[i] = hunk // a head that names both
		case strings.HasPrefix(text, "-"):
			kinds[i] = minus
		case strings.HasPrefix(text, "+"):
			kinds[i] = plus
		case like.labelsWant.MatchString(text):
			kinds[i] = want
		case like.labelsGot.MatchString(text):
			kinds[i] = got
		}
		if ofPytest {
			minus, plus = said, said
		}
	}
	return kinds
}

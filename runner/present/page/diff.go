package page

import (
	"regexp"
	"strings"
	"sync"

	"github.com/carlin-cicd/runner/steps/ansi"
)

// kind is the role of a line in the message of a failed test.
type kind int

const (
	other kind = iota
	want       // of the expected value
	got        // of the actual value
	hunk       // the position of a difference
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

// Tools use the signs differently, and say which is for the expected value before a difference.
//
//   - jest, vitest, testify, PHPUnit: "- Expected", "+ Received"; node: "+ actual - expected"; go-cmp: "-want +got"
//   - mocha: "+ expected - actual"; ava: "- actual", "+ expected"; go-cmp reversed: "-got +want"
const (
	expectedWord = `(expected|want(ed)?)\b`
	actualWord   = `(actual|received|got)\b`
	label        = `[^:"'{\[]{0,40}: *\S` // "Expected number of calls: 2", but no "expected { a: 1 } to equal { a: 2 }"
)

// patterns classify lines. They are compiled with the first page, since most starts of the runner need none.
type patterns struct {
	minusIsWant, plusIsWant *regexp.Regexp
	labelsWant, labelsGot   *regexp.Regexp

	isFrame *regexp.Regexp
	foreign *regexp.Regexp // frames of dependencies and tools
	endsGo  *regexp.Regexp
	ofWhere *regexp.Regexp // pytest's explanation of a value

	// The first line of a failure in a log, for tools that print its text after that line, and for those that print it
	// before.
	headsFailure, endsFailure *regexp.Regexp

	overwrites *regexp.Regexp // what returns to the start of a line
}

var known = sync.OnceValue(func() *patterns {
	return &patterns{
		minusIsWant: regexp.MustCompile(
			`(?i)^-{1,3} ?` + expectedWord + `|\+ ?` + actualWord + `,? ?- ?` + expectedWord + `|- ?` + expectedWord + `,? ?\+ ?` + actualWord,
		),
		plusIsWant: regexp.MustCompile(
			`(?i)^-{1,3} ?` + actualWord + `|\+ ?` + expectedWord + `,? ?- ?` + actualWord + `|- ?` + actualWord + `,? ?\+ ?` + expectedWord,
		),

		labelsWant: regexp.MustCompile(`(?i)^` + expectedWord + label),
		labelsGot:  regexp.MustCompile(`(?i)^` + actualWord + label),

		isFrame: regexp.MustCompile(`^at .*(:\d+|\)|>)$|^❯ .*:\d+$|^File ".*", line \d+`),
		foreign: regexp.MustCompile(`node_modules|node:internal|site-packages|/go/src/`),
		endsGo:  regexp.MustCompile(`^--- (FAIL|PASS|SKIP): |^\S+\.go:\d+: `),
		ofWhere: regexp.MustCompile(`^\+ +(where|and) `),

		headsFailure: regexp.MustCompile(`^(●|✕|✖|✗|×|FAIL\b|FAILED\b|not ok\b|\d+\) |_{3,} |⎯)`),
		endsFailure:  regexp.MustCompile(`^--- FAIL: `),

		overwrites: regexp.MustCompile("\r|\x1b\\[2K|\x1b\\[[01]?G"),
	}
})

// signs is what lines that begin with - and + are in the difference at hand; other outside of one.
type signs struct{ minus, plus kind }

// classify returns the kinds of the lines of a message.
func classify(lines []string) []kind {
	kinds, match := make([]kind, len(lines)), known()
	var s signs
	for i, line := range lines {
		text := strings.TrimSpace(string(ansi.Strip([]byte(line))))
		if strings.HasPrefix(line, "E  ") { // pytest does not explain its signs: - is expected
			kinds[i] = match.pytestKind(strings.TrimSpace(line[1:]))
			s = signs{}
			continue
		}
		isFrame := match.isFrame.MatchString(text)
		if isFrame || match.endsGo.MatchString(text) { // the end of a difference
			s = signs{}
		}
		s = match.signsAfter(s, text)
		if isFrame {
			kinds[i] = frame
		} else {
			kinds[i] = match.kind(s, text)
		}
	}
	return kinds
}

// signsAfter returns the signs that hold from a line on.
func (p *patterns) signsAfter(s signs, text string) signs {
	switch {
	case p.minusIsWant.MatchString(text):
		return signs{want, got}
	case p.plusIsWant.MatchString(text):
		return signs{got, want}
	case isHunk(text) && s.minus == other:
		return signs{want, got}
	}
	return s
}

// kind returns the kind of a line that is no frame.
func (p *patterns) kind(s signs, text string) kind {
	switch {
	case isHunk(text):
		return hunk
	case strings.HasPrefix(text, "+ ") && (p.minusIsWant.MatchString(text) || p.plusIsWant.MatchString(text)):
		return hunk // a header that names both
	case strings.HasPrefix(text, "-"):
		return s.minus
	case strings.HasPrefix(text, "+"):
		return s.plus
	case p.labelsWant.MatchString(text):
		return want
	case p.labelsGot.MatchString(text):
		return got
	}
	return other
}

// pytestKind is kind for a line of pytest.
func (p *patterns) pytestKind(text string) kind {
	switch {
	case p.isFrame.MatchString(text):
		return frame
	case p.ofWhere.MatchString(text):
		return other
	case strings.HasPrefix(text, "? "):
		return hunk
	}
	return p.kind(p.signsAfter(signs{want, got}, text), text)
}

func isHunk(text string) bool { return strings.HasPrefix(text, "@@ ") && strings.HasSuffix(text, "@@") }

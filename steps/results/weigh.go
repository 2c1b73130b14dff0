package results

import (
	"strings"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// weight is how much a line says about a failure.
type weight int

const (
	noise weight = iota // nothing: headings, names, separators
	plain
	frame      // of the stack, in the project's own code
	thrown     // an exception, an assertion
	marked     // as the cause, by pytest
	difference // of a value
	pair       // what was expected, what was received
)

var (
	// commonplace matches lines that each failure has. The last ones are of go test and TAP.
	commonplace = pattern.New(
		`(?i)^((test )?(failed|failure|fail|error)\.?|pass|ok|collection failure|failed [0-9]+ times?\.?|` +
			`traceback( \(most recent call last\))?:|\.{3}|stack ?trace:?|messages?:|test:.*|test errors?|error context: .*|retry #[0-9]+ .*|assertion error)$|` +
			`^(=== (RUN|PAUSE|CONT|NAME)|--- FAIL:) |failed to generate Mocha diff$|^(severity|operator|stack|type|code|failureType|data): ?\S*$|` +
			`:PASS$|^\[ *(OK|RUN|PASSED|-+|=+) *\]|^ok \d+\b`,
	)
	// separator matches lines without a word.
	separator = pattern.New(`^[^\pL\pN]*$`)
	// source matches lines of source code that pytest, jest and Playwright show.
	source = pattern.New(`^((self|cls) = |(async )?def |@\w|> +\S|\d+ +\|)`)
	// placeOnly matches a place in a file, and nothing else.
	placeOnly = pattern.New(`^[^\s:]+\.\w+:[0-9]+(:[0-9]+)?:?$`)
	// titled matches a place in front of a title.
	titled = pattern.New(`\.\w+:\d+:\d+ `)

	frames = pattern.New(
		`^(at:? .*(:\d+(:\d+)?\)?|\)|line \d+|\])( \{)?$|❯ |File ".*", line \d+|#\d+ +|from \S+:\d+|[\w./\\-]+\.\w+:\d+(:\d+)?(:in .*|: in \S+|: \w+(Error|Exception)| \+0x[0-9a-f]+)?$)`,
	)
	// trace matches the place of a failed assertion of testify.
	trace = pattern.New(`^Error Trace:\s.*:\d+$`)
	// goroutine matches the head of a stack of Go, whose frames have two lines.
	goroutine = pattern.New(`^goroutine \d+ \[.*\]:$`)
	foreign   = pattern.New(
		`node_modules|<anonymous>\)$|\(index \d+\)( \{)?$|node:internal|site-packages|dist-packages|/go/src/|/vendor/|java\.base/|` +
			`\b(org\.(junit|gradle|opentest4j|apache\.maven|mockito|assertj|hamcrest|testng|spockframework|codehaus\.groovy|scalatest)|` +
			`junit\.framework|jdk\.internal|sun\.reflect|java\.lang\.reflect|kotlin\.test|io\.kotest|com\.google\.common\.truth)\b|` +
			`/usr/lib/|/lib/python|\b(System\.(Reflection|Runtime)|Xunit\.|NUnit\.)|/rustc/|core::panicking|std::panicking|lib/ruby`,
	)

	// exception matches the name of an exception and its message, which is no frame.
	exception = pattern.New(`^(Caused by: )?([\w$]+[.\\:]+)*[\w$]*(Error|Exception|Failure)(\s\[\w+\])?: +\S`)

	throwing = pattern.New(
		`^([\w.$:\\]*(Error|Exception|Failure|Panic|Fault)\b|panic: |fatal( error)?: |(?i:assert\w*)\b|` +
			`Caused by: |thread '.*' panicked|.*\bAssertion\b.*\bfailed\b|.*:\d+:.*:FAIL\b|.*\b(FAIL(ED|URE)?|ERROR)\b[: ]+\S|Segmentation fault|not ok )`,
	)
	pairs = pattern.New(
		`(?i)^(E +)?(expected|received|actual|got|want(ed)?|but was|found|left|right|to be|which is)\b[^:=]{0,40}[:=] *\S`,
	)
	diffHead = pattern.New(
		`(?i)^(---? ?(expected|actual|want|got)|[-+] (expected|actual|received)|\+\+\+ |@@ |diff:?$|.*\(-want \+got\)|.*\(-got \+want\))`,
	)
)

// weigh says how much a line tells about the failure of a test of that name.
func weigh(line, name string) weight {
	text := ends(strings.TrimSpace(line))
	switch {
	case separator.MatchString(withoutLabel(text)) || source.MatchString(text) || goroutine.MatchString(text) || isHeading(text, name) ||
		foreign.MatchString(text) && !exception.MatchString(text):
		return noise
	case pairs.MatchString(text):
		return pair
	case strings.HasPrefix(line, "E  "):
		return marked
	case trace.MatchString(text):
		return frame
	case throwing.MatchString(text):
		return thrown
	case frames.MatchString(text):
		return frame
	case placeOnly.MatchString(text):
		return noise
	}
	return plain
}

// maxWeighed is the number of bytes of a line, at either end, by which it is weighed.
const maxWeighed = 512

// ends returns a line without the middle that no pattern needs: a dozen of them on lines of many kilobytes take seconds.
func ends(line string) string {
	if len(line) <= 2*maxWeighed {
		return line
	}
	return line[:maxWeighed] + line[len(line)-maxWeighed:]
}

// isHeading reports whether a line is commonplace, or only repeats the name of its test.
func isHeading(line, name string) bool {
	heading := strings.TrimRight(line, "─ ")
	titles := strings.Split(name, " › ")
	return commonplace.MatchString(line) || name != "" && (heading == name ||
		phpunitTitle(heading, name) ||
		titled.MatchString(heading) && strings.HasSuffix(heading, titles[len(titles)-1])) // playwright
}

// phpunitTitle reports whether a line names a class and a test, which may have a row of values behind it.
func phpunitTitle(line, name string) bool {
	_, rest, ok := strings.Cut(line, "::"+name)
	return ok && (rest == "" || strings.HasPrefix(rest, " (") && strings.HasSuffix(rest, ")"))
}

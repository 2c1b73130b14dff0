package results

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/joshdk/go-junit"
)

// newCase is a test case as it is kept.
func newCase(t *testCase, report string) Case {
	c := Case{
		Name: shorten(
			t.Name,
			maxMessage,
		),
		Class:    shorten(t.Classname, maxMessage),
		Suite:    shorten(t.suite.Name, maxMessage),
		File:     t.file,
		Status:   t.Status,
		Flaky:    t.flaky,
		Duration: t.Duration,
		Report:   report,
	}
	for _, guess := range []string{t.Classname, t.suite.Name} {
		if c.File == "" && sourceFile.MatchString(guess) {
			c.File = guess
		}
	}
	if len(c.File) > maxPath {
		c.File = "" // a part of a path is not a path
	}
	if why, ok := t.Error.(junit.Error); ok {
		c.Message = shorten(firstTellingLine(why.Message, why.Body, why.Type, t.Name), maxMessage)
		c.Details = cutMiddle(strings.TrimSpace(why.Body), maxDetails)
	}
	return c
}

// cutMiddle cuts text to at most limit bytes: some tools begin with the cause, others end with it.
func cutMiddle(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	const gap = "\n…\n"
	end := text[len(text)-limit/4:]
	if _, whole, ok := strings.Cut(end, "\n"); ok && whole != "" {
		end = whole
	}
	return strings.ToValidUTF8(text[:limit-limit/4-len(gap)], "") + gap + strings.ToValidUTF8(end, "")
}

// maxDuration is longer than any test. A report may contain nonsense, which would be added up.
const maxDuration = 30 * 24 * time.Hour

// seconds reads 1.5, 1,234.5 and 1.5s; anything else is 0.
func seconds(text []byte) time.Duration {
	s, err := strconv.ParseFloat(string(text), 64) // nearly always; it allocates nothing
	if err != nil {
		unusual := strings.ReplaceAll(string(text), ",", "")
		if s, err = strconv.ParseFloat(unusual, 64); err != nil {
			d, _ := time.ParseDuration(unusual)
			s = d.Seconds()
		}
	}
	if s > 0 && s < maxDuration.Seconds() {
		return time.Duration(s*1e6) * time.Microsecond
	}
	return 0
}

// sourceFile matches src/sum.test.ts but not com.example.Sum, and not packages like github.com/nats-io/nats.go: hence
// languages that never name tests after files are missing.
var sourceFile = regexp.MustCompile(`^[^\s:]+\.([cm]?[jt]sx?|py|rb|php|exs?|feature)$`)

// firstTellingLine picks the line that explains a failure best. Many producers put the name of the test first.
func firstTellingLine(message, body, kind, name string) string {
	for _, text := range []string{message, body} {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" && !isHeading(line, name) {
				return line
			}
		}
	}
	return cmp.Or(firstLine(message), firstLine(body), kind)
}

var (
	commonplace = regexp.MustCompile(
		`(?i)^(test )?(failed|failure|error)\.?$|^(=== (RUN|PAUSE|CONT|NAME)|--- FAIL:) `,
	) // the latter are of go test
	location = regexp.MustCompile(`\.\w+:\d+:\d+ `)
)

// isHeading reports whether a line only repeats the name of its test.
func isHeading(line, name string) bool {
	heading := strings.TrimRight(line, "─ ")
	titles := strings.Split(name, " › ")
	return commonplace.MatchString(line) ||
		strings.HasSuffix(heading, "::"+name) || // phpunit
		location.MatchString(heading) && strings.HasSuffix(heading, titles[len(titles)-1]) // playwright
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line)
}

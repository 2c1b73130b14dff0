package results

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/steps/xmlstream"
)

// entry is a test case as a report shows it, before it is known whether more than its status is kept.
type entry struct {
	name, class, suite, file []byte

	duration                        time.Duration
	failed, errored, skipped, flaky bool
	why                             reason
	weight                          int // of the element that why comes from
	reasons                         int // how many elements say that it failed

	order   int    // of its suite in the report, 0 outside of every suite
	attempt uint64 // the same number is the same test, run again; 0 where that cannot be told
}

// reason is what an element says about a failure.
type reason struct{ message, kind, body []byte }

func (r *reason) reset() { *r = reason{r.message[:0], r.kind[:0], r.body[:0]} }

func (e *entry) reset() {
	why := e.why
	why.reset()
	*e = entry{name: e.name[:0], class: e.class[:0], suite: e.suite[:0], file: e.file[:0], why: why}
}

func (e *entry) clone() *entry {
	c := *e
	for _, text := range []*[]byte{&c.name, &c.class, &c.suite, &c.file, &c.why.message, &c.why.kind, &c.why.body} {
		*text = bytes.Clone(*text)
	}
	return &c
}

// status: what failed stays failed, whatever else an element says.
func (e *entry) status() Status {
	switch {
	case e.failed:
		return Failed
	case e.errored:
		return Errored
	case e.skipped:
		return Skipped
	}
	return Passed
}

func (e *entry) toCase(report string) Case {
	name, class, suite := xmlstream.Plain(e.name), xmlstream.Plain(e.class), xmlstream.Plain(e.suite)
	c := Case{
		Name: shorten(name, maxMessage), Class: shorten(class, maxMessage), Suite: shorten(suite, maxMessage), File: xmlstream.Plain(e.file),
		Status: e.status(), Duration: e.duration, Report: report,
	}
	c.Flaky = e.flaky && c.Status == Passed
	for _, guess := range []string{class, suite} {
		if c.File == "" && sourceFile.MatchString(guess) {
			c.File = guess
		}
	}
	if len(c.File) > maxPath {
		c.File = "" // a part of a path is none
	}
	if c.Flaky || c.Status == Failed || c.Status == Errored {
		message, body := xmlstream.Plain(e.why.message), xmlstream.Plain(e.why.body)
		c.Message = shorten(telling(message, body, xmlstream.Plain(e.why.kind), name), maxMessage)
		c.Details = bothEnds(strings.TrimSpace(body), maxDetails)
	}
	return c
}

// bothEnds cuts text to at most limit bytes by leaving out its middle: some tools begin with the cause, others end with it.
func bothEnds(text string, limit int) string {
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

// maxDuration is more than any test takes. A report may have nonsense here, which would be added up.
const maxDuration = 30 * 24 * time.Hour

// seconds reads 1.5, 1,234.5 and 1.5s; 0 is for what is neither.
func seconds(text []byte) time.Duration {
	s, err := strconv.ParseFloat(string(text), 64) // of all but a few; it costs no memory
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

// sourceFile tells src/sum.test.ts from com.example.Sum, and from packages like github.com/nats-io/nats.go, which is
// why languages whose tests are never named by their files are missing.
var sourceFile = regexp.MustCompile(`^[^\s:]+\.([cm]?[jt]sx?|py|rb|php|exs?|feature)$`)

// telling picks the line that says most of why a case failed. Many a producer puts the test's own name first.
func telling(message, body, kind, name string) string {
	for _, text := range []string{message, body} {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" && !emptyWords(line, name) {
				return line
			}
		}
	}
	return first(firstLine(message), firstLine(body), kind)
}

var (
	commonplace = regexp.MustCompile(`(?i)^(test )?(failed|failure|error)\.?$|^(=== (RUN|PAUSE|CONT|NAME)|--- FAIL:) `) // the latter are Go's
	location    = regexp.MustCompile(`\.\w+:\d+:\d+ `)
)

// emptyWords reports whether a line only repeats which test it was.
func emptyWords(line, name string) bool {
	heading := strings.TrimRight(line, "─ ")
	titles := strings.Split(name, " › ")
	return commonplace.MatchString(line) ||
		strings.HasSuffix(heading, "::"+name) || // phpunit
		location.MatchString(heading) && strings.HasSuffix(heading, titles[len(titles)-1]) // playwright
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line)
}

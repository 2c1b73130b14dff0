package results

import (
	"bytes"
	"cmp"
	"strings"

	"github.com/joshdk/go-junit"

	"github.com/carlin-cicd/runner/steps/xmlstream"
)

func (r *reader) enterCase() {
	if r.depth == len(r.cases) {
		r.cases = append(r.cases, &openCase{})
	}
	c := r.cases[r.depth]
	r.depth++
	c.reset()
	c.Name = reuse(c.Name, r.attr("name", rawName))
	c.Classname = reuse(c.Classname, r.attr("classname", rawName))
	c.Duration = seconds(r.attr("time", 32))
	c.file = reuse(c.file, r.fileAttr())
	r.setProperties(c)
	c.suite = &r.outside
	if n := len(r.suites); n > 0 {
		s := r.suites[n-1]
		c.suite, c.number, c.unique, c.began, c.within = &s.Suite, s.number, s.unique, s.began, s.within
		// vitest and Playwright name suites and classes after files, whatever the report is called.
		c.merged = s.merged || c.Classname == s.Name && guessFile(c.Classname) != ""
		c.around = Suite{Number: s.number, Duration: s.duration}
		c.file = cmp.Or(c.file, s.file, r.lastFile)
	}
}

// setProperties fills the attributes that have no field.
func (r *reader) setProperties(c *openCase) {
	for name, value := range r.scanner.Attrs() {
		switch string(name) {
		case "name", "classname", "time":
			continue
		}
		if c.Properties == nil {
			c.Properties = map[string]string{}
		}
		c.Properties[string(name)] = xmlstream.Plain(value[:min(len(value), rawName)])
	}
}

// reset empties a case for the next one. The texts stay for reuse.
func (c *openCase) reset() {
	reason := c.reason
	reason.message, reason.kind, reason.body = reason.message[:0], reason.kind[:0], reason.body[:0]
	properties := c.Properties
	clear(properties)
	c.out.reset()
	c.err.reset()
	*c = openCase{
		testCase: testCase{
			Test: junit.Test{Name: c.Name, Classname: c.Classname, Properties: properties},
			file: c.file,
		},
		reason: reason, out: c.out, err: c.err,
	}
}

// reuse returns last if it equals text: neighbours share their class and their file.
func reuse(last string, text []byte) string {
	if last == string(text) {
		return last
	}
	return xmlstream.Plain(text)
}

// finishCase passes a case on. What failed stays failed, whatever else the report has for it, unless its producer says
// that a later attempt passed.
func (r *reader) finishCase(c *openCase) {
	c.readStatus()
	switch {
	case c.failed:
		c.Status = Failed
	case c.errored:
		c.Status = Errored
	case c.skipped:
		c.Status = Skipped
	default:
		c.Status = Passed
	}
	c.flaky = c.flaky && c.Status == Passed
	if c.flaky {
		r.attempts += c.attempts
	}
	if c.flaky || c.failed || c.errored {
		why := c.reason.plain()
		c.Message, c.Error = why.Message, why
		c.SystemOut, c.SystemErr = c.out.String(), c.err.String()
		for _, more := range c.more {
			c.testCase.more = append(c.testCase.more, more.plain())
		}
	}
	if n := len(r.suites); n > 0 && (c.failed || c.errored) && len(c.reason.body) == 0 {
		r.suites[n-1].silent = true
	}
	totals := totalsOf(&c.Test)
	addTotals(&r.totals, totals)
	addTotals(&c.suite.Totals, totals)
	r.visit(&c.testCase)
}

// readStatus reads attributes that say how a case ended, where no element does or where an element is of an attempt.
func (c *openCase) readStatus() {
	if (c.failed || c.errored) && c.Properties["flaky"] == "true" { // Flank: a later attempt passed
		c.failed, c.errored, c.flaky = false, false, true
		c.attempts = max(c.attempts, 1)
		return
	}
	if c.skipped && c.Properties["status"] == "notrun" && !strings.HasPrefix(c.Message, "SKIP_") {
		// ctest writes what it could not run, and fails for, as it writes what is skipped.
		c.errored = true
		c.reason.message = append(c.reason.message[:0], c.Message...)
		if out := c.out.String(); strings.HasPrefix(out, c.Message) { // it has the name of what is missing, too
			c.reason.message = append(c.reason.message[:0], out...)
		}
		return
	}
	if c.failed || c.errored || c.skipped || c.flaky {
		return
	}
	for _, name := range []string{"status", "result"} {
		switch strings.ToLower(c.Properties[name]) {
		case "failed", "failure", "fail":
			c.failed = true
		case "error", "errored":
			c.errored = true
		case "skipped", "disabled", "ignored", "notrun", "suppressed":
			c.skipped = true
		}
	}
}

func totalsOf(t *junit.Test) junit.Totals {
	totals := junit.Totals{Tests: 1, Duration: t.Duration}
	switch t.Status {
	case Passed:
		totals.Passed = 1
	case Skipped:
		totals.Skipped = 1
	case Failed:
		totals.Failed = 1
	case Errored:
		totals.Error = 1
	}
	return totals
}

func addTotals(to *junit.Totals, t junit.Totals) {
	to.Tests += t.Tests
	to.Passed += t.Passed
	to.Skipped += t.Skipped
	to.Failed += t.Failed
	to.Error += t.Error
	to.Duration += t.Duration
}

// addOutcome records an element that says how its case ended. The text of a failure precedes that of a failed attempt,
// and the first of several is the cause.
func (r *reader) addOutcome(element string) {
	c := r.cases[r.depth-1]
	weight := failureWeight
	switch element {
	case "skipped":
		c.skipped = true
		c.Message = cmp.Or(c.Message, xmlstream.Plain(r.attr("message", maxMessage)))
		return
	case "failure":
		c.failed = true
		c.attempts++
	case "error":
		c.errored = true
		c.attempts++
	default:
		c.flaky = true
		c.attempts++
		weight = 1
	}
	if weight == c.weight && weight == failureWeight && !r.inReason && len(c.more) < maxMore {
		c.more = append(c.more, reason{
			message: bytes.Clone(r.attr("message", rawBody/maxMore)), kind: bytes.Clone(r.attr("type", rawName)),
		})
		r.inReason, r.inMore, r.reasonDepth = true, true, r.scanner.Depth()
		return
	}
	if weight <= c.weight || r.inReason {
		return
	}
	c.weight = weight
	c.reason.message = append(c.reason.message[:0], r.attr("message", rawBody)...)
	c.reason.kind = append(c.reason.kind[:0], r.attr("type", rawName)...)
	c.reason.body = c.reason.body[:0]
	r.inReason, r.inMore, r.reasonDepth = true, false, r.scanner.Depth()
}

// failureWeight is that of the text of a failure; that of a failed attempt is lower.
const failureWeight = 2

// excerptBuffer holds the beginning and the end of a long text.
type excerptBuffer struct {
	head, tail []byte
	cut        bool
}

// The bounds of an output, in bytes.
const (
	headOutput = 2 << 10
	tailOutput = 6 << 10
)

func (b *excerptBuffer) reset() { *b = excerptBuffer{head: b.head[:0], tail: b.tail[:0]} }

// append adds the text that the scanner is at.
func (b *excerptBuffer) append(s *xmlstream.Scanner) {
	from := len(b.tail)
	b.tail = s.AppendText(b.tail, from+maxText)
	if room := headOutput - len(b.head); room > 0 {
		n := min(room, len(b.tail))
		b.head = append(b.head, b.tail[:n]...)
		b.tail = b.tail[:copy(b.tail, b.tail[n:])]
	}
	if over := len(b.tail) - tailOutput; over > 0 {
		b.tail = b.tail[:copy(b.tail, b.tail[over:])]
		b.cut = true
	}
}

// maxText is more than a text of the scanner has.
const maxText = 1 << 20

// String is the text, without its middle if it is long.
func (b *excerptBuffer) String() string {
	head, tail := xmlstream.Plain(b.head), xmlstream.Plain(b.tail)
	if b.cut {
		if _, whole, ok := strings.Cut(tail, "\n"); ok && whole != "" {
			tail = whole
		}
		return head + "\n…\n" + tail
	}
	return head + tail
}

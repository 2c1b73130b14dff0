package results

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/joshdk/go-junit"

	"github.com/carlin-cicd/runner/steps/pattern"
	"github.com/carlin-cicd/runner/steps/xmlstream"
)

// The bounds in bytes of what is held of one case until it ends.
const (
	rawName = 2 * maxPath
	rawBody = 2 * maxDetails
	maxMore = 8 // further failures
)

// testCase is a test case as the reader fills it: go-junit's Test, and what that has no place for. Test.Properties
// holds the attributes other than name, classname and time. Test.Error, a junit.Error, is also set for a test that
// passed after it had failed. SystemOut and SystemErr are set for both, with their middle cut out where they are long.
type testCase struct {
	junit.Test
	suite    *junit.Suite  // the innermost one around it; an empty one outside of all
	file     string        // of the case, else of the suites around it
	more     []junit.Error // further failures
	flaky    bool          // an attempt failed; it counts if the case passed in the end
	attempts int           // that failed

	around Suite
	number uint64    // of its suite in the report, from 1; 0 outside of all
	began  time.Time // its suite; zero if the report does not say
	unique bool      // its producer never gives two tests of a suite one name
	merged bool      // its producer never writes an attempt as a case of its own
	within string    // what is around its suite, see Case.Within
}

// reader goes through a report of any size. It holds the suites and the case that it is inside of.
type reader struct {
	scanner *xmlstream.Scanner
	visit   func(*testCase)

	isReport bool
	named    bool // the root has a name
	merged   bool // the producer never writes an attempt as a case of its own
	suites   []*openSuite
	begun    uint64      // number of suites so far
	cases    []*openCase // the reader is inside of cases[:depth]; the others are memory to use again
	depth    int
	totals   junit.Totals
	outside  junit.Suite // of cases outside of all suites

	inReason    bool // inside of an element that explains why its case failed
	inMore      bool // that element is a further failure of the case
	reasonDepth int  // of that element
	attempts    int  // failed ones of tests that passed in the end

	declared int // failures and errors that the attributes of suites declare
	overall  int // those that the root's attributes declare
	broken   string
	cutShort string // why tests of a suite may not have run
	lastFile string // of a suite without cases: Cypress has the file in a "Root Suite" beside the others
}

// openSuite is a suite that the reader is inside of. Its Totals grow with each of its cases.
type openSuite struct {
	junit.Suite
	file     string
	number   uint64 // in the report, from 1
	duration time.Duration
	declared int  // failures and errors by its attributes
	below    int  // those of the suites in it
	nested   bool // directly in another suite
	unique   bool // its producer never gives two tests one name
	merged   bool // its producer never writes an attempt as a case of its own
	began    time.Time
	within   string // see Case.Within
	silent   bool   // a case failed and says nothing: the output of the suite may
	out      excerptBuffer
}

// openCase is a case that the reader is inside of.
type openCase struct {
	testCase
	failed, errored, skipped bool
	weight                   int // of the element that reason is from
	reason                   reason
	more                     []reason // of further failures: GoogleTest and Catch2 go on after one
	out, err                 excerptBuffer
}

// reason is what an element says about a failure.
type reason struct{ message, kind, body []byte }

func (r reason) plain() junit.Error {
	return junit.Error{
		Message: xmlstream.Plain(r.message), Type: xmlstream.Plain(r.kind), Body: xmlstream.Plain(r.body),
	}
}

// readReport reads a report in UTF-8 and calls visit for each case when it ends. The case is valid until visit returns.
// The error is for a fault of the report: the cases before it are valid.
func readReport(in io.Reader, visit func(*testCase)) (junit.Totals, error) {
	r := reader{scanner: xmlstream.New(in), visit: visit}
	err := r.read()
	return r.totals, err
}

// read goes through the report.
func (r *reader) read() error {
	for r.scanner.Next() {
		switch r.scanner.Kind() {
		case xmlstream.Start:
			r.start(r.scanner.Name())
		case xmlstream.Text:
			r.text()
		case xmlstream.End:
			r.end(r.scanner.Name())
		}
	}
	// Of a truncated case only a failure is certain.
	for ; r.depth > 0; r.depth-- {
		if c := r.cases[r.depth-1]; c.failed || c.errored {
			r.finishCase(c)
		}
	}
	return r.err()
}

// err returns the fault of the report.
func (r *reader) err() error {
	declared := max(r.declared, r.overall)
	switch err := r.scanner.Err(); {
	case err != nil:
		return err
	case !r.isReport:
		return errors.New("it is XML but not a JUnit report: it has no testsuite")
	case r.broken != "":
		return fmt.Errorf("a suite failed outside of its cases: %s", r.broken)
	case r.totals.Failed+r.totals.Error == 0 && declared > r.attempts: // some count the attempts of flaky tests
		return fmt.Errorf("its suites declare %d failures or errors, its cases have none", declared)
	}
	return nil
}

func (r *reader) start(name []byte) {
	switch string(name) {
	case "testsuites":
		r.isReport = true
		r.named = len(r.scanner.Attr("name")) > 0
		r.merged = r.merged || merging.Match(r.scanner.Attr("name"))
		r.overall += r.declaredFailures()
	case "testsuite":
		r.isReport = true
		r.enterSuite()
	case "testcase":
		r.isReport = true
		r.enterCase()
	case "property":
		if n := len(r.suites); r.depth > 0 {
			r.addCaseProperty(r.cases[r.depth-1])
		} else if n > 0 {
			r.addProperty(r.suites[n-1])
		}
	case "failure", "error":
		switch string(r.scanner.Parent()) {
		case "testcase":
			r.addOutcome(string(name))
		case "testsuite", "testsuites":
			if r.broken == "" {
				message, kind := xmlstream.Plain(r.scanner.Attr("message")), xmlstream.Plain(r.scanner.Attr("type"))
				r.broken = shorten(cmp.Or(message, kind, string(name)), maxMessage)
			}
		}
	case "skipped", "flakyFailure", "flakyError", "rerunFailure", "rerunError":
		if string(r.scanner.Parent()) == "testcase" {
			r.addOutcome(string(name))
		}
	}
}

// text adds a text to the reason of a failure, or to the output of a case.
func (r *reader) text() {
	if n := len(r.suites); r.depth == 0 && n > 0 && r.suites[n-1].silent && isOutput(r.scanner.Parent()) {
		r.suites[n-1].out.append(r.scanner)
	}
	if r.depth == 0 {
		return
	}
	c := r.cases[r.depth-1]
	switch parent := r.scanner.Parent(); {
	case r.inReason && !isOutput(parent) && r.inMore:
		last := &c.more[len(c.more)-1]
		last.body = r.scanner.AppendText(last.body, rawBody/maxMore)
	case r.inReason && !isOutput(parent):
		c.reason.body = r.scanner.AppendText(c.reason.body, rawBody)
	case string(parent) == "system-out":
		c.out.append(r.scanner)
	case string(parent) == "system-err":
		c.err.append(r.scanner)
	}
}

func (r *reader) end(name []byte) {
	switch {
	case r.inReason && r.scanner.Depth() == r.reasonDepth:
		r.inReason = false
	case string(name) == "testcase":
		r.depth--
		r.finishCase(r.cases[r.depth])
	case string(name) == "testsuite":
		r.leaveSuite()
	}
}

func (r *reader) enterSuite() {
	r.begun++
	s := &openSuite{number: r.begun, declared: r.declaredFailures(), nested: string(r.scanner.Parent()) == "testsuite"}
	s.Name, s.Package = xmlstream.Plain(r.attr("name", rawName)), xmlstream.Plain(r.attr("package", rawName))
	// Playwright has the project as the hostname, and no name at the root; other tools have the name of the machine.
	if host := r.attr("hostname", maxMessage); len(host) > 0 && !r.named {
		s.Properties = map[string]string{"hostname": xmlstream.Plain(host)}
	}
	s.merged = r.merged || s.Name == "pytest" || bytes.Contains(r.scanner.Attr("xsi:noNamespaceSchemaLocation"), []byte("surefire"))
	s.within = r.around()
	s.began = timestamp(r.attr("timestamp", maxTime))
	s.duration = seconds(r.attr("time", 32))
	s.file = xmlstream.Plain(r.fileAttr())
	if n := len(r.suites); n > 0 && s.file == "" {
		s.file = r.suites[n-1].file
	}
	r.suites = append(r.suites, s)
}

// merging matches the names that producers give to their reports which write one case for all attempts of a test, or only
// the last one: jest-junit, vitest, mocha-junit-reporter, pytest, GoogleTest, nextest.
var merging = pattern.New(`^(jest tests|vitest tests|Mocha Tests|pytest tests|AllTests|nextest-run)$`)

const maxTime = 64 // bytes of a timestamp

// timestamp reads when a suite began, with or without a time zone. It is only compared within one report.
func timestamp(text []byte) time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, string(text)); err == nil {
			return t
		}
	}
	return time.Time{}
}

// goPanic is the end of a test binary. go-junit-report writes it beside the tests.
var goPanic = pattern.New(`(?m)^(panic: |fatal error: )[\s\S]*^goroutine \d+`)

// maxProperties bounds the properties that are held of a suite.
const maxProperties = 32

func (r *reader) addProperty(s *openSuite) {
	if len(s.Properties) == maxProperties {
		return
	}
	if s.Properties == nil {
		s.Properties = map[string]string{}
	}
	name := xmlstream.Plain(r.attr("name", maxMessage))
	s.Properties[name] = xmlstream.Plain(r.attr("value", maxMessage))
	// go test runs no two tests of a package under one name. No other producer promises that.
	s.unique = s.unique || name == "go.version"
}

// addCaseProperty records the project of a single case.
func (r *reader) addCaseProperty(c *openCase) {
	name := string(r.attr("name", maxMessage))
	if slices.Contains(projectProperties, name) && len(c.within) < maxPath {
		c.within += name + "=" + xmlstream.Plain(r.attr("value", maxProject)) + "\x00"
	}
}

// around is what tells the suite that begins from one of the same name: the suites that it is in, its package, and its
// host where that is not the machine.
func (r *reader) around() string {
	var b strings.Builder
	if n := len(r.suites); n > 0 {
		b.WriteString(r.suites[n-1].within)
		b.WriteString(suiteTime.ReplaceAllString(r.suites[n-1].Name, "") + "/")
	}
	host := xmlstream.Plain(r.attr("hostname", maxMessage))
	if host == machine() || machineName.MatchString(host) {
		host = ""
	}
	if of := r.attr("package", rawName); len(of) > 0 || host != "" {
		b.WriteString(xmlstream.Plain(of) + "\x00" + host + "\x00")
	}
	return shorten(b.String(), maxPath)
}

// leaveSuite adds up what a suite declares: its attributes include the suites in it.
func (r *reader) leaveSuite() {
	n := len(r.suites) - 1
	s := r.suites[n]
	r.suites = r.suites[:n]
	if s.silent && goPanic.MatchString(s.out.String()) && r.cutShort == "" {
		r.cutShort = "a test of " + shorten(s.Name, maxProject) + " panicked, so tests after it did not run"
	}
	if s.Totals.Tests == 0 {
		r.lastFile = cmp.Or(s.file, r.lastFile)
	}
	declared := max(s.declared, s.below)
	if n > 0 {
		addTotals(&r.suites[n-1].Totals, s.Totals)
	}
	if s.nested {
		r.suites[n-1].below += declared
		return
	}
	r.declared += declared
}

func (r *reader) attr(name string, limit int) []byte {
	value := r.scanner.Attr(name)
	return value[:min(len(value), limit)]
}

// fileAttr is the file that an element names.
func (r *reader) fileAttr() []byte {
	if file := r.attr("file", rawName); len(file) > 0 {
		return file
	}
	return r.attr("filepath", rawName)
}

// declaredFailures is the number of failures and errors in the attributes of an element.
func (r *reader) declaredFailures() int {
	n := 0
	for _, name := range []string{"failures", "errors"} {
		// Bounded, so that sums cannot overflow into "none".
		count, _ := strconv.Atoi(string(r.scanner.Attr(name)))
		n += min(max(count, 0), 1<<31)
	}
	return n
}

// isOutput reports whether an element holds what a test printed.
func isOutput(element []byte) bool { return bytes.HasPrefix(element, []byte("system-")) }

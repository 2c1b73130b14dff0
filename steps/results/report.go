package results

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"strconv"

	"github.com/carlin-cicd/runner/steps/xmlstream"
)

// The bounds in bytes of what is held of one case before it is known what of it is kept.
const (
	rawName = 2 * maxPath
	rawBody = 2 * maxDetails
)

// reader goes through a report of any size. What it holds is what it is inside of.
type reader struct {
	scanner *xmlstream.Scanner
	see     func(*entry)

	isReport bool
	suites   []suite
	begun    int      // how many suites so far
	cases    []*entry // we are inside of cases[:inside]; the others are memory to use again
	inside   int

	telling bool // we are inside of an element that says why its case failed
	depth   int  // of that element

	red      bool // an attempt of some case failed for good
	declared int  // failures and errors that the attributes of suites speak of
	overall  int  // those that the root's attributes speak of
	broken   string
	seed     maphash.Seed
}

// suite is one that we are inside of.
type suite struct {
	name, file []byte
	order      int  // of its beginning among all suites, from 1
	declared   int  // by its attributes
	below      int  // by those of the suites in it
	nested     bool // directly in another suite
	unique     bool // no two of its tests have one name
}

// readReport shows see the cases of a report of UTF-8, each when it ends; an entry holds until the next one. The error
// is for what is wrong with the report; what was shown before is valid. deepest is the number of elements within each other.
func readReport(in io.Reader, see func(*entry)) (deepest int, err error) {
	r := reader{scanner: xmlstream.New(in), see: see, seed: maphash.MakeSeed()}
	for r.scanner.Next() {
		switch r.scanner.Kind() {
		case xmlstream.Start:
			r.start(r.scanner.Name())
		case xmlstream.Text:
			if r.telling && !output(r.scanner.Parent()) {
				c := r.cases[r.inside-1]
				c.why.body = r.scanner.AppendText(c.why.body, rawBody)
			}
		case xmlstream.End:
			r.end(r.scanner.Name())
		}
	}
	// Of a case that breaks off, only a failure is certain.
	for ; r.inside > 0; r.inside-- {
		if c := r.cases[r.inside-1]; c.failed || c.errored {
			r.show(c)
		}
	}
	return r.scanner.Deepest(), r.verdict()
}

// verdict returns what is wrong with the report.
func (r *reader) verdict() error {
	declared := max(r.declared, r.overall)
	switch err := r.scanner.Err(); {
	case err != nil:
		return err
	case !r.isReport:
		return errors.New("it is XML, but no JUnit report: there is no testsuite in it")
	case r.broken != "":
		return fmt.Errorf("a suite failed outside of its cases: %s", r.broken)
	case !r.red && declared > 0:
		return fmt.Errorf("its suites declare %d failures or errors, its cases show none", declared)
	}
	return nil
}

func (r *reader) start(name []byte) {
	switch string(name) {
	case "testsuites":
		r.isReport = true
		r.overall += r.declares()
	case "testsuite":
		r.isReport = true
		r.enterSuite()
	case "testcase":
		r.isReport = true
		r.enterCase()
	case "property":
		// Go itself never gives two tests of a package one name. Nobody else promises that.
		if n := len(r.suites); n > 0 && r.inside == 0 && string(r.scanner.Attr("name")) == "go.version" {
			r.suites[n-1].unique = true
		}
	case "failure", "error":
		switch string(r.scanner.Parent()) {
		case "testcase":
			r.mark(string(name))
		case "testsuite", "testsuites":
			if r.broken == "" {
				message, kind := xmlstream.Plain(r.scanner.Attr("message")), xmlstream.Plain(r.scanner.Attr("type"))
				r.broken = shorten(first(message, kind, string(name)), maxMessage)
			}
		}
	case "skipped", "flakyFailure", "flakyError", "rerunFailure", "rerunError":
		if string(r.scanner.Parent()) == "testcase" {
			r.mark(string(name))
		}
	}
}

func (r *reader) end(name []byte) {
	switch {
	case r.telling && r.scanner.Depth() == r.depth:
		r.telling = false
	case string(name) == "testcase":
		r.inside--
		r.show(r.cases[r.inside])
	case string(name) == "testsuite":
		r.leaveSuite()
	}
}

func (r *reader) show(c *entry) {
	r.red = r.red || c.failed || c.errored
	r.see(c)
}

func (r *reader) enterSuite() {
	r.begun++
	s := suite{order: r.begun, declared: r.declares(), nested: string(r.scanner.Parent()) == "testsuite"}
	s.name = bytes.Clone(r.cut("name", rawName))
	s.file = bytes.Clone(r.path())
	if n := len(r.suites); n > 0 && len(s.file) == 0 {
		s.file = r.suites[n-1].file
	}
	r.suites = append(r.suites, s)
}

// leaveSuite counts what a suite declares: its attributes speak of the suites in it as well.
func (r *reader) leaveSuite() {
	n := len(r.suites) - 1
	s := r.suites[n]
	r.suites = r.suites[:n]
	declared := max(s.declared, s.below)
	if s.nested {
		r.suites[n-1].below += declared
		return
	}
	r.declared += declared
}

func (r *reader) enterCase() {
	if r.inside == len(r.cases) {
		r.cases = append(r.cases, &entry{})
	}
	c := r.cases[r.inside]
	r.inside++
	c.reset()
	c.name = append(c.name, r.cut("name", rawName)...)
	c.class = append(c.class, r.cut("classname", rawName)...)
	c.file = append(c.file, r.path()...)
	c.duration = seconds(r.cut("time", 32))
	if n := len(r.suites); n > 0 {
		s := &r.suites[n-1]
		c.order = s.order
		c.suite = append(c.suite, s.name...)
		if len(c.file) == 0 {
			c.file = append(c.file, s.file...)
		}
		if s.unique {
			c.attempt = r.hash(s.order, c.class, c.name)
		}
	}
}

func (r *reader) hash(suite int, class, name []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(r.seed)
	maphash.WriteComparable(&h, suite)
	_, _ = h.Write(class) // never fails
	_ = h.WriteByte(0)
	_, _ = h.Write(name)
	return max(h.Sum64(), 1)
}

// mark takes down what an element in a case says of it. What a failure has to tell goes before what a repeated one
// has, and the first of several has the cause.
func (r *reader) mark(element string) {
	c := r.cases[r.inside-1]
	weight := 2
	switch element {
	case "skipped":
		c.skipped = true
		return
	case "failure":
		c.failed = true
	case "error":
		c.errored = true
	default:
		c.flaky = true // if the case passed in the end
		weight = 1
	}
	if weight == 2 {
		c.reasons++
	}
	if weight <= c.weight || r.telling {
		return
	}
	c.weight = weight
	c.why.reset()
	c.why.message = append(c.why.message, r.cut("message", rawBody)...)
	c.why.kind = append(c.why.kind, r.cut("type", rawName)...)
	r.telling, r.depth = true, r.scanner.Depth()
}

func (r *reader) cut(attribute string, limit int) []byte {
	value := r.scanner.Attr(attribute)
	return value[:min(len(value), limit)]
}

// path is the file that an element names.
func (r *reader) path() []byte {
	if file := r.cut("file", rawName); len(file) > 0 {
		return file
	}
	return r.cut("filepath", rawName)
}

// declares is how many failures and errors the attributes of an element speak of.
func (r *reader) declares() int {
	n := 0
	for _, name := range []string{"failures", "errors"} {
		// Bounded, so that sums cannot overflow into "none".
		count, _ := strconv.Atoi(string(r.scanner.Attr(name)))
		n += min(max(count, 0), 1<<31)
	}
	return n
}

// output reports whether an element holds what a test printed.
func output(element []byte) bool { return bytes.HasPrefix(element, []byte("system-")) }

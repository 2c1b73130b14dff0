package results

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
)

// marks are what a case's elements say. go-junit keeps the last of them only, which makes a failed and skipped case a skipped one.
type marks struct {
	failure, errored, skipped, flaky bool

	file string // of the suites around it; go-junit forgets it where a suite has properties
}

func (m *marks) add(element string) {
	switch element {
	case "failure":
		m.failure = true
	case "error":
		m.errored = true
	case "skipped":
		m.skipped = true
	case "flakyFailure", "flakyError", "rerunFailure", "rerunError":
		m.flaky = true // if the case passed in the end
	}
}

// findings are what go-junit does not tell of a report.
type findings struct {
	isReport bool
	cases    []marks // suite by suite, a suite's own cases before those of the suites in it
	next     int
	declared int // failures and errors that the attributes of suites speak of
	overall  int // those that the root's attributes speak of
	loose    int // cases outside of every suite, which nobody has counted
	broken   []string
}

func (f *findings) take() marks {
	f.next++
	if f.next > len(f.cases) {
		return marks{}
	}
	return f.cases[f.next-1]
}

// contradiction returns an error if a report says that something failed, and none of its cases does.
func (f *findings) contradiction(cases []Case) error {
	red := false
	for _, c := range cases {
		red = red || c.Status == Failed || c.Status == Errored
	}
	declared := max(f.declared, f.overall)
	switch {
	case len(f.broken) > 0:
		return fmt.Errorf("a suite failed outside of its cases: %s", f.broken[0])
	case f.next != len(f.cases) || f.loose > 0:
		return fmt.Errorf("%d of its cases are not inside of a suite", len(f.cases)+f.loose-f.next)
	case !red && declared > 0:
		return fmt.Errorf("its suites declare %d failures or errors, its cases show none", declared)
	}
	return nil
}

// suite is one that audit is inside of.
type suite struct {
	file     string
	cases    []marks
	inner    []marks // of the suites in it
	declared int     // by its attributes
	below    int     // by those of the suites in it
	direct   bool    // whether go-junit reaches it: it looks for suites in suites only one element down
}

// audit goes through a report for what go-junit passes over.
func audit(text []byte) (*findings, error) {
	f := &findings{}
	d := xml.NewDecoder(bytes.NewReader(text))
	var open []string // the names of the elements we are inside of
	var suites []*suite
	var current *marks
	for {
		token, err := d.Token()
		if err == io.EOF {
			return f, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			parent := last(open)
			open = append(open, t.Name.Local)
			switch name := t.Name.Local; {
			case name == "testsuites":
				f.isReport = true
				f.overall += declaredBy(t)
			case name == "testsuite":
				f.isReport = true
				suites = append(suites, enter(t, suites, parent))
			case name == "testcase" && parent == "testsuite":
				s := suites[len(suites)-1]
				s.cases = append(s.cases, marks{file: s.file})
				current = &s.cases[len(s.cases)-1]
			case name == "testcase":
				f.loose++
			case parent == "testcase" && current != nil:
				current.add(name)
			case (parent == "testsuite" || parent == "testsuites") && (name == "error" || name == "failure"):
				f.broken = append(f.broken, shorten(first(attribute(t, "message"), attribute(t, "type"), name), maxMessage))
			}
		case xml.EndElement:
			open = open[:len(open)-1]
			switch t.Name.Local {
			case "testcase":
				current = nil
			case "testsuite":
				suites = f.leave(suites)
			}
		}
	}
}

func enter(t xml.StartElement, around []*suite, parent string) *suite {
	s := &suite{declared: declaredBy(t), direct: len(around) == 0 || parent == "testsuite", file: first(attribute(t, "file"), attribute(t, "filepath"))}
	if s.file == "" && len(around) > 0 {
		s.file = around[len(around)-1].file
	}
	return s
}

// leave closes the innermost suite and hands its cases to the one around it, in go-junit's order.
func (f *findings) leave(suites []*suite) []*suite {
	s := suites[len(suites)-1]
	suites = suites[:len(suites)-1]
	all := append(s.cases, s.inner...)
	declared := max(s.declared, s.below) // a suite's attributes count what is in the suites inside of it
	switch {
	case !s.direct:
		f.loose += len(all)
		f.declared += declared
	case len(suites) == 0:
		f.cases = append(f.cases, all...)
		f.declared += declared
	default:
		around := suites[len(suites)-1]
		around.inner = append(around.inner, all...)
		around.below += declared
	}
	return suites
}

func last(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[len(names)-1]
}

func attribute(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// declaredBy is how many failures and errors the attributes of an element speak of.
func declaredBy(t xml.StartElement) int {
	n := 0
	for _, name := range []string{"failures", "errors"} {
		// Bounded, so that sums cannot overflow into "none".
		count, _ := strconv.Atoi(attribute(t, name))
		n += min(max(count, 0), 1<<31)
	}
	return n
}

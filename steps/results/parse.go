package results

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/joshdk/go-junit"
)

// parse reads one report. It returns the cases that could be read, and an error for what is wrong with the rest of it;
// a report that holds nothing at all is wrong too.
func parse(raw []byte) ([]Case, error) {
	text := clean(raw)
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, errors.New("it is empty")
	}
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("<")) {
		return nil, fmt.Errorf("it is not XML, it begins with %q", shorten(firstLine(text), 60))
	}
	suites, err := junit.Ingest(text)
	if err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	seen, err := audit(text)
	if err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	if !seen.isReport {
		return nil, errors.New("it is XML, but no JUnit report: there is no testsuite in it")
	}
	cases := flatten(nil, suites, "", seen)
	return cases, seen.contradiction(cases)
}

// flatten lists the cases in the order in which audit has seen them.
func flatten(cases []Case, suites []junit.Suite, file string, seen *findings) []Case {
	for _, s := range suites {
		inherited := first(s.Properties["file"], s.Properties["filepath"], file)
		for _, t := range s.Tests {
			cases = append(cases, toCase(t, s, inherited, seen.take()))
		}
		cases = flatten(cases, s.Suites, inherited, seen)
	}
	return cases
}

func toCase(t junit.Test, s junit.Suite, inherited string, marks marks) Case {
	c := Case{
		Name: shorten(t.Name, maxMessage), Class: shorten(t.Classname, maxMessage), Suite: shorten(s.Name, maxMessage), Duration: max(t.Duration, 0),
		File: first(t.Properties["file"], t.Properties["filepath"], marks.file, inherited),
	}
	if c.File == "" && looksLikeFile(c.Class) {
		c.File = c.Class
	}
	switch {
	case marks.failure:
		c.Status = Failed
	case marks.errored:
		c.Status = Errored
	case t.Status == junit.StatusSkipped || marks.skipped:
		c.Status = Skipped
	default:
		c.Status, c.Flaky = Passed, marks.flaky
	}
	if c.Status == Failed || c.Status == Errored {
		message, details := t.Message, ""
		var problem junit.Error
		if errors.As(t.Error, &problem) {
			message, details = first(problem.Message, message), problem.Body
		}
		c.Message, c.Details = shorten(strings.TrimSpace(first(message, firstLine([]byte(details)))), maxMessage), shorten(strings.TrimSpace(details), maxDetails)
	}
	return c
}

// looksLikeFile tells src/sum.test.ts from com.example.Sum.
func looksLikeFile(class string) bool {
	return sourceFile.MatchString(class) && !strings.ContainsAny(class, " \t")
}

var sourceFile = regexp.MustCompile(`\.(c|m)?(js|ts|jsx|tsx|py|rb|php|go|java|kt|rs|ex|exs|spec|feature)$`)

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func firstLine(text []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return strings.TrimSpace(line)
}

// marks are what a case's elements say. go-junit keeps the last of them only, which makes a failed and skipped case a skipped one.
type marks struct {
	failure, errored, skipped, flaky bool
	file                             string
}

// findings are what go-junit does not tell of a report.
type findings struct {
	isReport bool
	cases    []marks // suite by suite, a suite's own cases before those of the suites in it
	next     int
	declared int // failures and errors that the attributes of suites speak of
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
	bad := 0
	for _, c := range cases {
		if c.Status == Failed || c.Status == Errored || c.Flaky {
			bad++
		}
	}
	switch {
	case len(f.broken) > 0:
		return fmt.Errorf("a suite failed outside of its cases: %s", f.broken[0])
	case f.next != len(f.cases) || f.loose > 0:
		return fmt.Errorf("%d of its cases are not inside of a suite", len(f.cases)+f.loose-f.next)
	case bad == 0 && f.declared > 0:
		return fmt.Errorf("its suites declare %d failures, its cases show none", f.declared)
	}
	return nil
}

// suite is one that audit is inside of.
type suite struct {
	cases    []marks
	inner    []marks // of the suites in it
	declared int     // by its attributes
	below    int     // by those of the suites in it
	direct   bool    // whether go-junit reaches it: it looks for suites in suites only one element down
}

// audit goes through the report once more, for what go-junit passes over.
func audit(text []byte) (*findings, error) {
	f := &findings{}
	d := xml.NewDecoder(bytes.NewReader(text))
	d.Strict = true
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
			case name == "testsuite":
				f.isReport = true
				suites = append(suites, &suite{declared: whole(t, "failures") + whole(t, "errors"), direct: len(suites) == 0 || parent == "testsuite"})
			case name == "testcase" && parent == "testsuite":
				s := suites[len(suites)-1]
				s.cases = append(s.cases, marks{})
				current = &s.cases[len(s.cases)-1]
			case name == "testcase":
				f.loose++
			case parent == "testcase" && current != nil:
				current.mark(name)
			case parent == "testsuite" && (name == "error" || name == "failure"):
				f.broken = append(f.broken, first(attribute(t, "message"), attribute(t, "type"), name))
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

// leave closes the innermost suite and hands its cases to the one around it, in go-junit's order.
func (f *findings) leave(suites []*suite) []*suite {
	s := suites[len(suites)-1]
	suites = suites[:len(suites)-1]
	all := append(s.cases, s.inner...)
	declared := max(s.declared, s.below) // a suite's attributes count what is in the suites inside of it
	switch {
	case !s.direct:
		f.loose += len(all)
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

func (m *marks) mark(element string) {
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

func whole(t xml.StartElement, name string) int {
	n, _ := strconv.Atoi(attribute(t, name))
	return max(n, 0)
}

var (
	declaration = regexp.MustCompile(`^\s*<\?xml[^>]*\?>`)
	encoding    = regexp.MustCompile(`(?i)encoding\s*=\s*["']([a-z0-9_-]+)["']`)
	reference   = regexp.MustCompile(`&#(x[0-9a-fA-F]{1,8}|[0-9]{1,10});`)
)

// clean turns a report into UTF-8 that Go's parser takes: test runners copy what a test printed into their reports,
// control characters, colours and broken text included, and a report is not to be lost for that.
func clean(raw []byte) []byte {
	text := decode(raw)
	if loc := declaration.FindIndex(text); loc != nil {
		text = text[loc[1]:] // with its encoding, which no longer holds, and its version: 1.1 is refused
	}
	text = bytes.Map(func(r rune) rune {
		if legal(r) {
			return r
		}
		return -1
	}, bytes.ToValidUTF8(text, []byte("\uFFFD")))
	return reference.ReplaceAllFunc(text, func(ref []byte) []byte {
		digits, base := string(ref[2:len(ref)-1]), 10
		if digits[0] == 'x' {
			digits, base = digits[1:], 16
		}
		if n, err := strconv.ParseUint(digits, base, 32); err != nil || !legal(rune(n)) {
			return nil
		}
		return ref
	})
}

// legal is what XML 1.0 allows.
func legal(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= utf8.MaxRune
}

func decode(raw []byte) []byte {
	switch {
	case bytes.HasPrefix(raw, []byte{0xEF, 0xBB, 0xBF}):
		return raw[3:]
	case bytes.HasPrefix(raw, []byte{0xFF, 0xFE}):
		return fromUTF16(raw[2:], func(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 })
	case bytes.HasPrefix(raw, []byte{0xFE, 0xFF}):
		return fromUTF16(raw[2:], func(b []byte) uint16 { return uint16(b[1]) | uint16(b[0])<<8 })
	}
	if head := declaration.Find(raw); head != nil {
		if m := encoding.FindSubmatch(head); m != nil {
			switch strings.ToLower(string(m[1])) {
			case "iso-8859-1", "latin1", "latin-1", "windows-1252", "cp1252":
				return fromLatin1(raw)
			}
		}
	}
	return raw
}

func fromUTF16(raw []byte, unit func([]byte) uint16) []byte {
	units := make([]uint16, 0, len(raw)/2)
	for ; len(raw) >= 2; raw = raw[2:] {
		units = append(units, unit(raw))
	}
	return []byte(string(utf16.Decode(units)))
}

func fromLatin1(raw []byte) []byte {
	text := make([]byte, 0, len(raw)+len(raw)/8)
	for _, b := range raw {
		text = utf8.AppendRune(text, rune(b))
	}
	return text
}

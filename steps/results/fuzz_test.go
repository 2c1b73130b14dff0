package results

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/carlin-cicd/runner/steps/xmlstream"
)

// Reading any report ends. What another parser finds damaged or failed in it is red.
func FuzzRead(f *testing.F) {
	reports, err := filepath.Glob("testdata/*.xml")
	if err != nil {
		f.Fatal(err)
	}
	for _, report := range reports {
		text, err := os.ReadFile(report)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`<testsuite><testsuite><testcase/></testsuite><x><testsuite><testcase/></testsuite></x></testsuite>`))
	f.Add([]byte("<testcase>\x1b&#x1b;[31m"))
	f.Add([]byte("<A\x01A=\"\"/><testcase/>"))
	f.Add([]byte("\xff\xfe<\x00a\x00/\x00>\x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		text, err := io.ReadAll(xmlstream.UTF8(bytes.NewReader(raw)))
		if err != nil {
			t.Fatal(err)
		}
		var r Results
		err = newCollector(&r).readFrom(bytes.NewReader(raw), "a.xml")
		if r.Total < r.Failed+r.Errored+r.Skipped+r.Flaky {
			t.Errorf("the counts do not add up: %+v", r)
		}
		if why := mustBeRed(legal(text)); why != "" && err == nil && !r.Red() {
			t.Errorf("green, though there is %s: %q", why, raw)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	})
}

var (
	declaration = regexp.MustCompile(`^\s*<\?xml[^>]*\?>`)
	numbered    = regexp.MustCompile(`&#(x[0-9a-fA-F]{1,8}|[0-9]{1,10});`)
)

// legal is a report without what encoding/xml refuses and test runners write all the same.
func legal(text []byte) []byte {
	if loc := declaration.FindIndex(text); loc != nil {
		text = text[loc[1]:] // with its encoding, which is UTF-8 now, and its version: 1.1 is refused
	}
	text = numbered.ReplaceAllFunc(text, func(ref []byte) []byte {
		r, _ := utf8.DecodeRune(xmlstream.Unescape(nil, ref))
		if !xmlstream.Legal(r) || bytes.Equal(xmlstream.Unescape(nil, ref), ref) {
			return nil
		}
		return ref
	})
	return []byte(xmlstream.Plain(text))
}

// lenient reports whether a fault leaves the content of a report certain.
func lenient(fault string) bool {
	for _, part := range []string{"invalid XML name", "xml: unsupported version", "declared but Decoder.CharsetReader", "expected target name after <?", "unescaped ]]>"} {
		if strings.Contains(fault, part) {
			return true
		}
	}
	return false
}

// mustBeRed returns what encoding/xml finds failed or damaged in a report.
func mustBeRed(text []byte) string {
	d := xml.NewDecoder(bytes.NewReader(text))
	var open []string
	suites := 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			if suites == 0 {
				return "no suite, and no case"
			}
			return ""
		}
		if err != nil {
			if lenient(err.Error()) {
				return ""
			}
			return err.Error()
		}
		switch e := token.(type) {
		case xml.StartElement:
			name := e.Name.Local
			if name == "testsuite" || name == "testsuites" || name == "testcase" {
				suites++
			}
			if (name == "failure" || name == "error") && len(open) > 0 &&
				slices.Contains([]string{"testcase", "testsuite", "testsuites"}, open[len(open)-1]) {
				return name
			}
			open = append(open, name)
		case xml.EndElement:
			open = open[:len(open)-1]
		}
	}
}

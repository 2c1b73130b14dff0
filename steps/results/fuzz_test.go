package results

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/steps/xmlstream"
)

// Whatever is in a report, reading it ends. What another parser finds broken or failed in it is red.
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
		var r, own Results
		err = ingest(text, newCollection(&r).count)
		if r.Total < r.Failed+r.Errored+r.Skipped+r.Flaky {
			t.Errorf("it does not add up: %+v", r)
		}
		if why := mustBeRed(tame(text)); why != "" && err == nil && !r.Red() {
			t.Errorf("green, though there is %s: %q", why, raw)
		}
		if _, ownErr := readReport(bytes.NewReader(text), newCollection(&own).count); own.Counts != r.Counts || fmt.Sprint(err) != fmt.Sprint(ownErr) {
			t.Errorf("with go-junit %+v (%v), without %+v (%v): %q", r.Counts, err, own.Counts, ownErr, raw)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	})
}

// lenient reports whether a fault leaves no doubt about what is in a report.
func lenient(fault string) bool {
	for _, part := range []string{"invalid XML name", "xml: unsupported version", "declared but Decoder.CharsetReader", "expected target name after <?", "unescaped ]]>"} {
		if strings.Contains(fault, part) {
			return true
		}
	}
	return false
}

// mustBeRed says what in a report another look at it finds wrong.
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
			if (name == "failure" || name == "error") && len(open) > 0 && slices.Contains([]string{"testcase", "testsuite", "testsuites"}, open[len(open)-1]) {
				return name
			}
			open = append(open, name)
		case xml.EndElement:
			open = open[:len(open)-1]
		}
	}
}

package results

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
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
	f.Add([]byte("\xff\xfe<\x00a\x00/\x00>\x00"))
	root := f.TempDir() // one for all: making one takes longer than reading a report
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(filepath.Join(root, "a.xml"), text, 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := Read(root, []string{"*.xml"}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Total < r.Failed+r.Errored+r.Skipped+r.Flaky || len(r.Reports) > 1 || len(r.Reports)+len(r.Problems) == 0 {
			t.Errorf("it does not add up: %+v", r)
		}
		if why := mustBeRed(clean(text)); why != "" && !r.Red() {
			t.Errorf("green, though there is %s: %q", why, text)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	})
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
				return "no suite"
			}
			return ""
		}
		if err != nil {
			return err.Error()
		}
		switch e := token.(type) {
		case xml.StartElement:
			name := e.Name.Local
			if name == "testsuite" || name == "testsuites" {
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

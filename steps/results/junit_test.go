package results

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/joshdk/go-junit"
)

// Our reader fills go-junit's types as go-junit itself does where that reads the whole report.
func TestReaderFillsTheTypesAsGoJUnitDoes(t *testing.T) {
	reports, err := filepath.Glob("testdata/*.xml")
	if err != nil {
		t.Fatal(err)
	}
	for _, report := range reports {
		text, err := os.ReadFile(report)
		if err != nil {
			t.Fatal(err)
		}
		suites, err := junit.Ingest(text)
		if err != nil {
			t.Fatalf("%s: %v", report, err)
		}
		type result struct {
			suite junit.Suite
			test  junit.Test
		}
		var want, got []result
		var flatten func(suites []junit.Suite)
		flatten = func(suites []junit.Suite) {
			for _, s := range suites {
				for _, test := range s.Tests {
					want = append(want, result{s, test})
				}
				flatten(s.Suites)
			}
		}
		flatten(suites)
		totals, err := readReport(bytes.NewReader(text), func(c *testCase) {
			got = append(got, result{*c.suite, c.Test})
			got[len(got)-1].test.Properties = maps.Clone(c.Properties) // valid until the next case
		})
		if err != nil || len(got) != len(want) || len(got) == 0 || totals.Tests != len(got) {
			t.Fatalf("%s: %d tests, %v; go-junit reads %d", report, len(got), err, len(want))
		}
		for i, w := range want {
			g := got[i]
			if g.suite.Name != w.suite.Name || g.test.Name != w.test.Name || g.test.Classname != w.test.Classname ||
				g.test.Duration != w.test.Duration || g.test.Status != w.test.Status || g.test.Properties["file"] != w.test.Properties["file"] {
				t.Errorf("%s: read %+v of %s, go-junit %+v of %s", report, g.test, g.suite.Name, w.test, w.suite.Name)
			}
			if why, ok := w.test.Error.(junit.Error); ok {
				if read, ok := g.test.Error.(junit.Error); !ok || read.Message != why.Message || read.Type != why.Type {
					t.Errorf("%s: %s failed with %+v, in go-junit with %+v", report, g.test.Name, g.test.Error, why)
				}
			}
		}
	}
}

func TestTotalsOfSuitesIncludeTheSuitesInThem(t *testing.T) {
	const report = `<testsuite name="a"><testcase name="1" time="1"/><testsuite name="b"><testcase name="2" time="2"><failure/></testcase>` +
		`<testcase name="3"><skipped/></testcase></testsuite><testcase name="4"><error/></testcase></testsuite>`
	var last junit.Totals
	totals, err := readReport(bytes.NewReader([]byte(report)), func(c *testCase) { last = c.suite.Totals })
	want := junit.Totals{Tests: 4, Passed: 1, Skipped: 1, Failed: 1, Error: 1, Duration: 3e9}
	if err != nil || totals != want || last != want {
		t.Errorf("%+v, of the suite %+v, %v; want %+v", totals, last, err, want)
	}
}

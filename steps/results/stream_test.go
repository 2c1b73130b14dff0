package results

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/carlin-cicd/runner/steps/xmlstream"
)

func TestOneReport(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		want    Counts
		problem string // a part of it; "" for none
	}{
		"jest-junit": {
			`<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="jest tests" tests="3" failures="1" errors="0" time="1.2">
  <testsuite name="sum" errors="0" failures="1" skipped="1" timestamp="2026-01-01T00:00:00" time="0.5" tests="3">
    <testcase classname="sum adds" name="sum adds" time="0.002" file="src/sum.test.ts"></testcase>
    <testcase classname="sum fails" name="sum fails" time="0.003" file="src/sum.test.ts"><failure>Error: expected 3
    at Object.&lt;anonymous&gt; (src/sum.test.ts:5:3)</failure></testcase>
    <testcase classname="sum later" name="sum later" time="0" file="src/sum.test.ts"><skipped/></testcase>
  </testsuite>
</testsuites>`, Counts{Total: 3, Failed: 1, Skipped: 1}, "",
		},
		"vitest": {
			`<?xml version="1.0" encoding="UTF-8" ?>
<testsuites name="vitest tests" tests="2" failures="1" errors="0" time="0.1">
  <testsuite name="test/a.test.ts" tests="2" failures="1" errors="0" skipped="0" time="0.01">
    <testcase classname="test/a.test.ts" name="a &gt; works" time="0.001"/>
    <testcase classname="test/a.test.ts" name="a &gt; breaks" time="0.001"><failure message="expected 1 to be 2" type="AssertionError">AssertionError</failure></testcase>
  </testsuite>
</testsuites>`, Counts{Total: 2, Failed: 1}, "",
		},
		"pytest, an error in a fixture": {
			`<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="pytest" errors="1" failures="0" skipped="0" tests="1" time="0.1"><testcase classname="test_x" name="test_a" time="0"><error message="failed on setup">Traceback</error></testcase></testsuite></testsuites>`,
			Counts{Total: 1, Errored: 1},
			"",
		},
		"gotestsum":              {`<testsuites tests="1"><testsuite tests="1" failures="0" time="0.001" name="example.com/m"><properties><property name="go.version" value="go1.26"/></properties><testcase classname="example.com/m" name="TestA" time="0.000"></testcase></testsuite></testsuites>`, Counts{Total: 1}, ""},
		"a lone suite":           {`<testsuite name="a" tests="1"><testcase name="x"/></testsuite>`, Counts{Total: 1}, ""},
		"phpunit, nested suites": {`<testsuites><testsuite name="all" tests="3" failures="1"><testsuite name="A" file="/t/A.php" tests="2" failures="1"><testcase name="a"/><testcase name="b"><failure type="X">no</failure></testcase></testsuite><testsuite name="B" tests="1"><testcase name="c"/></testsuite></testsuite></testsuites>`, Counts{Total: 3, Failed: 1}, ""},
		"surefire, flaky":        {`<testsuite name="a" tests="1" failures="0" flakes="1"><testcase name="x" classname="a"><flakyFailure message="once">s</flakyFailure></testcase></testsuite>`, Counts{Total: 1, Flaky: 1}, ""},
		"surefire, a rerun that fails": {
			`<testsuite name="a" tests="1" failures="1"><testcase name="x" classname="a"><failure message="no"/><rerunFailure message="no again"/></testcase></testsuite>`, Counts{Total: 1, Failed: 1}, "",
		},
		"a case both failed and skipped is failed": {`<testsuite><testcase name="x"><failure message="no"/><skipped/></testcase></testsuite>`, Counts{Total: 1, Failed: 1}, ""},
		"a case both failed and errored is failed": {`<testsuite><testcase name="x"><failure message="no"/><error/></testcase></testsuite>`, Counts{Total: 1, Failed: 1}, ""},
		"a suite that failed outside of its cases": {`<testsuite name="a" errors="1"><testcase name="x"/><error message="cannot load module"/></testsuite>`, Counts{Total: 1}, "cannot load module"},
		"failures that are declared only":          {`<testsuite name="a" tests="1" failures="2"><testcase name="x"/></testsuite>`, Counts{Total: 1}, "declare 2 failures or errors"},
		"counts of an outer suite are not added":   {`<testsuites><testsuite errors="1"><testsuite errors="1"></testsuite></testsuite></testsuites>`, Counts{}, "declare 1 failures or errors"},
		"failures that only the root declares":     {`<testsuites errors="1"><testsuite tests="1" errors="0"><testcase name="x"/></testsuite></testsuites>`, Counts{Total: 1}, "declare 1 failures or errors"},
		"more failures declared than fit a number": {`<testsuite errors="99999999999999999999" failures="99999999999999999999"><testcase name="x"/></testsuite>`, Counts{Total: 1}, "declare"},
		"a declared error of a flaky case":         {`<testsuite errors="1"><testcase name="x"><flakyFailure/></testcase></testsuite>`, Counts{Total: 1, Flaky: 1}, ""},
		"more declared errors than attempts":       {`<testsuite errors="2"><testcase name="x"><flakyFailure/></testcase></testsuite>`, Counts{Total: 1, Flaky: 1}, "declare 2 failures or errors"},
		"a run that failed outside of its suites":  {`<testsuites><error message="no tests collected"/></testsuites>`, Counts{}, "no tests collected"},
		"an end tag without its start":             {`<testsuite/></fake-root><testsuite><testcase><failure/></testcase></testsuite>`, Counts{}, "damaged"},
		"a suite in an unknown element":            {`<testsuite><x><testsuite><testcase><failure/></testcase></testsuite></x></testsuite>`, Counts{Total: 1, Failed: 1}, ""},
		"two reports in one file":                  {`<?xml version="1.0"?><testsuite><testcase name="x"/></testsuite><?xml version="1.0"?><testsuite><testcase name="y"><failure/></testcase></testsuite>`, Counts{Total: 2, Failed: 1}, ""},
		"a case outside of every suite":            {`<testsuites><testcase name="x"><failure/></testcase><testsuite><testcase name="y"/></testsuite></testsuites>`, Counts{Total: 2, Failed: 1}, ""},
		"a lone case":                              {`<testcase name="x"/>`, Counts{Total: 1}, ""},
		"a case inside of another":                 {`<testsuite><testcase name="x"><testcase name="y"><failure/></testcase><skipped/></testcase></testsuite>`, Counts{Total: 2, Failed: 1, Skipped: 1}, ""},
		"elements with a prefix":                   {`<j:testsuite xmlns:j="urn:x"><j:testcase name="x"><j:failure/></j:testcase></j:testsuite>`, Counts{Total: 1, Failed: 1}, ""},
		"a failure that a test printed":            {`<testsuite><testcase><system-out><failure/></system-out></testcase></testsuite>`, Counts{Total: 1}, ""},
		"Go's second attempt that passes":          {goSuite(`<testcase classname="m" name="TestA"><failure/></testcase><testcase classname="m" name="TestB"/><testcase classname="m" name="TestA"/>`), Counts{Total: 2, Flaky: 1}, ""},
		"Go's third attempt that passes":           {goSuite(`<testcase classname="m" name="TestA"><failure/></testcase><testcase classname="m" name="TestA"><failure/></testcase><testcase classname="m" name="TestA"/>`), Counts{Total: 1, Flaky: 1}, ""},
		"Go's attempts that all fail":              {goSuite(`<testcase classname="m" name="TestA"><failure/></testcase><testcase classname="m" name="TestA"><failure/></testcase>`), Counts{Total: 1, Failed: 1}, ""},
		"Go's failure after a pass":                {goSuite(`<testcase classname="m" name="TestA"/><testcase classname="m" name="TestA"><failure/></testcase>`), Counts{Total: 2, Failed: 1}, ""},
		"Go's tests of one name in two packages":   {`<testsuites>` + goSuite(`<testcase classname="m" name="TestA"><failure/></testcase>`) + goSuite(`<testcase classname="n" name="TestA"/>`) + `</testsuites>`, Counts{Total: 2, Failed: 1}, ""},
		"Go's failure after a flaky pass":          {goSuite(`<testcase classname="m" name="TestA"><failure/></testcase><testcase classname="m" name="TestA"/><testcase classname="m" name="TestA"><failure/></testcase>`), Counts{Total: 2, Failed: 1, Flaky: 1}, ""},
		"Go's skip after a failure":                {goSuite(`<testcase classname="m" name="TestA"><failure/></testcase><testcase classname="m" name="TestA"><skipped/></testcase>`), Counts{Total: 2, Failed: 1, Skipped: 1}, ""},
		"Go's error that passes":                   {goSuite(`<testcase classname="m" name="TestA"><error/></testcase><testcase classname="m" name="TestA"/>`), Counts{Total: 1, Flaky: 1}, ""},
		"Go's names that look alike":               {goSuite(`<testcase classname="m" name="nTestA"><failure/></testcase><testcase classname="mn" name="TestA"/>`), Counts{Total: 2, Failed: 1}, ""},
		"Go's suites of one name":                  {`<testsuites>` + goSuite(`<testcase classname="m" name="TestA"><failure/></testcase>`) + goSuite(`<testcase classname="m" name="TestA"/>`) + `</testsuites>`, Counts{Total: 2, Failed: 1}, ""},
		"suites before and between cases":          {`<testsuite name="a"><testsuite name="b"><testcase name="1"><failure/></testcase></testsuite><testcase name="2"/><testsuite name="c"><testcase name="3"><skipped/></testcase></testsuite><testcase name="4"><error/></testcase></testsuite>`, Counts{Total: 4, Failed: 1, Errored: 1, Skipped: 1}, ""},
		"namesakes of other producers are several": {`<testsuite><testcase name="adds"><failure/></testcase><testcase name="adds"/></testsuite>`, Counts{Total: 2, Failed: 1}, ""},
		"duplicate cases are as many tests":        {`<testsuite tests="1"><testcase name="x"/><testcase name="x"/></testsuite>`, Counts{Total: 2}, ""},
		"more tests declared than there are cases": {`<testsuite tests="9" skipped="7"><testcase name="x"/></testsuite>`, Counts{Total: 1}, ""},
		"fewer failures declared than there are":   {`<testsuite tests="2" failures="0"><testcase name="x"><failure/></testcase></testsuite>`, Counts{Total: 1, Failed: 1}, ""},
		"no suite at all ran":                      {`<testsuites tests="0"/>`, Counts{}, ""},
		"an empty file":                            {"", Counts{}, "empty"},
		"blanks":                                   {" \n\t", Counts{}, "empty"},
		"plain text":                               {"Segmentation fault (core dumped)\n", Counts{}, `begins with "Segmentation fault`},
		"other XML":                                {`<html><body/></html>`, Counts{}, "not a JUnit report"},
		"a truncated report":                       {`<testsuite name="a"><testcase name="x"/><testcase na`, Counts{Total: 1}, "damaged"},
		"a report that is not closed":              {`<testsuite name="a"><testcase name="x"/>`, Counts{Total: 1}, "damaged"},
		"an ESC byte":                              {"<testsuite><testcase name=\"x\"><failure message=\"\x1b[31mred\x1b[0m\"/></testcase></testsuite>", Counts{Total: 1, Failed: 1}, ""},
		"an ESC by number":                         {`<testsuite><testcase name="x"><failure>&#x1b;[31m &#27; &#0; &#x0;</failure></testcase></testsuite>`, Counts{Total: 1, Failed: 1}, ""},
		"a NUL byte":                               {"<testsuite><testcase name=\"a\x00b\"/></testsuite>", Counts{Total: 1}, ""},
		"bytes that are not UTF-8":                 {"<testsuite><testcase name=\"a\xff\xfe\"/></testsuite>", Counts{Total: 1}, ""},
		"a byte order mark":                        {"\xef\xbb\xbf<?xml version=\"1.0\"?><testsuite><testcase name=\"x\"/></testsuite>", Counts{Total: 1}, ""},
		"latin-1":                                  {"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><testsuite><testcase name=\"caf\xe9\"><failure/></testcase></testsuite>", Counts{Total: 1, Failed: 1}, ""},
		"UTF-16":                                   {inUTF16(`<?xml version="1.0" encoding="UTF-16"?><testsuite><testcase name="x"/></testsuite>`), Counts{Total: 1}, ""},
		"XML 1.1":                                  {`<?xml version="1.1"?><testsuite><testcase name="x"/></testsuite>`, Counts{Total: 1}, ""},
		"a bomb of entities":                       {`<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><testsuite><testcase name="&b;"/></testsuite>`, Counts{Total: 1}, "damaged"},
		"a bare &, with all cases kept":            {`<testsuite><testcase name="a && b"/><testcase name="c"><failure>&nbsp;</failure></testcase></testsuite>`, Counts{Total: 2, Failed: 1}, "line 1"},
		"a truncated failed case":                  {`<testsuite><testcase/><testcase><failure>Er`, Counts{Total: 2, Failed: 1}, "damaged"},
		"a truncated case":                         {`<testsuite><testcase/><testcase><system-out>`, Counts{Total: 1}, "damaged"},
		"text behind the report":                   {"<testsuite><testcase/></testsuite>\nDone in 3 s\n", Counts{Total: 1}, "outside of every element"},
		"zeros behind the report":                  {"<testsuite><testcase/></testsuite>" + strings.Repeat("\x00", 4096), Counts{Total: 1}, ""},
		"the end of a longer, older report":        {"<testsuites><testsuite><testcase/></testsuite></testsuites>me=\"x\"/></testsuite></testsuites>", Counts{Total: 1}, "damaged"},
		"elements nested without end":              {strings.Repeat("<testsuite>", 20_000), Counts{}, "nested"},
	} {
		t.Run(name, func(t *testing.T) {
			r := read(t, folder(t, map[string]string{"junit.xml": c.text}), "junit.xml")
			if r.Counts != c.want {
				t.Errorf("counted %+v, want %+v", r.Counts, c.want)
			}
			switch {
			case c.problem == "" && r.Problems != nil:
				t.Errorf("found a problem: %v", r.Problems)
			case c.problem != "" && (len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Message, c.problem)):
				t.Errorf("problems are %v, want %q", r.Problems, c.problem)
			}
			if want := c.want.Failed+c.want.Errored > 0 || c.problem != ""; r.Red() != want {
				t.Errorf("red is %v", r.Red())
			}
		})
	}
}

// readCases returns the cases of one report.
func readCases(t *testing.T, text string) (cases []Case, err error) {
	t.Helper()
	_, err = readReport(
		xmlstream.UTF8(strings.NewReader(text)),
		func(c *testCase) { cases = append(cases, newCase(c, "", 0)) },
	)
	return cases, err
}

func goSuite(cases string) string {
	return `<testsuite name="m" failures="1"><properties><property name="go.version" value="go1.26"></property></properties>` + cases + `</testsuite>`
}

func inUTF16(s string) string {
	text := []byte{0xFF, 0xFE}
	for _, u := range utf16.Encode([]rune(s)) {
		text = append(text, byte(u), byte(u>>8))
	}
	return string(text)
}

func TestMessageIsTheMostTellingLine(t *testing.T) {
	for name, c := range map[string]struct{ failure, want string }{
		"the attribute":                             {`<failure message="expected 1">long</failure>`, "expected 1"},
		"its first line":                            {"<failure message=\"&#10;  expected 1&#10;got 2\"/>", "expected 1"},
		"the text, if there is none":                {"<failure>\n\n  Error: no\n  at x</failure>", "Error: no"},
		"the text, if the attribute is commonplace": {"<failure message=\"Failed\">=== RUN   TestA\n    a_test.go:3: boom\n--- FAIL: TestA (0.00s)</failure>", "a_test.go:3: boom"},
		"nothing better than what there is":         {`<failure message="Failed">=== RUN   TestA</failure>`, "Failed"},
		"the type, if there is nothing else":        {`<failure type="TypeError"/>`, "TypeError"},
		"without colors":                            {"<failure message=\"\x1b[31;1mexpected&#x1b;[0m &#27;[2m1\"/>", "expected 1"},
		"of a failure, skipped or not":              {`<failure message="no"/><skipped message="flaky"/>`, "no"},
		"not the location and the test's own name": {`<failure message="a.spec.ts:3:5 adds">  [x] › a.spec.ts:3:5 › math › adds ─────

    Error: nope</failure>`, "Error: nope"},
	} {
		t.Run(name, func(t *testing.T) {
			cases, err := readCases(t, `<testsuite><testcase name="math › adds">`+c.failure+`</testcase></testsuite>`)
			if err != nil || len(cases) != 1 || cases[0].Message != c.want {
				t.Errorf("%+v, %v, want %q", cases, err, c.want)
			}
		})
	}
}

func TestAFlakyCaseIsListedWithItsFirstFailure(t *testing.T) {
	for name, report := range map[string]string{
		"surefire": `<testsuite><testcase name="a"><flakyFailure message="once"><stackTrace>at a:1</stackTrace><system-out>printed</system-out></flakyFailure><flakyFailure message="twice"/></testcase></testsuite>`,
		"Go":       goSuite(`<testcase name="a"><failure message="once">at a:1</failure></testcase><testcase name="a"><failure message="twice"/></testcase><testcase name="a"/>`),
	} {
		r := read(t, folder(t, map[string]string{"a.xml": report}), "a.xml")
		if len(r.FlakyCases) != 1 || len(r.Failures) != 0 || r.Red() {
			t.Fatalf("%s: %+v", name, r)
		}
		if c := r.FlakyCases[0]; c.Message != "once" || c.Details != "at a:1" || !c.Flaky || c.Status != Passed {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestAReportIsReadUpToItsSizeWhenItWasOpened(t *testing.T) {
	root := folder(t, map[string]string{"a.xml": "<testsuite><testcase/></testsuite>"})
	path := filepath.Join(root, "a.xml")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("<testsuite>"), info.Size()); err != nil {
		t.Fatal(err)
	}
	r := Results{}
	c := newCollector(&r)
	if err := c.readFrom(io.LimitReader(f, info.Size()), "a.xml"); err != nil || r.Total != 1 {
		t.Error(r.Total, err)
	}
}

func TestFileComesFromTheReportElseFromAPathInItsNames(t *testing.T) {
	for name, c := range map[string]struct{ report, want string }{
		"the case's":         {`<testsuite name="s.ts" file="suite.ts"><testcase file="own.ts" classname="c.ts"/></testsuite>`, "own.ts"},
		"the suite's":        {`<testsuite file="suite.ts"><testcase classname="c.ts"/></testsuite>`, "suite.ts"},
		"an outer suite's":   {`<testsuite file="outer.ts"><testsuite><testcase/></testsuite></testsuite>`, "outer.ts"},
		"not a property's":   {`<testsuite file="suite.ts"><properties><property name="file" value="x"/></properties><testcase/></testsuite>`, "suite.ts"},
		"the class":          {`<testsuite><testcase classname="src/a.test.tsx"/></testsuite>`, "src/a.test.tsx"},
		"the suite's name":   {`<testsuite name="src/a.test.mjs"><testcase classname="a adds"/></testsuite>`, "src/a.test.mjs"},
		"not a Java class":   {`<testsuite name="com.example.Sum"><testcase classname="com.example.Sum"/></testsuite>`, ""},
		"not a Go package":   {`<testsuite><testcase classname="github.com/nats-io/nats.go"/></testsuite>`, ""},
		"not a sentence":     {`<testsuite><testcase classname="it loads main.js"/></testsuite>`, ""},
		"not an endless one": {`<testsuite><testcase file="` + strings.Repeat("a", maxPath) + `.js"/></testsuite>`, ""},
	} {
		cases, err := readCases(t, c.report)
		if err != nil || len(cases) != 1 || cases[0].File != c.want {
			t.Errorf("%s: %+v, %v, want %q", name, cases, err, c.want)
		}
	}
}

func TestNonsenseDurationsAreNotAddedUp(t *testing.T) {
	for _, time := range []string{"NaN", "Inf", "-1", "1e300", "-1e300", "99999999999", "soon"} {
		r := read(
			t,
			folder(
				t,
				map[string]string{
					"a.xml": `<testsuite><testcase time="` + time + `"/><testcase time="2"/></testsuite>`,
				},
			),
			"a.xml",
		)
		if r.Total != 2 || r.Duration.Seconds() != 2 {
			t.Errorf("%s: %s", time, r.Duration)
		}
	}
}

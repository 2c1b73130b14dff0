package results

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf16"
)

// folder writes reports into a new root.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func read(t *testing.T, root string, globs ...string) Results {
	t.Helper()
	r, err := Read(root, globs, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

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
		"surefire, rerun in vain": {
			`<testsuite name="a" tests="1" failures="1"><testcase name="x" classname="a"><failure message="no"/><rerunFailure message="no again"/></testcase></testsuite>`, Counts{Total: 1, Failed: 1}, "",
		},
		"a case both failed and skipped is failed": {`<testsuite><testcase name="x"><failure message="no"/><skipped/></testcase></testsuite>`, Counts{Total: 1, Failed: 1}, ""},
		"a case both failed and errored is failed": {`<testsuite><testcase name="x"><failure message="no"/><error/></testcase></testsuite>`, Counts{Total: 1, Failed: 1}, ""},
		"a suite that failed outside of its cases": {`<testsuite name="a" errors="1"><testcase name="x"/><error message="cannot load module"/></testsuite>`, Counts{Total: 1}, "cannot load module"},
		"failures that are only declared":          {`<testsuite name="a" tests="1" failures="2"><testcase name="x"/></testsuite>`, Counts{Total: 1}, "declare 2 failures"},
		"counts of a suite around are not added":   {`<testsuites><testsuite errors="1"><testsuite errors="1"></testsuite></testsuite></testsuites>`, Counts{}, "declare 1 failures"},
		"a case outside of every suite":            {`<testsuites><testcase name="x"><failure/></testcase></testsuites>`, Counts{}, "1 of its cases"},
		"no suite at all ran":                      {`<testsuites tests="0"/>`, Counts{}, ""},
		"an empty file":                            {"", Counts{}, "empty"},
		"blanks":                                   {" \n\t", Counts{}, "empty"},
		"plain text":                               {"Segmentation fault (core dumped)\n", Counts{}, `begins with "Segmentation fault`},
		"other XML":                                {`<html><body/></html>`, Counts{}, "no JUnit report"},
		"a report that breaks off":                 {`<testsuite name="a"><testcase name="x"/><testcase na`, Counts{}, "damaged"},
		"a report that is not closed":              {`<testsuite name="a"><testcase name="x"/>`, Counts{}, "damaged"},
		"an ESC byte":                              {"<testsuite><testcase name=\"x\"><failure message=\"\x1b[31mred\x1b[0m\"/></testcase></testsuite>", Counts{Total: 1, Failed: 1}, ""},
		"an ESC by number":                         {`<testsuite><testcase name="x"><failure>&#x1b;[31m &#27; &#0; &#x0;</failure></testcase></testsuite>`, Counts{Total: 1, Failed: 1}, ""},
		"a NUL byte":                               {"<testsuite><testcase name=\"a\x00b\"/></testsuite>", Counts{Total: 1}, ""},
		"bytes that are no UTF-8":                  {"<testsuite><testcase name=\"a\xff\xfe\"/></testsuite>", Counts{Total: 1}, ""},
		"a byte order mark":                        {"\xef\xbb\xbf<?xml version=\"1.0\"?><testsuite><testcase name=\"x\"/></testsuite>", Counts{Total: 1}, ""},
		"latin-1":                                  {"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><testsuite><testcase name=\"caf\xe9\"><failure/></testcase></testsuite>", Counts{Total: 1, Failed: 1}, ""},
		"UTF-16":                                   {inUTF16(`<?xml version="1.0" encoding="UTF-16"?><testsuite><testcase name="x"/></testsuite>`), Counts{Total: 1}, ""},
		"XML 1.1":                                  {`<?xml version="1.1"?><testsuite><testcase name="x"/></testsuite>`, Counts{Total: 1}, ""},
		"a bomb of entities":                       {`<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><testsuite><testcase name="&b;"/></testsuite>`, Counts{}, "damaged"},
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

func inUTF16(s string) string {
	text := []byte{0xFF, 0xFE}
	for _, u := range utf16.Encode([]rune(s)) {
		text = append(text, byte(u), byte(u>>8))
	}
	return string(text)
}

func TestAFailureIsToldWithItsFileAndMessage(t *testing.T) {
	r := read(t, folder(t, map[string]string{
		"a.xml": `<testsuite name="A" file="suite.php"><testcase name="by suite"><failure message="m1">d1</failure></testcase></testsuite>`,
		"b.xml": `<testsuite name="B"><testcase name="by class" classname="src/b.test.ts"><failure>first line
second line</failure></testcase><testcase name="by case" file="own.rb"><error type="E"/></testcase></testsuite>`,
	}), "*.xml")
	if len(r.Failures) != 3 {
		t.Fatalf("failures are %+v", r.Failures)
	}
	for _, want := range []Case{
		{Name: "by suite", Suite: "A", File: "suite.php", Status: Failed, Message: "m1", Details: "d1", Report: "a.xml"},
		{Name: "by class", Suite: "B", Class: "src/b.test.ts", File: "src/b.test.ts", Status: Failed, Message: "first line", Details: "first line\nsecond line", Report: "b.xml"},
		{Name: "by case", Suite: "B", File: "own.rb", Status: Errored, Report: "b.xml"},
	} {
		found := false
		for _, got := range r.Failures {
			found = found || got == want
		}
		if !found {
			t.Errorf("%+v is missing in %+v", want, r.Failures)
		}
	}
}

func TestReportsAreFoundOnceAndBadOnesDoNotHideGoodOnes(t *testing.T) {
	const one = `<testsuite><testcase name="x"/></testsuite>`
	root := folder(t, map[string]string{
		"junit.xml": one, "packages/a/junit-a.xml": one, "packages/b/junit-b.xml": "<testsuite>",
		"node_modules/x/junit-x.xml": "<", ".runner/artifacts/junit-y.xml": "<", "other.xml": "<",
	})
	outside := folder(t, map[string]string{"junit-z.xml": one})
	if err := os.Symlink(filepath.Join(outside, "junit-z.xml"), filepath.Join(root, "junit-link.xml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("junit.xml", filepath.Join(root, "junit-inside.xml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "junit-folder.xml"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(root, "junit-pipe.xml"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := read(t, root, "junit.xml", "**/junit-*.xml", "**/junit-a.xml")
	var problems []string
	for _, p := range r.Problems {
		problems = append(problems, p.Report)
	}
	if got, want := strings.Join(problems, " "), "junit-folder.xml junit-link.xml junit-pipe.xml packages/b/junit-b.xml"; got != want {
		t.Errorf("problems are in %s, want %s", got, want)
	}
	if r.Total != 3 || len(r.Reports) != 3 {
		t.Errorf("%d tests of %+v", r.Total, r.Reports)
	}
}

func TestAReportOfAnEarlierRunIsNotCounted(t *testing.T) {
	root := folder(t, map[string]string{"old.xml": "<testsuite><testcase name=\"x\"><failure/></testcase></testsuite>", "new.xml": "<testsuite><testcase name=\"y\"/></testsuite>"})
	now := time.Now()
	if err := os.Chtimes(filepath.Join(root, "old.xml"), now, now.Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	r, err := Read(root, []string{"*.xml"}, now.Add(-time.Millisecond))
	if err != nil || r.Total != 1 || r.Red() || len(r.Stale) != 1 || r.Stale[0] != "old.xml" {
		t.Errorf("%v %+v", err, r)
	}
}

func TestTheSlowestComeFirstAndListsAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("<testsuite>")
	for i := range 500 {
		fmt.Fprintf(&b, `<testcase name="t%d" time="%d.5"><failure message="%s"/></testcase>`, i, (i*37)%500, strings.Repeat("ä", 3000))
	}
	b.WriteString("</testsuite>")
	r := read(t, folder(t, map[string]string{"a.xml": b.String()}), "a.xml")
	if r.Failed != 500 || len(r.Failures) != maxFailures || len(r.Slowest) != maxSlowest {
		t.Fatalf("%d failed, %d listed, %d slowest", r.Failed, len(r.Failures), len(r.Slowest))
	}
	for i, c := range r.Slowest {
		if want := time.Duration(499-i)*time.Second + 500*time.Millisecond; c.Duration != want {
			t.Errorf("number %d took %s, want %s", i, c.Duration, want)
		}
	}
	if n := len(r.Failures[0].Message); n > maxMessage+len("…") {
		t.Errorf("a message has %d bytes", n)
	}
}

func TestABadGlobIsAnError(t *testing.T) {
	if _, err := Read(t.TempDir(), []string{"[a"}, time.Time{}); err == nil {
		t.Error("it was accepted")
	}
}

// Whatever is in a report, reading it ends, and what is not well-formed is never green.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`<testsuites><testsuite name="a" failures="1"><testcase name="x"><failure message="m">d</failure></testcase></testsuite></testsuites>`))
	f.Add([]byte(`<testsuite><testsuite><testcase/></testsuite><x><testsuite><testcase/></testsuite></x></testsuite>`))
	f.Add([]byte("<testcase>\x1b&#x1b;"))
	f.Fuzz(func(t *testing.T, text []byte) {
		cases, err := parse(text)
		if err == nil && len(cases) == 0 && !strings.Contains(string(clean(text)), "testsuite") {
			t.Errorf("green: %q", text)
		}
		if err == nil {
			return
		}
		if err.Error() == "" {
			t.Error("an error without words")
		}
	})
}

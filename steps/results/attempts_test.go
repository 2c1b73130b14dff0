package results

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

const (
	failedCase  = `<testcase name="adds" classname="C"><failure message="once"/></testcase>`
	erroredCase = `<testcase name="adds" classname="C"><error message="once"/></testcase>`
	passedCase  = `<testcase name="adds" classname="C"/>`
	skippedCase = `<testcase name="adds" classname="C"><skipped/></testcase>`
	otherFailed = `<testcase name="other" classname="C"><failure message="no"/></testcase>`
	otherPassed = `<testcase name="other" classname="C"/>`
)

// Some producers write each attempt of a test as a case of its own: Gradle's test-retry, WebdriverIO, bun.
func TestAttemptsInCasesOfTheirOwn(t *testing.T) {
	for name, c := range map[string]struct {
		cases  string
		passed bool // the command
		want   Counts
		note   bool // on a failure
	}{
		"a pass after a failure, and the command passed":  {failedCase + otherPassed + passedCase, true, Counts{Total: 2, Flaky: 1}, false},
		"a pass after two failures":                       {failedCase + erroredCase + passedCase, true, Counts{Total: 1, Flaky: 1}, false},
		"the command failed":                              {failedCase + passedCase, false, Counts{Total: 2, Failed: 1}, true},
		"another failure, which no pass explains":         {failedCase + passedCase + otherFailed, true, Counts{Total: 3, Failed: 2}, true},
		"a pass before the failure: a row of a table":     {passedCase + failedCase, true, Counts{Total: 2, Failed: 1}, false},
		"a pass before and after: rows of a table":        {passedCase + failedCase + passedCase, true, Counts{Total: 3, Failed: 1}, false},
		"two passes after: rows of a table":               {failedCase + passedCase + passedCase, true, Counts{Total: 3, Failed: 1}, false},
		"a failure after the pass":                        {failedCase + passedCase + failedCase, true, Counts{Total: 3, Failed: 2}, false},
		"a skip after the failure":                        {failedCase + skippedCase, true, Counts{Total: 2, Failed: 1, Skipped: 1}, false},
		"the producer's own mark":                         {`<testcase name="t" classname="c" flaky="true"><failure>first try</failure></testcase>`, true, Counts{Total: 1, Flaky: 1}, false},
		"the producer's own mark, though others failed":   {`<testcase name="t" classname="c" flaky="true"><failure>first try</failure></testcase>` + otherFailed, false, Counts{Total: 2, Failed: 1, Flaky: 1}, false},
		"pytest's second case of a test, of its teardown": {failedCase + `<testcase name="adds" classname="C"><error message="failed on teardown with &quot;x&quot;">y</error></testcase>`, false, Counts{Total: 1, Failed: 1}, false},
		"a status without an element":                     {`<testcase name="a" status="failed"/><testcase name="b" status="passed"/><testcase name="c" status="notrun" result="suppressed"/><testcase name="d" status="error"/>`, true, Counts{Total: 4, Failed: 1, Errored: 1, Skipped: 1}, false},
	} {
		t.Run(name, func(t *testing.T) {
			root := folder(t, map[string]string{"a.xml": "<testsuite name='S'>" + c.cases + "</testsuite>"})
			r, err := Read(Options{Root: root, Globs: []string{"a.xml"}, CommandPassed: c.passed})
			if err != nil || r.Counts != c.want {
				t.Errorf("%+v, %v; want %+v", r.Counts, err, c.want)
			}
			if len(r.FlakyCases) != c.want.Flaky || len(r.Failures) != c.want.Failed+c.want.Errored {
				t.Errorf("%d flaky, %d failures", len(r.FlakyCases), len(r.Failures))
			}
			noted := len(r.Failures) > 0 &&
				strings.Contains(r.Failures[0].Note+r.Failures[len(r.Failures)-1].Note, "mergeReruns")
			if noted != c.note {
				t.Errorf("the note is there: %v; want %v", noted, c.note)
			}
		})
	}
}

func TestAttemptsAreOfOneSuite(t *testing.T) {
	root := folder(
		t,
		map[string]string{
			"a.xml": "<testsuites><testsuite name='S'>" + failedCase + "</testsuite><testsuite name='S'>" + passedCase + "</testsuite></testsuites>",
		},
	)
	r, err := Read(Options{Root: root, Globs: []string{"a.xml"}, CommandPassed: true})
	if err != nil || r.Failed != 1 {
		t.Errorf("%+v, %v", r.Counts, err)
	}
}

// A suite that is run again has its name, and a later time.
func TestAttemptsInSuitesOfTheirOwn(t *testing.T) {
	suite := func(at, cases string) string {
		return `<testsuite name="S" timestamp="2026-01-01T00:00:0` + at + `">` + cases + `</testsuite>`
	}
	for name, c := range map[string]struct {
		suites string
		passed bool // the command
		want   Counts
	}{
		"a pass in a later suite":                  {suite("1", failedCase+otherPassed) + suite("2", passedCase), true, Counts{Total: 2, Flaky: 1}},
		"a pass in the third one":                  {suite("1", failedCase) + suite("2", erroredCase) + suite("3", passedCase), true, Counts{Total: 1, Flaky: 1}},
		"with fractions and time zones":            {suite("1.5Z", failedCase) + suite("1.75Z", passedCase), true, Counts{Total: 1, Flaky: 1}},
		"the command failed":                       {suite("1", failedCase) + suite("2", passedCase), false, Counts{Total: 2, Failed: 1}},
		"a pass in an earlier suite":               {suite("2", failedCase) + suite("1", passedCase), true, Counts{Total: 2, Failed: 1}},
		"at the same time: another project, a row": {suite("1", failedCase) + suite("1", passedCase), true, Counts{Total: 2, Failed: 1}},
		"a failure after the pass":                 {suite("1", failedCase) + suite("2", passedCase) + suite("3", failedCase), true, Counts{Total: 3, Failed: 2}},
		"a skip in the later suite":                {suite("1", failedCase) + suite("2", skippedCase), true, Counts{Total: 2, Failed: 1, Skipped: 1}},
		"on another host":                          {strings.Replace(suite("1", failedCase), "<testsuite", `<testsuite hostname="Pixel 8"`, 1) + suite("2", passedCase), true, Counts{Total: 2, Failed: 1}},
		"times that cannot be read":                {suite("x", failedCase) + suite("y", passedCase), true, Counts{Total: 2, Failed: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			root := folder(t, map[string]string{"a.xml": "<testsuites>" + c.suites + "</testsuites>"})
			r, err := Read(Options{Root: root, Globs: []string{"a.xml"}, CommandPassed: c.passed})
			if err != nil || r.Counts != c.want {
				t.Errorf("%+v, %v; want %+v", r.Counts, err, c.want)
			}
		})
	}
}

// These write one case for all attempts of a test, or the last attempt only. A row of a table that failed stays red,
// though the command hides it (jest || true).
func TestNamesakesAreRowsForProducersThatMergeAttempts(t *testing.T) {
	for name, report := range map[string]string{
		"jest-junit":      `<testsuites name="jest tests"><testsuite name="math">` + failedCase + passedCase + `</testsuite></testsuites>`,
		"mocha":           `<testsuites name="Mocha Tests"><testsuite name="math">` + failedCase + passedCase + `</testsuite></testsuites>`,
		"pytest":          `<testsuites><testsuite name="pytest">` + failedCase + passedCase + `</testsuite></testsuites>`,
		"GoogleTest":      `<testsuites name="AllTests"><testsuite name="C">` + failedCase + passedCase + `</testsuite></testsuites>`,
		"nextest":         `<testsuites name="nextest-run"><testsuite name="C">` + failedCase + passedCase + `</testsuite></testsuites>`,
		"surefire":        `<testsuite xsi:noNamespaceSchemaLocation="https://maven.apache.org/surefire/maven-surefire-plugin/xsd/surefire-test-report-3.0.xsd" name="C">` + failedCase + passedCase + `</testsuite>`,
		"vitest":          `<testsuites><testsuite name="a.test.ts"><testcase name="adds" classname="a.test.ts"><failure/></testcase><testcase name="adds" classname="a.test.ts"/></testsuite></testsuites>`,
		"playwright":      `<testsuites id="" name=""><testsuite name="a.spec.ts" hostname="chromium"><testcase name="adds" classname="a.spec.ts"><failure/></testcase><testcase name="adds" classname="a.spec.ts"/></testsuite></testsuites>`,
		"in later suites": `<testsuites name="jest tests"><testsuite name="math" timestamp="2026-01-01T00:00:01">` + failedCase + `</testsuite><testsuite name="math" timestamp="2026-01-01T00:00:02">` + passedCase + `</testsuite></testsuites>`,
	} {
		t.Run(name, func(t *testing.T) {
			root := folder(t, map[string]string{"a.xml": report})
			r, err := Read(Options{Root: root, Globs: []string{"a.xml"}, CommandPassed: true})
			if want := (Counts{Total: 2, Failed: 1}); err != nil || r.Counts != want {
				t.Errorf("%+v, %v; want %+v", r.Counts, err, want)
			}
		})
	}
}

// A failure turns green only by a pass of a case with the same suite and the same names, whatever else is in the
// report.
func TestNoFailureDisappearsWithoutAPassOfItsName(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 150 {
		var b strings.Builder
		failed, passed := map[string]bool{}, map[string]bool{}
		for range 1 + random.IntN(8) {
			name := fmt.Sprintf("t%d", random.IntN(3))
			switch random.IntN(3) {
			case 0:
				failed[name] = true
				fmt.Fprintf(&b, `<testcase name="%s"><failure/></testcase>`, name)
			case 1:
				passed[name] = true
				fmt.Fprintf(&b, `<testcase name="%s"/>`, name)
			default:
				fmt.Fprintf(&b, `<testcase name="%s"><skipped/></testcase>`, name)
			}
		}
		root := folder(t, map[string]string{"a.xml": "<testsuite>" + b.String() + "</testsuite>"})
		for _, commandPassed := range []bool{true, false} {
			r, err := Read(Options{Root: root, Globs: []string{"a.xml"}, CommandPassed: commandPassed})
			if err != nil {
				t.Fatal(err)
			}
			for name := range failed {
				if !passed[name] && !r.Red() || !commandPassed && !r.Red() {
					t.Fatalf("round %d: %s is green: %s", round, name, b.String())
				}
			}
			if r.Total < r.Failed+r.Errored+r.Skipped+r.Flaky {
				t.Fatalf("round %d: %+v of %s", round, r.Counts, b.String())
			}
		}
	}
}

// Attempts are those of one suite: that a namesake passed in a report that happens to be read earlier says nothing.
func TestANamesakeInAnotherReportIsNoAttempt(t *testing.T) {
	const head, tail = `<testsuite name="C">`, `</testsuite>`
	retried, passed := head+failedCase+passedCase+tail, head+passedCase+tail
	for _, reports := range []map[string]string{
		{"a.xml": retried, "b.xml": passed},
		{"a.xml": passed, "b.xml": retried},
	} {
		r, err := Read(Options{Root: folder(t, reports), Globs: []string{"*.xml"}, CommandPassed: true})
		if err != nil || r.Counts != (Counts{Total: 2, Flaky: 1}) {
			t.Errorf("%+v, %v", r.Counts, err)
		}
	}
}

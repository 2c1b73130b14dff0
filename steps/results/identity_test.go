package results

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// ids are the IDs of the cases of some reports, by folder.
func ids(t *testing.T, reports map[string]string) []string {
	t.Helper()
	var all []string
	if _, err := Read(
		Options{Root: folder(t, reports), Globs: []string{"**/*.xml"}, Visit: func(c Case) { all = append(all, c.ID) }},
	); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestIdentity(t *testing.T) {
	const test = `<testcase name="works" classname="a.spec.ts"/>`
	suite := func(attributes string) string {
		return `<testsuite name="a.spec.ts"` + attributes + `>` + test + `</testsuite>`
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		reports map[string]string
		same    bool
	}{
		"two runs on one machine":         {map[string]string{"1.xml": suite(` timestamp="1"`), "a.xml": ""}, true},
		"two projects of Playwright":      {map[string]string{"a.xml": "<testsuites>" + suite(` hostname="firefox"`) + suite(` hostname="chromium"`) + "</testsuites>"}, false},
		"two browsers of Karma":           {map[string]string{"a.xml": `<testsuites><testsuite name="x"><properties><property name="browser.fullName" value="Chrome 120.0"/></properties>` + test + `</testsuite><testsuite name="x"><properties><property name="browser.fullName" value="Firefox 110.0"/></properties>` + test + `</testsuite></testsuites>`}, false},
		"two packages":                    {map[string]string{"packages/a/junit.xml": suite(""), "packages/b/junit.xml": suite("")}, false},
		"two rows of a table":             {map[string]string{"a.xml": `<testsuite name="a.spec.ts">` + test + test + `</testsuite>`}, false},
		"two suites":                      {map[string]string{"a.xml": `<testsuites><testsuite name="x">` + test + `</testsuite><testsuite name="y">` + test + `</testsuite></testsuites>`}, false},
		"two runs of unittest":            {map[string]string{"1.xml": `<testsuite name="a.spec.ts-20261130113356">` + test + `</testsuite>`}, true},
		"the name of this machine is not": {map[string]string{"a.xml": "<testsuites>" + suite(` hostname="`+host+`"`) + "</testsuites>", "b.xml": ""}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if c.same {
				other := ids(t, map[string]string{"other.xml": suite("")})
				if got := ids(
					t,
					map[string]string{"a.xml": c.reports["1.xml"] + c.reports["a.xml"]},
				); len(got) != 1 ||
					got[0] != other[0] {
					t.Errorf("%v, want %v", got, other)
				}
				return
			}
			if got := ids(t, c.reports); len(got) != 2 || got[0] == got[1] {
				t.Errorf("%v", got)
			}
		})
	}
}

func TestAProjectIsTheSameAlone(t *testing.T) {
	suite := func(project string) string {
		return `<testsuite name="a.spec.ts" hostname="` + project + `"><testcase name="works" classname="a.spec.ts"/></testsuite>`
	}
	both := ids(t, map[string]string{"a.xml": "<testsuites>" + suite("firefox") + suite("chromium") + "</testsuites>"})
	alone := ids(t, map[string]string{"a.xml": suite("chromium")})
	if len(both) != 2 || len(alone) != 1 || both[1] != alone[0] || both[0] == alone[0] {
		t.Errorf("%v, alone %v", both, alone)
	}
}

func TestTheNameOfAMachineIsNotAProject(t *testing.T) {
	for _, report := range []string{
		`<testsuites name="vitest tests"><testsuite name="a.test.ts" hostname="builder"><testcase classname="a.test.ts"/></testsuite></testsuites>`,
		`<testsuite name="pytest" hostname="builder"><testcase classname="tests.test_a"/></testsuite>`,
		`<testsuites><testsuite name="a.spec.ts" hostname="3f9c2a1b4d5e"><testcase classname="a.spec.ts"/></testsuite></testsuites>`,
	} {
		if cases, err := readCases(t, report); err != nil || cases[0].Project != "" {
			t.Errorf("%+v, %v", cases, err)
		}
	}
}

func TestTheProjectOfACaseKeepsNoVersion(t *testing.T) {
	cases, err := readCases(
		t,
		`<testsuite><properties><property name="browser.fullName" value="Chrome Headless 120.0.6099.109 (Linux x86_64)"/></properties><testcase/></testsuite>`,
	)
	if err != nil || cases[0].Project != "Chrome Headless (Linux x86_64)" {
		t.Errorf("%+v, %v", cases, err)
	}
}

func TestFilesOfProducers(t *testing.T) {
	for text, want := range map[string]string{
		"src/a.test.ts":               "src/a.test.ts",
		"./test/cart.js":              "test/cart.js",
		"tests/CartTest.php::it adds": "tests/CartTest.php",
		"spec/a_spec.rb:12":           "spec/a_spec.rb",
		"src/a.ts:3:14":               "src/a.ts",
		"file:///w/a%20b.test.mjs":    "/w/a b.test.mjs",
		"":                            "",
	} {
		if got := fileOf(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestCypressNamesTheFileInASuiteBesideTheTests(t *testing.T) {
	cases, err := readCases(
		t,
		`<testsuites><testsuite name="Root Suite" tests="0" file="cypress/e2e/a.cy.js"></testsuite><testsuite name="a"><testcase name="a 1"/></testsuite>`+
			`<testsuite name="Root Suite" tests="0" file="cypress/e2e/b.cy.js"></testsuite><testsuite name="b"><testcase name="b 1"/></testsuite></testsuites>`,
	)
	if err != nil || len(cases) != 2 || cases[0].File != "cypress/e2e/a.cy.js" ||
		cases[1].File != "cypress/e2e/b.cy.js" {
		t.Errorf("%+v, %v", cases, err)
	}
}

func TestSetups(t *testing.T) {
	const failure = `<failure message="no"/>`
	for name, c := range map[string]struct {
		setup, test string // test cases, in a suite with a file
		file        string
		want        bool
	}{
		"a hook of mocha":               {`<testcase name="cart &quot;before all&quot; hook for &quot;adds&quot;" classname="x">` + failure + `</testcase>`, `<testcase name="cart adds"/>`, "test/cart.js", true},
		"a hook of mocha, another file": {`<testcase name="cart &quot;before all&quot; hook" file="other.js">` + failure + `</testcase>`, `<testcase name="cart adds"/>`, "test/cart.js", false},
		"a file of vitest":              {`<testcase name="test/cart.js" classname="test/cart.js">` + failure + `</testcase>`, `<testcase name="adds"/>`, "test/cart.js", true},
		"a class of surefire":           {`<testcase name="" classname="shop.DbTest"><error message="no database"/></testcase>`, `<testcase name="reads" classname="shop.DbTest"/>`, "", true},
		"a class of Gradle":             {`<testcase name="initializationError" classname="shop.DbTest"><error message="no database"/></testcase>`, `<testcase name="reads" classname="shop.DbTest"/>`, "", true},
		"another class":                 {`<testcase name="" classname="shop.DbTest"><error message="no database"/></testcase>`, `<testcase name="reads" classname="shop.CartTest"/>`, "", false},
		"a module of pytest":            {`<testcase name="tests.test_a" classname=""><error message="collection failure">x</error></testcase>`, `<testcase name="test_x" classname="tests.test_a.TestIt"/>`, "", true},
		"a class of unittest":           {`<testcase name="setUpClass (test_a.LedgerTest)" classname="">` + failure + `</testcase>`, `<testcase name="test_x" classname="test_a.LedgerTest"/>`, "", true},
		"another class of unittest":     {`<testcase name="setUpClass (test_a.LedgerTest)" classname="">` + failure + `</testcase>`, `<testcase name="test_x" classname="test_a.Other"/>`, "", false},
		"a module of unittest":          {`<testcase name="setUpModule (test_a)" classname="">` + failure + `</testcase>`, `<testcase name="test_x" classname="test_a.Other"/>`, "", true},
		"an ordinary test":              {`<testcase name="adds" classname="adds">` + failure + `</testcase>`, `<testcase name="other" classname="adds"/>`, "test/cart.js", false},
	} {
		t.Run(name, func(t *testing.T) {
			cases, err := readCases(t, `<testsuite name="s" file="`+c.file+`">`+c.setup+c.test+`</testsuite>`)
			if err != nil || len(cases) != 2 || cases[0].IsSetupOf(cases[1]) != c.want {
				t.Errorf("%+v, %v; want %v", cases, err, c.want)
			}
		})
	}
}

func TestASetupWithoutANameHasThatOfItsClass(t *testing.T) {
	cases, err := readCases(
		t,
		`<testsuite><testcase name="" classname="shop.DbTest"><error message="no database"/></testcase></testsuite>`,
	)
	if err != nil || cases[0].Name != "shop.DbTest" {
		t.Errorf("%+v, %v", cases, err)
	}
}

// vitest writes a suite whose hook failed as a case, after the tests of the file.
func TestASuiteOfVitestIsASetup(t *testing.T) {
	const head, tail = `<testsuites><testsuite name="a.test.js">`, `</testsuite></testsuites>`
	test := func(name, content string) string {
		return `<testcase classname="a.test.js" name="` + name + `">` + content + `</testcase>`
	}
	const failure, skip = `<failure message="no database"/>`, `<skipped/>`
	for name, c := range map[string]struct {
		cases string
		want  bool
	}{
		"beforeAll":                         {test("db &gt; reads", skip) + test("db", failure), true},
		"afterAll of a suite in another":    {test("db &gt; sql &gt; reads", "") + test("db &gt; sql", failure), true},
		"a test beside a suite of its name": {test("db", failure) + test("db &gt; reads", ""), false},
		"a test":                            {test("db &gt; reads", failure) + test("dbs", failure), false},
	} {
		r := read(t, folder(t, map[string]string{"a.xml": head + c.cases + tail}), "a.xml")
		if got := r.Failures[len(r.Failures)-1].Setup; got != c.want {
			t.Errorf("%s: %+v", name, r.Failures)
		}
	}
}

func TestNamesakesAreCounted(t *testing.T) {
	const rows = `<testsuite name="s"><testcase name="adds" classname="c"><failure/></testcase><testcase name="adds" classname="c"/></testsuite>`
	r := read(t, folder(t, map[string]string{"a.xml": rows, "b.xml": rows, "p/c.xml": rows}), "**/*.xml")
	var all []string
	for _, c := range r.Failures {
		all = append(all, fmt.Sprint(c.Namesakes, c.Family() == r.Failures[0].Family(), c.ID == r.Failures[0].ID))
	}
	if got := strings.Join(all, ", "); got != "4 true true, 4 true false, 2 false false" {
		t.Error(got)
	}
}

package verdict

import (
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps/results"
)

// modelTest is a test of a model: it has namesakes in other projects, packages and files, and among the rows of a table.
type modelTest struct {
	folder, project, file, name string
	row                         int
}

// outcomes of a test of the model
const (
	green = iota
	redOutcome
	skip
	absent
)

// writeModel writes a report for each folder and project, as Playwright does. Messages name the test of the model.
func writeModel(t *testing.T, dir string, outcomes map[modelTest]int) {
	t.Helper()
	tests := slices.SortedFunc(maps.Keys(outcomes), func(a, b modelTest) int {
		return strings.Compare(fmt.Sprintf("%+v", a), fmt.Sprintf("%+v", b))
	})
	reports := map[string]string{}
	for _, test := range tests {
		content := ""
		switch outcomes[test] {
		case absent:
			continue
		case redOutcome:
			content = fmt.Sprintf(`<failure message="%+v">no</failure>`, test)
		case skip:
			content = "<skipped/>"
		}
		name := filepath.Join(test.folder, "junit.xml")
		reports[name] += fmt.Sprintf(`<testsuite name="%[1]s" hostname="%[2]s"><testcase name="%[3]s" classname="%[1]s">%[4]s</testcase></testsuite>`,
			test.file, test.project, test.name, content)
	}
	for name, suites := range reports {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte("<testsuites>"+suites+"</testsuites>"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// randomRuns are the outcomes of a run of all tests and of a rerun, which is of some files, projects and packages and
// may lack rows of a table.
func randomRuns(random *rand.Rand) (first, second map[modelTest]int) {
	first, second = map[modelTest]int{}, map[modelTest]int{}
	for _, folder := range []string{".", "packages/a"} {
		for _, project := range []string{"firefox", "chromium"} {
			for _, file := range []string{"a.spec.ts", "b.spec.ts"} {
				rerun := random.IntN(3) > 0
				for _, name := range []string{"adds", "rounds"} {
					for row := range 1 + random.IntN(2) {
						test := modelTest{folder, project, file, name, row}
						first[test] = random.IntN(3)
						second[test] = random.IntN(3)
						if !rerun || random.IntN(10) == 0 {
							second[test] = absent
						}
					}
				}
			}
		}
	}
	return first, second
}

// wholeTable reports whether a rerun has all rows of a test.
func wholeTable(test modelTest, first, second map[modelTest]int) bool {
	for other := range first {
		row := other
		row.row = test.row
		if row == test && second[other] == absent {
			return false
		}
	}
	return true
}

// A rerun never turns a failure green without a pass of the same test, whatever passes beside it; and it does with one.
func TestOnlyAPassOfTheSameTestTurnsAFailureGreen(t *testing.T) {
	turned, stood := 0, 0
	for seed := range uint64(150) {
		random := rand.New(rand.NewPCG(seed, 11))
		first, second := randomRuns(random)
		dir, again := t.TempDir(), t.TempDir()
		writeModel(t, dir, first)
		writeModel(t, again, second)
		globs := []string{"**/junit.xml"}
		read, err := results.Read(results.Options{Root: dir, Globs: globs})
		if err != nil {
			t.Fatal(err)
		}
		v := &Verdict{session: &session.Session{Log: slog.New(slog.DiscardHandler)}, Tests: &read}
		failing := map[string]bool{}
		for _, c := range read.Failures {
			failing[c.Identity()] = true
		}
		seen := newTally(read.Failures)
		rerun, err := results.Read(results.Options{Root: again, Globs: globs, Visit: seen.add})
		if err != nil {
			t.Fatal(err)
		}
		v.compare(1, failing, rerun, seen)

		flaky := map[string]bool{}
		for _, c := range v.Tests.FlakyCases {
			flaky[c.Message] = true
		}
		for test, outcome := range first {
			if outcome != redOutcome {
				continue
			}
			switch passes, isFlaky := second[test] == green, flaky[fmt.Sprintf("%+v", test)]; {
			case isFlaky && !passes:
				t.Fatalf("seed %d: %+v is green, and its rerun has the outcome %d", seed, test, second[test])
			case !isFlaky && passes && wholeTable(test, first, second):
				t.Fatalf("seed %d: %+v is red, though it passed in the rerun", seed, test)
			case isFlaky:
				turned++
			default:
				stood++
			}
		}
		if c := v.Tests.Counts; c.Failed != len(v.Tests.Failures) || c.Total < c.Failed+c.Errored+c.Skipped+c.Flaky {
			t.Fatalf("seed %d: %+v with %d failures", seed, c, len(v.Tests.Failures))
		}
	}
	if turned < 100 || stood < 100 {
		t.Errorf("%d failures turned green, and %d stood: the model is too narrow", turned, stood)
	}
}

// Tests of one name in one suite are told apart by the suites around it, its package, its host, and properties of cases,
// in whatever order the rerun has them.
func TestNamesakesAreToldApartByWhatIsAroundThem(t *testing.T) {
	const test, skipped = `<testcase name="t" classname="c">`, "<skipped/>"
	nested := func(around, ends string) string {
		return `<testsuite name="` + around + `"><testsuite name="s">` + test + ends + `</testcase></testsuite></testsuite>`
	}
	attribute := func(name string) func(string, string) string {
		return func(around, ends string) string {
			return `<testsuite name="s" ` + name + `="` + around + `">` + test + ends + `</testcase></testsuite>`
		}
	}
	property := func(around, ends string) string {
		return `<testsuite name="s">` + test + `<properties><property name="project" value="` + around + `"/></properties>` + ends +
			`</testcase></testsuite>`
	}
	for place, write := range map[string]func(around, ends string) string{
		"suites": nested, "package": attribute("package"), "host": attribute("hostname"), "property": property,
	} {
		first := write("a 1", "<failure>no</failure>") + write("b 2", "")
		for name, c := range map[string]struct {
			rerun string
			flaky int
		}{
			"both pass":                          {write("a 1", "") + write("b 2", ""), 1},
			"both pass, in the other order":      {write("b 2", "") + write("a 1", ""), 1},
			"only the failed one is run":         {write("a 1", ""), 1},
			"the other one passes before a skip": {write("b 2", "") + write("a 1", skipped), 0},
			"the other one passes twice":         {write("b 2", "") + write("b 2", ""), 0},
			"only the other one is run":          {write("b 2", ""), 0},
		} {
			t.Run(place+", "+name, func(t *testing.T) {
				read := readSuites(t, first, nil)
				v := &Verdict{session: &session.Session{Log: slog.New(slog.DiscardHandler)}, Tests: &read}
				seen := newTally(read.Failures)
				v.compare(1, map[string]bool{read.Failures[0].Identity(): true}, readSuites(t, c.rerun, seen.add), seen)
				if v.Tests.Flaky != c.flaky || v.Tests.Failed != 1-c.flaky {
					t.Errorf("%+v", v.Tests.Counts)
				}
			})
		}
	}
}

func readSuites(t *testing.T, suites string, visit func(results.Case)) results.Results {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "j.xml"), []byte("<testsuites>"+suites+"</testsuites>"), 0o644); err != nil {
		t.Fatal(err)
	}
	read, err := results.Read(results.Options{Root: dir, Globs: []string{"j.xml"}, Visit: visit})
	if err != nil {
		t.Fatal(err)
	}
	return read
}

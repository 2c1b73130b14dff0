package verdict

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/coverage"
	"github.com/carlin-cicd/runner/steps/results"
)

// reruns is a Runner whose reruns write a report.
type reruns struct {
	report string // its path
	text   string
	tests  []int // of each rerun
}

func (r *reruns) Rerun(n, tests int, c steps.Command) (process.Result, error) {
	r.tests = append(r.tests, tests)
	return process.Result{Started: time.Now().Add(-time.Minute)}, os.WriteFile(r.report, []byte(r.text), 0o644)
}

func (r *reruns) StoreReports(string, results.Results) error { return nil }

// judged returns the verdict on a step whose command exited with 1 and left a report of three tests, of which two
// failed.
func judged(t *testing.T, step steps.Step, rerun string) (*Verdict, *reruns, error) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"a.sh", "b.sh"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	report := filepath.Join(dir, "junit.xml")
	if err := os.WriteFile(report, []byte(suite(`<testcase name="one" file="a.sh"><failure>no</failure></testcase>
		<testcase name="two" file="b.sh"><failure>no</failure></testcase><testcase name="three" file="a.sh"/>`)), 0o644); err != nil {
		t.Fatal(err)
	}
	s := session.New(t.Context(), nil, config.Config{Workspace: dir})
	s.Deadline, s.Log = time.Now().Add(time.Minute), slog.New(slog.DiscardHandler)
	step.Directory, step.Reports = ".", []string{"junit.xml"}
	r := &reruns{report: report, text: suite(rerun)}
	v := New(s, step, r)
	err := v.ReadReports(time.Now().Add(-time.Hour), 1, &process.ExitError{Code: 1})
	return v, r, err
}

func suite(cases string) string {
	failures := strings.Count(cases, "<failure>")
	return fmt.Sprintf(
		`<testsuite name="s" tests="%d" failures="%d">%s</testsuite>`,
		strings.Count(cases, "<testcase"),
		failures,
		cases,
	)
}

const (
	bothPass = `<testcase name="one" file="a.sh"/><testcase name="two" file="b.sh"/>`
	onePass  = `<testcase name="one" file="a.sh"/><testcase name="two" file="b.sh"><failure>no</failure></testcase>`
)

func TestWhenFailedTestsAreRerun(t *testing.T) {
	rerun := func(atMost, attempts int) steps.Step {
		return steps.Step{
			Rerun: steps.Rerun{Command: steps.Command{Line: "sh {files}"}, AtMost: atMost, Attempts: attempts},
		}
	}
	for name, c := range map[string]struct {
		step   steps.Step
		report string
		reruns int
		green  bool
		skip   string
	}{
		"both pass in the rerun":                 {rerun(2, 1), bothPass, 1, true, ""},
		"one of them still fails":                {rerun(2, 2), onePass, 2, false, ""},
		"one of them is not in the rerun":        {rerun(2, 1), `<testcase name="one" file="a.sh"/>`, 1, false, ""},
		"one of them is skipped in the rerun":    {rerun(2, 1), `<testcase name="one" file="a.sh"/><testcase name="two" file="b.sh"><skipped/></testcase>`, 1, false, ""},
		"more failed than at_most":               {rerun(1, 1), bothPass, 0, false, "more than 1 test failed"},
		"no rerun is configured":                 {steps.Step{}, bothPass, 0, false, ""},
		"both are quarantined, without a rerun":  {steps.Step{Quarantine: quarantines("one", "two")}, bothPass, 0, true, ""},
		"one is quarantined, the other one pass": {steps.Step{Rerun: rerun(1, 1).Rerun, Quarantine: quarantines("one")}, bothPass, 1, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			v, r, err := judged(t, c.step, c.report)
			green, err := v.RerunFailed(err)
			if len(r.tests) != c.reruns || green != c.green || (err == nil) != c.green {
				t.Errorf("%d reruns, green %v, %v; %+v", len(r.tests), green, err, v.Tests.Counts)
			}
			if v.SkipReason != c.skip {
				t.Errorf("skipped for %q, want %q", v.SkipReason, c.skip)
			}
		})
	}
}

func quarantines(names ...string) (list []steps.Quarantine) {
	for _, name := range names {
		list = append(list, steps.Quarantine{Test: name, Until: time.Now().Add(24 * time.Hour)})
	}
	return list
}

func TestARedReportTurnsAPassedCommandRedAndNeverAFailedOneGreen(t *testing.T) {
	v, _, _ := judged(t, steps.Step{}, "")
	var red *outcome.ResultsError
	if err := v.ReadReports(time.Now().Add(-time.Hour), 0, nil); !errors.As(err, &red) {
		t.Errorf("a passed command with a red report: %v", err)
	}
	if err := os.WriteFile(filepath.Join(v.directory(), "junit.xml"), []byte(suite(bothPass)), 0o644); err != nil {
		t.Fatal(err)
	}
	var exit *process.ExitError
	if err := v.ReadReports(time.Now().Add(-time.Hour), 1, &process.ExitError{Code: 1}); !errors.As(err, &exit) {
		t.Errorf("a failed command with a green report: %v", err)
	}
}

func TestTheCoverageFloor(t *testing.T) {
	for name, c := range map[string]struct {
		floor coverage.Floor
		red   bool
	}{
		"none":            {coverage.Floor{}, false},
		"under the lines": {coverage.Floor{Minimum: 40}, false},
		"over the lines":  {coverage.Floor{Minimum: 60}, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "coverage"), 0o755); err != nil {
				t.Fatal(err)
			}
			const lcov = "SF:a.js\nDA:1,1\nDA:2,0\nLF:2\nLH:1\nend_of_record\n"
			if err := os.WriteFile(filepath.Join(dir, "coverage/lcov.info"), []byte(lcov), 0o644); err != nil {
				t.Fatal(err)
			}
			s := session.New(t.Context(), nil, config.Config{Workspace: dir, Artifacts: "file://" + t.TempDir()})
			s.Redactor = redact.New()
			s.Ref.Branch, s.Ref.SHA = "main", strings.Repeat("ab", 20)
			if err := s.OpenStore(t.Context(), s.LockOwner("test"), nil); err != nil {
				t.Fatal(err)
			}
			v := New(
				s,
				steps.Step{Name: "test", Directory: ".", Coverage: steps.Coverage{Path: "coverage", Floor: c.floor}},
				nil,
			)
			var red *outcome.ResultsError
			err := v.CheckCoverage(v.ReadCoverage(time.Now().Add(-time.Hour)), nil)
			if errors.As(err, &red) != c.red {
				t.Errorf("%v", err)
			}
			if v.Coverage == nil {
				t.Error("no coverage was read")
			}
		})
	}
}

// Where || or a pipe decides how a command ends, its success says nothing of a failed case.
func TestAHiddenExitCodeMakesNoAttemptOfAFailedCase(t *testing.T) {
	for line, want := range map[string]int{"gradle test": 0, "gradle test || true": 1, "gradle test | tee log": 1} {
		dir := t.TempDir()
		report := suite(`<testcase name="a" classname="C"><failure/></testcase><testcase name="a" classname="C"/>`)
		if err := os.WriteFile(filepath.Join(dir, "junit.xml"), []byte(report), 0o644); err != nil {
			t.Fatal(err)
		}
		s := session.New(t.Context(), nil, config.Config{Workspace: dir})
		s.Log = slog.New(slog.DiscardHandler)
		step := steps.Step{Command: steps.Command{Line: line}, Directory: ".", Reports: []string{"junit.xml"}}
		v := New(s, step, nil)
		if err := v.ReadReports(time.Now().Add(-time.Hour), 0, nil); (err != nil) != (want > 0) || v.Tests.Failed != want {
			t.Errorf("%q: %+v, %v", line, v.Tests.Counts, err)
		}
	}
}

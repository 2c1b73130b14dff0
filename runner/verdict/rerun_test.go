package verdict

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/session"

	"github.com/carlin-cicd/runner/steps/results"
)

func failed(name, file string) results.Case {
	return results.Case{Name: name, File: file, Status: results.Failed, Message: name + " the first time"}
}

// setup is a failed hook or file.
func setup(name, file string) results.Case {
	c := failed(name, file)
	c.Setup = true
	return c
}

func passed(name, file string) results.Case {
	return results.Case{Name: name, File: file, Status: results.Passed}
}

func TestWhatARerunSaysOfATest(t *testing.T) {
	hook := "basket Test execution failure: could be caused by test hooks like 'afterAll'."
	for name, c := range map[string]struct {
		first, second []results.Case
		flaky, red    string // the names that are expected, separated by commas
	}{
		"it passes": {[]results.Case{failed("a", "f")}, []results.Case{passed("a", "f")}, "a", ""},
		"it fails":  {[]results.Case{failed("a", "f")}, []results.Case{failed("a", "f")}, "", "a"},
		"it passes and fails, as it is there twice":           {[]results.Case{failed("a", "f")}, []results.Case{passed("a", "f"), failed("a", "f")}, "", "a"},
		"two of one name, and only one is run":                {[]results.Case{failed("a", "f"), failed("a", "f")}, []results.Case{passed("a", "f")}, "", "a,a"},
		"two of one name, and both pass":                      {[]results.Case{failed("a", "f"), failed("a", "f")}, []results.Case{passed("a", "f"), passed("a", "f")}, "a,a", ""},
		"it is one of three of its name, and only one is run": {[]results.Case{{Name: "a", File: "f", Status: results.Failed, Namesakes: 3, Message: "the first time"}}, []results.Case{passed("a", "f")}, "", "a"},
		"it is not there":                                     {[]results.Case{failed("a", "f")}, []results.Case{passed("b", "f")}, "", "a"},
		"one of that name in another file passes":             {[]results.Case{failed("a", "f")}, []results.Case{passed("a", "g")}, "", "a"},
		"it is skipped":                                       {[]results.Case{failed("a", "f")}, []results.Case{{Name: "a", File: "f", Status: results.Skipped}}, "", "a"},
		"another one fails that had passed":                   {[]results.Case{failed("a", "f")}, []results.Case{passed("a", "f"), failed("b", "f")}, "a", "b"},
		"a file that could not be loaded has tests now":       {[]results.Case{setup("f.ts", "f.ts")}, []results.Case{passed("a", "f.ts")}, "f.ts", ""},
		"a suite that is skipped now, though its tests pass":  {[]results.Case{setup("f", "f.ts")}, []results.Case{passed("f > a", "f.ts"), {Name: "f", File: "f.ts", Status: results.Skipped}}, "", "f"},
		"a file that could not be loaded has none":            {[]results.Case{setup("f.ts", "f.ts")}, []results.Case{passed("a", "g.ts")}, "", "f.ts"},
		"a file that could not be loaded has a red one":       {[]results.Case{setup("f.ts", "f.ts")}, []results.Case{passed("a", "f.ts"), failed("b", "f.ts")}, "", "f.ts,b"},
		"a hook of jest that failed is not heard of now":      {[]results.Case{setup(hook, "f.ts")}, []results.Case{passed("a", "f.ts")}, hook, ""},
	} {
		t.Run(name, func(t *testing.T) {
			v := &Verdict{session: &session.Session{Log: slog.New(slog.DiscardHandler)}, Tests: &results.Results{}}
			failing := map[string]bool{}
			for _, f := range c.first {
				v.Tests.Failures = append(v.Tests.Failures, f)
				v.Tests.Failed++
				failing[f.Identity()] = true
			}
			seen := newTally(c.first)
			var read results.Results
			for _, s := range c.second {
				seen.add(s)
				if s.Status == results.Failed {
					read.Failures = append(read.Failures, s)
				}
			}
			v.compare(1, failing, read, seen)
			if got := names(v.Tests.FlakyCases); got != c.flaky {
				t.Errorf("flaky are %q, want %q", got, c.flaky)
			}
			if got := names(v.Tests.Failures); got != c.red {
				t.Errorf("red are %q, want %q", got, c.red)
			}
			if v.Tests.Failed != len(v.Tests.Failures) || v.Tests.Flaky != len(v.Tests.FlakyCases) {
				t.Errorf("the counts are %+v", v.Tests.Counts)
			}
			for _, f := range v.Tests.FlakyCases {
				if !strings.HasSuffix(f.Message, "the first time") {
					t.Errorf("it lost its first failure: %+v", f)
				}
			}
		})
	}
}

func names(list []results.Case) string {
	var all []string
	for _, c := range list {
		all = append(all, c.Name)
	}
	return strings.Join(all, ",")
}

func TestATestThatIsRedAfterAllIsNotFlaky(t *testing.T) {
	v := &Verdict{
		session: &session.Session{Log: slog.New(slog.DiscardHandler)},
		Tests:   &results.Results{Failures: []results.Case{failed("a", "f"), failed("b", "f")}},
	}
	v.Tests.Failed = 2
	failing := map[string]bool{failed("a", "f").Identity(): true, failed("b", "f").Identity(): true}
	v.compare(
		1,
		failing,
		results.Results{Failures: []results.Case{failed("b", "f")}},
		&tally{passed: map[string]int{failed("a", "f").Identity(): 1}},
	)
	v.compare(
		2,
		failing,
		results.Results{Failures: []results.Case{failed("a", "f")}},
		&tally{passed: map[string]int{failed("b", "f").Identity(): 1}},
	)
	if v.Tests.Failed != 1 || v.Tests.Flaky != 1 || names(v.Tests.Failures) != "a" || names(v.Tests.FlakyCases) != "b" {
		t.Errorf("red are %s, flaky are %s, by %+v", names(v.Tests.Failures), names(v.Tests.FlakyCases), v.Tests.Counts)
	}
}

func TestWhatIsMoreThanFailedTests(t *testing.T) {
	sound := results.Results{
		Counts:   results.Counts{Total: 3, Failed: 1},
		Failures: []results.Case{failed("a", "f")},
		Reports:  []results.Report{{}},
	}
	changed := func(change func(*results.Results)) results.Results {
		r := sound
		r.Failures = append([]results.Case(nil), sound.Failures...)
		change(&r)
		return r
	}
	for name, c := range map[string]struct {
		read results.Results
		code int
		want string
	}{
		"nothing":                     {sound, 1, ""},
		"as many failed as the code":  {sound, 2, ""},
		"a broken report":             {changed(func(r *results.Results) { r.Problems = []results.Problem{{Report: "x"}} }), 1, "cannot be read whole"},
		"no report":                   {changed(func(r *results.Results) { r.Reports = nil }), 1, "no fresh report"},
		"failures that are not known": {changed(func(r *results.Results) { r.Failed = 300 }), 1, "too many"},
		"a panic beside the tests":    {changed(func(r *results.Results) { r.CutShort = "a test panicked" }), 1, "panicked"},
		"a shell's code":              {sound, 127, "127"},
		"a signal's code":             {sound, 139, "139"},
		"pytest could not collect": {changed(func(r *results.Results) {
			r.Counts, r.Failures[0].Setup = results.Counts{Total: 1, Errored: 1}, true
		}), 2, "only errors"},
		"PHPUnit's code for errors":   {changed(func(r *results.Results) { r.Counts = results.Counts{Total: 1, Errored: 1} }), 2, ""},
		"playwright has errors only":  {changed(func(r *results.Results) { r.Counts = results.Counts{Total: 1, Errored: 1} }), 1, ""},
		"a panic of Go":               {changed(func(r *results.Results) { r.Failures[0].Details = "--- FAIL\npanic: x\n\ngoroutine 7 [running]:" }), 1, "panicked"},
		"a message that says panic":   {changed(func(r *results.Results) { r.Failures[0].Details = "panic: on the streets" }), 1, ""},
		"a test of Go without an end": {changed(func(r *results.Results) { r.Failures[0].Details = "=== RUN   TestA" }), 1, "no end"},
		"one that says too much":      {changed(func(r *results.Results) { r.Failures[0].Details = "=== RUN   TestA\n--- FAIL: x\n…\nmore" }), 1, "not known"},
		"one that says much": {changed(func(r *results.Results) {
			r.Failures[0].Details = "=== RUN   TestA\n…\nmore\n    --- FAIL: TestA (0.00s)"
		}), 1, ""},
		"a test of Go with one": {changed(func(r *results.Results) { r.Failures[0].Details = "=== RUN   TestA\n--- FAIL: TestA (0.00s)" }), 1, ""},
	} {
		if got := unexplained(c.read, c.code); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: says %q, want %q", name, got, c.want)
		}
	}
}

func TestWhatTheFirstRunLeftIsPutBackAsItWas(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		at := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(text), 0o640)); err != nil {
			t.Fatal(err)
		}
	}
	write("out/a", "first")
	write("out/deep/junit.xml", "first report")
	write("out/bin/tool", "#!/bin/sh")
	write("junit.xml", "first report, too")
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := errors.Join(os.Chtimes(filepath.Join(dir, "out/a"), old, old), os.Chmod(filepath.Join(dir, "out/bin/tool"), 0o755), os.Symlink("a", filepath.Join(dir, "out/link"))); err != nil {
		t.Fatal(err)
	}
	kept, err := moveAside(
		dir,
		"x",
		[]string{"junit.xml", "out/deep/junit.xml", "gone.xml"},
		[]string{"out/bin", "out", ".", "nowhere"},
	)
	if err != nil {
		t.Fatal(err)
	}

	// The rerun sees a copy that does not look new, without the reports.
	info, err := os.Stat(filepath.Join(dir, "out/a"))
	if err != nil || !info.ModTime().Equal(old) || info.Mode().Perm() != 0o640 {
		t.Errorf("the copy is %v (%v)", info, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "out/bin/tool")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the tool is %v (%v)", info, err)
	}
	if to, err := os.Readlink(filepath.Join(dir, "out/link")); to != "a" {
		t.Errorf("the link is to %q (%v)", to, err)
	}
	for _, report := range []string{"junit.xml", "out/deep/junit.xml"} {
		if _, err := os.Stat(filepath.Join(dir, report)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", report, err)
		}
	}
	write("out/a", "second")
	write("out/new", "second")
	write("junit.xml", "second report")
	if err := os.RemoveAll(filepath.Join(dir, "out/deep")); err != nil {
		t.Fatal(err)
	}

	if err := kept.restore(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"out/a": "first", "out/deep/junit.xml": "first report", "junit.xml": "first report, too", "out/link": "first"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); string(text) != want {
			t.Errorf("%s is %q (%v), want %q", name, text, err, want)
		}
	}
	for _, name := range []string{"out/new", ".runner"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
}

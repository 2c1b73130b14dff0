package steps

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/steps/results"
)

// workspace makes empty files below a new folder.
func workspace(t testing.TB, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		at := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTheFileOfATestIsFoundByWhatItsReportSays(t *testing.T) {
	dir := workspace(
		t,
		"src/a.test.ts",
		"src/[id].test.ts",
		"e2e/specs/deep/one.spec.js",
		"tests/test_bill.py",
		"-x.js",
		"a b's.test.js",
		"one/same.js",
		"two/same.js",
		"node_modules/m/x.spec.js", "user-api/2nd/test_cart.py", "my tests/2nd run/test_sum.py", "packages/a/src/x.test.js", "src/x.test.js",
	)
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "out.js")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		test    results.Case
		pattern string
		want    string // "" for none
	}{
		"the file as it is":                   {results.Case{File: "src/a.test.ts"}, "", "src/a.test.ts"},
		"an absolute file in the folder":      {results.Case{File: filepath.Join(dir, "src/a.test.ts")}, "", "src/a.test.ts"},
		"brackets":                            {results.Case{File: "src/[id].test.ts"}, "", "src/[id].test.ts"},
		"spaces and quotes":                   {results.Case{File: "a b's.test.js"}, "", "a b's.test.js"},
		"what looks like an option":           {results.Case{File: "-x.js"}, "", "./-x.js"},
		"a class that is a file":              {results.Case{Class: "a b's.test.js", Name: "x"}, "", "a b's.test.js"},
		"relative to a folder of the tool":    {results.Case{File: "deep/one.spec.js"}, "", "e2e/specs/deep/one.spec.js"},
		"several of the name":                 {results.Case{File: "same.js"}, "", "one/same.js two/same.js"},
		"a module of Python":                  {results.Case{Class: "tests.test_bill", Name: "x"}, "", "tests/test_bill.py"},
		"a class in a module of Python":       {results.Case{Class: "tests.test_bill.TestTax.TestMore", Name: "x"}, "", "tests/test_bill.py"},
		"folders with dashes and digits":      {results.Case{Class: "user-api.2nd.test_cart.TestCart", Name: "x"}, "", "user-api/2nd/test_cart.py"},
		"folders with spaces":                 {results.Case{Class: "my tests.2nd run.test_sum", Name: "x"}, "", "my tests/2nd run/test_sum.py"},
		"a module that cannot be collected":   {results.Case{Name: "tests.test_bill", Setup: true}, "", "tests/test_bill.py"},
		"relative to the report's folder":     {results.Case{File: "src/x.test.js", Report: "packages/a/reports/junit.xml"}, "", "packages/a/src/x.test.js"},
		"relative to the root":                {results.Case{File: "src/x.test.js", Report: "reports/junit.xml"}, "", "src/x.test.js"},
		"a pattern in the class":              {results.Case{Class: "suite at src/a.test.ts:5", Name: "x"}, `at (\S+):\d+`, "src/a.test.ts"},
		"a pattern in the name":               {results.Case{Class: "c", Name: "[src/a.test.ts] x"}, `^\[(.+?)\]`, "src/a.test.ts"},
		"a pattern in vain, though file says": {results.Case{File: "src/a.test.ts"}, `at (\S+)`, ""},
		"nothing":                             {results.Case{Class: "basket", Name: "x"}, "", ""},
		"a file that is not there":            {results.Case{File: "src/b.test.ts"}, "", ""},
		"a folder":                            {results.Case{File: "src"}, "", ""},
		"out of the folder":                   {results.Case{File: "../" + filepath.Base(dir) + "/src/a.test.ts"}, "", ""},
		"an absolute file elsewhere":          {results.Case{File: "/etc/passwd"}, "", ""},
		"a link that leads out":               {results.Case{File: "out.js"}, "", ""},
		"a line break":                        {results.Case{File: "src/a.test.ts\n--config=x"}, "", ""},
		"a NUL":                               {results.Case{File: "src/a.test.ts\x00"}, "", ""},
		"what a package brought":              {results.Case{File: "m/x.spec.js"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := Rerun{Command: Command{Args: []string{"run", "{files}"}}, Attempts: 1}
			if c.pattern != "" {
				r.Pattern = regexp.MustCompile(c.pattern)
			}
			got, err := r.Select(dir, []results.Case{c.test})
			var refused *SelectError
			if c.want == "" {
				if !errors.As(err, &refused) {
					t.Errorf("is %q (%v), want none", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if files := got.Args[1:]; !slices.Equal(files, strings.Split(c.want, " ")) &&
				strings.Join(files, "") != c.want {
				t.Errorf("is %q, want %q", files, c.want)
			}
		})
	}
}

func TestTestsOfPackagesRunInTheirFolders(t *testing.T) {
	dir := workspace(
		t,
		"package.json",
		"packages/a b/package.json",
		"packages/a b/src/x.test.js",
		"packages/c/package.json",
		"packages/c/y.test.js",
	)
	failed := []results.Case{
		{File: "y.test.js", Report: "packages/c/junit.xml"},
		{File: "src/x.test.js", Report: "packages/a b/reports/junit.xml"},
	}
	for name, c := range map[string]struct {
		command Command
		want    string
		code    int
	}{
		"a line":                         {Command{Line: "pwd -P; echo {files}"}, "DIR/packages/a b\nsrc/x.test.js\nDIR/packages/c\ny.test.js\n", 0},
		"a list":                         {Command{Args: []string{"printf", "%s\n", "{files}"}}, "src/x.test.js\ny.test.js\n", 0},
		"one fails, the other runs":      {Command{Line: "test {files} = y.test.js\necho {files}"}, "y.test.js\n", 1},
		"a recursive command":            {Command{Line: "echo pnpm -r test {files}"}, "pnpm -r test packages/a b/src/x.test.js packages/c/y.test.js\n", 0},
		"a program of the workspace":     {Command{Args: []string{"./run", "{files}"}}, "", 127},
		"another shell runs at the root": {Command{Line: "echo {files}", Shell: []string{"sh", "-c"}}, "src/x.test.js\ny.test.js\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			command, err := Rerun{Command: c.command, Attempts: 1}.Select(dir, failed)
			if err != nil {
				t.Fatal(err)
			}
			argv := command.Argv()
			run := exec.Command(argv[0], argv[1:]...)
			run.Dir = dir
			out, err := run.Output()
			real, _ := filepath.EvalSymlinks(dir)
			if got := strings.ReplaceAll(string(out), real, "DIR"); got != c.want {
				t.Errorf("%q, want %q (%v)", got, c.want, err)
			}
			if code := run.ProcessState.ExitCode(); code != c.code && c.code != 127 {
				t.Errorf("exit %d, want %d", code, c.code)
			}
		})
	}
}

func TestGoTestsAreRunByPackageAndName(t *testing.T) {
	r := Rerun{Command: Command{Line: "go test -run {tests} {packages}"}, Attempts: 1}
	got, err := r.Select(t.TempDir(), []results.Case{
		{
			Class: "example.com/a/v2",
			Name:  "TestB/with_$(x)",
		},
		{Class: "example.com/a/v2", Name: "TestA"},
		{Class: "example.com/c", Name: "TestB"},
	})
	if want := `go test -run '^(TestA|TestB)$' example.com/a/v2 example.com/c`; err != nil || got.Line != want {
		t.Errorf("is %q (%v), want %q", got.Line, err, want)
	}
	for _, class := range []string{"", "-exec=rm", "a b", "a;b"} {
		if got, err := r.Select(t.TempDir(), []results.Case{{Class: class, Name: "TestA"}}); err == nil {
			t.Errorf("the package %q becomes %q", class, got)
		}
	}
}

func TestAPlaceholderThatQuotesWouldUndoIsRefused(t *testing.T) {
	for line, want := range map[string]bool{
		`jest {files}`:                      true,
		`jest 'a b' {files} "c"`:            true,
		`jest "it's" {files}`:               true,
		`jest it\'s {files}`:                true,
		`echo "a # b" {files} # that's all`: true,
		`f() { jest "$@"; }; f {files}`:     true,
		`echo ${x#y} {files}`:               true,
		`jest "{files}"`:                    false,
		`jest '{files}'`:                    false,
		"echo `cat {files}`":                false,
		`jest "$(cat {files})"`:             false,
		`true # {files}`:                    false,
		"cat <<END\n{files}\nEND":           false,
		`echo \{files}`:                     false,
		`jest {files} '{tests}'`:            false,
	} {
		if got := unquoted(line, placeholder) == ""; got != want {
			t.Errorf("%s is taken: %v", line, got)
		}
	}
}

// FuzzShellQuote: whatever a file is called, the shell hands it over as it is.
func FuzzShellQuote(f *testing.F) {
	for _, name := range []string{"a.js", "a b", "it's", "$(touch x)", "`x`", "{a,b}", "*", "~", "-x", "a\\", "!x", "#", "é", ""} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if !printable(name) {
			t.Skip()
		}
		line := Command{Line: "printf %s {files}"}.fill(map[string][]string{"{files}": {name}}).Line
		out, err := exec.Command("sh", "-c", line).Output()
		if err != nil || string(out) != name {
			t.Errorf("%q becomes %q by %s (%v)", name, out, line, err)
		}
	})
}

func TestQuarantineIsByNameOrGlobAndEndsAfterItsDay(t *testing.T) {
	c := results.Case{Name: "adds [1/2] *up*", Class: "basket", File: "src/a.test.ts"}
	for pattern, want := range map[string]bool{
		"adds [1/2] *up*":                 true,
		"adds *":                          true,
		"*[1/2]*":                         true,
		"a?ds*":                           true,
		"basket › adds*":                  true,
		"src/a.test.ts › *":               true,
		"src/*.test.ts › adds [1/2] *up*": true,
		"adds":                            false,
		"basket":                          false,
		"adds [12] *":                     false,
		"?adds*":                          false,
		"*down":                           false,
	} {
		if got := (Quarantine{Test: pattern}).Matches(c); got != want {
			t.Errorf("%q matches: %v", pattern, got)
		}
	}
	q := Quarantine{Until: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}
	if q.LastDay() != "2026-12-31" || q.Expired(time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC)) ||
		!q.Expired(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("it ends on %s", q.LastDay())
	}
}

func TestACommandOfOnesOwnDoesNotKeepTheBuiltInRerun(t *testing.T) {
	for source, want := range map[string]string{
		"version: 1\n": "pnpm run test --ci --reporters=default --reporters=jest-junit --coverage=false --runTestsByPath {files}",
		"version: 1\nsteps: { test: { timeout: 1m } }\n":                                               "pnpm run test --ci --reporters=default --reporters=jest-junit --coverage=false --runTestsByPath {files}",
		"version: 1\nsteps: { test: { command: vitest } }\n":                                           "",
		"version: 1\nsteps: { test: { command: vitest, rerun: { command: 'vitest run {files}' } } }\n": "vitest run {files}",
		"version: 1\nsteps: { test: { rerun: { attempts: 0 } } }\n":                                    "",
	} {
		file, err := Parse("runner.yaml", []byte(source))
		if err != nil {
			t.Fatal(err)
		}
		test, _ := Collect(t.TempDir(), file).Find("test")
		if got := test.Rerun.Command.String(); got != want {
			t.Errorf("%s\nruns %q again, want %q", source, got, want)
		}
	}
}

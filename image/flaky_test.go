package image

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// newFlaky is a copy of the flaky suites with their dependencies, and a store of its own.
func newFlaky(t *testing.T) sample {
	t.Helper()
	if _, err := os.Stat("flaky/node_modules/.modules.yaml"); err != nil {
		t.Fatal("the dependencies of the flaky suites are not installed: run make test")
	}
	s := sample{T: t, dir: t.TempDir(), store: t.TempDir(), runner: filepath.Join(t.TempDir(), "runner")}
	buildRunner(t, s.runner)
	installed, err := filepath.Abs("flaky/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	files, err := exec.Command("git", "ls-files", "-z", "flaky").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(files), "\x00"), "\x00") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		s.write(strings.TrimPrefix(name, "flaky/"), string(text))
	}
	if err := os.Symlink(installed, filepath.Join(s.dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	tools, err := filepath.Abs("../.tools/bin") // where make has put gotestsum
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", tools+":"+os.Getenv("PATH"))
	return s
}

// settled is what finished.json says of tests that failed at first.
type settled struct {
	Reason   string
	ExitCode int `json:"exit_code"`
	Tests    struct {
		Failed, Flaky, Quarantined int
		Failures                   []namedTest
		FlakyCases                 []namedTest `json:"flaky_cases"`
		QuarantinedCases           []namedTest `json:"quarantined_cases"`
	}
	Attempts []struct{ Rerun int }
}

type namedTest struct{ Name, Message, Note string }

func (s sample) settled(step string) (f settled) {
	s.Helper()
	found, _ := filepath.Glob(filepath.Join(s.store, "runs", branch, commit, step+"@staging", "*", "finished.json"))
	if len(found) == 0 {
		s.Fatalf("step %s has no record", step)
	}
	text, err := os.ReadFile(found[len(found)-1])
	if err = errors.Join(err, json.Unmarshal(text, &f)); err != nil {
		s.Fatal(err)
	}
	return f
}

func TestOneFlakyOneBrokenAndOneQuarantinedTest(t *testing.T) {
	s := newFlaky(t)
	for _, suite := range []struct {
		step   string
		own    string // what the tool calls the flaky test
		nested int    // how often it counts the flaky test: Go counts a subtest and the test around it
	}{{"test", "is flaky", 1}, {"vitest", "is flaky", 1}, {"go", "TestFlaky", 2}} {
		t.Run(suite.step, func(t *testing.T) {
			s := s
			s.T = t
			out := s.run(1, "--step", suite.step)
			r := s.settled(suite.step)
			if r.Reason != "failure" || r.ExitCode != 1 || r.Tests.Failed != 1 || r.Tests.Flaky != suite.nested ||
				r.Tests.Quarantined != 1 {
				t.Fatalf("the record is %+v\n%s", r, out)
			}
			if n := r.Tests.Failures[0].Name; !strings.Contains(strings.ToLower(n), "broken") {
				t.Errorf("what failed is %q", n)
			}
			if c := r.Tests.FlakyCases[0]; !strings.Contains(c.Name, suite.own) || c.Message == "" ||
				c.Note != "passed on rerun 1" {
				t.Errorf("what is flaky is %+v", c)
			}
			if c := r.Tests.QuarantinedCases[0]; !strings.Contains(strings.ToLower(c.Name), "quarantined") ||
				!strings.Contains(c.Note, "2999-12-31: the clock") {
				t.Errorf("what is in quarantine is %+v", c)
			}
			if len(r.Attempts) != 3 || r.Attempts[0].Rerun != 0 || r.Attempts[1].Rerun != 1+suite.nested ||
				r.Attempts[2].Rerun != 1 {
				t.Errorf("the attempts are %+v", r.Attempts)
			}

			// Without the broken one the step passes, and still names the flaky one.
			t.Setenv("FIXED", "1")
			for _, pattern := range []string{"*.marker", "*/*.marker", "*/*/*.marker"} {
				markers, _ := filepath.Glob(filepath.Join(s.dir, pattern))
				for _, name := range markers {
					if err := os.Remove(name); err != nil {
						t.Fatal(err)
					}
				}
			}
			out = s.run(0, "--step", suite.step)
			r = s.settled(suite.step)
			if r.Reason != "success" || r.Tests.Failed != 0 || r.Tests.Flaky != suite.nested ||
				r.Tests.Quarantined != 1 ||
				len(r.Attempts) != 2 {
				t.Errorf("the record is %+v", r)
			}
			if !strings.Contains(out, "passed on rerun 1") {
				t.Errorf("the summary does not name the flaky test\n%s", out)
			}
		})
	}
}

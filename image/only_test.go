package image

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// shell runs a line as a person types it: git and the runner are on PATH, the commit is that of the clone.
func (s sample) shell(want int, line string) string {
	s.Helper()
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir = s.dir
	tools, err := filepath.Abs("../.tools/npm/node_modules/.bin")
	if err != nil {
		s.Fatal(err)
	}
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); !slices.Contains(
			[]string{"GIT_SHA", "BRANCH", "ENVIRONMENT", "PATH", "REPOSITORY_URL"}, name,
		) && !strings.HasPrefix(name, "GITHUB_") {
			cmd.Env = append(cmd.Env, entry)
		}
	}
	cmd.Env = append(
		cmd.Env, "PATH="+filepath.Dir(s.runner)+":"+tools+":"+os.Getenv("PATH"), "ARTIFACT_BUCKET=file://"+s.store,
		"RUNNER_LOG_FORMAT=text", "HOME="+s.store, "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com",
		"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com",
	)
	if cache, err := os.UserCacheDir(); err == nil && os.Getenv("GOCACHE") == "" { // else Go compiles its library in each home
		cmd.Env = append(cmd.Env, "GOCACHE="+filepath.Join(cache, "go-build"))
	}
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != want {
		s.Fatalf("%s exits with %d (%v), want %d\n%s", line, got, err, want, out)
	}
	return string(out)
}

// lastRecord is the newest finished.json of a step.
type lastRecord struct {
	RunID  string `json:"run_id"`
	Only   []string
	SHA    string
	Passed bool
	Rerun  struct{ Step, Tests string }
	Tests  struct {
		Total, Failed int
		Failures      []namedTest
	}
}

func (s sample) lastRecord(step string) (newest lastRecord) {
	s.Helper()
	found, _ := filepath.Glob(filepath.Join(s.store, "runs/main/*", step, "*/finished.json"))
	for _, name := range found {
		var f lastRecord
		text, err := os.ReadFile(name)
		if err = errors.Join(err, json.Unmarshal(text, &f)); err != nil {
			s.Fatal(err)
		}
		if f.RunID > newest.RunID {
			newest = f
		}
	}
	if newest.RunID == "" {
		s.Fatalf("step %s has no record", step)
	}
	return newest
}

// The command that a failed run gives for its failed tests runs these, at the commit of the run, when it is pasted.
func TestTheCommandForTheFailedTestsWorksWhenPasted(t *testing.T) {
	if _, err := exec.LookPath("pytest"); err != nil {
		t.Fatal("pytest is not there: run make test")
	}
	s := newFlaky(t)
	s.write("runner.yaml", s.read("runner.yaml")+`
  pytest:
    directory: python
    command: pytest -q --junitxml junit.xml
    reports: [junit.xml]
    rerun: { command: "pytest -q --junitxml junit.xml {files}", attempts: 0 }
  whole: { command: "cp red.xml junit.xml; exit 1", reports: [junit.xml] }
`)
	s.write("python/test_sound.py", "def test_sound():\n    assert True\n")
	s.write("python/more/test_broken.py", "def test_broken():\n    assert 3 == 2\n")
	s.write("red.xml", `<testsuite name="a" tests="1"><testcase name="x" classname="a"><failure message="no"/></testcase></testsuite>`)
	s.write(".gitignore", s.read(".gitignore")+"node_modules\n.pytest_cache/\n__pycache__/\nred.xml\n")
	s.shell(0, "git init -q -b main && git add . && git commit -qm one")
	first := strings.TrimSpace(s.shell(0, "git rev-parse HEAD"))
	steps := []struct{ step, only, name string }{
		{"test", "jest/broken.test.js", "is broken"},
		{"vitest", "vitest/broken.test.mjs", "is broken"},
		{"go", "example.com/flaky/basket.TestBroken", "TestBroken"},
		{"pytest", "more/test_broken.py", "test_broken"},
	}
	pasted := map[string]string{}
	for _, c := range steps {
		t.Run(c.step, func(t *testing.T) {
			s := s
			s.T = t
			s.shell(1, "runner "+c.step)
			whole := s.lastRecord(c.step)
			if want := "runner " + c.step + " --sha " + first + " --only " + c.only; whole.Rerun.Tests != want {
				t.Fatalf("the command is %q, want %q", whole.Rerun.Tests, want)
			}
			pasted[c.step] = whole.Rerun.Tests
			latest := s.latest(first, c.step)
			s.shell(1, whole.Rerun.Tests)
			part := s.lastRecord(c.step)
			if part.RunID == whole.RunID || part.Tests.Total >= whole.Tests.Total || part.Tests.Failed != 1 ||
				!slices.Equal(part.Only, []string{c.only}) || !strings.Contains(part.Tests.Failures[0].Name, c.name) {
				t.Errorf("of %+v it ran %+v", whole, part)
			}
			if s.latest(first, c.step) != latest {
				t.Error("a part of the tests became the record of the step")
			}
			// The name is enough where a report has it.
			s.shell(1, "runner "+c.step+" --only '"+part.Tests.Failures[0].Name+"'")
			if named := s.lastRecord(c.step); named.Tests.Total != part.Tests.Total || named.RunID == part.RunID {
				t.Errorf("by its name it ran %+v", named)
			}
		})
	}
	if t.Failed() {
		return
	}
	if out := s.shell(125, "runner whole --only x"); !regexp.MustCompile(
		`(?m)^runner: step whole cannot run a part of its tests: its rerun command names no tests\nhint: .*$`,
	).MatchString(out) || strings.Count(out, "\n") != 2 {
		t.Errorf("a step without a rerun command says %s", out)
	}
	s.shell(125, "runner test --only nowhere.test.js")

	// Later the tests are mended. The command still runs those of its commit, unless that would touch changes.
	s.shell(0, `find . -name '*broken*' -not -path '*/node_modules/*' -type f | xargs rm &&
		sed -i '/got 3, want 2/d' go/basket/basket_test.go && git commit -qam two`)
	s.write("jest/new.test.js", "it('is new', () => {});\n")
	if out := s.shell(125, pasted["test"]); !strings.Contains(out, "changes that are not committed") {
		t.Errorf("with changes it says %s", out)
	}
	s.shell(0, "rm jest/new.test.js")
	for _, c := range []struct{ step string }{{"test"}, {"go"}} {
		s.shell(0, "git checkout -q main && rm -f junit.xml */junit.xml")
		out := s.shell(1, pasted[c.step])
		if r := s.lastRecord(c.step); r.SHA != first || r.Tests.Failed != 1 {
			t.Errorf("%s: at another commit it ran %+v\n%s", c.step, r, out)
		}
		if head := strings.TrimSpace(s.shell(0, "git rev-parse HEAD")); head != first {
			t.Errorf("%s: the clone is at %s", c.step, head)
		}
	}
}

// latest is what latest.json of a step has.
func (s sample) latest(sha, step string) string {
	s.Helper()
	text, err := os.ReadFile(filepath.Join(s.store, "runs/main", sha, step, "latest.json"))
	if err != nil {
		s.Fatal(err)
	}
	return string(text)
}

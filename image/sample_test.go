// Package image proves the runner on the sample workspace: a real project, with real tools.
package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	branch = "feature/checkout"
	commit = "00112233445566778899aabbccddeeff00112233"
)

// sample is a copy of the sample workspace with its dependencies, and a store of its own.
type sample struct {
	*testing.T
	dir, store, runner string
}

// buildRunner builds the binary as it is released.
func buildRunner(t *testing.T, path string) {
	t.Helper()
	if out, err := exec.Command("make", "-s", "-C", "..", "build", "OUT="+path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func newSample(t *testing.T) sample {
	t.Helper()
	if _, err := os.Stat("sample/node_modules/.modules.yaml"); err != nil {
		t.Fatal("the sample's dependencies are not installed: run make test")
	}
	s := sample{T: t, dir: t.TempDir(), store: t.TempDir(), runner: filepath.Join(t.TempDir(), "runner")}
	buildRunner(t, s.runner)
	files, err := exec.Command("git", "ls-files", "-z", "sample").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(files), "\x00"), "\x00") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		s.write(strings.TrimPrefix(name, "sample/"), string(text))
	}
	// The dependencies are where they were installed; only the links between the packages are the copy's own.
	installed, err := filepath.Abs("sample/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		os.Symlink(installed, filepath.Join(s.dir, "node_modules")),
		os.MkdirAll(filepath.Join(s.dir, "packages/app/node_modules/@sample"), 0o755),
		os.Symlink("../../../core", filepath.Join(s.dir, "packages/app/node_modules/@sample/core")),
	); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s sample) write(name, text string) {
	s.Helper()
	path := filepath.Join(s.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		s.Fatal(err)
	}
}

func (s sample) read(name string) string {
	s.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.Fatal(err)
	}
	return string(text)
}

// run runs a step and checks the runner's exit code.
func (s sample) run(want int, args ...string) string {
	s.Helper()
	cmd := exec.Command(s.runner, append([]string{"--log-format", "text"}, args...)...)
	cmd.Dir = s.dir
	tools, err := filepath.Abs("../.tools/npm/node_modules/.bin") // where make has put pnpm
	if err != nil {
		s.Fatal(err)
	}
	cmd.Env = append(
		os.Environ(),
		"PATH="+tools+":"+os.Getenv("PATH"),
		"BRANCH="+branch,
		"GIT_SHA="+commit,
		"ARTIFACT_BUCKET=file://"+s.store,
		"ENVIRONMENT=staging",
	)
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != want {
		s.Fatalf("%v exits with %d (%v), want %d\n%s", args, got, err, want, out)
	}
	return string(out)
}

type finished struct {
	Reason   string `json:"reason"`
	ExitCode int    `json:"exit_code"`
	Tests    struct {
		Total    int `json:"total"`
		Failed   int `json:"failed"`
		Failures []struct{ Name, File, Message string }
	} `json:"tests"`
}

// record reads the newest finished.json of a step.
func (s sample) record(step string) (f finished) {
	s.Helper()
	found, _ := filepath.Glob(filepath.Join(s.store, "runs", branch, commit, step+"@staging", "*", "finished.json"))
	if len(found) == 0 {
		s.Fatalf("step %s has no record", step)
	}
	text, err := os.ReadFile(found[len(found)-1])
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err != nil {
		s.Fatal(err)
	}
	return f
}

// set checks that every file of a stored set is there with the sum that the manifest says, and returns how many there
// are.
func (s sample) set(kind string) int {
	s.Helper()
	text, err := os.ReadFile(filepath.Join(s.store, "manifests", kind, branch, commit+".json"))
	if err != nil {
		s.Fatal(err)
	}
	var manifest struct {
		Files []struct {
			Path, SHA256 string
			Size         int64
		}
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		s.Fatal(err)
	}
	for _, f := range manifest.Files {
		content, err := os.ReadFile(filepath.Join(s.store, kind, branch, commit, f.Path))
		sum := sha256.Sum256(content)
		if err != nil || int64(len(content)) != f.Size || hex.EncodeToString(sum[:]) != f.SHA256 {
			s.Errorf("%s is not what its manifest says (%v)", f.Path, err)
		}
	}
	return len(manifest.Files)
}

func TestATestRunIsCountedAndItsCoverageStored(t *testing.T) {
	s := newSample(t)
	s.run(0, "--step", "test")
	r := s.record("test")
	if want := strings.Count(s.read("junit.xml"), "<testcase "); r.Reason != "success" || r.Tests.Total != want ||
		want < 20 ||
		r.Tests.Failed != 0 {
		t.Errorf("the record is %+v; the report has %d cases", r, want)
	}
	if n := s.set("coverage"); n < 5 {
		t.Errorf("%d files of coverage", n)
	}
	latest := filepath.Join(s.store, "coverage", branch, "latest", "lcov.info")
	mirrored, err := os.ReadFile(latest)
	if err != nil || !bytes.Equal(mirrored, []byte(s.read("coverage/lcov.info"))) {
		t.Errorf("the mirror is not the newest coverage: %v", err)
	}
}

func TestAFailingTestKeepsJestsExitCodeAndIsNamed(t *testing.T) {
	s := newSample(t)
	s.write(
		"packages/core/src/price.test.ts",
		strings.Replace(s.read("packages/core/src/price.test.ts"), "toBe(4149)", "toBe(4150)", 1),
	)
	out := s.run(1, "--step", "test")
	r := s.record("test")
	if r.Reason != "failure" || r.ExitCode != 1 || r.Tests.Failed != 1 || len(r.Tests.Failures) != 1 {
		t.Fatalf("the record is %+v", r)
	}
	f := r.Tests.Failures[0]
	if f.Name != "adds up what is in the basket" || f.File != "packages/core/src/price.test.ts" ||
		!strings.Contains(f.Message, "Object.is equality") {
		t.Errorf("the failure is %+v", f)
	}
	for _, word := range []string{f.Name, f.File, "test failed (failure, exit 1)"} {
		if !strings.Contains(out, word) {
			t.Errorf("the summary does not say %q\n%s", word, out)
		}
	}
	if s.set("coverage") == 0 {
		t.Error("the coverage is not stored")
	}
}

func TestTheWholePipeline(t *testing.T) {
	s := newSample(t)
	if out := s.run(125, "--step", "deploy"); !strings.Contains(out, "needs test, which has not run") {
		t.Errorf("a deployment without tests says\n%s", out)
	}
	s.run(0, "--step", "lint")
	s.run(0, "--step", "test")
	s.run(0, "--step", "build")
	if n := s.set("builds"); n != 3 {
		t.Errorf("%d files in the build", n)
	}
	if out := s.run(0, "--step", "migrate"); !strings.Contains(out, "staging: 2 applied") {
		t.Errorf("migrate says\n%s", out)
	}
	if head := s.read("data/staging.sqlite"); !strings.HasPrefix(head, "SQLite format 3\x00") {
		t.Error("there is no database")
	}
	// The build comes from the store, not from whatever lies in the workspace.
	if err := os.RemoveAll(filepath.Join(s.dir, "dist")); err != nil {
		t.Fatal(err)
	}
	s.run(0, "--step", "deploy")
	if s.read(".deploy/staging/current/server.js") != s.read("dist/server.js") {
		t.Error("what is deployed is not the build")
	}
	// A migration that fails is rolled back and is the step's failure.
	s.write("migrations/003_broken.sql", "CREATE TABLE half (id INTEGER); INSERT INTO nowhere VALUES (1);")
	if out := s.run(1, "--step", "migrate"); !strings.Contains(out, "no such table: nowhere") {
		t.Errorf("the failing migration says\n%s", out)
	}
}

package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// elsewhere matches commands that need what a sandbox has not: a cluster, a browser, a person, runs of the reader's own,
// or words that stand for others. Their flags are checked by TestPagesAgreeWithTheProgram.
var elsewhere = regexp.MustCompile(
	`…|[<>|]|\b(NAME|RUN|ID|COMMIT|FILE|COMMAND|GLOB)\b|--open|--follow|--slack|--stack|--shard|--parallel|service/` +
		`|^runner (trigger|promote|rollback|serve|cluster|gocacheprog|completion|secrets)\b|^runner pipeline (start|status|retry|approve|reject|cancel)` +
		`|1f2e3d|0db1210|01kb2w|v1\.2\.0|--key |--require-signature|--step e2e`,
)

// expected are the exit codes of commands whose result is not always good.
var expected = map[string][]int{
	"runner doctor": {0, 1}, // of this machine
	"runner cache":  {0, 1}, // there is no cache

	"runner test --merge-shards": {1}, // no shard has stored anything
}

const sandboxYAML = `version: 1
steps:
  build: { command: "mkdir -p dist && echo x >dist/index.html" }
  test:
    command: mkdir -p coverage && cp lcov.info coverage && cp junit.xml.in junit.xml
    reports: [junit.xml]
    rerun: { command: "cp junit.xml.in junit.xml; : {files}" }
  lint: { command: "true" }
  red: { command: "if [ -e stop ]; then echo 'error: boom'; exit 3; fi" }
  deploy: { command: "true", lock: none }
  migrate: { command: "true", lock: none }
pipeline:
  - build
  - [test, lint]
  - { environment: staging, steps: [migrate, deploy] }
`

// newSandbox is a repository in which each step has been run.
func newSandbox(t *testing.T) (run func(dir, line string) (int, string), dir string) {
	t.Helper()
	dir = t.TempDir()
	environ := []string{
		"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "RUNNER_LOG_FORMAT=text", "ARTIFACT_BUCKET=file://" + t.TempDir(), raceOptions,
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com",
		"TMPDIR=" + t.TempDir(),
	}
	run = func(dir, line string) (int, string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "sh", "-c", line)
		cmd.Dir, cmd.Env = dir, environ
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatalf("%s: %v", line, err)
		}
		return cmd.ProcessState.ExitCode(), string(out)
	}
	for name, text := range map[string]string{
		"runner.yaml": sandboxYAML, ".gitignore": "dist\ncoverage\njunit.xml\nstop\n",
		"junit.xml.in":    `<testsuite name="price" tests="1"><testcase classname="price" name="adds the tax" file="price.test.js" time="0.1"/></testsuite>`,
		"price.test.js":   "",
		"lcov.info":       "SF:price.js\nDA:1,1\nDA:2,0\nend_of_record\n",
		"price.js":        "one\ntwo\n",
		"package.json":    `{"name":"shop","scripts":{"build":"true","test":"true"}}`,
		"pnpm-lock.yaml":  "lockfileVersion: '9.0'\n",
		".npmrc":          "",
		"scripts/migrate": "",
	} {
		at := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for line, want := range map[string]int{"git init -q -b main && git add . && git commit -qm one": 0} {
		if code, out := run(dir, line); code != want {
			t.Fatalf("%s exits with %d: %s", line, code, out)
		}
	}
	for _, c := range []struct {
		line string
		want int
	}{{"runner build", 0}, {"runner test", 0}, {"runner lint", 0}, {"runner red", 0}, {"touch stop && runner red", 3}} {
		if code, out := run(dir, c.line); code != c.want {
			t.Fatalf("%s exits with %d: %s", c.line, code, out)
		}
	}
	return run, dir
}

// The commands of the pages do what they say, where a sandbox has what they need.
func TestCommandsOfThePagesRun(t *testing.T) {
	run, dir := newSandbox(t)
	var lines []string
	err := filepath.WalkDir("../..", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && (slices.Contains([]string{"node_modules", "testdata", "bin"}, entry.Name()) ||
			strings.HasPrefix(entry.Name(), ".") && name != "../.." && entry.Name() != ".github") {
			return filepath.SkipDir
		}
		if err != nil || filepath.Ext(name) != ".md" {
			return err
		}
		text, err := os.ReadFile(name)
		for _, line := range commandLines(string(text)) {
			line, _, _ = strings.Cut(line, " #")
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "runner ") && !elsewhere.MatchString(line) {
				lines = append(lines, line)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	lines = slices.Compact(lines)
	for _, line := range lines {
		at := dir
		if strings.HasPrefix(line, "runner init") && !strings.Contains(line, "--dry-run") {
			at = t.TempDir() // it replaces no runner.yaml
			if err := os.WriteFile(filepath.Join(at, "package.json"), []byte(`{"scripts":{"test":"jest"}}`), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want := []int{0}
		for prefix, codes := range expected {
			if strings.HasPrefix(line, prefix) {
				want = codes
			}
		}
		code, out := run(at, line+" </dev/null")
		isName := code == exitInput && strings.Contains(out, "missing argument") // of a command, in a sentence
		if !slices.Contains(want, code) && !isName {
			t.Errorf("%s exits with %d:\n%s", line, code, out)
		}
	}
	if len(lines) < 40 {
		t.Errorf("only %d commands were found", len(lines))
	}
}

// README is read whole.
func TestReadmeIsShort(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if n := strings.Count(string(text), "\n"); err != nil || n > 150 {
		t.Errorf("README.md has %d lines, more than 150: %v", n, err)
	}
}

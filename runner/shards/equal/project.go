package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// branch is one of the runs' own: they are about what is in the folder.
const branch = "equal"

// commitOf is the commit of the folder; of one that is not in git, one that does not exist.
func commitOf(ctx context.Context, dir string) string {
	out, err := exec.CommandContext(ctx, "git", "-C", dir, "rev-parse", "HEAD").Output()
	if err != nil {
		return strings.Repeat("e", 40)
	}
	return strings.TrimSpace(string(out))
}

const jestConfig = `version: 1
steps:
  test:
    command: npx jest --ci --coverage --coverageReporters=lcov --coverageDirectory=coverage --reporters=default --reporters=jest-junit
    environment:
      JEST_JUNIT_OUTPUT_NAME: junit.xml
      JEST_JUNIT_ADD_FILE_ATTRIBUTE: "true"
      JEST_JUNIT_CLASSNAME: "{classname}"
      JEST_JUNIT_TITLE: "{title}"
    reports: [junit.xml]
    rerun: { command: "true {files}", attempts: 0 }
`

const vitestConfig = `version: 1
steps:
  test:
    command: npx vitest run --coverage.enabled --coverage.reporter=lcov --coverage.reportOnFailure --reporter=default --reporter=junit --outputFile=junit.xml
    reports: [junit.xml]
    rerun: { command: "true {files}", attempts: 0 }
`

const goConfig = `version: 1
steps:
  test:
    command: gotestsum --junitfile junit.xml -- -coverprofile=coverage/c.out -coverpkg=./... ./...
    before: mkdir -p coverage
    reports: [junit.xml]
    rerun: { command: "true {files}", attempts: 0 }
`

// writeConfig writes a runner.yaml that fits the project, for which it need not have one, and returns its path; "" for the
// project's own. Failed tests are not run again: this is about what one run finds.
func writeConfig(dir, scratch string) (string, error) {
	if _, err := os.Stat(filepath.Join(dir, "runner.yaml")); err == nil {
		return "", nil
	}
	text, err := configFor(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(scratch, 0o755); err != nil {
		return "", err
	}
	name := filepath.Join(scratch, "runner.yaml")
	return name, os.WriteFile(name, []byte(text), 0o600)
}

func configFor(dir string) (string, error) {
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
		return goConfig, nil
	}
	var manifest struct{ Dependencies, DevDependencies map[string]string }
	text, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", errors.New("there is neither runner.yaml, go.mod nor package.json")
	}
	if err == nil {
		err = json.Unmarshal(text, &manifest)
	}
	if err != nil {
		return "", err
	}
	for name, config := range map[string]string{"jest": jestConfig, "vitest": vitestConfig} {
		if manifest.DevDependencies[name]+manifest.Dependencies[name] != "" {
			return config, nil
		}
	}
	return "", errors.New("package.json has neither jest nor vitest: write a runner.yaml")
}

// moduleOf returns the module of a Go project, with a slash at its end; "" for others.
func moduleOf(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "module "); ok {
			return strings.Trim(strings.TrimSpace(name), `"`) + "/"
		}
	}
	return ""
}

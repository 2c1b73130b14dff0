package detect

import (
	"regexp"
	"strings"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// gotestsum is the one that is asked for where a workspace has none.
const gotestsum = "go run gotest.tools/gotestsum@v1.13.0"

// toolLine is the directive by which a module has gotestsum as a tool of its own, alone or in a block.
var toolLine = pattern.New(`(?m)^(tool\s+|\s+)gotest\.tools/gotestsum\s*(//.*)?$`)

func golang(w *workspace, found *Found) error {
	if !w.has("go.mod") && !w.has("go.work") {
		return nil
	}
	found.is("go")
	text, err := w.text("go.mod")
	if err != nil {
		return err
	}
	run := gotestsum
	if toolLine.MatchString(text) {
		run = "go tool gotestsum"
	}
	work, err := w.text("go.work")
	if err != nil {
		return err
	}
	packages := modules(work)
	found.add(Step{Name: "build", Command: "go build " + packages})
	found.add(Step{
		Name:      "test",
		Why:       "go test",
		Command:   "mkdir -p coverage && " + run + " --junitfile junit.xml -- -coverprofile=coverage/cover.out " + packages,
		Reports:   []string{"junit.xml"},
		Artifacts: []Artifact{{Name: "coverage", Path: "coverage", When: "always", Mirror: true, Optional: true}},
		Rerun:     run + " --junitfile junit.xml -- -count=1 -run {tests} {packages}",
	})
	found.add(Step{Name: "lint", Command: "go vet " + packages})
	return nil
}

// used is what a go.work has after use, in a line or in a block.
var (
	used   = pattern.New(`(?ms)^use\s*\((.*?)^\)|^use[ \t]+([^\n]+)`)
	plain  = pattern.New(`^[\w./-]+$`)
	remark = pattern.New(`//.*`)
)

// modules are the packages of all modules of a go.work: ./... are only those of the folder's own, and an error if it
// has none.
func modules(work string) string {
	var all []string
	for _, use := range used.FindAllStringSubmatch(work, -1) {
		for line := range strings.SplitSeq(use[1]+use[2], "\n") {
			folder := strings.Trim(strings.TrimSpace(remark.ReplaceAllString(line, "")), "\"`")
			if folder == "" || strings.Contains(folder, "'") {
				continue
			}
			pattern := strings.TrimSuffix(folder, "/") + "/..."
			if !plain.MatchString(pattern) {
				pattern = "'" + pattern + "'"
			}
			all = append(all, pattern)
		}
	}
	if len(all) == 0 {
		return "./..."
	}
	return strings.Join(all, " ")
}

// unittest runs the tests that python3 -m unittest discover finds, and fails if there are none.
const unittest = `python3 -c "import sys, unittest; r = unittest.main(module=None, argv=['unittest', 'discover'], exit=False).result; ` +
	`sys.exit(r.testsRun == 0 or not r.wasSuccessful())"`

func python(w *workspace, found *Found) error {
	project := w.first("pyproject.toml", "setup.cfg", "setup.py", "tox.ini", "pytest.ini", "requirements.txt")
	if project == "" {
		return nil
	}
	var all strings.Builder
	for _, name := range []string{"pyproject.toml", "setup.cfg", "setup.py", "tox.ini", "pytest.ini", "requirements.txt", "requirements-dev.txt", "dev-requirements.txt", "requirements/test.txt"} {
		text, err := w.text(name)
		if err != nil {
			return err
		}
		all.WriteString(text)
	}
	found.is("python")
	if !regexp.MustCompile(`\bpytest\b`).MatchString(all.String()) && !w.has("pytest.ini") && !w.has("conftest.py") &&
		!w.has("tests/conftest.py") {
		if w.has("tests") || w.has("test") {
			found.add(
				Step{
					Name:    "test",
					Why:     "unittest",
					Command: unittest,
					Reports: []string{},
					Notes:   []string{"unittest before Python 3.12 passes when it finds no test; this does not"},
				},
			)
		}
		return nil
	}
	prefix := "python3 -m "
	switch w.first("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock") {
	case "uv.lock":
		prefix = "uv run "
	case "poetry.lock":
		prefix = "poetry run "
	case "pdm.lock":
		prefix = "pdm run "
	case "Pipfile.lock":
		prefix = "pipenv run "
	}
	run := prefix + "pytest --junitxml=junit.xml"
	again := run
	if regexp.MustCompile(`--cov\b`).MatchString(all.String()) { // a few files would not reach a floor
		again += " --no-cov"
	}
	found.add(
		Step{Name: "test", Why: "pytest", Command: run, Reports: []string{"junit.xml"}, Rerun: again + " {files}"},
	)
	return nil
}

// others are recognised by one file each.
func others(w *workspace, found *Found) error {
	if w.has("Cargo.toml") {
		found.is("cargo")
		locked := ""
		if w.has("Cargo.lock") {
			locked = " --locked"
		}
		found.add(Step{Name: "build", Command: "cargo build --release" + locked})
		found.add(
			Step{
				Name:    "test",
				Why:     "cargo",
				Command: "cargo test" + locked,
				Reports: []string{},
				Notes:   []string{"cargo nextest writes JUnit reports, cargo test does not"},
			},
		)
	}
	gradle := w.first("gradlew", "build.gradle", "build.gradle.kts")
	switch {
	case gradle != "":
		found.is("gradle")
		run := "gradle"
		if w.has("gradlew") {
			run = "./gradlew"
		}
		found.add(
			Step{
				Name:      "build",
				Command:   run + " assemble",
				Artifacts: []Artifact{{Name: "builds", Path: "build/libs", When: "success", Optional: true}},
			},
		)
		found.add(
			Step{
				Name:    "test",
				Why:     "gradle",
				Command: run + " test",
				Reports: []string{"**/build/test-results/**/TEST-*.xml"},
			},
		)
	case w.has("pom.xml"):
		found.is("maven")
		run := "mvn --batch-mode"
		if w.has("mvnw") {
			run = "./mvnw --batch-mode"
		}
		found.add(
			Step{
				Name:      "build",
				Command:   run + " package -DskipTests",
				Artifacts: []Artifact{{Name: "builds", Path: "target", When: "success", Optional: true}},
			},
		)
		found.add(
			Step{
				Name:    "test",
				Why:     "maven",
				Command: run + " test",
				Reports: []string{"**/target/surefire-reports/TEST-*.xml"},
			},
		)
	}
	text, err := w.text("Makefile")
	if err != nil {
		return err
	}
	if text != "" {
		found.is("make")
	}
	for _, target := range []string{"build", "test", "lint"} {
		if regexp.MustCompile(`(?m)^` + target + `\s*:([^=]|$)`).MatchString(text) {
			s := Step{Name: target, Command: "make " + target}
			if target == "test" {
				s.Reports, s.Why = []string{}, "make"
			}
			found.add(s)
		}
	}
	return nil
}

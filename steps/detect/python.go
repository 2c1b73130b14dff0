package detect

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// python is Python with pytest or unittest, in the environment of uv, poetry, pdm, pipenv, hatch, tox or nox.
type python struct{}

func (python) name() string { return "python" }

func (python) marks() []string {
	return []string{
		"pyproject.toml", "setup.cfg", "setup.py", "tox.ini", "noxfile.py", "pytest.ini", "requirements.txt", "Pipfile",
	}
}

// pythonManagers run a command in the environment that they made, in the order in which they count.
var pythonManagers = []struct {
	name, lockfile, table string // table of pyproject.toml
	run, build, setup     string // without setup, run installs what is missing
}{
	{"uv", "uv.lock", "uv", "uv run ", "uv build", ""},
	{"poetry", "poetry.lock", "poetry", "poetry run ", "poetry build", "poetry install --no-interaction"},
	{"pdm", "pdm.lock", "pdm", "pdm run ", "pdm build", ""},
	{"pipenv", "Pipfile.lock", "", "pipenv run ", "", "pipenv sync --dev"},
}

// unittest runs the tests that python3 -m unittest discover finds, and fails if there are none.
const unittest = `python3 -c "import sys, unittest; ` +
	`r = unittest.main(module=None, argv=['unittest', 'discover'], exit=False).result; ` +
	`sys.exit(r.testsRun == 0 or not r.wasSuccessful())"`

var (
	pytestWord = pattern.New(`\bpytest\b`)
	covWord    = pattern.New(`\bpytest[-_]cov\b`)
	covOption  = pattern.New(`--cov\b`)
	hashed     = pattern.New(`(?m)(^|\s)#.*$`)
)

// pythonProject is what files of a Python project say.
type pythonProject struct {
	project
	pyproject map[string]any
	metadata  string // dependencies and settings, without comments: what pip or a manager installs
	tox, nox  string
}

func (python) propose(p project) (proposal, error) {
	y, err := readPython(p)
	if err != nil {
		return proposal{}, err
	}
	out := proposal{what: []string{"python"}}
	for _, m := range pythonManagers {
		if y.has(m.lockfile) {
			out.setup = m.setup
			break
		}
	}
	if s, ok := y.buildStep(); ok {
		out.steps = append(out.steps, s)
	}
	s, what, ok := y.testStep()
	if !ok {
		out.leftOut = append(out.leftOut, p.place("python")+": no tests were found")
		return out, nil
	}
	out.what = append(out.what, what)
	out.steps = append(out.steps, s)
	return out, nil
}

// pythonMetadata are files that may name pytest, beside pyproject.toml.
var pythonMetadata = []string{
	"setup.cfg", "setup.py", "pytest.ini", "Pipfile", "requirements.txt", "requirements-dev.txt",
	"dev-requirements.txt", "requirements-test.txt", "test-requirements.txt", "requirements/test.txt",
	"requirements/dev.txt",
}

func readPython(p project) (pythonProject, error) {
	y := pythonProject{project: p}
	text, err := p.must("pyproject.toml")
	if err != nil {
		return y, err
	}
	if _, err := toml.Decode(text, &y.pyproject); err != nil {
		return y, &ReadError{path.Join(p.dir, "pyproject.toml"), err}
	}
	all := []string{text}
	for _, name := range pythonMetadata {
		all = append(all, p.text(name))
	}
	y.metadata = hashed.ReplaceAllString(strings.Join(all, "\n"), "")
	y.tox = hashed.ReplaceAllString(p.text("tox.ini"), "")
	y.nox = hashed.ReplaceAllString(p.text("noxfile.py"), "")
	return y, nil
}

// table is a table of pyproject.toml, nil if it is not there.
func (y pythonProject) table(names ...string) map[string]any {
	t := y.pyproject
	for _, name := range names {
		next, ok := t[name].(map[string]any)
		if !ok {
			return nil
		}
		t = next
	}
	return t
}

// manager is the prefix of commands in the project's environment; "" where the environment is the shell's.
func (y pythonProject) manager() (name, run, build string) {
	for _, m := range pythonManagers {
		if y.has(m.lockfile) {
			return m.name, m.run, m.build
		}
	}
	for _, m := range pythonManagers {
		if m.table != "" && y.table("tool", m.table) != nil && m.name != "pdm" {
			return m.name, m.run, m.build
		}
	}
	return "", "", ""
}

// buildStep builds packages where the project's manager can; other projects may have none to ship.
func (y pythonProject) buildStep() (Step, bool) {
	_, _, build := y.manager()
	if build == "" || y.table("build-system") == nil || y.table("project") == nil && y.table("tool", "poetry") == nil {
		return Step{}, false
	}
	dist := []Artifact{{Name: "builds", Path: "dist", When: "success"}}
	return Step{Name: "build", Command: build, Artifacts: dist}, true
}

func (y pythonProject) testStep() (Step, string, bool) {
	name, run, _ := y.manager()
	declared := pytestWord.MatchString(y.metadata) || y.first(
		"pytest.ini", ".pytest.ini", "conftest.py", "tests/conftest.py", "test/conftest.py") != ""
	hatch := y.table("tool", "hatch", "envs")
	switch {
	case hatch != nil && name == "":
		return y.hatchStep(hatch), "hatch", true
	case declared || name == "" && pytestWord.MatchString(y.tox+y.nox) && !y.isolated():
		return y.pytestStep(name, run), "pytest", true
	case y.isolated():
		s, what := y.isolatedStep()
		return s, what, true
	case y.has("manage.py"):
		s := Step{Name: "test", Command: cmpRun(run) + "manage.py test", Reports: []string{}}
		s.Notes = []string{"Django writes no JUnit report: with pytest-django, pytest does"}
		return s, "django", true
	case y.writtenForPytest():
		return y.pytestStep(name, run), "pytest", true
	case y.hasTests():
		return Step{
			Name: "test", Command: run + unittest, Reports: []string{},
			Notes: []string{
				"unittest before Python 3.12 passes when it finds no test; this does not",
				"unittest writes no JUnit report: pytest runs these tests, too, and does",
			},
		}, "unittest", true
	}
	return Step{}, "", false
}

// hasTests reports whether there are files that unittest and pytest take for tests.
func (y pythonProject) hasTests() bool {
	for _, folder := range []string{"tests", "test"} {
		if dir := path.Join(y.dir, folder); y.sources(dir, "test*.py") || y.sources(dir, "*_test.py") {
			return true
		}
	}
	return y.matching(y.dir, "test*.py") != ""
}

// forPytest matches what unittest does not run: tests outside of classes, and what pytest provides.
var forPytest = pattern.New(`(?m)^(import pytest|from pytest|(async )?def test_)`)

// writtenForPytest reports whether tests need pytest, by the first files that have some.
func (y pythonProject) writtenForPytest() bool {
	const enough = 20
	read := 0
	for _, folder := range y.folders {
		if folder != y.dir && !within(path.Join(y.dir, "tests"), folder) && !within(path.Join(y.dir, "test"), folder) &&
			folder != path.Join(y.dir, "tests") && folder != path.Join(y.dir, "test") {
			continue
		}
		for _, name := range y.files[folder] {
			if !testModule.MatchString(name) {
				continue
			}
			text, err := y.read(path.Join(folder, name))
			if err == nil && forPytest.MatchString(text) {
				return true
			}
			if read++; read == enough {
				return false
			}
		}
	}
	return false
}

var testModule = pattern.New(`^(test.*|.*_test)\.py$`)

func cmpRun(run string) string {
	if run == "" {
		return "python3 "
	}
	return run + "python "
}

// isolated reports whether only tox or nox know what the tests need.
func (y pythonProject) isolated() bool {
	inTox := y.tox != "" || y.table("tool", "tox") != nil
	return (inTox || y.nox != "") && !pytestWord.MatchString(y.metadata)
}

// isolatedStep runs the tests in the environments of tox or nox.
func (y pythonProject) isolatedStep() (Step, string) {
	s := Step{Name: "test", Reports: []string{}}
	if y.nox != "" {
		session := "tests"
		for _, m := range noxSession.FindAllStringSubmatch(y.nox, -1) {
			if strings.Contains(m[2], "pytest") || strings.Contains(m[2], "unittest") {
				session = m[1]
				break
			}
		}
		s.Command = "nox --session " + shellWord(session)
		y.passArguments(&s, y.nox, "session.posargs", ` -- --junitxml=junit.xml`)
		return s, "nox"
	}
	s.Command = "tox run --skip-missing-interpreters true"
	y.passArguments(&s, y.tox, "{posargs", ` -e py -- --junitxml="$PWD/junit.xml"`)
	if len(s.Reports) > 0 {
		s.Command = "tox run -e py" + ` -- --junitxml="$PWD/junit.xml"`
	}
	return s, "tox"
}

// hatchDefault finds what a script of hatch runs where it is given no arguments.
var hatchDefault = pattern.New(`\{args:([\w./ -]+)\}`)

var noxSession = pattern.New(`(?s)def\s+(\w+)\(session[^)]*\)[^:]*:(.*?)(?:\n\S|$)`)

func (y pythonProject) passArguments(s *Step, text, word, arguments string) {
	if strings.Contains(text, word) && pytestWord.MatchString(text) {
		s.Command += arguments
		s.Reports = []string{"junit.xml"}
		return
	}
	s.Notes = append(s.Notes,
		fmt.Sprintf("its tests take no arguments (%s), so they write no JUnit report", strings.Trim(word, "{")))
}

// hatchStep runs the tests in an environment of hatch: by its own script, or by hatch test.
func (y pythonProject) hatchStep(envs map[string]any) Step {
	s := Step{Name: "test", Command: "hatch test --junitxml=junit.xml", Reports: []string{"junit.xml"}}
	if y.has("tests") { // an argument takes the place of the folder that hatch names by itself
		s.Command += " tests"
	}
	for _, env := range []string{"default", "test"} {
		scripts := y.table("tool", "hatch", "envs", env, "scripts")
		line, _ := scripts["test"].(string)
		if line == "" {
			continue
		}
		run := "hatch run "
		if env != "default" {
			run += env + ":"
		}
		s.Command = run + "test"
		if strings.Contains(line, "pytest") && strings.Contains(line, "{args") {
			s.Command += " --junitxml=junit.xml"
			if m := hatchDefault.FindStringSubmatch(line); m != nil {
				s.Command += " " + m[1]
			}
		} else {
			s.Reports = []string{}
			s.Notes = []string{"its script test takes no arguments ({args}), so it writes no JUnit report"}
		}
		break
	}
	return s
}

func (y pythonProject) pytestStep(name, run string) Step {
	if run == "" {
		run = "python3 -m "
	}
	if name == "uv" {
		run = y.uvRun()
	}
	s := Step{Name: "test", Command: run + "pytest --junitxml=junit.xml", Reports: []string{"junit.xml"}}
	again := s.Command
	asked := covOption.MatchString(y.metadata) || covOption.MatchString(y.text("pytest.ini"))
	if covWord.MatchString(y.metadata) || asked {
		if asked { // a few files would not reach a floor
			again += " --no-cov"
		} else {
			s.Command += " --cov"
		}
		s.Command += " --cov-report=term --cov-report=xml:coverage/coverage.xml"
		s.Artifacts = []Artifact{coverageArtifact("coverage")}
	}
	s.Rerun = again + " {files}"
	switch {
	case y.tox != "" || y.table("tool", "tox") != nil:
		s.Notes = append(s.Notes, "tox runs them for each of its environments: this runs them once, in the one at hand")
	case y.nox != "":
		s.Notes = append(s.Notes, "nox runs them for each of its sessions: this runs them once, in the environment at hand")
	}
	return s
}

// uvRun is how uv runs pytest: with the group or the extra that has it, unless uv installs it anyway.
func (y pythonProject) uvRun() string {
	groups := y.table("dependency-groups")
	usual := leavesOf(y.table("tool", "uv")["default-groups"])
	if len(usual) == 0 {
		usual = []string{"dev"}
	}
	if slices.ContainsFunc(usual, func(g string) bool { return inGroup(groups, g, 0) }) {
		return "uv run "
	}
	for _, g := range sortedKeys(groups) {
		if inGroup(groups, g, 0) {
			return "uv run --group " + shellWord(g) + " "
		}
	}
	extras := y.table("project", "optional-dependencies")
	for _, e := range sortedKeys(extras) {
		if inGroup(extras, e, 0) {
			return "uv run --extra " + shellWord(e) + " "
		}
	}
	return "uv run "
}

// inGroup reports whether a group of dependencies, or one that it includes, has pytest.
func inGroup(groups map[string]any, name string, level int) bool {
	items, _ := groups[name].([]any)
	for _, item := range items {
		switch item := item.(type) {
		case string:
			if pytestWord.MatchString(item) {
				return true
			}
		case map[string]any:
			if other, ok := item["include-group"].(string); ok && level < 5 && inGroup(groups, other, level+1) {
				return true
			}
		}
	}
	return false
}

func leavesOf(value any) (all []string) {
	items, _ := value.([]any)
	for _, item := range items {
		if text, ok := item.(string); ok {
			all = append(all, text)
		}
	}
	return all
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		if plainName(k) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

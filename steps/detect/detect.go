// Package detect finds the steps that fit a workspace: how it is built and tested, and what that leaves behind.
//
// It reads a few files at the top of the workspace and runs nothing.
package detect

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// Step is a detected step.
type Step struct {
	Name      string
	Command   string
	Reports   []string
	Artifacts []Artifact
	Rerun     string   // the command that runs failed tests again; empty for none
	Why       string   // the tool that it was recognised by
	Notes     []string // comments worth having in the file
}

// Artifact is a folder that a step leaves behind.
type Artifact struct {
	Name, Path, When string
	Mirror, Optional bool
}

// Found are the tools and the steps of a workspace.
type Found struct {
	What  []string // "pnpm", "vitest": in the order in which they were recognised
	Steps []Step
}

// Workspace detects the steps of a workspace. An unknown workspace has none; the error is of reading files.
func Workspace(dir string) (Found, error) {
	w := workspace{dir: dir}
	var found Found
	for _, look := range []func(*workspace, *Found) error{javascript, golang, python, others} {
		if err := look(&w, &found); err != nil {
			return Found{}, err
		}
	}
	return found, nil
}

func (f *Found) is(what string) { f.What = append(f.What, what) }

// add keeps the first step of each name: the main language of a workspace comes first.
func (f *Found) add(s Step) {
	for _, have := range f.Steps {
		if have.Name == s.Name {
			return
		}
	}
	f.Steps = append(f.Steps, s)
}

// workspace reads files of a folder.
type workspace struct{ dir string }

func (w workspace) has(name string) bool {
	_, err := os.Stat(filepath.Join(w.dir, filepath.FromSlash(name)))
	return err == nil
}

func (w workspace) first(names ...string) string {
	for _, name := range names {
		if w.has(name) {
			return name
		}
	}
	return ""
}

// text returns a file's text, "" for one that is not there.
func (w workspace) text(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(w.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}

// ignores reports whether the .gitignore of the workspace names a folder.
func (w workspace) ignores(folder string) bool {
	text, err := w.text(".gitignore")
	return err == nil && slices.ContainsFunc(strings.Split(text, "\n"), func(line string) bool {
		return strings.Trim(strings.TrimSpace(line), "/") == folder
	})
}

// ReadError is for a file that cannot be parsed.
type ReadError struct {
	Path string
	Err  error
}

func (e *ReadError) Error() string { return fmt.Sprintf("%s cannot be read: %v", e.Path, e.Err) }

func (e *ReadError) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *ReadError) Hint() string { return "correct it, or write runner.yaml by hand: see the README" }

// manifest are the keys of package.json that matter here.
type manifest struct {
	PackageManager  string            `json:"packageManager"`
	Scripts         map[string]string `json:"scripts"`
	Dependencies    map[string]string `json:"dependencies"`
	DevDependencies map[string]string `json:"devDependencies"`
	Main            string            `json:"main"`
	Module          string            `json:"module"`
	Types           string            `json:"types"`
	Files           []string          `json:"files"`
	Jest            json.RawMessage   `json:"jest"`
}

func (m manifest) depends(on string) bool {
	return m.Dependencies[on] != "" || m.DevDependencies[on] != ""
}

// manager is a package manager, which knows how to run a script with arguments.
type manager struct{ name string }

func (m manager) script(name, arguments string) string {
	line := m.name + " run " + name
	if arguments == "" {
		return line
	}
	if m.name == "npm" { // which does not pass flags on
		return line + " -- " + arguments
	}
	return line + " " + arguments
}

func javascript(w *workspace, found *Found) error {
	text, err := w.text("package.json")
	if err != nil || text == "" {
		return err
	}
	var p manifest
	if err := json.Unmarshal([]byte(strings.TrimPrefix(text, "\ufeff")), &p); err != nil {
		return &ReadError{"package.json", err}
	}
	m := manager{name: "npm"}
	if name, _, ok := strings.Cut(p.PackageManager, "@"); ok {
		m.name = name
	}
	switch w.first("pnpm-lock.yaml", "yarn.lock", "package-lock.json", "npm-shrinkwrap.json") {
	case "pnpm-lock.yaml":
		m.name = "pnpm"
	case "yarn.lock":
		m.name = "yarn"
	case "package-lock.json", "npm-shrinkwrap.json":
		m.name = "npm"
	}
	found.is(m.name)
	if script := p.Scripts["build"]; script != "" {
		found.add(p.build(w, m))
	}
	if s, ok := p.test(w, m); ok {
		found.is(s.Why)
		found.add(s)
	}
	if p.Scripts["lint"] != "" {
		found.add(Step{Name: "lint", Command: m.script("lint", "")})
	}
	if w.has("scripts/migrate.js") {
		found.add(Step{Name: "migrate", Command: "node scripts/migrate.js"})
	}
	return nil
}

// outputs are folders that builds are known to write, the likely ones first.
var outputs = []string{"dist", "build", "lib", "out", "es", "esm", "cjs", ".next", ".output", "public/build"}

// build guesses where the build goes: to the folder that the package is published from, rather to one that git ignores,
// as others that are published may be sources.
func (p manifest) build(w *workspace, m manager) Step {
	s := Step{Name: "build", Command: m.script("build", "")}
	var candidates []string
	for _, name := range append([]string{p.Main, p.Module, p.Types}, p.Files...) {
		folder, _, _ := strings.Cut(strings.TrimPrefix(path.Clean("/"+strings.TrimLeft(name, "./")), "/"), "/")
		for _, output := range outputs {
			if folder == output {
				candidates = append(candidates, output)
			}
		}
	}
	if len(candidates) > 0 {
		output := candidates[0]
		if i := slices.IndexFunc(candidates, w.ignores); i >= 0 {
			output = candidates[i]
		}
		s.Artifacts = []Artifact{{Name: "builds", Path: output, When: "success"}}
		return s
	}
	output := "dist"
	switch {
	case p.depends("next"):
		output = ".next"
	case p.depends("react-scripts"):
		output = "build"
	}
	s.Artifacts = []Artifact{{Name: "builds", Path: output, When: "success", Optional: true}}
	s.Notes = []string{"where the build goes was guessed: take optional out when it is right"}
	return s
}

// runners are the tools that run tests, and the arguments with which they write a report.
var runners = []struct {
	name, dependency string
	call             *pattern.Pattern // in a script
	report           string           // arguments
	rerun            string           // arguments more, to run only what failed
	coverage         bool
}{
	{
		"vitest",
		"vitest",
		called("vitest"),
		"--reporter=default --reporter=junit --outputFile=junit.xml",
		"{files}",
		true,
	},
	{
		"jest",
		"jest-junit",
		called("jest|react-scripts test|craco test"),
		"--ci --reporters=default --reporters=jest-junit",
		"--coverage=false --runTestsByPath {files}",
		true,
	},
	{
		"mocha",
		"mocha-junit-reporter",
		called("_?mocha"),
		"--reporter mocha-junit-reporter --reporter-options mochaFile=junit.xml",
		"{files}",
		true,
	},
}

// called tells a tool among the words of a script, maybe by its path, from files and options that are called like it.
func called(tool string) *pattern.Pattern {
	return pattern.New(`(^|[\s;&|(/])(` + tool + `)(\.[cm]?js)?($|[\s;&|)])`)
}

// simple tells a script of one command: arguments behind it reach the tool, unless npm stands between.
var (
	simple = pattern.New(`^[^;&|()<>` + "`" + `]+$`)
	npmRun = pattern.New(`^npm\s+(run|run-script|test|t)\b`)
)

// measures tells a script that measures coverage, configures a configuration that does.
var (
	measures   = pattern.New(`\b(c8|nyc)\b|--coverage\b|--experimental-test-coverage`)
	configures = pattern.New(
		`collectCoverage["']?\s*:\s*true|(?s)\bcoverage["']?\s*:\s*\{[^}]*\benabled["']?\s*:\s*true`,
	)
)

// configured reports whether the configuration of jest or vitest asks for coverage.
func (p manifest) configured(w *workspace) bool {
	for _, tool := range []string{"jest.config", "vitest.config", "vite.config"} {
		for _, extension := range []string{"js", "ts", "mjs", "cjs", "mts", "json"} {
			if text, err := w.text(tool + "." + extension); err == nil && configures.MatchString(text) {
				return true
			}
		}
	}
	return configures.Match(p.Jest)
}

func (p manifest) test(w *workspace, m manager) (Step, bool) {
	script := p.Scripts["test"]
	if script == "" || strings.Contains(script, "no test specified") {
		return Step{}, false
	}
	s := Step{Name: "test", Command: m.script("test", ""), Reports: []string{}}
	measured := measures.MatchString(script) || p.configured(w)
	coverage := func() {
		if measured {
			s.Artifacts = []Artifact{{Name: "coverage", Path: "coverage", When: "always", Mirror: true, Optional: true}}
		}
	}
	more := func() {
		s.Notes = []string{
			"the script runs more than " + s.Why + ", so arguments for a report do not reach it: see steps/tests.md of the runner for its options",
		}
	}
	if nodeTest.MatchString(script) {
		s.Why = "node:test"
		if command, ok := p.nodeTest(m); ok {
			s.Command = command
			s.Reports = []string{"junit.xml"}
			s.Notes = []string{"the script of package.json, with a report"}
		} else {
			more()
		}
		coverage()
		return s, true
	}
	for i, r := range runners {
		if r.call.MatchString(script) {
			s.Why = r.name
			coverage()
			if !p.useRunner(&s, m, i, measured) {
				more()
			}
			return s, true
		}
	}
	if playwright.MatchString(script) && simple.MatchString(script) {
		s.usePlaywright(m)
		return s, true
	}
	s.Why = "a script of its own"
	coverage()
	return s, true
}

// useRunner has a tool write a report, and run again what failed. It returns false if arguments do not reach the tool:
// they go to the last command of the script, and the others before it need not run again.
func (p manifest) useRunner(s *Step, m manager, runner int, measured bool) bool {
	r := runners[runner]
	parts := strings.Split(p.Scripts["test"], "&&")
	last := strings.TrimSpace(parts[len(parts)-1])
	switch {
	case !r.call.MatchString(last) || !simple.MatchString(last) || npmRun.MatchString(last):
		return false
	case r.name == "mocha" && !p.depends(r.dependency): // mocha has a reporter of its own, which writes nothing else
		s.Command = m.script("test", "--reporter xunit --reporter-options output=junit.xml")
		s.Reports = []string{"junit.xml"}
		s.Notes = []string{
			"with mocha-junit-reporter in devDependencies, files are named, and what failed can be run again",
		}
	case r.name != "vitest" && !p.depends(r.dependency):
		s.Notes = []string{
			fmt.Sprintf("with %s in devDependencies, failing tests are named:", r.dependency),
			m.script("test", r.report),
		}
	default:
		s.Command = m.script("test", r.report)
		s.Reports = []string{"junit.xml"}
		s.Rerun = s.Command
		if len(parts) > 1 {
			s.Rerun = last + " " + r.report
		}
		if r.name == "vitest" && measured { // a few files would not reach a floor
			s.Rerun += " --coverage.enabled=false"
		}
		s.Rerun += " " + r.rerun
	}
	return true
}

var playwright = pattern.New(`\bplaywright test\b`)

func (s *Step) usePlaywright(m manager) {
	s.Why = "playwright"
	s.Command = "PLAYWRIGHT_JUNIT_OUTPUT_FILE=junit.xml " + m.script("test", "--reporter=list,junit")
	s.Reports = []string{"junit.xml"}
	s.Rerun = s.Command + " --last-failed"
}

// nodeTest tells a call of node's own tests: its options before --test, some of which have a value.
var nodeTest = pattern.New(
	`(^|[\s;&|])(node(?:\s+(?:(?:-r|--require|--import|--loader|--experimental-loader)\s+[^\s;&|]+|-[^\s;&|]+))*?\s+--test)($|[\s;&|])`,
)

// nodeTest is the test script with a report for node's own tests, and with what the package manager runs before and after
// it; false if there is no place for a report.
func (p manifest) nodeTest(m manager) (string, bool) {
	script := p.Scripts["test"]
	before, after := p.Scripts["pretest"] != "", p.Scripts["posttest"] != ""
	switch {
	case len(nodeTest.FindAllString(script, 2)) > 1: // the second would write over the report of the first
		return "", false
	case strings.Contains(script, "--test-reporter"):
		return "", false
	case (before || after) && strings.ContainsAny(strings.ReplaceAll(script, "&&", ""), ";&|\n#"):
		return "", false
	}
	line := nodeTest.ReplaceAllString(
		script,
		"${1}${2} --test-reporter=spec --test-reporter-destination=stdout --test-reporter=junit --test-reporter-destination=junit.xml${3}",
	)
	if before {
		line = m.script("pretest", "") + " && " + line
	}
	if after {
		line += " && " + m.script("posttest", "")
	}
	return line, true
}

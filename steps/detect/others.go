package detect

import (
	"slices"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// row is an ecosystem that one row of a table describes.
type row struct {
	label, mark string
	build, test string // without a command for the tests, the step fails until a person writes one
	reports     []string
	note        string
	alternative bool // whether it often stands beside another build of the same project, which then counts
}

var rows = []row{
	{
		label: "elixir", mark: "mix.exs", build: "mix compile", test: "mix test",
		note: "mix test writes no JUnit report: with junit_formatter among the formatters it does",
	},
	{
		label: "swift", mark: "Package.swift", build: "swift build",
		test: "swift test --parallel --xunit-output junit.xml", reports: []string{"junit.xml"},
	},
	{
		label: "meson", mark: "meson.build", build: "meson setup build && meson compile -C build",
		test:    "test -d build || meson setup build\nmeson test -C build --print-errorlogs",
		reports: []string{"build/meson-logs/testlog.junit.xml"}, alternative: true,
	},
	{
		label: "zig", mark: "build.zig", build: "zig build", test: "zig build test",
		note: "zig writes no JUnit report", alternative: true,
	},
	{label: "ocaml", mark: "dune-project", build: "dune build", test: "dune runtest", note: "dune writes no JUnit report"},
	{label: "haskell", mark: "stack.yaml", build: "stack build", test: "stack test", note: "stack writes no JUnit report"},
	{
		label: "erlang", mark: "rebar.config", build: "rebar3 compile", test: "rebar3 eunit",
		note: "rebar3 eunit writes no JUnit report here",
	},
	{label: "dart", mark: "pubspec.yaml", note: "a pubspec.yaml: dart test or flutter test; write the command here"},
	{
		label: "bazel", mark: "MODULE.bazel", alternative: true,
		note: "a MODULE.bazel: bazel test //... leaves its reports outside of the workspace; write the command here",
	},
	{label: "julia", mark: "Project.toml", note: "a Project.toml: write the command here"},
	{label: "r", mark: "DESCRIPTION", note: "a package of R: write the command here"},
	{label: "perl", mark: "cpanfile", note: "a cpanfile: prove -lr; write the command here"},
	{
		label: "haskell", mark: "*.cabal", alternative: true,
		note: "a package of cabal: cabal test all; write the command here",
	},
}

func (r row) name() string { return r.label }

func (r row) marks() []string { return []string{r.mark} }

func (r row) propose(project) (proposal, error) {
	out := proposal{what: []string{r.label}, fallback: r.alternative}
	if r.build != "" {
		out.steps = append(out.steps, Step{Name: "build", Command: r.build})
	}
	s := Step{Name: "test", Command: r.test, Reports: append([]string{}, r.reports...)}
	if r.note != "" {
		s.Notes = []string{r.note}
	}
	if r.test == "" {
		s.Command = stub.Command
	}
	out.steps = append(out.steps, s)
	return out, nil
}

// taskRunner is make, just and Task: what a project calls its steps, where no tool is recognised that says more of
// its tests.
type taskRunner struct{}

func (taskRunner) name() string { return "make" }

func (taskRunner) marks() []string {
	return []string{"Makefile", "GNUmakefile", "justfile", "Justfile", "Taskfile.yml", "Taskfile.yaml"}
}

var taskRunners = []struct {
	files         []string
	name, command string
	target        *pattern.Pattern // its group is the name of a target
}{
	{[]string{"Makefile", "GNUmakefile"}, "make", "make ", pattern.New(`(?m)^(build|tests?|check|lint)\s*:(?:[^=]|$)`)},
	{[]string{"justfile"}, "just", "just ", pattern.New(`(?m)^@?(build|tests?|check|lint)\b[^:=\n]*:([^=]|$)`)},
	{[]string{"Taskfile.yml", "Taskfile.yaml"}, "task", "task ", pattern.New(`(?m)^  (build|tests?|check|lint):`)},
}

func (taskRunner) propose(p project) (proposal, error) {
	out := proposal{fallback: true}
	for _, r := range taskRunners {
		file := p.first(r.files...)
		if file == "" {
			continue
		}
		text, err := p.must(file)
		if err != nil {
			return out, err
		}
		targets := map[string]bool{}
		for _, m := range r.target.FindAllStringSubmatch(text, -1) {
			targets[m[1]] = true
		}
		if len(targets) > 0 {
			out.what = append(out.what, r.name)
		}
		for _, step := range []struct {
			name    string
			targets []string
		}{{"build", []string{"build"}}, {"test", []string{"test", "tests", "check"}}, {"lint", []string{"lint"}}} {
			i := slices.IndexFunc(step.targets, func(t string) bool { return targets[t] })
			if i < 0 || slices.ContainsFunc(out.steps, func(s Step) bool { return s.Name == step.name }) {
				continue
			}
			s := Step{Name: step.name, Command: r.command + step.targets[i]}
			if step.name == "test" {
				s.Reports = []string{}
				s.Notes = []string{noReport}
			}
			out.steps = append(out.steps, s)
		}
	}
	return out, nil
}

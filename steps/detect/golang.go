package detect

import (
	"path"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// golang is Go, with one module, several, or a go.work.
type golang struct{}

func (golang) name() string { return "go" }

func (golang) marks() []string { return []string{"go.mod", "go.work"} }

// gotestsum is the one that is asked for where a workspace has none.
const gotestsum = "go run gotest.tools/gotestsum@v1.13.0"

// toolLine is the directive by which a module has gotestsum as a tool of its own, alone or in a block.
var toolLine = pattern.New(`(?m)^(tool\s+|\s+)gotest\.tools/gotestsum\s*(//.*)?$`)

func (golang) propose(p project) (proposal, error) {
	out := proposal{what: []string{"go"}}
	mod, err := p.must("go.mod")
	if err != nil {
		return out, err
	}
	work, err := p.must("go.work")
	if err != nil {
		return out, err
	}
	run := gotestsum
	if toolLine.MatchString(mod) {
		run = "go tool gotestsum"
	}
	folders := used(work)
	modules, left := p.modules(mod != "", folders)
	for _, dir := range left {
		out.leftOut = append(out.leftOut, dir+" (a Go module without tests, or one that shows or supports others)")
	}
	if len(folders) == 0 && (mod == "" || len(modules) > 1) {
		out.steps = severalModules(modules)
		return out, nil
	}
	packages := "./..."
	if len(folders) > 0 {
		packages = strings.Join(folders, " ")
	}
	rerun := run + " --junitfile junit.xml -- -count=1 -run {tests} {packages}"
	out.steps = []Step{
		{Name: "build", Command: "go build " + packages},
		{
			Name:      "test",
			Command:   "mkdir -p coverage && " + run + " --junitfile junit.xml -- -coverprofile=coverage/cover.out " + packages,
			Reports:   []string{"junit.xml"},
			Artifacts: []Artifact{coverageArtifact("coverage")},
			Rerun:     rerun,
		},
		{Name: "lint", Command: "go vet " + packages},
	}
	return out, nil
}

// severalModules are steps that go through modules which no go.work joins: ./... stays within one.
func severalModules(modules []string) []Step {
	if len(modules) == 0 { // a go.work without modules
		return nil
	}
	words := make([]string, len(modules))
	for i, m := range modules {
		words[i] = shellWord(m)
	}
	each := func(command string) string {
		return "status=0\nfor module in " + strings.Join(words, " ") + "; do\n" +
			"  (cd \"$module\" && " + command + ") || status=$?\ndone\nexit $status"
	}
	return []Step{
		{Name: "build", Command: each("go build ./...")},
		{
			Name: "test",
			Command: "mkdir -p coverage\ntop=$PWD number=0\n" + strings.Replace(
				each(gotestsum+" --junitfile junit.xml -- \\\n    -coverprofile=\"$top/coverage/cover-$number.out\" ./..."),
				"do\n", "do\n  number=$((number + 1))\n", 1),
			Reports:   []string{"**/junit.xml"},
			Artifacts: []Artifact{coverageArtifact("coverage")},
			Rerun:     gotestsum + " --junitfile junit.xml -- -count=1 -run {tests} {packages}",
			Notes:     []string{"no go.work joins the modules: each is tested in its folder"},
		},
		{Name: "lint", Command: each("go vet ./...")},
	}
}

// modules are the folders of the Go modules of a project, "." for its own, that have tests and are no part of a
// go.work; left are the others.
func (p project) modules(own bool, joined []string) (modules, left []string) {
	if own {
		modules = append(modules, ".")
	}
	if len(joined) > 0 {
		return modules, nil
	}
	for _, dir := range p.nested {
		local := relative(p.dir, dir)
		base := path.Base(dir)
		switch {
		case !p.sources(dir, "*_test.go"), slices.Contains([]string{"examples", "example", "tools"}, base):
			left = append(left, dir)
		default:
			modules = append(modules, local)
		}
	}
	return modules, left
}

// uses is what a go.work has after use, in a line or in a block.
var (
	uses    = pattern.New(`(?ms)^use\s*\((.*?)^\)|^use[ \t]+([^\n]+)`)
	comment = pattern.New(`//.*`)
)

// used are the packages of all modules of a go.work: ./... are only those of the folder's own, and an error if it
// has none. They are words for the shell.
func used(work string) (all []string) {
	for _, use := range uses.FindAllStringSubmatch(work, -1) {
		for line := range strings.SplitSeq(use[1]+use[2], "\n") {
			folder := strings.Trim(strings.TrimSpace(comment.ReplaceAllString(line, "")), "\"`")
			if folder == "" || !plainName(folder) {
				continue
			}
			all = append(all, shellWord(strings.TrimSuffix(folder, "/")+"/..."))
		}
	}
	return all
}

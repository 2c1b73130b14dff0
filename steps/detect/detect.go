// Package detect proposes the runner.yaml of a workspace: how it is built and tested, and what that leaves behind.
//
// It reads files and runs nothing. Each ecosystem is a file of its own (golang.go, python.go, node.go) with one type.
// To add one, write such a file, list its type in ecosystems, and add a tree to testdata; `go test -update` writes the
// runner.yaml beside it. An ecosystem without peculiarities is a row of others.go, a tool of JavaScript one of
// node_tools.go or node_build.go. check.sh holds what is written against the plain commands of real projects.
package detect

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/carlin-cicd/runner/steps"
)

// ecosystem is a language or a build tool.
type ecosystem interface {
	// name is how messages and the names of steps say it: "go" gives test-go where the tests of another language are
	// called test.
	name() string
	// marks are the files that make a folder a project of it; "*" stands for any characters.
	marks() []string
	// propose returns the steps of a project. The error is a *ReadError.
	propose(p project) (proposal, error)
}

// ecosystems are in the order in which they name the steps of a workspace: where the first has a test, those of the
// others get longer names.
func ecosystems() []ecosystem {
	all := []ecosystem{node{}, deno{}, golang{}, python{}, rust{}, jvm{}, ruby{}, php{}, dotnet{}, cmake{}}
	for _, r := range rows {
		all = append(all, r)
	}
	return append(all, taskRunner{})
}

// Step is a detected step.
type Step struct {
	Name      string
	Directory string // relative to the workspace; "" or "." for the workspace itself
	Command   string
	Reports   []string   // nil if it runs no tests; empty if its tests write no report
	Artifacts []Artifact // what it leaves behind
	Coverage  string     // the folder of its coverage, where no artifact called coverage has it
	Rerun     string     // the command that runs failed tests again; empty for none
	Notes     []string   // comments worth having in the file
	Services  []string   // lines that propose services, as comments
}

// Artifact is a folder that a step leaves behind.
type Artifact struct {
	Name, Path, When string
	Mirror, Optional bool
	Note             string // a comment: where the path was read, or that it was guessed
}

// Found are the tools and the steps of a workspace.
type Found struct {
	What    []string // "pnpm", "vitest": in the order in which they were recognised
	Steps   []Step
	LeftOut []string // what a person may want a step for, one a line
	Setup   string   // the command that installs dependencies, "" where the runner knows it
	Ignore  []string // lines that .gitignore lacks, for what the steps write
}

// noReport is a note for tests that leave none.
const noReport = "no tool that writes a JUnit report was recognised: the exit code decides, failed tests are not named"

// project is a folder that an ecosystem recognised.
type project struct {
	*tree
	dir    string   // relative to the workspace, "." for the workspace itself
	nested []string // folders below it with the same marks, relative to the workspace
}

// proposal are the steps of one project, called "build", "test" and so on.
type proposal struct {
	what     []string
	steps    []Step
	leftOut  []string
	setup    string // the command that installs what a lockfile pins
	fallback bool   // whether its steps only count where no other ecosystem has one of the name
}

// Workspace detects the steps of a workspace. An unknown workspace has none. The error is a *ReadError.
func Workspace(dir string) (Found, error) {
	t, err := scan(dir)
	if err != nil {
		return Found{}, err
	}
	defer t.close()
	var found Found
	all := candidates(t)
	main := -1 // the one whose steps are called build and test: the first with tests
	for i := range all {
		c := &all[i]
		p, err := c.propose(c.project)
		switch {
		case err != nil && c.dir == ".":
			return Found{}, err
		case err != nil:
			found.leave(err.Error())
			continue
		case c.dir != "." && aside(c.dir):
			found.leave(fmt.Sprintf("%s (%s)", c.dir, c.name()))
			continue
		}
		c.proposal = p
		tests := slices.ContainsFunc(p.steps, func(s Step) bool { return s.Name == "test" })
		if len(p.steps) > 0 && !p.fallback && (main < 0 || tests && !all[main].tests) {
			main = i
		}
		c.tests = tests
	}
	for i, c := range all {
		found.take(c, func(step string) bool { return i == main || c.fallback || onlyOne(all, step) })
	}
	if t.cut != "" {
		found.leave(t.cut)
	}
	if i := slices.IndexFunc(found.Steps, func(s Step) bool { return s.Name == "test" }); i >= 0 {
		found.Steps[i].Services = services(t)
	}
	found.Setup = setupOf(dir, all)
	found.Ignore = ignoreLines(t, found.Steps)
	return found, nil
}

// onlyOne reports whether no two projects have a step of a name, which can then keep it.
func onlyOne(all []candidate, step string) bool {
	count := 0
	for _, c := range all {
		if !c.fallback && slices.ContainsFunc(c.steps, func(s Step) bool { return s.Name == step }) {
			count++
		}
	}
	return count == 1
}

// setupOf is the command that installs the dependencies of all projects, "" if the runner knows it by itself.
func setupOf(dir string, all []candidate) string {
	var lines []string
	if line := steps.Collect(dir, nil).Setup().Command.Line; line != "" {
		lines = append(lines, line)
	}
	known := len(lines)
	for _, c := range all {
		if c.dir == "." && c.setup != "" {
			lines = append(lines, c.setup)
		}
	}
	if len(lines) == known {
		return ""
	}
	return strings.Join(lines, " && ")
}

// candidate is a project with its ecosystem.
type candidate struct {
	ecosystem
	project
	proposal
	tests bool
}

// candidates are the projects of a workspace, those of its own folder first. A project within one of the same
// ecosystem belongs to it.
func candidates(t *tree) []candidate {
	var all []candidate
	for _, e := range ecosystems() {
		for _, dir := range t.withMarks(e.marks()) {
			i := slices.IndexFunc(all, func(c candidate) bool { return c.name() == e.name() && within(c.dir, dir) })
			if i >= 0 {
				all[i].nested = append(all[i].nested, dir)
				continue
			}
			all = append(all, candidate{ecosystem: e, project: project{tree: t, dir: dir}})
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return depth(all[i].dir) < depth(all[j].dir) })
	return all
}

// maxSteps is about how many steps are proposed: a file with more is not one that a person reads.
const maxSteps = 30

// take adds the steps of a project under names that are free. plain reports whether a step can keep its name.
func (f *Found) take(c candidate, plain func(step string) bool) {
	if c.fallback {
		c.steps = slices.DeleteFunc(c.steps, func(s Step) bool {
			if f.has(s.Name) && s.Command != stub.Command {
				f.leave(strings.ReplaceAll(s.Command, "\n", "; "))
			}
			return f.has(s.Name)
		})
		if len(c.steps) == 0 {
			return
		}
	}
	if len(f.Steps) >= maxSteps {
		f.leave(fmt.Sprintf("%s (%s)", c.dir, c.name()))
		return
	}
	for _, s := range c.steps {
		if c.dir != "." {
			s.Directory = c.dir
		}
		before := s.Name
		s.Name = f.free(s.Name, plain(s.Name), c)
		f.renameArtifacts(&s, strings.TrimPrefix(s.Name, before))
		f.Steps = append(f.Steps, s)
	}
	for _, what := range c.what {
		if !slices.Contains(f.What, what) {
			f.What = append(f.What, what)
		}
	}
	for _, line := range c.leftOut {
		f.leave(line)
	}
}

// maxKind is how long the name of an artifact may be.
const maxKind = 63

// renameArtifacts gives artifacts names that no other step has: a second set of a name would replace the first.
func (f *Found) renameArtifacts(s *Step, suffix string) {
	for i := range s.Artifacts {
		a := &s.Artifacts[i]
		if !f.publishes(a.Name) {
			continue
		}
		if a.Name == "coverage" {
			s.Coverage = a.Path
		}
		name := a.Name + suffix
		for n := 2; f.publishes(name) || len(name) > maxKind; n++ {
			name = fmt.Sprintf("%.40s-%d", a.Name, n)
		}
		a.Name = name
	}
}

// publishes reports whether a step publishes artifacts of a name.
func (f *Found) publishes(name string) bool {
	return slices.ContainsFunc(f.Steps, func(s Step) bool {
		return slices.ContainsFunc(s.Artifacts, func(a Artifact) bool { return a.Name == name })
	})
}

func (f *Found) has(step string) bool {
	return slices.ContainsFunc(f.Steps, func(s Step) bool { return s.Name == step })
}

// maxLeftOut is how many lines of what was left out are worth reading.
const maxLeftOut = 12

func (f *Found) leave(line string) {
	switch {
	case len(f.LeftOut) < maxLeftOut:
		f.LeftOut = append(f.LeftOut, line)
	case len(f.LeftOut) == maxLeftOut:
		f.LeftOut = append(f.LeftOut, "and others")
	}
}

// free returns a name for a step of a project: its own if that is plain, else test-go or test-frontend.
func (f *Found) free(step string, plain bool, c candidate) string {
	names := []string{step + "-" + c.name()}
	if c.dir != "." {
		names = []string{step + "-" + slug(c.dir[strings.LastIndex(c.dir, "/")+1:]), step + "-" + slug(c.dir)}
		names = append(names, names[1]+"-"+c.name())
	}
	if plain {
		names = append([]string{step}, names...)
	}
	for _, name := range names {
		if !f.has(name) {
			return name
		}
	}
	for i := 2; ; i++ {
		if name := fmt.Sprintf("%s-%d", names[len(names)-1], i); !f.has(name) {
			return name
		}
	}
}

// slug is text as a part of the name of a step or an artifact.
func slug(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else if !strings.HasSuffix(b.String(), "-") {
			b.WriteByte('-')
		}
	}
	s := strings.Trim(b.String(), "-")
	return cmp.Or(s[:min(len(s), 40)], "other")
}

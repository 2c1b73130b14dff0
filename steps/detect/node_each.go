package detect

import (
	"path"
	"slices"
	"strings"
)

// testEach is the step of the tests of a workspace whose own package has none.
func (f *follower) testEach() (Step, string, bool) {
	text := f.manager.inEach(f.manager.eachTest, "test", "")
	l, ok := f.lineOf(text)
	if !ok {
		return Step{}, "", false
	}
	s := Step{Name: "test", Command: text, Reports: []string{}}
	if len(l.runs()) == 0 {
		s.Notes = append(s.Notes, noReport)
		return s, "scripts of its packages", true
	}
	f.reportEach(&s, l, "")
	f.coverage(&s, l, l.runs())
	return s, toolNames(l.runs()), true
}

// lineOf follows a line as if it were a script of the workspace's own package; false if no package has its script.
func (f *follower) lineOf(text string) (*line, bool) {
	all, ok := commands(text)
	if !ok || len(f.members) == 0 {
		return nil, false
	}
	l := &line{pkg: f.root, followed: true}
	for _, c := range all {
		l.parts = append(l.parts, f.part(f.root, c, nil))
	}
	return l, len(l.parts[0].calls) > 0
}

// reportEach has the tools of packages write a report in each of them. name is the script of the workspace that runs
// them; "" if there is none.
func (f *follower) reportEach(s *Step, l *line, name string) {
	arguments, rerun, note := f.eachArguments(l)
	if note != "" {
		s.Notes = append(s.Notes, note)
		return
	}
	last := &l.parts[len(l.parts)-1]
	separator := " "
	if !last.hop.passes && !slices.Contains(last.words, "--") {
		separator = " -- "
	}
	switch {
	case !l.followed || !sequence(commandsOf(l.parts)) || !last.all || last.joiner != "":
		s.Notes = append(s.Notes, beside(toolNames(l.runs())))
		return
	case name != "" && separator == " ":
		s.Command = f.manager.script(name, arguments)
	case l.before != nil || l.after != nil:
		s.Notes = append(s.Notes, beside(toolNames(l.runs())))
		return
	default:
		var b strings.Builder
		for i, p := range l.parts {
			if b.WriteString(f.manager.program(p.command)); i < len(l.parts)-1 {
				b.WriteString(" " + p.joiner + " ")
			}
		}
		s.Command = b.String() + separator + arguments
	}
	s.Reports, s.Rerun = []string{path.Join(around(foldersOf(l)), "**/junit.xml")}, rerun
	if strings.Contains(last.text, "turbo") {
		s.Notes = append(s.Notes, "turbo restores junit.xml of what it has cached only if turbo.json lists it among outputs")
	}
	if strings.HasPrefix(last.text, "nx ") {
		s.Notes = append(s.Notes, "nx restores junit.xml of what it has cached only if the target's outputs have it")
	}
	if strings.HasPrefix(last.text, "pnpm") && !strings.Contains(last.text, "--no-bail") {
		s.Notes = append(s.Notes, "pnpm ends at the first package that fails: with --no-bail the others have reports, too")
	}
}

// foldersOf are the folders of the packages whose tests a script comes to, relative to its own.
func foldersOf(l *line) (folders []string) {
	for _, r := range l.runs() {
		folders = append(folders, relative(l.pkg.dir, r.line.pkg.dir))
	}
	return folders
}

// eachArguments are the arguments by which the one tool of all packages writes reports, and the command that runs what
// failed in one of them.
func (f *follower) eachArguments(l *line) (arguments, rerun, note string) {
	all := l.runs()
	tool, first := all[0].part.use.tool, all[0]
	for _, r := range all {
		reached, ok := r.line.reaches()
		switch {
		case r.part.use.tool != tool:
			return "", "", "packages use " + toolNames(all) + ", which take different arguments for a report: " +
				"see steps/tests.md of the runner"
		case !ok || reached.part != r.part || tool.before+tool.prepare != "" || r.line.name != first.line.name:
			return "", "", beside(toolNames(all))
		}
		if note := r.obstacle(f); note != "" {
			return "", "", note
		}
	}
	_, arguments = (&writer{manager: f.manager}).reportOf(first.line.pkg, first.part)
	if tool.rerun != "" {
		again := arguments
		if tool.bare != "" && slices.ContainsFunc(all, func(r run) bool {
			return measures.MatchString(r.part.text) || r.line.pkg.configured(tool)
		}) {
			again += " " + tool.bare
		}
		rerun = f.manager.script(first.line.name, again+" "+tool.rerun)
	}
	return arguments, rerun, ""
}

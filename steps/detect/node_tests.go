package detect

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// run is a test tool that a script comes to.
type run struct {
	line *line
	part *part
}

// runs are the test tools that a script comes to, in their order.
func (l *line) runs() (all []run) {
	if l == nil {
		return nil
	}
	all = append(all, l.before.runs()...)
	for i := range l.parts {
		p := &l.parts[i]
		if p.use.tool != nil {
			all = append(all, run{l, p})
		}
		for _, called := range p.calls {
			all = append(all, called.runs()...)
		}
	}
	return append(all, l.after.runs()...)
}

// reaches reports whether words behind a script reach its last tool.
func (l *line) reaches() (run, bool) {
	if l == nil || !l.followed || len(l.parts) == 0 || !sequence(commandsOf(l.parts)) {
		return run{}, false
	}
	p := &l.parts[len(l.parts)-1]
	switch {
	case p.joiner != "":
		return run{}, false
	case p.use.tool != nil:
		return run{l, p}, !p.use.tool.inside && len(p.waits()) == 0
	case len(p.calls) == 1 && !p.all && p.hop.passes && !hasPattern(p.hop.names):
		return p.calls[0].reaches()
	}
	return run{}, false
}

func hasPattern(names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "/") || strings.Contains(n, "*") })
}

func commandsOf(parts []part) []command {
	all := make([]command, len(parts))
	for i, p := range parts {
		all[i] = p.command
	}
	return all
}

// waits are the flags, or the first word, that tell a tool to wait for changes.
func (p *part) waits() (flags []string) {
	for i, w := range p.use.args {
		if slices.Contains(p.use.tool.watch, w) && (i == 0 || strings.HasPrefix(w, "-")) {
			flags = append(flags, w)
		}
	}
	return flags
}

// testScripts are names of the script that runs the tests, the usual one first.
var testScripts = []string{"test", "test:unit", "unit", "test:ci", "test:run", "tests", "test:all"}

// placeholder tells the script that npm init writes.
const placeholderScript = "no test specified"

// test is the step of a package's tests, and what they run with.
func (f *follower) test(pkg *nodePackage) (Step, string, bool) {
	i := slices.IndexFunc(testScripts, func(name string) bool {
		text := pkg.script(name)
		return text != "" && !strings.Contains(text, placeholderScript)
	})
	if i < 0 {
		return f.testEach()
	}
	s := Step{Name: "test", Reports: []string{}}
	name := testScripts[i]
	if i > 0 {
		s.Notes = append(s.Notes, "package.json has no script called test: this is "+name)
	}
	l := f.follow(pkg, name)
	all := l.runs()
	s.Command = f.manager.script(name, "")
	switch {
	case len(all) == 0:
		return s, f.unknown(&s, l), true
	case slices.ContainsFunc(all, func(r run) bool { return r.line.pkg.dir != pkg.dir }):
		f.reportEach(&s, l, name)
	default:
		f.report(&s, l, all)
	}
	for _, r := range all {
		if flags := r.part.waits(); len(flags) > 0 && s.Command == f.manager.script(name, "") {
			s.Notes = append(s.Notes, flags[0]+" in the script waits for changes: take it out, or the step does not end")
			break
		}
	}
	f.coverage(&s, l, all)
	i = slices.IndexFunc(coverageScripts, func(name string) bool { return pkg.script(name) != "" })
	if i >= 0 && len(s.Artifacts) == 0 {
		s.Notes = append(s.Notes, "coverage is measured by the script "+coverageScripts[i]+", not by this one")
	}
	return s, toolNames(all), true
}

// coverageScripts are names of a script that measures coverage where test does not.
var coverageScripts = []string{"test:coverage", "test:cov", "coverage", "cover", "cov"}

func toolNames(all []run) string {
	var names []string
	for _, r := range all {
		if !slices.Contains(names, r.part.use.tool.name) {
			names = append(names, r.part.use.tool.name)
		}
	}
	return strings.Join(names, ", ")
}

// mentions finds the name of a tool in a script whose syntax is not followed.
var mentions = pattern.New(
	`(?:^|[\s;&|(/"'])(vitest|jest|mocha|playwright|ava|tap|cypress|uvu)(?:\.[cm]?js)?(?:$|[\s;&|)"'])`)

func (f *follower) unknown(s *Step, l *line) string {
	if text := l.pkg.script(l.name); measures.MatchString(text) {
		s.Artifacts = []Artifact{coverageArtifact(l.pkg.coverageFolder(text))}
	}
	if m := mentions.FindStringSubmatch(l.pkg.script(l.name)); m != nil {
		s.Notes = append(s.Notes, beside(m[1]))
		return m[1]
	}
	s.Notes = append(s.Notes, noReport)
	return "a script of its own"
}

func beside(tool string) string {
	return "the script runs more than " + tool + ", so arguments for a report do not reach it: " +
		"see steps/tests.md of the runner for its options"
}

// report has the tools of a script write reports, and run again what failed.
func (f *follower) report(s *Step, l *line, all []run) {
	if len(all) == 1 && f.reportOfItsOwn(s, l, all[0]) {
		return
	}
	for _, r := range all {
		if note := r.obstacle(f); note != "" {
			s.Notes = append(s.Notes, note)
			f.endWatch(s, l)
			return
		}
	}
	if t := all[0].part.use.tool; t.after != "" && len(all) == 1 {
		after := strings.Replace(t.after, "%", f.manager.exec, 1)
		s.Command = "code=0\n" + s.Command + " || code=$?\n" + after + "\nexit $code"
		s.Reports = []string{"junit.xml"}
		return
	}
	w := &writer{manager: f.manager, several: len(all) > 1}
	if w.several && slices.ContainsFunc(all, func(r run) bool { return r.part.use.tool.prepare != "" }) {
		s.Notes = append(s.Notes, beside(toolNames(all))) // whose reports cannot be told apart
		return
	}
	if r, ok := l.reaches(); ok && len(all) == 1 {
		variables, arguments := w.reportOf(r.line.pkg, r.part)
		s.Command = variables + f.manager.script(l.name, arguments)
	} else if text, ok := w.render(l); ok {
		s.Command = text
		s.Notes = append(s.Notes, "the script "+l.name+" of package.json, with a report")
		if w.changed {
			s.Notes = append(s.Notes, "its scripts run one after another here")
		}
	} else {
		s.Notes = append(s.Notes, beside(toolNames(all)))
		return
	}
	s.Reports = []string{"junit.xml"}
	if w.several {
		s.Reports = []string{"junit-*.xml"}
		return
	}
	s.Rerun = f.rerun(l, all[0], s.Command)
	s.Command = w.prepared + s.Command
}

// reportOfItsOwn uses a report that the project asks for by itself, in its script or in its tool's configuration.
func (f *follower) reportOfItsOwn(s *Step, l *line, r run) bool {
	report := r.ownReport()
	if report == "" {
		var file string
		if report, file = r.line.pkg.configuredReport(r.part.use.tool); report == "" {
			return false
		}
		s.Notes = append(s.Notes, "the report is the one that "+file+" asks for")
	}
	s.Reports = []string{report}
	f.endWatch(s, l)
	if _, ok := l.reaches(); ok && r.part.use.tool.rerun != "" && len(l.parts) == 1 {
		s.Rerun = f.manager.script(l.name, r.bare(r.part.text)+r.part.use.tool.rerun)
	}
	return true
}

// ownReport is the report that a script asks for by itself, or "".
func (r run) ownReport() string {
	t := r.part.use.tool
	if t.own == nil {
		return ""
	}
	m := t.own.FindStringSubmatch(r.part.text)
	switch {
	case m == nil:
		return ""
	case m[1] != "" && localFolder(m[1]):
		return strings.TrimPrefix(m[1], "./")
	}
	return t.file
}

// obstacle says why a tool writes no report beside its log, "" if it does.
func (r run) obstacle(f *follower) string {
	t := r.part.use.tool
	var missing []string
	for _, name := range t.needs {
		if !r.line.pkg.depends(name) && !f.root.depends(name) {
			missing = append(missing, name)
		}
	}
	switch {
	case len(missing) > 0:
		how := "run runner init --force again"
		if t.prepare == "" {
			_, arguments := (&writer{manager: f.manager}).reportOf(r.line.pkg, r.part)
			how = t.before + f.manager.script(r.line.name, arguments)
		}
		return fmt.Sprintf("with %s in devDependencies, %s names failed tests: %s",
			strings.Join(missing, " and "), t.name, how)
	case t.alone != "" && strings.Contains(r.part.text, t.alone):
		return "the script chooses " + t.name + "'s reporters: with one for JUnit among them, failed tests are named"
	case t.after != "" && majorOf(r.line.pkg.dependencies["tap"]) < 18, t.after == "" && t.note != "":
		return t.note + ": the exit code decides, failed tests are not named"
	}
	return ""
}

// endWatch writes a script anew without flags for a person at a terminal, if it has some and can be written anew.
func (f *follower) endWatch(s *Step, l *line) {
	if !slices.ContainsFunc(l.runs(), func(r run) bool { return len(r.part.waits()) > 0 }) {
		return
	}
	if text, ok := (&writer{manager: f.manager, bare: true}).render(l); ok {
		s.Command = text
	}
}

// bare is the argument by which a rerun measures no coverage, "" if nothing measures any.
func (r run) bare(again string) string {
	t := r.part.use.tool
	measured := measures.MatchString(again) || measures.MatchString(r.part.text) || r.line.pkg.configured(t)
	if t.bare == "" || !measured {
		return ""
	}
	return t.bare + " "
}

// majorOf is the major version that a range such as "^16.0.0" begins with, 0 if there is none.
func majorOf(versions string) int {
	digits := strings.TrimLeft(versions, "^~>=v ")
	if i := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = digits[:i]
	}
	n, _ := strconv.Atoi(digits)
	return n
}

// rerun is the command that runs what failed: of a script with more than its tests, only these.
func (f *follower) rerun(l *line, r run, whole string) string {
	t := r.part.use.tool
	if t.rerun == "" {
		return ""
	}
	again := whole
	more := len(l.parts) > 1 || l.before != nil || l.after != nil || r.line != l
	if more || !strings.Contains(whole, " run "+shellWord(l.name)) {
		w := &writer{manager: f.manager}
		text, ok := w.tool(r.line.pkg, r.part)
		if !ok {
			return ""
		}
		variables := ""
		if t.before != "" {
			variables, text = t.before, strings.TrimPrefix(text, t.before)
		}
		if f.manager.name != "yarn" { // for which it is so already
			text = f.manager.program(command{text: text, words: r.part.words})
		}
		again = variables + text
	}
	return again + " " + r.bare(again) + t.rerun
}

func coverageArtifact(folder string) Artifact {
	return Artifact{Name: "coverage", Path: folder, When: "always", Mirror: true, Optional: true}
}

// coverage stores the coverage of what measures it: each package of a workspace its own.
func (f *follower) coverage(s *Step, l *line, all []run) {
	var folders []string
	whole := measures.MatchString(l.pkg.script(l.name))
	for _, r := range all {
		if whole || r.part.use.measured || measures.MatchString(r.part.text) || r.line.pkg.configured(r.part.use.tool) {
			folder := r.line.pkg.coverageFolder(r.part.text + " " + l.pkg.script(l.name))
			folder = path.Join(relative(l.pkg.dir, r.line.pkg.dir), folder)
			if !slices.Contains(folders, folder) {
				folders = append(folders, folder)
			}
		}
	}
	if len(folders) > 1 { // whose reports are read together
		s.Coverage = around(folders)
	}
	for i, folder := range folders {
		a := coverageArtifact(folder)
		if i > 0 || len(folders) > 1 {
			a.Name += "-" + slug(path.Base(path.Dir(folder)))
		}
		if i == maxArtifacts {
			s.Notes = append(s.Notes, "coverage of more packages is measured, but not stored")
			return
		}
		if !slices.ContainsFunc(s.Artifacts, func(b Artifact) bool { return b.Name == a.Name }) {
			s.Artifacts = append(s.Artifacts, a)
		}
	}
}

// around is the folder that all folders are in, "" if that is the workspace itself: it has much else.
func around(folders []string) string {
	parent := path.Dir(folders[0])
	for parent != "." && slices.ContainsFunc(folders, func(f string) bool { return !within(parent, f) }) {
		parent = path.Dir(parent)
	}
	return strings.TrimSuffix(parent, ".")
}

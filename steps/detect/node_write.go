package detect

import (
	"slices"
	"strconv"
	"strings"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// writer writes a script anew, with reports.
type writer struct {
	manager manager
	several bool // whether there are several reports, which get numbers
	count   int
	changed bool // whether scripts that ran beside each other now run one after another
	bare    bool // whether no report is asked for

	prepared string // commands before it, "" if there are none
}

// reportOf are the variables and arguments of a tool for the next report.
func (w *writer) reportOf(pkg *nodePackage, p *part) (variables, arguments string) {
	t := p.use.tool
	if w.bare {
		return "", ""
	}
	w.count++
	file := "junit.xml"
	if w.several {
		file = "junit-" + strconv.Itoa(w.count) + ".xml"
	}
	variables, arguments = t.before, t.report
	if t.prepare != "" {
		w.prepared = strings.Replace(t.prepare, "{reporter}", reporterOf(pkg, p), 1) + "\n"
	}
	if t.name == "jest" && w.several {
		variables = "JEST_JUNIT_OUTPUT_NAME=junit.xml "
	}
	chosen := slices.ContainsFunc(p.use.args, func(a string) bool { return strings.HasPrefix(a, "--reporter") })
	if t.name == "vitest" && chosen {
		arguments = strings.Replace(arguments, "--reporter=default ", "", 1) // its own are added to
	} else if t.option != "" {
		arguments = strings.Replace(arguments, t.option+"=default", pkg.reporters(t), 1)
	}
	return strings.ReplaceAll(variables, "junit.xml", file), strings.ReplaceAll(arguments, "junit.xml", file)
}

var (
	mochaReporter = pattern.New(`\s(?:--reporter|-R)[= ]([\w-]+)`)
	mochaRC       = pattern.New(`["']?reporter["']?\s*:\s*["']?([\w-]+)`)
)

// reporterOf is the reporter that a project reads: mocha takes one only.
func reporterOf(pkg *nodePackage, p *part) string {
	if m := mochaReporter.FindStringSubmatch(" " + strings.Join(p.use.args, " ")); m != nil {
		return m[1]
	}
	for _, file := range append(configFiles(".mocharc"), ".mocharc.jsonc", ".mocharc.yml", ".mocharc.yaml") {
		if m := mochaRC.FindStringSubmatch(pkg.project.text(file)); m != nil {
			return m[1]
		}
	}
	return "spec"
}

// render writes a script as a line for the shell in which each tool writes a report. It returns false where that would
// change what runs.
func (w *writer) render(l *line) (string, bool) {
	if !l.followed || !sequence(commandsOf(l.parts)) && len(l.runs()) > 0 {
		return "", false
	}
	var b strings.Builder
	if l.before != nil {
		text, ok := w.called(l.before, l.before.pkg, w.manager.script(l.before.name, ""))
		if !ok {
			return "", false
		}
		b.WriteString(text + " && ")
	}
	for i := range l.parts {
		text, ok := w.part(l.pkg, &l.parts[i])
		if !ok {
			return "", false
		}
		b.WriteString(text)
		switch joiner := l.parts[i].joiner; joiner {
		case "", "#":
		case ";":
			b.WriteString("; ")
		default:
			b.WriteString(" " + joiner + " ")
		}
	}
	if l.after != nil {
		text, ok := w.called(l.after, l.after.pkg, w.manager.script(l.after.name, ""))
		if !ok {
			return "", false
		}
		b.WriteString(" && " + text)
	}
	return b.String(), true
}

// called is the call of a script: as it is if no test tool is in it.
func (w *writer) called(l *line, pkg *nodePackage, call string) (string, bool) {
	if len(l.runs()) == 0 {
		return call, true
	}
	if r, ok := l.reaches(); ok && len(l.runs()) == 1 && pkg.dir == l.pkg.dir {
		variables, arguments := w.reportOf(r.line.pkg, r.part)
		return variables + w.manager.script(l.name, arguments), true
	}
	return w.inline(l)
}

func (w *writer) part(pkg *nodePackage, p *part) (string, bool) {
	if p.use.tool != nil {
		return w.tool(pkg, p)
	}
	tests := 0
	for _, l := range p.calls {
		tests += len(l.runs())
	}
	switch {
	case tests == 0 && w.manager.name == "yarn": // which may keep programs where PATH does not find them
		return w.manager.program(p.command), true
	case tests == 0:
		return p.text, true
	case p.all:
		return "", false
	case len(p.hop.rest) > 0:
		return w.withWords(p)
	}
	w.changed = w.changed || len(p.calls) > 1
	var all []string
	for _, l := range p.calls {
		text, ok := w.called(l, pkg, w.manager.script(l.name, ""))
		if !ok {
			return "", false
		}
		all = append(all, text)
	}
	return strings.Join(all, " && "), true
}

// withWords is the call of a script with words behind it, which are a part of the script where that is followed.
func (w *writer) withWords(p *part) (string, bool) {
	if len(p.calls) != 1 {
		return "", false
	}
	l := p.calls[0]
	if r, ok := l.reaches(); ok && len(l.runs()) == 1 && p.hop.passes {
		variables, arguments := w.reportOf(r.line.pkg, r.part)
		return strings.TrimRight(variables+p.text+" "+arguments, " "), true
	}
	return w.inline(l)
}

// inline writes the commands of a script in the place of its call.
func (w *writer) inline(l *line) (string, bool) {
	text, ok := w.render(l)
	if len(l.parts) > 1 || l.before != nil || l.after != nil {
		text = "(" + text + ")"
	}
	return text, ok
}

// tool is the call of a test tool with a report, and without flags for a person at a terminal.
func (w *writer) tool(pkg *nodePackage, p *part) (string, bool) {
	text := p.text
	for _, flag := range p.waits() {
		text = strings.TrimRight(strings.Replace(text+" ", " "+flag+" ", " ", 1), " ")
	}
	if p.use.tool.name == "vitest" && !slices.Contains(p.use.args, "run") && text != p.text {
		text = strings.Replace(text, "vitest", "vitest run", 1)
	}
	variables, arguments := w.reportOf(pkg, p)
	if p.use.tool.inside {
		if !nodeTestCall.MatchString(text) {
			return "", false
		}
		return nodeTestCall.ReplaceAllString(text, strings.TrimRight("${1} "+arguments, " ")+"${2}"), true
	}
	if w.manager.name == "yarn" {
		text = w.manager.program(command{text: text, words: p.words})
	}
	return strings.TrimRight(variables+text+" "+arguments, " "), true
}

// nodeTestCall tells a call of node's own tests, or deno's: its options before --test, some of which have a value.
var nodeTestCall = pattern.New(
	`((?:^|\s)(?:node|tsx)(?:\s+(?:(?:-r|--require|--import|--loader|--experimental-loader)\s+\S+|-\S+))*?\s+--test|` +
		`(?:^|\s)deno\s+test)($|\s)`,
)

package problem

import (
	"strings"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// one finds a problem that stands on a line of its own, or the start of one that goes on. Cheap tests come before the
// patterns: most lines of an output are none.
func (m *Matcher) one(n int, line string) (Problem, bool) {
	if c := line[0]; c == ' ' || c == '\t' {
		return m.indented(n, line)
	}
	if p, ok := ofJVM(n, line); ok {
		return p, ok
	}
	if p, ok := m.heads(n, line); ok || m.await != nil && m.await.At == n {
		return p, ok
	}
	if i := strings.IndexByte(line, '('); i > 0 && strings.Contains(line[i:], "): ") {
		if f := parenthesized.FindStringSubmatch(line); f != nil {
			return compiled(n, line, f), true
		}
	}
	if strings.IndexByte(line, ':') < 0 {
		m.Head(line)
		return Problem{}, false
	}
	return m.coloned(n, line)
}

// coloned reads PATH:LINE:COLUMN and what follows it.
func (m *Matcher) coloned(n int, line string) (Problem, bool) {
	p := Problem{At: n, To: n, Text: line}
	if strings.Contains(line, ".py:") {
		if at := pytestPlace.FindStringSubmatch(line); at != nil && !checker.MatchString(line[len(at[1]):]) {
			m.place = position{at[1], number(at[2]), n}
			return p, false
		}
	}
	var f []string
	if hasLocation(line) {
		f = located.FindStringSubmatch(line)
	}
	if f == nil {
		return m.linker(n, line)
	}
	p.Path, p.Line, p.Column = f[1], number(f[2]), number(f[3])
	rest := f[4]
	switch {
	case strings.HasPrefix(rest, "- "): // tsc --pretty
		t := pretty.FindStringSubmatch(rest)
		if t == nil {
			return p, false
		}
		p.Tool, p.Warning, p.Code, p.Message = "tsc", t[1] == "warning", t[2], t[3]
	case strings.HasSuffix(rest, "]") && unix.MatchString(rest):
		u := unix.FindStringSubmatch(rest)
		p.Tool, p.Message, p.Warning, p.Code = "eslint", u[1], u[2] == "Warning", u[3]
	case diagnostic.MatchString(rest):
		d := diagnostic.FindStringSubmatch(rest)
		p.Tool, p.Warning, p.Message = "gcc", d[1] == "warning", d[2]
		p.Tool = compilerOf(f[1])
		if code := bracketed.FindStringSubmatch(p.Message); code != nil && p.Tool == "mypy" {
			p.Message, p.Code = code[1], code[2]
		}
	case strings.HasSuffix(f[1], ".rb") && offense.MatchString(rest):
		o := offense.FindStringSubmatch(rest)
		p.Tool, p.Code, p.Message = "rubocop", o[2], o[3] // each offense fails the check
	case strings.HasSuffix(f[1], ".py") && violation.MatchString(rest):
		v := violation.FindStringSubmatch(rest)
		p.Tool, p.Code, p.Message = "ruff", v[1], v[2]
	case strings.HasSuffix(f[1], ".go") && p.Column > 0:
		p.Tool, p.Message, p.Path = "go", rest, strings.TrimPrefix(f[1], "vet: ")
	default:
		return p, false
	}
	p.Message = clip(p.Message)
	return p, p.Message != ""
}

// compilerOf names the tool that reports errors of a file as gcc does, by the file's name.
func compilerOf(path string) string {
	for suffix, tool := range map[string]string{
		".go": "go", ".java": "javac", ".py": "mypy", ".swift": "swiftc", ".kt": "kotlin", ".rs": "rustc", ".rb": "ruby",
	} {
		if strings.HasSuffix(path, suffix) {
			return tool
		}
	}
	return "gcc"
}

// linker reads what ld says: it knows objects, and no lines.
func (m *Matcher) linker(n int, line string) (Problem, bool) {
	if !strings.Contains(line, "undefined ref") && !strings.Contains(line, "multiple def") && !strings.Contains(line, "cannot find") {
		return Problem{}, false
	}
	if f := undefined.FindStringSubmatch(line); f != nil {
		return Problem{At: n, To: n, Tool: "ld", Message: clip(f[1]), Text: line}, true
	}
	return Problem{}, false
}

// compiled is a problem as tsc and the compilers of .NET print it.
func compiled(n int, line string, f []string) Problem {
	p := Problem{
		At: n, To: n, Tool: "tsc", Path: f[1], Line: number(f[2]), Column: number(f[3]), Warning: f[4] == "warning",
		Code: f[5], Message: clip(f[6]), Text: line,
	}
	if !strings.HasPrefix(p.Code, "TS") {
		p.Tool = "dotnet"
	}
	return p
}

// heads reads lines that begin with what they are, and starts of problems of several lines.
func (m *Matcher) heads(n int, line string) (p Problem, ok bool) {
	p = Problem{At: n, To: n, Text: line}
	switch line[0] {
	case 'e', 'w':
		if f := rustHead.FindStringSubmatch(line); f != nil {
			p.Tool, p.Warning, p.Code, p.Message = "rustc", f[1] == "warning", f[2], clip(f[3])
			m.begin(p, 3)
		} else if strings.HasPrefix(line, "error during build:") {
			p.Tool = "vite"
			m.begin(p, patience)
			m.viteRest(n, line)
		}
	case 'E':
		if f := pnpmError.FindStringSubmatch(line); f != nil {
			p.Tool, p.Code, p.Message = "pnpm", f[1], clip(f[2])
			return p, true
		} else if f := webpackHead.FindStringSubmatch(line); f != nil {
			p.Tool, p.Path, p.Line, p.Column = "webpack", f[1], number(f[2]), number(f[3])
			m.begin(p, 2)
		} else if strings.HasPrefix(line, "E  ") {
			m.pytest(p, strings.TrimSpace(line[1:]))
		}
	case 't':
		if f := rustPanic.FindStringSubmatch(line); f != nil {
			p.Tool, p.Path, p.Line, p.Column = "rust", f[2], number(f[3]), number(f[4])
			p.Text = "panicked in " + f[1]
			m.begin(p, 2)
		}
	case '-':
		if name, found := strings.CutPrefix(line, "--- FAIL: "); found {
			m.goTest(p, cutTime(name))
		}
	case '=':
		if f := goRun.FindStringSubmatch(line); f != nil {
			m.goName = f[1]
		}
	case 'm', 'g':
		if f := makeStop.FindStringSubmatch(line); f != nil {
			p.Tool, p.Message = "make", clip(f[1])
			return p, true
		}
	case 'n', 'y':
		if f := npmError.FindStringSubmatch(line); f != nil && !npmDetail.MatchString(f[1]) {
			p.Tool, p.Message = "npm", clip(f[1])
			return p, true
		}
	default:
		if name, found := strings.CutPrefix(line, "✘ [ERROR] "); found {
			p.Tool, p.Message = "esbuild", clip(name)
			m.begin(p, 4)
		}
	}
	return p, false
}

// viteRest is what stands on the first line of vite's error, as older versions have it.
func (m *Matcher) viteRest(n int, line string) {
	if rest := strings.TrimSpace(strings.TrimPrefix(line, "error during build:")); rest != "" {
		m.await.Message, m.await.To, m.await.Text = clip(rest), n, rest
	}
}

// pytest reads the first line of what an assertion says. Its place stands before it, or after it.
func (m *Matcher) pytest(p Problem, message string) {
	const near = 6
	p.Tool, p.Message = "pytest", clip(message)
	if m.place.path != "" && p.At-m.place.at <= near {
		p.Path, p.Line = m.place.path, m.place.line
	}
	m.place = position{}
	m.begin(p, patience)
}

// indented reads lines below a heading.
func (m *Matcher) indented(n int, line string) (p Problem, ok bool) {
	text := strings.TrimSpace(line)
	p = Problem{At: n, To: n, Text: text}
	if text == "" { // blanks of Unicode
		return p, false
	}
	switch c := text[:1]; {
	case c >= "0" && c <= "9":
		if f := stylish.FindStringSubmatch(text); f != nil && m.file != "" {
			p.Tool, p.Path, p.Line, p.Column, p.Warning = "eslint", m.file, number(f[1]), number(f[2]), f[3] == "warning"
			p.Message, p.Code = clip(strings.TrimSpace(f[4])), f[5]
			return p, true
		}
		if f := mochaHead.FindStringSubmatch(text); f != nil {
			p.Tool, p.Text = "mocha", f[1]
			m.begin(p, 4)
		}
	case c == "E": // pnpm
		if f := pnpmError.FindStringSubmatch(text); f != nil {
			p.Tool, p.Code, p.Message = "pnpm", f[1], clip(f[2])
			return p, true
		}
	case c == "F": // vitest
		if f := vitestHead.FindStringSubmatch(text); f != nil {
			p.Tool, p.Path, p.Text = "vitest", f[1], text[len("FAIL"):]
			p.Text = strings.TrimSpace(p.Text)
			m.begin(p, 3)
		}
	default:
		if name, found := strings.CutPrefix(text, "● "); found && strings.HasPrefix(line, "  ●") && name != "Console" {
			p.Tool, p.Text = "jest", name
			m.begin(p, 6)
		} else if name, found := strings.CutPrefix(text, "--- FAIL: "); found {
			m.goTest(p, cutTime(name))
		} else if m.goName != "" {
			m.goLine(n, line)
		}
	}
	return p, false
}

// cutTime removes the duration that go test prints after a name.
func cutTime(name string) string {
	name, _, _ = strings.Cut(name, " (")
	return name
}

var (
	parenthesized = pattern.New(`^(\S[^(]*)\((\d+),(\d+)(?:,\d+,\d+)?\): (error|warning) ([A-Z]+\d+): (.*)$`)
	located       = pattern.New(`^((?:vet: )?(?:[A-Za-z]:)?[^\s:][^:]*):(\d+):(?:(\d+):?)? (.*)$`)
	pretty        = pattern.New(`^- (error|warning) (TS\d+): (.*)$`)
	unix          = pattern.New(`^(.*) \[(Error|Warning)(?:/(.+))?\]$`)
	diagnostic    = pattern.New(`^(?:fatal )?(error|warning): (.*)$`)
	undefined     = pattern.New("(undefined reference to .*|multiple definition of .*|cannot find -l\\S+.*)$")

	// checker matches what mypy prints after a name.
	checker   = pattern.New(`^:\d+:(?:\d+:)? (?:error|warning|note|[A-Z]+\d+)\b`)
	bracketed = pattern.New(`^(.*?) +\[([\w-]+)\]$`)
	offense   = pattern.New(`^([CWEFRI]): (?:\[\w+\] )?(?:([A-Z]\w*/[\w/]+): )?(.+)$`)
	violation = pattern.New(`^([A-Z]{1,5}\d{2,4}):? (?:\[\*\] )?(.+)$`)

	goRun = pattern.New(`^=== (?:RUN|NAME|CONT) +(\S+)$`)

	rustHead    = pattern.New(`^(error|warning)(?:\[(\w+)\])?: (.*)$`)
	webpackHead = pattern.New(`^ERROR in (\S+?)(?: |:)?(?:(\d+):(\d+)(?:-\d+(?::\d+)?)?)?$`)
	rustPanic   = pattern.New(`^thread '([^']*)'(?: \(\d+\))? panicked at (.+?):(\d+):(\d+):$`)
	makeStop    = pattern.New(`^g?make(?:\[\d+\])?: \*\*\* (No rule .*|.*missing separator.*|.*Recursive variable.*)$`)
	npmError    = pattern.New(`^(?:npm (?:error|ERR!)|yarn error) (.+)$`)
	npmDetail   = pattern.New(
		`^(?:code|errno|syscall|path|dest|cwd|command|signal|lifecycle|workspace|location|node|npm|argv|A complete log|` +
			`Lifecycle script|Command failed|Failed at|Exit status|This is probably|    )\b`,
	)

	stylish    = pattern.New(`^(\d+):(\d+)\s+(error|warning)\s+(.*?)(?:\s{2,}(\S+))?$`)
	mochaHead  = pattern.New(`^\d+\) (\S.*)$`)
	pnpmError  = pattern.New(`^(ERR_PNPM_\w+)[\s\x{2009}]+(.*)$`)
	vitestHead = pattern.New(`^FAIL\s+(\S+\.[cm]?[jt]sx?) (?:>|\[)`)
)

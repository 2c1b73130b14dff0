package cause

import (
	"strconv"
	"strings"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/pattern"
)

// traces finds the last trace of an error that nothing has caught: what it says, and its first frame in the project's
// own code.
func traces(lines []string) (last telling) {
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		var t telling
		switch {
		case strings.HasPrefix(line, "Traceback (most recent call last):"):
			t = pythonTrace(lines, i)
		case strings.HasPrefix(line, "panic: "), strings.HasPrefix(line, "fatal error: "):
			t = goPanic(lines, i)
		case strings.HasPrefix(line, "thread '") && strings.Contains(line, "' panicked at "),
			strings.HasPrefix(line, "thread '") && strings.Contains(line, ") panicked at "):
			t = rustPanic(lines, i)
		case strings.HasSuffix(line, ")") && rubyHead.MatchString(line):
			t = rubyTrace(lines, i)
		case isFrame(line) && i > 0 && !isFrame(lines[i-1]):
			t = frames(lines, i)
		}
		if t.weight != nothing {
			t.kind = record.CauseOutput
			last = t
			i = max(i, t.to)
		}
	}
	return last
}

// maxTrace bounds the lines of one trace.
const maxTrace = 400

// pythonTrace reads a traceback: its frames from the outermost on, then the error.
func pythonTrace(lines []string, at int) telling {
	t := telling{weight: strong, tool: "python", at: at, to: at}
	var own []string
	for i := at + 1; i < min(len(lines), at+maxTrace); i++ {
		line := lines[i]
		if f := pythonFrame.FindStringSubmatch(line); f != nil {
			if isOwn(f[1]) || t.path == "" {
				t.path, t.line = f[1], number(f[2])
				own = lines[i:min(i+2, len(lines))]
			}
			continue
		}
		if line == "" || line[0] == ' ' || line[0] == '\t' {
			continue
		}
		t.summary, t.to = line, i
		t.lines = append([]string{line}, trimmed(own)...)
		return t
	}
	return telling{}
}

// goPanic reads what go's runtime prints, whose first goroutine is the one that failed.
func goPanic(lines []string, at int) telling {
	t := telling{weight: strong, tool: "go", at: at, to: at, summary: lines[at], lines: []string{lines[at]}}
	if at+2 < len(lines) && strings.TrimSpace(lines[at+1]) == "running tests:" {
		name := strings.TrimSpace(lines[at+2])
		t.summary, t.lines = t.summary+" in "+name, append(t.lines, strings.TrimSpace(lines[at+1]), name)
	}
	function, running := "", false
	for i := at + 1; i < min(len(lines), at+maxTrace); i++ {
		line := lines[i]
		if strings.HasPrefix(line, "goroutine ") {
			if running {
				break
			}
			running = true
		}
		if strings.HasPrefix(line, "\t") && running {
			f := goFrame.FindStringSubmatch(line)
			if f != nil && t.path == "" && isOwn(f[1]) {
				t.path, t.line = f[1], number(f[2])
				t.lines = append(t.lines, function, strings.TrimSpace(line))
			}
			t.to = i
			continue
		}
		if line != "" {
			function, t.to = line, i
		}
	}
	if !running {
		return telling{}
	}
	return t
}

// rubyTrace reads an error that nothing has rescued: its first frame stands in front of what it says.
func rubyTrace(lines []string, at int) telling {
	f := rubyHead.FindStringSubmatch(lines[at])
	t := telling{weight: strong, tool: "ruby", at: at, to: at, summary: f[4] + ": " + f[3], lines: []string{lines[at]}}
	if isOwn(f[1]) {
		t.path, t.line = f[1], number(f[2])
	}
	for i := at + 1; i < min(len(lines), at+maxTrace); i++ {
		f := rubyFrom.FindStringSubmatch(lines[i])
		if f == nil {
			break
		}
		if t.to = i; t.path == "" && isOwn(f[1]) {
			t.path, t.line = f[1], number(f[2])
			t.lines = append(t.lines, strings.TrimSpace(lines[i]))
		}
	}
	return t
}

// rustPanic reads what a thread says when it panics.
func rustPanic(lines []string, at int) telling {
	f := rustHead.FindStringSubmatch(lines[at])
	if f == nil || at+1 >= len(lines) {
		return telling{}
	}
	t := telling{
		weight: strong, tool: "rust", at: at, to: at + 1, path: f[1], line: number(f[2]), column: number(f[3]),
		lines: []string{lines[at]},
	}
	for i := at + 1; i < min(len(lines), at+6) && lines[i] != "" && !strings.HasPrefix(lines[i], "note:") &&
		!strings.HasPrefix(lines[i], "stack backtrace:"); i++ {
		t.lines, t.to = append(t.lines, lines[i]), i
	}
	if len(t.lines) < 2 {
		return telling{}
	}
	t.summary = position(t.path, t.line, t.column) + ": " + t.lines[1]
	return t
}

// isFrame reports whether a line is a frame of a trace of JavaScript, Java or .NET.
func isFrame(line string) bool {
	text := strings.TrimLeft(line, " \t")
	return len(text) < len(line) && strings.HasPrefix(text, "at ") && atFrame.MatchString(text)
}

// maxAbove is how many lines above its frames the error of a trace may begin.
const maxAbove = 12

// frames reads a trace whose first frame is the innermost: the error stands above them.
func frames(lines []string, at int) telling {
	head := at - 1
	for i := at - 1; i >= max(0, at-maxAbove); i-- {
		if lines[i] == "" && i < at-1 && errorHead.MatchString(lines[head]) {
			break
		}
		if strings.TrimSpace(lines[i]) != "" {
			head = i
		}
		if errorHead.MatchString(lines[i]) {
			break
		}
	}
	if !errorHead.MatchString(lines[head]) {
		return telling{}
	}
	t := telling{weight: strong, tool: "node", at: head, to: at, summary: strings.TrimSpace(lines[head])}
	if strings.HasPrefix(t.summary, "Exception in thread") || strings.HasPrefix(lines[at], "\t") {
		t.tool = "java"
	}
	t.lines = trimmed(lines[head:min(at, head+6)])
	for i := at; i < min(len(lines), at+maxTrace) && (isFrame(lines[i]) || strings.HasPrefix(strings.TrimSpace(lines[i]), "...")); i++ {
		t.to = i
		if f := framePlace.FindStringSubmatch(lines[i]); f != nil && t.path == "" && isOwn(f[1]) && !libraryFrame.MatchString(lines[i]) {
			t.path, t.line, t.column = f[1], number(f[2]), number(f[3])
			t.lines = append(t.lines, strings.TrimSpace(lines[i]))
		}
	}
	if t.path == "" {
		t.place(lines, head)
	}
	if t.path == "" {
		t.lines = append(t.lines, strings.TrimSpace(lines[at]))
	}
	t.summary = strings.TrimPrefix(t.summary, "Uncaught ")
	return t
}

// place takes the place of an error from above it, where node prints the line of the program.
func (t *telling) place(lines []string, head int) {
	const far = 6
	for i := head - 1; i >= max(0, head-far); i-- {
		if f := sourcePlace.FindStringSubmatch(lines[i]); f != nil && isOwn(f[1]) {
			t.path, t.line, t.at = f[1], number(f[2]), i
			t.lines = append(append([]string(nil), lines[i:head]...), t.lines...)
			return
		}
	}
}

// isOwn reports whether a file of a frame can be the project's own.
func isOwn(name string) bool {
	for _, part := range []string{
		"node_modules/", "node:", "site-packages/", "dist-packages/", "/lib/python", "<", "/rustc/", "/usr/local/go/",
		"/usr/lib/", "/go/pkg/mod/", "internal/", "/.cargo/", "/gems/", "lib/ruby/",
	} {
		if strings.Contains(name, part) {
			return false
		}
	}
	return true
}

func trimmed(lines []string) []string {
	var all []string
	for _, line := range lines {
		if text := strings.TrimSpace(line); text != "" {
			all = append(all, text)
		}
	}
	return all
}

// position writes a place as tools do.
func position(path string, line, column int) string {
	if line > 0 {
		path += ":" + strconv.Itoa(line)
		if column > 0 {
			path += ":" + strconv.Itoa(column)
		}
	}
	return path
}

// number returns a line or a column.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 1<<30 {
		return 0
	}
	return n
}

var (
	pythonFrame = pattern.New(`^\s+File "([^"]+)", line (\d+)`)
	goFrame     = pattern.New(`^\t(\S.*\.go):(\d+)(?: |$)`)
	rustHead    = pattern.New(`^thread '[^']*'(?: \(\d+\))? panicked at (.+?):(\d+):(\d+):$`)
	atFrame     = pattern.New(`^at (?:.*[:(].*|[\w.$<>/]+)$`)
	framePlace  = pattern.New(`[ (](?:file://)?((?:[A-Za-z]:)?[^\s():]+\.\w+):(\d+)(?::(\d+))?\)?$`)
	sourcePlace = pattern.New(`^(?:file://)?(\S+\.\w+):(\d+)$`)
	// libraryFrame matches the frames of Java's own classes and of its test tools.
	libraryFrame = pattern.New(`^\s+at (?:java|jdk|javax|sun|kotlin|scala|org\.junit|junit|org\.(?:opentest4j|assertj|mockito|testng|` +
		`hamcrest|gradle|apache\.maven))[./]`)
	rubyHead  = pattern.New("^(\\S+\\.rb|\\S*/[^:\\s]+):(\\d+):in [`'].*?': (.+) \\(([A-Z][\\w:]*)\\)$")
	rubyFrom  = pattern.New(`^\s+from ([^:\s]+):(\d+):in `)
	errorHead = pattern.New(
		`^(?:Uncaught |Exception in thread "[^"]*" |Caused by: |Unhandled exception\. |\[?)(?:[A-Za-z_$][\w$.]*(?:Error|Exception|Throwable)|Error)\b[^\n]*$`,
	)
)

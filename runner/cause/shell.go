package cause

import (
	"strings"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/pattern"
)

// shellErrors finds the last line by which a shell, make or env says that it could not start a program, or that one
// died of a signal.
func shellErrors(lines []string) telling {
	const deep = 60 // lines before the end
	for i := len(lines) - 1; i >= max(0, len(lines)-deep); i-- {
		line := strings.TrimSpace(lines[i])
		if line == "" || len(line) > 500 {
			continue
		}
		t := shellError(line)
		if t.summary == "" {
			continue
		}
		t.weight, t.kind, t.at, t.to, t.lines = strong, record.CauseExit, i, i, []string{line}
		if t.tool == "signal" {
			t.beforeDeath(lines, i)
		}
		t.tool = ""
		return t
	}
	return telling{}
}

// beforeDeath adds what a program printed before it died, and what it said of it.
func (t *telling) beforeDeath(lines []string, i int) {
	const far, near = 60, 4
	for above := i - 1; above >= max(0, i-far); above-- {
		if text := strings.TrimSpace(lines[above]); deathWords.MatchString(text) {
			t.summary, t.at = text, above
			t.lines = []string{text, strings.TrimSpace(lines[i])}
			return
		}
	}
	t.at = max(0, i-near)
	t.lines = lines[t.at : i+1]
}

func shellError(line string) telling {
	for _, form := range notFound {
		if f := form.FindStringSubmatch(line); f != nil {
			return missing(f[1])
		}
	}
	if f := noVariable.FindStringSubmatch(line); f != nil {
		return telling{summary: f[1] + ": " + f[2], hint: variableAdvice(f[1])}
	}
	if f := noSuchFile.FindStringSubmatch(line); f != nil {
		return telling{
			summary: f[1] + ": no such file",
			hint: "check that the file is in the checkout at this path, relative to the step's directory, and that its " +
				"interpreter is in the image",
		}
	}
	if f := denied.FindStringSubmatch(line); f != nil {
		return telling{summary: f[1] + " cannot be executed: permission denied", hint: executableAdvice(f[1])}
	}
	if f := badFormat.FindStringSubmatch(line); f != nil {
		return telling{
			summary: f[1] + " cannot be executed: it is not of this machine's format",
			hint:    "build it for this architecture (uname -m), or give a script a first line such as #!/bin/sh",
		}
	}
	if f := death.FindStringSubmatch(line); f != nil {
		died := deaths[f[1]]
		if died.words == "" {
			died.words = "a program crashed: " + f[1]
		}
		if program := strings.TrimSpace(f[2]); program != "" {
			died.words += ": " + program
		}
		return telling{tool: "signal", summary: died.words, hint: died.hint}
	}
	return telling{}
}

// missing is a program that does not exist.
func missing(program string) telling {
	program = strings.Trim(program, "'\"‘’`")
	return telling{summary: program + ": not found", hint: InstallAdvice(program)}
}

// variableAdvice says how a command gets a variable.
func variableAdvice(name string) string {
	return "set " + name + " in environment: or secrets: of the step in runner.yaml, or in the task definition"
}

// executableAdvice says how a file becomes executable, in git, too.
func executableAdvice(name string) string {
	return "if it is a program of the project: chmod +x " + name + " && git update-index --chmod=+x " + name +
		"; a folder is no program, and a mount may forbid execution (noexec)"
}

var (
	notFound = []*pattern.Pattern{
		pattern.New(`^(?:\S*/)?(?:ba|da|a|k)?sh: (?:(?:line )?\d+: )?([^\s:]+): (?:command )?not found$`),
		pattern.New(`^\S+: line \d+: ([^\s:]+): command not found$`),
		pattern.New(`^(?:\S*/)?zsh:(?:\d+:)? command not found: (\S+)$`),
		pattern.New(`^(?:\S*/)?env: ['‘]?([^\s'’:]+)['’]?: No such file or directory$`),
		pattern.New(`^g?make(?:\[\d+\])?: ([^\s:*]+): (?:No such file or directory|Command not found)$`),
		pattern.New(`exec: "([^"]+)": executable file not found in \$PATH`),
		pattern.New(`^(?:\S*Error: )?spawn (\S+) ENOENT$`),
		pattern.New(`^\S+: \d+: ([^\s:]+): not found$`), // dash, in a script
	}
	// noVariable matches what set -u and ${NAME:?message} print.
	noVariable = pattern.New(`^(?:\S*/)?\S+: (?:line )?\d+: ([A-Z_][A-Z0-9_]*): (.*\b(?:set|unset|unbound|` +
		`null|empty|required|missing|needed|define[ds]?)\b.*)$`)
	noSuchFile = pattern.New(`^(?:\S+: )?(?:line )?(?:\d+: )?(\.{0,2}/[^\s:]+): (?:No such file or directory|not found)$`)
	denied     = pattern.New(`^(?:\S*/)?\S*: (?:(?:line )?\d+: )?([^\s:]+): (?:Permission denied|[Ii]s a directory)$`)
	badFormat  = pattern.New(`^(?:\S*/)?\S*: (?:(?:line )?\d+: )?([^\s:]+): ` +
		`(?:cannot execute binary file.*|Exec format error)$`)
	death = pattern.New(
		`^(?:\S+: (?:line )?\d+: +\d+ )?(Aborted|Segmentation fault|Killed|Bus error|Illegal instruction|` +
			`Floating point exception)(?: \(core dumped\))?( .*)?$`,
	)
	deathWords = pattern.New(`Assertion|Unhandled exception|Fatal Python error|terminate called|what\(\):|FATAL ERROR|stack smashing|` +
		`free\(\)|malloc\(\)|corrupted|ERROR: AddressSanitizer`)
)

// deaths are what shells print of programs that died of a signal.
var deaths = map[string]struct{ words, hint string }{
	"Aborted":            {"a program aborted (SIGABRT)", abortAdvice},
	"Segmentation fault": {"a program crashed (SIGSEGV)", segfaultAdvice},
	"Killed":             {"a program was killed (SIGKILL)", killAdvice},
}

// What the usual signals mean.
const (
	abortAdvice = "a program ended itself by abort(): a failed assertion, or a runtime that could not go on; its own " +
		"message stands above"
	segfaultAdvice = "native code crashed: an addon or a binary that was built for another C library (Alpine's musl) or " +
		"machine, or too deep a recursion"
	killAdvice = "another process sent KILL, or the kernel did for want of memory that this cgroup does not count: give " +
		"the task more memory, or look for kill -9 and timeout -s KILL"
)

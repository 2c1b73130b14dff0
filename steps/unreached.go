package steps

import (
	"path"
	"strings"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// Unreached returns the part of a command that a failed test keeps from running: what follows the tests in a line, or
// what the test tool itself leaves out. It is "" if the tests are the last part.
func (c Command) Unreached() string {
	parts := splitLine(c.Line)
	if len(c.Args) > 0 {
		parts = [][]string{c.Args}
	}
	for n := len(parts); n > 0 && closes.MatchString(parts[n-1][0]); n = len(parts) {
		parts = parts[:n-1]
	}
	last := len(parts) - 1
	for i, words := range parts[:max(last, 0)] {
		role := roleOf(words)
		if role == tests || role == unknown && roleOf(parts[last]) != tests {
			return strings.Join(parts[i+1], " ")
		}
	}
	for _, words := range parts {
		text := strings.Join(words, " ")
		for _, tool := range failFast {
			if tool.is.MatchString(text) && !tool.unless.MatchString(text) {
				return tool.rest
			}
		}
	}
	return ""
}

// failFast are test tools that leave out tests after a failure, unless a flag is set.
var failFast = []struct {
	is, unless *pattern.Pattern
	rest       string
}{
	{
		pattern.New(`(^|\s)pnpm\s(.*\s)?(-r|--recursive|recursive)(\s|$)`), pattern.New(`--no-bail\b`),
		"the packages after the first that fails, as pnpm -r lacks --no-bail",
	},
	{
		pattern.New(`(^|\s)lerna\s+run\b`), pattern.New(`--no-bail\b`),
		"the packages after the first that fails, as lerna run lacks --no-bail",
	},
	{
		pattern.New(`(^|\s)turbo\s+(run\s+)?\S*test`), pattern.New(`--continue\b`),
		"the packages after the first that fails, as turbo lacks --continue",
	},
	{
		pattern.New(`(^|\s)cargo\s+(\+\S+\s+)?(test|t|nextest\s+run)(\s|$)`), pattern.New(`--no-fail-fast\b`),
		"the tests after the first that fails, as cargo lacks --no-fail-fast",
	},
}

// role is what a part of a command line does.
type role int

const (
	unknown  role = iota
	prepares      // it cannot have run tests
	tests
)

// roleOf tells tests from what cannot be tests. A script may be either.
func roleOf(words []string) role {
	for len(words) > 0 && (assignment.MatchString(words[0]) || transparent.MatchString(words[0])) {
		words = words[1:]
	}
	if len(words) == 0 {
		return prepares
	}
	program := words[0][strings.LastIndexByte(words[0], '/')+1:]
	text := strings.Join(append([]string{program}, words[1:]...), " ")
	switch {
	case preparation.MatchString(text):
		return prepares
	case testWord.MatchString(program) || runsTests.MatchString(text) && testWord.MatchString(text):
		return tests
	}
	return unknown
}

// HidesExit reports whether a command may exit with 0 although a part of it failed: || or a pipe decides, in a shell
// that takes the last part of a pipe.
func (c Command) HidesExit() bool {
	s := splitter{line: c.Line}
	for s.at < len(s.line) {
		s.next()
	}
	pipefail := len(c.Shell) > 0 && path.Base(c.Shell[0]) == "bash"
	return s.or || s.pipe && !pipefail
}

var (
	closes     = pattern.New(`^(fi|esac|\})$`)
	assignment = pattern.New(`^[A-Za-z_]\w*=`)
	// transparent matches words before a command.
	transparent = pattern.New(`^(if|then|else|elif|while|until|do|time|env|exec|command|nice|sudo|!|\{|\()$`)
	// preparation matches commands that run no tests.
	preparation = pattern.New(
		`^(cd|export|set|unset|mkdir|rm|rmdir|cp|mv|ln|touch|echo|printf|cat|ls|sleep|trap|umask|ulimit|source|\.|` +
			`true|:|\[|test|shopt|alias|eval|pushd|popd|corepack|nvm|fi|esac|done|\}|\)|for|case|git|apt|apt-get|apk|` +
			`docker|podman|curl|wget|tar|unzip|chmod|chown|sed|find|exit|wait|` +
			`tsc|eslint|prettier|biome|rollup|esbuild|webpack|ruff|black|mypy|flake8|pip|pip3|rubocop|cmake|protoc)(\s|$)|` +
			`^(npm|pnpm|yarn|bun|deno|poetry|uv|pdm|bundle|composer|conda)\s+(i|ci|install|add|sync|update|approve-builds|rebuild|config)(\s|$)|` +
			`^(npm|pnpm|yarn|bun|deno)\s+(run\s+)?(build|lint|format|typecheck|type-check|types|compile|generate|codegen)(:\S+)?(\s|$)|` +
			`^go\s+(mod|build|vet|generate|install|version|env|fmt|work)(\s|$)|` +
			`^cargo\s+(\+\S+\s+)?(build|b|check|c|clippy|fmt|fetch|install|doc|clean|update)(\s|$)|` +
			`^dotnet\s+(restore|build|tool)(\s|$)|` +
			`^(python3?|python3?\.\d+)\s+-m\s+(pip|venv|compileall|build)(\s|$)|` +
			`^(make|just)\s+(build|all|generate|lint|fmt|deps|install|clean)(\s|$)|` +
			`^(mvn|mvnw)\s+((-\S+)\s+)*(compile|clean|install\s+-DskipTests)(\s|$)`,
	)
	// testWord matches the name of a tool that only runs tests, or the word for it in the arguments of another one.
	testWord = pattern.New(
		`(?i)^(jest|vitest|mocha|ava|tap|jasmine|karma|playwright|cypress|wdio|pytest|py\.test|unittest|nose2|tox|nox|` +
			`gotestsum|phpunit|pest|rspec|ctest)(\s|$)|` +
			`(^|[^a-z])(tests?|testing|specs?|e2e|check|verify|nextest|gotestsum|pytest|unittest|jest|vitest|mocha|` +
			`playwright|rspec|phpunit|ctest)([^a-z]|$)`,
	)
)

// splitLine splits a line for the shell into the commands that it runs one after the other, each into words. What
// follows || runs because of a failure and belongs to its command, and so does what a pipe leads to. The line of a
// further shell (sh -c '…') is split, too.
func splitLine(line string) [][]string {
	s := splitter{line: line}
	for s.at < len(s.line) {
		s.next()
	}
	s.endPart()
	var parts [][]string
	for _, words := range s.parts {
		if n := len(words); n > 2 && shellName.MatchString(words[0]) && shellFlag.MatchString(words[n-2]) {
			parts = append(parts, splitLine(words[n-1])...)
			continue
		}
		parts = append(parts, words)
	}
	return parts
}

var (
	shellName = pattern.New(`^(\S*/)?(ba|z|k|da|a)?sh$`)
	shellFlag = pattern.New(`^-[a-z]*c$`)
)

// splitter splits a line.
type splitter struct {
	line  string
	at    int
	word  []byte
	begun bool // a word: it may be empty, in quotes
	skip  bool // a command after || or |
	or    bool // there is a ||
	pipe  bool // there is a |
	words []string
	parts [][]string
}

func (s *splitter) next() {
	c := s.line[s.at]
	s.at++
	switch c {
	case '\\':
		if s.at < len(s.line) && s.line[s.at] != '\n' {
			s.add(s.line[s.at])
		}
		s.at++
	case '\'', '"', '`':
		s.quoted(c)
	case '#':
		if s.begun {
			s.add(c)
			return
		}
		for s.at < len(s.line) && s.line[s.at] != '\n' {
			s.at++
		}
	case ' ', '\t', '\r', '(', ')':
		s.endWord()
	case ';', '\n':
		s.endPart()
	case '|':
		s.endWord()
		s.skip = true
		if s.at < len(s.line) && s.line[s.at] == '|' {
			s.or = true
			s.at++
		} else {
			s.pipe = true
		}
	case '&':
		s.ampersand()
	default:
		s.add(c)
	}
}

// ampersand is after one: the second of two, a part of a redirection, or the end of a command in the background.
func (s *splitter) ampersand() {
	before := byte(0)
	if s.at > 1 {
		before = s.line[s.at-2]
	}
	if before == '>' || before == '<' || s.at < len(s.line) && s.line[s.at] == '>' {
		s.add('&')
		return
	}
	s.endPart()
}

func (s *splitter) add(c byte) { s.word, s.begun = append(s.word, c), true }

// quoted reads to the end of a quotation.
func (s *splitter) quoted(quote byte) {
	s.begun = true
	for s.at < len(s.line) {
		c := s.line[s.at]
		s.at++
		switch {
		case c == quote:
			return
		case c == '\\' && quote != '\'' && s.at < len(s.line):
			c = s.line[s.at]
			s.at++
		}
		s.word = append(s.word, c)
	}
}

func (s *splitter) endWord() {
	if s.begun && !s.skip {
		s.words = append(s.words, string(s.word))
	}
	s.word, s.begun = nil, false
}

func (s *splitter) endPart() {
	s.endWord()
	if len(s.words) > 0 {
		s.parts = append(s.parts, s.words)
	}
	s.words, s.skip = nil, false
}

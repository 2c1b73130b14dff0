package steps

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/carlin-cicd/runner/steps/pattern"
	"github.com/carlin-cicd/runner/steps/results"
)

// Rerun says how failed tests are run again. The zero value runs none.
type Rerun struct {
	Command  Command        // with {files}, {packages} or {tests} for what failed; none for a tool that remembers it
	Attempts int            // the most reruns
	AtMost   int            // the most failed tests that are run again
	Pattern  *regexp.Regexp // its group matches the file of a test, in its file, class or name; nil for the usual rules
}

// IsZero reports whether no test is run again.
func (r Rerun) IsZero() bool { return r.Command.IsZero() || r.Attempts == 0 }

// The default bounds, and the largest: reports are read for that many failures.
const (
	usualAttempts = 2
	usualAtMost   = 10
	maxAttempts   = 10
	maxAtMost     = 100
)

// Placeholders of a command for the tests that failed.
const (
	filesWord    = "{files}"
	packagesWord = "{packages}"
	testsWord    = "{tests}"
)

var (
	placeholder = pattern.New(`\{(files|packages|tests)\}`)
	anyWord     = pattern.New(`\{(files|packages|tests|list)\}`)
)

// Select fills the failed tests into the command. Where packages have their own reports, it runs in their folders. The
// error is a *SelectError if the tool cannot run the tests alone.
func (r Rerun) Select(dir string, failed []results.Case) (Command, error) {
	folders, groups := r.byPackage(dir, failed)
	var commands []Command
	for _, folder := range folders {
		c, err := r.fill(filepath.Join(dir, filepath.FromSlash(folder)), groups[folder])
		if err != nil {
			return Command{}, err
		}
		commands = append(commands, c)
	}
	return inPackages(folders, commands), nil
}

// fill fills tests of one package into the command.
func (r Rerun) fill(dir string, failed []results.Case) (Command, error) {
	words := map[string][]string{}
	whole := strings.Join(append(r.Command.Args, r.Command.Line), " ")
	for _, p := range []struct {
		word string
		list func() ([]string, error)
	}{
		{filesWord, func() ([]string, error) { return files(dir, failed, r.Pattern) }},
		{packagesWord, func() ([]string, error) { return packages(failed) }},
		{testsWord, func() ([]string, error) { return []string{expression(failed)}, nil }},
	} {
		if !strings.Contains(whole, p.word) {
			continue
		}
		list, err := p.list()
		if err != nil {
			return Command{}, err
		}
		words[p.word] = list
	}
	return r.Command.fill(words), nil
}

// fill replaces placeholders by words: quoted in a line for the shell, as arguments of their own in a list.
func (c Command) fill(words map[string][]string) Command {
	if c.Line != "" {
		c.Line = fillLine(c.Line, words)
		return c
	}
	var args []string
	for _, a := range c.Args {
		if list, ok := words[a]; ok {
			args = append(args, list...)
			continue
		}
		args = append(args, anyWord.ReplaceAllStringFunc(a, func(word string) string {
			if list, ok := words[word]; ok {
				return strings.Join(list, " ")
			}
			return word
		}))
	}
	return Command{Args: args}
}

// fillLine replaces placeholders in a line for the shell by quoted words.
func fillLine(line string, words map[string][]string) string {
	return anyWord.ReplaceAllStringFunc(line, func(word string) string {
		list, ok := words[word]
		if !ok {
			return word
		}
		quoted := make([]string, len(list))
		for i, w := range list {
			quoted[i] = ShellQuote(w)
		}
		return strings.Join(quoted, " ")
	})
}

// ShellQuote quotes a word for a shell: everything that has a meaning in some shell, as braces are expanded by some.
func ShellQuote(s string) string {
	if bareWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

var bareWord = pattern.New(`^[A-Za-z0-9_./:@%+-]+$`)

// unquoted returns the first placeholder of a shell line whose quotes would not protect the shell from the name of a
// file: inside of quotes, a command substitution, a comment or a here-document.
func unquoted(line string, placeholder *pattern.Pattern) string {
	safe := func(i int) bool { // whether no quote is open at i
		single, double := false, false
		for j := 0; j < i; j++ {
			switch c := line[j]; {
			case single:
				single = c != '\''
			case c == '\\':
				j++
				if j >= i {
					return false // the brace of the placeholder is escaped
				}
			case c == '"':
				double = !double
			case c == '\'' && !double:
				single = true
			case c == '`':
				return false
			case c == '#' && !double && (j == 0 || strings.IndexByte(" \t\n;&|(", line[j-1]) >= 0):
				return false
			case c == '<' && !double && strings.HasPrefix(line[j:], "<<"):
				return false
			}
		}
		return !single && !double
	}
	for _, at := range placeholder.FindAllStringIndex(line, -1) {
		if !safe(at[0]) {
			return line[at[0]:at[1]]
		}
	}
	return ""
}

// readRerunCommand reads a command that names what failed.
func readRerunCommand(d *decoder, n ast.Node, what string, to *Command) error {
	if err := command().read(d, n, what, to); err != nil {
		return err
	}
	if word := unquoted(to.Line, placeholder); word != "" {
		return d.errorf(n, "each name is quoted already: write "+word+" without quotes, or write the command as a list",
			"%s is inside of quotes, backticks, a comment or a here-document", word)
	}
	for _, arg := range to.Args {
		for _, word := range []string{filesWord, packagesWord} {
			if strings.Contains(arg, word) && arg != word {
				return d.errorf(
					n,
					"make "+word+" an argument of its own: each name becomes one",
					"%s is a part of the argument %q",
					word,
					arg,
				)
			}
		}
	}
	if i := slices.IndexFunc(to.Args, placeholder.MatchString); i == 0 {
		return d.errorf(n, "begin with a program", "the command begins with %s", to.Args[0])
	}
	if whole := strings.Join(
		append(to.Args, to.Line),
		" ",
	); !placeholder.MatchString(whole) && runsTests.MatchString(whole) &&
		!remembers.MatchString(whole) {
		return d.errorf(
			n,
			"write {files}, {packages} or {tests} where the tool takes the tests to run; a tool that remembers what failed "+
				"needs its flag, such as --last-failed",
			"%s runs all tests again: it names none of those that failed",
			what,
		)
	}
	return nil
}

var (
	// runsTests matches a command that starts a test tool, or a script that does.
	runsTests = pattern.New(
		`(?:^|[\s;&|(/])(?:jest|vitest|mocha|ava|tap|jasmine|karma|playwright|cypress|wdio|` +
			`pytest|py\.test|unittest|nose2|tox|nox|hatch|` +
			`go|gotestsum|cargo|phpunit|pest|rspec|rake|rails|mix|dotnet|` +
			`mvn|mvnw|gradle|gradlew|sbt|ctest|bazel|swift|flutter|dart|` +
			`npm|pnpm|yarn|bun|deno|node|make|just|turbo|nx)(?:$|[\s;&|)])`,
	)
	// remembers matches the flags of tools that run what failed in their last run.
	remembers = pattern.New(
		`(?i)(?:^|\s)-{1,2}(?:lf\b|ff\b|[a-z-]*(?:fail|rerun)[a-z-]*)|` +
			`\b(?:only|last|rerun)[-_:.]?fail|fail[a-z]*[-_:.]only|\brerun\b`,
	)
)

// checkRerun refuses a rerun without a command. attempts: 0 removes that of the built-in step.
func checkRerun(d *decoder, n ast.Node, r *Rerun) error {
	if r.Command.IsZero() && r.Attempts > 0 {
		return d.errorf(
			n,
			`write { command: "pnpm run test --ci {files}" }, or { attempts: 0 } for none`,
			"rerun has no command",
		)
	}
	return nil
}

package steps

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/carlin-cicd/runner/steps/results"
)

// Rerun says how the tests that failed are run once more. The zero value runs none.
type Rerun struct {
	Command  Command        // holds {files}, {packages} and {tests} for what failed, or none of them for a tool that remembers
	Attempts int            // at most so many times
	AtMost   int            // not at all if more tests than these failed
	Pattern  *regexp.Regexp // its one group is the file of a test, in the file, class or name that the report has of it; nil for the usual rules
}

// IsZero reports whether nothing is run again.
func (r Rerun) IsZero() bool { return r.Command.IsZero() || r.Attempts == 0 }

// The usual bounds, and the largest: reports are read for no more failures than that.
const (
	usualAttempts = 2
	usualAtMost   = 10
	maxAttempts   = 10
	maxAtMost     = 100
)

// What stands in a command for the tests that failed.
const (
	filesWord    = "{files}"
	packagesWord = "{packages}"
	testsWord    = "{tests}"
)

var placeholder = regexp.MustCompile(`\{(files|packages|tests)\}`)

// Select fills in the tests that failed. The error, a *SelectError, says why they cannot be told to the tool.
func (r Rerun) Select(dir string, failed []results.Case) (Command, error) {
	words := map[string][]string{}
	whole := strings.Join(append(r.Command.Args, r.Command.Shell), " ")
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

// fill puts words in the place of placeholders: quoted in a line for the shell, as arguments of their own in a list.
func (c Command) fill(words map[string][]string) Command {
	if c.Shell != "" {
		line := placeholder.ReplaceAllStringFunc(c.Shell, func(word string) string {
			quoted := make([]string, len(words[word]))
			for i, w := range words[word] {
				quoted[i] = shellQuote(w)
			}
			return strings.Join(quoted, " ")
		})
		return Command{Shell: line}
	}
	var args []string
	for _, a := range c.Args {
		if list, ok := words[a]; ok {
			args = append(args, list...)
			continue
		}
		args = append(args, placeholder.ReplaceAllStringFunc(a, func(word string) string { return strings.Join(words[word], " ") }))
	}
	return Command{Args: args}
}

// shellQuote leaves bare only what means itself in every shell; the braces of quote are expanded by some.
func shellQuote(s string) string {
	if bareWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

var bareWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+-]+$`)

// exposed returns the first placeholder of a shell line that stands where its quotes would not protect the shell from
// what is in a file's name: inside of quotes, a command substitution, a comment or a here-document.
func exposed(line string) string {
	safe := func(i int) bool { // whether the line up to i leaves no quote open
		single, double := false, false
		for j := 0; j < i; j++ {
			switch c := line[j]; {
			case single:
				single = c != '\''
			case c == '\\':
				j++
				if j >= i {
					return false // the placeholder's own brace would be escaped
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

func (d *decoder) rerun(n ast.Node, r *Rerun) error {
	*r = Rerun{Attempts: usualAttempts, AtMost: usualAtMost}
	err := d.mapping(n, "rerun", fields{
		"command":  func(n ast.Node) error { return d.rerunCommand(n, &r.Command) },
		"attempts": func(n ast.Node) error { return d.number(n, "attempts", maxAttempts, &r.Attempts) },
		"at_most":  func(n ast.Node) error { return d.number(n, "at_most", maxAtMost, &r.AtMost) },
		"pattern": func(n ast.Node) error {
			text, err := d.scalar(n, "pattern")
			if err != nil {
				return err
			}
			if r.Pattern, err = regexp.Compile(text); err != nil {
				return d.errorf(n, "write a regular expression of Go (RE2) with one group, such as '^([^ ]+) '", "pattern cannot be read: %v", err)
			}
			if r.Pattern.NumSubexp() != 1 {
				return d.errorf(n, "put parentheses around the file's part, and only there; (?:…) is no group", "pattern has %d groups instead of one", r.Pattern.NumSubexp())
			}
			return nil
		},
	})
	if err == nil && r.Command.IsZero() && r.Attempts > 0 {
		err = d.errorf(n, `write { command: "pnpm run test --ci {files}" }, or { attempts: 0 } for none`, "rerun has no command")
	}
	return err
}

func (d *decoder) rerunCommand(n ast.Node, c *Command) error {
	if err := d.command(n, "command", c); err != nil {
		return err
	}
	if word := exposed(c.Shell); word != "" {
		return d.errorf(n, "each name is quoted already: let "+word+" stand alone, without quotes, or write the command as a list", "%s cannot stand inside of quotes, backticks, comments and here-documents", word)
	}
	for _, a := range c.Args {
		for _, word := range []string{filesWord, packagesWord} {
			if strings.Contains(a, word) && a != word {
				return d.errorf(n, "make "+word+" an argument of its own: each name becomes one", "%s cannot be a part of the argument %q", word, a)
			}
		}
	}
	if i := slices.IndexFunc(c.Args, placeholder.MatchString); i == 0 {
		return d.errorf(n, "begin with a program", "the command begins with %s", c.Args[0])
	}
	return nil
}

func (d *decoder) number(n ast.Node, what string, most int, to *int) error {
	text, err := d.scalar(n, what)
	if err != nil {
		return err
	}
	if *to, err = strconv.Atoi(text); err != nil || *to < 0 || *to > most {
		return d.errorf(n, fmt.Sprintf("write a whole number from 0 to %d", most), "%s cannot be %s", what, text)
	}
	return nil
}

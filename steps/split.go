package steps

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// Split says how the tests of a step are divided among shards. The zero value leaves it to what the runner knows of the
// tool that the step's command runs.
type Split struct {
	List Command // prints the test files, one a line
	Run  Command // with {files} for those of a shard, or {list} for a file that names them
}

// IsZero reports whether runner.yaml says nothing of it.
func (s Split) IsZero() bool { return s.List.IsZero() && s.Run.IsZero() }

// listWord stands for the name of a file that has the names, one a line: for more of them than arguments can hold.
const listWord = "{list}"

var splitPlaceholder = pattern.New(`\{(files|list)\}`)

// UsesList reports whether the command reads the names from a file.
func (s Split) UsesList() bool {
	return strings.Contains(s.Run.Line, listWord) || slices.ContainsFunc(s.Run.Args, func(a string) bool {
		return strings.Contains(a, listWord)
	})
}

// Fill fills the files of a shard into the command; list is a file that names them. In a shell that has positional
// parameters, {files} becomes "$@": no name is ever a part of the line, and the length of a line is no limit.
func (s Split) Fill(files []string, list string) Command {
	c := s.Run
	if c.Line == "" {
		return c.fill(map[string][]string{filesWord: files, listWord: {list}})
	}
	if !c.posix() {
		c.Line = fillLine(c.Line, map[string][]string{filesWord: files, listWord: {list}})
		return c
	}
	c.Line = strings.ReplaceAll(c.Line, filesWord, `"$@"`)
	c.Line = strings.ReplaceAll(c.Line, listWord, ShellQuote(list))
	c.Params = files
	return c
}

func splitObject() object[Split] {
	list, run := command().ref("command"), command().ref("command")
	list.read, run.read = command().read, readSplitRun
	return object[Split]{
		required: []string{"list", "run"},
		example:  `{ list: "jest --listTests", run: "jest --ci --runTestsByPath {files}" }`,
		keys: []key[Split]{
			newKey("list", "Prints the test files to stdout, one a line, relative to the directory or absolute.", list,
				func(s *Split) *Command { return &s.List }).alias("files"),
			newKey("run", "Runs a shard: {files} stands for its files; names are quoted. {list} stands for a file that names "+
				"them, one a line.", run, func(s *Split) *Command { return &s.Run }).alias("command"),
		},
	}
}

// readSplitRun reads a command that names the files of a shard.
func readSplitRun(d *decoder, n ast.Node, what string, to *Command) error {
	if err := command().read(d, n, what, to); err != nil {
		return err
	}
	if word := unquoted(to.Line, splitPlaceholder); word != "" {
		return d.errorf(n, "each name is quoted already: write "+word+" without quotes, or write the command as a list",
			"%s is inside of quotes, backticks, a comment or a here-document", word)
	}
	for _, arg := range to.Args {
		if strings.Contains(arg, filesWord) && arg != filesWord {
			return d.errorf(n, "make "+filesWord+" an argument of its own: each name becomes one",
				"%s is a part of the argument %q", filesWord, arg)
		}
	}
	if i := slices.IndexFunc(to.Args, splitPlaceholder.MatchString); i == 0 {
		return d.errorf(n, "begin with a program", "the command begins with %s", to.Args[0])
	}
	if !splitPlaceholder.MatchString(strings.Join(append(slices.Clone(to.Args), to.Line), " ")) {
		return d.errorf(n, "write {files} where the tool takes the files to run, or {list} for a file that names them",
			"%s names no files, so that each shard would run all tests", what)
	}
	return nil
}

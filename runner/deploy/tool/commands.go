package tool

import (
	"encoding/json"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// simple is one command of a shell's text: its arguments and the variables that were assigned in the text. An argument
// that a run alone could tell is "".
type simple struct {
	arguments []string
	own       map[string]string // assigned by the text itself
	variables map[string]string // of the environment
	dir       string
}

const (
	maxDepth  = 5         // of scripts that run scripts
	maxScript = 256 << 10 // bytes
	maxValue  = 4 << 10   // bytes of a variable: a text can double it again and again
	maxNodes  = 50_000    // of the syntax: a text can have loops in loops
)

// commands returns the simple commands of a text in their order, with those of the scripts that it runs.
func commands(text, dir string, variables map[string]string) iter.Seq[simple] {
	return func(yield func(simple) bool) {
		s := scan{variables: variables, own: map[string]string{}, dir: dir, top: dir, emit: yield, nodes: new(int)}
		s.text(text, 0)
	}
}

// scan goes through a text as a shell would, without deciding which branch is taken.
type scan struct {
	variables, own map[string]string
	dir, top       string // of the command; of the step
	emit           func(simple) bool
	nodes          *int
	done           bool
}

func (s *scan) text(text string, depth int) {
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), "")
	if err != nil || depth > maxDepth {
		return
	}
	s.walk(file, depth)
}

func (s *scan) walk(node syntax.Node, depth int) {
	syntax.Walk(node, func(node syntax.Node) bool {
		if *s.nodes++; *s.nodes > maxNodes {
			s.done = true
		}
		if s.done {
			return false
		}
		switch n := node.(type) {
		case *syntax.CallExpr:
			s.call(n, depth)
		case *syntax.DeclClause: // export A=b
			s.assign(s.own, n.Args)
		case *syntax.ForClause:
			if words, ok := n.Loop.(*syntax.WordIter); ok {
				s.loop(words, n.Do, depth)
				return false
			}
		}
		return !s.done
	})
}

// loop goes through the body of a loop for each of its words.
func (s *scan) loop(words *syntax.WordIter, body []*syntax.Stmt, depth int) {
	for _, word := range words.Items {
		if s.done {
			return
		}
		s.own[words.Name.Value], _ = s.literal(word)
		for _, statement := range body {
			s.walk(statement, depth)
		}
	}
}

// assign keeps assignments. A value that a run alone could tell removes an earlier one.
func (s *scan) assign(to map[string]string, assigns []*syntax.Assign) {
	for _, a := range assigns {
		if a.Name == nil || a.Naked {
			continue
		}
		value := ""
		if a.Value != nil {
			value, _ = s.literal(a.Value)
		}
		to[a.Name.Value] = value
	}
}

// literal returns what a word expands to, and whether that is known.
func (s *scan) literal(word *syntax.Word) (string, bool) {
	if !isPlain(word) {
		return "", false
	}
	text, err := expand.Literal(&expand.Config{Env: expand.FuncEnviron(func(name string) string {
		if value, ok := s.own[name]; ok {
			return value
		}
		return s.variables[name]
	})}, word)
	if err != nil || len(text) > maxValue {
		return "", false
	}
	return text, true
}

// isPlain reports whether a word is text and variables, with a default or without. All else is left to a shell:
// commands, arithmetic and patterns can take any time.
func isPlain(word *syntax.Word) bool {
	plain := true
	syntax.Walk(word, func(node syntax.Node) bool {
		switch n := node.(type) {
		case nil, *syntax.Word, *syntax.Lit, *syntax.SglQuoted, *syntax.DblQuoted:
		case *syntax.ParamExp:
			byDefault := n.Exp == nil || slices.Contains([]syntax.ParExpOperator{
				syntax.DefaultUnset, syntax.DefaultUnsetOrNull, syntax.AssignUnset, syntax.AssignUnsetOrNull,
			}, n.Exp.Op)
			plain = plain && byDefault && !n.Excl && !n.Length && !n.Width && n.Index == nil && n.Slice == nil &&
				n.Repl == nil && n.Names == 0
		default:
			plain = false
		}
		return plain
	})
	return plain
}

func (s *scan) call(n *syntax.CallExpr, depth int) {
	if len(n.Args) == 0 {
		s.assign(s.own, n.Assigns)
		return
	}
	c := simple{own: maps.Clone(s.own), variables: s.variables, dir: s.dir}
	s.assign(c.own, n.Assigns)
	for _, word := range n.Args {
		value, _ := s.literal(word)
		c.arguments = append(c.arguments, value)
	}
	c.unwrap()
	switch name := c.argument(0); {
	case name == "cd":
		if to := c.argument(1); to != "" {
			s.dir = resolve(s.dir, to)
		}
		return
	case s.script(c, depth):
		return
	}
	s.done = s.done || len(c.arguments) > 0 && !s.emit(c)
}

// wrappers run the command in their arguments, after flags and as many words.
var wrappers = map[string]int{
	"exec": 0, "command": 0, "time": 0, "nohup": 0, "sudo": 0, "env": 0, "nice": 0, "timeout": 1, "npx": 0, "bunx": 0,
	"xargs": 0,
}

// unwrap removes programs that run the one that counts.
func (c *simple) unwrap() {
	for range maxDepth {
		wrapper := c.argument(0)
		words, ok := wrappers[wrapper]
		skip := 1
		if n := c.packageRunner(); n > 0 {
			ok, skip = true, n
		}
		if !ok {
			return
		}
		rest := c.arguments[min(skip, len(c.arguments)):]
		for len(rest) > 0 {
			name, value, assigns := strings.Cut(rest[0], "=")
			switch {
			case strings.HasPrefix(rest[0], "-"):
				if takesValue(wrapper, rest[0]) && len(rest) > 1 {
					rest = rest[1:]
				}
			case assigns && wrapper == "env":
				c.own[name] = value
			case words > 0:
				words--
			default:
				words = -1
			}
			if words < 0 {
				break
			}
			rest = rest[1:]
		}
		c.arguments = rest
	}
}

// packageRunner returns how many words of a package manager come before the program that it runs, or 0.
func (c *simple) packageRunner() int {
	first, second := c.argument(0), c.argument(1)
	switch {
	case !slices.Contains([]string{"npm", "pnpm", "yarn", "bun", "poetry", "uv", "pipenv", "bundle"}, first):
		return 0
	case slices.Contains([]string{"exec", "dlx", "x"}, second),
		second == "run" && slices.Contains([]string{"poetry", "uv", "pipenv"}, first):
		return 2
	}
	program := simple{arguments: []string{second}}
	if _, isTool := deploys[program.name()]; isTool && (first == "yarn" || first == "pnpm") {
		return 1
	}
	return 0
}

// takesValue reports whether the next word belongs to a wrapper's flag.
func takesValue(wrapper, flag string) bool {
	return map[string]bool{
		"env -u": true, "timeout -s": true, "timeout -k": true, "nice -n": true, "sudo -u": true, "npx -p": true,
		"npx --package": true, "npm --package": true,
	}[wrapper+" "+flag]
}

// script goes through the script that a command runs, and reports whether it is one.
func (s *scan) script(c simple, depth int) bool {
	name, rest := c.argument(0), c.arguments[min(1, len(c.arguments)):]
	switch {
	case slices.Contains([]string{"sh", "bash", "dash", "zsh", "source", ".", "ksh"}, name):
		for len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
			if strings.HasSuffix(rest[0], "c") && len(rest) > 1 { // sh -ec TEXT
				s.nested(c, rest[1], rest[min(3, len(rest)):], depth)
				return true
			}
			rest = rest[1:]
		}
		if len(rest) > 0 && rest[0] != "" {
			s.file(c, rest[0], rest[1:], depth)
		}
		return true
	case slices.Contains([]string{"npm", "pnpm", "yarn", "bun"}, name):
		text := packageScript(c.dir, rest)
		if text != "" {
			s.nested(c, text, nil, depth)
		}
		return true
	case strings.Contains(name, "/"):
		return s.file(c, name, rest, depth)
	}
	return false
}

// file goes through a script of the workspace, and reports whether it is one of a shell.
func (s *scan) file(c simple, name string, arguments []string, depth int) bool {
	file := resolve(c.dir, name)
	if inside, err := filepath.Rel(s.top, file); err != nil || !filepath.IsLocal(inside) && !filepath.IsLocal(name) {
		return false
	}
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxScript {
		return false
	}
	text, err := os.ReadFile(file)
	first, _, _ := strings.Cut(string(text), "\n")
	isShell := strings.HasPrefix(first, "#!") && strings.HasSuffix(strings.Fields(first + " ")[0], "sh") ||
		strings.HasPrefix(first, "#!/usr/bin/env ") && strings.Contains(first, "sh")
	if err != nil || !isShell && strings.HasPrefix(first, "#!") {
		return false
	}
	if !isShell && filepath.Ext(name) != ".sh" && strings.Contains(c.argument(0), "/") {
		return false
	}
	s.nested(c, string(text), arguments, depth)
	return true
}

// nested goes through a text that a command runs with arguments.
func (s *scan) nested(c simple, text string, arguments []string, depth int) {
	inner := scan{variables: s.variables, own: maps.Clone(c.own), dir: c.dir, top: s.top, emit: s.emit, nodes: s.nodes, done: s.done}
	for i := range 9 {
		delete(inner.own, strconv.Itoa(i+1))
	}
	for i, a := range arguments {
		inner.own[strconv.Itoa(i+1)] = a
	}
	inner.text(text, depth+1)
	s.done = inner.done
}

// packageScript returns the script of package.json that a package manager runs, with the arguments that it gets.
func packageScript(dir string, arguments []string) string {
	for len(arguments) > 0 &&
		(strings.HasPrefix(arguments[0], "-") || slices.Contains([]string{"run", "run-script"}, arguments[0])) {
		arguments = arguments[1:]
	}
	var of struct {
		Scripts map[string]string `json:"scripts"`
	}
	text, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil || len(arguments) == 0 || json.Unmarshal(text, &of) != nil || of.Scripts[arguments[0]] == "" {
		return ""
	}
	script := of.Scripts[arguments[0]]
	for _, a := range arguments[1:] {
		if quoted, err := syntax.Quote(a, syntax.LangBash); err == nil && a != "--" {
			script += " " + quoted
		}
	}
	return script
}

// resolve returns a path relative to a folder.
func resolve(dir, name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(dir, name)
}

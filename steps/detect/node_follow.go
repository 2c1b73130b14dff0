package detect

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// The limits of following scripts, which may call each other many times over.
const (
	maxHops  = 8
	maxLines = 1000
)

// line is a script of a package, with the scripts that it calls.
type line struct {
	pkg           *nodePackage
	name          string
	parts         []part
	followed      bool  // whether its syntax is understood, and it does not call itself
	before, after *line // what the package manager runs around it
}

// part is one command of a script.
type part struct {
	command
	hop   hop
	calls []*line // the scripts that it calls
	all   bool    // whether it calls scripts of several packages
	use   use     // what it runs, if it calls none
}

// use is a program with what starts it.
type use struct {
	tool     *testTool
	program  string   // its name: "tsc"
	args     []string // its arguments
	measured bool     // whether coverage of it is measured
	at       int      // where its name is among the words of the command
}

// follower follows the scripts of a workspace.
type follower struct {
	manager manager
	root    *nodePackage
	members []nodePackage
	lines   int // that were followed
}

// follow reads a script of a package; above are those that call it. It returns nil if there is none of that name.
func (f *follower) follow(pkg *nodePackage, name string, above ...string) *line {
	return f.followWith(pkg, name, nil, above)
}

// followWith reads a script with words behind it.
func (f *follower) followWith(pkg *nodePackage, name string, words, above []string) *line {
	text := pkg.script(name)
	if text == "" {
		return nil
	}
	for _, w := range words {
		text += " " + shellWord(w)
	}
	l := &line{pkg: pkg, name: name}
	id := pkg.dir + ":" + name
	all, ok := commands(text)
	f.lines++
	if !ok || slices.Contains(above, id) || len(above) > maxHops || f.lines > maxLines {
		return l
	}
	l.followed = true
	above = append(slices.Clone(above), id)
	for _, c := range all {
		p := f.part(pkg, c, above)
		l.parts = append(l.parts, p)
		if c.words[0] == "cd" || c.words[0] == "pushd" {
			l.followed = false // what follows is in another folder
		}
	}
	if f.manager.name != "yarn" || f.manager.eachTest == "yarn workspaces run %" { // yarn 2 and later run no such scripts
		l.before, l.after = f.follow(pkg, "pre"+name, above...), f.follow(pkg, "post"+name, above...)
	}
	return l
}

func (f *follower) part(pkg *nodePackage, c command, above []string) part {
	p := part{command: c}
	words := starterless(c.words)
	known := func(name string) bool { return pkg.script(name) != "" }
	h, ok := hopOf(words, known)
	if !ok && len(words) > 1 { // behind c8, cross-env and the like
		i := slices.IndexFunc(words, func(w string) bool { return w == "npm" || w == "pnpm" || w == "yarn" })
		if i > 0 && starters[path.Base(words[0])] {
			h, ok = hopOf(words[i:], known)
		}
	}
	if !ok {
		p.use = useOf(words, len(c.words)-len(words))
		return p
	}
	p.hop = h
	if h.elsewhere {
		return p
	}
	if h.each {
		p.all = true
		for i := range f.members {
			m := &f.members[i]
			if m.selected(h.filter) {
				for _, name := range h.names {
					if l := f.follow(m, name, above...); l != nil {
						p.calls = append(p.calls, l)
					}
				}
			}
		}
		return p
	}
	names := pkg.expand(h.names)
	for _, name := range names {
		words := slices.DeleteFunc(slices.Clone(h.rest), func(w string) bool { return w == "--" })
		if len(names) > 1 || !h.passes {
			words = nil
		}
		if l := f.followWith(pkg, name, words, above); l != nil {
			p.calls = append(p.calls, l)
		}
	}
	return p
}

// expand are the scripts that names and patterns of names stand for.
func (m manifest) expand(names []string) (all []string) {
	for _, name := range names {
		matches := func(s string) bool { return s == name }
		if inner, ok := strings.CutPrefix(name, "/"); ok && strings.HasSuffix(inner, "/") {
			re, err := regexp.Compile(strings.TrimSuffix(inner, "/"))
			if err != nil {
				continue
			}
			matches = re.MatchString
		} else if strings.Contains(name, "*") {
			matches = func(s string) bool {
				ok, err := path.Match(strings.ReplaceAll(name, ":", "/"), strings.ReplaceAll(s, ":", "/"))
				return err == nil && ok
			}
		}
		for _, s := range m.scripts {
			if matches(s.name) && !slices.Contains(all, s.name) {
				all = append(all, s.name)
			}
		}
	}
	return all
}

// selected reports whether filters of a package manager or a monorepo tool choose a package. A filter that is not
// understood chooses it.
func (p nodePackage) selected(filters []string) bool {
	if len(filters) == 0 {
		return true
	}
	for _, f := range filters {
		f = strings.Trim(f, ".^{}")
		if f == "" || strings.HasPrefix(f, "[") || strings.HasPrefix(f, "//") {
			continue
		}
		byName, _ := path.Match(f, p.label)
		byGlob := strings.HasSuffix(f, "*") && strings.HasPrefix(p.label, strings.TrimSuffix(f, "*"))
		byFolder := matchesAny([]string{strings.TrimPrefix(f, "/")}, p.dir)
		if byName || byGlob || byFolder || f == path.Base(p.dir) {
			return true
		}
	}
	return false
}

// starters are programs that start the program behind their own options.
var starters = map[string]bool{
	"cross-env": true, "cross-env-shell": true, "env": true, "dotenv": true, "dotenvx": true, "npx": true, "bunx": true,
	"c8": true, "nyc": true, "time": true, "nice": true, "xvfb-run": true, "exec": true,
}

// starterless are the words of a command without the variables before it, and without "pnpm exec" and its like.
func starterless(words []string) []string {
	for len(words) > 0 {
		switch {
		case assignment.MatchString(words[0]):
			words = words[1:]
		case len(words) > 2 && slices.Contains([]string{"npm", "pnpm", "yarn", "bun"}, words[0]) &&
			slices.Contains([]string{"exec", "x", "dlx"}, words[1]):
			words = words[2:]
			for len(words) > 1 && strings.HasPrefix(words[0], "-") {
				words = words[1:]
			}
		case (words[0] == "cross-env" || words[0] == "env") && len(words) > 1:
			words = words[1:]
		default:
			return words
		}
	}
	return words
}

// useOf finds the program of a command. skipped words are before words.
func useOf(words []string, skipped int) use {
	measured := false
	for i, w := range words {
		base := programName(w)
		if i == 0 && starters[base] {
			measured = base == "c8" || base == "nyc"
			continue
		}
		if i > 0 && !starters[programName(words[0])] && !carries(words[:i]) {
			break
		}
		if tool := toolOf(words[i:]); tool != nil {
			return use{tool: tool, program: base, args: words[i+1:], measured: measured, at: skipped + i}
		}
	}
	if len(words) == 0 {
		return use{}
	}
	i := 0
	for i < len(words)-1 &&
		(starters[programName(words[i])] || carries(words[:i+1]) || strings.HasPrefix(words[i], "-")) {
		i++
	}
	return use{program: programName(words[i]), args: words[i+1:], measured: measured, at: skipped + i}
}

// carries reports whether words start the program that comes behind them: node with its options, pnpm in front of a
// program's name.
func carries(words []string) bool {
	switch words[0] {
	case "node", "tsx", "ts-node", "bun", "pnpm", "yarn":
		for i, w := range words[1:] {
			value := i > 0 && slices.Contains(nodeOptions, words[i])
			if !strings.HasPrefix(w, "-") && !value {
				return false
			}
		}
		return true
	}
	return false
}

// nodeOptions are options of node with a value of their own.
var nodeOptions = []string{"-r", "--require", "--import", "--loader", "--experimental-loader"}

// programName is the name of a program that is called by its path: node_modules/.bin/jest, jest/bin/jest.js.
func programName(word string) string {
	base := path.Base(word)
	for _, extension := range []string{".js", ".mjs", ".cjs", ".cmd"} {
		base = strings.TrimSuffix(base, extension)
	}
	return base
}

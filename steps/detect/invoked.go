package detect

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// Invocation is the one program that a command comes down to, through the scripts of package.json that it calls.
type Invocation struct {
	Before  []string // what is in front of it: NODE_OPTIONS=…, cross-env, npx, python -m
	Program string   // its name, such as jest
	Call    string   // how it is called, such as node_modules/.bin/jest
	Args    []string
}

// Invoked follows a command to one of the programs. The error says what is not followed.
func Invoked(dir, command string, programs ...string) (in Invocation, err error) {
	scripts, err := packageScripts(dir)
	if err != nil {
		return in, err
	}
	words, err := oneCommand(command)
	if err != nil {
		return in, err
	}
	var before []string
	for range maxHops {
		for len(words) > 0 && assignment.MatchString(words[0]) {
			before, words = append(before, words[0]), words[1:]
		}
		known := func(name string) bool { return scripts.script(name) != "" }
		h, ok := hopOf(words, known)
		if !ok {
			return invocation(before, words, programs)
		}
		if words, err = throughScript(scripts, h, strings.Join(words, " ")); err != nil {
			return in, err
		}
	}
	return in, fmt.Errorf("the scripts of package.json call each other too often")
}

// oneCommand are the words of a command that is not made of several.
func oneCommand(text string) ([]string, error) {
	all, ok := commands(strings.TrimSpace(text))
	switch {
	case !ok || len(all) > 1:
		return nil, fmt.Errorf("%q is more than one simple command", text)
	case len(all) == 0:
		return nil, fmt.Errorf("there is no command")
	case strings.Contains(text, "$"):
		return nil, fmt.Errorf("%q depends on variables", text)
	}
	return all[0].words, nil
}

// throughScript are the words of the one script that a command calls.
func throughScript(scripts manifest, h hop, text string) ([]string, error) {
	rest := slices.DeleteFunc(slices.Clone(h.rest), func(w string) bool { return w == "--" })
	if h.each || h.elsewhere || len(h.names) != 1 || len(rest) > 0 && !h.passes {
		return nil, fmt.Errorf("%q runs scripts of several packages, or passes nothing on", text)
	}
	name := h.names[0]
	line := scripts.script(name)
	if line == "" {
		return nil, fmt.Errorf("package.json has no script %q", name)
	}
	for _, around := range []string{"pre" + name, "post" + name} {
		if scripts.script(around) != "" {
			return nil, fmt.Errorf("the script %s of package.json would not run", around)
		}
	}
	words, err := oneCommand(line)
	return append(words, rest...), err
}

// packageScripts reads the package.json of a folder, if there is one.
func packageScripts(dir string) (manifest, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return manifest{}, err
	}
	defer root.Close()
	info, err := root.Stat("package.json")
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxFile {
		return manifest{}, nil
	}
	text, err := root.ReadFile("package.json")
	if err != nil {
		return manifest{}, err
	}
	m, err := parseManifest(string(text))
	if err != nil {
		return m, fmt.Errorf("package.json: %w", err)
	}
	return m, nil
}

// runnersInFront matches words in front of a program that only start it.
var runnersInFront = pattern.New(`^(-{1,2}[A-Za-z][A-Za-z0-9=._-]*|npx|bunx|npm|pnpm|yarn|bun|exec|x|run|cross-env|env|node|` +
	`python[0-9.]*|uv|poetry|pipenv|hatch|pdm|c8|nyc|dotenv|dotenvx|--|time|nice|xvfb-run|ts-node|tsx)$`)

// invocation finds one of the programs among the words of a command.
func invocation(before, words, programs []string) (in Invocation, err error) {
	for i, word := range words {
		name := programName(word)
		if slices.Contains(programs, name) {
			return Invocation{append(before, words[:i]...), name, word, words[i+1:]}, nil
		}
		if !runnersInFront.MatchString(path.Base(filepath.ToSlash(word))) && !assignment.MatchString(word) {
			break
		}
	}
	return in, fmt.Errorf("%q runs none of %s", strings.Join(words, " "), strings.Join(programs, ", "))
}

// Quote is text as one word of a shell line.
func Quote(text string) string { return shellWord(text) }

// Line is the invocation as a line for the shell, with other arguments.
func (in Invocation) Line(args ...string) string {
	words := make([]string, 0, len(in.Before)+1+len(args))
	for _, w := range append(slices.Clone(in.Before), in.Call) {
		if name, value, ok := strings.Cut(w, "="); ok && assignment.MatchString(w) {
			w = name + "=" + shellWord(value)
		} else {
			w = shellWord(w)
		}
		words = append(words, w)
	}
	for _, a := range args {
		words = append(words, shellWord(a))
	}
	return strings.Join(words, " ")
}

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/carlin-cicd/runner/steps"
)

// The pages of the repository agree with the program: links lead somewhere, YAML is valid, commands exist and have the
// flags that are shown, targets of make exist.
func TestPagesAgreeWithTheProgram(t *testing.T) {
	const top = "../.."
	makefile, err := os.ReadFile(filepath.Join(top, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	pages := 0
	err = filepath.WalkDir(top, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && name != top {
			if base := entry.Name(); base == "node_modules" || base == "testdata" || base == "bin" ||
				strings.HasPrefix(base, ".") && base != ".github" {
				return filepath.SkipDir
			}
		}
		if filepath.Ext(name) != ".md" || entry.Name() == "CHANGELOG.md" {
			return nil
		}
		pages++
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		page := strings.TrimPrefix(name, top+"/")
		checkLinks(t, page, filepath.Dir(name), string(text))
		for _, block := range yamlBlocks(string(text)) {
			checkYAML(t, page, block)
		}
		for _, line := range commandLines(string(text)) {
			checkCommandLine(t, page, line, string(makefile))
		}
		return nil
	})
	if err != nil || pages < 15 {
		t.Fatalf("%d pages, %v", pages, err)
	}
}

var (
	links   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	fence   = regexp.MustCompile("(?ms)^ *```([a-z]*)[^\n]*\n(.*?)^ *```$")
	inline  = regexp.MustCompile("`((?:runner|make) [^`]+)`")
	target  = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
)

func checkLinks(t *testing.T, page, folder, text string) {
	t.Helper()
	for _, m := range links.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		path, anchor, _ := strings.Cut(m[1], "#")
		if strings.Contains(path, "://") {
			continue
		}
		to := text
		if path != "" {
			found, err := os.ReadFile(filepath.Join(folder, path))
			if info, statErr := os.Stat(filepath.Join(folder, path)); statErr != nil {
				t.Errorf("%s: the link to %s leads nowhere: %v", page, path, err)
				continue
			} else if info.IsDir() {
				continue
			}
			to = string(found)
		}
		if anchor != "" && strings.HasSuffix(path, ".md") == (path != "") && !slices.Contains(anchors(to), anchor) {
			t.Errorf("%s: %s has no heading #%s", page, path, anchor)
		}
	}
}

// anchors returns the names under which a page's headings are linked to.
func anchors(text string) (names []string) {
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', r >= '0' && r <= '9', r >= 'a' && r <= 'z', r > 127:
				return r
			}
			return -1
		}, strings.ToLower(m[1]))
		names = append(names, name)
	}
	return names
}

func yamlBlocks(text string) (blocks []string) {
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		if m[1] == "yaml" || m[1] == "yml" {
			blocks = append(blocks, m[2])
		}
	}
	return blocks
}

// checkYAML checks a runner.yaml, or a part of one: its steps, or the keys of a step.
func checkYAML(t *testing.T, page, block string) {
	t.Helper()
	var keys map[string]any
	if err := yaml.Unmarshal([]byte(block), &keys); err != nil {
		t.Errorf("%s: %v\n%s", page, err, block)
		return
	}
	has := func(name string) bool { _, ok := keys[name]; return ok }
	switch {
	case has("version") && (has("steps") || has("cluster")):
	case has("steps") || has("checkout") || has("setup"):
		block = "version: 1\n" + block
	case has("on") || has("jobs") || has("Resources") || has("Parameters"):
		return // of another program
	case slices.ContainsFunc(pageSteps, has):
		block = "version: 1\nsteps:\n" + indent(block)
	default:
		block = "version: 1\nsteps:\n  test:\n" + indent(block)
	}
	if _, err := steps.Parse(page, []byte(block)); err != nil {
		t.Errorf("%v\n%s", err, block)
	}
}

func indent(block string) string {
	var b strings.Builder
	for line := range strings.Lines(block) {
		b.WriteString("    " + line)
	}
	return b.String()
}

// commandLines returns the commands of a page: lines of blocks, and inline code.
func commandLines(text string) (found []string) {
	blocks := ""
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		if m[1] == "" || m[1] == "sh" || m[1] == "console" {
			blocks += m[2]
		}
	}
	for line := range strings.Lines(fence.ReplaceAllString(text, "")) {
		if strings.HasPrefix(line, "    ") {
			blocks += line
		}
	}
	for line := range strings.Lines(blocks) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
		if strings.HasPrefix(line, "runner ") || strings.HasPrefix(line, "make ") {
			found = append(found, line)
		}
	}
	for _, m := range inline.FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

func checkCommandLine(t *testing.T, page, line, makefile string) {
	t.Helper()
	if strings.Contains(line, "…") || strings.ContainsAny(line, "<>|") {
		return // not a whole command
	}
	line, _, _ = strings.Cut(line, " #")
	words := strings.Fields(line)
	if words[0] == "make" {
		for _, word := range words[1:] {
			if target.MatchString(word) && !strings.Contains(makefile, "\n"+word+":") {
				t.Errorf("%s: %q: the Makefile has no target %s", page, line, word)
			}
		}
		return
	}
	root := newRoot(&options{})
	if words[1] == "help" {
		if words = words[1:]; len(words) == 2 && (words[1] == "COMMAND" || words[1] == variablesTopic) {
			return
		}
	}
	cmd, rest, err := root.Find(words[1:])
	if err != nil {
		t.Errorf("%s: %q: %v", page, line, err)
		return
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Errorf("%s: %q: %v", page, line, err)
	}
	if arguments := cmd.Flags().Args(); cmd == root && len(arguments) > 0 && !slices.Contains(pageSteps, arguments[0]) {
		t.Errorf("%s: %q: there is no command or step %s", page, line, arguments[0])
	} else if cmd.HasSubCommands() && cmd != root && len(arguments) > 0 {
		t.Errorf("%s: %q: there is no command %s", page, line, arguments[0])
	}
}

// pageSteps are the steps in the examples of the pages.
var pageSteps = append(steps.BuiltIn(), "lint", "e2e", "NAME")

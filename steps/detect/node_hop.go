package detect

import (
	"slices"
	"strings"
)

// hop is a call of other scripts of a workspace.
type hop struct {
	names     []string // of scripts, or patterns of them: "test:*", "/^test:/"
	each      bool     // in every package
	filter    []string // the packages, by name, folder or glob; all if there is none
	passes    bool     // whether words behind the call reach the one script that it names
	elsewhere bool     // in a folder that is not followed
	rest      []string // words for the script
}

// hopOf reads a call of scripts: npm run x, pnpm x, yarn workspaces run x, turbo run x, run-s a b. known tells the
// names of scripts.
func hopOf(words []string, known func(string) bool) (hop, bool) {
	if len(words) == 0 {
		return hop{}, false
	}
	switch words[0] {
	case "npm", "pnpm", "yarn", "bun":
		return managerHop(words[0], words[1:], known)
	case "node":
		if len(words) > 2 && words[1] == "--run" {
			return hop{names: words[2:3], rest: words[3:], passes: len(words) > 3 && words[3] == "--"}, true
		}
	case "run-s", "run-p", "npm-run-all", "npm-run-all2":
		h := hop{}
		for _, w := range words[1:] {
			if name := strings.Fields(w); len(name) > 0 && !strings.HasPrefix(w, "-") {
				h.names = append(h.names, name[0])
			}
		}
		return h, len(h.names) > 0
	case "turbo", "lerna", "nx", "ultra", "wsrun":
		return monorepoHop(words), true
	}
	return hop{}, false
}

// option is an option of a package manager or a monorepo tool.
type option struct {
	names    []string
	hasValue bool
	set      func(h *hop, value string)
}

func ignored(*hop, string) {}

// managerOptions are those of npm, pnpm, yarn and bun that have a value or change which scripts run.
var managerOptions = []option{
	{[]string{"-r", "--recursive", "--workspaces", "-ws", "-A", "--all"}, false, func(h *hop, _ string) { h.each = true }},
	{[]string{"--filter", "-F", "--workspace"}, true, (*hop).only},
	{[]string{"-C", "--dir", "--prefix", "--cwd"}, true, func(h *hop, _ string) { h.elsewhere = true }},
	{[]string{
		"--workspace-concurrency", "--concurrency", "--include", "--exclude", "--from", "--jobs", "-j", "--loglevel",
		"--reporter",
	}, true, ignored},
}

// npmOptions are those of npm, which has a short one of its own.
var npmOptions = append([]option{{[]string{"-w"}, true, (*hop).only}}, managerOptions...)

// monorepoOptions are those of turbo, nx and lerna.
var monorepoOptions = []option{
	{[]string{"-t", "--target", "--targets"}, true, func(h *hop, value string) {
		h.names = append(h.names, strings.Split(value, ",")...)
	}},
	{[]string{"--filter", "-F", "--scope", "--projects", "-p"}, true, (*hop).only},
	{[]string{"--concurrency", "--root-turbo-json", "--exclude", "--cache-dir"}, true, ignored},
}

// only restricts a call to packages.
func (h *hop) only(packages string) {
	h.each = true
	h.filter = append(h.filter, strings.Split(packages, ",")...)
}

// take applies the option that words begin with, and returns how many of them it takes.
func (h *hop) take(options []option, words []string) int {
	name, value, assigned := strings.Cut(words[0], "=")
	for _, o := range options {
		if !slices.Contains(o.names, name) {
			continue
		}
		taken := 1
		if o.hasValue && !assigned && len(words) > 1 {
			value, taken = words[1], 2
		}
		o.set(h, value)
		return taken
	}
	return 1
}

func managerHop(program string, words []string, known func(string) bool) (hop, bool) {
	h := hop{passes: program != "npm"}
	options := managerOptions
	if program == "npm" {
		options = npmOptions
	}
	run := false
	for i := 0; i < len(words); {
		w := words[i]
		switch {
		case strings.HasPrefix(w, "-"):
			i += h.take(options, words[i:])
			continue
		case w == "workspace" && i+1 < len(words):
			h.only(words[i+1])
			i++
		case w == "workspaces" || w == "recursive":
			h.each, run = true, true
		case w == "run" || w == "run-script" || w == "foreach":
			run = true
		default:
			return h.named(program, w, words[i+1:], run, known)
		}
		i++
	}
	return hop{}, false
}

// named ends a call with the name of a script and the words behind it. It returns false for a program that is called by
// its name alone, such as pnpm vitest.
func (h hop) named(program, name string, rest []string, run bool, known func(string) bool) (hop, bool) {
	if program == "npm" && (name == "t" || name == "tst") {
		name = "test"
	}
	switch {
	case program == "bun" && name == "test" && !run: // the test tool of bun itself
		return hop{}, false
	case !run && !h.each && !known(name):
		return hop{}, false
	}
	h.names, h.rest = []string{name}, rest
	if program == "npm" { // which takes options behind the name for its own
		h.rest = nil
		for len(rest) > 0 && rest[0] != "--" {
			if strings.HasPrefix(rest[0], "-") {
				rest = rest[h.take(npmOptions, rest):]
				continue
			}
			h.rest, rest = append(h.rest, rest[0]), rest[1:]
		}
		h.rest, h.passes = append(h.rest, rest...), len(rest) > 0
	}
	return h, true
}

// monorepoHop reads calls of tools that run scripts of packages.
func monorepoHop(words []string) hop {
	h := hop{each: true}
	for i := 1; i < len(words); {
		w := words[i]
		switch project, target, colon := strings.Cut(w, ":"); {
		case w == "--":
			h.passes, h.rest = true, words[i:]
			return h
		case strings.HasPrefix(w, "-"):
			i += h.take(monorepoOptions, words[i:])
			continue
		case w == "run" || w == "run-many" || w == "affected" || w == "r" || w == "exec":
		case words[0] == "nx" && colon:
			h.filter, h.names = append(h.filter, project), append(h.names, target)
		default:
			h.names = append(h.names, w)
		}
		i++
	}
	return h
}

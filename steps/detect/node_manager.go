package detect

import (
	"slices"
	"strings"
)

// manager is a package manager: how it runs scripts and programs.
type manager struct {
	name      string
	lockfiles []string
	separator string // before flags for a script, which npm would take for its own
	exec      string // runs a program of the project
	each      string // runs a script in every package that has it; "%" stands for its name
	eachTest  string // the same, and goes on after a failure, so that every package has its report
}

// managers are in the order in which their lockfiles count.
var managers = []manager{
	{
		name: "pnpm", lockfiles: []string{"pnpm-lock.yaml"}, exec: "pnpm exec ",
		each: "pnpm -r run %", eachTest: "pnpm -r --no-bail run %",
	},
	{
		name: "bun", lockfiles: []string{"bun.lock", "bun.lockb"}, exec: "bun x ",
		each: "bun run --filter '*' %", eachTest: "bun run --filter '*' %",
	},
	{
		name: "yarn", lockfiles: []string{"yarn.lock"}, exec: "yarn run ",
		each: "yarn workspaces run %", eachTest: "yarn workspaces run %",
	},
	{
		name: "npm", lockfiles: []string{"package-lock.json", "npm-shrinkwrap.json"}, separator: "-- ", exec: "npx ",
		each: "npm run % --workspaces --if-present", eachTest: "npm run % --workspaces --if-present",
	},
}

// managerOf is the manager of a workspace: the one that packageManager names, unless only another has a lockfile here;
// npm if nothing says more.
func managerOf(p nodePackage) manager {
	named, version, _ := strings.Cut(p.manager, "@")
	chosen, best := managers[len(managers)-1], 0
	for _, m := range managers {
		rank := 0
		if p.first(m.lockfiles...) != "" {
			rank = 2
		}
		if m.name == named {
			rank++
		}
		if rank > best {
			chosen, best = m, rank
		}
	}
	if chosen.name == "yarn" && (p.has(".yarnrc.yml") || named == "yarn" && !strings.HasPrefix(version, "1.")) {
		chosen.each = "yarn workspaces foreach --all --topological run %"
		chosen.eachTest = "yarn workspaces foreach --all run %"
	}
	return chosen
}

// script is the line that runs a script with arguments.
func (m manager) script(name, arguments string) string {
	line := m.name + " run " + shellWord(name)
	if arguments == "" {
		return line
	}
	return line + " " + m.separator + arguments
}

// inEach is the line that runs a script of all packages with arguments.
func (m manager) inEach(pattern, name, arguments string) string {
	line := strings.Replace(pattern, "%", shellWord(name), 1)
	if arguments == "" {
		return line
	}
	return line + " " + m.separator + arguments
}

// global are programs that no project brings.
var global = []string{"node", "npm", "pnpm", "yarn", "bun", "npx", "bunx", "deno", "cd", "echo", "rm", "cp", "mkdir"}

// program is a command line of the project's own tools, as it can be typed in its folder.
func (m manager) program(c command) string {
	if len(c.words) == 0 || strings.ContainsAny(c.words[0], "=/") || slices.Contains(global, c.words[0]) {
		return c.text
	}
	return m.exec + c.text
}

package steps

import (
	"errors"
	"testing"
)

// refusal is an error of Parse.
type refusal struct{ source, message, hint string }

func TestAnInvalidFileIsRefusedWithItsPlace(t *testing.T) {
	for name, c := range map[string]refusal{
		"an unknown key": {
			"version: 1\nsteps:\n  test:\n    comand: pnpm test\n",
			`runner.yaml:4:5: unknown key "comand" in step "test": comand: pnpm test`, "did you mean command?",
		},
		"a key that other tools call so": {
			"version: 1\nsteps:\n  test:\n    env: { A: b }\n",
			`runner.yaml:4:5: unknown key "env" in step "test": env: { A: b }`, "did you mean environment?",
		},
		"run instead of command": {
			"version: 1\nsteps:\n  lint:\n    run: x\n", `runner.yaml:4:5: unknown key "run" in step "lint": run: x`, "did you mean command?",
		},
		"depends_on instead of needs": {
			"version: 1\nsteps:\n  test:\n    depends_on: [build]\n", "", "did you mean needs?",
		},
		"an unknown key at the top": {
			"version: 1\nstep: {}\n", `runner.yaml:2:1: unknown key "step" in the top level: step: {}`, "did you mean steps?",
		},
		"a wrong type": {
			"version: 1\nsteps:\n  test:\n    reports: junit.xml\n",
			`runner.yaml:4:14: reports must be a list, not text: reports: junit.xml`, "",
		},
		"a mapping where text belongs": {
			"version: 1\nsteps:\n  test:\n    command:\n      run: x\n",
			`runner.yaml:5:7: command must be text, not a mapping: run: x`, "",
		},
		"a command that YAML reads as a boolean": {
			"version: 1\nsteps:\n  test:\n    command: true\n",
			`runner.yaml:4:14: command must be text, not true or false: command: true`, `put it in quotes: "true"`,
		},
		"a duration in words": {
			"version: 1\nsteps:\n  test:\n    timeout: 15 minutes\n",
			`runner.yaml:4:14: invalid timeout "15 minutes": timeout: 15 minutes`, "write a duration such as 90s, 15m or 1h30m",
		},
		"a duration without a unit": {
			"version: 1\nsteps:\n  test:\n    timeout: 900\n",
			`runner.yaml:4:14: invalid timeout "900": timeout: 900`, "write a duration such as 90s, 15m or 1h30m",
		},
		"a path that leaves the workspace": {
			"version: 1\nsteps:\n  test:\n    artifacts: [{ name: coverage, path: ../x }]\n",
			`runner.yaml:4:41: invalid path "../x": artifacts: [{ name: coverage, path: ../x }]`, "write a path inside the workspace, relative to it",
		},
		"an artifact under a name of the store": {
			"version: 1\nsteps:\n  test:\n    artifacts: [{ name: manifests, path: x }]\n",
			`runner.yaml:4:25: invalid name "manifests": artifacts: [{ name: manifests, path: x }]`, "",
		},
		"two artifacts of one name": {
			"version: 1\nsteps:\n  build:\n    artifacts: [{name: a, path: b}, {name: a, path: c}]\n",
			`runner.yaml:4:37: two artifacts have the name "a": artifacts: [{name: a, path: b}, {name: a, path: c}]`, "give each artifact a name of its own",
		},
		"a cache without a path": {
			"version: 1\nsteps:\n  build:\n    cache: { name: a }\n", `runner.yaml:4:12: a cache has no path: cache: { name: a }`, `write { name: deps, path: ["~/.npm"], key: [package-lock.json] } or { turbo: true }`,
		},
		"a cache of nothing": {
			"version: 1\nsteps:\n  build:\n    cache: { turbo: false }\n", `runner.yaml:4:12: a cache has no name: cache: { turbo: false }`, ``,
		},
		"a cache of folders and of tools": {
			"version: 1\nsteps:\n  build:\n    cache: { name: a, path: b, nx: true }\n", `runner.yaml:4:12: a cache is of folders or of tools, not of both: cache: { name: a, path: b, nx: true }`, `make them two caches in a list`,
		},
		"a cache outside of the workspace": {
			"version: 1\nsteps:\n  build:\n    cache: { name: a, path: ../b }\n", ``, `write a path inside the workspace or below the home folder, such as .next/cache or "~/.npm"`,
		},
		"a cache outside of the home folder": {
			"version: 1\nsteps:\n  build:\n    cache: { name: a, path: \"~/../b\" }\n", ``, `write a path inside the workspace or below the home folder, such as .next/cache or "~/.npm"`,
		},
		"the whole workspace as a cache": {
			"version: 1\nsteps:\n  build:\n    cache: { name: a, path: . }\n", ``, ``,
		},
		"the whole home folder as a cache": {
			"version: 1\nsteps:\n  build:\n    cache: { name: a, path: \"~/\" }\n", ``, ``,
		},
		"an absolute path as a cache": {
			"version: 1\nsteps:\n  build:\n    cache: { name: a, path: /etc }\n", ``, ``,
		},
		"a cache of a pattern": {
			"version: 1\nsteps:\n  build:\n    cache: { name: a, path: \"packages/*/node_modules\" }\n", ``, `name each folder: a path of a cache is no pattern`,
		},
		"a cache of a variable": {
			"version: 1\nsteps:\n  build:\n    cache: { name: a, path: $HOME/.npm }\n", ``, `write a path inside the workspace or below the home folder, such as .next/cache or "~/.npm"`,
		},
		"a cache of another home folder": {
			"version: 1\nsteps:\n  build:\n    cache: { name: a, path: \"~ana/.npm\" }\n", ``, `write a path inside the workspace or below the home folder, such as .next/cache or "~/.npm"`,
		},
		"two caches of one name": {
			"version: 1\nsteps:\n  build:\n    cache: [{ name: a, path: b }, { name: a, path: c }]\n", `runner.yaml:4:35: two caches have the name "a": cache: [{ name: a, path: b }, { name: a, path: c }]`, `give each cache a name of its own`,
		},
		"a cache with a bad budget": {
			"version: 1\nsteps:\n  build:\n    cache: { name: a, path: b, max: 5 }\n", `runner.yaml:4:37: invalid max "5": cache: { name: a, path: b, max: 5 }`, `write a size such as 500MB or 5GB`,
		},
		"a cache that is saved at no time": {
			"version: 1\nsteps:\n  build:\n    cache: { name: a, path: b, save: never }\n", ``, ``,
		},
		"a cache with an empty key": {
			"version: 1\nsteps:\n  build:\n    cache: { name: a, path: b, key: [] }\n", ``, `write one or more, or remove the key`,
		},
		"an artifact without a path": {
			"version: 1\nsteps:\n  build:\n    artifacts: [{ name: a }]\n", `runner.yaml:4:17: an artifact has no path: artifacts: [{ name: a }]`,
			"write { name: coverage, path: coverage }",
		},
		"a step of one's own without a command": {
			"version: 1\nsteps:\n  lint: { timeout: 1m }\n",
			`runner.yaml:3:3: step "lint" has no command: lint: { timeout: 1m }`, "add a command: line to it",
		},
		"a name that cannot be a folder": {
			"version: 1\nsteps:\n  a/b: { command: x }\n",
			`runner.yaml:3:3: invalid name of a step "a/b": a/b: { command: x }`, "",
		},
		"a key twice": {
			"version: 1\nsteps:\n  lint: { command: x }\n  lint: { command: y }\n",
			`runner.yaml:4:3: mapping key "lint" already defined at [3:3]: lint: { command: y }`, "",
		},
		"no version":        {"steps: {}\n", "runner.yaml: version is missing", "begin the file with version: 1"},
		"a later version":   {"version: 2\n", "runner.yaml:1:10: version must be 1: version: 2", "write version: 1"},
		"an empty file":     {"# nothing\n", "runner.yaml: the file is empty", ""},
		"a second document": {"version: 1\n---\nversion: 1\n", "runner.yaml:3:1: the file has a second document: version: 1", ""},
		"not YAML":          {"version: 1\nsteps: [\n", "", ""},
		"an empty command":  {"version: 1\nsteps:\n  lint: { command: \"\" }\n", `runner.yaml:3:20: command is empty: lint: { command: "" }`, ""},
		"an unknown shell": {
			"version: 1\nsteps:\n  lint: { command: x, shell: zsh }\n", `runner.yaml:3:30: invalid shell "zsh": lint: { command: x, shell: zsh }`,
			"write sh, bash or a list such as [zsh, -e, -c]",
		},
		"unknown credentials": {
			"version: 1\nsteps:\n  lint: { command: x, credentials: all }\n",
			`runner.yaml:3:36: invalid credentials "all": lint: { command: x, credentials: all }`, "write task or none",
		},
		"an input that is not a variable": {
			"version: 1\nsteps:\n  lint: { command: x, inputs: [a-b] }\n", `runner.yaml:3:32: invalid name in inputs "a-b": lint: { command: x, inputs: [a-b] }`, "",
		},
		"setup: true": {"version: 1\nsetup: true\n", "runner.yaml:2:8: setup cannot be true: setup: true", ""},
		"a step that needs itself": {
			"version: 1\nsteps:\n  test: { needs: [build, test] }\n",
			`runner.yaml:3:26: step "test" needs itself: test: { needs: [build, test] }`, "remove it",
		},
		"a step that needs an unknown one": {
			"version: 1\nsteps:\n  deploy:\n    needs:\n      - build\n      - tset\n", `runner.yaml:6:9: step "deploy" needs "tset", which is not a step: - tset`,
			"did you mean test? the steps are build, test, deploy, migrate",
		},
		"steps that need each other": {
			"version: 1\nsteps:\n  a: { command: x, needs: [b] }\n  b: { command: x, needs: [a] }\n",
			`runner.yaml:3:27: steps need each other: a → b → a: a: { command: x, needs: [b] }`, "",
		},
		"a fetch of what no step makes": {
			"version: 1\nsteps:\n  deploy: { fetch: [build] }\n", `runner.yaml:3:21: step "deploy" fetches "build", which no step publishes: deploy: { fetch: [build] }`,
			"did you mean builds? the artifacts are builds, coverage",
		},
		"a fetch of what a step makes no longer": {
			"version: 1\nsteps:\n  build: { artifacts: [] }\n  deploy: { fetch: [builds] }\n", `runner.yaml:4:21: step "deploy" fetches "builds", which no step publishes: deploy: { fetch: [builds] }`,
			"",
		},
		"a migration that is retried": {
			"version: 1\nsteps:\n  migrate: { retry: { attempts: 1 } }\n",
			`runner.yaml:3:21: migrate cannot be retried: migrate: { retry: { attempts: 1 } }`, "",
		},
		"a placeholder in quotes": {
			"version: 1\nsteps:\n  lint: { command: x, rerun: { command: 'jest \"{files}\"' } }\n",
			`runner.yaml:3:41: {files} is inside of quotes, backticks, a comment or a here-document: lint: { command: x, rerun: { command: 'jest "{files}"' } }`,
			"each name is quoted already: write {files} without quotes, or write the command as a list",
		},
		"files as a part of an argument": {
			"version: 1\nsteps:\n  lint: { command: x, rerun: { command: [jest, \"--only={files}\"] } }\n",
			`runner.yaml:3:41: {files} is a part of the argument "--only={files}": lint: { command: x, rerun: { command: [jest, "--only={files}"] } }`, "",
		},
		"a rerun without a command": {
			"version: 1\nsteps:\n  lint: { command: x, rerun: { attempts: 1 } }\n",
			`runner.yaml:3:30: rerun has no command: lint: { command: x, rerun: { attempts: 1 } }`, "",
		},
		"a rerun of all tests": {
			"version: 1\nsteps:\n  test:\n    rerun: { command: jest --ci }\n",
			`runner.yaml:4:23: command runs all tests again: it names none of those that failed: rerun: { command: jest --ci }`, "",
		},
		"a pattern without a group": {
			"version: 1\nsteps:\n  lint: { command: x, rerun: { command: y, pattern: 'a(?:b)' } }\n",
			`runner.yaml:3:53: pattern has 0 groups instead of one: lint: { command: x, rerun: { command: y, pattern: 'a(?:b)' } }`, "",
		},
		"a pattern that does not compile": {"version: 1\nsteps:\n  lint: { command: x, rerun: { command: y, pattern: '(' } }\n", "", ""},
		"more failures to run again than are read": {
			"version: 1\nsteps:\n  lint: { command: x, rerun: { command: y, at_most: 1000 } }\n",
			`runner.yaml:3:53: invalid at_most "1000": lint: { command: x, rerun: { command: y, at_most: 1000 } }`, "write a whole number from 0 to 100",
		},
		"a rerun without reports": {
			"version: 1\nsteps:\n  lint: { command: x, rerun: { command: y } }\n",
			`runner.yaml:3:30: step "lint" has rerun but no reports: lint: { command: x, rerun: { command: y } }`, "add reports: with the globs of its JUnit files",
		},
		"a day that the calendar lacks": {
			"version: 1\nsteps:\n  lint: { command: x, quarantine: [{ test: a, until: 2026-02-30 }] }\n",
			`runner.yaml:3:54: invalid until "2026-02-30": lint: { command: x, quarantine: [{ test: a, until: 2026-02-30 }] }`, "write a day of the calendar such as 2026-12-31",
		},
		"a quarantine without an end": {
			"version: 1\nsteps:\n  lint: { command: x, quarantine: [{ test: a }] }\n", "", `write { test: "basket › adds up", until: 2026-12-31, reason: "…" }`,
		},
		"a quarantine of everything": {
			"version: 1\nsteps:\n  lint: { command: x, quarantine: [{ test: '**', until: 2026-12-31 }] }\n", "", "write the name of a test, or a part of it with *: this would be every test",
		},
		"a floor over 100 %": {
			"version: 1\nsteps:\n  lint: { command: x, coverage: { minimum: 101 } }\n",
			`runner.yaml:3:44: invalid minimum "101": lint: { command: x, coverage: { minimum: 101 } }`, "write a number from 0 to 100, without a percent sign",
		},
		"a floor with a percent sign": {
			"version: 1\nsteps:\n  lint: { command: x, coverage: { minimum: 80% } }\n",
			`runner.yaml:3:44: minimum must be a number from 0 to 100, without a percent sign, not text: lint: { command: x, coverage: { minimum: 80% } }`, "",
		},
		"a floor that is not a number": {"version: 1\nsteps:\n  lint: { command: x, coverage: { drop: .nan } }\n", "", ""},
		"a retry of failure": {
			"version: 1\nsteps:\n  lint: { command: x, retry: { on: [failure] } }\n",
			`runner.yaml:3:37: invalid reason in on "failure": lint: { command: x, retry: { on: [failure] } }`, "write oom, infrastructure or cancelled",
		},
	} {
		t.Run(name, func(t *testing.T) { checkRefusal(t, c) })
	}
}

func checkRefusal(t *testing.T, c refusal) {
	t.Helper()
	_, err := Parse("runner.yaml", []byte(c.source))
	var refused *FileError
	if !errors.As(err, &refused) {
		t.Fatalf("not refused: %v", err)
	}
	if c.message != "" && err.Error() != c.message {
		t.Errorf("the error is\n%s\nwant\n%s", err, c.message)
	}
	if c.hint != "" && refused.Hint() != c.hint {
		t.Errorf("the hint is %q, want %q", refused.Hint(), c.hint)
	}
}

package steps

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAFileOverridesBuiltInStepsAndAddsItsOwn(t *testing.T) {
	file, err := Parse("runner.yaml", []byte(`version: 1
steps:
  test:
    command: [pnpm, run, test, --ci]
    timeout: 15m
    environment: { NODE_ENV: test, WORKERS: 2, TRACE: false }
    reports: []
    artifacts:
      - { name: coverage, path: out/coverage, when: always, mirror: latest }
    retry: { attempts: 2, on: [oom] }
  deploy:
    needs: [test, build]
    fetch: [builds]
    required: [REGION]
    verify: curl -fsS https://example.com/health
  lint: { command: pnpm lint, directory: packages/./app }
`))
	if err != nil {
		t.Fatal(err)
	}
	all := Collect(t.TempDir(), file)
	if got, want := strings.Join(all.Names(), " "), "build test deploy migrate lint"; got != want {
		t.Errorf("steps are %q, want %q", got, want)
	}

	test, err := all.Find("test")
	if err != nil {
		t.Fatal(err)
	}
	if got := test.Command.String(); got != "pnpm run test --ci" {
		t.Errorf("command is %q", got)
	}
	if test.Timeout != 15*time.Minute || len(test.Reports) != 0 || test.Environment["WORKERS"] != "2" || test.Environment["TRACE"] != "false" {
		t.Errorf("settings are %+v", test)
	}
	if got := test.Artifacts; len(got) != 1 || got[0] != (Artifact{Name: "coverage", Path: "out/coverage", When: Always, Mirror: "latest"}) {
		t.Errorf("artifacts are %+v", got)
	}
	if !test.Retry.Allows("oom") || test.Retry.Allows("infrastructure") || test.Retry.Attempts != 2 {
		t.Errorf("retry is %+v", test.Retry)
	}
	if test.Origin["command"] != "runner.yaml:4" || test.Origin["verify"] != "built-in" {
		t.Errorf("origins are %v", test.Origin)
	}

	deploy, _ := all.Find("deploy")
	if got := strings.Join(deploy.Required, " "); got != "ENVIRONMENT REGION" {
		t.Errorf("deploy requires %q: a file must not remove a guard", got)
	}
	if !strings.Contains(deploy.Command.Line, "carlin deploy") {
		t.Errorf("deploy lost its built-in command: %q", deploy.Command)
	}

	lint, _ := all.Find("lint")
	if lint.Directory != "packages/app" {
		t.Errorf("directory is %q", lint.Directory)
	}
	if path, ok := all.ArtifactPath("coverage"); !ok || path != "out/coverage" {
		t.Errorf("coverage is in %q", path)
	}
}

func TestAnchorsAliasesAndMergeKeysAreFollowed(t *testing.T) {
	file, err := Parse("runner.yaml", []byte(`version: 1
steps:
  lint: &base
    command: pnpm lint
    timeout: 2m
    environment: &env { A: "1" }
  check:
    <<: *base
    command: pnpm check
  third: { command: x, environment: *env }
`))
	if err != nil {
		t.Fatal(err)
	}
	check, err := Collect(t.TempDir(), file).Find("check")
	if err != nil {
		t.Fatal(err)
	}
	if check.Command.Line != "pnpm check" || check.Timeout != 2*time.Minute || check.Environment["A"] != "1" {
		t.Errorf("merged step is %+v", check)
	}
}

func TestAKeyReplacesThatOfAMergeKey(t *testing.T) {
	file, err := Parse("runner.yaml", []byte(`version: 1
steps:
  lint: &base
    command: pnpm lint
    reports: [a.xml]
    artifacts: [{ name: coverage, path: a }]
    rerun: { command: "again {files}", at_most: 3 }
    quarantine: [{ test: a, until: 2026-01-01 }]
    coverage: { minimum: 5 }
  check:
    <<: *base
    command: [pnpm, check]
    artifacts: [{ name: coverage, path: b }]
    rerun: { command: [again, "{files}"] }
    quarantine: [{ test: b, until: 2026-01-01 }]
    coverage: { drop: 1 }
`))
	if err != nil {
		t.Fatal(err)
	}
	check, err := Collect(t.TempDir(), file).Find("check")
	if err != nil {
		t.Fatal(err)
	}
	if check.Command.String() != "pnpm check" || len(check.Artifacts) != 1 || check.Artifacts[0].Path != "b" {
		t.Errorf("the step is %+v", check)
	}
	if check.Rerun.Command.Line != "" || check.Rerun.AtMost != usualAtMost || len(check.Quarantine) != 1 || check.Coverage.Minimum != 0 || check.Coverage.Drop != 1 {
		t.Errorf("the step is %+v", check)
	}
}

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
			"version: 1\nsteps:\n  deploy: { fetch: [build] }\n", `runner.yaml:3:21: step "deploy" fetches "build", which no step makes: deploy: { fetch: [build] }`,
			"did you mean builds? the artifacts are builds, coverage",
		},
		"a fetch of what a step makes no longer": {
			"version: 1\nsteps:\n  build: { artifacts: [] }\n  deploy: { fetch: [builds] }\n", `runner.yaml:4:21: step "deploy" fetches "builds", which no step makes: deploy: { fetch: [builds] }`,
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

func TestAPlainSecretIsNotRepeatedInTheError(t *testing.T) {
	for _, value := range []string{"hunter2", "1234567", "[hunter2]"} {
		_, err := Parse("runner.yaml", []byte("version: 1\nsteps: { test: { secrets: { A: "+value+" } } }\n"))
		var refused *FileError
		if !errors.As(err, &refused) || refused.Line != 2 || refused.Message != "secret A is not a reference" {
			t.Fatal(err)
		}
		if text := refused.Error() + refused.Hint(); strings.Contains(text, "hunter2") || strings.Contains(text, "1234567") {
			t.Errorf("the value is in %q", text)
		}
	}
}

func TestAByteOrderMarkIsAccepted(t *testing.T) {
	if _, err := Parse("runner.yaml", []byte("\uFEFFversion: 1\n")); err != nil {
		t.Error(err)
	}
	_, err := Parse("runner.yaml", []byte("\uFEFFversion: 2\n"))
	if err == nil || err.Error() != "runner.yaml:1:10: version must be 1: version: 2" {
		t.Error(err)
	}
}

func TestAnAddressOfTheSchemaIsAccepted(t *testing.T) {
	if _, err := Parse("runner.yaml", []byte("$schema: https://example.com/schema.json\nversion: 1\n")); err != nil {
		t.Error(err)
	}
}

func TestShells(t *testing.T) {
	for shell, want := range map[string]string{
		"":                      "sh -e -c",
		"shell: sh":             "sh -e -c",
		"shell: bash":           "bash -eo pipefail -c",
		"shell: [zsh, -eu, -c]": "zsh -eu -c",
	} {
		file, err := Parse("runner.yaml", []byte("version: 1\nsteps:\n  test:\n    command: |\n      false\n      true\n    verify: v\n    before: b\n    after: [a, [x, y]]\n    on_failure: f\n    rerun: { command: 'jest {files}' }\n    "+shell+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		s, _ := Collect(t.TempDir(), file).Find("test")
		for _, c := range []Command{s.Command, s.Verify, s.Hooks.Before[0], s.Hooks.After[0], s.Hooks.OnFailure[0], s.Rerun.Command} {
			if got := strings.Join(c.Argv(), " "); got != want+" "+c.Line {
				t.Errorf("%s: %q", shell, got)
			}
		}
		if got := s.Hooks.After[1].Argv(); !slices.Equal(got, []string{"x", "y"}) {
			t.Errorf("a list became %q", got)
		}
	}
	if setup := (Command{Line: "false\ntrue"}); exec.Command(setup.Argv()[0], setup.Argv()[1:]...).Run() == nil {
		t.Error("a failing line does not end the command")
	}
}

func TestKeysThatSayWhatACommandGets(t *testing.T) {
	file, err := Parse("runner.yaml", []byte("version: 1\nsteps:\n  test: { credentials: none, inputs: [VERSION, NOTES], allow_empty: true, needs: [build] }\n"))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := Collect(t.TempDir(), file).Find("test")
	if s.Credentials != NoCredentials || !slices.Equal(s.Inputs, []string{"VERSION", "NOTES"}) || s.AllowEmpty == nil || !*s.AllowEmpty {
		t.Errorf("%+v", s)
	}
}

func TestRerunsWithoutAPlaceholder(t *testing.T) {
	for command, want := range map[string]bool{
		"jest":                false,
		"npx jest --ci":       false,
		"pnpm run test":       false,
		"CI=1 ./gradlew test": false,
		"go test ./...":       false,
		"jest {files}":        true,
		"pnpm exec playwright test --last-failed": true,
		"pytest --lf":                       true,
		"jest --onlyFailures":               true,
		"npm run test:failed-only":          true,
		"sh again.sh":                       true,
		"bundle exec rspec --only-failures": true,
	} {
		_, err := Parse("runner.yaml", []byte("version: 1\nsteps: { test: { rerun: { command: \""+command+"\" } } }\n"))
		if (err == nil) != want {
			t.Errorf("%s: %v", command, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("version: 1\nsteps:\n  a: &x {command: b}\n  c: *x\n"))
	f.Add([]byte("version: 1\nsteps:\n  a: {<<: *x}\n"))
	f.Add([]byte("version: 1\nsteps: &a\n  <<: *a\n"))
	f.Fuzz(func(t *testing.T, source []byte) {
		_, err := Parse("runner.yaml", source)
		var refused *FileError
		if err != nil && !errors.As(err, &refused) {
			t.Errorf("an error without a place: %v", err)
		}
	})
}

func TestAnUnknownStepNamesTheKnownOnes(t *testing.T) {
	_, err := Collect(t.TempDir(), nil).Find("tset")
	var unknown *UnknownError
	if !errors.As(err, &unknown) {
		t.Fatal(err)
	}
	if err.Error() != "Unknown PIPELINE_STEP=tset" || !strings.Contains(unknown.Hint(), "did you mean test?") || !strings.Contains(unknown.Hint(), "build, test, deploy, migrate") {
		t.Errorf("the error is %q, the hint %q", err, unknown.Hint())
	}
}

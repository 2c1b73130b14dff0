package steps

import (
	"encoding/json"
	"errors"
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
		t.Errorf("deploy requires %q: a file must not take a guard away", got)
	}
	if !strings.Contains(deploy.Command.Shell, "carlin deploy") {
		t.Errorf("deploy lost its built-in command: %q", deploy.Command)
	}

	lint, _ := all.Find("lint")
	if lint.Directory != "packages/app" {
		t.Errorf("directory is %q", lint.Directory)
	}
	if path, ok := all.ArtifactPath("coverage"); !ok || path != "out/coverage" {
		t.Errorf("coverage lives in %q", path)
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
	if check.Command.Shell != "pnpm check" || check.Timeout != 2*time.Minute || check.Environment["A"] != "1" {
		t.Errorf("merged step is %+v", check)
	}
}

func TestWhatIsWrittenReplacesWhatAMergeKeyBrings(t *testing.T) {
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
	if check.Rerun.Command.Shell != "" || check.Rerun.AtMost != usualAtMost || len(check.Quarantine) != 1 || check.Coverage.Minimum != 0 || check.Coverage.Drop != 1 {
		t.Errorf("the step is %+v", check)
	}
}

func TestWhatAFileMayNotHoldIsRefusedWithItsPlace(t *testing.T) {
	for name, c := range map[string]struct{ source, message, hint string }{
		"an unknown key": {
			"version: 1\nsteps:\n  test:\n    comand: pnpm test\n",
			`runner.yaml:4:5: unknown key "comand" in step "test": comand: pnpm test`, "did you mean command?",
		},
		"an unknown key at the top": {
			"version: 1\nstep: {}\n",
			`runner.yaml:2:1: unknown key "step" in the top level: step: {}`, "did you mean steps?",
		},
		"a wrong type": {
			"version: 1\nsteps:\n  test:\n    reports: junit.xml\n",
			`runner.yaml:4:14: reports must be a list, not text: reports: junit.xml`, "",
		},
		"a mapping where text belongs": {
			"version: 1\nsteps:\n  test:\n    command:\n      run: x\n",
			`runner.yaml:5:7: command must be text, not a mapping: run: x`, "",
		},
		"a bad duration": {
			"version: 1\nsteps:\n  test:\n    timeout: 15 minutes\n",
			`runner.yaml:4:14: timeout cannot be "15 minutes": timeout: 15 minutes`, "write a duration such as 90s, 15m or 1h30m",
		},
		"a duration without a unit": {
			"version: 1\nsteps:\n  test:\n    timeout: 900\n",
			`runner.yaml:4:14: timeout cannot be "900": timeout: 900`, "write a duration such as 90s, 15m or 1h30m",
		},
		"a path that leaves the workspace": {
			"version: 1\nsteps:\n  test:\n    artifacts: [{ name: coverage, path: ../x }]\n",
			`runner.yaml:4:41: path cannot be "../x": artifacts: [{ name: coverage, path: ../x }]`, "write a path inside the workspace, relative to it",
		},
		"an artifact under a name of the store": {
			"version: 1\nsteps:\n  test:\n    artifacts: [{ name: manifests, path: x }]\n",
			`runner.yaml:4:25: "manifests" cannot be the name of an artifact: artifacts: [{ name: manifests, path: x }]`, "",
		},
		"a step of one's own without a command": {
			"version: 1\nsteps:\n  lint: { timeout: 1m }\n",
			`runner.yaml:3:3: step "lint" has no command: lint: { timeout: 1m }`, "add a command: line to it",
		},
		"a name that cannot be a folder": {
			"version: 1\nsteps:\n  a/b: { command: x }\n",
			`runner.yaml:3:3: "a/b" cannot be the name of a step: a/b: { command: x }`, "",
		},
		"a key twice": {
			"version: 1\nsteps:\n  lint: { command: x }\n  lint: { command: y }\n",
			`runner.yaml:4:3: mapping key "lint" already defined at [3:3]: lint: { command: y }`, "",
		},
		"no version":        {"steps: {}\n", "runner.yaml: version is missing", "begin the file with version: 1"},
		"a later version":   {"version: 2\n", "runner.yaml:1:10: version must be 1: version: 2", "write version: 1"},
		"an empty file":     {"# nothing\n", "runner.yaml: the file is empty", ""},
		"a second document": {"version: 1\n---\nversion: 1\n", "runner.yaml:3:1: a second document begins here: version: 1", ""},
		"not YAML":          {"version: 1\nsteps: [\n", "", ""},
		"an empty command":  {"version: 1\nsteps:\n  lint: { command: \"\" }\n", `runner.yaml:3:20: command is empty: lint: { command: "" }`, ""},
		"a placeholder in quotes": {
			"version: 1\nsteps:\n  lint: { command: x, rerun: { command: 'jest \"{files}\"' } }\n",
			`runner.yaml:3:41: {files} cannot stand inside of quotes, backticks, comments and here-documents: lint: { command: x, rerun: { command: 'jest "{files}"' } }`,
			"each name is quoted already: let {files} stand alone, without quotes, or write the command as a list",
		},
		"files as a part of an argument": {
			"version: 1\nsteps:\n  lint: { command: x, rerun: { command: [jest, \"--only={files}\"] } }\n",
			`runner.yaml:3:41: {files} cannot be a part of the argument "--only={files}": lint: { command: x, rerun: { command: [jest, "--only={files}"] } }`, "",
		},
		"a rerun without a command": {
			"version: 1\nsteps:\n  lint: { command: x, rerun: { attempts: 1 } }\n",
			`runner.yaml:3:30: rerun has no command: lint: { command: x, rerun: { attempts: 1 } }`, "",
		},
		"a pattern without a group": {
			"version: 1\nsteps:\n  lint: { command: x, rerun: { command: y, pattern: 'a(?:b)' } }\n",
			`runner.yaml:3:53: pattern has 0 groups instead of one: lint: { command: x, rerun: { command: y, pattern: 'a(?:b)' } }`, "",
		},
		"a pattern that is none": {
			"version: 1\nsteps:\n  lint: { command: x, rerun: { command: y, pattern: '(' } }\n", "", "",
		},
		"more failures to run again than are read": {
			"version: 1\nsteps:\n  lint: { command: x, rerun: { command: y, at_most: 1000 } }\n",
			`runner.yaml:3:53: at_most cannot be 1000: lint: { command: x, rerun: { command: y, at_most: 1000 } }`, "write a whole number from 0 to 100",
		},
		"a rerun without reports": {
			"version: 1\nsteps:\n  lint: { command: x, rerun: { command: y } }\n",
			`runner.yaml:3:3: step "lint" has no reports to tell which tests failed: lint: { command: x, rerun: { command: y } }`, "add reports: with the globs of its JUnit files",
		},
		"a day that is none": {
			"version: 1\nsteps:\n  lint: { command: x, quarantine: [{ test: a, until: 2026-02-30 }] }\n",
			`runner.yaml:3:54: until cannot be "2026-02-30": lint: { command: x, quarantine: [{ test: a, until: 2026-02-30 }] }`, "write a day of the calendar such as 2026-12-31",
		},
		"a quarantine without an end": {
			"version: 1\nsteps:\n  lint: { command: x, quarantine: [{ test: a }] }\n", "", `write { test: "basket › adds up", until: 2026-12-31, reason: "…" }`,
		},
		"a quarantine of everything": {
			"version: 1\nsteps:\n  lint: { command: x, quarantine: [{ test: '**', until: 2026-12-31 }] }\n", "", "write the name of a test, or a part of it with *",
		},
		"a floor over the roof": {
			"version: 1\nsteps:\n  lint: { command: x, coverage: { minimum: 101 } }\n",
			`runner.yaml:3:44: minimum cannot be "101": lint: { command: x, coverage: { minimum: 101 } }`, "write a number from 0 to 100, without a percent sign",
		},
		"a floor that is no number": {"version: 1\nsteps:\n  lint: { command: x, coverage: { drop: .nan } }\n", "", ""},
		"a retry of failure":        {"version: 1\nsteps:\n  lint: { command: x, retry: { on: [failure] } }\n", `runner.yaml:3:37: a reason to retry cannot be "failure": lint: { command: x, retry: { on: [failure] } }`, "write oom, infrastructure, cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("runner.yaml", []byte(c.source))
			var refused *FileError
			if !errors.As(err, &refused) {
				t.Fatalf("not refused: %v", err)
			}
			if c.message != "" && err.Error() != c.message {
				t.Errorf("says\n%s\nwant\n%s", err, c.message)
			}
			if c.hint != "" && refused.Hint() != c.hint {
				t.Errorf("hints %q, want %q", refused.Hint(), c.hint)
			}
		})
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
			t.Errorf("refused without a place: %v", err)
		}
	})
}

func TestTheSchemaKnowsExactlyTheKeysThatAreRead(t *testing.T) {
	var s struct {
		Defs map[string]struct {
			Properties map[string]any `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	var got []string
	for key := range s.Defs["step"].Properties {
		got = append(got, key)
	}
	want := slices.Sorted(slices.Values(stepKeys))
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the schema has %v, the reader %v", got, want)
	}
	for _, key := range stepKeys {
		if _, err := Parse("x", []byte("version: 1\nsteps:\n  test: {"+key+": {nonsense: [1]}}\n")); err == nil {
			t.Errorf("%s accepts nonsense", key)
		} else if strings.Contains(err.Error(), "unknown key \""+key) {
			t.Errorf("%s is not read", key)
		}
	}
}

func TestAnUnknownStepNamesTheKnownOnes(t *testing.T) {
	_, err := Collect(t.TempDir(), nil).Find("tset")
	var unknown *UnknownError
	if !errors.As(err, &unknown) {
		t.Fatal(err)
	}
	if err.Error() != "Unknown PIPELINE_STEP=tset" || !strings.Contains(unknown.Hint(), "did you mean test?") || !strings.Contains(unknown.Hint(), "build, test, deploy, migrate") {
		t.Errorf("says %q, hints %q", err, unknown.Hint())
	}
}

package steps

import (
	"errors"
	"os/exec"
	"reflect"
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
	if test.Timeout != 15*time.Minute || len(test.Reports) != 0 || test.Environment["WORKERS"] != "2" ||
		test.Environment["TRACE"] != "false" {
		t.Errorf("settings are %+v", test)
	}
	want := []Artifact{{Name: "coverage", Path: "out/coverage", When: Always, Mirror: "latest"}}
	if got := test.Artifacts; !reflect.DeepEqual(got, want) {
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
	if check.Rerun.Command.Line != "" || check.Rerun.AtMost != usualAtMost || len(check.Quarantine) != 1 ||
		check.Coverage.Minimum != 0 ||
		check.Coverage.Drop != 1 {
		t.Errorf("the step is %+v", check)
	}
}

func TestAPlainSecretIsNotRepeatedInTheError(t *testing.T) {
	for _, value := range []string{"hunter2", "1234567", "[hunter2]"} {
		_, err := Parse("runner.yaml", []byte("version: 1\nsteps: { test: { secrets: { A: "+value+" } } }\n"))
		var refused *FileError
		if !errors.As(err, &refused) || refused.Line != 2 || refused.Message != "secret A is not a reference" {
			t.Fatal(err)
		}
		if text := refused.Error() + refused.Hint(); strings.Contains(text, "hunter2") ||
			strings.Contains(text, "1234567") {
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
		file, err := Parse(
			"runner.yaml",
			[]byte(
				"version: 1\nsteps:\n  test:\n    command: |\n      false\n      true\n    verify: v\n    before: b\n    after: [a, [x, y]]\n    on_failure: f\n    rerun: { command: 'jest {files}' }\n    "+shell+"\n",
			),
		)
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
	file, err := Parse(
		"runner.yaml",
		[]byte(
			"version: 1\nsteps:\n  test: { credentials: none, inputs: [VERSION, NOTES], allow_empty: true, needs: [build] }\n",
		),
	)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := Collect(t.TempDir(), file).Find("test")
	if s.Credentials != NoCredentials || !slices.Equal(s.Inputs, []string{"VERSION", "NOTES"}) || s.AllowEmpty == nil ||
		!*s.AllowEmpty {
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
	if err.Error() != "Unknown PIPELINE_STEP=tset" || !strings.Contains(unknown.Hint(), "did you mean test?") ||
		!strings.Contains(unknown.Hint(), "build, test, deploy, migrate") {
		t.Errorf("the error is %q, the hint %q", err, unknown.Hint())
	}
}

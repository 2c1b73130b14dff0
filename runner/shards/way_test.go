package shards

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/steps"
)

func TestTheWaysOfTools(t *testing.T) {
	const stricter = " --coverage.thresholds.lines=0 --coverage.thresholds.functions=0 --coverage.thresholds.branches=0 --coverage.thresholds.statements=0 {files}"
	for name, c := range map[string]struct {
		scripts, command, list, run string // list is a part of the error if run is empty
	}{
		"jest behind a script": {
			`"test": "jest"`, "pnpm run test --ci --reporters=default --reporters=jest-junit",
			"jest --ci --reporters=default --reporters=jest-junit --listTests",
			"jest --ci --reporters=default --reporters=jest-junit '--coverageThreshold={}' --runTestsByPath {files}",
		},
		"jest behind npm, with variables": {
			`"test": "NODE_OPTIONS=--experimental-vm-modules cross-env A=b jest --watch"`, "npm test -- --ci",
			"NODE_OPTIONS=--experimental-vm-modules cross-env A=b jest --ci --listTests",
			"NODE_OPTIONS=--experimental-vm-modules cross-env A=b jest --ci '--coverageThreshold={}' --runTestsByPath {files}",
		},
		"vitest": {
			`"test": "vitest run --coverage --reporter=junit --outputFile junit.xml"`, "pnpm test",
			"vitest list --filesOnly --json", "vitest run --coverage --reporter=junit --outputFile junit.xml" + stricter,
		},
		"vitest with a project": {
			"", "npx vitest --run --project web -c x.ts", "npx vitest list --filesOnly --json --project web -c x.ts",
			"npx vitest run --project web -c x.ts" + stricter,
		},
		"playwright": {
			"", "pnpm exec playwright test --project=chromium --reporter=junit",
			"pnpm exec playwright test --list --reporter=json --project=chromium",
			"pnpm exec playwright test --project=chromium --reporter=junit {files}",
		},
		"mocha": {
			"", "mocha --reporter mocha-junit-reporter -r ts-node/register 'test/**/*.ts'",
			"mocha -r ts-node/register 'test/**/*.ts' --dry-run --reporter json",
			"mocha --reporter mocha-junit-reporter -r ts-node/register {files}",
		},
		"pytest": {
			"", "python -m pytest -v --junitxml=junit.xml --cov=src -k 'not slow' tests",
			"python -m pytest --cov=src -k 'not slow' tests --collect-only -qqqqqq -p no:cacheprovider",
			"python -m pytest -v --junitxml=junit.xml --cov=src -k 'not slow' --cov-fail-under=0 {files}",
		},
		"go test": {
			"", "go test -race -tags a,b -coverprofile cover.out ./... -args -x",
			"go list -f '" + goFormat + "' -race -tags a,b ./...",
			"go test -race -tags a,b -coverprofile cover.out {files} -args -x",
		},
		"gotestsum": {
			"", "CGO_ENABLED=0 gotestsum --junitfile junit.xml -- -count=1 ./...", "CGO_ENABLED=0 go list -f '" + goFormat + "' ./...",
			"CGO_ENABLED=0 gotestsum --junitfile junit.xml -- -count=1 {files}",
		},
		"two commands":              {`"test": "tsc && jest"`, "pnpm test", "more than one simple command", ""},
		"a script in front":         {`"test": "jest", "pretest": "tsc"`, "pnpm test", "the script pretest of package.json would not run", ""},
		"every package":             {`"test": "jest"`, "pnpm -r test", "several packages", ""},
		"variables":                 {"", "jest $ARGS", "depends on variables", ""},
		"another tool":              {"", "make test", "runs none of jest, vitest,", ""},
		"a word that is no starter": {"", "echo jest", "runs none of", ""},
		"a script that is missing":  {`"test": "jest"`, "pnpm run tests", `no script "tests"`, ""},
		"a test by its name":        {"", "pytest tests/x.py::test_a", "names the tests", ""},
		"a file of jest":            {"", "jest tests/x.py", "names the file tests/x.py", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, "tests/x.py")
			if c.scripts != "" {
				text := `{"scripts": {` + c.scripts + `}}`
				if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			way, err := Of(steps.Step{Name: "test", Command: steps.Command{Line: c.command}}, dir)
			if c.run == "" {
				var refused *outcome.ConfigError
				if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.list) || !strings.Contains(refused.Hint(), "split:") {
					t.Errorf("%v, want %s", err, c.list)
				}
				return
			}
			if err != nil || way.Split.List.Line != c.list || way.Split.Run.Line != c.run {
				t.Errorf("%v\nlist %s\nwant %s\nrun  %s\nwant %s", err, way.Split.List.Line, c.list, way.Split.Run.Line, c.run)
			}
		})
	}
}

// mocha runs the files of its configuration as well, in each shard.
func TestMochaWithASpecOfItsOwn(t *testing.T) {
	dir := folder(t)
	if err := os.WriteFile(filepath.Join(dir, ".mocharc.yml"), []byte("spec: test/*.js\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Of(steps.Step{Name: "test", Command: steps.Command{Line: "mocha"}}, dir)
	if err == nil || !strings.Contains(err.Error(), ".mocharc.yml has a spec") {
		t.Error(err)
	}
}

package detect

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/steps"
)

// workspaces are described by their files; want has what runner.yaml must have, and with "!" what it must not.
var workspaces = map[string]struct {
	files map[string]string
	want  []string
}{
	"pnpm with jest and jest-junit": {
		map[string]string{
			"pnpm-lock.yaml": "",
			"package.json":   `{"scripts":{"test":"jest","build":"tsc","lint":"eslint ."},"devDependencies":{"jest":"30","jest-junit":"17"},"main":"./dist/index.js"}`,
		},
		[]string{
			"command: pnpm run test --ci --reporters=default --reporters=jest-junit\n",
			`reports: [junit.xml]`,
			"--runTestsByPath {files}",
			"command: pnpm run build\n",
			"path: dist\n        when: success\n",
			"command: pnpm run lint",
		},
	},
	"npm keeps flags for itself": {
		map[string]string{
			"package-lock.json": "{}",
			"package.json":      `{"scripts":{"test":"vitest"},"devDependencies":{"vitest":"4"}}`,
		},
		[]string{"command: npm run test -- --reporter=default --reporter=junit --outputFile=junit.xml\n", "!build:"},
	},
	"jest without a reporter that names what failed": {
		map[string]string{
			"yarn.lock":    "",
			"package.json": `{"scripts":{"test":"jest --coverage"},"devDependencies":{"jest":"30"}}`,
		},
		[]string{
			"command: yarn run test\n",
			"reports: []",
			"# with jest-junit in devDependencies",
			"name: coverage",
			"!rerun",
		},
	},
	"the runner of the tests is the last of several commands": {
		map[string]string{
			"pnpm-lock.yaml": "",
			"package.json":   `{"scripts":{"test":"pnpm lint && vitest run --typecheck"},"devDependencies":{"vitest":"4"}}`,
		},
		[]string{
			"command: pnpm run test --reporter=default",
			`      command: pnpm exec vitest run --typecheck --reporter=default`,
		},
	},
	"the runner of the tests is not the last": {
		map[string]string{
			"package.json": `{"scripts":{"test":"xo && c8 mocha && tsd"},"devDependencies":{"mocha":"11"}}`,
		},
		[]string{"command: npm run test\n", "reports: []", "# with mocha-multi-reporters", "name: coverage"},
	},
	"node's own": {
		map[string]string{"package.json": `{"scripts":{"test":"node --test test/*.js"}}`},
		[]string{
			"command: node --test --test-reporter=spec --test-reporter-destination=stdout --test-reporter=junit --test-reporter-destination=junit.xml test/*.js\n",
			`reports: [junit.xml]`,
		},
	},
	"a package without tests": {
		map[string]string{
			"package.json": `{"scripts":{"test":"echo \"Error: no test specified\" && exit 1","build":"node build.js"}}`,
		},
		[]string{"!  test:", "optional: true", "# a guess"},
	},
	"a script that YAML would take for something else": {
		map[string]string{"package.json": `{"scripts":{"test":"FOO='a: b' node --test # not now"}}`},
		[]string{`command: "FOO='a: b' node --test `},
	},
	"Go": {
		map[string]string{"go.mod": "module x\n"},
		[]string{
			"command: go build ./...\n    artifacts: []",
			"gotestsum@v1.13.0 --junitfile junit.xml -- -coverprofile=coverage/cover.out ./...",
			"-run {tests} {packages}",
			"go vet",
		},
	},
	"Go with gotestsum as a tool": {
		map[string]string{"go.mod": "module x\ntool gotest.tools/gotestsum\n"},
		[]string{"go tool gotestsum --junitfile"},
	},
	"Go with gotestsum in a block of tools": {
		map[string]string{"go.mod": "module x\ntool (\n\tgotest.tools/gotestsum\n)\n"},
		[]string{"go tool gotestsum --junitfile"},
	},
	"Go that only requires gotestsum": {
		map[string]string{
			"go.mod": "module x\nrequire gotest.tools/gotestsum v1.13.0\nrequire (\n\tgotest.tools/gotestsum v1.13.0\n)\n",
		},
		[]string{"!go tool"},
	},
	"mocha without a reporter of JUnit": {
		map[string]string{"package.json": `{"scripts":{"test":"mocha"},"devDependencies":{"mocha":"11"}}`},
		[]string{"command: npm run test\n", "# with mocha-multi-reporters in devDependencies", "!rerun:"},
	},
	"coverage by the configuration of jest": {
		map[string]string{
			"jest.config.js": "module.exports = { collectCoverage: true }",
			"package.json":   `{"scripts":{"test":"jest"}}`,
		},
		[]string{"name: coverage"},
	},
	"coverage by package.json": {
		map[string]string{"package.json": `{"scripts":{"test":"jest"},"jest":{"collectCoverage":true}}`},
		[]string{"name: coverage"},
	},
	"coverage by the configuration of vitest": {
		map[string]string{
			"vitest.config.ts": "test: { coverage: { provider: 'v8', enabled: true } }",
			"package.json":     `{"scripts":{"test":"vitest run"}}`,
		},
		[]string{"name: coverage"},
	},
	"node's own, with a loader": {
		map[string]string{
			"package.json": `{"scripts":{"test":"tsc && node --import tsx --test-concurrency=1 --test 'test/*.ts'"}}`,
		},
		[]string{
			"command: tsc && node --import tsx --test-concurrency=1 --test --test-reporter=spec",
			"--test-reporter-destination=junit.xml 'test/*.ts'\n",
		},
	},
	"node's own, with what npm runs before and after": {
		map[string]string{"package.json": `{"scripts":{"pretest":"tsc","test":"node --test","posttest":"xo"}}`},
		[]string{
			"command: npm run pretest && node --test --test-reporter=spec",
			"destination=junit.xml && npm run posttest\n",
		},
	},
	"node's own, with what npm runs before a list of alternatives": {
		map[string]string{"package.json": `{"scripts":{"pretest":"tsc","test":"x || node --test"}}`},
		[]string{"command: npm run test\n", "reports: []", "# the script runs more than node:test"},
	},
	"node's own, with a reporter already": {
		map[string]string{"package.json": `{"scripts":{"test":"node --test --test-reporter=dot"}}`},
		[]string{"command: npm run test\n", "reports: []", "# the script chooses node:test's reporters"},
	},
	"node's own, twice: each has its report": {
		map[string]string{"package.json": `{"scripts":{"test":"node --test a && node --test b"}}`},
		[]string{"destination=junit-1.xml a && node", "destination=junit-2.xml b\n", `[junit-*.xml]`, "!rerun"},
	},
	"a flag that begins like node's --test": {
		map[string]string{"package.json": `{"scripts":{"test":"node --test-only x.js"}}`},
		[]string{"command: npm run test\n", "reports: []", "!destination"},
	},
	"a --test that is the script's": {
		map[string]string{"package.json": `{"scripts":{"test":"node build.js --test"}}`},
		[]string{"command: npm run test\n", "reports: []", "!destination"},
	},
	"a tool behind a second script": {
		map[string]string{
			"package.json": `{"scripts":{"test":"npm run lint && npm run jest","jest":"jest"},"devDependencies":{"jest-junit":"17"}}`,
		},
		[]string{"command: npm run lint && npm run jest -- --ci --reporters=default", "npx jest --ci"},
	},
	"a file that is called like a tool": {
		map[string]string{
			"package.json": `{"scripts":{"test":"node jest.config.js && ./check --for=vitest"},"devDependencies":{"jest-junit":"17"}}`,
		},
		[]string{"command: npm run test\n", "reports: []", "!--reporter"},
	},
	"a tool by its path": {
		map[string]string{
			"package.json": `{"scripts":{"test":"node node_modules/.bin/jest"},"devDependencies":{"jest-junit":"17"}}`,
		},
		[]string{"npm run test -- --ci --reporters=default"},
	},
	"vitest with coverage: a floor would fail what is run again": {
		map[string]string{"package.json": `{"scripts":{"test":"vitest run --coverage"}}`},
		[]string{"--outputFile=junit.xml --coverage.enabled=false {files}", "--outputFile=junit.xml\n"},
	},
	"vitest without coverage": {
		map[string]string{"package.json": `{"scripts":{"test":"vitest run"}}`},
		[]string{"--outputFile=junit.xml {files}", "!coverage.enabled"},
	},
	"pytest with coverage by its config": {
		map[string]string{"pyproject.toml": "[tool.pytest.ini_options]\naddopts = '--cov=x --cov-fail-under=90'"},
		[]string{"--cov-report=term --cov-report=xml:coverage/coverage.xml\n", "--junitxml=junit.xml --no-cov {files}"},
	},
	"a build beside a folder that is kept in git": {
		map[string]string{
			".gitignore":   "node_modules\n/dist/\n",
			"package.json": `{"scripts":{"build":"unbuild"},"main":"./lib/x.cjs","module":"./dist/x.mjs"}`,
		},
		[]string{"path: dist\n        when: success\n", "!path: lib"},
	},
	"a build in two folders that git ignores": {
		map[string]string{
			".gitignore":   "lib\nes\n",
			"package.json": `{"scripts":{"build":"x"},"main":"./lib/x.js","module":"./es/x.js"}`,
		},
		[]string{"path: lib\n        when: success\n", "path: es #"},
	},
	"Go modules of a go.work": {
		map[string]string{
			"go.work": "go 1.26\n\nuse ./cmd // the tool\nuse (\n\t./lib\n\t\"./b c\"\n\t// ./not\n)\nreplace x => ../y\n",
		},
		[]string{
			"command: go build ./cmd/... ./lib/... './b c/...'\n",
			"cover.out ./cmd/... ./lib/... './b c/...'",
			"command: go vet ./cmd/... ./lib/...",
			"!./not",
		},
	},
	"a go.work with a folder that would end a quotation": {
		map[string]string{"go.work": "use (\n\t./a\n\t\"./b'; c\"\n)\n"},
		[]string{`go build ./a/... './b'\''; c/...'`},
	},
	"a go.work that uses the folder itself": {
		map[string]string{"go.mod": "module x\n", "go.work": "use (\n\t.\n\t./tools\n)\n"},
		[]string{"command: go build ./... ./tools/...\n"},
	},
	"pytest": {
		map[string]string{"pyproject.toml": "[tool.pytest.ini_options]\n"},
		[]string{"command: python3 -m pytest --junitxml=junit.xml\n", "{files}"},
	},
	"pytest under uv": {
		map[string]string{"pyproject.toml": "dev = ['pytest']", "uv.lock": ""},
		[]string{"command: uv run pytest"},
	},
	"maven": {
		map[string]string{"pom.xml": "", "mvnw": ""},
		[]string{"./mvnw --batch-mode test", "surefire-reports"},
	},
	"gradle": {
		map[string]string{"build.gradle.kts": "", "gradlew": ""},
		[]string{"./gradlew test", "test-results"},
	},
	"cargo":          {map[string]string{"Cargo.toml": "", "Cargo.lock": ""}, []string{"cargo test --locked"}},
	"cargo unlocked": {map[string]string{"Cargo.toml": ""}, []string{"cargo test\n", "!--locked"}},
	"unittest":       {map[string]string{"pyproject.toml": "", "test_x.py": ""}, []string{"r.testsRun == 0"}},
	"a Makefile": {
		map[string]string{"Makefile": "test: build\n\tx\nbuild:\n\ty\nlint := z\n"},
		[]string{"command: make test", "command: make build", "!make lint"},
	},
	"nothing known": {map[string]string{"README": "x"}, []string{"write the command that tests this project", "exit 1"}},
	"two languages": {
		map[string]string{
			"package.json": `{"scripts":{"test":"jest"},"devDependencies":{"jest-junit":"17"}}`,
			"go.mod":       "module x\n",
		},
		[]string{"npm run test --", "build:\n    command: go build", "test-go:"},
	},
	"a BOM": {
		map[string]string{
			"package.json": "\ufeff" + `{"scripts":{"test":"jest"},"devDependencies":{"jest-junit":"17"}}`,
		},
		[]string{"npm run test -- --ci"},
	},
	"a package manager": {
		map[string]string{"package.json": `{"packageManager":"pnpm@10.1.0","scripts":{"lint":"x"}}`},
		[]string{"pnpm run lint"},
	},
}

func TestARunnerYamlFitsItsWorkspace(t *testing.T) {
	for name, c := range workspaces {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range c.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			found, err := Workspace(dir)
			if err != nil {
				t.Fatal(err)
			}
			text := found.YAML()
			if _, err := steps.Parse("runner.yaml", []byte(text)); err != nil {
				t.Errorf("what is written cannot be read: %v\n%s", err, text)
			}
			for _, want := range c.want {
				if unwanted, no := strings.CutPrefix(want, "!"); no == strings.Contains(text, unwanted) {
					t.Errorf("%s:\n%s", want, text)
				}
			}
		})
	}
}

func TestAPackageThatCannotBeReadIsSaid(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Workspace(dir); err == nil || !strings.Contains(err.Error(), "package.json") {
		t.Error(err)
	}
}

// What is written can be read, whatever the scripts and names of a project are.
func FuzzWhatIsWrittenCanBeRead(f *testing.F) {
	f.Add("jest", "tsc && echo: #", "./lib/x.js", "a")
	f.Add("npm run build -- \x00 && mocha", "vite build --outDir '#\"{}'", "../x", "b:c")
	f.Add("pnpm run /^test/", "{", "", "test:\u2028")
	f.Fuzz(func(t *testing.T, test, build, main, name string) {
		text, err := json.Marshal(map[string]any{
			"scripts":         map[string]string{"test": test, "build": build, name: test + " && " + build},
			"devDependencies": map[string]string{"jest-junit": "1", "mocha-junit-reporter": "1", "mocha-multi-reporters": "1"},
			"main":            main, "packageManager": name + "@1",
		})
		if err != nil {
			t.Skip()
		}
		dir := t.TempDir()
		write(t, dir, "package.json", string(text))
		found, err := Workspace(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := steps.Parse("runner.yaml", []byte(found.YAML())); err != nil {
			t.Errorf("%v\n%s", err, found.YAML())
		}
	})
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

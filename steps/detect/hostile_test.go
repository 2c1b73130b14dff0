package detect

import (
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/carlin-cicd/runner/steps"
)

// A repository is what others wrote: nothing of it is run, no file outside of it is read or named, and what is written
// can be read.
func TestHostileTreesAreRead(t *testing.T) {
	long := strings.Repeat("l", 60)
	many := make([]string, 60)
	for i := range many {
		many[i] = fmt.Sprintf(`"s%d":"pnpm run /./ && pnpm run s%d"`, i, (i+1)%60)
	}
	for name, tree := range map[string]struct {
		files map[string]string
		make  func(t *testing.T, dir string)
		fails string   // in the error, if there is one
		want  []string // in the file; with "!", not in it
	}{
		"a package.json that is too large": {
			files: map[string]string{"package.json": `{"a":"` + strings.Repeat("x", maxFile) + `"}`},
			fails: "package.json cannot be read: it is larger than 4 MiB",
		},
		"a package.json that is no JSON":   {files: map[string]string{"package.json": "{"}, fails: "package.json"},
		"a package.json that is a list":    {files: map[string]string{"package.json": "[]"}, fails: "package.json"},
		"a package.json that is null":      {files: map[string]string{"package.json": "null"}, fails: "package.json"},
		"a pyproject.toml that is no TOML": {files: map[string]string{"pyproject.toml": "a ="}, fails: "pyproject.toml"},
		"a Cargo.toml that is no TOML":     {files: map[string]string{"Cargo.toml": "[["}, fails: "Cargo.toml"},
		"a composer.json that is no JSON":  {files: map[string]string{"composer.json": "x"}, fails: "composer.json"},
		"a deno.json that is no JSON":      {files: map[string]string{"deno.json": "{{"}, fails: "deno.json"},
		"one that is broken among others": {
			files: map[string]string{"a/package.json": "{", "b/Cargo.toml": "=", "go.mod": "module x\n"},
			want:  []string{"go build", "#   a/package.json cannot be read", "#   b/Cargo.toml cannot be read"},
		},
		"a pnpm-workspace.yaml that is no YAML, or a bomb": {
			files: map[string]string{
				"package.json":        `{"scripts":{"test":"vitest"}}`,
				"pnpm-workspace.yaml": "a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\npackages: [*b,*b,*b,*b\n",
			},
			want: []string{"--outputFile=junit.xml"},
		},
		"a go.work without modules": {
			files: map[string]string{"go.work": ""},
			want:  []string{"write the command that tests this project"},
		},
		"text that YAML would take for a comment or a mapping": {
			files: map[string]string{
				"package.json": `{"scripts":{"test":"mocha 'a #b' && node --test 'c: d' \"#\""},
					"devDependencies":{"mocha-multi-reporters":"1"}}`,
				"a #b/go.mod": "module x\n",
			},
			want: []string{`directory: "a #b"`},
		},
		"keys of other types": {
			files: map[string]string{"package.json": `{"name":1,"scripts":{"test":["x"],"build":7,"lint":"x"},"main":{},
				"files":{"a":[[[["dist"]]]]},"workspaces":5,"devDependencies":[1],"packageManager":{},"exports":null}`},
			want: []string{"lint"},
		},
		"scripts that call each other many times over": {
			files: map[string]string{
				"pnpm-lock.yaml": "",
				"package.json":   `{"scripts":{"test":"pnpm run /./","build":"npm run test",` + strings.Join(many, ",") + `}}`,
			},
			want: []string{"pnpm run test"},
		},
		"a configuration that extends itself, or another out of the workspace": {
			files: map[string]string{
				"package.json": `{"scripts":{"build":"tsc -p a.json && tsc -b ../x && tsc -p /etc"}}`,
				"a.json": `{"extends":["./a.json","/etc/x.json","../../x"],
					"references":[{"path":"./a.json"},{"path":"../.."}]}`,
				"tsconfig.json": `{"compilerOptions":{"outDir":"../../out"}}`,
			},
			want: []string{"optional: true", "!.."},
		},
		"options that lead out of the workspace": {
			files: map[string]string{
				"package.json": `{"main":"../../x/y.js","files":["/etc"],"scripts":{"build":"vite build --outDir ../../o",
					"test":"vitest --coverage --coverage.reportsDirectory=../../c --outputFile=/etc/x --reporter=junit"}}`,
				"pom.xml": "<module>../../m</module><module>/etc</module>",
			},
			want: []string{"!path: ..", "!path: /", "!reports: [/"},
		},
		"names with signs of YAML, the shell and terminals": {
			files: map[string]string{
				"a\x1b[31m/go.mod":      "module x\n",
				"b: # \"'{}/go.mod":     "module x\n",
				"bb: # \"'{}/go.mod":    "module x\n",
				"c$(touch x)/go.mod":    "module x\n",
				"c$(touch x)/c_test.go": "package c\n",
				"*/package.json":        `{"scripts":{"test":"vitest"}}`,
				"- &x !y/pom.xml":       "",
			},
			want: []string{"!\x1b", `directory: "bb: # \"'{}"`, `!directory: "b: #`},
		},
		"packages with long names in several folders": {
			files: map[string]string{
				"one/package.json":                           `{"workspaces":["*"],"scripts":{"test":"x"}}`,
				"one/" + long + "/package.json":              `{"scripts":{"build":"tsc --outDir o"}}`,
				"two-" + long + "/package.json":              `{"workspaces":["*"],"scripts":{"test":"x"}}`,
				"two-" + long + "/" + long + "/package.json": `{"scripts":{"build":"tsc --outDir o"}}`,
			},
			want: []string{"builds-" + long[:40], "-2\n"},
		},
		"scripts with control characters": {
			files: map[string]string{
				"package.json": `{"packageManager":"\u001b[2J@1",
					"scripts":{"test":"vitest \u001b[2J \u0000 \u2028 \n x: y","build":"a\nb: c"},
					"main":"\u0007/x.js","files":["a\nb/"]}`,
			},
			want: []string{"!\x1b", "!\x07", "npm run test"},
		},
		"links": {
			files: map[string]string{"a/go.mod": "module a\n", "tsconfig.json": "{}"},
			make: func(t *testing.T, dir string) {
				link(t, "..", filepath.Join(dir, "a/up"))
				link(t, "a", filepath.Join(dir, "again"))
				link(t, "/etc", filepath.Join(dir, "etc"))
				link(t, "loop", filepath.Join(dir, "loop"))
				link(t, "/etc/passwd", filepath.Join(dir, "Makefile"))
			},
			want: []string{"directory: a\n", "!make", "!passwd"},
		},
		"a package.json that is a link out of the workspace": {
			make:  func(t *testing.T, dir string) { link(t, "/etc/passwd", filepath.Join(dir, "package.json")) },
			fails: "package.json cannot be read: path escapes from parent",
		},
		"links among folders": {
			files: map[string]string{"a/go.mod": "module a\n"},
			make: func(t *testing.T, dir string) {
				link(t, "..", filepath.Join(dir, "a/up"))
				link(t, "a", filepath.Join(dir, "again"))
				link(t, "loop", filepath.Join(dir, "loop"))
			},
			want: []string{"directory: a\n", "!again", "!loop"},
		},
		"a pipe": {
			make: func(t *testing.T, dir string) {
				if err := syscall.Mkfifo(filepath.Join(dir, "package.json"), 0o644); err != nil {
					t.Fatal(err)
				}
			},
			fails: "package.json cannot be read: it is not a regular file",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range tree.files {
				write(t, dir, file, text)
			}
			if tree.make != nil {
				tree.make(t, dir)
			}
			found, err := Workspace(dir)
			if tree.fails != "" {
				if read := (*ReadError)(nil); !errors.As(err, &read) || !strings.Contains(err.Error(), tree.fails) {
					t.Fatalf("%v\n%s", err, found.YAML())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			checkWritten(t, found)
			for _, want := range tree.want {
				if unwanted, no := strings.CutPrefix(want, "!"); no == strings.Contains(body(found.YAML()), unwanted) {
					t.Errorf("%q:\n%s", want, found.YAML())
				}
			}
		})
	}
}

// body is a file without the line for editors.
func body(text string) string { return strings.TrimPrefix(text, schemaLine) }

// checkWritten checks that a file can be read, and names nothing outside of the workspace.
func checkWritten(t *testing.T, found Found) {
	t.Helper()
	file, err := steps.Parse("runner.yaml", []byte(found.YAML()))
	if err != nil {
		t.Errorf("what is written cannot be read: %v\n%s", err, found.YAML())
	}
	for _, s := range found.Steps {
		if err == nil {
			step, err := steps.Collect(t.TempDir(), file).Find(s.Name)
			if err != nil || strings.TrimSpace(step.Command.Line) != strings.TrimSpace(s.Command) ||
				s.Directory != "" && step.Directory != s.Directory {
				t.Errorf("%s is read as %q in %q, not %q in %q: %v", s.Name, step.Command.Line, step.Directory, s.Command,
					s.Directory, err)
			}
		}
		names := append([]string{s.Directory}, s.Reports...)
		for _, a := range s.Artifacts {
			names = append(names, a.Path)
		}
		for _, name := range names {
			if name != "" && !filepath.IsLocal(name) {
				t.Errorf("%s has %q, which is outside of the workspace", s.Name, name)
			}
		}
	}
}

func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

// Any text in any file that is read gives an error or a file that can be read.
func FuzzFilesAreRead(f *testing.F) {
	names := []string{
		"package.json", "pnpm-workspace.yaml", "tsconfig.json", "vitest.config.ts", "deno.jsonc", "go.work",
		"pyproject.toml", "noxfile.py", "tox.ini", "Cargo.toml", ".config/nextest.toml", "pom.xml", "build.gradle",
		"CMakeLists.txt", "Gemfile", "Rakefile", "composer.json", "a.csproj", "Makefile", "justfile", ".gitignore",
		"lerna.json", "jest.config.js", ".mocharc.yml",
	}
	for i, text := range []string{
		`{"workspaces":["a"],"scripts":{"test":"pnpm -r test && vitest -w","build":"tsc -b && vite build"}}`,
		"packages: ['a', '!b']", `{"extends":"./x","compilerOptions":{"outDir":"lib"},}`, "reporters: ['junit', 'x']",
		`{"tasks":{"test":{"command":"deno test"}},}`, "use (\n\t./a\n\t\"./b c\"\n)",
		"[tool.hatch.envs.default.scripts]\ntest = 'pytest {args:x}'",
		"def tests(session):\n    session.run('pytest', *session.posargs)", "commands = pytest {posargs}", "[workspace]",
		"[profile.ci.junit]\npath='x'",
		"<module>a</module>", "jacoco", "option(X_TESTS \"\" OFF)\nenable_testing()", "gem 'rspec'", "Rake::TestTask",
		`{"require-dev":{"pestphp/pest":"1"}}`, "JunitXml.TestLogger", "test: x\nlint:", "test a:\n", "dist\n!x",
		`{"packages":["a"]}`,
		"reporters: [['jest-junit', {outputDirectory: 'x'}]]", "reporter: dot",
	} {
		f.Add(byte(i), text)
	}
	f.Fuzz(func(t *testing.T, name byte, text string) {
		dir := t.TempDir()
		write(t, dir, "package.json", `{"scripts":{"test":"vitest --watch && mocha","build":"tsc"},
			"devDependencies":{"mocha-multi-reporters":"1"}}`)
		write(t, dir, "a/package.json", `{"scripts":{"test":"jest","build":"rollup -c"}}`)
		write(t, dir, "setup.py", "")
		write(t, dir, names[int(name)%len(names)], text)
		found, err := Workspace(dir)
		if err != nil {
			return
		}
		checkWritten(t, found)
	})
}

// The package starts no programs.
func TestNothingIsRun(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			switch i.Path.Value {
			case `"os/exec"`, `"syscall"`, `"net/http"`, `"unsafe"`:
				t.Errorf("%s imports %s", name, i.Path.Value)
			}
		}
	}
}

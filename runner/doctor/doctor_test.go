package doctor

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/reference"
)

// examineIn examines a workspace of these files, and returns a line for each finding: "severity subject: problem".
func examineIn(t *testing.T, files map[string]string, d Doctor) (lines []string, sound bool) {
	t.Helper()
	workspace := t.TempDir()
	for name, text := range files {
		name = filepath.Join(workspace, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	variables := map[string]string{
		"PATH": os.Getenv("PATH"), "RUNNER_WORKSPACE": workspace, "BRANCH": "main", "GIT_SHA": strings.Repeat("ab", 20),
	}
	maps.Copy(variables, d.Variables)
	d.Variables = variables
	sound = d.Examine(t.Context(), func(f artifacts.Finding) {
		if (f.Severity == artifacts.OK) != (f.Advice == "") {
			t.Errorf("what is wrong has advice, and nothing else: %+v", f)
		}
		lines = append(lines, fmt.Sprintf("%s %s: %s", f.Severity, f.Subject, f.Problem))
	})
	return lines, sound
}

const lint = "version: 1\nsteps:\n  lint: { command: %s }\n"

func TestDoctor(t *testing.T) {
	for name, c := range map[string]struct {
		files     map[string]string
		variables map[string]string
		want      []string // each begins a line; with "!", none
		sound     bool
	}{
		"an empty workspace is sound while no step is selected": {
			want:  []string{"ok runner.yaml: does not exist", "warning step deploy: ENVIRONMENT is required", "ok commit: abababababab of main", "ok artifacts: "},
			sound: true,
		},
		"a missing variable is a failure for the selected step": {
			variables: map[string]string{"PIPELINE_STEP": "migrate"},
			want:      []string{"failure step migrate: ENVIRONMENT is required and not set", "!warning step deploy", "!ok step build"},
		},
		"an invalid variable ends the examination": {
			variables: map[string]string{"RUNNER_GRACE": "soon"},
			want:      []string{`failure variables: RUNNER_GRACE cannot be "soon"`, "!ok commit"},
		},
		"a bad runner.yaml does not keep the rest from being examined": {
			files: map[string]string{"runner.yaml": "version: 2"},
			want:  []string{"failure runner.yaml: runner.yaml:1:10: version must be 1", "!ok step build", "ok commit", "ok artifacts"},
		},
		"a step that is not there": {
			variables: map[string]string{"PIPELINE_STEP": "tset"},
			want:      []string{"failure step tset: Unknown PIPELINE_STEP=tset", "ok artifacts"},
		},
		"it may come with the commit": {
			variables: map[string]string{"PIPELINE_STEP": "other", "REPOSITORY_URL": "https://example.com/x"},
			want:      []string{"warning step other: does not exist in this workspace"},
			sound:     true,
		},
		"a missing tool of a step of the workspace": {
			files: map[string]string{"runner.yaml": fmt.Sprintf(lint, "no-such-linter --all")},
			want:  []string{"failure tool no-such-linter: is not on PATH; needed by lint"},
		},
		"a tool that only a built-in step begins with": {
			variables: map[string]string{"PATH": "/nowhere"},
			want:      []string{"warning tool carlin: is not on PATH; needed by deploy", "warning tool pnpm: is not on PATH; needed by build, test", "warning git: cannot be started"},
			sound:     true,
		},
		"a missing tool of the selected step": {
			variables: map[string]string{"PATH": "/nowhere", "PIPELINE_STEP": "build"},
			want:      []string{"failure tool pnpm: is not on PATH; needed by build"},
		},
		"a tool that comes with the project's own dependencies": {
			files: map[string]string{"node_modules/.bin/carlin": "#!/bin/sh\n"},
			want:  []string{"ok tool carlin: ", "!warning tool carlin"},
			sound: true,
		},
		"a script that is not there": {
			files: map[string]string{"runner.yaml": fmt.Sprintf(lint, "./lint.sh")},
			want:  []string{"failure tool ./lint.sh: does not exist; needed by lint"},
		},
		"what a Node project cannot do without, by its lock file": {
			files:     map[string]string{"package.json": "{}", "yarn.lock": ""},
			variables: map[string]string{"PATH": "/nowhere"},
			want:      []string{"failure tool node: is not on PATH; needed by migrate, package.json", "failure tool yarn: is not on PATH; needed by build, test, package.json"},
		},
		"which one step of it may": {
			files:     map[string]string{"package.json": "{}", "runner.yaml": fmt.Sprintf(lint, "[/bin/true]")},
			variables: map[string]string{"PATH": "/nowhere", "PIPELINE_STEP": "lint"},
			want:      []string{"warning tool node", "warning tool pnpm", "ok tool /bin/true"},
			sound:     true,
		},
		"git, where it fetches the commit": {
			variables: map[string]string{"PATH": "/nowhere", "REPOSITORY_URL": "https://example.com/x"},
			want:      []string{"failure git: cannot be started"},
		},
		"git that is too old": {
			files:     map[string]string{"bin/git": "#!/bin/sh\necho git version 2.28.1\n"},
			variables: map[string]string{"PATH": "bin", "REPOSITORY_URL": "https://example.com/x"},
			want:      []string{"failure git: git version 2.28.1 is too old"},
		},
		"git that is newer, with more to its version": {
			files:     map[string]string{"bin/git": "#!/bin/sh\necho 'git version 3.1.0.windows.1 (x)'\n"},
			variables: map[string]string{"PATH": "bin"},
			want:      []string{"ok git: git version 3.1.0.windows.1"},
			sound:     true,
		},
		"a repository without a commit": {
			variables: map[string]string{"REPOSITORY_URL": "https://example.com/x", "GIT_SHA": ""},
			want:      []string{"warning source: REPOSITORY_URL is set without GIT_SHA", "warning commit: is not known"},
			sound:     true,
		},
		"a branch that git would not take": {
			variables: map[string]string{"BRANCH": "a..b"},
			want:      []string{`failure commit: branch "a..b" contains two dots in a row`},
		},
		"log settings": {
			variables: map[string]string{"RUNNER_LOG_LEVEL": "loud", "RUNNER_LOG_FORMAT": "xml"},
			want:      []string{`failure variables: RUNNER_LOG_FORMAT cannot be "xml"`, `failure variables: RUNNER_LOG_LEVEL cannot be "loud"`},
		},
		"a directory that is missing": {
			files: map[string]string{"runner.yaml": "version: 1\nsteps:\n  ship: { command: ./x, directory: app }\n"},
			want:  []string{"failure step ship: its directory app is not a folder", "!failure tool ./x", "!ok step ship"},
		},
		"a step that another one needs and that is not there": {
			files: map[string]string{"runner.yaml": "version: 1\nsteps:\n  ship: { command: ./x, needs: [tests] }\n"},
			want:  []string{`failure runner.yaml: runner.yaml:3:33: step "ship" needs "tests", which is not a step`},
		},
		"a place that is no store": {
			variables: map[string]string{"ARTIFACT_BUCKET": "ftp://example.com"},
			want:      []string{"failure artifacts: artifacts cannot be kept in"},
		},
		"secrets in files": {
			files:     map[string]string{"good": "s3cr3t-value\n"},
			variables: map[string]string{"A_TOKEN": "file:good", "B_TOKEN": "file:bad", "DATABASE_URL": "file:./dev.db"},
			want:      []string{"ok secret A_TOKEN: can be read from file good", "failure secret B_TOKEN: cannot be resolved: ", "!ok secret DATABASE", "!failure secret DATABASE"},
		},
		"secrets that only AWS has": {
			variables: map[string]string{"A_TOKEN": "ssm:/a", "B_TOKEN": "secretsmanager:b"},
			want:      []string{"failure secret A_TOKEN: cannot be resolved: there is no region", "failure secret B_TOKEN: cannot be resolved: there is no region"},
		},
		"a secret that two steps mean differently": {
			files: map[string]string{"a": "aaaaaaaa", "runner.yaml": `version: 1
steps:
  a: { command: "true", environment: { X_TOKEN: "file:a" } }
  b: { command: "true", environment: { X_TOKEN: "file:b" } }
`},
			want: []string{"ok secret X_TOKEN: can be read", "failure secret X_TOKEN of step b: cannot be resolved"},
		},
		"a secret that cannot be redacted": {
			variables: map[string]string{"DB_PASSWORD": "1234"},
			want:      []string{"warning secret DB_PASSWORD: is too short"},
			sound:     true,
		},
		"a stack": {
			variables: map[string]string{"STACK_NAME": "web"},
			want:      []string{"failure stack web: cannot be described: no region is configured"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			nowhere(t)
			lines, sound := examineIn(t, c.files, Doctor{Variables: c.variables})
			for _, want := range c.want {
				begin, not := strings.CutPrefix(want, "!")
				if slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, begin) }) == not {
					t.Errorf("%q in\n%s", want, strings.Join(lines, "\n"))
				}
			}
			if sound != c.sound {
				t.Errorf("sound: %v\n%s", sound, strings.Join(lines, "\n"))
			}
		})
	}
}

// nowhere hides the AWS settings of the test's own environment.
func nowhere(t *testing.T) {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
}

func TestDoctorAsksOthers(t *testing.T) {
	var references []string
	lines, sound := examineIn(t, nil, Doctor{
		Variables: map[string]string{"A_TOKEN": "ssm:/a", "STACK_NAME": "web", "GITHUB_TOKEN": "hunter2hunter2"},
		Secrets: func(_ context.Context, r map[string]reference.Reference) []artifacts.Finding {
			references = slices.Collect(maps.Keys(r))
			return []artifacts.Finding{
				{
					Subject:  "secret A_TOKEN",
					Problem:  "access denied for hunter2hunter2",
					Advice:   "allow it",
					Severity: artifacts.Failure,
				},
			}
		},
		Stack: func(_ context.Context, name string) []artifacts.Finding {
			return []artifacts.Finding{{Subject: "stack " + name, Problem: "is there", Severity: artifacts.OK}}
		},
	})
	all := strings.Join(lines, "\n")
	if !slices.Equal(references, []string{"A_TOKEN"}) || sound || !strings.Contains(all, "ok stack web: is there") {
		t.Errorf("resolved %v, sound %v\n%s", references, sound, all)
	}
	if strings.Contains(all, "hunter2") ||
		!strings.Contains(all, "failure secret A_TOKEN: access denied for [REDACTED:GITHUB_TOKEN]") {
		t.Errorf("a secret is printed:\n%s", all)
	}
}

func TestProgram(t *testing.T) {
	for line, want := range map[string]string{
		"pnpm run build":                  "pnpm",
		"  NODE_ENV=test A= ./x.sh --all": "./x.sh",
		"cargo build && cp a b":           "cargo",
		"make; echo":                      "make",
		"node scripts/a.js >out 2>&1":     "node",
		"tsc|tee log":                     "tsc",
		"go test ./...\ngo vet ./...":     "go",
		`carlin deploy -e "$ENVIRONMENT"`: "carlin",
		"python3.11 -m pytest":            "python3.11",
		"cd app && pnpm build":            "",
		"set -e\npnpm build":              "",
		"if true; then x; fi":             "",
		`A="b c" x`:                       "",
		"A=$(x) y":                        "",
		"$TOOL run":                       "",
		"'my tool' run":                   "",
		"(cd x; y)":                       "",
		"{ a; }":                          "",
		"! a":                             "",
		"# a comment":                     "",
		"A=b":                             "",
		"":                                "",
		">out x":                          "",
	} {
		if got := program(steps.Command{Line: line}); got != want {
			t.Errorf("%q begins with %q, want %q", line, got, want)
		}
	}
	if got := program(steps.Command{Args: []string{"my tool", "run"}}); got != "my tool" {
		t.Errorf("a list begins with its first word, not %q", got)
	}
	if got := program(steps.Command{}); got != "" {
		t.Errorf("no command begins with %q", got)
	}
}

// Whatever is looked for was written in the line, and means itself to a shell.
func FuzzProgram(f *testing.F) {
	f.Add("A=b pnpm run build && x")
	f.Add("`x` $y 'z' \\")
	f.Fuzz(func(t *testing.T, line string) {
		got := program(steps.Command{Line: line})
		if !strings.Contains(line, got) || strings.ContainsAny(got, " \t\n\"'`$\\;|&<>(){}*?[]~#!=") {
			t.Errorf("%q begins with %q", line, got)
		}
	})
}

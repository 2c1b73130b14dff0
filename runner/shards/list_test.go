package shards

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/outcome"
)

// folder has files of all kinds of names.
func folder(tb testing.TB, names ...string) string {
	tb.Helper()
	dir := tb.TempDir()
	for _, name := range names {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(full, nil, 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

func vitestAtRoot(output []byte, dir string) ([]Unit, error) { return parseVitest(output, dir, "") }

// In x, the file a.test.ts is named so.
func vitestInX(output []byte, dir string) ([]Unit, error) { return parseVitest(output, dir, "x") }

func TestListsAreReadStrictly(t *testing.T) {
	dir := folder(t, "a b.test.js", "it's.js", "-x.js", "sub/ü.js", "e2e/a.spec.ts", "e2e/aa.spec.ts", "a.test.ts", "a.test.tsx", "x/a.test.ts", "b.test.ts", "tests/test_a.py")
	for name, c := range map[string]struct {
		parse  func([]byte, string) ([]Unit, error)
		output string
		want   string // arguments, or a part of the error
	}{
		"names":                      {parseFiles, "a b.test.js\n\n  \nit's.js\r\nsub/ü.js", "a b.test.js|it's.js|sub/ü.js"},
		"absolute names":             {parseFiles, dir + "/it's.js\n" + dir + "/sub/../it's.js\n", "it's.js"},
		"a name that begins a dash":  {parseFiles, "-x.js\n./-x.js\n", "./-x.js"},
		"nothing":                    {parseFiles, "", ""},
		"a banner":                   {parseFiles, "> jest\na.test.ts\n", `line 1, "> jest", is not a file`},
		"a folder":                   {parseFiles, "sub\n", "is not a file"},
		"a file elsewhere":           {parseFiles, "/etc/passwd\n", "is not in the step's folder"},
		"a file above":               {parseFiles, "../x\n", "is not in the step's folder"},
		"an escape":                  {parseFiles, "a\x1b[31m.js\n", "is not text"},
		"a NUL":                      {parseFiles, "a\x00b\n", "is not text"},
		"vitest":                     {vitestAtRoot, "stderr?\n[\n {\"file\": \"" + dir + "/b.test.ts\", \"projectName\": \"x\"}, {\"file\": \"" + dir + "/b.test.ts\"}]", "b.test.ts"},
		"vitest, names in names":     {vitestAtRoot, `[{"file":"b.test.ts"},{"file":"x/a.test.ts"},{"file":"a.test.tsx"},{"file":"a.test.ts"}]`, "a.test.ts|a.test.tsx|x/a.test.ts|b.test.ts"},
		"vitest, names in a folder":  {vitestInX, `[{"file":"x/a.test.ts"},{"file":"a.test.tsx"},{"file":"b.test.ts"}]`, "a.test.tsx|x/a.test.ts|b.test.ts"},
		"vitest without a list":      {vitestAtRoot, "no tests", "vitest list"},
		"playwright":                 {parsePlaywright, `{"config":{"rootDir":"` + dir + `/e2e"},"suites":[{"file":"aa.spec.ts"},{"file":"a.spec.ts"}]}`, `/^` + strings.ReplaceAll(dir, "/", `\/`) + `\/e2e\/a\.spec\.ts$/|/^` + strings.ReplaceAll(dir, "/", `\/`) + `\/e2e\/aa\.spec\.ts$/`},
		"playwright with an error":   {parsePlaywright, `{"config":{"rootDir":"` + dir + `"},"suites":[],"errors":[{"message":"cannot find module"}]}`, "cannot find module"},
		"mocha":                      {parseMocha, "hello {\n{\n  \"stats\": {}, \"tests\": [{\"file\":\"" + dir + "/a.test.ts\"},{\"file\":\"" + dir + "/a.test.ts\"}]}", "a.test.ts"},
		"mocha without a list":       {parseMocha, "Error", "printed no list"},
		"pytest":                     {parsePytest, "tests/test_a.py: 12\n\n12 tests collected in 0.01s\n", "tests/test_a.py"},
		"go":                         {parseGo, "example.com/a tests\nexample.com/b none\n", "example.com/a|example.com/b"},
		"go with a warning":          {parseGo, "go: downloading x\n", "is not a package"},
		"a package that is a flag":   {parseGo, "-exec tests\n", "is not a package"},
		"a list that is an error":    {parseFiles, strings.Repeat("x", 10_000) + "\n", "…"},
		"the same file, in two ways": {parseFiles, "a.test.ts\n./a.test.ts\n", "a.test.ts"},
	} {
		t.Run(name, func(t *testing.T) {
			units, err := Way{parse: c.parse}.Parse([]byte(c.output), dir)
			if err != nil {
				var refused *outcome.ResultsError
				if !strings.Contains(err.Error(), c.want) || c.want == "" || !errors.As(err, &refused) || len(err.Error()) > 500 {
					t.Errorf("%v, want %q", err, c.want)
				}
				return
			}
			if got := strings.Join(Args(units), "|"); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// What a list command prints is never trusted: units name files of the folder, each once, none an option.
func FuzzLists(f *testing.F) {
	dir := folder(f, "a.js", "-b.js", "sub/c.js", "d e.js")
	for _, seed := range []string{
		"a.js\n-b.js\nsub/c.js", `[{"file":"a.js"}]`, `{"config":{"rootDir":"."},"suites":[{"file":"a.js"}]}`, "{\n  \"stats\": {}}",
		"a.js: 3\n", "x.com/a tests\n", "\xff\xfe", "../../etc/passwd", dir + "/a.js",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, output []byte) {
		for i, parse := range []func([]byte, string) ([]Unit, error){parseFiles, vitestAtRoot, parsePlaywright, parseMocha, parsePytest, parseGo} {
			units, err := Way{parse: parse}.Parse(output, dir)
			if err != nil {
				continue
			}
			names := Names(units)
			if sorted := slices.Clone(names); len(slices.Compact(sorted)) != len(names) {
				t.Errorf("a file is twice in %q", names)
			}
			for j, u := range units {
				for _, arg := range u.Args {
					if strings.HasPrefix(arg, "-") || strings.ContainsAny(arg, "\x00\n") {
						t.Errorf("the argument %q", arg)
					}
				}
				if isGo := i == 5; !isGo && !isFile(filepath.Join(dir, u.Name)) {
					t.Errorf("%d: %q is no file", j, u.Name)
				}
			}
		}
	})
}

package problem

import (
	"fmt"
	"strings"
	"testing"
)

// read returns the problems of an output, each as TOOL LEVEL PATH:LINE:COLUMN CODE MESSAGE.
func read(output string) []string {
	var m Matcher
	var all []string
	add := func(found []Problem) {
		for _, p := range found {
			level := "error"
			if p.Warning {
				level = "warning"
			}
			all = append(all, fmt.Sprintf("%d %s %s %s:%d:%d %s|%s", p.At, p.Tool, level, p.Path, p.Line, p.Column, p.Code, p.Message))
		}
	}
	n := 0
	for line := range strings.SplitSeq(output, "\n") {
		n++
		add(m.Line(n, line))
	}
	add(m.End())
	return all
}

func TestFormsOfTools(t *testing.T) {
	for name, c := range map[string]struct{ output, want string }{
		"tsc":              {"src/a.ts(3,5): error TS2322: no", "1 tsc error src/a.ts:3:5 TS2322|no"},
		"tsc --pretty":     {"src/a.ts:3:5 - error TS2322: no", "1 tsc error src/a.ts:3:5 TS2322|no"},
		".NET":             {`src\A.cs(3,5): warning CS0168: no [A.csproj]`, `1 dotnet warning src\A.cs:3:5 CS0168|no [A.csproj]`},
		"eslint":           {"/w/a.js\n  1:7  error  'x' is not defined  no-undef\n", "2 eslint error /w/a.js:1:7 no-undef|'x' is not defined"},
		"eslint, no file":  {"  1:7  error  'x' is not defined  no-undef\n", ""},
		"eslint, unix":     {"a.js:1:7: no. [Warning/no-undef]", "1 eslint warning a.js:1:7 no-undef|no."},
		"gcc":              {"a.c:1:2: fatal error: x.h: No such file", "1 gcc error a.c:1:2 |x.h: No such file"},
		"gcc's note":       {"a.c:1:2: note: declared here", ""},
		"go build":         {"# pkg\n./a.go:1:2: undefined: x", "2 go error ./a.go:1:2 |undefined: x"},
		"go vet":           {"vet: ./a.go:1:2: undeclared name: x", "1 go error ./a.go:1:2 |undeclared name: x"},
		"a log of go":      {"a.go:12: listening", ""},
		"rustc":            {"warning: unused\n --> a.rs:1:2\n", "1 rustc warning a.rs:1:2 |unused"},
		"cargo's summary":  {"error: could not compile `a`\n\nx", ""},
		"webpack":          {"ERROR in ./a.js 1:0-3\nModule not found: x", "1 webpack error ./a.js:1:0 |Module not found: x"},
		"esbuild":          {"✘ [ERROR] Could not resolve \"x\"\n\n    a.js:1:2:\n", "1 esbuild error a.js:1:2 |Could not resolve \"x\""},
		"vite":             {"error during build:\nCould not resolve \"./x\" from \"src/a.js\"\nfile: /w/src/a.js:1:2\n", "1 vite error /w/src/a.js:1:2 |Could not resolve \"./x\" from \"src/a.js\""},
		"pytest":           {"E       assert 1 == 2\n\ntests/a.py:3: AssertionError", "1 pytest error tests/a.py:3:0 |assert 1 == 2"},
		"pytest, import":   {"tests/a.py:1: in <module>\n    import x\nE   ModuleNotFoundError: x\n", "3 pytest error tests/a.py:1:0 |ModuleNotFoundError: x"},
		"go test":          {"--- FAIL: TestA (0.00s)\n    a_test.go:7: no", "1 go test error a_test.go:7:0 |no"},
		"jest":             {"  ● a › b\n\n    expected 1", "1 jest error :0:0 |expected 1"},
		"vitest":           {" FAIL  src/a.test.ts > b\nAssertionError: no", "1 vitest error src/a.test.ts:0:0 |AssertionError: no"},
		"make":             {"make: *** No rule to make target 'x'.  Stop.", "1 make error :0:0 |No rule to make target 'x'.  Stop."},
		"npm":              {"npm error code E1\nnpm error notarget No version", "2 npm error :0:0 |notarget No version"},
		"pnpm":             {"\u2009ERR_PNPM_X\u2009 no", "1 pnpm error :0:0 ERR_PNPM_X|no"},
		"ld":               {"a.c:(.text+0xa): undefined reference to `x'", "1 ld error :0:0 |undefined reference to `x'"},
		"ordinary lines":   {"error\nErrors: 0\n12:30:01 started\nhttp://a:80: x\n(1,2): x", ""},
		"a line of a wall": {strings.Repeat("a.c:1:2: error: ", 1000), ""},
	} {
		got := strings.Join(read(c.output), "; ")
		if name == "a line of a wall" {
			if len(got) > 2*maxMessage {
				t.Errorf("%s: %d bytes", name, len(got))
			}
			continue
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add("ERROR in ./a.js 1:0-3\nerror during build:\n  ● a\n--- FAIL: x\nE   y\n1) m\n")
	f.Fuzz(func(t *testing.T, output string) {
		for _, p := range read(output) {
			if len(p) > 4*maxLine {
				t.Fatalf("%d bytes of %d", len(p), len(output))
			}
		}
	})
}

package steps

import (
	"reflect"
	"testing"
)

func TestWhatAFailedTestKeepsFromRunning(t *testing.T) {
	for line, want := range map[string]string{
		// The tests come last.
		"pytest": "",
		"mkdir -p out && cargo test --no-fail-fast":                                  "",
		"cargo build --locked && cargo clippy && cargo test --no-fail-fast --locked": "",
		"npm ci; npm run build\nnpm test":                                            "",
		"cd api && FOO=1 go test ./...":                                              "",
		"./prepare.sh && pnpm exec jest --ci":                                        "",
		"mkdir -p c && go run gotest.tools/gotestsum@v1 --junitfile j.xml -- ./...":  "",
		"server & npm run test:e2e":                                                  "",
		"go test ./... 2>&1 | tee log && true":                                       "true",
		"go test ./... 2>&1 | tee log":                                               "",
		"cargo test --no-fail-fast || exit 1":                                        "",
		"if [ -f go.mod ]; then go test ./...; fi":                                   "",
		"jest -t 'a && b; c'":                                                        "",
		`jest -t "a && b"  # then; the rest && more`:                                 "",
		"npx vitest run \\\n  --reporter=junit":                                      "",
		"exec ./node_modules/.bin/mocha test":                                        "",
		"./run-tests.sh":                                                             "",
		"./all.sh":                                                                   "",
		"sh -ec 'cd x && npm test'":                                                  "",
		"pnpm -r --no-bail test":                                                     "",

		// They do not.
		"pnpm test && pnpm e2e": "pnpm e2e",
		"cargo test --no-fail-fast && cargo test --doc --no-fail-fast": "cargo test --doc --no-fail-fast",
		"npm test; npm run lint":                          "npm run lint",
		"npm test\nnode scripts/upload.js":                "node scripts/upload.js",
		"./a.sh && ./b.sh":                                "./b.sh",
		"make check && ./after.sh":                        "./after.sh",
		"bash -c 'npm test && npm run lint'":              "npm run lint",
		"for d in a b; do (cd $d && go test ./...); done": "done",
		"pytest unit & pytest slow":                       "pytest slow",

		// The tool leaves something out.
		"pnpm -r test":                       "the packages after the first that fails, as pnpm -r lacks --no-bail",
		"pnpm --recursive run test":          "the packages after the first that fails, as pnpm -r lacks --no-bail",
		"cd x && cargo nextest run":          "the tests after the first that fails, as cargo lacks --no-fail-fast",
		"cargo build && cargo +nightly test": "the tests after the first that fails, as cargo lacks --no-fail-fast",
		"turbo run test":                     "the packages after the first that fails, as turbo lacks --continue",
		"npx lerna run test":                 "the packages after the first that fails, as lerna run lacks --no-bail",
	} {
		if got := (Command{Line: line}).Unreached(); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	if got := (Command{Args: []string{"jest", "-t", "a && b"}}).Unreached(); got != "" {
		t.Errorf("an argument list has parts: %q", got)
	}
	if got := (Command{}).Unreached(); got != "" {
		t.Errorf("no command has parts: %q", got)
	}
	if got := (Command{Args: []string{"cargo", "test"}}).Unreached(); got == "" {
		t.Error("an argument list can leave tests out as well")
	}
}

func TestPartsOfALine(t *testing.T) {
	for line, want := range map[string][][]string{
		"a 'b c' \"d \\\" e\" f\\ g":     {{"a", "b c", "d \" e", "f g"}},
		"a && b || c; d | e & f\n# g\nh": {{"a"}, {"b"}, {"d"}, {"f"}, {"h"}},
		"a >out 2>&1 && b &>all":         {{"a", ">out", "2>&1"}, {"b", "&>all"}},
		"(a; b)":                         {{"a"}, {"b"}},
		"a '' \"":                        {{"a", "", ""}},
		"  \n ; ":                        nil,
	} {
		if got := splitLine(line); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func TestACommandMayHideThatAPartFailed(t *testing.T) {
	for line, want := range map[string]bool{
		"jest || true":               true,
		"jest | tee log":             true,
		"jest |& tee log":            true,
		"sh build.sh\njest||:":       true,
		"jest":                       false,
		"a && jest; b":               false,
		"jest -t 'a || b' \"c | d\"": false,
		"jest # || true":             false,
	} {
		if got := (Command{Line: line}).HidesExit(); got != want {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
	bash := Command{Line: "jest | tee log", Shell: []string{"bash", "-eo", "pipefail", "-c"}}
	if bash.HidesExit() {
		t.Error("bash has pipefail")
	}
	if (Command{Args: []string{"jest", "-t", "a || b"}}).HidesExit() {
		t.Error("an argument list has no parts")
	}
}

func FuzzUnreached(f *testing.F) {
	f.Add("sh -c \"a && 'b' | c\" & d `e` \\")
	f.Fuzz(func(t *testing.T, line string) {
		(Command{Line: line}).Unreached()
		for _, words := range splitLine(line) {
			if len(words) == 0 {
				t.Fatalf("%q has a part without a word", line)
			}
		}
	})
}

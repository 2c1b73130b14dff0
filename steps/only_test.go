package steps

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/steps/results"
)

func TestWordsSelectTheTestsThatTheyName(t *testing.T) {
	dir := workspace(
		t, "src/price.test.ts", "packages/core/package.json", "packages/core/src/tax.test.ts", "package.json",
		"price/price_test.go", "src/it's one.test.ts",
	)
	known := []results.Case{
		{Name: "adds up", Class: "total", File: "src/price.test.ts", Report: "junit.xml"},
		{Name: "rounds", Class: "tax", File: "src/tax.test.ts", Report: "packages/core/junit.xml"},
		{Name: "TestTax/rounds", Class: "example.com/shop/price", Report: "junit.xml"},
	}
	everywhere := []string{"**/junit.xml"}
	for name, c := range map[string]struct {
		command string
		words   []string
		known   []results.Case
		reports []string
		want    string // "" if it is refused
	}{
		"a file":                                 {"jest {files}", []string{"src/price.test.ts"}, nil, nil, "jest src/price.test.ts"},
		"a file with a quote":                    {"jest {files}", []string{"src/it's one.test.ts"}, nil, nil, `jest 'src/it'\''s one.test.ts'`},
		"a name":                                 {"jest {files}", []string{"adds up"}, known, nil, "jest src/price.test.ts"},
		"a class and a name":                     {"jest {files}", []string{"total › adds up"}, known, nil, "jest src/price.test.ts"},
		"a name in a package":                    {"jest {files}", []string{"rounds"}, known, nil, "cd ./packages/core\njest src/tax.test.ts\n"},
		"a file of a package, by its report":     {"jest {files}", []string{"packages/core/src/tax.test.ts"}, known, nil, "cd ./packages/core\njest src/tax.test.ts\n"},
		"a file of a package, by the patterns":   {"jest {files}", []string{"packages/core/src/tax.test.ts"}, nil, everywhere, "cd ./packages/core\njest src/tax.test.ts\n"},
		"a file of a package, by one report":     {"jest {files}", []string{"packages/core/src/tax.test.ts"}, nil, []string{"junit.xml"}, "jest packages/core/src/tax.test.ts"},
		"a test of Go in its package":            {"go test -run {tests} {packages}", []string{"example.com/shop/price.TestTax"}, nil, nil, "go test -run '^(TestTax)$' example.com/shop/price"},
		"a subtest of Go":                        {"go test -run {tests} {packages}", []string{"example.com/shop/price.TestTax/rounds"}, nil, nil, "go test -run '^(TestTax)$' example.com/shop/price"},
		"a test of Go by its name, from reports": {"go test -run {tests} {packages}", []string{"TestTax/rounds"}, known, nil, "go test -run '^(TestTax)$' example.com/shop/price"},
		"a test of Go by its name alone":         {"go test -run {tests} {packages}", []string{"TestNew"}, nil, nil, "go test -run '^(TestNew)$' ./..."},
		"a package of Go":                        {"go test -run {tests} {packages}", []string{"example.com/shop/price"}, nil, nil, "go test -run . example.com/shop/price"},
		"a folder of Go":                         {"go test -run {tests} {packages}", []string{"./price"}, nil, nil, "go test -run . ./price"},
		"two of them":                            {"jest {files}", []string{"adds up", "src/it's one.test.ts"}, known, nil, `jest 'src/it'\''s one.test.ts' src/price.test.ts`},
		"a name that nothing has":                {"jest {files}", []string{"subtracts"}, known, nil, ""},
		"one of two that nothing has":            {"jest {files}", []string{"adds up", "subtracts"}, known, nil, ""},
		"a file outside":                         {"jest {files}", []string{"../x.test.ts"}, nil, nil, ""},
		"an option":                              {"jest {files}", []string{"--config=x"}, nil, nil, ""},
		"an option for go":                       {"go test -run {tests} {packages}", []string{"-exec=x"}, nil, nil, ""},
		"a substitution":                         {"go test {packages}", []string{"$(touch x)/y"}, nil, nil, ""},
		"a command that names nothing":           {"playwright test --last-failed", []string{"src/price.test.ts"}, known, nil, ""},
		"no rerun command":                       {"", []string{"src/price.test.ts"}, known, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Rerun{Command: Command{Line: c.command}}.Only(dir, c.reports, c.words, c.known)
			if c.want == "" {
				var refused *SelectError
				if !errors.As(err, &refused) && !errors.Is(err, ErrNoSubset) {
					t.Fatalf("it is %q (%v), want none", got, err)
				}
				return
			}
			if err != nil || !strings.Contains(got.Line, c.want) || !strings.Contains(c.want, "\n") && got.Line != c.want {
				t.Errorf("it is %q (%v), want %q", got.Line, err, c.want)
			}
		})
	}
}

// What a failed run says to type selects the tests that its own rerun would run.
func TestWordsOfFailedTestsSelectTheSame(t *testing.T) {
	dir := workspace(t, "src/price.test.ts", "src/a b.test.ts", "packages/core/package.json", "packages/core/src/tax.test.ts", "package.json")
	failed := []results.Case{
		{Name: "adds up", Class: "example.com/shop/price", File: "src/price.test.ts", Report: "junit.xml"},
		{Name: "again", Class: "example.com/shop/price", File: "src/a b.test.ts", Report: "junit.xml"},
		{Name: "TestTax/rounds", Class: "example.com/shop/tax", File: "src/tax.test.ts", Report: "packages/core/junit.xml"},
	}
	for command, cases := range map[string][]results.Case{
		"jest {files}":                    failed,
		"go test {packages}":              failed,
		"go test -run {tests} {packages}": failed[2:],
		"go test -run {tests} ./...":      failed[2:],
	} {
		r := Rerun{Command: Command{Line: command}}
		want, err := r.Select(dir, cases)
		if err != nil {
			t.Fatal(err)
		}
		words, err := r.Words(dir, cases)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Only(dir, []string{"**/junit.xml"}, words, cases)
		if err != nil || got.Line != want.Line {
			t.Errorf("%s: %q select %q (%v), want %q", command, words, got.Line, err, want.Line)
		}
	}
	if _, err := (Rerun{Command: Command{Line: "jest --onlyFailures"}}).Words(dir, failed); !errors.Is(err, ErrNoSubset) {
		t.Errorf("a command that names no test: %v", err)
	}
	words, err := Rerun{Command: Command{Line: "go test -run {tests}"}}.Words(dir, []results.Case{{Name: "a\nb"}})
	if err == nil || slices.Contains(words, "a\nb") {
		t.Errorf("a name with a line break is to be typed as %q", words)
	}
}

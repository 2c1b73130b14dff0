package shards

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/detect"
)

// Way is how the tests of a step are listed and run by files.
type Way struct {
	Tool  string // "" for commands of runner.yaml
	Split steps.Split

	parse func(output []byte, dir string) ([]Unit, error)
}

// Unit is what only one shard can run as a whole: a test file, a package of Go, files that a tool cannot tell apart.
type Unit struct {
	Name   string   // as its time is found by
	Args   []string // as the tool takes it
	Others []string // names of more files
	Empty  bool     // it has no test: a package of Go that counts for the coverage
}

// tool makes a way of a command that runs it.
type tool struct {
	program string
	way     func(in detect.Invocation, dir string) (Way, error)
}

// tools are the test tools that are known. To know another, add it here.
func tools() []tool {
	return []tool{
		{"jest", jest},
		{"vitest", vitest},
		{"playwright", playwright},
		{"mocha", mocha},
		{"pytest", pytest},
		{"py.test", pytest},
		{"gotestsum", gotestsum},
		{"go", goTest},
	}
}

// Of returns how the tests of a step are divided: as runner.yaml says, else as the tool does it that the step's command
// runs. dir is the step's folder. The error is a *outcome.ConfigError.
func Of(step steps.Step, dir string) (Way, error) {
	if !step.Split.IsZero() {
		return Way{Split: step.Split, parse: parseFiles}, nil
	}
	var programs []string
	for _, t := range tools() {
		programs = append(programs, t.program)
	}
	in, err := detect.Invoked(dir, step.Command.String(), programs...)
	if err == nil {
		for _, t := range tools() {
			if t.program != in.Program {
				continue
			}
			var way Way
			if way, err = t.way(in, dir); err == nil {
				way.Tool = t.program
				way.Split.List.Shell, way.Split.Run.Shell = step.Shell, step.Shell
				return way, nil
			}
		}
	}
	return Way{}, &outcome.ConfigError{
		Message: fmt.Sprintf("the tests of step %s cannot be divided: %v", step.Name, err),
		Advice:  `say how: split: { list: "command that prints the test files", run: "command {files}" }`,
	}
}

func line(text string) steps.Command { return steps.Command{Line: text} }

// filesWord is not quoted: the shell's positional parameters take its place.
const filesWord = " {files}"

// jest takes other arguments for patterns, so that files are given by path. A share reaches no threshold of coverage.
func jest(in detect.Invocation, dir string) (Way, error) {
	args := without(in.Args, "--watch", "--watchAll", "--shard")
	for i, a := range args {
		info, err := os.Stat(filepath.Join(dir, a))
		if isOption := strings.HasPrefix(a, "-") || i > 0 && takesValue(args[i-1]); !isOption && err == nil && !info.IsDir() {
			return Way{}, fmt.Errorf("the command names the file %s", a)
		}
	}
	run := append(slices.Clone(args), "--coverageThreshold={}", "--runTestsByPath")
	return Way{
		Split: steps.Split{List: line(in.Line(append(args, "--listTests")...)), Run: line(in.Line(run...) + filesWord)},
		parse: parseFiles,
	}, nil
}

// takesValue reports whether an option may have its value as the next argument.
func takesValue(option string) bool {
	return strings.HasPrefix(option, "-") && !strings.Contains(option, "=")
}

// vitest matches files by a part of their path.
func vitest(in detect.Invocation, _ string) (Way, error) {
	args := without(in.Args, "run", "watch", "dev", "--run", "--watch", "-w", "--shard", "--ui")
	list := without(args, "--coverage", "--reporter", "--outputFile", "--silent", "--bail", "--retry", "--passWithNoTests",
		"--pool", "--maxWorkers", "--no-coverage")
	run := append([]string{"run"}, args...)
	for _, figure := range []string{"lines", "functions", "branches", "statements"} {
		run = append(run, "--coverage.thresholds."+figure+"=0")
	}
	return Way{
		Split: steps.Split{
			List: line(in.Line(append([]string{"list", "--filesOnly", "--json"}, list...)...)),
			Run:  line(in.Line(run...) + filesWord),
		},
		parse: func(output []byte, dir string) ([]Unit, error) {
			return parseVitest(output, dir, optionOf(args, "--dir", "--root", "-r"))
		},
	}, nil
}

// optionOf is the value of the first option of some names; "" if there is none.
func optionOf(args []string, names ...string) string {
	for i, a := range args {
		name, value, assigned := strings.Cut(a, "=")
		switch {
		case !slices.Contains(names, name):
		case assigned:
			return value
		case i+1 < len(args):
			return args[i+1]
		}
	}
	return ""
}

// playwright matches files by regular expressions.
func playwright(in detect.Invocation, _ string) (Way, error) {
	if len(in.Args) == 0 || in.Args[0] != "test" {
		return Way{}, fmt.Errorf("playwright is not called as playwright test")
	}
	args := without(in.Args[1:], "--shard", "--ui")
	list := append([]string{"test", "--list", "--reporter=json"}, without(args, "--reporter", "--output")...)
	return Way{
		Split: steps.Split{
			List: line(in.Line(list...)), Run: line(in.Line(append([]string{"test"}, args...)...) + filesWord),
		},
		parse: parsePlaywright,
	}, nil
}

// mocha runs the files of its configuration besides those that it is given.
func mocha(in detect.Invocation, dir string) (Way, error) {
	for _, name := range []string{".mocharc.js", ".mocharc.cjs", ".mocharc.yaml", ".mocharc.yml", ".mocharc.json", ".mocharc.jsonc", "package.json"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil && mochaSpec().Match(text) && (name != "package.json" || strings.Contains(string(text), `"mocha": {`)) {
			return Way{}, fmt.Errorf("%s has a spec, which mocha runs besides the files of a shard", name)
		}
	}
	var options []string
	for i, a := range in.Args {
		if strings.HasPrefix(a, "-") || i > 0 && mochaValue().MatchString(in.Args[i-1]) {
			options = append(options, a)
		}
	}
	options = without(options, "--watch", "-w", "--parallel", "--spec")
	list := append(without(in.Args, "--reporter", "-R", "--reporter-option", "--reporter-options", "-O", "--watch", "-w", "--parallel"),
		"--dry-run", "--reporter", "json")
	return Way{
		Split: steps.Split{List: line(in.Line(list...)), Run: line(in.Line(options...) + filesWord)},
		parse: parseMocha,
	}, nil
}

var (
	mochaSpec = compiled(`(?m)["']?\bspec["']?\s*:`)
	// mochaValue matches options whose value is the next argument.
	mochaValue = compiled(`^(--(config|file|fgrep|global|globals|grep|ignore|exclude|extension|jobs|loader|import|node-option|package|` +
		`reporter|reporter-option|reporter-options|require|retries|slow|sort-by|timeout|timeouts|ui|watch-files|watch-ignore)|-[fgjnRrOstu])$`)
)

// compiled compiles an expression when it is needed: few runs divide their tests.
func compiled(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// pytest counts the tests of each file if it is quiet enough, whatever the configuration adds.
func pytest(in detect.Invocation, dir string) (Way, error) {
	var options []string
	for i, a := range in.Args {
		target, _, _ := strings.Cut(a, "::")
		_, err := os.Stat(filepath.Join(dir, target))
		if strings.HasPrefix(a, "-") || err != nil || i > 0 && pytestValue().MatchString(in.Args[i-1]) {
			options = append(options, a)
			continue
		}
		if target != a {
			return Way{}, fmt.Errorf("the command names the tests %s", a)
		}
	}
	run := without(options, "--cov-fail-under")
	if slices.ContainsFunc(run, func(a string) bool { return strings.HasPrefix(a, "--cov") }) {
		run = append(run, "--cov-fail-under=0")
	}
	list := append(without(in.Args, "-v", "-vv", "--verbose", "-n", "--numprocesses", "--junitxml", "--junit-xml"),
		"--collect-only", "-qqqqqq", "-p", "no:cacheprovider")
	return Way{
		Split: steps.Split{List: line(in.Line(list...)), Run: line(in.Line(run...) + filesWord)},
		parse: parsePytest,
	}, nil
}

var pytestValue = compiled(`^(-[kmncpoWr]|--(rootdir|confcutdir|ignore|ignore-glob|deselect|junitxml|junit-xml|cov|cov-report|cov-config|` +
	`numprocesses|dist|durations|maxfail|tb|basetemp|log-level|timeout))$`)

// goTest divides packages: tests of one may share what TestMain sets up, and -run would miss a new one.
func goTest(in detect.Invocation, _ string) (Way, error) {
	if len(in.Args) == 0 || in.Args[0] != "test" {
		return Way{}, fmt.Errorf("go is not called as go test")
	}
	return goWay(in, []string{"test"}, in.Args[1:])
}

func gotestsum(in detect.Invocation, _ string) (Way, error) {
	i := slices.Index(in.Args, "--")
	if i < 0 {
		return Way{}, fmt.Errorf("gotestsum is called without -- and the arguments of go test")
	}
	return goWay(in, in.Args[:i+1], in.Args[i+1:])
}

// goWay divides the packages of go test, whose arguments are flags, packages and -args.
func goWay(in detect.Invocation, before, args []string) (Way, error) {
	var flags, packages, tail, build []string
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "-args" || a == "--args":
			tail, i = args[i:], len(args)
		case !strings.HasPrefix(a, "-"):
			packages = append(packages, a)
		default:
			flag := []string{a}
			if goValue().MatchString(a) && i+1 < len(args) {
				i++
				flag = append(flag, args[i])
			}
			flags = append(flags, flag...)
			if goBuild().MatchString(a) {
				build = append(build, flag...)
			}
		}
	}
	if len(packages) == 0 {
		packages = []string{"."}
	}
	list := detect.Invocation{Before: assignments(in.Before), Call: "go"}
	args = slices.Concat([]string{"list", "-f", goFormat}, build, packages)
	run := in.Line(append(slices.Clone(before), flags...)...) + filesWord
	for _, a := range tail {
		run += " " + detect.Quote(a)
	}
	return Way{Split: steps.Split{List: line(list.Line(args...)), Run: line(run)}, parse: parseGo}, nil
}

// goFormat prints a package, and behind it whether it has tests.
const goFormat = `{{.ImportPath}} {{if or .TestGoFiles .XTestGoFiles}}tests{{else}}none{{end}}`

var (
	goValue = compiled(`^--?(bench|benchtime|blockprofile|blockprofilerate|count|covermode|coverpkg|coverprofile|cpu|cpuprofile|exec|` +
		`fuzz|fuzztime|list|memprofile|memprofilerate|mutexprofile|mutexprofilefraction|o|outputdir|parallel|run|skip|shuffle|` +
		`timeout|trace|vet|tags|mod|modfile|overlay|p|ldflags|gcflags|asmflags|buildmode|compiler|pkgdir|toolexec|C)$`)
	goBuild = compiled(`^--?(tags|mod|modfile|overlay|race|msan|asan|C)(=|$)`)
)

// assignments are the variables in front of a command.
func assignments(before []string) []string {
	i := slices.IndexFunc(before, func(w string) bool { return !strings.Contains(w, "=") })
	if i < 0 {
		return before
	}
	return before[:i]
}

// without removes options, with the value that is a part of one or follows it, and words.
func without(args []string, names ...string) (kept []string) {
	for i := 0; i < len(args); i++ {
		name, _, assigned := strings.Cut(args[i], "=")
		found := slices.ContainsFunc(names, func(n string) bool {
			return name == n || strings.HasPrefix(n, "--") && strings.HasPrefix(name, n+".")
		})
		if !found {
			kept = append(kept, args[i])
			continue
		}
		valued := optionsWithValue[name]
		if valued && !assigned && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
			i++
		}
	}
	return kept
}

// optionsWithValue are those of the options that are removed whose value may be the next argument.
var optionsWithValue = map[string]bool{
	"--shard": true, "--reporter": true, "-R": true, "--reporter-option": true, "--reporter-options": true, "-O": true,
	"--outputFile": true, "--output": true, "--bail": true, "--retry": true, "--pool": true, "--maxWorkers": true,
	"-n": true, "--numprocesses": true, "--junitxml": true, "--junit-xml": true, "--cov-fail-under": true, "--spec": true,
}

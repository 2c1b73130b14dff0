package image

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the transcript in README.md")

// volatile is what differs between two runs of the same, and what stands for it.
var volatile = []struct {
	pattern *regexp.Regexp
	as      string
}{
	{regexp.MustCompile(`\b[0-9a-f]{40}\b`), "SHA"},
	{regexp.MustCompile(`\b0[0-9a-z]{25}\b`), "ID"},
	{regexp.MustCompile(`\bat [0-9a-f]{7}\b`), "at SHORT"},
	{regexp.MustCompile(`against [0-9a-f]{7}\b`), "against SHORT"},
	{regexp.MustCompile(`sample-[0-9a-f]{10}`), "WORKSPACE"},
	{regexp.MustCompile(`\b(?:\d+h)?(?:\d+m)?\d+(?:\.\d+)?(?:ms|s)\b`), "TIME"},
	{regexp.MustCompile(`\b\d+(?:\.\d+)? (?:B|KiB|MiB)\b`), "SIZE"},
	{regexp.MustCompile(`\b\d+(?:\.\d+)? s of CPU`), "TIME of CPU"},
	{regexp.MustCompile(`\$\d+\.\d+`), "PRICE"},
	{regexp.MustCompile(`of [\d.]+ vCPU, [\d.]+ GB`), "of a size"},
	{regexp.MustCompile(`(?m)^  usage .*$`), "  usage"},     // with advice if it took long
	{regexp.MustCompile(`(?m)^  (?:slow|advice) .*\n`), ""}, // of a slow machine
}

// normal leaves of an output what every run of the same has.
func normal(text string) string {
	for _, v := range volatile {
		text = v.pattern.ReplaceAllString(text, v.as)
	}
	return text
}

// What README.md shows of a run is what the program prints: of the sample workspace, after a run that passed, with a test
// that expects too much.
func TestTheTranscriptOfREADMEIsTheOutputOfTheProgram(t *testing.T) {
	const name = "../README.md"
	page, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	const begin = "```\n$ runner test\n"
	before, rest, ok := strings.Cut(string(page), begin)
	shown, after, closed := strings.Cut(rest, "```\n")
	if !ok || !closed {
		t.Fatal("README.md has no transcript of runner test")
	}
	s := newSample(t)
	dir := filepath.Join(t.TempDir(), "sample") // the folder of the records is named after it
	if err := os.Rename(s.dir, dir); err != nil {
		t.Fatal(err)
	}
	s.dir = dir
	home := t.TempDir()
	tools, err := filepath.Abs("../.tools/npm/node_modules/.bin")
	if err != nil {
		t.Fatal(err)
	}
	run := func(want int, args ...string) string {
		t.Helper()
		program := args[0]
		if program == "runner" {
			program = s.runner
		}
		cmd := exec.Command(program, args[1:]...)
		cmd.Dir = s.dir
		for _, entry := range os.Environ() {
			if variable, _, _ := strings.Cut(entry, "="); !slices.Contains(
				[]string{"GIT_SHA", "BRANCH", "ENVIRONMENT", "HOME", "PATH", "XDG_STATE_HOME", "ARTIFACT_BUCKET", "AWS_REGION", "AWS_DEFAULT_REGION"}, variable,
			) && !strings.HasPrefix(variable, "GITHUB_") {
				cmd.Env = append(cmd.Env, entry)
			}
		}
		cmd.Env = append(
			cmd.Env, "HOME="+home, "PATH="+filepath.Dir(s.runner)+":"+tools+":"+os.Getenv("PATH"), "RUNNER_LOG_FORMAT=text",
			"GIT_AUTHOR_NAME=ana", "GIT_AUTHOR_EMAIL=ana@example.com", "GIT_COMMITTER_NAME=ana", "GIT_COMMITTER_EMAIL=ana@example.com",
		)
		out, err := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Fatalf("%q exits with %d (%v), want %d\n%s", args, got, err, want, out)
		}
		return string(out)
	}
	s.write(".gitignore", "node_modules\ncoverage/\njunit.xml\ndist/\n*.tsbuildinfo\n")
	run(0, "git", "init", "-q", "-b", "main")
	run(0, "git", "add", ".")
	run(0, "git", "commit", "-qm", "one")
	run(0, "runner", "test")
	test := "packages/core/src/price.test.ts"
	s.write(test, strings.Replace(s.read(test), "expect(total(basket)).toBe(4149)", "expect(total(basket)).toBe(4150)", 1))
	out := run(1, "runner", "test")
	at := strings.Index(out, "\ntest failed (")
	if at < 0 {
		t.Fatalf("it has no summary:\n%s", out)
	}
	printed := strings.ReplaceAll(strings.TrimLeft(out[at:], "\n"), filepath.Dir(s.dir), "/home/ana")
	if *update {
		if err := os.WriteFile(name, []byte(before+begin+printed+"```\n"+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, want := normal(printed), normal(shown); got != want {
		t.Errorf("%v", errors.New("README.md differs: go test ./image -run Transcript -update\nit prints:\n"+got+"\nREADME.md has:\n"+want))
	}
}

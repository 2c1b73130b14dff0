package steps

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// What a name contains is never a part of the line that the shell reads.
func TestFilesOfASplitReachTheToolAsTheyAre(t *testing.T) {
	names := []string{"a b.test.js", "it's.js", `"x".js`, "$(touch owned).js", "`id`.js", "./-dash.js", "ü\\n.js", "*.js", "a;b", "{files}", "{list}"}
	for what, split := range map[string]Split{
		"a line":             {Run: Command{Line: `for f in {files}; do printf '%s\n' "$f"; done`}},
		"a line of bash":     {Run: Command{Line: `printf '%s\n' {files}`, Shell: []string{"bash", "-eo", "pipefail", "-c"}}},
		"an unknown shell":   {Run: Command{Line: `printf '%s\n' {files}`, Shell: []string{"env", "sh", "-c"}}},
		"an argument list":   {Run: Command{Args: []string{"printf", `%s\n`, "{files}"}}},
		"an argument in two": {Run: Command{Args: []string{"sh", "-c", `shift 0; printf '%s\n' "$@"`, "sh", "{files}"}}},
	} {
		argv := split.Fill(names, "/tmp/list").Argv()
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Dir = t.TempDir()
		out, err := cmd.Output()
		if got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"); err != nil || !slices.Equal(got, names) {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
}

// A thousand files are longer than one argument may be.
func TestManyFilesOfASplit(t *testing.T) {
	names := make([]string, 5000)
	for i := range names {
		names[i] = strings.Repeat("x", 60)
	}
	argv := Split{Run: Command{Line: "echo {files} | wc -w"}}.Fill(names, "").Argv()
	out, err := exec.Command(argv[0], argv[1:]...).Output()
	if err != nil || strings.TrimSpace(string(out)) != "5000" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestAListOfNames(t *testing.T) {
	split := Split{Run: Command{Line: "xargs -a {list} echo"}}
	if !split.UsesList() || (Split{Run: Command{Args: []string{"x", "{files}"}}}).UsesList() {
		t.Error("which command reads a file of names is not known")
	}
	if c := split.Fill(nil, "/tmp/a b"); c.Line != "xargs -a '/tmp/a b' echo" {
		t.Errorf("%+v", c)
	}
	if c := (Split{Run: Command{Args: []string{"x", "@{list}"}}}).Fill(nil, "/l"); !slices.Equal(c.Args, []string{"x", "@/l"}) {
		t.Errorf("%+v", c)
	}
}

func TestSizesAreNamedByWhatFargateHas(t *testing.T) {
	for value, want := range map[string]string{
		"2-3": "with 2 vCPU Fargate has 4 to 16 GB in steps of 1, such as 2-4", "3-8": "Fargate has 0.25, 0.5",
		"0.25-4": "0.5, 1 or 2 GB", "8-18": "16 to 60 GB in steps of 4", "large": "such as 2-8",
	} {
		_, err := Parse("runner.yaml", []byte("version: 1\nsteps: { test: { size: "+value+" } }\n"))
		if e, ok := err.(*FileError); !ok || !strings.Contains(e.Advice, want) || e.Column != 24 {
			t.Errorf("%s: %+v", value, err)
		}
	}
	if cpu, memory := (Size{0.25, 0.5}).Units(); cpu != "256" || memory != "512" {
		t.Errorf("%s %s", cpu, memory)
	}
	if len(Sizes()) != 74 {
		t.Errorf("there are %d sizes", len(Sizes()))
	}
}

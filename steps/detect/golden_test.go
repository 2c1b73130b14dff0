package detect

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/carlin-cicd/runner/steps"
)

// proposedLine is a line of services, as a comment.
var proposedLine = regexp.MustCompile(`(?m)^    # (services:|  [a-z])`)

var update = flag.Bool("update", false, "write the runner.yaml of testdata anew")

// goldenName is the file of an archive in testdata that is what should be written, not a file of the workspace.
const goldenName = "runner.yaml"

// Each tree in testdata gets the runner.yaml that is beside it. With -update it is written anew: read the difference.
func TestTreesGetTheirRunnerYaml(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no trees", err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			dir, want, at := t.TempDir(), "", -1
			for i, file := range archive.Files {
				if file.Name == goldenName {
					want, at = string(file.Data), i
					continue
				}
				write(t, dir, file.Name, string(file.Data))
			}
			found, err := Workspace(dir)
			if err != nil {
				t.Fatal(err)
			}
			got := found.YAML()
			file, err := steps.Parse(goldenName, []byte(got))
			if err != nil {
				t.Fatalf("what is written cannot be read: %v\n%s", err, got)
			}
			proposed := proposedLine.ReplaceAllString(got, "    $1")
			if _, err := steps.Parse(goldenName, []byte(proposed)); err != nil {
				t.Errorf("the proposed services cannot be read: %v\n%s", err, proposed)
			}
			for _, s := range found.Steps {
				step, err := steps.Collect(dir, file).Find(s.Name)
				if line := strings.TrimSpace(step.Command.Line); err != nil || line != s.Command {
					t.Errorf("the command of %s is read as %q: %v", s.Name, line, err)
				}
			}
			if *update {
				golden := txtar.File{Name: goldenName, Data: []byte(got)}
				if at < 0 {
					archive.Files = append(archive.Files, golden)
				} else {
					archive.Files[at] = golden
				}
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

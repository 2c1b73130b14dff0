package attachments

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/steps/results"
)

// workspace has files, each with a text or a picture of some size, and reads the report.
func workspace(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		var w, h int
		if n, _ := fmt.Sscanf(text, "picture %d %d", &w, &h); n == 2 {
			var b bytes.Buffer
			if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h))); err != nil {
				t.Fatal(err)
			}
			text = b.String()
		}
		if err := os.WriteFile(at, []byte(strings.ReplaceAll(text, "$DIR", dir)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// find returns what is found, a line each: test, path, role, problem.
func find(t *testing.T, dir, step string, since time.Time) []string {
	t.Helper()
	read, err := results.Read(results.Options{Root: filepath.Join(dir, step), Globs: []string{"**/*.xml"}})
	if err != nil || len(read.Problems) > 0 {
		t.Fatal(err, read.Problems)
	}
	names := map[string]string{"": "-"}
	for _, c := range read.Failures {
		names[c.ID] = c.Name
	}
	var lines []string
	for _, f := range Find(Options{Workspace: dir, Directory: step, Since: since, Cases: read.Failures}) {
		line := names[f.Test] + " | " + f.Path
		for _, more := range []string{string(f.Role), f.Problem} {
			if more != "" {
				line += " | " + more
			}
		}
		lines = append(lines, strings.ReplaceAll(line, dir, "$DIR"))
	}
	return lines
}

func compare(t *testing.T, got []string, want ...string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

const red = `<failure message="x">y</failure>`

func TestFilesThatAReportNames(t *testing.T) {
	dir := workspace(t, map[string]string{
		"web/out/junit.xml": `<testsuites><testsuite name="home.spec.ts"><testcase name="looks right" classname="home.spec.ts">` + red + `<system-out><![CDATA[
[[ATTACHMENT|../test-results/home/home-expected.png]]
[[ATTACHMENT|../test-results/home/home-actual.png]]
[[ATTACHMENT|test-results/home/trace.zip]]
[[ATTACHMENT|$DIR/web/video.webm]]
[[ATTACHMENT|/etc/hostname]]
[[ATTACHMENT|../../../secret]]
[[ATTACHMENT|gone.png]]
[[ATTACHMENT|link.png]]
[[ATTACHMENT|test-results]]
]]></system-out></testcase><testcase name="passes" classname="home.spec.ts"><system-out>[[ATTACHMENT|video.webm]]</system-out></testcase></testsuite></testsuites>`,
		"web/test-results/home/home-expected.png": "x", "web/test-results/home/home-actual.png": "x", "web/test-results/home/trace.zip": "x", "web/video.webm": "x",
	})
	if err := os.Symlink(filepath.Join(t.TempDir()), filepath.Join(dir, "web", "link.png")); err != nil {
		t.Fatal(err)
	}
	compare(t, find(t, dir, "web", time.Time{}),
		"looks right | web/test-results/home/home-expected.png | expected", "looks right | web/test-results/home/home-actual.png | actual",
		"looks right | web/test-results/home/trace.zip", "looks right | web/video.webm",
		"looks right | /etc/hostname | it is outside of the workspace", "looks right | ../../../secret | it is outside of the workspace",
		"looks right | gone.png | it does not exist", "looks right | link.png | it is a link that leads out of the workspace, or nowhere",
		"looks right | test-results | it is not a file")
}

func TestFilesThatPlaywrightsJSONNames(t *testing.T) {
	dir := workspace(t, map[string]string{
		"junit.xml": `<testsuites><testsuite name="home.spec.ts" hostname="firefox"><testcase name="home › looks right" classname="home.spec.ts">` + red + `</testcase></testsuite></testsuites>`,
		"results.json": `{"config":{},"suites":[{"title":"home.spec.ts","file":"home.spec.ts","specs":[],"suites":[{"title":"home","file":"home.spec.ts","specs":[
			{"title":"looks right","tests":[{"projectName":"firefox","results":[{"attachments":[{"name":"screenshot","path":"$DIR/test-results/a.png"},{"name":"body","body":"eA=="}]}]},
			{"projectName":"webkit","results":[{"attachments":[{"name":"screenshot","path":"$DIR/test-results/b.png"}]}]}]}]}]}]}`,
		"package.json": `{"name":"x"}`, "broken.json": `{"config":{},"suites":[`, "test-results/a.png": "x", "test-results/b.png": "x",
	})
	compare(t, find(t, dir, ".", time.Time{}), "home › looks right | test-results/a.png")
}

func TestFilesOfCypressAndImageSnapshots(t *testing.T) {
	dir := workspace(t, map[string]string{
		"junit.xml": `<testsuites><testsuite name="login" file="cypress/e2e/login.cy.ts"><testcase name="login shows an error: “no”" classname="shows an error: “no”">` + red + `</testcase></testsuite>
			<testsuite name="page" file="src/page.test.ts"><testcase name="page is drawn" classname="page is drawn" file="src/page.test.ts">` + red + `</testcase></testsuite></testsuites>`,
		"cypress/screenshots/login.cy.ts/login -- shows an error no (failed).png":             "x",
		"cypress/screenshots/login.cy.ts/login -- shows an error no (failed) (attempt 2).png": "x",
		"cypress/screenshots/other.cy.ts/other (failed).png":                                  "x",
		"cypress/videos/login.cy.ts.mp4":                                                      "x",
		"cypress/videos/notes.txt":                                                            "x",
		"src/__image_snapshots__/page-test-ts-page-is-drawn-1-snap.png":                       "picture 4 3",
		"src/__image_snapshots__/__diff_output__/page-test-ts-page-is-drawn-1-diff.png":       "picture 12 3",
		"src/__image_snapshots__/__diff_output__/page-test-ts-page-is-drawn-2-diff.png":       "picture 5 3",
		"src/__image_snapshots__/page-test-ts-page-is-drawn-3-snap.png":                       "picture 4 3",
		"src/__image_snapshots__/__diff_output__/page-test-ts-page-is-drawn-3-snap-diff.png":  "picture 12 3", // as 6 names it
		"src/__image_snapshots__/page-test-ts-page-is-drawn-4-snap.png":                       "picture 4 3",
		"src/__image_snapshots__/__diff_output__/page-test-ts-page-is-drawn-4-diff.png":       "picture 4 9", // diffDirection: vertical
	})
	old := filepath.Join(dir, "cypress", "videos", "old.cy.ts.mp4")
	if err := os.WriteFile(old, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	hourAgo := time.Now().Add(-time.Hour)
	if err := os.Chtimes(old, hourAgo, hourAgo); err != nil {
		t.Fatal(err)
	}
	compare(t, find(t, dir, ".", time.Now().Add(-time.Minute)),
		"login shows an error: “no” | cypress/screenshots/login.cy.ts/login -- shows an error no (failed).png",
		"login shows an error: “no” | cypress/screenshots/login.cy.ts/login -- shows an error no (failed) (attempt 2).png",
		"- | cypress/screenshots/other.cy.ts/other (failed).png", "login shows an error: “no” | cypress/videos/login.cy.ts.mp4",
		"page is drawn | src/__image_snapshots__/__diff_output__/page-test-ts-page-is-drawn-1-diff.png | side",
		"page is drawn | src/__image_snapshots__/__diff_output__/page-test-ts-page-is-drawn-2-diff.png | difference",
		"page is drawn | src/__image_snapshots__/__diff_output__/page-test-ts-page-is-drawn-3-snap-diff.png | side",
		"page is drawn | src/__image_snapshots__/__diff_output__/page-test-ts-page-is-drawn-4-diff.png | stack")
}

func TestWhatIsFoundIsBounded(t *testing.T) {
	var c results.Case
	for i := range 3 * maxFound {
		c.Attachments += fmt.Sprintf("missing-%d.png\n", i)
	}
	if n := len(Find(Options{Workspace: t.TempDir(), Directory: ".", Cases: []results.Case{c}})); n != maxFound {
		t.Errorf("%d are found", n)
	}
}

package results

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
)

// folder writes reports into a new root.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func read(t *testing.T, root string, globs ...string) Results {
	t.Helper()
	r, err := Read(Options{Root: root, Globs: globs})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAFailureHasItsFileAndMessage(t *testing.T) {
	r := read(t, folder(t, map[string]string{
		"a.xml": `<testsuite name="A" file="suite.php"><testcase name="by suite"><failure message="m1">d1</failure></testcase></testsuite>`,
		"b.xml": `<testsuite name="B"><testcase name="by class" classname="src/b.test.ts"><failure>first line
second line</failure></testcase><testcase name="by case" file="own.rb"><error type="E"/></testcase></testsuite>`,
	}), "*.xml")
	if len(r.Failures) != 3 {
		t.Fatalf("failures are %+v", r.Failures)
	}
	for _, want := range []Case{
		{Name: "by suite", Suite: "A", File: "suite.php", Status: Failed, Message: "m1", Details: "d1", Report: "a.xml"},
		{Name: "by class", Suite: "B", Class: "src/b.test.ts", File: "src/b.test.ts", Status: Failed, Message: "first line", Details: "second line", Report: "b.xml"},
		{Name: "by case", Suite: "B", File: "own.rb", Status: Errored, Message: "E", Report: "b.xml"},
	} {
		found := false
		for _, got := range r.Failures {
			got.ID, got.Excerpt, got.Namesakes = "", "", 0
			found = found || got == want
		}
		if !found {
			t.Errorf("%+v is missing in %+v", want, r.Failures)
		}
	}
}

func TestReportsAreReadOnceAndDamagedOnesDoNotHideOthers(t *testing.T) {
	const one = `<testsuite><testcase name="x"/></testsuite>`
	root := folder(t, map[string]string{
		"junit.xml": one, "packages/a/junit-a.xml": one, "packages/b/junit-b.xml": "<testsuite>",
		"node_modules/x/junit-x.xml": "<", ".runner/artifacts/junit-y.xml": "<", "other.xml": "<",
	})
	outside := folder(t, map[string]string{"junit-z.xml": one})
	if err := os.Symlink(filepath.Join(outside, "junit-z.xml"), filepath.Join(root, "junit-link.xml")); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"junit-inside.xml": "junit.xml", "junit-nowhere.xml": "missing.xml", "junit-loop.xml": "junit-loop.xml", "folder": "packages"} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(root, "junit-folder.xml"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(root, "junit-pipe.xml"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := read(
		t,
		root,
		"junit.xml",
		"./junit.xml",
		"**/junit-*.xml",
		"**/junit-a.xml",
		"folder/a/*.xml",
		"absent.xml",
		"junit.xml/absent.xml",
	)
	var problems []string
	for _, p := range r.Problems {
		problems = append(problems, p.Report)
		if p.Report == "junit-pipe.xml" && p.Message != "it is not a regular file" {
			t.Errorf("the pipe was opened: %s", p.Message)
		}
	}
	if got, want := strings.Join(
		problems,
		" ",
	), "junit-folder.xml junit-link.xml junit-loop.xml junit-nowhere.xml junit-pipe.xml packages/b/junit-b.xml"; got != want {
		t.Errorf("problems are in %s, want %s", got, want)
	}
	if r.Total != 2 || len(r.Reports) != 2 {
		t.Errorf("%d tests of %+v", r.Total, r.Reports)
	}
}

func TestALinkThatLeavesTheRootIsAProblem(t *testing.T) {
	outside := folder(t, map[string]string{"junit.xml": "<testsuite/>"})
	for _, glob := range []string{"junit.xml", "{junit,other}.xml", "*.xml", "**/junit.xml", "**", "*"} {
		root := t.TempDir()
		if err := os.Symlink(filepath.Join(outside, "junit.xml"), filepath.Join(root, "junit.xml")); err != nil {
			t.Fatal(err)
		}
		if r := read(t, root, glob); len(r.Problems) != 1 || !r.Red() {
			t.Errorf("%s: %+v", glob, r)
		}
	}
}

func TestAFolderThatIsALinkOutOfTheRootIsAProblem(t *testing.T) {
	outside := folder(t, map[string]string{"pkg/test.xml": "<testsuite/>"})
	for _, glob := range []string{"bazel-testlogs/**/test.xml", "bazel-testlogs/pkg/*.xml"} {
		root := t.TempDir()
		if err := os.Symlink(outside, filepath.Join(root, "bazel-testlogs")); err != nil {
			t.Fatal(err)
		}
		if r := read(t, root, glob); len(r.Problems) != 1 || r.Problems[0].Report != "bazel-testlogs" {
			t.Errorf("%s: %+v", glob, r)
		}
	}
	if r := read(
		t,
		folder(t, map[string]string{"a/b.xml": "<testsuite/>"}),
		"a/*.xml",
		"missing/*.xml",
		"**/c.xml",
	); len(r.Problems) != 0 ||
		len(r.Reports) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestHiddenFoldersMatchByNameOnly(t *testing.T) {
	const one = `<testsuite><testcase name="x"/></testsuite>`
	root := folder(
		t,
		map[string]string{
			"node_modules/a.xml": one,
			"a/.git/a.xml":       one,
			".runner/x/a.xml":    one,
			"a/b/a.xml":          one,
			"a/.hidden/a.xml":    one,
		},
	)
	for glob, want := range map[string]string{
		"**/*.xml":            "a/.hidden/a.xml a/b/a.xml",
		"*/*.xml":             "",
		"**":                  "a/.hidden/a.xml a/b/a.xml",
		"a/**":                "a/.hidden/a.xml a/b/a.xml",
		"a/b/*":               "a/b/a.xml",
		"node_modules/a.xml":  "node_modules/a.xml",
		"node_modules/*.xml":  "node_modules/a.xml",
		".runner/**/*.xml":    ".runner/x/a.xml",
		"{a/b,missing}/a.xml": "a/b/a.xml",
	} {
		r := read(t, root, glob)
		var got []string
		for _, report := range r.Reports {
			got = append(got, report.Path)
		}
		if strings.Join(got, " ") != want || r.Problems != nil {
			t.Errorf("%s reads %v with problems %v, want %s", glob, got, r.Problems, want)
		}
	}
}

func TestAReportOfAnEarlierRunIsNotCounted(t *testing.T) {
	const red = `<testsuite><testcase name="x"><failure/></testcase></testsuite>`
	root := folder(
		t,
		map[string]string{
			"old.xml":    red,
			"broken.xml": "<testsuite>",
			"new.xml":    `<testsuite><testcase name="y"/></testsuite>`,
		},
	)
	now := time.Now()
	for _, name := range []string{"old.xml", "broken.xml"} {
		if err := os.Chtimes(filepath.Join(root, name), now, now.Add(-time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Read(Options{Root: root, Globs: []string{"*.xml"}, Since: now.Add(-time.Millisecond)})
	if err != nil || r.Total != 1 || r.Red() || strings.Join(r.Stale, " ") != "broken.xml old.xml" {
		t.Errorf("%v %+v", err, r)
	}
	// A file written after the clock was read is never stale, however coarse the file system is.
	for range 50 {
		since := time.Now()
		if err := os.WriteFile(filepath.Join(root, "now.xml"), []byte(red), 0o644); err != nil {
			t.Fatal(err)
		}
		if r, err := Read(Options{Root: root, Globs: []string{"now.xml"}, Since: since}); err != nil ||
			len(r.Stale) != 0 {
			t.Fatalf("%v %+v", err, r)
		}
	}
}

func TestTheSlowestComeFirstAndListsAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("<testsuite>")
	for i := range 250 {
		fmt.Fprintf(
			&b,
			`<testcase name="t%d" time="%d.5"><failure message="%s">%[3]s%[3]s</failure></testcase>`,
			i,
			(i*37)%250,
			strings.Repeat("ä", 3000),
		)
	}
	b.WriteString("</testsuite>")
	r := read(t, folder(t, map[string]string{"a.xml": b.String()}), "a.xml")
	if r.Failed != 250 || len(r.Failures) != maxFailures || len(r.Slowest) != maxSlowest {
		t.Fatalf("%d failed, %d listed, %d slowest", r.Failed, len(r.Failures), len(r.Slowest))
	}
	for i, c := range r.Slowest {
		if want := time.Duration(249-i)*time.Second + 500*time.Millisecond; c.Duration != want {
			t.Errorf("number %d took %s, want %s", i, c.Duration, want)
		}
	}
	for _, c := range r.Failures {
		if len(c.Message) > maxMessage || len(c.Details) > maxDetails || !utf8.ValidString(c.Message+c.Details) {
			t.Fatalf("a message has %d bytes, details %d", len(c.Message), len(c.Details))
		}
	}
}

func TestAGlobThatCanMatchNothingIsAnError(t *testing.T) {
	for _, glob := range []string{"", " ", "[a", "{a", "/tmp/junit.xml", "../junit.xml", "a/../../junit.xml"} {
		if _, err := Read(Options{Root: t.TempDir(), Globs: []string{"ok.xml", glob}}); err == nil {
			t.Errorf("%q was accepted", glob)
		}
	}
	for _, glob := range []string{"junit.xml", "./junit.xml", "**/junit-*.xml", "{a,b}/[cd]?.xml", "a..b/*.xml"} {
		if err := ValidGlob(glob); err != nil {
			t.Error(err)
		}
	}
	if _, err := Read(Options{Root: filepath.Join(t.TempDir(), "missing"), Globs: []string{"*.xml"}}); err == nil {
		t.Error("a missing root was accepted")
	}
}

// go-junit-report writes a panic beside the tests, so that the one that panicked looks like any other failure.
func TestAPanicBesideTheTestsCutsThemShort(t *testing.T) {
	const corpus = "testdata/corpus/reports/go-junit-report"
	if got := read(t, corpus, "panic.xml").CutShort; got != "a test of example.com/ledger/ledger panicked, so tests after it did not run" {
		t.Errorf("it says %q", got)
	}
	if got := read(t, corpus, "red.xml", "green.xml", "build-failure.xml").CutShort; got != "" {
		t.Errorf("without a panic it says %q", got)
	}
}

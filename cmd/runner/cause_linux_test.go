package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/klauspost/compress/gzip"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/runs"
)

// says STEP PATTERN: the cause of the step's newest run matches the pattern, and each surface says it: finished.json,
// the log's record "step failed", the summary in stdout, the report, summary.md, the index of runs, and the last posts to
// Slack and GitHub: status, check and the comment of the pull request, where there is one.
func cmdSays(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: says step pattern")
	}
	folder := newestRun(ts, args[0])
	var run record.Run
	text, err := os.ReadFile(filepath.Join(folder, "finished.json"))
	ts.Check(err)
	ts.Check(json.Unmarshal(text, &run))
	if run.Cause == nil || !regexp.MustCompile(args[1]).MatchString(run.Cause.Summary) {
		ts.Fatalf("the cause is %+v", run.Cause)
	}
	report, err := os.ReadFile(filepath.Join(folder, "report.html"))
	ts.Check(err)
	slack, status, check := lastPosts(ts)
	comment := servicesOf(ts).github.Comments()
	for _, surface := range []struct{ name, text string }{
		{"the log", failedRecord(ts, filepath.Join(folder, "log.jsonl.gz"))},
		{"the summary", ts.ReadFile("stdout")},
		{"the report", html.UnescapeString(string(report))},
		{"Markdown", lastSection(ts.ReadFile("summary.md"))},
		{"Slack", html.UnescapeString(slack)},
		{"the status", status},
		{"the check", check},
		{"the index", indexed(ts, run.RunID).Cause},
		{"the comment", strings.Join(comment, "")},
	} {
		if surface.name == "the comment" && len(comment) == 0 {
			continue
		}
		if want := beginning(run.Cause.Summary); !strings.Contains(letters(surface.text), want) {
			ts.Fatalf("%s does not say %q:\n%s", surface.name, run.Cause.Summary, surface.text)
		}
	}
	ts.Logf("| %s | %s, %d | %s | %s |", args[0], run.Reason, run.ExitCode, run.Cause.Kind, run.Cause.String())
}

// indexed returns what the index of the branch has of a run.
func indexed(ts *testscript.TestScript, id string) record.Entry {
	store, err := folder.New(ts.MkAbs(".runner/artifacts"))
	ts.Check(err)
	head, err := runs.Load(context.Background(), store, keys.RunIndex(testBranch))
	ts.Check(err)
	for _, e := range head.Runs {
		if e.RunID == id {
			return e
		}
	}
	ts.Fatalf("run %s is not in the index", id)
	return record.Entry{}
}

// newestRun returns the folder of the newest run of a step.
func newestRun(ts *testscript.TestScript, step string) string {
	matches, _ := filepath.Glob(ts.MkAbs(filepath.Join(".runner/artifacts/runs", testBranch, "*", step, "*", "finished.json")))
	if len(matches) == 0 {
		ts.Fatalf("step %s has no record", step)
	}
	return filepath.Dir(slices.MaxFunc(matches, func(a, b string) int {
		return strings.Compare(filepath.Base(filepath.Dir(a)), filepath.Base(filepath.Dir(b)))
	}))
}

// failedRecord returns the cause in the record "step failed" of a stored log; its error, if that says it all.
func failedRecord(ts *testscript.TestScript, name string) string {
	f, err := os.Open(name)
	ts.Check(err)
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	ts.Check(err)
	lines := bufio.NewScanner(unzipped)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct{ Msg, Cause, Error string }
		if bytes.Contains(lines.Bytes(), []byte(`"step failed"`)) && json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "step failed" {
			if line.Cause == "" {
				return line.Error
			}
			return line.Cause
		}
	}
	ts.Fatalf("%s has no record of the failure", name)
	return ""
}

// lastPosts returns what Slack, the commit's status and its check were sent last.
func lastPosts(ts *testscript.TestScript) (slack, status, check string) {
	l := servicesOf(ts)
	text := func(v any) string {
		b, err := json.Marshal(v)
		ts.Check(err)
		var strung strings.Builder
		strings.NewReplacer(`\n`, " ", `\"`, `"`, `\u003c`, "<", `\u003e`, ">", `\u0026`, "&", `\\`, `\`).WriteString(&strung, string(b))
		return strung.String()
	}
	for _, p := range l.slack.Posts() {
		slack = text(p.JSON)
	}
	for _, p := range l.github.Posts() {
		switch p.Kind {
		case "check":
			check = text(p.JSON)
		case "status":
			status = text(p.JSON)
		}
	}
	return slack, status, check
}

// lastSection returns the last run in a Markdown summary.
func lastSection(text string) string { return text[max(0, strings.LastIndex(text, "\n### ")):] }

// letters leaves letters and digits: each surface escapes and wraps the others in its own way.
func letters(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsLetter(c) || unicode.IsDigit(c) {
			return c
		}
		return -1
	}, text)
}

// beginning returns as much of a cause as the shortest surface, the status of a commit, has room for.
func beginning(cause string) string {
	const room = 60
	text := []rune(letters(cause))
	return string(text[:min(len(text), room)])
}

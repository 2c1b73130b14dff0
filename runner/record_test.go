package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/results"
)

func TestRecordIsRedactedValueByValue(t *testing.T) {
	const secret = "hunter2-hunter2"
	r := endedRun(t, t.TempDir(), ".", nil)
	masks := []string{secret, "passed", "failure", "FAILURE", "failed", "outputs"}
	for _, mask := range masks {
		r.Redactor.Add(redact.Secret{Name: "MASK", Value: mask})
	}
	r.Ref.Branch, r.Config.Actor, r.Place = "fix/passed", secret, "file:///"+secret
	r.step.Command = steps.Command{Args: []string{"echo", secret}}
	c := results.Case{
		Name: secret, Class: secret, File: secret + ".js", Status: results.Failed, Message: secret,
		Details: secret + ".js:3", Note: secret,
	}
	r.verdict.Tests = &results.Results{
		Counts: results.Counts{Total: 1, Failed: 1}, Failures: []results.Case{c}, FlakyCases: []results.Case{c},
		Slowest: []results.Case{c},
	}
	r.artifacts = []record.Artifact{{
		Name: "outputs", Location: secret, Error: secret, Console: "https://console.aws.amazon.com/" + secret,
	}}
	r.outputs.own = map[string]string{"outputs": "passed"}

	got := r.buildRecord(outcome.Of(&outcome.ResultsError{Message: secret, Advice: secret}))
	text, err := record.Encode(got)
	if err != nil {
		t.Fatal(err)
	}
	if all := fmt.Sprintf("%s %+v %+v", text, got.Details, *got.Tests); strings.Contains(all, secret) {
		t.Errorf("the secret is in %s", all)
	}
	if got.Reason != record.Results || got.Result != "FAILURE" || got.Step != "test" ||
		got.Outputs["outputs"] != "passed" ||
		got.Tests.Failures[0].Status != results.Failed ||
		got.Artifacts[0].Name != "outputs" || got.Artifacts[0].Console != "" ||
		got.Branch != "fix/passed" || !strings.Contains(got.Key, "/fix/passed/") {
		t.Errorf("a mask changed what readers decide by: %s", text)
	}
}

func TestRecordSaysHowTheRunEnded(t *testing.T) {
	for err, want := range map[error]string{
		nil:                                 "SUCCESS",
		&process.ExitError{Code: 3}:         "FAILURE",
		&process.CancelledError{Signal: 15}: "ABORTED",
	} {
		if got := endedRun(t, t.TempDir(), ".", nil).buildRecord(outcome.Of(err)); got.Result != want ||
			got.Passed != (err == nil) {
			t.Errorf("%v: %s, passed: %v", err, got.Result, got.Passed)
		}
	}
}

func TestRecordHasThePlaceOfAFailedTest(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{".git", "web/packages/core"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ name, workspace, directory, file, details, want string }{
		{"the workspace is the repository", ".", ".", "src/a.test.ts", "at x (src/a.test.ts:3:1)", "src/a.test.ts:3"},
		{"the step has a folder of its own", ".", "web", "src/a.test.ts", "at x (src/a.test.ts:3:1)", "web/src/a.test.ts:3"},
		{"the workspace is a part of the repository", "web", "packages/core", "a.test.ts", "at x (a.test.ts:3:1)", "web/packages/core/a.test.ts:3"},
		{"the report has whole paths", "web", ".", "@/web/a.test.ts", "at x (@/web/a.test.ts:3:1)", "web/a.test.ts:3"},
		{"only the failure names the file, by its whole path", "web", ".", "", "@/web/a_test.go:7: boom", "web/a_test.go:7"},
		{"a file that is not in the repository", ".", ".", "/usr/lib/a.py", "/usr/lib/a.py:3", ":0"},
	} {
		r := endedRun(t, filepath.Join(root, c.workspace), c.directory, nil)
		put := func(text string) string { return strings.ReplaceAll(text, "@", root) }
		f := r.locateFailure(results.Case{Name: "x", File: put(c.file), Details: put(c.details)}, r.withinRepository())
		if got := fmt.Sprintf("%s:%d", f.Path, f.Line); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestWhoCausedARun(t *testing.T) {
	for _, c := range []struct {
		name      string
		variables map[string]string
		actor     string
		task      string
		want      string // "?" for the user of the test
	}{
		{"the one who pushed", map[string]string{"USER": "ana"}, "ben", "", "ben"},
		{"the user", map[string]string{"USER": "ana", "LOGNAME": "x"}, "", "", "ana"},
		{"a login without USER", map[string]string{"LOGNAME": "ana"}, "", "", "ana"},
		{"neither, as in a container", nil, "", "", "?"},
		{"of a task it is not known", map[string]string{"USER": "root"}, "", "arn:aws:ecs:eu-west-1:1:task/x", ""},
	} {
		r := endedRun(t, t.TempDir(), ".", c.variables)
		r.Config.Actor, r.task.ARN = c.actor, c.task
		if got := r.actor(); got != c.want && (c.want != "?" || got == "") {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

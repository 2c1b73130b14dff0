package present

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/record"
)

// compiled is a run whose compiler failed, after one that passed.
func compiled() record.Run {
	run := failedRun()
	run.Tests, run.Error, run.ExitCode = nil, "the command exited with 2", 2
	change := -1.25
	run.Cause = &record.Cause{
		Kind: record.CauseOutput, Tool: "tsc", Summary: "src/a.ts(3,5): error TS2322: <!channel>", More: 1, Path: "src/a.ts", Line: 3, Column: 5,
		Lines: []string{"src/a.ts(3,5): error TS2322: <!channel>", "src/b.ts(1,1): error TS2304: ```"}, Hint: "mend it",
	}
	run.Rerun = &record.Rerun{Step: "runner test --sha " + sampleSHA}
	run.LastPassed = &record.LastPassed{
		SHA: "21fea54d", Branch: "main", At: run.StartedAt.Add(-2 * time.Hour), Seconds: 58, Coverage: &change, Lockfile: true,
		Commits: []record.Commit{{Author: "ana"}, {Author: "ben"}, {Author: "ana"}}, More: 4,
	}
	run.LogURL = "https://console.aws.amazon.com/cloudwatch/home"
	run.Notes = []record.Annotation{
		{Level: record.LevelError, Tool: "tsc", Path: "src/a.ts", Line: 3, Column: 5, Title: "tsc TS2322", Message: "no"},
		{Level: record.LevelWarning, Message: "of no file"},
		{Level: record.LevelNotice, Path: "b.md", Message: "note"},
	}
	return run
}

func TestEveryOutputSaysTheCause(t *testing.T) {
	run := compiled()
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(b))
	}
	slack := text(SlackMessage(run, SlackContext{}))
	check := text(GitHubCheck(run, ReportLink{}))
	for name, c := range map[string]struct{ got, want string }{
		"summary":        {Terminal{}.Summary(run), "  cause      src/a.ts(3,5): error TS2322: <!channel> and 1 more\n    │ src/a.ts(3,5)"},
		"its hint":       {Terminal{}.Summary(run), "  hint       mend it\n"},
		"its error":      {Terminal{}.Summary(run), "  error      the command exited with 2\n"},
		"Markdown":       {Markdown(run, "", 1<<20), "**`src/a.ts(3,5): error TS2322: <!channel> and 1 more`**\n\n````\n"},
		"Slack":          {slack, "*src/a.ts(3,5): error TS2322: &lt;!channel&gt; and 1 more*"},
		"lines in Slack": {slack, "error TS2304: '''"},
		"since in Slack": {slack, "passed at 21fea54 of main 2h0m0s before: 7 commits since by ana, ben; the lockfile changed; coverage -1.25; it took 58s"},
		"rerun in Slack": {slack, "again: `runner test --sha " + sampleSHA + "`"},
		"log in Slack":   {slack, `"url":"https://console.aws.amazon.com/cloudwatch/home"`},
		"status":         {text(GitHubStatus(run, ReportLink{})), "failure, exit code 2 after 1m2s: src/a.ts(3,5): error TS2322: <!channel> and 1 more"},
		"check":          {check, `"title":"failure, exit code 2 after 1m2s: src/a.ts(3,5): error TS2322`},
		"annotation":     {check, `"path":"src/a.ts","start_line":3,"end_line":3,"start_column":5,"end_column":5,"annotation_level":"failure","message":"no","title":"tsc TS2322"`},
		"a note":         {check, `"path":"b.md","start_line":1,"end_line":1,"annotation_level":"notice","message":"note"`},
	} {
		if !strings.Contains(c.got, c.want) {
			t.Errorf("%s: no %s in\n%s", name, c.want, c.got)
		}
	}
	if strings.Contains(check, "of no file") {
		t.Errorf("an annotation without a file: %s", check)
	}
}

// Failed tests come first, and a check has a bounded number of annotations.
func TestAnnotationsAreBounded(t *testing.T) {
	run := failedRun()
	for i := range 2 * githubAnnotations {
		run.Notes = append(run.Notes, record.Annotation{Level: record.LevelError, Path: "a", Line: i, Message: fmt.Sprint(i)})
	}
	all := annotations(run)
	if len(all) != githubAnnotations || all[0].GetPath() != "src/price.test.ts" || all[1].GetMessage() != "0" {
		t.Errorf("%d annotations, the first %+v, %+v", len(all), all[0], all[1])
	}
}

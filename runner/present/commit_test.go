package present

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/digest"
	"github.com/carlin-cicd/runner/runner/notify"
	"github.com/carlin-cicd/runner/runner/notify/notifytest"
	"github.com/carlin-cicd/runner/runner/record"
)

var postedAt = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// commitOf is a commit whose steps were found in different states, with a text everywhere.
func commitOf(text string) Commit {
	entry := func(id, step string, state record.State) record.Entry {
		return record.Entry{
			RunID: id, Step: step, Branch: "main", SHA: sampleSHA, State: state, Started: postedAt.Add(-time.Minute),
			Ended: postedAt, Deadline: postedAt.Add(time.Hour),
		}
	}
	build, test, deploy := entry("1", "build", record.Passed), entry("2", "test"+text, record.Failing), entry("3", "deploy", record.Running)
	test.Reason, test.ExitCode, test.Cause, test.Coverage = record.Failure, 1, "price.ts:12: boom"+text, 83.1
	test.Tests = &record.EntryTests{Total: 214, Failed: 2, Failing: []string{"adds up" + text}, Flaky: 1, Flakes: []string{"waits" + text}}
	deploy.Ended, deploy.Environment = time.Time{}, "staging"+text
	return Commit{
		Branch: "main", SHA: sampleSHA, Repository: "example/shop", RepositoryURL: "https://github.com/example/shop",
		Actor: "ana" + text, Now: postedAt,
		Steps: []record.Shown{
			{Run: test},
			{Run: deploy},
			{Run: build, Artifacts: []record.ShownArtifact{{Name: "builds", Location: "s3://b/builds" + text, Files: 3, Bytes: 2048}}},
		},
	}
}

func TestTheMessageOfACommitHasItsSteps(t *testing.T) {
	text, err := json.Marshal(SlackCommit(commitOf("")))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`:x: main at 0123456: test failed, 1 passed, 1 running`, `:white_check_mark: *build* passed, 1m0s\n:x: *test* failed (failure, exit code 1), 1m0s, 2 of 214 tests failed\n      price.ts:12: boom\n:hourglass_flowing_sand: *deploy · staging* running`,
		`by ana`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}

// livelyText is what a command may print, to be acted on where it is shown.
const livelyText = " @here @channel <!channel> <@U0123456789> <https://evil.example|x> ` `` ``` | \\| || </td><script>alert(1)</script> --> **b** [l](https://evil.example) :x: #1 GH-1 \n\n@user\n### h\u202e"

func TestSlackAcceptsTheMessageOfAnyCommit(t *testing.T) {
	many := commitOf(livelyText)
	for i := range 200 {
		s := commitOf(strings.Repeat("päper ", 200)).Steps[0]
		s.Run.RunID = fmt.Sprintf("9%03d", i)
		many.Steps = append(many.Steps, s)
	}
	for name, c := range map[string]Commit{"usual": commitOf(""), "hostile": commitOf(livelyText), "vast": many, "empty": {Branch: "main", SHA: sampleSHA, Now: postedAt, Steps: commitOf("").Steps[:1]}} {
		b := &notifytest.Bot{Token: "xoxb-1", Channel: "C0123456789"}
		address, stop := b.Start()
		id, err := (notify.Bot{Token: "xoxb-1", Channel: "C0123456789", URL: address}).Post(t.Context(), SlackCommit(c))
		stop()
		if err != nil || id == "" {
			t.Errorf("%s: %v: %q", name, err, b.Refused())
			continue
		}
		said := markdownOf(b.Posts()[0].JSON["blocks"])
		for _, live := range []string{"<!", "<@", "<https://evil"} {
			if strings.Contains(said, live) {
				t.Errorf("%s: the message has %q: %s", name, live, said)
			}
		}
	}
}

// markdownOf returns the texts of blocks that Slack formats.
func markdownOf(blocks any) string {
	text := ""
	switch b := blocks.(type) {
	case []any:
		for _, inner := range b {
			text += markdownOf(inner)
		}
	case map[string]any:
		if said, ok := b["text"].(string); ok && b["type"] == "mrkdwn" {
			return said + "\n"
		}
		for _, inner := range b {
			text += markdownOf(inner)
		}
	}
	return text
}

func TestTheCommentOfAPullRequest(t *testing.T) {
	p := PullRequest{Commit: commitOf(""), Number: 12, Base: "main", Before: map[string]float64{"test": 84}}
	got := PullRequestComment(p)
	for _, want := range []string{
		"<!-- carlin-cicd runner: pull request 12 -->\n### ❌ `test failed, 1 passed, 1 running` at `0123456`\n",
		"| `build` | `passed, 1m0s` |  |\n| `test` | `failed (failure, exit code 1), 1m0s, 2 of 214 tests failed` | `price.ts:12: boom` |\n| `deploy · staging` | `running` |  |\n",
		"**Failed tests**\n\n- `adds up` (`test`)\n", "**Flaky tests**\n\n- `waits` (`test`)\n",
		"**Coverage** of `test`: `83.1 % of lines (-0.90 against main)`\n",
		"**Artifacts**\n\n- `builds` 3 files, 2.0 KiB → `s3://b/builds`\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// No text of a run is outside of a span of code, so that it is neither Markdown, nor HTML, nor a mention.
func TestACommentHasTextOfRunsInSpansOfCodeOnly(t *testing.T) {
	got := PullRequestComment(PullRequest{Commit: commitOf(livelyText), Number: 12, Base: "main" + livelyText, Before: map[string]float64{}})
	for line := range strings.Lines(got) {
		outside := ""
		for rest := line; rest != ""; {
			at := strings.IndexByte(rest, '`')
			if at < 0 {
				outside += rest
				break
			}
			outside += rest[:at]
			rest = rest[at:]
			fence := len(rest) - len(strings.TrimLeft(rest, "`"))
			end := -1
			for i := fence; i < len(rest); {
				run := len(rest[i:]) - len(strings.TrimLeft(rest[i:], "`"))
				if run == fence {
					end = i + run
					break
				}
				i += max(run, 1)
			}
			if end < 0 {
				t.Fatalf("a span is open in %q", line)
			}
			if strings.HasPrefix(line, "|") && strings.Contains(rest[:end], "|") {
				t.Errorf("a bar ends a cell in %q", line)
			}
			rest = rest[end:]
		}
		for _, live := range []string{"@", "evil", "script", "GH-", "[l]", "**b**"} {
			if strings.Contains(outside, live) {
				t.Errorf("%q is outside of code in %q", live, line)
			}
		}
	}
	if strings.Count(got, "<!--") != 1 || strings.ContainsRune(got, '\u202e') {
		t.Errorf("it has more than its marker:\n%s", got)
	}
}

func TestACommentIsBounded(t *testing.T) {
	p := PullRequest{Commit: commitOf(""), Number: 12, Base: "main"}
	for i := range 300 {
		s := commitOf(strings.Repeat("`päper` ", 500)).Steps[0]
		s.Run.RunID = fmt.Sprintf("9%03d", i)
		for range 50 {
			s.Run.Tests.Failing = append(s.Run.Tests.Failing, strings.Repeat("x", 400))
			s.Artifacts = append(s.Artifacts, record.ShownArtifact{Name: "a", Location: strings.Repeat("y", 600)})
		}
		p.Steps = append(p.Steps, s)
	}
	if got := PullRequestComment(p); len(got) > githubComment || !strings.HasPrefix(got, CommentMarker(12)) || !strings.Contains(got, "`build`") {
		t.Errorf("%d bytes: %.300s", len(got), got)
	}
}

func TestSlackAcceptsAnyDigest(t *testing.T) {
	var entries []record.Entry
	for i := range 300 {
		for _, s := range commitOf(fmt.Sprintf("%s %d %s", livelyText, i, strings.Repeat("päper ", i%90))).Steps {
			s.Run.RunID = fmt.Sprintf("%03d%s", i, s.Run.RunID)
			entries = append(entries, s.Run)
		}
	}
	for name, all := range map[string][]record.Entry{"hostile": entries, "empty": nil} {
		b := &notifytest.Bot{Token: "xoxb-1", Channel: "C0123456789"}
		address, stop := b.Start()
		d := digest.Of(all, postedAt.Add(-time.Hour), postedAt.Add(time.Minute))
		_, err := (notify.Bot{Token: "xoxb-1", Channel: "C0123456789", URL: address}).Post(t.Context(), SlackDigest(d))
		stop()
		if err != nil {
			t.Errorf("%s: %v: %q", name, err, b.Refused())
			continue
		}
		if said := markdownOf(b.Posts()[0].JSON["blocks"]); strings.Contains(said, "<") {
			t.Errorf("%s: the digest has a link or a mention: %.2000s", name, said)
		}
	}
}

package present

import (
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/steps/results"
)

func TestTheExcerptOfAFailureComesFirstEverywhere(t *testing.T) {
	run := failedRun()
	excerpt := "expected 119\nreceived 141.61\nat Object.<anonymous> (src/price.test.ts:12:23)"
	check := GitHubCheck(run, ReportLink{})
	for output, text := range map[string]string{
		"summary":    (Terminal{}).Summary(run),
		"Markdown":   Markdown(run, "", 1<<20),
		"Slack":      slackTests(run.Tests.Failures),
		"check":      *check.Output.Summary,
		"annotation": *check.Output.Annotations[0].Message,
	} {
		var lines []string
		for line := range strings.Lines(strings.NewReplacer("&lt;", "<", "&gt;", ">").Replace(text)) {
			lines = append(lines, strings.TrimSpace(line))
		}
		flat := strings.Join(lines, "\n")
		at, whole := strings.Index(flat, excerpt), strings.Index(flat, "the tax of a basket")
		if at < 0 || whole >= 0 && whole < at {
			t.Errorf("%s: the excerpt is at %d, the whole text at %d of\n%s", output, at, whole, text)
		}
		if !strings.Contains(flat, "newly failing: passed at 21fea54 and 3 runs before") {
			t.Errorf("%s: it does not say since when the test fails:\n%s", output, text)
		}
	}
}

func TestTheWholeTextIsShownIfItSaysMore(t *testing.T) {
	for name, c := range map[string]struct {
		of   results.Case
		want string
	}{
		"all of it is in the excerpt":     {results.Case{Message: "a", Details: "  b\n\n", Excerpt: "a\nb"}, ""},
		"only a message":                  {results.Case{Message: "a", Excerpt: "a"}, ""},
		"a line more":                     {results.Case{Message: "a", Details: "b\nc", Excerpt: "a\nb"}, "a\nb\nc"},
		"the message is in the details":   {results.Case{Message: "a", Details: "x\na\n", Excerpt: "a"}, "x\na\n"},
		"a line that is shortened":        {results.Case{Message: "long", Details: "text", Excerpt: "long\nte…"}, "long\ntext"},
		"nothing is known of the failure": {results.Case{}, ""},
	} {
		if got := MoreThanExcerpt(c.of); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

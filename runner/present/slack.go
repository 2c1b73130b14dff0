package present

import (
	"fmt"
	"strings"

	"github.com/slack-go/slack"

	"github.com/carlin-cicd/runner/runner/record"
)

// Slack refuses a message that exceeds a limit: https://docs.slack.dev/reference/block-kit/blocks
const (
	slackHeader   = 150 // characters
	slackSection  = 3000
	slackButton   = 3000 // of its URL
	slackFailures = 5    // the report has the others
	slackError    = 1200
	slackLine     = 300
)

// SlackContext is what a message says beyond the run itself.
type SlackContext struct {
	Recovered bool // the step did not pass when it last ran on the branch
	Report    ReportLink
	Mention   string // the id of a user who is notified of a failure; "" for none
}

// SlackMessage returns the run as a message: the verdict, the error, failed tests and links.
func SlackMessage(run record.Run, about SlackContext) *slack.WebhookMessage {
	recovered, report := about.Recovered, about.Report
	sign := ":x:"
	switch {
	case run.Passed:
		sign = ":white_check_mark:"
	case run.Reason == record.Cancelled:
		sign = ":black_square_for_stop:"
	}
	header := slack.NewTextBlockObject(
		slack.PlainTextType, clip(sign+" "+title(run, recovered), slackHeader), true, false,
	)
	blocks := []slack.Block{slack.NewHeaderBlock(header), slackText(slackEscape(outline(run)))}
	mention := ""
	if about.Mention != "" && !run.Passed {
		mention = "<@" + about.Mention + ">"
	}
	for _, text := range []string{mention, slackCause(run), slackSince(run), slackEscape(recoveryLine(run))} {
		if text != "" {
			blocks = append(blocks, slackText(text))
		}
	}
	if stack := stackLine(run); stack != "" {
		blocks = append(blocks, slackText(slackEscape(clip(stack, slackError))))
	}
	if tests := slackTests(failures(run)); tests != "" {
		blocks = append(blocks, slackText(tests))
	}
	if len(report.URL) > slackButton {
		report = ReportLink{}
	}
	if facts := slackFacts(run, report); facts != "" {
		blocks = append(blocks, slack.NewContextBlock("", markdownObject(facts)))
	}
	if buttons := slackButtons(run, report); len(buttons) > 0 {
		blocks = append(blocks, slack.NewActionBlock("", buttons...))
	}
	no := false
	return &slack.WebhookMessage{
		Text:   slackEscape(clip(title(run, recovered)+": "+outline(run), slackSection)),
		Blocks: &slack.Blocks{BlockSet: blocks}, UnfurlLinks: &no, UnfurlMedia: &no,
	}
}

// slackButtons lead to the report and to the log stream.
func slackButtons(run record.Run, report ReportLink) []slack.BlockElement {
	var all []slack.BlockElement
	add := func(id, text, to string) {
		if to == "" || len(to) > slackButton {
			return
		}
		button := slack.NewButtonBlockElement(id, "", slack.NewTextBlockObject(slack.PlainTextType, text, false, false))
		button.URL = to
		all = append(all, button)
	}
	add("report", "Report", report.URL)
	add("log", "Log stream", run.LogURL)
	return all
}

// slackCauseLines is how many lines of a cause a message has.
const slackCauseLines = 8

// slackCause says why the run did not pass, and what to do about it.
func slackCause(run record.Run) string {
	cause := CauseLine(run)
	if cause == "" {
		return ""
	}
	text := "*" + slackEscape(clip(cause, slackError)) + "*"
	if lines := causeText(run, slackCauseLines); lines != "" {
		lines = strings.ReplaceAll(visible(lines), "```", "'''")
		text += "\n```" + slackEscape(clip(lines, slackError)) + "```"
	}
	if beside := ErrorBeside(run); beside != "" {
		text += "\n" + slackEscape(clip(beside, slackLine))
	}
	if hint := Hint(run); hint != "" {
		text += "\n→ " + slackEscape(clip(hint, slackError/2))
	}
	return text
}

// slackSince says what is different since the step last passed, and how to run it again.
func slackSince(run record.Run) string {
	var lines []string
	if since := SinceLine(run); since != "" {
		lines = append(lines, slackEscape(clip(oneLine(since), slackLine)))
	}
	if again := RerunLine(run); again != "" {
		again = strings.ReplaceAll(clip(oneLine(again), slackError), "`", "'")
		lines = append(lines, "again: `"+slackEscape(again)+"`")
	}
	return strings.Join(lines, "\n")
}

// slackTests lists the first failed tests, with their files, what the history says of them, and their excerpts.
func slackTests(failed []record.FailedTest) string {
	var text strings.Builder
	for i, f := range failed {
		if i == slackFailures {
			fmt.Fprintf(&text, "and %d more", len(failed)-i)
			break
		}
		fmt.Fprintf(&text, "• *%s*", slackEscape(clip(classAndName(f.Case), 200)))
		if f.Path != "" {
			fmt.Fprintf(&text, "  `%s`", slackEscape(clip(strings.ReplaceAll(f.Path, "`", "'"), 120)))
		}
		if f.Note != "" {
			fmt.Fprintf(&text, "  _%s_", slackEscape(strings.ReplaceAll(clip(f.Note, slackLine), "_", "-")))
		}
		for _, line := range Excerpt(f.Case) {
			fmt.Fprintf(&text, "\n   %s", slackEscape(clip(line, slackLine)))
		}
		text.WriteByte('\n')
	}
	return text.String()
}

// slackFacts returns the commit, the repository, the actor, the coverage and the places of the record and the report.
func slackFacts(run record.Run, report ReportLink) string {
	var facts []string
	if run.SHA != "" && run.SHA != record.NoCommit {
		commit := "`" + slackEscape(ShortSHA(run.SHA)) + "`"
		if run.RepositoryURL != "" {
			repository := strings.NewReplacer("|", "%7C", " ", "%20").Replace(run.RepositoryURL)
			commit = fmt.Sprintf("<%s/commit/%s|%s>", slackEscape(repository), slackEscape(run.SHA), commit)
		}
		facts = append(facts, commit)
	}
	place := ""
	if run.Recorded {
		place = run.Place + "/" + run.Key
	}
	for _, fact := range []string{run.Repository, prefixed("by ", run.Actor), coverageFact(run), place} {
		if fact != "" {
			facts = append(facts, slackEscape(clip(fact, slackLine)))
		}
	}
	if report.URL != "" && !report.Expires.IsZero() {
		facts = append(facts, "report until "+report.Expires.UTC().Format("2 Jan 15:04 UTC"))
	}
	return strings.Join(facts, " · ")
}

func slackText(markdown string) slack.Block {
	return slack.NewSectionBlock(markdownObject(markdown), nil, nil)
}

func markdownObject(markdown string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.MarkdownType, clip(markdown, slackSection), false, false)
}

// slackEscape keeps text from being a link or a mention.
func slackEscape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

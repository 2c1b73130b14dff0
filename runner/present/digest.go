package present

import (
	"fmt"
	"strings"

	"github.com/slack-go/slack"

	"github.com/carlin-cicd/runner/runner/digest"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
)

// digestSection is a part of a digest: a heading and its lines.
type digestSection struct {
	title string
	lines []string
}

// DigestTitle returns what a digest is about, in one line.
func DigestTitle(d digest.Digest) string {
	of := "all branches"
	if d.Branch != "" {
		of = d.Branch
	}
	return fmt.Sprintf("%s to %s, %s", d.From.UTC().Format("2 Jan"), d.To.UTC().Format("2 Jan 2006"), of)
}

// digestSections returns what a digest says, without the title.
func digestSections(d digest.Digest) []digestSection {
	total := fmt.Sprintf("%s, %d failed (%.0f %%)", units.Count(d.Runs, "run"), d.Failed, 100*d.Rate)
	if d.Dollars > 0 {
		total += fmt.Sprintf(", $%.2f", d.Dollars)
	}
	if d.Partial {
		total += "; there were more runs than are read"
	}
	all := []digestSection{{"Runs", []string{total}}}
	add := func(title string, lines []string) {
		if len(lines) > 0 {
			all = append(all, digestSection{title, lines})
		}
	}
	var lines []string
	for _, f := range d.Failing {
		line := fmt.Sprintf("%s on %s: since %s at %s, in %s", withEnvironment(f.Name, f.Environment), f.Branch,
			f.Since.UTC().Format("2 Jan 15:04 UTC"), ShortSHA(f.SHA), units.Count(f.Runs, "run"))
		if f.Cause != "" {
			line += ": " + f.Cause
		}
		lines = append(lines, line)
	}
	add("Failing now, the longest first", lines)
	lines = nil
	for i, s := range d.Steps {
		if i == digestSteps {
			lines = append(lines, fmt.Sprintf("and %d more", len(d.Steps)-i))
			break
		}
		line := fmt.Sprintf("%s: %s, %d failed", withEnvironment(s.Name, s.Environment), units.Count(s.Runs, "run"), s.Failed)
		if s.Median > 0 {
			line += ", " + units.Duration(record.Duration(s.Median))
		}
		if s.Dollars > 0 {
			line += fmt.Sprintf(", $%.2f", s.Dollars)
		}
		lines = append(lines, line)
	}
	add("Steps", lines)
	lines = nil
	for _, t := range d.Flaky {
		lines = append(lines, fmt.Sprintf("%s (%s): in %s", t.Name, t.Step, units.Count(t.Runs, "run")))
	}
	add("Flakiest tests", lines)
	lines = nil
	for _, t := range d.Slow {
		lines = append(lines, fmt.Sprintf("%s (%s): %s", t.Name, t.Step, units.Duration(record.Duration(t.Seconds))))
	}
	add("Slowest tests", lines)
	return all
}

const digestSteps = 10

func withEnvironment(step, environment string) string {
	if environment == "" {
		return step
	}
	return step + " · " + environment
}

// Digest returns a digest for a terminal. Its text is not escaped.
func Digest(d digest.Digest) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", DigestTitle(d))
	for _, s := range digestSections(d) {
		fmt.Fprintf(&b, "\n%s\n", s.title)
		for _, line := range s.lines {
			fmt.Fprintf(&b, "  %s\n", oneLine(line))
		}
	}
	return b.String()
}

// SlackDigest returns a digest as a message.
func SlackDigest(d digest.Digest) *slack.WebhookMessage {
	title := "Digest: " + DigestTitle(d)
	header := slack.NewTextBlockObject(slack.PlainTextType, clip(oneLine(title), slackHeader), true, false)
	blocks := []slack.Block{slack.NewHeaderBlock(header)}
	for _, s := range digestSections(d) {
		lines := []string{"*" + s.title + "*"}
		for _, line := range s.lines {
			lines = append(lines, "• "+slackEscape(clip(oneLine(line), slackLine)))
		}
		for _, text := range sections(lines, slackSection) {
			blocks = append(blocks, slackText(text))
		}
	}
	no := false
	return &slack.WebhookMessage{
		Text: slackEscape(clip(oneLine(title), slackSection)), Blocks: &slack.Blocks{BlockSet: blocks},
		UnfurlLinks: &no, UnfurlMedia: &no,
	}
}

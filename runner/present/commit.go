package present

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
)

// Commit is what is known of the runs of a commit, for a post that they share.
type Commit struct {
	Branch, SHA   string
	Repository    string // owner/name, or ""
	RepositoryURL string // for a browser, or ""
	Actor         string // who caused the runs, or ""
	Steps         []record.Shown
	Now           time.Time
}

// stepsOfPost is how many steps a post lists.
const stepsOfPost = 40

// inOrder returns the steps by when they began.
func (c Commit) inOrder() []record.Shown {
	all := slices.Clone(c.Steps)
	sort.SliceStable(all, func(i, j int) bool { return all[i].Run.RunID < all[j].Run.RunID })
	return all[:min(len(all), stepsOfPost)]
}

// count returns how many steps are in one of the states.
func (c Commit) count(states ...record.State) (n int) {
	for _, s := range c.Steps {
		if slices.Contains(states, s.Run.StateAt(c.Now)) {
			n++
		}
	}
	return n
}

// outline returns the state of the whole in one line: "test failed, 2 passed, 1 running".
func (c Commit) outline() string {
	var parts, failed []string
	for _, s := range c.inOrder() {
		if state := s.Run.StateAt(c.Now); state == record.Failing || state == record.Lost {
			failed = append(failed, stepTitle(s.Run))
		}
	}
	if len(failed) > 0 {
		parts = append(parts, strings.Join(failed, ", ")+" failed")
	}
	for _, p := range []struct {
		n    int
		what string
	}{
		{c.count(record.Aborted), "stopped"}, {c.count(record.Passed), "passed"}, {c.count(record.Running), "running"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return strings.Join(parts, ", ")
}

func stepTitle(e record.Entry) string {
	text := e.Step
	for _, part := range []string{e.Environment, e.Stack} {
		if part != "" {
			text += " · " + part
		}
	}
	return text
}

// facts returns how a run of the commit ended, without its name and its cause: "failed (failure, exit code 1), 58s, 2 of 214
// tests failed".
func facts(s record.Shown, now time.Time) string {
	e := s.Run
	state := e.StateAt(now)
	text := string(state)
	switch {
	case state == record.Failing:
		text = fmt.Sprintf("failed (%s, exit code %d)", e.Reason, e.ExitCode)
	case state == record.Passed && s.Recovered:
		text = "passes again"
	}
	if took := e.Took(); took > 0 {
		text += ", " + units.Duration(took)
	}
	if tests := testsOfEntry(e.Tests); tests != "" {
		text += ", " + tests
	}
	return text
}

func testsOfEntry(t *record.EntryTests) string {
	switch {
	case t == nil:
		return ""
	case t.Failed > 0:
		return fmt.Sprintf("%d of %d tests failed", t.Failed, t.Total)
	}
	text := units.Count(t.Total, "test")
	if t.Flaky > 0 {
		text += fmt.Sprintf(", %d flaky", t.Flaky)
	}
	return text
}

// SlackCommit returns the message of a commit: each step in a line.
func SlackCommit(c Commit) *slack.WebhookMessage {
	signs := map[record.State]string{
		record.Passed: ":white_check_mark:", record.Failing: ":x:", record.Lost: ":x:",
		record.Aborted: ":black_square_for_stop:", record.Running: ":hourglass_flowing_sand:",
	}
	sign := signs[record.Passed]
	switch {
	case c.count(record.Failing, record.Lost) > 0:
		sign = signs[record.Failing]
	case c.count(record.Running) > 0:
		sign = signs[record.Running]
	case c.count(record.Aborted) > 0:
		sign = signs[record.Aborted]
	}
	title := fmt.Sprintf("%s at %s: %s", c.Branch, ShortSHA(c.SHA), c.outline())
	header := slack.NewTextBlockObject(slack.PlainTextType, clip(sign+" "+oneLine(title), slackHeader), true, false)
	blocks := []slack.Block{slack.NewHeaderBlock(header)}
	var lines []string
	for _, s := range c.inOrder() {
		line := fmt.Sprintf("%s *%s* %s", signs[s.Run.StateAt(c.Now)], slackEscape(oneLine(stepTitle(s.Run))),
			slackEscape(oneLine(facts(s, c.Now))))
		if s.Run.Cause != "" {
			line += "\n      " + slackEscape(clip(oneLine(s.Run.Cause), slackLine))
		}
		lines = append(lines, line)
	}
	for _, text := range sections(lines, slackSection) {
		blocks = append(blocks, slackText(text))
	}
	run := record.Run{
		Identity: record.Identity{SHA: c.SHA},
		Details:  record.Details{Repository: c.Repository, RepositoryURL: c.RepositoryURL, Actor: c.Actor},
	}
	if line := slackFacts(run, ReportLink{}); line != "" {
		blocks = append(blocks, slack.NewContextBlock("", markdownObject(line)))
	}
	no := false
	return &slack.WebhookMessage{
		Text: slackEscape(clip(oneLine(title), slackSection)), Blocks: &slack.Blocks{BlockSet: blocks},
		UnfurlLinks: &no, UnfurlMedia: &no,
	}
}

// sections joins lines to texts of at most limit bytes.
func sections(lines []string, limit int) (all []string) {
	text := ""
	for _, line := range lines {
		if text != "" && len(text)+1+len(line) > limit {
			all, text = append(all, text), ""
		}
		if text != "" {
			text += "\n"
		}
		text += line
	}
	if text != "" {
		all = append(all, text)
	}
	return all
}

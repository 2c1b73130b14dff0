package runner

import (
	"errors"
	"fmt"
	"html"
	"io"
	"os"
	"strings"
	"syscall"
	"unicode"

	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/units"
	"github.com/carlin-cicd/runner/steps/results"
)

// maxStepSummary is how large GitHub lets the summary of a step be, in bytes. A larger one it leaves out as a whole.
const maxStepSummary = 1 << 20

// writeStepSummary adds the run to the summary that GitHub shows of a job, if there is one. A run that cannot do that goes on.
func (r *run) writeStepSummary(o outcome.Outcome) {
	if r.Config.StepSummary == "" || !r.recorded() {
		return
	}
	if err := appendSummary(r.Config.StepSummary, func(room int) string { return r.markdown(o, room) }); err != nil {
		r.Log.Warn("the summary for GitHub cannot be written", "error", err.Error(), "hint", "see where GITHUB_STEP_SUMMARY points to")
	}
}

// appendSummary adds what make returns, which is told how many bytes there is room for. Nobody waits for a pipe's other end here.
func appendSummary(name string, make func(room int) string) (err error) {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", name)
	}
	text := make(maxStepSummary - int(min(info.Size(), maxStepSummary)))
	if text == "" {
		return fmt.Errorf("%s is as large as GitHub takes it", name)
	}
	_, err = io.WriteString(f, text)
	return err
}

// markdown tells the run in at most room bytes: first all of it, then with fewer and fewer tests; "" if even its head does not fit.
func (r *run) markdown(o outcome.Outcome, room int) string {
	for shown := shownInMarkdown; ; shown /= 2 {
		if text := r.Redactor.String(r.markdownOf(o, shown)); len(text) <= room {
			return text
		}
		if shown == 0 {
			return ""
		}
	}
}

// shownInMarkdown is how many tests of a kind are shown.
const shownInMarkdown = 100

func (r *run) markdownOf(o outcome.Outcome, shown int) string {
	var b strings.Builder
	verdict := "✅ " + r.code(r.step.Name) + " passed"
	if !o.Passed() {
		verdict = fmt.Sprintf("❌ %s failed (%s, exit %d)", r.code(r.step.Name), o.Reason, o.ExitCode)
	}
	fmt.Fprintf(&b, "\n### %s in %s\n\n", verdict, units.Duration(r.now().Sub(r.Began)))
	if o.Err != nil {
		fmt.Fprintf(&b, "%s\n\n", r.code(o.Err.Error()))
		if hint := outcome.Hint(o.Err); hint != "" {
			fmt.Fprintf(&b, "Hint: %s\n\n", r.code(hint))
		}
	}
	item := func(name, value string) { fmt.Fprintf(&b, "- **%s**: %s\n", name, value) }
	if r.tests != nil {
		text := countsText(r.tests.Counts)
		if r.fewer != "" {
			text += "; " + r.code(r.fewer)
		}
		item("tests", text)
	}
	if r.doubt != "" {
		item("rerun", "none: "+r.code(r.doubt))
	}
	if r.coverage != nil {
		item("coverage", r.code(coverageText(*r.coverage)))
	}
	for _, a := range r.artifacts {
		if a.Error != "" {
			item(r.code(a.Name), "not published: "+r.code(a.Error))
			continue
		}
		item(r.code(a.Name), fmt.Sprintf("%s, %s → %s", units.Count(a.Files, "file"), units.Size(a.Bytes), r.code(units.Path(a.Location))))
	}
	u := r.usageRecord(o)
	if u != nil {
		item("usage", r.code(usageText(u)))
	}
	if c := r.cost(u); c != nil {
		item("cost", r.code(costText(c)))
	}
	item("record", r.code(units.Path(r.Place+"/"+r.runKey())))
	if r.tests != nil {
		r.markdownCases(&b, "Failed", "❌", r.tests.Failures, shown)
		r.markdownCases(&b, "Flaky", "⚠️", r.tests.FlakyCases, shown)
		r.markdownCases(&b, "Quarantined", "🔇", r.tests.QuarantinedCases, shown)
		for i, p := range r.tests.Problems {
			if i == shown {
				break
			}
			fmt.Fprintf(&b, "\nThe report %s cannot be read: %s\n", r.code(p.Report), r.code(p.Message))
		}
	}
	return b.String()
}

// markdownCases lists tests, each with what it says in a fold.
func (r *run) markdownCases(b *strings.Builder, title, mark string, list []results.Case, shown int) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "\n#### %s\n\n", title)
	for i, c := range list {
		if i == shown {
			fmt.Fprintf(b, "\nand %d more\n", len(list)-i)
			break
		}
		// In a block of HTML nothing is Markdown, so that only HTML has to be escaped.
		note := ""
		if c.Note != "" {
			note = " <code>" + r.html(c.Note) + "</code>"
		}
		fmt.Fprintf(b, "<details><summary>%s <code>%s</code>%s</summary>\n\n", mark, r.html(testName(c)), note)
		text := c.Details
		if !strings.Contains(text, c.Message) {
			text = c.Message + "\n" + text
		}
		text = visibleText(r.Redactor.String(text))
		fence := strings.Repeat("`", max(3, longestRun(text)+1))
		fmt.Fprintf(b, "%s\n%s\n%s\n\n</details>\n", fence, text, fence)
	}
}

// code is text as a span of code, in which nothing is Markdown, nobody is mentioned and nothing is linked. It is redacted before it
// is escaped, since the redactor does not know what escaping makes of a secret.
func (r *run) code(text string) string {
	text = oneLine(r.Redactor.String(text))
	if text == "" {
		return ""
	}
	fence := strings.Repeat("`", longestRun(text)+1)
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") || strings.HasPrefix(text, " ") && strings.HasSuffix(text, " ") {
		text = " " + text + " "
	}
	return fence + text + fence
}

// html is text within an element of HTML; in one of code nobody is mentioned.
func (r *run) html(text string) string { return html.EscapeString(oneLine(r.Redactor.String(text))) }

func oneLine(text string) string { return strings.Join(strings.Fields(visibleText(text)), " ") }

// visibleText leaves out what would move the cursor of whoever reads the source, and what turns the direction of text.
func visibleText(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n' || c == '\t':
			return c
		case unicode.IsControl(c) || c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069:
			return -1
		}
		return c
	}, strings.ToValidUTF8(strings.ReplaceAll(text, "\r\n", "\n"), "\uFFFD"))
}

// longestRun is the number of backticks after each other.
func longestRun(text string) int {
	longest, n := 0, 0
	for _, c := range text {
		if n++; c != '`' {
			n = 0
		}
		longest = max(longest, n)
	}
	return longest
}

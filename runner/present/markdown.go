package present

import (
	"fmt"
	"html"
	"strings"
	"unicode"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
	"github.com/carlin-cicd/runner/steps/results"
)

// markdownTests is how many tests of a kind are shown at first.
const markdownTests = 100

// Markdown returns the run for GitHub's summary of a job, in at most limit bytes: fewer tests are shown until it fits.
// It is "" if not even its head does. Paths below directory are shown relative to it.
func Markdown(run record.Run, directory string, limit int) string {
	for shown := markdownTests; ; shown /= 2 {
		d := document{shown: shown, directory: directory}
		d.run(run)
		if d.text.Len() <= limit {
			return d.text.String()
		}
		if shown == 0 {
			return ""
		}
	}
}

// document is Markdown that is being written.
type document struct {
	text      strings.Builder
	shown     int // tests of a kind
	directory string
}

func (d *document) print(format string, values ...any) { fmt.Fprintf(&d.text, format, values...) }

func (d *document) item(name, value string) { d.print("- **%s**: %s\n", name, value) }

func (d *document) path(path string) string { return codeSpan(units.PathFrom(d.directory, path)) }

func (d *document) run(run record.Run) {
	verdict := "✅ " + codeSpan(run.Step) + " passed"
	if !run.Passed {
		verdict = fmt.Sprintf("❌ %s failed (%s, exit %d)", codeSpan(run.Step), run.Reason, run.ExitCode)
	}
	d.print("\n### %s in %s\n\n", verdict, units.Duration(record.Duration(run.Seconds)))
	if len(run.Only) > 0 {
		d.item("only", codeSpan(strings.Join(run.Only, ", ")))
	}
	d.cause(run)
	if since := SinceLine(run); since != "" {
		d.item("before", codeSpan(since))
	}
	if again := RerunLine(run); again != "" {
		d.item("again", codeSpan(again))
	}
	if t := run.Tests; t != nil {
		text := TestCounts(t.Counts)
		if t.Missing != "" {
			text += "; " + codeSpan(t.Missing)
		}
		d.item("tests", text)
		if t.SkipReason != "" {
			d.item("rerun", "none: "+codeSpan(t.SkipReason))
		}
	}
	if run.Coverage != nil {
		d.item("coverage", codeSpan(CoverageLine(run.Coverage)))
	}
	for _, a := range run.Artifacts {
		if a.Error != "" {
			d.item(codeSpan(a.Name), "not published: "+codeSpan(a.Error))
			continue
		}
		d.item(codeSpan(a.Name), ArtifactLine(a)+" → "+d.path(a.Location))
	}
	for _, s := range run.Services {
		d.item("service", codeSpan(ServiceLine(s)))
	}
	for _, c := range run.Caches {
		d.item("cache", codeSpan(CacheLine(c)))
	}
	if saved := TimeSavedLine(run); saved != "" {
		d.item("time", saved)
	}
	if run.Usage != nil {
		d.item("usage", codeSpan(UsageLine(run.Usage)))
	}
	if run.Cost != nil {
		d.item("cost", codeSpan(CostLine(run.Cost)))
	}
	d.item("record", d.path(run.Place+"/"+run.Key))
	d.shards(run)
	if run.Tests != nil {
		d.tests(run.Tests)
	}
}

// cause says why the run did not pass, and what to do about it. Failed tests are listed below it.
func (d *document) cause(run record.Run) {
	if cause := CauseLine(run); cause != "" {
		if run.Cause != nil && run.Cause.Kind != record.CauseReason {
			d.print("**%s**\n\n", codeSpan(cause))
		} else {
			d.print("%s\n\n", codeSpan(run.Error))
		}
	}
	if lines := causeText(run, d.shown); lines != "" {
		d.print("%s\n\n", fenced(visible(lines)))
	}
	if beside := ErrorBeside(run); beside != "" {
		d.print("%s\n\n", codeSpan(beside))
	}
	if hint := Hint(run); hint != "" {
		d.print("Hint: %s\n\n", codeSpan(hint))
	}
}

func (d *document) tests(t *record.Tests) {
	failed := make([]results.Case, len(t.Failures))
	for i, f := range t.Failures {
		failed[i] = f.Case
	}
	d.cases("Failed", "❌", failed)
	d.cases("Flaky", "\u26a0\ufe0f", t.Flaky)
	d.cases("Quarantined", "🔇", t.Quarantined)
	for _, p := range t.Problems[:min(len(t.Problems), d.shown)] {
		d.print("\nThe report %s cannot be read: %s\n", codeSpan(p.Report), codeSpan(p.Message))
	}
}

// cases lists tests, each with its excerpt in a fold, and all of its text in another one behind that.
func (d *document) cases(title, mark string, cases []results.Case) {
	if len(cases) == 0 {
		return
	}
	d.print("\n#### %s\n\n", title)
	for i, c := range cases {
		if i == d.shown {
			d.print("\nand %d more\n", len(cases)-i)
			break
		}
		// In a block of HTML nothing is Markdown, so that only HTML has to be escaped.
		note := ""
		if c.Note != "" {
			note = " <code>" + htmlLine(c.Note) + "</code>"
		}
		d.print("<details><summary>%s <code>%s</code>%s</summary>\n\n", mark, htmlLine(TestName(c)), note)
		d.print("%s\n\n", fenced(visible(strings.Join(Excerpt(c), "\n"))))
		if text := MoreThanExcerpt(c); text != "" {
			d.print("<details><summary>the whole text</summary>\n\n%s\n\n</details>\n\n", fenced(visible(text)))
		}
		d.print("</details>\n")
	}
}

// codeSpan returns text as a span of code, in which GitHub reads no Markdown, no mention and no link.
func codeSpan(text string) string {
	text = oneLine(text)
	if text == "" {
		return ""
	}
	fence := strings.Repeat("`", longestRun(text)+1)
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") {
		text = " " + text + " "
	}
	return fence + text + fence
}

// fenced returns text as a block of code, whatever is in it.
func fenced(text string) string {
	fence := strings.Repeat("`", max(3, longestRun(text)+1))
	return fence + "\n" + text + "\n" + fence
}

// htmlLine returns text for an element of HTML.
func htmlLine(text string) string { return html.EscapeString(oneLine(text)) }

func oneLine(text string) string { return strings.Join(strings.Fields(visible(text)), " ") }

// visible drops control characters and those that change the direction of text.
func visible(text string) string {
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

// longestRun returns the number of backticks in a row.
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

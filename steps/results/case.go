package results

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/joshdk/go-junit"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// newCase is a test case as it is kept. occurrence is the number of cases of the same names before it.
func newCase(t *testCase, report string, occurrence uint32) Case {
	c := Case{
		Name: shorten(
			t.Name,
			maxMessage,
		), Class: shorten(t.Classname, maxMessage), Suite: shorten(t.suite.Name, maxMessage),
		File: fileOf(
			t.file,
		), Project: projectOf(t), Within: t.within, Status: t.Status, Flaky: t.flaky, Duration: t.Duration, Report: report,
	}
	c.File = cmp.Or(c.File, guessFile(t.Classname, t.suite.Name))
	if len(c.File) > maxPath {
		c.File = "" // a part of a path is not a path
	}
	c.ID = c.identify(occurrence)
	if group := unittestSetup.FindStringSubmatch(c.Name); group != nil && c.Class == "" {
		c.Class = group[1]
	}
	if why, ok := t.Error.(junit.Error); ok {
		c.Setup = c.isSetup(why.Message)
		c.explain(why, t)
	}
	c.Attachments = attached(t.SystemOut)
	if c.Name == "" && c.Setup {
		c.Name = c.Class
	}
	return c
}

// maxDuration is longer than any test. A report may contain nonsense, which would be added up.
const maxDuration = 30 * 24 * time.Hour

// seconds reads 1.5, 1,234.5 and 1.5s; anything else is 0.
func seconds(text []byte) time.Duration {
	s, err := strconv.ParseFloat(string(text), 64) // nearly always; it allocates nothing
	if err != nil {
		unusual := strings.ReplaceAll(string(text), ",", "")
		if s, err = strconv.ParseFloat(unusual, 64); err != nil {
			d, _ := time.ParseDuration(unusual)
			s = d.Seconds()
		}
	}
	if s > 0 && s < maxDuration.Seconds() {
		return time.Duration(s*1e6) * time.Microsecond
	}
	return 0
}

// cutMiddle cuts text to at most limit bytes: some tools begin with the cause, others end with it.
func cutMiddle(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	const gap = "\n…\n"
	end := text[len(text)-limit/4:]
	if _, whole, ok := strings.Cut(end, "\n"); ok && whole != "" {
		end = whole
	}
	return strings.ToValidUTF8(text[:limit-limit/4-len(gap)], "") + gap + strings.ToValidUTF8(end, "")
}

// attachment is how Playwright and others name a file in the output of a test.
var attachment = pattern.New(`\[\[ATTACHMENT\|([^\]\n]{1,1000})\]\]`)

const maxAttachments = 50

// attached returns the files that an output names, a line each.
func attached(output string) string {
	if !strings.Contains(output, "[[ATTACHMENT|") {
		return ""
	}
	var names []string
	for _, m := range attachment.FindAllStringSubmatch(output, maxAttachments) {
		names = append(names, m[1])
	}
	return strings.Join(names, "\n")
}

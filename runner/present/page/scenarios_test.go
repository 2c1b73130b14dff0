package page

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/results"
)

func TestPagesOfTheKindsOfRuns(t *testing.T) {
	for name, wants := range map[string][]string{
		"jest": {
			`<span class="verdict">failed</span> test</h1>`, `<h2 id="failures">Failed tests <span class="count">5</span></h2>`,
			`<span class="title">total › adds up what is in the basket</span>`,
			"<span class=\"want\">Expected: 4149\n</span>", "<span class=\"got\">Received: 4150\n</span>",
			"<span class=\"hunk\">@@ -7,8 +7,8 @@\n</span>", "<span class=\"want\">-     &#34;sum&#34;: 999,\n</span>", "<span class=\"got\">+     &#34;sum&#34;: 1000,\n</span>",
			"<span class=\"frame\">    at Object.toBe (/workspace/packages/core/src/price.test.ts:10:27)\n</span>", `the whole text, 19 lines</summary>`,
			"<pre class=\"difference\" tabindex=\"0\" role=\"group\" aria-label=\"failure\">Error: expect(received).toBe(expected)",
			`failing since 3f9c2a1`, `packages/core/src/price.test.ts`, `lost">-3.2<`, `won">+1.5<`, `compared with 3f9c2a1 of main`,
			`rerun 1 <span class="note">5 tests</span>`, "lcov-report/index.html\">open the report</a>", `<a href="junit/junit.xml">junit/junit.xml</a>`,
		},
		"build":    {`<span class="verdict">passed</span> build · staging</h1>`, `<code>runner artifacts get builds --artifact-bucket s3://acme-ci --branch main --sha`, ">copying 100 %\n</span>", `#1a7f37`},
		"rollback": {`<span class="verdict">cancelled</span> deploy`, "Why it ended", "cancelled, exit code 143", "waited for the lock of &#34;task/1&#34;", "UPDATE_ROLLBACK_IN_PROGRESS", `<tr class="failed">`, "cannot be assumed by Lambda", "may end differently", "attempt 2", "<dt>live before</dt>"},
		"oom":      {"oom, exit code 137, killed", "memory had run out", `id="L48213"`, "from line 48213 on; 3.0 MiB came before", "limit 512.0 MiB", "<b>Disk</b> peak 1.0 GiB"},
		"guard":    {"guard, exit code 125", "The command was not started.", "run it first", `<span class="why">`},
	} {
		page := write(t, samples(t)[name])
		for _, want := range wants {
			if !strings.Contains(page, want) {
				t.Errorf("%s: the page has no %s", name, want)
			}
		}
		for _, ids := range [][]string{strings.Split(page, ` id="`)[1:]} {
			seen := map[string]bool{}
			for _, id := range ids {
				id, _, _ = strings.Cut(id, `"`)
				if seen[id] {
					t.Errorf("%s: two elements are %s", name, id)
				}
				seen[id] = true
			}
			for _, to := range strings.Split(page, ` href="#`)[1:] {
				if to, _, _ = strings.Cut(to, `"`); !seen[to] {
					t.Errorf("%s: #%s leads nowhere", name, to)
				}
			}
		}
	}
	if page := write(t, guarded()); strings.Contains(page, `id="log"`) || strings.Contains(page, `id="usage"`) {
		t.Error("an empty section is shown")
	}
}

// The page stays under a megabyte without its log, and the log has a limit, too.
func TestPageStaysSmall(t *testing.T) {
	huge := strings.Repeat("\"<&>\"\t'\x1b[31mé", 2<<10)
	p := failing()
	p.Error, p.Hint, p.Command = huge, huge, huge
	p.Tests.Failed = 300
	p.Tests.Failures = nil
	for i := range 300 {
		c := results.Case{
			Name: fmt.Sprint(i, huge), Class: huge, File: huge, Message: huge, Details: "x" + huge, Note: huge,
		}
		p.Tests.Failures = append(p.Tests.Failures, record.FailedTest{Case: c})
		p.Tests.Flaky, p.Tests.Quarantined, p.Tests.Slowest = append(
			p.Tests.Flaky, c,
		), append(
			p.Tests.Quarantined, c,
		), append(
			p.Tests.Slowest, c,
		)
	}
	for i := range 1000 {
		p.Tests.Problems = append(p.Tests.Problems, results.Problem{Report: "junit.xml", Message: huge})
		p.Variables = append(p.Variables, fmt.Sprint("V", i, strings.Repeat("x", 60)))
		p.Phases = append(
			p.Phases,
			record.Phase{Name: fmt.Sprint("before ", i), Started: began, Error: "the command exited with 1"},
		)
	}
	p.Log.Text = nil
	page := write(t, p)
	if len(page) > 1<<20 {
		t.Errorf("%d bytes", len(page))
	}
	for _, want := range []string{"more, which are in the reports", "do not fit here", `Failed tests <span class="count">300</span>`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for name, line := range map[string]string{"empty lines": "\n", "short lines": "x\n", "many colors": "\x1b[1;2;3;4;31;44mx\x1b[K", "one color a letter": "x\x1b[Ky\x1b[J", "quotes": `"`, "one quote a line": "\"\n"} {
		p := build()
		without := len(write(t, p))
		p.Log.Text = []byte(strings.Repeat(line, 256<<10/len(line)))
		page := write(t, p)
		if n := len(page) - without; n > maxLogMarkup+1<<10 || n < 10<<10 {
			t.Errorf("a log of %s takes %d bytes", name, n)
		}
		if last := page[strings.LastIndex(page, `id="L`):]; !strings.HasPrefix(
			last, fmt.Sprintf(`id="L%d"`, max(strings.Count(strings.Repeat(line, 256<<10/len(line)), "\n"), 1)),
		) {
			t.Errorf("a log of %s ends with %.20s", name, last)
		}
	}
}

func TestLineWithTooMuchMarkupHasNoColors(t *testing.T) {
	p := build()
	p.Log.Text = []byte("before\n\x1b[1;2;3;4;31;44m" + strings.Repeat("x\x1b[K", 31<<10) + "\n")
	page := write(t, p)
	if !strings.Contains(page, `<span class="l p" id="L2"><a href="#L2" tabindex="-1">2</a>xxxx`) || strings.Contains(page, `id="L1"`) ||
		len(page) > 100<<10 {
		t.Errorf("%d bytes: %.300s", len(page), page[strings.Index(page, `<pre id="lines"`):])
	}
}

func TestShortPhasesShareARow(t *testing.T) {
	p := build()
	p.Phases = nil
	for _, name := range []string{"record", "source", "guard", "before 1", "setup", "snapshot", "lock", "command", "after"} {
		p.Phases = append(p.Phases, phaseAt(name, 0, 0, map[string]string{"lock": "held"}[name]))
	}
	page := write(t, p)
	for _, want := range []string{
		`<tr id="phase-1" class="quick"><th scope="row">record, <span id="phase-2">source</span>, <span id="phase-3">guard</span></th>`, `<tr id="phase-4"><th scope="row">before 1</th>`,
		`<tr id="phase-5"><th scope="row">setup</th>`, `<tr id="phase-7"><th scope="row">lock <span class="why">`, `<tr id="phase-8"><th scope="row">command</th>`, `<tr id="phase-9"><th scope="row">after</th>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
}

func TestFolderIsNotNewWithoutAComparison(t *testing.T) {
	p := failing()
	p.Coverage.Folders[0].Change, p.Coverage.Folders[2].Change = nil, nil
	if page := write(t, p); strings.Contains(page, ">new<") {
		t.Error("a folder is called new without a comparison")
	}
}

func TestLineOfTheLogIsItsLastStateOnATerminal(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "1 %\r50 %\r100 %": "100 %", "100 %\r": "100 %", "gone\x1b[2K\x1b[1Gnow": "now", "\x1b[01;31m\x1b[Kerror:\x1b[m\x1b[K gcc's": "\x1b[01;31m\x1b[Kerror:\x1b[m\x1b[K gcc's", "a\r\x1b[32mb\x1b[39m": "\x1b[32mb\x1b[39m",
		"kept\r\x1b[0m": "kept", "windows\r": "windows", "\r\r": "", "a\x1b[31mb": "a\x1b[31mb",
	} {
		if got := string(lastState([]byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestTailStartsAWholeLine(t *testing.T) {
	tail := NewTail(1 << 10)
	tail.Line("$ first")
	tail.Write([]byte("unfinished"))
	tail.Line("$ second")
	if l := tail.Log(); string(l.Text) != "$ first\nunfinished\n$ second\n" || l.First != 1 {
		t.Errorf("%q from %d", l.Text, l.First)
	}
	small := NewTail(16)
	for i := range 100 {
		fmt.Fprintf(small, "line %d\n", i)
	}
	if l := small.Log(); !bytes.HasPrefix(l.Text, fmt.Appendf(nil, "line %d\n", l.First-1)) {
		t.Errorf("%q starts with line %d", l.Text, l.First)
	}
}

package page

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/results"
)

func write(t *testing.T, p sample) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, p.Run, p.Log); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPageHasTheWholeRun(t *testing.T) {
	page := write(t, failing())
	if name := os.Getenv("RUNNER_REPORT_OUT"); name != "" {
		if err := os.WriteFile(name, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		"<title>test failed · feature/tax 4f0c1d2e3a4b</title>",
		`<span class="verdict">failed</span> test · staging`,
		"failure, exit code 1", "1 of 214 tests failed in 1m1s", `<a href="https://github.com/example/shop/commit/4f0c1d2e3a4b5c6d7e8f90123456789012345678">4f0c1d2e3a4b</a>`,
		"211 passed, 1 of them flaky, 1 failed, 2 skipped, 214 in all", `<h2 id="failures">Failed tests <span class="count">1</span></h2>`,
		`<span class="title">price › adds the tax once</span> <span class="note">failing since 1a2b3c4</span> <span class="file">src/price.test.ts</span>`,
		"<span class=\"want\">Expected: 119\n</span>", "<span class=\"got\">Received: 138.04\n</span>",
		`<a href="#L7">line 7 of the log</a>`, "flaky 4 of the last 50", "9s",
		"83.0 % of 1000 lines (-1.2), 66.6 % of 90 branches; compared with 1a2b3c4 of main", `<code>src/price</code>`, `lost">-12.0<`, `note">new<`, `note">±0<`,
		"12.3 s of CPU; Fargate: 0.25 vCPU, 0.5 GB would fit; $0.0008 for 1m1s of 0.25 vCPU, 0.5 GB", `aria-label="Memory over 1m1s: peak 348.0 MiB, limit 512.0 MiB"`,
		`<a href="https://console.example/coverage/">s3://acme-ci/coverage/feature/tax/4f0c1d2e/</a>`, "not published: access denied",
		`<a href="../../../../../coverage/feature/tax/` + sha + `/lcov-report/index.html">open the report</a>`, "31 files, 1.0 MiB",
		"<code>runner artifacts get coverage --artifact-bucket s3://acme-ci --branch feature/tax --sha " + sha + "</code>",
		`Files of the run: <a href="finished.json">finished.json</a>`,
		"<code>NPM_TOKEN</code>", `<span class="c3">step 0</span>`, "from line 1 on; 4.0 MiB came before, see <a href=\"log.jsonl.gz\">the whole log</a>",
		`<span class="b bc1"> FAIL </span>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if len(page) > 100<<10 {
		t.Errorf("the page has %d bytes for a log of %d", len(page), len(failing().Log.Text))
	}
}

// setTexts sets every text of a run that the page shows.
func (p *sample) setTexts(text string) {
	p.Reason = record.Reason(text)
	p.Run.Cause = &record.Cause{Kind: record.CauseTests, Summary: text, Lines: []string{text}, Path: text, Line: 1, Hint: text}
	for _, s := range []*string{
		&p.Step, &p.Environment, &p.Stack, &p.Branch, &p.SHA, &p.RepositoryURL, &p.RunID, &p.Task, &p.Runner, &p.Error, &p.Hint, &p.Command, &p.Root, &p.Place,
		&p.Phases[0].Name, &p.Phases[0].Error, &p.Variables[0],
	} {
		*s = text
	}
	for i := range p.Artifacts {
		a := &p.Artifacts[i]
		a.Name, a.Location, a.Entry, a.Console = text, text, text, text
	}
	if p.Usage != nil {
		p.Usage.Fargate = text
	}
	if p.Coverage != nil {
		p.Coverage.Source, p.Coverage.Folders[0].Path, p.Coverage.Against.Branch = text, text, text
	}
	if p.Tests != nil {
		c := results.Case{Name: text, Class: text, File: text, Message: text, Details: "x" + text, Excerpt: text + "\n" + text, Note: text}
		p.Tests.Failures, p.Tests.Flaky, p.Tests.Slowest = []record.FailedTest{
			{Case: c},
		}, []results.Case{
			c,
		}, []results.Case{
			c,
		}
		p.Tests.Problems, p.Tests.Stored, p.Tests.Missing, p.Tests.SkipReason = []results.Problem{
			{Report: text, Message: text},
		}, []string{
			text,
		}, text, text
	}
	if p.Tests != nil {
		p.Tests.Within = text
		p.Tests.All = []record.TestRow{
			{ID: text, File: text, Class: text, Name: text, Project: text, State: record.TestState(text), Past: text}, {Name: "x", State: record.TestPassed, Past: ".."},
		}
	}
	for i := range p.Attached {
		a := &p.Attached[i]
		a.Name, a.Source, a.File, a.Refused = text, text, text, map[bool]string{true: text}[a.Refused != ""]
	}
	p.Actor, p.LogURL, p.Repository = text, text, text
	p.Previous = &record.EarlierRun{RunID: text, Branch: text, SHA: text, State: record.State(text)}
	p.LastPassed = &record.LastPassed{RunID: text, Branch: text, SHA: text}
	if d := p.Deployment; d != nil {
		d.Before, d.Undoes, d.Key, d.Waited = text, text, text, []string{text}
		d.Replaced = &record.Revision{RunID: text, SHA: text, Branch: text}
		d.Events = []record.StackEvent{{Resource: text, Type: text, Status: text, Reason: text}}
		p.Delivery = &record.Delivery{
			Outcome: record.IsRollback, Status: text, Problem: text, Advice: text,
			Rollback: &record.Rollback{
				Action: record.Action(
					text,
				), Differences: []string{text}, Failures: []record.Resource{{Name: text, Type: text, Status: text, Reason: text}},
			},
		}
	}
}

func TestTextOfARunIsNeverMarkup(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror='y'>` + "\x00\x1b[31m\u202egnp.exe"
	for name, p := range samples(t) {
		p.setTexts(evil)
		p.Log.Text = []byte(evil + "\n\x1b[38;2;300;-1;\"m" + evil)
		page := write(t, p)
		for _, never := range []string{"<script>alert", "<img", "onerror='y'", `href="&#34;`, "\x1b", "\x00", "\u202e"} {
			if strings.Contains(page, never) {
				t.Errorf("%s: the page holds %q", name, never)
			}
		}
		if !strings.Contains(
			page, `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'sha256-`,
		) {
			t.Errorf("%s: the page has no policy", name)
		}
	}
}

func TestLinksOfArtifacts(t *testing.T) {
	const ref = "/a/b/0123456789abcdef0123456789abcdef01234567/"
	for name, c := range map[string]struct{ place, console, link, get string }{
		"a bucket":   {"s3://acme-ci/web", "https://console.example/x", "https://console.example/x", "runner artifacts get coverage --artifact-bucket s3://acme-ci/web --branch a/b --sha 0123456789abcdef0123456789abcdef01234567"},
		"another S3": {"s3://acme-ci", "", "", "runner artifacts get coverage --artifact-bucket s3://acme-ci --branch a/b --sha 0123456789abcdef0123456789abcdef01234567"},
		"a folder":   {"/srv/artifacts", "", "../../../../../../coverage" + ref, ""},
	} {
		p := build()
		p.Branch, p.SHA, p.Place, p.Root = "a/b", "0123456789abcdef0123456789abcdef01234567", c.place, "../../../../../../"
		p.Artifacts = []record.Artifact{
			{Name: "coverage", Location: "x", Entry: "lcov-report/index.html", Console: c.console},
		}
		page := write(t, p)
		for _, want := range []string{`<a href="../../../../../../coverage` + ref + `lcov-report/index.html">open the report</a>`, string(link(c.link, "x"))} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: no %s", name, want)
			}
		}
		if c.get != "" && !strings.Contains(page, "<code>"+c.get+"</code>") ||
			c.get == "" && strings.Contains(page, "runner artifacts get") {
			t.Errorf("%s: not the command %q", name, c.get)
		}
	}
}

func TestLinksAreToTheWebOrToTheStore(t *testing.T) {
	for to, safe := range map[string]bool{
		"https://example.com/a?b=c": true, "http://127.0.0.1:9000/x": true, "log.jsonl.gz": true, "../x/y.html": true,
		"javascript:alert(1)": false, "JaVaScRiPt:alert(1)": false, "data:text/html,x": false, "//evil.example/": false, "": false, "s3://bucket/key": false, "\x01javascript:x": false,
	} {
		if got := strings.Contains(string(link(to, "text")), "href"); got != safe {
			t.Errorf("%q is a link: %v, want %v", to, got, safe)
		}
	}
}

func TestColorsOfATerminal(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain text", "a < b", "a &lt; b"},
		{"one color", "\x1b[31mred\x1b[0m not", `<span class="c1">red</span> not`},
		{"a reset without a number", "\x1b[1mx\x1b[my", `<span class="b">x</span>y`},
		{"bright and background", "\x1b[91;44mx", `<span class="c9 bc4">x</span>`},
		{"a true color becomes the nearest of sixteen", "\x1b[38;2;1;2;255mx", `<span class="c4">x</span>`},
		{"a color of the palette's cube", "\x1b[48;5;196mx", `<span class="bc1">x</span>`},
		{"a grey", "\x1b[38;5;240mx\x1b[38;2;90;90;99my", `<span class="c8">x</span><span class="c8">y</span>`},
		{"inverse", "\x1b[7mx\x1b[31my", `<span class="bpage">x</span><span class="bc1">y</span>`},
		{"colons between parameters", "\x1b[38:5:9mx", `<span class="c9">x</span>`},
		{"a movement of the cursor is dropped", "a\x1b[2Kb\x1b[1Ac", "abc"},
		{"a hyperlink is dropped", "\x1b]8;;https://x\x07text\x1b]8;;\x1b\\.", "text."},
		{"a sequence that does not end", "a\x1b[31", "a"},
		{"a lone escape", "a\x1b", "a"},
		{"bytes that are not UTF-8", "a\xffb", "a�b"},
	} {
		var b bytes.Buffer
		w := newWriter(&b)
		w.line([]byte(c.in), style{})
		if err := w.flush(); err != nil || b.String() != c.want {
			t.Errorf("%s: %q, want %q", c.name, b.String(), c.want)
		}
	}
}

func FuzzLogIsOnlyText(f *testing.F) {
	f.Add([]byte("\x1b[31mred\x1b[0m <b> & \"'\x1b]8;;x\x07"))
	f.Add([]byte("\x1b[38;2;;;;;m\x1b[48;5m\x1b["))
	f.Fuzz(func(t *testing.T, log []byte) {
		var b bytes.Buffer
		w := newWriter(&b)
		w.line(bytes.ReplaceAll(log, []byte("\n"), nil), style{})
		if w.flush() != nil {
			t.Fatal("a buffer fails")
		}
		text := b.String()
		for {
			i := strings.IndexByte(text, '<')
			if i < 0 {
				break
			}
			if !strings.HasPrefix(text[i:], "<span ") && !strings.HasPrefix(text[i:], "</span>") {
				t.Fatalf("%q", text[i:])
			}
			text = text[i+1:]
		}
	})
}

func TestTailKeepsTheEndFromTheStartOfALine(t *testing.T) {
	for _, write := range []int{1, 3, 7, 64, 1000} {
		tail := NewTail(64)
		var all []byte
		for i := range 100 {
			all = fmt.Appendf(all, "line %d\n", i)
		}
		for p := all; len(p) > 0; {
			n := min(write, len(p))
			tail.Write(p[:n])
			p = p[n:]
		}
		l := tail.Log()
		if !bytes.HasSuffix(all, l.Text) || len(l.Text) < 48 || !bytes.HasPrefix(l.Text, []byte("line ")) ||
			l.Dropped+int64(len(l.Text)) != int64(len(all)) {
			t.Errorf("in pieces of %d: %q after %d bytes", write, l.Text, l.Dropped)
		}
	}
	small := NewTail(64)
	small.Write([]byte("whole"))
	if l := small.Log(); string(l.Text) != "whole" || l.Dropped != 0 {
		t.Errorf("%q after %d bytes", l.Text, l.Dropped)
	}
}

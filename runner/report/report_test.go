package report

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/steps/coverage"
)

var lost = -12.0

// failing is a run with something of everything.
func failing() Page {
	at := time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)
	log := "\x1b[1m> jest --ci\x1b[22m\n\n\x1b[0m\x1b[7m\x1b[1m\x1b[31m FAIL \x1b[39m\x1b[22m\x1b[27m\x1b[0m src/price.test.ts\n" +
		"  \x1b[31m✕\x1b[39m \x1b[2madds the tax once (4 ms)\x1b[22m\n  \x1b[32m✓\x1b[39m \x1b[2mrounds to cents\x1b[22m\n\n" +
		"\x1b[1m\x1b[31m  ● price › adds the tax once\x1b[39m\x1b[22m\n\n    expect(received).toBe(expected)\n\n    Expected: \x1b[32m119\x1b[39m\n    Received: \x1b[31m138.04\x1b[39m\n"
	for i := range 120 {
		log += fmt.Sprintf("\x1b[38;5;208mstep %d\x1b[0m of the build <b>is done</b> & well\n", i)
	}
	var samples []Sample
	for i := range 60 {
		samples = append(samples, Sample{At: time.Duration(i) * time.Second, CPU: float64(i%7) / 14, Memory: int64(i%30) * 12 << 20, Disk: int64(i) << 22})
	}
	return Page{
		Step: "test", Environment: "staging", Branch: "feature/tax", SHA: "4f0c1d2e3a4b5c6d7e8f90123456789012345678", Repository: "example/shop", RunID: "01kav4x6r2", Runner: "1.2.0",
		Reason: "failure", ExitCode: 1, Error: "the command ended with exit code 1", Hint: "1 test failed: see below", Command: "pnpm run test --ci", Started: at, Duration: 61 * time.Second,
		Phases: []Phase{{Name: "source", Took: 2 * time.Second}, {Name: "command", Start: 2 * time.Second, Took: 57 * time.Second, Error: "exit code 1"}, {Name: "publish", Start: 59 * time.Second, Took: 2 * time.Second}},
		Usage:  Usage{Samples: samples, CPULimit: 0.5, MemoryLimit: 512 << 20, PeakMemory: 348 << 20, CPUSeconds: 12.3, Advice: "0.25 vCPU and 512 MiB would have fit"},
		Tests: &Tests{
			Total: 214, Passed: 211, Failed: 1, Skipped: 2,
			Failures: []Test{{Name: "adds the tax once", Class: "price", File: "src/price.test.ts", Took: 4 * time.Millisecond, Message: "expect(received).toBe(expected)", Details: "Error: expect(received).toBe(expected)\n\nExpected: 119\nReceived: 138.04\n    at Object.<anonymous> (src/price.test.ts:12:23)\n", Note: "failing since 1a2b3c4"}},
			Flaky:    []Test{{Name: "reconnects", Class: "socket", Message: "timed out after 500 ms", Note: "flaky 4 of the last 50"}},
			Slowest:  []Test{{Name: "imports 10,000 rows", Class: "import", Took: 9 * time.Second}},
		},
		Coverage: &Coverage{
			Summary: coverage.Summary{Lines: coverage.Figure{Covered: 830, Total: 1000}, Branches: coverage.Figure{Covered: 60, Total: 90}, Source: "coverage-summary.json"},
			Change:  &coverage.Change{Lines: -1.2},
			Against: "1a2b3c4 of main",
			Folders: []coverage.Folder{{Path: "src/price", Lines: coverage.Figure{Covered: 40, Total: 100}, Change: &lost}, {Path: "src/cart", Lines: coverage.Figure{Covered: 790, Total: 900}}, {Path: "src/same", Lines: coverage.Figure{Covered: 6, Total: 10}, Change: new(float64)}},
		},
		Artifacts: []Artifact{{Name: "coverage", Location: "s3://bucket/coverage/feature/tax/4f0c1d2e/", Link: "../../coverage/x/", Entry: "../../coverage/x/lcov-report/index.html", Get: "runner artifacts get coverage out", Files: 31, Bytes: 1 << 20}, {Name: "builds", Error: "access denied"}},
		Files:     []Link{{"finished.json", "finished.json"}},
		Variables: []string{"CI", "NODE_ENV", "NPM_TOKEN"},
		Log:       Log{Text: []byte(log), Dropped: 4 << 20, Link: "log.jsonl.gz"},
	}
}

func write(t *testing.T, p Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestThePageTellsTheWholeRun(t *testing.T) {
	page := write(t, failing())
	if name := os.Getenv("RUNNER_REPORT_OUT"); name != "" {
		if err := os.WriteFile(name, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		"<title>test failed · feature/tax 4f0c1d2e3a4b</title>",
		`<span class="verdict">failed</span> test · staging`,
		"failure, exit code 1", "1m1s", `<a href="https://github.com/example/shop/commit/4f0c1d2e3a4b5c6d7e8f90123456789012345678">4f0c1d2e3a4b</a>`,
		"211 passed, 1 failed, 2 skipped, 1 flaky, 214 in all",
		`<span class="title">price › adds the tax once</span> <span class="note">failing since 1a2b3c4</span> <span class="file">src/price.test.ts</span>`,
		"<span class=\"want\">Expected: 119\n</span>", "<span class=\"got\">Received: 138.04\n</span>",
		`<a href="#L7">line 7 of the log</a>`, "flaky 4 of the last 50", "9s",
		"83.0 % of 1000 lines (-1.2), 66.6 % of 90 branches; compared with 1a2b3c4 of main", `<code>src/price</code>`, `lost">-12.0<`, `note">new<`, `note">±0<`,
		"0.25 vCPU and 512 MiB would have fit", `aria-label="Memory over 1m1s: peak 348.0 MiB, limit 512.0 MiB"`,
		`<a href="../../coverage/x/">s3://bucket/coverage/feature/tax/4f0c1d2e/</a>`, `<a href="../../coverage/x/lcov-report/index.html">open the report</a>`, "<code>runner artifacts get coverage out</code>", "not published: access denied", `Of the run itself: <a href="finished.json">finished.json</a>`,
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

func TestNothingOfTheRunCanBecomePartOfThePage(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror='y'>` + "\x00\x1b[31m\u202egnp.exe"
	p := failing()
	for _, s := range []*string{
		&p.Step, &p.Environment, &p.Stack, &p.Branch, &p.SHA, &p.Repository, &p.RunID, &p.Task, &p.Runner, &p.Reason, &p.Error, &p.Hint, &p.Command,
		&p.Phases[0].Name, &p.Phases[0].Error, &p.Usage.Advice, &p.Tests.Failures[0].Name, &p.Tests.Failures[0].Class, &p.Tests.Failures[0].File, &p.Tests.Failures[0].Message,
		&p.Tests.Failures[0].Details, &p.Tests.Failures[0].Note, &p.Coverage.Source, &p.Coverage.Folders[0].Path, &p.Artifacts[0].Name, &p.Artifacts[0].Location, &p.Artifacts[0].Link, &p.Artifacts[1].Error, &p.Variables[0], &p.Log.Link,
	} {
		*s = evil
	}
	p.Tests.Problems = []string{evil}
	p.Log.Text = []byte(evil + "\n\x1b[38;2;300;-1;\"m" + evil)
	page := write(t, p)
	for _, never := range []string{"<script>alert", "<img", "onerror='y'", `href="&#34;`, "\x1b", "\x00", "\u202e"} {
		if strings.Contains(page, never) {
			t.Errorf("the page holds %q", never)
		}
	}
}

func TestLinksLeadOnlyToWhereAPageMayLead(t *testing.T) {
	for to, safe := range map[string]bool{
		"https://example.com/a?b=c": true, "http://127.0.0.1:9000/x": true, "log.jsonl.gz": true, "../x/y.html": true,
		"javascript:alert(1)": false, "JaVaScRiPt:alert(1)": false, "data:text/html,x": false, "//evil.example/": false, "": false, "s3://bucket/key": false, "\x01javascript:x": false,
	} {
		if got := strings.Contains(string(link(to, "text")), "href"); got != safe {
			t.Errorf("%q is a link: %v, want %v", to, got, safe)
		}
	}
}

func TestColoursOfATerminal(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain text", "a < b", "a &lt; b"},
		{"one colour", "\x1b[31mred\x1b[0m not", `<span class="c1">red</span> not`},
		{"a reset without a number", "\x1b[1mx\x1b[my", `<span class="b">x</span>y`},
		{"bright and background", "\x1b[91;44mx", `<span class="c9 bc4">x</span>`},
		{"a true colour is the nearest that can be read", "\x1b[38;2;1;2;255mx", `<span class="c4">x</span>`},
		{"a colour of the palette's cube", "\x1b[48;5;196mx", `<span class="bc1">x</span>`},
		{"a grey", "\x1b[38;5;240mx\x1b[38;2;90;90;99my", `<span class="c8">x</span><span class="c8">y</span>`},
		{"inverse", "\x1b[7mx\x1b[31my", `<span class="bpage">x</span><span class="bc1">y</span>`},
		{"colons between parameters", "\x1b[38:5:9mx", `<span class="c9">x</span>`},
		{"a cursor's movement is left out", "a\x1b[2Kb\x1b[1Ac", "abc"},
		{"a hyperlink is left out", "\x1b]8;;https://x\x07text\x1b]8;;\x1b\\.", "text."},
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

func TestTheTailKeepsTheEndFromTheBeginningOfALine(t *testing.T) {
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
		if !bytes.HasSuffix(all, l.Text) || len(l.Text) < 48 || !bytes.HasPrefix(l.Text, []byte("line ")) || l.Dropped+int64(len(l.Text)) != int64(len(all)) {
			t.Errorf("in pieces of %d: %q after %d bytes", write, l.Text, l.Dropped)
		}
	}
	small := NewTail(64)
	small.Write([]byte("whole"))
	if l := small.Log(); string(l.Text) != "whole" || l.Dropped != 0 {
		t.Errorf("%q after %d bytes", l.Text, l.Dropped)
	}
}

package present

import (
	"strings"
	"testing"
)

func TestMarkdownOfAFailedRun(t *testing.T) {
	text := Markdown(failedRun(), "/work/shop", 1<<20)
	for _, want := range []string{
		"\n### ❌ `test` failed (failure, exit 1) in 1m2s\n",
		"\n`the command exited with 1`\n\nHint: `see the report`\n",
		"- **tests**: 208 passed, 1 of them flaky, 1 failed, 1 errored, 3 skipped, 1 quarantined, 214 in all; `40 fewer than at abcdef0 of main`\n",
		"- **rerun**: none: `more than 10 tests failed`\n",
		"- **coverage**: `83.1 % of lines (-1.25), 50.0 % of branches (±0) against 0123456 of main`\n",
		"- **`coverage`**: 2 files, 3.0 MiB → `.runner/artifacts/coverage/main/" + sampleSHA + "`\n",
		"- **`pages`**: not published: `AccessDenied`\n",
		"- **usage**: `peak 1.0 GiB of 2.0 GiB of memory, 42.0 s of CPU",
		"- **cost**: `$0.0012 for 1m15s",
		"- **record**: `.runner/artifacts/runs/main/" + sampleSHA + "/test/01k`\n",
		"\n#### Failed\n\n<details><summary>❌ <code>price › adds the tax once (src/price.test.ts)</code> <code>newly failing: passed at 21fea54 and 3 runs before</code></summary>\n\n```\nexpected 119\n",
		"\n```\n\n<details><summary>the whole text</summary>\n\n```\nthe tax of a basket\nexpected 119\n",
		"<summary>❌ <code>starts</code></summary>\n\n```\nno place\nboom\n```\n\n</details>\n",
		"\n#### Flaky\n", "<code>passed on rerun 1</code>", "\n#### Quarantined\n", "\nThe report `junit-2.xml` cannot be read: `unexpected EOF`\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestMarkdownShowsFewerTestsUntilItFits(t *testing.T) {
	run := vastRun()
	for _, limit := range []int{1 << 20, 300_000} {
		text := Markdown(run, "", limit)
		if len(text) > limit || len(text) < limit/8 {
			t.Errorf("%d bytes of %d", len(text), limit)
		}
		if limit == 1<<20 && !strings.Contains(text, " more\n") {
			t.Error("it does not say how many tests are left out")
		}
	}
	if text := Markdown(run, "", 100); text != "" {
		t.Errorf("%d bytes of 100", len(text))
	}
}

func TestMarkdownOfHostileTextIsCode(t *testing.T) {
	text := Markdown(hostileRun(), "", 1<<20)
	if strings.ContainsAny(text, "\x1b\x07\u202e\u009b\r") {
		t.Error("a control character is left")
	}
	inBlock := "" // the fence
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case inBlock == "" && strings.HasPrefix(line, "```"):
			inBlock = line
		case line == inBlock:
			inBlock = ""
		case inBlock == "" && strings.Contains(withoutCode(line), "@here"):
			t.Errorf("outside of code: %s", line)
		}
	}
}

// withoutCode removes the spans of code, of Markdown and of HTML.
func withoutCode(line string) string {
	for {
		start := strings.Index(line, "`")
		if html := strings.Index(line, "<code>"); html >= 0 {
			end := strings.Index(line, "</code>")
			line = line[:html] + line[end+len("</code>"):]
			continue
		}
		if start < 0 {
			return line
		}
		fence := line[start : len(line)-len(strings.TrimLeft(line[start:], "`"))]
		end := strings.Index(line[start+len(fence):], fence)
		if end < 0 {
			return line
		}
		line = line[:start] + line[start+len(fence)+end+len(fence):]
	}
}

func TestCodeSpan(t *testing.T) {
	for text, want := range map[string]string{
		"plain":           "`plain`",
		"a `b` c":         "``a `b` c``",
		"`b`":             "`` `b` ``",
		"two\nlines\tand": "`two lines and`",
		"\x1b[31mred":     "`[31mred`",
		"\u202eabc":       "`abc`",
		"\xff":            "`\uFFFD`",
		"":                "",
	} {
		if got := codeSpan(text); got != want {
			t.Errorf("%q becomes %s, want %s", text, got, want)
		}
	}
	if got := htmlLine(`<img src=x onerror="y"> & more`); got != "&lt;img src=x onerror=&#34;y&#34;&gt; &amp; more" {
		t.Errorf("becomes %s", got)
	}
}

func FuzzCodeSpan(f *testing.F) {
	f.Add("a ``b`` c")
	f.Fuzz(func(t *testing.T, text string) {
		code := codeSpan(text)
		if strings.ContainsAny(code, "\n\r") {
			t.Fatalf("%q has a line break", code)
		}
		if code == "" {
			return
		}
		inner := strings.TrimLeft(code, "`")
		fence := len(code) - len(inner)
		if longestRun(strings.TrimSuffix(inner, strings.Repeat("`", fence))) >= fence {
			t.Errorf("%q leaves its span: %s", text, code)
		}
	})
}

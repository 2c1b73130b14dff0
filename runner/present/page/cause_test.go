package page

import (
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/record"
)

// has reports each text that is not in the page, and each of those after "!" that is.
func has(t *testing.T, page string, wanted ...string) {
	t.Helper()
	for _, text := range wanted {
		text, without := strings.CutPrefix(text, "!")
		if strings.Contains(page, text) == without {
			t.Errorf("in the page there must%s be %s", map[bool]string{true: " not"}[without], text)
		}
	}
}

func TestTheFirstBoxHasTheCause(t *testing.T) {
	p := failing()
	p.Log = Log{Text: []byte("$ tsc\nsrc/a.ts(3,5): error TS2322: <b>\nbye\n")}
	p.Run.Cause = &record.Cause{
		Kind: record.CauseOutput, Tool: "tsc", Summary: "src/a.ts(3,5): error TS2322: <b>", More: 2, LogLine: 2, Path: "src/a.ts", Line: 3,
		Lines: []string{"src/a.ts(3,5): error TS2322: <b>", "src/b.ts(1,1): error TS2304: x"}, Hint: "mend it",
	}
	p.Run.Error, p.Run.RepositoryURL = "the command exited with 2", "https://github.com/example/shop"
	p.Run.LogURL = "https://console.aws.amazon.com/cloudwatch/home"
	p.Run.Rerun = &record.Rerun{Step: "runner test --sha " + sha}
	p.Run.LastPassed = &record.LastPassed{SHA: "1a2b3c4d", Branch: "main", Commits: []record.Commit{{Author: "ana"}}, Lockfile: true}
	has(
		t, write(t, p),
		`<p class="message">src/a.ts(3,5): error TS2322: &lt;b&gt; and 2 more</p>`,
		"error TS2322: &lt;b&gt;\nsrc/b.ts(1,1): error TS2304: x\n</pre>",
		`<a href="#L2">line 2 of the log</a>`,
		`<a href="https://github.com/example/shop/blob/`+sha+`/src/a.ts#L3">src/a.ts:3</a>`,
		`<p class="note">the command exited with 2</p>`, `<p class="hint">mend it</p>`,
		"passed at 1a2b3c4 of main", "1 commit since by ana; the lockfile changed", "<code class=\"again\">runner test --sha "+sha+"</code>",
		`<a href="https://console.aws.amazon.com/cloudwatch/home">log stream</a>`,
	)
}

// Groups of lines are folds, of which those with an error, and the one that the end cut off, are open.
func TestGroupsAreFolds(t *testing.T) {
	p := failing()
	p.Log = Log{Text: []byte("start\n::group::Install <b>\none\ntwo\n::endgroup::\n::group::Compile\nsrc/a.ts(3,5): error TS1: x\n::endgroup::\n" +
		"\x1b[0Ksection_start:1560896352:lint\r\x1b[0KLint\nwarned\nsection_end:1560896353:lint\r\x1b[0K\nend\n")}
	p.Run.Cause = &record.Cause{Summary: "x", LogLine: 7}
	page := write(t, p)
	has(
		t, page,
		`<details class="fold"><summary><span class="l p" id="L2"><span class="at">2</span>Install &lt;b&gt;`,
		`<span class="count">3 lines</span></summary><span class="rest"><span class="l p" id="L3"><a href="#L3" tabindex="-1">3</a>one`,
		`<details class="fold" open><summary><span class="l p" id="L6"><span class="at">6</span>Compile`, `<span class="l e p" id="L7">`,
		`<summary><span class="l p" id="L9"><span class="at">9</span>Lint`, `<span class="l p" id="L12"><a href="#L12" tabindex="-1">12</a>end`,
		"!::group::",
	)
	for n := range 12 {
		if id := `id="L` + string(rune('1'+n%9)) + `"`; n < 9 && strings.Count(page, id) != 1 {
			t.Errorf("%s is %d times in the page", id, strings.Count(page, id))
		}
	}
	if open, shut := strings.Count(page, "<details"), strings.Count(page, "</details>"); open != shut {
		t.Errorf("%d folds, %d ends", open, shut)
	}
}

// Of a log that does not fit, the sections that begin before what is shown are plain lines.
func TestFoldsOfALongLog(t *testing.T) {
	p := failing()
	p.Log = Log{Text: []byte("::group::A\n" + strings.Repeat(strings.Repeat("<", 100)+"\n", 4000) + "::endgroup::\n::group::B\nx\n::endgroup::\n")}
	has(t, write(t, p), `<summary><span class="l p" id="L4003"`, `!id="L1"`, `!">1</a>A`)
}

package page

import (
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/record"
)

func TestLinksToTheCodeAreToKnownHosts(t *testing.T) {
	for _, tt := range []struct{ name, repository, github, path, want string }{
		{"GitHub", "https://github.com/a/b", "", "src/x.ts", "https://github.com/a/b/blob/" + sha + "/src/x.ts#L3"},
		{"GitLab", "https://gitlab.com/g/s/b", "", "x.ts", "https://gitlab.com/g/s/b/-/blob/" + sha + "/x.ts#L3"},
		{"Bitbucket", "https://bitbucket.org/a/b", "", "x.ts", "https://bitbucket.org/a/b/src/" + sha + "/x.ts#lines-3"},
		{"an Enterprise server", "https://git.acme.example/a/b", "a/b", "x.ts", "https://git.acme.example/a/b/blob/" + sha + "/x.ts#L3"},
		{"an unknown host", "https://git.acme.example/a/b", "", "x.ts", ""},
		{"a name like GitHub's", "https://github.com.evil.example/a/b", "", "x.ts", ""},
		{"no TLS", "http://github.com/a/b", "", "x.ts", ""},
		{"no repository", "", "", "x.ts", ""},
		{"a name with markup and a query", "https://github.com/a/b", "", `a b/"?x=<y>#z`, "https://github.com/a/b/blob/" + sha + "/a%20b/%22%3Fx=%3Cy%3E%23z#L3"},
		{"a way up", "https://github.com/a/b", "", "../../x.ts", ""},
		{"an absolute path", "https://github.com/a/b", "", "/etc/x", ""},
	} {
		run := record.Run{Identity: record.Identity{SHA: sha}, Details: record.Details{RepositoryURL: tt.repository, Repository: tt.github}}
		if got := sourceURL(run, tt.path, 3); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	run := record.Run{Identity: record.Identity{SHA: record.NoCommit}, Details: record.Details{RepositoryURL: "https://github.com/a/b"}}
	if got := sourceURL(run, "x.ts", 3); got != "" {
		t.Errorf("without a commit: %q", got)
	}
}

func TestTheStripOfATest(t *testing.T) {
	for past, want := range map[string]string{
		"": "", "..": "last 2 runs: 2 passed", "-.": "", "--.F~s": "last 4 runs: 1 failed, 1 flaky, 1 passed, 1 skipped",
	} {
		got := string(strip(past))
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", past, got, want)
		}
	}
	if got := string(strip("-.F")); !strings.Contains(got, `d="M4 12v-8h3v8z"`) || !strings.Contains(got, `class="bad" d="M8 12`) {
		t.Errorf("the bars are not at the places of the runs: %s", got)
	}
}

func TestLinesHaveTheTimeAtWhichTheyWereBegun(t *testing.T) {
	tail := NewTail(1 << 10)
	at := began
	tail.clock = func() time.Time { return at }
	for _, step := range []struct {
		after time.Duration
		text  string
	}{
		{0, "one\ntwo\n"},
		{400 * ms, "three\n"},
		{time.Second, "fo"},
		{time.Second, "ur\n"},
		{time.Second, "five\nsi"},
		{time.Second, "x\nseven\n"},
		{0, "eight\n"},
	} {
		at = at.Add(step.after)
		_, _ = tail.Write([]byte(step.text))
	}
	p := build()
	p.Log = tail.Log()
	page := write(t, p)
	has(
		t, page, `id="L1" data-t="09:30:00">`, `id="L2">`, `id="L3">`, `id="L4" data-t="09:30:01">`, `id="L5" data-t="09:30:03">`, `id="L6">`,
		`id="L7" data-t="09:30:04">`, `id="L8">`, `class="d1 timed"`,
	)
	p.Log.Times = nil
	has(t, write(t, p), "!data-t=", "!class=\"d1 timed\"")
	at = began
	for range 3 * maxTimes {
		at = at.Add(time.Second)
		_, _ = tail.Write([]byte("x\n"))
	}
	if n := len(tail.Log().Times); n > maxTimes || n < maxTimes/2 {
		t.Errorf("%d moments are kept", n)
	}
}

func TestTheCommandKeepsItsLines(t *testing.T) {
	p := build()
	p.Command = "pnpm install\n  --frozen-lockfile\npnpm build\n"
	has(t, write(t, p), ">pnpm install\n  --frozen-lockfile\npnpm build</pre>")
}

func TestChartsNeedSomethingToSee(t *testing.T) {
	short, long := jest(t), failing()
	has(t, write(t, short), `!class="plot"`, `!class="track"`, `<h2 id="usage">`)
	has(t, write(t, long), `class="plot"`, `class="track"`)
}

func TestNeighboursOfARun(t *testing.T) {
	p := jest(t)
	has(
		t, write(t, p),
		`<a rel="prev" href="../../../../../runs/main/`+p.Previous.SHA+`/test/01kav3/report.html">← previous run</a> <span class="note">failed, 2 h before</span>`,
		`<a href="../../../../../runs/main/`+p.LastPassed.SHA+`/test/01kav1/report.html">last run that passed</a>`,
		`<a rel="next" id="newer" href="../../../../../runs/index/main~/index.html#r-01kav4x6r2m5w0p7c1">`, `#c-`+sha+`">pipeline of the commit</a>`,
	)
	p.Previous.RunID, p.Previous.Branch = p.LastPassed.RunID, "a/../b"
	has(t, write(t, p), `!previous run`, `!last run that passed`)
}

package workflow

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestCommandsOfOtherSystemsAreRead(t *testing.T) {
	for _, c := range []struct {
		line string
		want Command
	}{
		{"::group::Install", Command{Kind: GroupStart, Title: "Install"}},
		{"::endgroup::", Command{Kind: GroupEnd}},
		{"##[group]Install", Command{Kind: GroupStart, Title: "Install"}},
		{
			"::error file=src/a.ts,line=3,col=5,endLine=4,endColumn=9,title=TS2322::a%0Ab 100%25",
			Command{Kind: Note, Note: Annotation{
				Level: "error", File: "src/a.ts", Line: 3, Column: 5, EndLine: 4, EndColumn: 9, Title: "TS2322", Message: "a\nb 100%",
			}},
		},
		{"  ::warning file=a%3Ab%2Cc.js::x", Command{Kind: Note, Note: Annotation{Level: "warning", File: "a:b,c.js", Message: "x"}}},
		{"::notice::done", Command{Kind: Note, Note: Annotation{Level: "notice", Message: "done"}}},
		{"::error line=-3,col=1e9::x", Command{Kind: Note, Note: Annotation{Level: "error", Message: "x"}}},
		{"::debug::x", Command{Kind: Debug, Note: Annotation{Message: "x"}}},
		{"##[error]x", Command{Kind: Note, Note: Annotation{Level: "error", Message: "x"}}},
		{"##teamcity[blockOpened name='a' description='b|nc']", Command{Kind: GroupStart, Title: "b\nc"}},
		{"##teamcity[blockClosed name='a']", Command{Kind: GroupEnd}},
		{
			"##teamcity[message text='it|'s |[wrong|] |0x00e9' errorDetails='at a' status='ERROR']",
			Command{Kind: Note, Note: Annotation{Level: "error", Message: "it's [wrong] é\nat a"}},
		},
		{
			"##teamcity[buildProblem description='disk full' identity='d']",
			Command{Kind: Note, Note: Annotation{Level: "error", Message: "disk full"}},
		},
		{
			"##teamcity[inspection typeId='E1' message='m' file='a.py' line='7' SEVERITY='WARNING']",
			Command{Kind: Note, Note: Annotation{Level: "warning", File: "a.py", Line: 7, Title: "E1", Message: "m"}},
		},
		{"##teamcity[testStarted name='a']", Command{Kind: Other}},
		{"::set-output name=x::y", Command{Kind: Other}},
		{"std::vector<int>", Command{}},
		{"::error", Command{}},
		{"::std::move", Command{}},
		{"# a heading", Command{}},
		{"##teamcity[", Command{}},
	} {
		var r Reader
		if got := r.Read([]byte(c.line)); got != c.want {
			t.Errorf("%s is %+v, want %+v", c.line, got, c.want)
		}
		if c.want.Kind != None && !MayCommand([]byte(c.line)) {
			t.Errorf("%s cannot be a command", c.line)
		}
	}
}

func TestStopCommandsTurnsCommandsIntoText(t *testing.T) {
	var r Reader
	var kinds []Kind
	for _, line := range []string{"::stop-commands::token-1", "::error::x", "::other::", "::token-1::", "::error::y"} {
		kinds = append(kinds, r.Read([]byte(line)).Kind)
	}
	if want := []Kind{Other, None, None, Other, Note}; fmt.Sprint(kinds) != fmt.Sprint(want) {
		t.Errorf("kinds %v, want %v", kinds, want)
	}
}

func TestSections(t *testing.T) {
	for _, c := range []struct{ name, log, want string }{
		{"GitHub", "a\n::group::Install\nb\n::endgroup::\nc", "1-4 Install"},
		{"nested: the outer one counts", "::group::A\n::group::B\nx\n::endgroup::\ny\n::endgroup::\nz", "0-6 A"},
		{"cut off by the end: shown", "::group::A\nx", "0-2 A open"},
		{"an end without a start", "::endgroup::\nx", ""},
		{"stopped commands", "::stop-commands::t\n::group::A\nx\n::t::\n::group::B\n::endgroup::", "4-6 B"},
		{
			"GitLab", "\x1b[0Ksection_start:1560896352:build[collapsed=true]\r\x1b[0KBuilding\nx\nsection_end:1560896353:build\r\x1b[0K\ny",
			"0-3 Building",
		},
		{"GitLab, shown", "section_start:1560896352:build\r\x1b[0K\nx\nsection_end:1560896353:build\r\x1b[0K", "0-3 build open"},
		{"Buildkite", "--- :package: Install\na\nb\n+++ Test\nc\n~~~ Clean\nd", "0-3 :package: Install, 3-5 Test open, 5-7 Clean open"},
		{"a diff is none", "--- a/x\n+++ b/x\n@@ -1 +1 @@", ""},
		{"go test's results are none", "--- FAIL: TestX (0.00s)\n    x_test.go:1: y\n--- PASS: TestY (0.00s)", ""},
		{"rules are none", "--- ---\n+++\n---", ""},
		{"TeamCity", "##teamcity[blockOpened name='b']\nx\n##teamcity[blockClosed name='b']", "0-3 b"},
	} {
		var got []string
		for _, s := range Sections(bytes.Split([]byte(c.log), []byte("\n"))) {
			text := fmt.Sprintf("%d-%d %s", s.From, s.To, s.Title)
			if s.Open {
				text += " open"
			}
			got = append(got, text)
		}
		if all := strings.Join(got, ", "); all != c.want {
			t.Errorf("%s: %s, want %s", c.name, all, c.want)
		}
	}
}

func FuzzSections(f *testing.F) {
	f.Add([]byte("::group::a\nsection_start:1:b\r\n--- c\n::endgroup::\n##teamcity[message text='|0x' status='ERROR']"))
	f.Fuzz(func(t *testing.T, log []byte) {
		lines := bytes.Split(log, []byte("\n"))
		end := 0
		for _, s := range Sections(lines) {
			if s.From < end || s.To <= s.From || s.To > len(lines) {
				t.Fatalf("section %+v after line %d of %d", s, end, len(lines))
			}
			end = s.To
		}
	})
}

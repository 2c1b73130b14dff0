package cause

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/record"
)

// end returns what an output tells that is written in blocks of a size, and of which the last bytes are kept.
func end(text string, size, kept int) Output {
	var w Watch
	for rest := text; rest != ""; {
		n := min(size, len(rest))
		_, _ = w.Write([]byte(rest[:n]))
		rest = rest[n:]
	}
	from := max(0, len(text)-kept)
	if from > 0 {
		from += strings.IndexByte(text[from:], '\n') + 1
	}
	return w.End([]byte(text[from:]), 1+strings.Count(text[:from], "\n"), 0, true)
}

func causeOf(out Output, code int) *record.Cause {
	return Of(Failure{
		Reason: record.Failure, ExitCode: code, Error: fmt.Sprintf("the command exited with %d", code), Output: &out,
		Places: Places{Directory: "/workspace", Workspace: "/workspace", Within: "."},
	})
}

const tail = 192 << 10

// A compiler may print more errors than the end of the output holds: the first one is the cause all the same.
func TestTheFirstErrorOfALongOutput(t *testing.T) {
	var text strings.Builder
	text.WriteString("$ tsc\n")
	for i := range 4000 {
		fmt.Fprintf(&text, "src/file%d.ts(3,5): error TS2322: Type 'string' is not assignable to type 'number'.\n", i)
	}
	c := causeOf(end(text.String(), 4096, tail), 2)
	if c.Path != "src/file0.ts" || c.More != 3999 || c.LogLine != 2 || len(c.Lines) != maxTallied {
		t.Errorf("cause %+v", c)
	}
}

// An error long before the end, which the command survived, is not why it failed.
func TestTheLastToolIsTheCause(t *testing.T) {
	early := "src/a.ts(3,5): error TS2322: x\n" + strings.Repeat("fine\n", 1000)
	for _, c := range []struct{ text, want string }{
		{early + "a.c:1:2: error: y\n", "a.c:1:2: error: y"},
		{early + "curl: (7) Failed to connect\n", "curl: (7) Failed to connect"},
		{"a.c:1:2: error: y\n" + early + "fine\n", "src/a.ts(3,5): error TS2322: x"},
		{"src/a.ts(3,5): error TS2322: x\nerror Command failed with exit code 2.\n", "src/a.ts(3,5): error TS2322: x"},
		{"warning: unused\nsrc/a.ts(1,1): warning TS1: x\nlast words\n", "the command exited with 2; its output ends with: last words"},
		{"  error\n    ✔ should skip it\n\n  app.listen()\n", "the command exited with 2; its output ends with: app.listen()"},
		{"building\n0 errors, 0 warnings\ndone\n", "the command exited with 2; its output ends with: done"},
	} {
		if got := causeOf(end(c.text, 1<<20, tail), 2); got.Summary != c.want {
			t.Errorf("%.60q…: %q, want %q", c.text, got.Summary, c.want)
		}
	}
}

func TestTheLastLinesStandForAnOutputThatTellsNothing(t *testing.T) {
	var text strings.Builder
	for i := range 100 {
		fmt.Fprintf(&text, "\x1b[32mline %d\x1b[0m\r\n", i+1)
	}
	c := causeOf(end(text.String()+"\n\n", 7, tail), 3)
	if len(c.Lines) != lastLines || c.Lines[0] != "line 86" || c.Lines[14] != "line 100" || c.LogLine != 86 {
		t.Errorf("cause %+v", c)
	}
	if c := causeOf(end("", 1, tail), 3); c.Kind != record.CauseReason || c.Hint == "" {
		t.Errorf("cause of no output %+v", c)
	}
}

// A flood of errors and of notes leaves a bounded amount in memory.
func TestMemoryIsBounded(t *testing.T) {
	var w Watch
	for i := range 200_000 {
		fmt.Fprintf(&w, "src/f%d.ts(3,5): error TS1: %s\n::warning file=a%d.js,line=1::x\n::error::y%d\n", i, strings.Repeat("x", 100), i, i)
	}
	fmt.Fprint(&w, strings.Repeat("no line break ", 1<<20))
	if n := len(w.problems.first); n > maxTallied || len(w.notes.errors) > maxNotes || len(w.notes.others) > maxNotes ||
		len(w.notes.seen) > 2*maxNotes || cap(w.part) > 2*maxPart || cap(w.head) > 2*maxHead {
		t.Errorf("%d problems, %d and %d notes, %d seen, part %d", n, len(w.notes.errors), len(w.notes.others), len(w.notes.seen), cap(w.part))
	}
}

func TestNotesOfWorkflowCommands(t *testing.T) {
	out := end("x\n::error file=src/a.ts,line=3,col=2::type mismatch\n::notice::done\n::stop-commands::t\n::error::no\n::t::\n"+
		"::error file=src/a.ts,line=3,col=2::type mismatch\n::warning file=/etc/passwd,line=1::w\n", 5, tail)
	want := []record.Annotation{
		{Level: record.LevelError, Path: "src/a.ts", Line: 3, Column: 2, Message: "type mismatch", LogLine: 2},
		{Level: record.LevelNotice, Message: "done", LogLine: 3},
		{Level: record.LevelWarning, Path: "/etc/passwd", Line: 1, Message: "w", LogLine: 8},
	}
	if !reflect.DeepEqual(out.Annotations, want) {
		t.Errorf("annotations %+v", out.Annotations)
	}
}

// An error that the command names itself is why it failed, unless a tool says more of it.
func TestTheErrorThatACommandNames(t *testing.T) {
	named := "::group::check\n::error file=src/a.ts,line=3,title=Policy::no licence%0Aadd one\n::error::and more\n::endgroup::\n"
	for _, c := range []struct {
		text, want, path string
		more             int
	}{
		{named + "last words\n", "Policy: no licence (src/a.ts:3)", "src/a.ts", 1},
		{named + strings.Repeat("fine\n", 1000), "Policy: no licence (src/a.ts:3)", "src/a.ts", 1},
		{"npm error code ELIFECYCLE\n" + named, "Policy: no licence (src/a.ts:3)", "src/a.ts", 1},
		{named + "src/b.ts(1,1): error TS2322: x\n", "src/b.ts(1,1): error TS2322: x", "src/b.ts", 0},
		{"::warning::old\nlast words\n", "the command exited with 2; its output ends with: last words", "", 0},
	} {
		got := causeOf(end(c.text, 7, tail), 2)
		if got.Summary != c.want || got.Path != c.path || got.More != c.more {
			t.Errorf("%.60q…: %q at %q and %d more, want %q at %q and %d", c.text, got.Summary, got.Path, got.More, c.want, c.path, c.more)
		}
	}
}

// Past the beginning of a long output, commands of its end still count.
func TestNotesAtTheEndOfALongOutput(t *testing.T) {
	text := strings.Repeat("a line of the output\n", maxScanned/20) + "::error file=a.js,line=1::late\n"
	out := end(text, 4096, tail)
	if len(out.Annotations) != 1 || out.Annotations[0].Message != "late" || out.Annotations[0].LogLine != strings.Count(text, "\n") {
		t.Errorf("annotations %+v", out.Annotations)
	}
}

func TestPlacesStayInTheWorkspace(t *testing.T) {
	p := Places{Directory: "/repo/ws/packages/core", Workspace: "/repo/ws", Within: "ws/packages/core"}
	for name, want := range map[string]string{
		"src/a.ts":                           "ws/packages/core/src/a.ts",
		"./a.ts":                             "ws/packages/core/a.ts",
		"../web/a.ts":                        "ws/packages/web/a.ts",
		"../../../secret":                    "",
		"/repo/ws/packages/core/src/a.ts":    "ws/packages/core/src/a.ts",
		"/repo/other/a.ts":                   "",
		"/etc/passwd":                        "",
		"../../../../etc/passwd":             "",
		"file:///repo/ws/packages/core/a.js": "ws/packages/core/a.js",
		"https://example.com/a.js":           "",
		"a\nb.ts":                            "",
		"":                                   "",
		`src\a.ts`:                           "ws/packages/core/src/a.ts",
	} {
		// Only what is below the step's folder in the workspace, or beside it, is found.
		if got := p.Find(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

// However an output is cut into blocks, it tells the same, and nothing of it moves a cursor.
func FuzzOutput(f *testing.F) {
	for _, name := range recordings(f) {
		f.Add(readRecording(f, name).output, 7)
	}
	f.Add([]byte("E  a\nx.py:1: in \n\x1b[31merror\x1b[0m TS1: x\r\nerror[E1]: x\n --> a:1:1\n"), 1)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		size = 1 + int(uint(size)%100)
		whole, cut := end(string(text), len(text)+1, tail), end(string(text), size, tail)
		if !reflect.DeepEqual(whole, cut) {
			t.Fatalf("in blocks of %d\n%+v, whole\n%+v", size, cut, whole)
		}
		c := causeOf(cut, 1)
		if c.Summary == "" || len(c.Lines) > maxLines || strings.ContainsFunc(strings.Join(c.Lines, "")+c.Summary, isHidden) {
			t.Fatalf("cause %+v", c)
		}
	})
}
